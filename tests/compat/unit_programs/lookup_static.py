"""Lookup tables that are filled once, from tensors and from files."""

import os

import numpy as np
from tensorflow.python.client import session
from tensorflow.python.framework import constant_op, dtypes, errors_impl, ops, sparse_tensor, test_util
from tensorflow.python.ops import array_ops, lookup_ops
from tensorflow.python.ops.ragged import ragged_factory_ops
from tensorflow.python.platform import test
from tensorflow.python.util import compat


def _vocab(case, name, lines=("brain", "salad", "surgery"), suffix="\n"):
    path = os.path.join(case.get_temp_dir(), name)
    with open(path, "w") as f:
        f.write("\n".join(lines) + suffix)
    return path


class StaticHashTableTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testStaticHashTable(self):
        with self.cached_session():
            default_val = -1
            keys = constant_op.constant(["brain", "salad", "surgery"])
            values = constant_op.constant([0, 1, 2], dtypes.int64)
            table = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(keys, values), default_val)
            self.evaluate(table.initializer)
            self.assertAllEqual(3, self.evaluate(table.size()))
            output = table.lookup(constant_op.constant(["brain", "salad", "tank"]))
            self.assertAllEqual([3], output.get_shape())
            self.assertAllEqual([0, 1, -1], self.evaluate(output))
            exported_keys, exported_values = table.export()
            self.assertItemsEqual([b"brain", b"salad", b"surgery"], self.evaluate(exported_keys))
            self.assertItemsEqual([0, 1, 2], self.evaluate(exported_values))

    @test_util.run_deprecated_v1
    def testInitAlias(self):
        with self.cached_session():
            table = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a"], [1]), -1)
            table.init.run()
            self.assertAllEqual([1], table.lookup(constant_op.constant(["a"])).eval())

    @test_util.run_deprecated_v1
    def testKeysOfHigherRankAndGetItem(self):
        with self.cached_session():
            table = lookup_ops.StaticHashTableV1(lookup_ops.KeyValueTensorInitializer([1, 2], [10, 20]), -1)
            lookup_ops.tables_initializer().run()
            self.assertAllEqual([[10, -1], [20, 10]], table[constant_op.constant([[1, 7], [2, 1]])].eval())
            self.assertAllEqual(20, table.lookup(constant_op.constant(2)).eval())

    @test_util.run_deprecated_v1
    def testPythonArrayAndNumpyInit(self):
        with self.cached_session():
            t = lookup_ops.HashTable(
                lookup_ops.KeyValueTensorInitializer(np.array(["a", "b"], dtype=np.str_), np.array([0, 1], np.int64)),
                -1,
            )
            t.initializer.run()
            self.assertAllEqual([0, 1, -1], t.lookup(constant_op.constant(["a", "b", "c"])).eval())
            t = lookup_ops.HashTable(
                lookup_ops.KeyValueTensorInitializer([1], ["x"], dtypes.int64, dtypes.string), "none"
            )
            t.initializer.run()
            self.assertAllEqual([b"x", b"none"], t.lookup(constant_op.constant([1, 2], dtypes.int64)).eval())

    @test_util.run_deprecated_v1
    def testMultipleTables(self):
        with self.cached_session():
            ts = [
                lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a", "b"], [i, i + 1]), -1) for i in range(3)
            ]
            lookup_ops.tables_initializer().run()
            self.assertAllEqual([2] * 3, [t.size().eval() for t in ts])
            self.assertEqual(
                [[0, 1], [1, 2], [2, 3]], [t.lookup(constant_op.constant(["a", "b"])).eval().tolist() for t in ts]
            )

    @test_util.run_deprecated_v1
    def testSparseAndRagged(self):
        with self.cached_session() as sess:
            t = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a", "b"], [0, 1]), -1)
            t.initializer.run()
            sp = sparse_tensor.SparseTensor([[0, 0], [0, 1], [1, 0]], ["b", "z", "a"], [2, 2])
            out = sess.run(t.lookup(sp))
            self.assertAllEqual([1, -1, 0], out.values)
            self.assertAllEqual([2, 2], out.dense_shape)
            rt = ragged_factory_ops.constant([["a"], [], ["b", "c"]])
            out = sess.run(t.lookup(rt))
            self.assertEqual([[0], [], [1, -1]], out.to_list())

    @test_util.run_deprecated_v1
    def testWrongKeys(self):
        with self.cached_session():
            t = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a", "b"], [0, 1]), -1)
            t.initializer.run()
            with self.assertRaises(TypeError):
                t.lookup(constant_op.constant([1, 2, 3], dtypes.int64))
            with self.assertRaises(TypeError):
                lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a", "b"], [0, 1]), "UNK")
            with self.assertRaisesRegex(
                ValueError,
                "Shapes must be equal|incompatible|must have the same rank|must be rank 0|are incompatible|not compatible",
            ):
                lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a", "b"], [0, 1]), [1])

    @test_util.run_deprecated_v1
    def testNotInitialized(self):
        with self.cached_session():
            t = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a", "b"], [0, 1]), -1)
            with self.assertRaisesOpError("Table not initialized"):
                t.lookup(constant_op.constant(["a"])).eval()

    @test_util.run_deprecated_v1
    def testInitializeTwice(self):
        with self.cached_session():
            t = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a", "b"], [0, 1]), -1)
            t.initializer.run()
            t.initializer.run()
            self.assertEqual(2, t.size().eval())

    @test_util.run_deprecated_v1
    def testDuplicateKeys(self):
        with self.cached_session():
            t = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a", "a"], [0, 1]), -1)
            with self.assertRaisesOpError(
                "HashTable has different value for same key. Key a has 0 and trying to add value 1"
            ):
                t.initializer.run()

    @test_util.run_deprecated_v1
    def testKeysAndValuesOfOtherLengths(self):
        with self.cached_session():
            with self.assertRaises((ValueError, errors_impl.InvalidArgumentError)):
                t = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a", "b"], [0, 1, 2]), -1)
                t.initializer.run()

    @test_util.run_deprecated_v1
    def testCheckTableDtypes(self):
        t = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a"], [0]), -1)
        lookup_ops.check_table_dtypes(t, dtypes.string, dtypes.int32)
        with self.assertRaisesRegex(TypeError, "Invalid key dtype"):
            lookup_ops.check_table_dtypes(t, dtypes.int64, dtypes.int32)
        with self.assertRaisesRegex(TypeError, "Invalid value dtype"):
            lookup_ops.check_table_dtypes(t, dtypes.string, dtypes.int64)

    @test_util.run_deprecated_v1
    def testNamesAndCollections(self):
        t = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a"], [0], name="fill"), -1, name="tab")
        self.assertEqual("tab", t.name)
        self.assertEqual("HashTableV2", t.resource_handle.op.type)
        self.assertEqual(dtypes.resource, t.resource_handle.dtype)
        self.assertEqual([t.initializer], ops.get_collection(ops.GraphKeys.TABLE_INITIALIZERS))
        self.assertEqual("LookupTableImportV2", t.initializer.type)
        self.assertTrue(t.initializer.name.startswith("fill/"))
        self.assertEqual((dtypes.string, dtypes.int32), (t.key_dtype, t.value_dtype))
        self.assertEqual(-1, self.evaluate(t.default_value))
        found = t.lookup(constant_op.constant(["a"]))
        self.assertEqual("LookupTableFindV2", found.op.type)
        self.assertEqual("tab_Lookup/LookupTableFindV2", found.op.name)
        self.assertEqual("tab_Size/LookupTableSizeV2", t.size().op.name)
        self.assertEqual("look/LookupTableFindV2", t.lookup(constant_op.constant(["a"]), name="look").op.name)

    @test_util.run_deprecated_v1
    def testTwoSessions(self):
        t = lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a"], [5]), -1)
        found = t.lookup(constant_op.constant(["a"]))
        with session.Session() as one, session.Session() as two:
            one.run(t.initializer)
            self.assertAllEqual([5], one.run(found))
            with self.assertRaisesRegex(errors_impl.FailedPreconditionError, "not initialized"):
                two.run(found)

    @test_util.run_deprecated_v1
    def testInitializerInScopeAndDeprecatedNames(self):
        op = lookup_ops.tables_initializer(name="none_at_all")
        self.assertEqual(("none_at_all", "NoOp"), (op.name, op.type))
        lookup_ops.HashTable(lookup_ops.KeyValueTensorInitializer(["a"], [0]), -1)
        op = lookup_ops.initialize_all_tables("some")
        self.assertEqual(1, len(op.control_inputs))

    @test_util.run_deprecated_v1
    def testAnonymous(self):
        with self.cached_session() as sess:
            t = lookup_ops.StaticHashTableV1(
                lookup_ops.KeyValueTensorInitializer([1, 2], [3, 4]), -1, experimental_is_anonymous=True
            )
            self.assertEqual("AnonymousHashTable", t.resource_handle.op.type)
            with ops.control_dependencies([lookup_ops.tables_initializer()]):
                out = t.lookup(constant_op.constant([1, 5]))
            self.assertAllEqual([3, -1], sess.run(out))

    @test_util.run_deprecated_v1
    def testInterface(self):
        class Mine(lookup_ops.LookupInterface):
            pass

        m = Mine("string", "int64")
        self.assertEqual((dtypes.string, dtypes.int64), (m.key_dtype, m.value_dtype))
        for f in (m.size, lambda: m.lookup(1)):
            with self.assertRaises(NotImplementedError):
                f()
        self.assertTrue(issubclass(lookup_ops.MutableHashTable, lookup_ops.LookupInterface))
        self.assertTrue(issubclass(lookup_ops.HashTable, lookup_ops.InitializableLookupTableBase))
        self.assertTrue(issubclass(lookup_ops.TextFileInitializer, lookup_ops.TableInitializerBase))


class FileInitializersTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testIdAndStringTables(self):
        vocab = _vocab(self, "one_column.txt")
        with self.cached_session() as sess:
            t = lookup_ops.HashTable(lookup_ops.TextFileIdTableInitializer(vocab), -1)
            self.evaluate(t.initializer)
            self.assertAllEqual([0, 1, -1], t.lookup(constant_op.constant(["brain", "salad", "tank"])).eval())
            s = lookup_ops.HashTable(lookup_ops.TextFileStringTableInitializer(vocab), "UNK")
            s.initializer.run()
            self.assertAllEqual(
                [b"brain", b"surgery", b"UNK"], s.lookup(constant_op.constant([0, 2, 4], dtypes.int64)).eval()
            )
            self.assertEqual([], [n for n in sess.graph.get_collection("none")])

    @test_util.run_deprecated_v1
    def testColumns(self):
        path = _vocab(self, "three.txt", ["0\tbrain\t1", "1\tsalad\t5", "2\tsurgery\t6"])
        with self.cached_session():
            t = lookup_ops.HashTable(lookup_ops.TextFileInitializer(path, dtypes.string, 1, dtypes.int64, 2), -1)
            t.initializer.run()
            self.assertAllEqual(
                [1, 5, 6, -1], t.lookup(constant_op.constant(["brain", "salad", "surgery", "x"])).eval()
            )
            u = lookup_ops.HashTable(lookup_ops.TextFileInitializer(path, dtypes.int64, 0, dtypes.string, 1), "d")
            u.initializer.run()
            self.assertAllEqual([b"salad"], u.lookup(constant_op.constant([1], dtypes.int64)).eval())

    @test_util.run_deprecated_v1
    def testDelimiterAndOffset(self):
        path = _vocab(self, "spaces.txt", ["0 brain 1", "1 salad 5"])
        with self.cached_session():
            t = lookup_ops.HashTable(
                lookup_ops.TextFileInitializer(path, dtypes.string, 1, dtypes.int64, 2, delimiter=" "), -1
            )
            t.initializer.run()
            self.assertAllEqual([1, 5], t.lookup(constant_op.constant(["brain", "salad"])).eval())
            o = lookup_ops.HashTable(
                lookup_ops.TextFileInitializer(
                    _vocab(self, "o.txt"),
                    dtypes.string,
                    lookup_ops.TextFileIndex.WHOLE_LINE,
                    dtypes.int64,
                    lookup_ops.TextFileIndex.LINE_NUMBER,
                    value_index_offset=10,
                ),
                -1,
            )
            o.initializer.run()
            self.assertAllEqual([10, 12], o.lookup(constant_op.constant(["brain", "surgery"])).eval())

    @test_util.run_deprecated_v1
    def testVocabSize(self):
        vocab = _vocab(self, "size.txt")
        with self.cached_session():
            t = lookup_ops.HashTable(lookup_ops.TextFileIdTableInitializer(vocab, vocab_size=2), -1)
            t.initializer.run()
            self.assertEqual(2, t.size().eval())
            big = lookup_ops.HashTable(lookup_ops.TextFileIdTableInitializer(vocab, vocab_size=5), -1)
            with self.assertRaisesRegex(errors_impl.InvalidArgumentError, "Invalid vocab_size|expected 5"):
                big.initializer.run()
            with self.assertRaisesRegex(ValueError, "`vocab_size` should be > 0"):
                lookup_ops.TextFileIdTableInitializer(vocab, vocab_size=0)

    @test_util.run_deprecated_v1
    def testFeedFilename(self):
        vocab = _vocab(self, "feed.txt")
        with self.cached_session():
            hole = array_ops.placeholder(dtypes.string, shape=())
            t = lookup_ops.HashTable(lookup_ops.TextFileIdTableInitializer(hole), -1)
            t.initializer.run(feed_dict={hole: vocab})
            self.assertAllEqual([0], t.lookup(constant_op.constant(["brain"])).eval())
            self.assertEqual(0, len(ops.get_collection(ops.GraphKeys.ASSET_FILEPATHS)))

    @test_util.run_deprecated_v1
    def testAsset(self):
        vocab = _vocab(self, "asset.txt")
        with self.cached_session():
            lookup_ops.HashTable(lookup_ops.TextFileIdTableInitializer(constant_op.constant(vocab)), -1)
            (f,) = ops.get_collection(ops.GraphKeys.ASSET_FILEPATHS)
            self.assertEqual(compat.as_bytes(vocab), f.eval())

    @test_util.run_deprecated_v1
    def testErrorsOfFiles(self):
        with self.cached_session():
            t = lookup_ops.HashTable(lookup_ops.TextFileIdTableInitializer("no/such.txt"), -1)
            with self.assertRaisesRegex(errors_impl.NotFoundError, "no/such.txt"):
                t.initializer.run()
            bad = _vocab(self, "bad.txt", ["brain", "2"])
            t = lookup_ops.HashTable(lookup_ops.TextFileInitializer(bad, dtypes.int64, -2, dtypes.int64, -1), -1)
            with self.assertRaisesRegex(errors_impl.InvalidArgumentError, "is not a valid int64"):
                t.initializer.run()
            t = lookup_ops.HashTable(
                lookup_ops.TextFileInitializer(_vocab(self, "c.txt"), dtypes.string, 2, dtypes.int64, -1), -1
            )
            with self.assertRaisesRegex(errors_impl.InvalidArgumentError, "Invalid number of columns"):
                t.initializer.run()
            dup = _vocab(self, "dup.txt", ["a", "b", "a"])
            t = lookup_ops.HashTable(lookup_ops.TextFileIdTableInitializer(dup), -1)
            with self.assertRaisesRegex(
                errors_impl.FailedPreconditionError, "HashTable has different value for same key"
            ):
                t.initializer.run()

    @test_util.run_deprecated_v1
    def testConstructorErrors(self):
        with self.assertRaisesRegex(ValueError, "`filename` argument required"):
            lookup_ops.TextFileInitializer("", dtypes.string, -2, dtypes.int64, -1)
        with self.assertRaisesRegex(ValueError, "`key_dtype` must be int64"):
            lookup_ops.TextFileInitializer("a", dtypes.string, -1, dtypes.int64, -1)
        with self.assertRaisesRegex(ValueError, "`value_dtype` must be int64"):
            lookup_ops.TextFileInitializer("a", dtypes.string, -2, dtypes.string, -1)
        with self.assertRaisesRegex(ValueError, "`key_index` should be >= -2"):
            lookup_ops.TextFileInitializer("a", dtypes.string, -3, dtypes.int64, -1)
        with self.assertRaisesRegex(ValueError, "`value_index` should be >= -2"):
            lookup_ops.TextFileInitializer("a", dtypes.string, -2, dtypes.int64, -3)
        with self.assertRaisesRegex(ValueError, "`key_dtype` should be either integer or string"):
            lookup_ops.TextFileInitializer("a", dtypes.float32, -2, dtypes.int64, -1)
        with self.assertRaises(TypeError):
            lookup_ops.HashTable(lookup_ops.TextFileInitializer("a", dtypes.string, -2, dtypes.int64, -1), "x")

    @test_util.run_deprecated_v1
    def testSharedNameOfFiles(self):
        vocab = _vocab(self, "shared.txt")
        a = lookup_ops.HashTable(lookup_ops.TextFileIdTableInitializer(vocab, vocab_size=3), -1)
        self.assertEqual(compat.as_bytes("hash_table_%s_3_-2_-1" % vocab), a.resource_handle.op.get_attr("shared_name"))
        b = lookup_ops.HashTable(lookup_ops.TextFileIdTableInitializer(vocab), -1)
        self.assertEqual(compat.as_bytes("hash_table_%s_-2_-1" % vocab), b.resource_handle.op.get_attr("shared_name"))
        c = lookup_ops.HashTable(
            lookup_ops.TextFileInitializer(vocab, dtypes.string, -2, dtypes.int64, -1, value_index_offset=3), -1
        )
        self.assertEqual(compat.as_bytes("hash_table_%s_-2_-1_3" % vocab), c.resource_handle.op.get_attr("shared_name"))


if __name__ == "__main__":
    test.main()
