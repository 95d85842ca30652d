"""Ids for all words: a table's own, and behind them buckets, into which words that the table lacks fall by their hash.

    id of a word = what the table has, else the table's size + hash(word) mod num_oov_buckets

Next: compat/v1/lookup_vocabularies.py.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from refflow.compat.v1.lookup_static import StaticHashTable
from refflow.compat.v1.lookup_tables import LookupInterface, keys_like
from refflow.core.control import no_op
from refflow.core.convert import op_scope
from refflow.core.dtypes import DType, as_dtype, int64, string
from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.ops.cast import cast

__all__ = ["FastHashSpec", "HasherSpec", "IdTableWithHashBuckets", "StaticVocabularyTable", "StrongHashSpec"]


class HasherSpec(NamedTuple):
    """Which hash chooses a bucket, and its key where it has one."""

    hasher: str
    key: Any


FastHashSpec = HasherSpec("fasthash", None)


class StrongHashSpec(HasherSpec):
    """The hash with a key, two whole numbers, that nobody can foresee without it."""

    def __new__(cls, key: Any) -> StrongHashSpec:
        if len(key) != 2:
            raise ValueError(f"`key` must have size 2, received {len(key)}")
        if not all(isinstance(part, Integral) for part in key):
            raise TypeError(f"Invalid key {key}. Must be unsigned integer values.")
        return super().__new__(cls, "stronghash", key)


_HASHES = {
    "fasthash": "StringToHashBucketFast", "legacy": "StringToHashBucket", "stronghash": "StringToHashBucketStrong",
}  # fmt: skip


def _bucket(words: Tensor, buckets: int, spec: HasherSpec) -> Tensor:
    if spec.hasher not in _HASHES:
        raise ValueError(f"Found unknown hasher {spec.hasher} in `hasher_spec`")
    key = {} if spec.hasher != "stronghash" else {"key": [int(part) for part in spec.key]}
    return op_def(_HASHES[spec.hasher])(words, num_buckets=buckets, name="hash_bucket", **key)


# How TensorFlow's two classes begin to say that the type of keys, or of values, is wrong.
_OF_IDS, _OF_VOCABULARIES = (
    ("Invalid `key dtype`,", "Invalid `value_dtype`:"), ("Invalid `key_dtype`,", "Invalid `value_dtype`,")
)  # fmt: skip


def _check_types(kinds: tuple[DType, DType], wanted: DType, said: tuple[str, str]) -> None:
    """TypeError where a table from the first of `kinds` to the second cannot give ids for keys of type `wanted`."""
    known, value = kinds
    if known not in (int64, string):
        raise TypeError(f"Invalid `key_dtype`, expected one of int64 or string, received {known.name}.")
    if known.is_integer != wanted.is_integer:
        kind = "integer" if wanted.is_integer else "non-integer"
        raise TypeError(f"{said[0]} expected {kind} but got {known.name}.")
    if value is not int64:
        raise TypeError(f"{said[1]} expected int64 but got {value.name}.")


class IdTableWithHashBuckets(LookupInterface):
    """Ids of `table`, and `num_oov_buckets` buckets behind them; without a table, buckets alone."""

    def __init__(
        self, table: Any, num_oov_buckets: int, hasher_spec: Any = FastHashSpec, name: str | None = None,
        key_dtype: Any = None,
    ):  # fmt: skip
        kind = as_dtype(key_dtype) if key_dtype is not None else string if table is None else table.key_dtype
        if table is not None:
            _check_types((table.key_dtype, table.value_dtype), kind, _OF_IDS)
        elif num_oov_buckets <= 0:
            raise ValueError("`oov_buckets` must be > 0 if no `table` is supplied.")
        if not kind.is_integer and kind is not string:
            raise TypeError(f"Invalid `key_dtype`, expected integer or string, got {kind.name}.")
        if not isinstance(hasher_spec, HasherSpec):
            raise TypeError(f"`hasher_spec` must be of type HasherSpec, got {type(hasher_spec)}.")
        super().__init__(kind, int64)
        self._table, self._buckets, self._spec = table, num_oov_buckets, hasher_spec
        called = name.rstrip("/") if name else "hash_bucket" if table is None else table.name
        self._name = called.rpartition("/")[2]

    @property
    def name(self) -> str:
        return self._name

    @property
    def resource_handle(self) -> Any:
        """The table's handle, or None."""
        return None if self._table is None else self._table.resource_handle

    @property
    def initializer(self) -> Operation:
        """What fills the table."""
        if self._table is not None:
            return self._table.initializer
        with op_scope([], None, "init"):
            return no_op()

    init = initializer

    def size(self, name: str | None = None) -> Tensor:
        """How many ids there are, int64."""
        with op_scope([], name, f"{self.name}_Size"):
            known = np.int64(0) if self._table is None else self._table.size()
            return op_def("AddV2")(known, np.int64(self._buckets))

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The id of each key, in the form of the keys."""
        flat, like = keys_like(keys, self.key_dtype)
        known = cast(flat, int64) if self._table is not None and self._table.key_dtype is int64 else flat
        if not self._buckets:
            return like(self._table.lookup(known, name))
        with op_scope([], name, f"{self.name}_Lookup"):
            words = known if known.dtype.base_dtype is string else op_def("AsString")(known)
            ids = _bucket(words, self._buckets, self._spec)
            if self._table is not None:
                own = self._table.lookup(known)
                behind = op_def("AddV2")(ids, self._table.size(), name="Add")
                ids = op_def("SelectV2")(op_def("NotEqual")(own, self._table.default_value), own, behind)
            return like(ids)


class StaticVocabularyTable(IdTableWithHashBuckets):
    """Ids that `initializer` gives, int64, and `num_oov_buckets` buckets; without an initializer, buckets alone."""

    def __init__(
        self, initializer: Any, num_oov_buckets: int, lookup_key_dtype: Any = None, name: str | None = None,
        experimental_is_anonymous: bool = False,
    ):  # fmt: skip
        if num_oov_buckets <= 0:
            raise ValueError(f"`num_oov_buckets` must be > 0; use StaticHashTable. Received: {num_oov_buckets}.")
        table = None
        if initializer is not None:
            kind = initializer.key_dtype if lookup_key_dtype is None else as_dtype(lookup_key_dtype)
            _check_types((initializer.key_dtype, initializer.value_dtype), kind, _OF_VOCABULARIES)
            table = StaticHashTable(initializer, -1, experimental_is_anonymous=experimental_is_anonymous)
        super().__init__(table, num_oov_buckets, FastHashSpec, name, None if table is None else kind)
