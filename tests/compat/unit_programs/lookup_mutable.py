"""Lookup tables that a program changes and checkpoints keep."""

import os

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.python.framework import constant_op, dtypes, errors_impl, ops, test_util
from tensorflow.python.ops import gen_lookup_ops, lookup_ops, math_ops
from tensorflow.python.platform import test
from tensorflow.python.training import saver


class MutableHashTableTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testInsertRemoveExport(self):
        with self.cached_session() as sess:
            table = lookup_ops.MutableHashTable(dtypes.string, dtypes.int64, -1)
            self.assertEqual(0, table.size().eval())
            table.insert(
                constant_op.constant(["brain", "salad", "surgery", "tarkus"]),
                constant_op.constant([0, 1, 2, 3], dtypes.int64),
            ).run()
            self.assertEqual(4, table.size().eval())
            table.remove(constant_op.constant(["tarkus", "tank"])).run()
            self.assertEqual(3, table.size().eval())
            out = table.lookup(constant_op.constant(["brain", "salad", "tank"]))
            self.assertEqual([3], out.get_shape())
            self.assertAllEqual([0, 1, -1], out.eval())
            k, v = table.export()
            k, v = sess.run([k, v])
            self.assertEqual({b"brain": 0, b"salad": 1, b"surgery": 2}, dict(zip(k.tolist(), v.tolist())))

    @test_util.run_deprecated_v1
    def testVectors(self):
        with self.cached_session() as sess:
            table = lookup_ops.MutableHashTable(
                dtypes.string, dtypes.int64, constant_op.constant([-1, -1], dtypes.int64)
            )
            self.assertEqual("MutableHashTableOfTensorsV2", table.resource_handle.op.type)
            table.insert(constant_op.constant(["a", "b"]), constant_op.constant([[0, 1], [2, 3]], dtypes.int64)).run()
            out = table.lookup(constant_op.constant(["b", "z"]))
            self.assertEqual([2, 2], out.shape.as_list())
            self.assertAllEqual([[2, 3], [-1, -1]], out.eval())
            self.assertEqual((2, 2), sess.run(table.export())[1].shape)
            with self.assertRaisesRegex((errors_impl.InvalidArgumentError, ValueError), "Expected shape"):
                table.insert(constant_op.constant(["a", "b"]), constant_op.constant([0, 1], dtypes.int64)).run()

    @test_util.run_deprecated_v1
    def testDynamicDefaults(self):
        with self.cached_session():
            table = lookup_ops.MutableHashTable(dtypes.int64, dtypes.int64, -1)
            table.insert([1, 2], [10, 20]).run()
            self.assertAllEqual(
                [10, 7, 8],
                table.lookup([1, 5, 6], dynamic_default_values=constant_op.constant([9, 7, 8], dtypes.int64)).eval(),
            )
            vec = lookup_ops.MutableHashTable(dtypes.int64, dtypes.float32, [0.0, 0.0], name="vec")
            vec.insert([1], [[1.0, 2.0]]).run()
            self.assertAllEqual(
                [[1, 2], [5, 6]],
                vec.lookup(
                    constant_op.constant([1, 3], dtypes.int64), dynamic_default_values=[[3.0, 4.0], [5.0, 6.0]]
                ).eval(),
            )

    @test_util.run_deprecated_v1
    def testTypesChecked(self):
        with self.cached_session():
            table = lookup_ops.MutableHashTable(dtypes.string, dtypes.int64, -1)
            with self.assertRaises(TypeError):
                lookup_ops.MutableHashTable(dtypes.string, dtypes.int64, "x")
            with self.assertRaises(ValueError):
                table.insert(constant_op.constant([1]), constant_op.constant([1], dtypes.int64))
            with self.assertRaises(ValueError):
                table.lookup(constant_op.constant([1]))
            with self.assertRaises(TypeError):
                table.remove(constant_op.constant([1]))
            self.assertEqual("MutableHashTable", table.name)
            self.assertEqual((dtypes.string, dtypes.int64), (table.key_dtype, table.value_dtype))

    @test_util.run_deprecated_v1
    def testOverwriteAndHighRank(self):
        with self.cached_session():
            table = lookup_ops.MutableHashTable(dtypes.string, dtypes.int64, -1)
            table.insert(
                constant_op.constant([["brain", "salad"], ["tank", "tarkus"]]),
                constant_op.constant([[0, 1], [2, 3]], dtypes.int64),
            ).run()
            table.insert(constant_op.constant(["brain"]), constant_op.constant([10], dtypes.int64)).run()
            self.assertEqual(4, table.size().eval())
            self.assertAllEqual(
                [[10, -1], [2, 3]], table.lookup(constant_op.constant([["brain", "x"], ["tank", "tarkus"]])).eval()
            )

    @test_util.run_deprecated_v1
    def testSaveRestore(self):
        path = os.path.join(self.get_temp_dir(), "mutable")
        with self.session(graph=ops.Graph()) as sess:
            v0 = tf.Variable(10.0, name="v0")
            table = lookup_ops.MutableHashTable(dtypes.string, dtypes.int64, -1, name="t1", checkpoint=True)
            save = saver.Saver()
            tf.global_variables_initializer().run()
            table.insert(constant_op.constant(["b", "c", "d"]), constant_op.constant([0, 1, 2], dtypes.int64)).run()
            val = save.save(sess, path)
            self.assertEqual(path, val)
        with self.session(graph=ops.Graph()) as sess:
            v0 = tf.Variable(-1.0, name="v0")
            table = lookup_ops.MutableHashTable(dtypes.string, dtypes.int64, -1, name="t1", checkpoint=True)
            table.insert(constant_op.constant(["a", "c"]), constant_op.constant([12, 24], dtypes.int64)).run()
            save = saver.Saver()
            save.restore(sess, path)
            self.assertEqual(10.0, v0.eval())
            self.assertEqual(3, table.size().eval())
            self.assertAllEqual([-1, 0, 1, 2, -1], table.lookup(constant_op.constant(["a", "b", "c", "d", "e"])).eval())
            self.assertItemsEqual(["t1-keys", "t1-values", "v0"], [n for n, _ in tf.train.list_variables(path)])

    @test_util.run_deprecated_v1
    def testSaveOnlyTables(self):
        path = os.path.join(self.get_temp_dir(), "only")
        with self.session(graph=ops.Graph()) as sess:
            table = lookup_ops.MutableHashTable(dtypes.int64, dtypes.float32, [0.0, 0.0], name="emb")
            table.insert([1, 2], [[1.0, 2.0], [3.0, 4.0]]).run()
            saver.Saver().save(sess, path)
        with self.session(graph=ops.Graph()) as sess:
            table = lookup_ops.MutableHashTable(dtypes.int64, dtypes.float32, [0.0, 0.0], name="emb")
            saver.Saver().restore(sess, path)
            self.assertAllEqual(
                [[3.0, 4.0], [0.0, 0.0]], table.lookup(constant_op.constant([2, 9], dtypes.int64)).eval()
            )

    @test_util.run_deprecated_v1
    def testNoCheckpoint(self):
        lookup_ops.MutableHashTable(dtypes.string, dtypes.int64, -1, checkpoint=False)
        self.assertEqual([], ops.get_collection(ops.GraphKeys.SAVEABLE_OBJECTS))
        lookup_ops.MutableHashTable(dtypes.string, dtypes.int64, -1)
        self.assertEqual(1, len(ops.get_collection(ops.GraphKeys.SAVEABLE_OBJECTS)))

    @test_util.run_deprecated_v1
    def testAnonymous(self):
        with self.cached_session():
            t = lookup_ops.MutableHashTable(dtypes.string, dtypes.int64, -1, experimental_is_anonymous=True)
            self.assertEqual("AnonymousMutableHashTable", t.resource_handle.op.type)
            with ops.control_dependencies([t.insert(["a"], [3])]):
                self.assertAllEqual([3, -1], t.lookup(["a", "b"]).eval())

    @test_util.run_deprecated_v1
    def testAttrs(self):
        t = lookup_ops.MutableHashTable(dtypes.string, dtypes.int64, -1)
        self.assertTrue(t.resource_handle.op.get_attr("use_node_name_sharing"))
        t = lookup_ops.MutableHashTable(dtypes.string, dtypes.int64, -1, checkpoint=False)
        self.assertFalse(t.resource_handle.op.get_attr("use_node_name_sharing"))
        self.assertEqual(
            "MutableHashTable_1_lookup_table_find/LookupTableFindV2", t.lookup(constant_op.constant(["a"])).op.name
        )
        self.assertEqual("MutableHashTable_1_lookup_table_insert/LookupTableInsertV2", t.insert(["a"], [1]).name)
        self.assertEqual(
            "MutableHashTable_1_lookup_table_remove/LookupTableRemoveV2", t.remove(constant_op.constant(["a"])).name
        )
        self.assertEqual("MutableHashTable_1_lookup_table_export_values/LookupTableExportV2", t.export()[0].op.name)
        self.assertEqual("MutableHashTable_1_Size/LookupTableSizeV2", t.size().op.name)


class DenseHashTableTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testBasic(self):
        for kd, vd in [(dtypes.int32, dtypes.float32), (dtypes.int64, dtypes.int64), (dtypes.int64, dtypes.bool)]:
            with self.cached_session():
                keys = constant_op.constant([11, 12, 13, 14], kd)
                values = math_ops.cast(constant_op.constant([0, 1, 1, 3]), vd)
                t = lookup_ops.DenseHashTable(
                    kd, vd, default_value=False if vd == dtypes.bool else -1, empty_key=0, deleted_key=-1
                )
                t.insert(keys, values).run()
                self.assertEqual(4, t.size().eval())
                t.remove(constant_op.constant([12, 15], kd)).run()
                self.assertEqual(3, t.size().eval())
                self.assertEqual([3], t.lookup(constant_op.constant([11, 12, 15], kd)).get_shape())

    @test_util.run_deprecated_v1
    def testStrings(self):
        with self.cached_session():
            t = lookup_ops.DenseHashTable(dtypes.string, dtypes.int64, default_value=-1, empty_key="", deleted_key="$")
            t.insert_or_assign(constant_op.constant(["a", "b"]), constant_op.constant([5, 6], dtypes.int64)).run()
            self.assertAllEqual([5, -1], t.lookup(constant_op.constant(["a", "c"])).eval())
            t.erase(constant_op.constant(["a"])).run()
            self.assertAllEqual([-1, 6], t[constant_op.constant(["a", "b"])].eval())

    @test_util.run_deprecated_v1
    def testExport(self):
        with self.cached_session() as sess:
            t = lookup_ops.DenseHashTable(
                dtypes.int64, dtypes.int64, default_value=-1, empty_key=100, deleted_key=200, initial_num_buckets=8
            )
            t.insert([11, 12, 13, 14], [1, 2, 3, 4]).run()
            t.remove(constant_op.constant([12], dtypes.int64)).run()
            k, v = sess.run(t.export())
            self.assertEqual((8, 1), k.shape)
            pairs = np.dstack((k.flatten(), v.flatten()))
            self.assertItemsEqual([[11, 1], [13, 3], [14, 4]], [p for p in pairs[0].tolist() if p[0] not in (100, 200)])

    @test_util.run_deprecated_v1
    def testVectorKeysAndValues(self):
        with self.cached_session():
            t = lookup_ops.DenseHashTable(
                dtypes.int64,
                dtypes.int64,
                default_value=[-1, -2],
                empty_key=constant_op.constant([0, 3], dtypes.int64),
                deleted_key=constant_op.constant([-1, -1], dtypes.int64),
                initial_num_buckets=4,
            )
            t.insert(
                constant_op.constant([[0, 1], [1, 2], [1, 3]], dtypes.int64),
                constant_op.constant([[0, 1], [2, 3], [4, 5]], dtypes.int64),
            ).run()
            self.assertEqual(3, t.size().eval())
            out = t.lookup(constant_op.constant([[0, 1], [1, 3], [0, 2]], dtypes.int64))
            self.assertEqual([3, 2], out.shape.as_list())
            self.assertAllEqual([[0, 1], [4, 5], [-1, -2]], out.eval())

    @test_util.run_deprecated_v1
    def testReservedKeys(self):
        with self.cached_session():
            t = lookup_ops.DenseHashTable(dtypes.int64, dtypes.int64, default_value=-1, empty_key=12, deleted_key=-1)
            with self.assertRaisesRegex(
                errors_impl.InvalidArgumentError, "Using the empty_key as a table key is not allowed"
            ):
                t.lookup(constant_op.constant([11, 12], dtypes.int64)).eval()
            with self.assertRaisesRegex(
                errors_impl.InvalidArgumentError, "Using the deleted_key as a table key is not allowed"
            ):
                t.insert([-1], [1]).run()
            with self.assertRaisesRegex(errors_impl.InvalidArgumentError, "Empty and deleted keys cannot be equal"):
                lookup_ops.DenseHashTable(
                    dtypes.int64, dtypes.int64, default_value=-1, empty_key=12, deleted_key=12, name="e"
                ).size().eval()
            with self.assertRaisesRegex(
                errors_impl.InvalidArgumentError, "Number of buckets must be at least 4 and a power of 2, got: 12"
            ):
                lookup_ops.DenseHashTable(
                    dtypes.int64,
                    dtypes.int64,
                    default_value=-1,
                    empty_key=12,
                    deleted_key=1,
                    initial_num_buckets=12,
                    name="f",
                ).size().eval()

    @test_util.run_deprecated_v1
    def testReprobe(self):
        with self.cached_session():
            # Insert 6 keys into a table with 8 buckets: some collide.
            t = lookup_ops.DenseHashTable(
                dtypes.int64, dtypes.int64, default_value=-1, empty_key=0, deleted_key=-1, initial_num_buckets=8
            )
            t.insert([11, 12, 13, 19, 20, 21], [51, 52, 53, 54, 55, 56]).run()
            self.assertEqual(6, t.size().eval())
            self.assertAllEqual(
                [-1, 51, 52, 53, -1, 54, 55, 56, -1],
                t.lookup(constant_op.constant([10, 11, 12, 13, 14, 19, 20, 21, 22], dtypes.int64)).eval(),
            )

    @test_util.run_deprecated_v1
    def testSaveRestore(self):
        path = os.path.join(self.get_temp_dir(), "dense")

        def make():
            return lookup_ops.DenseHashTable(
                dtypes.int64,
                dtypes.int64,
                default_value=-1,
                empty_key=0,
                deleted_key=-1,
                name="t1",
                initial_num_buckets=32,
            )

        with self.session(graph=ops.Graph()) as sess:
            t = make()
            save = saver.Saver()
            t.insert([11, 12, 13, 14], [0, 1, 2, 3]).run()
            t.remove(constant_op.constant([12], dtypes.int64)).run()
            save.save(sess, path)
        with self.session(graph=ops.Graph()) as sess:
            t = make()
            t.insert([11, 14], [12, 24]).run()
            saver.Saver().restore(sess, path)
            self.assertEqual(3, t.size().eval())
            self.assertAllEqual(
                [-1, 0, -1, 2, 3], t.lookup(constant_op.constant([10, 11, 12, 13, 14], dtypes.int64)).eval()
            )


class GenTablesTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testRefTables(self):
        with self.cached_session():
            h = gen_lookup_ops.hash_table(dtypes.string, dtypes.int64, shared_name="ref")
            gen_lookup_ops.initialize_table(h, ["a", "b"], constant_op.constant([1, 2], dtypes.int64)).run()
            self.assertEqual(2, gen_lookup_ops.lookup_table_size(h).eval())
            self.assertAllEqual(
                [2, -1], gen_lookup_ops.lookup_table_find(h, ["b", "c"], constant_op.constant(-1, dtypes.int64)).eval()
            )

    @test_util.run_deprecated_v1
    def testSignature(self):
        with self.cached_session():
            h = gen_lookup_ops.hash_table_v2(dtypes.string, dtypes.int64)
            with self.assertRaisesRegex(errors_impl.InvalidArgumentError, "Signature mismatch|Signature"):
                gen_lookup_ops.lookup_table_find_v2(
                    h, constant_op.constant([1]), constant_op.constant(-1, dtypes.int64)
                ).eval()

    @test_util.run_deprecated_v1
    def testImportEmpties(self):
        with self.cached_session():
            h = gen_lookup_ops.mutable_hash_table_v2(dtypes.string, dtypes.int64, shared_name="m")
            gen_lookup_ops.lookup_table_insert_v2(h, ["a", "b"], constant_op.constant([1, 2], dtypes.int64)).run()
            gen_lookup_ops.lookup_table_import_v2(h, ["c"], constant_op.constant([3], dtypes.int64)).run()
            self.assertEqual(1, gen_lookup_ops.lookup_table_size_v2(h).eval())


if __name__ == "__main__":
    test.main()
