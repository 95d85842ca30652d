"""Vocabularies, and buckets for words that they lack."""

import os

import numpy as np
from tensorflow.python.framework import constant_op, dtypes, errors_impl, sparse_tensor, test_util
from tensorflow.python.ops import lookup_ops, string_ops
from tensorflow.python.platform import test


def _vocab(case, name, lines=("brain", "salad", "surgery"), suffix="\n"):
    path = os.path.join(case.get_temp_dir(), name)
    with open(path, "w") as f:
        f.write("\n".join(lines) + suffix)
    return path


class VocabularyTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testIndexTableFromFile(self):
        vocab = _vocab(self, "f2i.txt")
        with self.cached_session():
            table = lookup_ops.index_table_from_file(vocabulary_file=vocab, num_oov_buckets=1)
            ids = table.lookup(constant_op.constant(["salad", "surgery", "tarkus"]))
            with self.assertRaisesRegex(errors_impl.OpError, "not initialized"):
                self.evaluate(ids)
            self.evaluate(lookup_ops.tables_initializer())
            self.assertAllEqual((1, 2, 3), self.evaluate(ids))
            self.assertEqual(4, table.size().eval())

    @test_util.run_deprecated_v1
    def testFromFileDefaults(self):
        vocab = _vocab(self, "f2i2.txt")
        with self.cached_session():
            table = lookup_ops.index_table_from_file(vocabulary_file=vocab, default_value=-42)
            sized = lookup_ops.index_table_from_file(vocabulary_file=vocab, vocab_size=2)
            ints = lookup_ops.index_table_from_file(
                vocabulary_file=_vocab(self, "i.txt", ["42", "1", "-1000"]), num_oov_buckets=1, key_dtype=dtypes.int32
            )
            lookup_ops.tables_initializer().run()
            self.assertAllEqual((1, 2, -42), table.lookup(constant_op.constant(["salad", "surgery", "tarkus"])).eval())
            self.assertAllEqual((1, -1), sized.lookup(constant_op.constant(["salad", "surgery"])).eval())
            self.assertAllEqual((1, 2, 3), ints.lookup(constant_op.constant([1, -1000, 11], dtypes.int32)).eval())
            self.assertEqual(dtypes.int32, ints.key_dtype)

    @test_util.run_deprecated_v1
    def testFromFileColumns(self):
        path = _vocab(self, "cols.txt", ["brain\t300", "salad\t20", "surgery\t1"])
        with self.cached_session():
            table = lookup_ops.index_table_from_file(
                vocabulary_file=path, num_oov_buckets=1, key_column_index=0, value_column_index=1
            )
            back = lookup_ops.index_to_string_table_from_file(
                vocabulary_file=path, key_column_index=1, value_column_index=0
            )
            lookup_ops.tables_initializer().run()
            self.assertAllEqual((300, 20, 1), table.lookup(constant_op.constant(["brain", "salad", "surgery"])).eval())
            self.assertAllEqual((b"salad", b"UNK"), back.lookup(constant_op.constant([20, 5], dtypes.int64)).eval())

    @test_util.run_deprecated_v1
    def testArguments(self):
        with self.assertRaisesRegex(
            ValueError, "vocabulary_file must be specified|must be specified and must not be empty"
        ):
            lookup_ops.index_table_from_file(vocabulary_file=None)
        with self.assertRaisesRegex(ValueError, "must be specified and must not be empty"):
            lookup_ops.index_table_from_file(vocabulary_file="")
        with self.assertRaisesRegex(ValueError, "num_oov_buckets must be greater or equal than 0, got -1"):
            lookup_ops.index_table_from_file(vocabulary_file="a", num_oov_buckets=-1)
        with self.assertRaisesRegex(ValueError, "`vocab_size` must be greater than 0, got 0 for vocabulary_file: a"):
            lookup_ops.index_table_from_file(vocabulary_file="a", vocab_size=0)
        with self.assertRaisesRegex(TypeError, "Dtype for `keys` should be either integer or string"):
            lookup_ops.index_table_from_file(vocabulary_file="a", key_dtype=dtypes.float32)
        with self.assertRaisesRegex(ValueError, "`vocabulary_list` must be specified"):
            lookup_ops.index_table_from_tensor(None)
        with self.assertRaisesRegex(ValueError, "`num_oov_buckets` must be greater or equal than 0, got -1"):
            lookup_ops.index_table_from_tensor(["a"], num_oov_buckets=-1)
        with self.assertRaisesRegex(TypeError, "`dtype` must either be integer or string"):
            lookup_ops.index_table_from_tensor(["a"], dtype=dtypes.float32)
        with self.assertRaisesRegex(ValueError, "Invalid `dtype`: Expected integer"):
            lookup_ops.index_table_from_tensor(["a"], dtype=dtypes.int64)
        with self.assertRaisesRegex(ValueError, "Invalid `dtype`: Expected non-integer"):
            lookup_ops.index_table_from_tensor([1])
        with self.assertRaisesRegex(ValueError, "`vocab_size` must be greater than 0, got 0"):
            lookup_ops.index_to_string_table_from_file("a", vocab_size=0)
        with self.assertRaisesRegex(ValueError, "`vocabulary_list` argument must be specified"):
            lookup_ops.index_to_string_table_from_tensor(None)

    @test_util.run_deprecated_v1
    def testIndexTableFromTensor(self):
        with self.cached_session():
            table = lookup_ops.index_table_from_tensor(["brain", "salad", "surgery"], num_oov_buckets=1)
            plain = lookup_ops.index_table_from_tensor(
                np.array([7, 1, -10], np.int32), default_value=-2, dtype=dtypes.int64
            )
            back = lookup_ops.index_to_string_table_from_tensor(
                ["brain", "salad", "surgery"], default_value="?", name="back"
            )
            lookup_ops.tables_initializer().run()
            self.assertAllEqual((1, 2, 3), table.lookup(constant_op.constant(["salad", "surgery", "tarkus"])).eval())
            self.assertAllEqual((0, 2, -2), plain.lookup(constant_op.constant([7, -10, 5], dtypes.int64)).eval())
            self.assertAllEqual((b"salad", b"?"), back.lookup(constant_op.constant([1, 4], dtypes.int64)).eval())

    @test_util.run_deprecated_v1
    def testIndexTableFromTensorInts(self):
        with self.cached_session():
            t = lookup_ops.index_table_from_tensor((42, 1, -1000), num_oov_buckets=1, dtype=dtypes.int32)
            lookup_ops.tables_initializer().run()
            self.assertAllEqual((1, 2, 3), t.lookup(constant_op.constant((1, -1000, 11), dtypes.int32)).eval())

    @test_util.run_deprecated_v1
    def testEmptyVocabulary(self):
        with self.cached_session():
            t = lookup_ops.index_table_from_tensor(np.array([], dtype=np.str_), num_oov_buckets=1)
            ids = t.lookup(constant_op.constant(["salad", "surgery", "brain"]))
            with self.assertRaises(errors_impl.OpError):
                self.evaluate(ids)
            with self.assertRaisesRegex(errors_impl.OpError, "keys and values cannot be empty"):
                self.evaluate(lookup_ops.tables_initializer())


class HashBucketsTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testStringIdTable(self):
        vocab = _vocab(self, "feat_to_id_1.txt")
        with self.cached_session():
            default_value, vocab_size, oov_buckets = -1, 3, 1
            table = lookup_ops.IdTableWithHashBuckets(
                lookup_ops.HashTable(
                    lookup_ops.TextFileIdTableInitializer(vocab, vocab_size=vocab_size), default_value
                ),
                oov_buckets,
            )
            table.initializer.run()
            out = table.lookup(constant_op.constant(["brain", "salad", "surgery", "UNK"]))
            self.assertAllEqual([0, 1, 2, 3], out.eval())
            self.assertEqual(vocab_size + oov_buckets, table.size().eval())

    @test_util.run_deprecated_v1
    def testOnlyHashBucket(self):
        with self.cached_session():
            table = lookup_ops.IdTableWithHashBuckets(None, 5)
            table.initializer.run()
            values = constant_op.constant(("brain", "salad", "surgery"))
            self.assertAllEqual([3, 1, 4], table.lookup(values).eval())
            self.assertEqual(5, table.size().eval())
            self.assertIs(None, table.resource_handle)
            self.assertEqual("hash_bucket", table.name)

    @test_util.run_deprecated_v1
    def testNumbers(self):
        with self.cached_session():
            for dt in (dtypes.int32, dtypes.int64):
                t = lookup_ops.IdTableWithHashBuckets(
                    lookup_ops.HashTable(
                        lookup_ops.TextFileIdTableInitializer(
                            _vocab(self, "n.txt", ["42", "1", "-1000"]), vocab_size=3, key_dtype=dtypes.int64
                        ),
                        -1,
                    ),
                    1,
                    key_dtype=dt,
                )
                t.initializer.run()
                self.assertAllEqual([0, 1, 2, 3], t.lookup(constant_op.constant((42, 1, -1000, 11), dtype=dt)).eval())

    @test_util.run_deprecated_v1
    def testTwoHashers(self):
        with self.cached_session():
            v = _vocab(self, "h.txt")
            ts = [
                lookup_ops.IdTableWithHashBuckets(
                    lookup_ops.HashTable(lookup_ops.TextFileIdTableInitializer(v, vocab_size=3), -1), 2, hasher_spec=h
                )
                for h in (lookup_ops.FastHashSpec, lookup_ops.StrongHashSpec((1, 2)))
            ]
            lookup_ops.tables_initializer().run()
            words = constant_op.constant(["fruit", "brain", "salad", "surgery", "UNK", "b", "c"])
            for t, h in zip(
                ts,
                (
                    string_ops.string_to_hash_bucket_fast,
                    lambda w, n: string_ops.string_to_hash_bucket_strong(w, n, [1, 2]),
                ),
            ):
                got = t.lookup(words).eval()
                want = (h(words, 2) + 3).eval()
                want[1:4] = [0, 1, 2]
                self.assertAllEqual(want, got)

    @test_util.run_deprecated_v1
    def testLegacyHasher(self):
        with self.cached_session():
            t = lookup_ops.IdTableWithHashBuckets(None, 7, hasher_spec=lookup_ops.HasherSpec("legacy", None))
            words = constant_op.constant(["fruit", "brain"])
            self.assertAllEqual(string_ops.string_to_hash_bucket(words, num_buckets=7).eval(), t.lookup(words).eval())

    @test_util.run_deprecated_v1
    def testErrors(self):
        with self.assertRaisesRegex(TypeError, "`hasher_spec` must be of type HasherSpec"):
            lookup_ops.IdTableWithHashBuckets(None, 3, hasher_spec=1)
        with self.assertRaisesRegex(ValueError, "`oov_buckets` must be > 0 if no `table` is supplied"):
            lookup_ops.IdTableWithHashBuckets(None, 0)
        with self.assertRaisesRegex(ValueError, "Found unknown hasher"):
            lookup_ops.IdTableWithHashBuckets(
                None, 3, hasher_spec=lookup_ops.HasherSpec("my-awesome-hash", None)
            ).lookup(constant_op.constant(["a"]))
        with self.assertRaisesRegex(ValueError, "`key` must have size 2, received 0"):
            lookup_ops.StrongHashSpec([])
        with self.assertRaisesRegex(ValueError, "`key` must have size 2, received 3"):
            lookup_ops.StrongHashSpec([1, 2, 3])
        with self.assertRaisesRegex(TypeError, "Invalid key"):
            lookup_ops.StrongHashSpec([None, 2])
        with self.assertRaisesRegex(TypeError, "Invalid `key_dtype`, expected integer or string"):
            lookup_ops.IdTableWithHashBuckets(None, 1, key_dtype=dtypes.float32)
        t = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a"], [1.0]), -1)
        with self.assertRaisesRegex(TypeError, "Invalid `value_dtype`: expected int64"):
            lookup_ops.IdTableWithHashBuckets(t, 1)
        t = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a"], np.array([1])), -1)
        with self.assertRaisesRegex(
            TypeError, "Invalid `key dtype`, expected non-integer|Invalid `key dtype`, expected integer"
        ):
            lookup_ops.IdTableWithHashBuckets(t, 1, key_dtype=dtypes.int64)
        with self.assertRaisesRegex(TypeError, "Dtype of argument `keys` must be"):
            lookup_ops.IdTableWithHashBuckets(t, 1).lookup(constant_op.constant([1.0]))

    @test_util.run_deprecated_v1
    def testSparse(self):
        with self.cached_session() as sess:
            t = lookup_ops.IdTableWithHashBuckets(
                lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["brain", "salad"], np.array([0, 1])), -1), 1
            )
            t.initializer.run()
            sp = sparse_tensor.SparseTensor([[0, 0], [1, 1]], ["salad", "tank"], [2, 2])
            out = sess.run(t.lookup(sp))
            self.assertAllEqual([1, 2], out.values)
            self.assertAllEqual([[0, 0], [1, 1]], out.indices)

    @test_util.run_deprecated_v1
    def testStaticVocabularyTable(self):
        with self.cached_session():
            init = lookup_ops.KeyValueTensorInitializer(["brain", "salad"], np.array([0, 1]))
            t = lookup_ops.StaticVocabularyTableV1(init, 1)
            t.initializer.run()
            self.assertAllEqual([0, 1, 2], t.lookup(constant_op.constant(["brain", "salad", "x"])).eval())
            self.assertAllEqual([0, 2], t[constant_op.constant(["brain", "x"])].eval())
            self.assertEqual(3, t.size().eval())
            b = lookup_ops.StaticVocabularyTableV1(None, 5)
            b.initializer.run()
            self.assertAllEqual([3, 1, 4], b.lookup(constant_op.constant(["brain", "salad", "surgery"])).eval())
            self.assertEqual(5, b.size().eval())
            self.assertEqual(dtypes.string, b.key_dtype)
            with self.assertRaisesRegex(ValueError, "`num_oov_buckets` must be > 0; use StaticHashTable"):
                lookup_ops.StaticVocabularyTableV1(init, 0)
            with self.assertRaisesRegex(TypeError, "Invalid `value_dtype`, expected"):
                lookup_ops.StaticVocabularyTableV1(lookup_ops.KeyValueTensorInitializer(["a"], [1.0]), 1)
            with self.assertRaisesRegex(TypeError, "Dtype of argument `keys` must be"):
                t.lookup(constant_op.constant([1]))


if __name__ == "__main__":
    test.main()
