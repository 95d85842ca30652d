"""tf.lookup: tables from keys to values, filled once by an initializer, or changed as a program runs.

    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2]), default_value=-1)
    session.run(tf.tables_initializer())
    session.run(table.lookup(tf.constant(["b", "z"])))        [2, -1]

Keys may be a tensor, a SparseTensor or a RaggedTensor; the values have its form. Behind `__all__` are the names that
tf.contrib.lookup and the inner module had.

Next: compat/v1/lookup_static.py.
"""

from __future__ import annotations

from refflow.compat.v1 import lookup_mutable as experimental
from refflow.compat.v1.lookup_buckets import (
    FastHashSpec,
    HasherSpec,
    IdTableWithHashBuckets,
    StaticVocabularyTable,
    StrongHashSpec,
)
from refflow.compat.v1.lookup_files import (
    TextFileIdTableInitializer,
    TextFileIndex,
    TextFileInitializer,
    TextFileStringTableInitializer,
)
from refflow.compat.v1.lookup_mutable import DenseHashTable, MutableHashTable
from refflow.compat.v1.lookup_static import (
    InitializableLookupTableBase,
    KeyValueTensorInitializer,
    StaticHashTable,
    check_table_dtypes,
)
from refflow.compat.v1.lookup_tables import LookupInterface, TableInitializerBase
from refflow.compat.v1.lookup_vocabularies import (
    index_table_from_file,
    index_table_from_tensor,
    index_to_string_table_from_file,
    index_to_string_table_from_tensor,
)

__all__ = [
    "KeyValueTensorInitializer", "StaticHashTable", "StaticVocabularyTable", "TextFileIndex", "TextFileInitializer",
    "experimental",
]  # fmt: skip

HashTable, MutableDenseHashTable, InitializableLookupTableBaseV1 = (
    StaticHashTable, DenseHashTable, InitializableLookupTableBase
)  # fmt: skip
# What other modules look up here.
_INNER = (
    FastHashSpec, HasherSpec, IdTableWithHashBuckets, LookupInterface, MutableHashTable, StrongHashSpec,
    TableInitializerBase, TextFileIdTableInitializer, TextFileStringTableInitializer, check_table_dtypes,
    index_table_from_file, index_table_from_tensor, index_to_string_table_from_file, index_to_string_table_from_tensor,
)  # fmt: skip
