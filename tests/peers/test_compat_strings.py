"""tf.strings, tf.sets, tf.lookup and tf.nest under both."""

import os

import numpy as np
import pytest

from tests.peers.side_by_side import unlike

pytestmark = pytest.mark.peers
os.environ["TF_USE_LEGACY_KERAS"] = "1"

GIVEN = {"GRID": np.array([["a", "bb"], ["", "dd"]])}
MADE = {
    "P": "tf.placeholder_with_default(['ab', 'c d'], [None])",
    "A": "tf.SparseTensor([[0, 0], [0, 1], [1, 0]], tf.constant([1, 2, 3]), [2, 2])",
    "B": "tf.SparseTensor([[0, 0], [1, 0], [1, 1]], tf.constant([2, 3, 4]), [2, 2])",
    "KEYS": "tf.lookup.KeyValueTensorInitializer",
    "TABLE": "tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(['a', 'bb'], [1, 2]), -1)",
    "IDS": "tf.lookup.KeyValueTensorInitializer(['a', 'bb'], tf.constant([0, 1], tf.int64))",
    "FILE": "tf.lookup.TextFileInitializer",
    "MUTABLE": "tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)",
    "INT": "tf.constant([1, 2], tf.int64)",
}
LINES = r"""
tf.strings.length(GRID), tf.strings.length("hé"), tf.strings.length("hé", unit="UTF8_CHAR"), tf.strings.length(P)
tf.strings.length("a", unit="WORDS")
tf.strings.lower("ABÉ"), tf.strings.upper("abé", encoding="utf-8"), tf.strings.strip(["  a ", "b\n"])
tf.string_strip(" a ")
tf.substr(GRID, 0, 1), tf.strings.substr("hello", 1, 3), tf.strings.substr("héllo", 1, 2, unit="UTF8_CHAR")
tf.substr("hello", -3, 2)
tf.substr("a", 5, 1)
tf.substr(["abc", "de"], [0, 1], [2, 1])
tf.strings.substr("abc", 1, 1, "named").op.name
tf.string_join(["a", GRID], "-"), tf.strings.join([P, P]), tf.strings.join(["x"], name="j").op.name
tf.strings.join([GRID, GRID[0]])
tf.string_join(["a", GRID[:, :1], P]).shape.as_list()
tf.reduce_join(GRID, 0), tf.reduce_join(GRID, axis=1, separator="+"), tf.reduce_join(GRID)
tf.strings.reduce_join(GRID, [0, 1])
tf.reduce_join(GRID, -1, keepdims=True), tf.reduce_join(GRID, reduction_indices=0), tf.reduce_join(GRID, [1, 0])
tf.reduce_join(P)
tf.reduce_join(GRID, 0, reduction_indices=0)
tf.regex_replace("banana", "an", "AN"), tf.strings.regex_replace(P, "[a-c]", "<\\0>", replace_global=False)
tf.strings.regex_replace("a", tf.constant("a"), tf.constant("b")), tf.strings.regex_full_match(GRID, "[ab]*")
tf.strings.regex_full_match("a", ".")
tf.strings.regex_full_match("a", "(")
tf.strings.format("x: {}", tf.constant([1, 2])), tf.strings.format("{} {}", [tf.constant(1), tf.constant("s")])
tf.strings.format("% %", (tf.range(9), 2.5), placeholder="%", summarize=2)
tf.strings.format("{} {}", [1])
tf.strings.unsorted_segment_join(["a", "b", "c"], [1, 0, 1], 3, ":")
tf.as_string([1.5, 2.0], precision=2), tf.strings.as_string(True), tf.as_string(7, width=4, fill="0")
tf.as_string(1e10, scientific=True)
tf.string_to_hash_bucket(["a", "b"], 10), tf.strings.to_hash_bucket(input="a", num_buckets=5)
tf.string_to_hash_bucket_fast(GRID, 100)
tf.string_to_hash_bucket_strong(["a"], 100, key=[1, 2]), tf.strings.to_hash_bucket_strong("b", 7, [3, 4])
tf.string_to_hash_bucket_strong(["a"], 100, key=[1])
tf.string_to_hash_bucket_fast("a", 0)
tf.strings.to_number(["1.5"]), tf.strings.to_number("7", tf.int32)
tf.strings.to_number(input=["2"], out_type=tf.float64)
tf.string_split(["a b", " c  d"]), tf.string_split(["a,b;c"], ",;"), tf.string_split(["abc"], "")
tf.string_split(["a,,b"], ",", False)
tf.string_split(["a b"], delimiter=" "), tf.string_split(source=P, skip_empty=False)
tf.string_split(["a b"], result_type="RaggedTensor")
tf.string_split("a b")
tf.string_split(["a b"], result_type="List")
tf.string_split(["a b"], " ", delimiter=",")
tf.strings.split(["a b", "c"]), tf.strings.split(["a<>b<>"], "<>"), tf.strings.split(["a b c"], maxsplit=1)
tf.strings.split(source=["x y"])
tf.strings.split("a b"), tf.strings.split(GRID), tf.strings.split(P, result_type="RaggedTensor")
tf.strings.split([""], sep=",")
tf.strings.bytes_split("ab"), tf.strings.bytes_split(P)
tf.strings.ngrams(["a", "b", "c"], 2), tf.strings.ngrams(GRID, 2)
tf.strings.ngrams(["a", "b"], 3, pad_values="x", padding_width=1)
tf.strings.ngrams(["a"], 3, preserve_short_sequences=True), tf.strings.ngrams(["a", "b", "c"], [1, 2], separator="|")
tf.strings.ngrams(["a"], 0)
tf.strings.ngrams(["a"], 2, pad_values=3)
tf.strings.unicode_script([ord("a"), 0x3b1]), tf.strings.unicode_transcode("hé", "UTF-8", "UTF-16-BE")
tf.strings.unicode_transcode("h\x00", "UTF-8", "UTF-8", replace_control_characters=True)
tf.strings.unicode_decode(GRID, "UTF-8").flat_values, tf.strings.unicode_decode(b"\xff", "UTF-8")
tf.strings.unicode_decode(b"\xff", "UTF-8", "ignore")
tf.strings.unicode_decode(b"\xff", "UTF-8", errors="strict")
tf.strings.unicode_encode([104, 105], "UTF-16-BE"), tf.strings.unicode_encode([[104, 105]], "UTF-8")
tf.strings.unicode_encode([0x110000], "UTF-8", errors="strict")
tf.sets.set_size(A), tf.sets.size(A, validate_indices=False)
tf.sets.set_size(tf.SparseTensor([[0, 0], [0, 1]], INT[:1] * INT // INT, [1, 2]))
tf.sets.set_intersection(A, B), tf.sets.intersection([[1, 2], [3, 3]], [[2, 9], [3, 1]])
tf.sets.set_intersection([[2, 3], [3, 4]], B)
tf.sets.set_difference(A, B), tf.sets.difference(A, B, aminusb=False), tf.sets.difference(A, [[2, 3], [3, 4]])
tf.sets.difference([[2], [3]], B, False)
tf.sets.set_union(A, B), tf.sets.union(A, [[2, 3], [3, 4]]), tf.sets.union([["a"]], [["b"]])
tf.sets.union(INT[None], INT[None]).values
tf.sets.set_size([[1]])
tf.sets.set_union(A, [["a"], ["b"]])
tf.sets.set_union([[1.0]], [[2.0]])
tf.sets.set_union([[1]], [[1], [2]])
TABLE.lookup(tf.constant(["a", "z"])), TABLE.size(), TABLE.lookup(P), TABLE.lookup(tf.constant("bb"))
TABLE[tf.constant("a")]
TABLE.lookup(tf.SparseTensor([[0, 1]], ["bb"], [1, 2])), TABLE.lookup(tf.ragged.constant([["a"], []], dtype=tf.string))
tf.nest.map_structure(tf.sort, TABLE.export()), TABLE.key_dtype.name, TABLE.value_dtype.name, TABLE.default_value
TABLE.lookup(tf.constant([1, 2]))
TABLE.resource_handle.dtype.name, len(tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS))
tf.lookup.StaticHashTable(KEYS(INT, INT * 2), 0).lookup(INT)
tf.lookup.StaticHashTable(KEYS(INT, ["x", "y"]), "?").lookup(INT + 1)
tf.lookup.StaticHashTable(KEYS([1, 2], [3.0, 4.0], tf.int64, tf.float32), -1.0).lookup(tf.constant([2, 7], tf.int64))
tf.lookup.StaticHashTable(KEYS(["a", "a"], [1, 1]), 0).size()
tf.lookup.StaticHashTable(KEYS(["a", "a"], [1, 2]), 0).size()
tf.lookup.StaticHashTable(KEYS(["a"], [1, 2]), 0).size()
tf.lookup.StaticHashTable(KEYS(["a"], [1]), "no")
tf.lookup.StaticHashTable(KEYS(["a"], [1]), [1, 2])
tf.lookup.StaticVocabularyTable(IDS, 1).lookup(tf.constant(["a", "z"])), tf.lookup.StaticVocabularyTable(IDS, 3).size()
tf.lookup.StaticVocabularyTable(IDS, 5).lookup(tf.constant(["x", "y", "bb"]))
tf.lookup.StaticVocabularyTable(None, 4).lookup(tf.constant(["x"]))
tf.lookup.StaticVocabularyTable(KEYS(INT, INT - 1), 5).lookup(INT * 3)
tf.lookup.StaticVocabularyTable(IDS, 2).lookup(tf.SparseTensor([[0]], ["q"], [1]))
tf.lookup.StaticVocabularyTable(KEYS(INT, INT - 1), 5, lookup_key_dtype=tf.int32).lookup(tf.constant([1, 9]))
tf.lookup.StaticVocabularyTable(IDS, 0)
tf.lookup.StaticVocabularyTable(KEYS(["a"], ["b"]), 1)
tf.lookup.StaticVocabularyTable(IDS, 1, lookup_key_dtype=tf.int64)
tf.lookup.StaticVocabularyTable(IDS, 2).lookup(INT)
tf.lookup.StaticHashTable(FILE("/nowhere/file", tf.string, -2, tf.int64, -1), 0).size()
FILE("", tf.string, -2, tf.int64, -1)
FILE("f", tf.string, -1, tf.int64, -2)
FILE("f", tf.string, -2, tf.int64, -1, vocab_size=0)
FILE("f", tf.string, -3, tf.int64, -1)
MUTABLE.lookup(tf.constant(["a"])), MUTABLE.size(), MUTABLE.insert(["a"], INT[:1]).type
MUTABLE.remove(tf.constant(["a"])).type, MUTABLE.export()
tf.lookup.experimental.DenseHashTable(tf.int64, tf.int64, -1, empty_key=0, deleted_key=-1).lookup(INT), MUTABLE.name
tf.lookup.experimental.DenseHashTable(tf.int64, tf.int64, [-1, -2], empty_key=0, deleted_key=-1).lookup(INT)
tf.nest.flatten({"b": [1, (2, 3)], "a": 4}), tf.nest.flatten(5), tf.nest.flatten([]), tf.nest.flatten("abc")
tf.nest.is_nested([1]), tf.nest.is_nested("a")
tf.nest.map_structure(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})["b"]
tf.nest.pack_sequence_as({"a": 1, "b": [2]}, [5, 6])["b"]
tf.nest.flatten(A, expand_composites=True), tf.nest.flatten([A])
tf.nest.pack_sequence_as([A], tf.nest.flatten(B, True), True)[0]
tf.nest.map_structure(lambda x: x + x, [A], expand_composites=True)[0].values
tf.nest.assert_same_structure([1, (2,)], [3, (4,)]), tf.nest.assert_same_structure([1], (1,), check_types=False)
tf.nest.assert_same_structure([1], (1,))
tf.nest.assert_same_structure([1, 2], [1])
tf.nest.assert_same_structure([1], 1)
tf.nest.assert_same_structure({"a": 1}, {"b": 1})
tf.nest.map_structure(lambda x, y: x, [1], [1, 2])
tf.nest.map_structure(3, [1])
tf.nest.map_structure(lambda x: x)
tf.nest.pack_sequence_as([1, 2], [3])
tf.nest.pack_sequence_as(1, [3, 4])
tf.nest.pack_sequence_as([1], 3)
"""


@pytest.fixture(scope="module")
def tensorflow():
    module = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")
    return module.compat.v1


@pytest.mark.parametrize("line", LINES.strip().splitlines())
def test_a_line_of_strings_gives_what_tensorflow_gives(tensorflow, line):
    assert not unlike(tensorflow, line, GIVEN, MADE)
