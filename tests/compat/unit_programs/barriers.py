"""Barriers: rows whose parts come at different times."""

import time

import numpy as np
from tensorflow.python.framework import dtypes, errors_impl, ops, test_util
from tensorflow.python.ops import array_ops, data_flow_ops
from tensorflow.python.platform import test


class BarrierTest(test.TestCase):
    @test_util.run_deprecated_v1
    def testConstructorWithShapes(self):
        with ops.Graph().as_default():
            b = data_flow_ops.Barrier(
                (dtypes.float32, dtypes.float32), shapes=((1, 2, 3), (8,)), shared_name="B", name="B"
            )
        self.assertProtoEquals(
            """
      name:'B' op:'Barrier'
      attr { key: 'capacity' value { i: -1 } }
      attr { key: 'component_types' value { list { type: DT_FLOAT type: DT_FLOAT } } }
      attr { key: 'shapes' value { list { shape { dim { size: 1 } dim { size: 2 } dim { size: 3 } }
                                          shape { dim { size: 8 } } } } }
      attr { key: 'container' value { s: "" } }
      attr { key: 'shared_name' value { s: 'B' } }
      """,
            b.barrier_ref.op.node_def,
        )
        self.assertEqual("B", b.name)

    @test_util.run_deprecated_v1
    def testInsertMany(self):
        with self.cached_session():
            b = data_flow_ops.Barrier((dtypes.float32, dtypes.float32), shapes=((), ()), name="B")
            size_t = b.ready_size()
            self.assertEqual([], size_t.get_shape())
            keys = [b"a", b"b", b"c"]
            insert_0_op = b.insert_many(0, keys, [10.0, 20.0, 30.0])
            insert_1_op = b.insert_many(1, keys, [100.0, 200.0, 300.0])
            self.assertEqual(size_t.eval(), [0])
            insert_0_op.run()
            self.assertEqual(size_t.eval(), [0])
            insert_1_op.run()
            self.assertEqual(size_t.eval(), [3])

    @test_util.run_deprecated_v1
    def testInsertManyEmptyTensor(self):
        with self.cached_session():
            error_message = (
                "Empty tensors are not supported, but received shape "
                r"\'\(0,\)\' at index 1"
            )
            with self.assertRaisesRegex(ValueError, error_message):
                data_flow_ops.Barrier((dtypes.float32, dtypes.float32), shapes=((1,), (0,)), name="B")

    @test_util.run_deprecated_v1
    def testInsertManyEmptyTensorUnknown(self):
        with self.cached_session():
            b = data_flow_ops.Barrier((dtypes.float32, dtypes.float32), name="B")
            size_t = b.ready_size()
            self.assertEqual([], size_t.get_shape())
            keys = [b"a", b"b", b"c"]
            insert_0_op = b.insert_many(0, keys, np.array([[], [], []], np.float32))
            self.assertEqual(size_t.eval(), [0])
            with self.assertRaisesOpError(".*Tensors with no elements are not supported.*"):
                insert_0_op.run()

    @test_util.run_deprecated_v1
    def testTakeMany(self):
        with self.cached_session() as sess:
            b = data_flow_ops.Barrier((dtypes.float32, dtypes.float32), shapes=((), ()), name="B")
            size_t = b.ready_size()
            keys = [b"a", b"b", b"c"]
            values_0 = [10.0, 20.0, 30.0]
            values_1 = [100.0, 200.0, 300.0]
            insert_0_op = b.insert_many(0, keys, values_0)
            insert_1_op = b.insert_many(1, keys, values_1)
            take_t = b.take_many(3)
            insert_0_op.run()
            insert_1_op.run()
            self.assertEqual(size_t.eval(), [3])
            indices_val, keys_val, values_0_val, values_1_val = sess.run(
                [take_t[0], take_t[1], take_t[2][0], take_t[2][1]]
            )
            self.assertAllEqual(indices_val, [-(2**63)] * 3)
            for k, v0, v1 in zip(keys, values_0, values_1):
                idx = keys_val.tolist().index(k)
                self.assertEqual(values_0_val[idx], v0)
                self.assertEqual(values_1_val[idx], v1)

    @test_util.run_deprecated_v1
    def testTakeShapes(self):
        with ops.Graph().as_default():
            b = data_flow_ops.Barrier((dtypes.float32, dtypes.int32), shapes=((), (2,)), name="B")
            i, k, (x, y) = b.take_many(3)
            self.assertEqual([[3], [3], [3], [3, 2]], [t.shape.as_list() for t in (i, k, x, y)])
            i, k, (x, y) = b.take_many(3, allow_small_batch=True)
            self.assertEqual([[None], [None], [None], [None, 2]], [t.shape.as_list() for t in (i, k, x, y)])
            i, k, (x, y) = b.take_many(array_ops.placeholder(dtypes.int32))
            self.assertEqual([[None], [None, 2]], [t.shape.as_list() for t in (i, y)])
            self.assertEqual("B_BarrierTakeMany", b.take_many(1)[0].op.name[:17])
            self.assertEqual("B_BarrierReadySize", b.ready_size().op.name)
            self.assertEqual("B_BarrierIncompleteSize", b.incomplete_size().op.name)
            self.assertEqual("B_BarrierClose", b.close().name)
            self.assertEqual("B_BarrierInsertMany", b.insert_many(0, ["a"], [1.0]).name)
            t = b.take_many(2)
            self.assertIs(t.indices, t[0])
            self.assertIs(t.keys, t[1])
            self.assertIs(t.values, t[2])

    @test_util.run_deprecated_v1
    def testTakeManySmallBatch(self):
        with self.cached_session() as sess:
            b = data_flow_ops.Barrier((dtypes.float32, dtypes.float32), shapes=((), ()), name="B")
            size_t = b.ready_size()
            size_i = b.incomplete_size()
            keys = [b"a", b"b", b"c", b"d"]
            values_0 = [10.0, 20.0, 30.0, 40.0]
            values_1 = [100.0, 200.0, 300.0, 400.0]
            insert_0_op = b.insert_many(0, keys, values_0)
            # Split adding of the second component into two independent operations.
            insert_1_1_op = b.insert_many(1, keys[0:2], values_1[0:2])
            insert_1_2_op = b.insert_many(1, keys[2:3], values_1[2:3])
            insert_1_3_op = b.insert_many(1, keys[3:], values_1[3:])
            close_op = b.close()
            take_t = b.take_many(3, allow_small_batch=True)
            index_t, key_t, value_list_t = take_t
            insert_0_op.run()
            self.assertEqual(size_t.eval(), [0])
            self.assertEqual(size_i.eval(), [4])
            insert_1_1_op.run()
            self.assertEqual(size_t.eval(), [2])
            self.assertEqual(size_i.eval(), [2])
            insert_1_2_op.run()
            close_op.run()
            # Now we have a closed barrier with 3 ready elements and 1 incomplete.
            index_val, key_val, v0, v1 = sess.run([index_t, key_t, *value_list_t])
            self.assertAllEqual([-(2**63)] * 3, index_val)
            self.assertEqual(size_t.eval(), [0])
            self.assertEqual(size_i.eval(), [1])
            # Adding the last missing component
            insert_1_3_op.run()
            self.assertEqual(size_t.eval(), [1])
            self.assertEqual(size_i.eval(), [0])
            _, key_val, _, _ = sess.run([index_t, key_t, *value_list_t])
            self.assertAllEqual([b"d"], key_val)
            with self.assertRaisesOpError("is closed and has insufficient elements"):
                sess.run(value_list_t)

    @test_util.run_deprecated_v1
    def testUseBarrierWithShape(self):
        with self.cached_session() as sess:
            b = data_flow_ops.Barrier((dtypes.float32, dtypes.float32), shapes=((2, 2), (8,)), name="B")
            keys = [b"a", b"b", b"c"]
            values_0 = np.array([[[10.0] * 2] * 2, [[20.0] * 2] * 2, [[30.0] * 2] * 2], np.float32)
            values_1 = np.array([[100.0] * 8, [200.0] * 8, [300.0] * 8], np.float32)
            b.insert_many(0, keys, values_0).run()
            b.insert_many(1, keys, values_1).run()
            self.assertEqual(b.ready_size().eval(), [3])
            _, k, (v0, v1) = sess.run(b.take_many(3))
            self.assertAllEqual(keys, k)
            self.assertAllEqual(values_0, v0)
            self.assertAllEqual(values_1, v1)
            self.assertShapeEqual(v0, b.take_many(3)[2][0])

    @test_util.run_deprecated_v1
    def testParallelInsertMany(self):
        with self.cached_session() as sess:
            b = data_flow_ops.Barrier(dtypes.float32, shapes=())
            size_t = b.ready_size()
            keys = [str(x).encode("ascii") for x in range(10)]
            values = [float(x) for x in range(10)]
            insert_ops = [b.insert_many(0, [k], [v]) for k, v in zip(keys, values)]
            take_t = b.take_many(10)
            self.evaluate(insert_ops)
            self.assertEqual(size_t.eval(), [10])
            indices_val, keys_val, values_val = sess.run([take_t[0], take_t[1], take_t[2][0]])
            self.assertAllEqual(indices_val, [-(2**63) + x for x in range(10)])
            for k, v in zip(keys, values):
                idx = keys_val.tolist().index(k)
                self.assertEqual(values_val[idx], v)

    @test_util.run_deprecated_v1
    def testParallelTakeMany(self):
        with self.cached_session() as sess:
            b = data_flow_ops.Barrier(dtypes.float32, shapes=())
            keys = [str(x).encode("ascii") for x in range(10)]
            values = [float(x) for x in range(10)]
            insert_op = b.insert_many(0, keys, values)
            take_t = [b.take_many(1) for _ in keys]
            insert_op.run()
            self.assertEqual(b.ready_size().eval(), [10])
            index_fetches, key_fetches, value_fetches = [], [], []
            for ix_t, k_t, v_t in take_t:
                index_fetches.append(ix_t)
                key_fetches.append(k_t)
                value_fetches.append(v_t[0])
            vals = sess.run(index_fetches + key_fetches + value_fetches)
            self.assertItemsEqual(keys, [v[0] for v in vals[10:20]])

    @test_util.run_deprecated_v1
    def testBlockingTakeMany(self):
        with self.cached_session() as sess:
            b = data_flow_ops.Barrier(dtypes.float32, shapes=())
            keys = [str(x).encode("ascii") for x in range(10)]
            values = [float(x) for x in range(10)]
            insert_ops = [b.insert_many(0, [k], [v]) for k, v in zip(keys, values)]
            take_t = b.take_many(10)

            def take():
                indices_val, keys_val, values_val = sess.run([take_t[0], take_t[1], take_t[2][0]])
                self.assertAllEqual(indices_val, [int(x.decode("ascii")) - 2**63 for x in keys_val])
                self.assertItemsEqual(values_val, values)

            t = self.checkedThread(target=take)
            t.start()
            time.sleep(0.02)
            for insert_op in insert_ops:
                insert_op.run()
            t.join()

    @test_util.run_deprecated_v1
    def testParallelInsertManyTakeMany(self):
        with self.cached_session():
            b = data_flow_ops.Barrier((dtypes.float32, dtypes.int64), shapes=((), (2,)))
            num_iterations = 20
            keys = [str(x) for x in range(10)]
            values_0 = np.asarray(range(10), dtype=np.float32)
            values_1 = np.asarray([[x + 1, x + 2] for x in range(10)], dtype=np.int64)

            def keys_i(i):
                return [("%d:%s" % (i, k)) for k in keys]

            insert_0_ops = [b.insert_many(0, keys_i(i), values_0 + i) for i in range(num_iterations)]
            insert_1_ops = [b.insert_many(1, keys_i(i), values_1 + i) for i in range(num_iterations)]
            take_ops = [b.take_many(10) for _ in range(num_iterations)]
            taken = []

            def take(op):
                taken.append(self.evaluate([op[0], op[1], op[2][0], op[2][1]]))

            def insert(op):
                self.evaluate(op)

            threads = [self.checkedThread(target=take, args=(op,)) for op in take_ops]
            threads += [self.checkedThread(target=insert, args=(op,)) for op in insert_0_ops + insert_1_ops]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual(len(taken), num_iterations)
            flat = np.concatenate([t[1] for t in taken])
            self.assertItemsEqual(flat.tolist(), [k.encode() for i in range(num_iterations) for k in keys_i(i)])

    @test_util.run_deprecated_v1
    def testClose(self):
        with self.cached_session() as sess:
            b = data_flow_ops.Barrier((dtypes.float32, dtypes.float32), shapes=((), ()), name="B")
            size_t, incomplete_t = b.ready_size(), b.incomplete_size()
            keys = [b"a", b"b", b"c"]
            values_0 = [10.0, 20.0, 30.0]
            values_1 = [100.0, 200.0, 300.0]
            insert_0_op = b.insert_many(0, keys, values_0)
            insert_1_op = b.insert_many(1, keys, values_1)
            close_op = b.close()
            fail_insert_op = b.insert_many(0, ["f"], [60.0])
            take_t = b.take_many(3)
            take_too_many_t = b.take_many(4)
            self.assertEqual(size_t.eval(), [0])
            self.assertEqual(incomplete_t.eval(), [0])
            insert_0_op.run()
            self.assertEqual(incomplete_t.eval(), [3])
            close_op.run()
            # This op should fail because the barrier is closed.
            with self.assertRaisesOpError("is closed"):
                fail_insert_op.run()
            # This op should succeed because the barrier has not canceled pending enqueues
            insert_1_op.run()
            self.assertEqual(size_t.eval(), [3])
            self.assertEqual(incomplete_t.eval(), [0])
            # This op should fail because the barrier is closed.
            with self.assertRaisesOpError("is closed"):
                fail_insert_op.run()
            # This op should fail because we requested more elements than are available in incomplete + ready queue.
            with self.assertRaisesOpError(
                r"is closed and has insufficient elements "
                r"\(requested 4, total size 3\)"
            ):
                sess.run(take_too_many_t[0])
            # This op should succeed because there are still completed elements to process.
            indices_val, keys_val, values_0_val, values_1_val = sess.run(
                [take_t[0], take_t[1], take_t[2][0], take_t[2][1]]
            )
            self.assertAllEqual(indices_val, [-(2**63)] * 3)
            # This op should fail because there are no more completed elements and the queue is closed.
            with self.assertRaisesOpError("is closed and has insufficient elements"):
                sess.run(take_t[0])

    @test_util.run_deprecated_v1
    def testCancel(self):
        with self.cached_session() as sess:
            b = data_flow_ops.Barrier((dtypes.float32, dtypes.float32), shapes=((), ()), name="B")
            size_t, incomplete_t = b.ready_size(), b.incomplete_size()
            keys = [b"a", b"b", b"c"]
            insert_0_op = b.insert_many(0, keys, [10.0, 20.0, 30.0])
            insert_1_op = b.insert_many(1, keys[0:2], [100.0, 200.0])
            insert_2_op = b.insert_many(1, keys[2:], [300.0])
            cancel_op = b.close(cancel_pending_enqueues=True)
            fail_insert_op = b.insert_many(0, ["f"], [60.0])
            take_t = b.take_many(2)
            take_too_many_t = b.take_many(3)
            insert_0_op.run()
            insert_1_op.run()
            self.assertEqual(incomplete_t.eval(), [1])
            cancel_op.run()
            # This op should fail because the queue is closed.
            with self.assertRaisesOpError("is closed"):
                fail_insert_op.run()
            # This op should fail because the queue is canceled.
            with self.assertRaisesOpError("is closed"):
                insert_2_op.run()
            self.assertEqual(size_t.eval(), [2])
            self.assertEqual(incomplete_t.eval(), [0])
            with self.assertRaisesOpError(
                r"is closed and has insufficient elements "
                r"\(requested 3, total size 2\)"
            ):
                sess.run(take_too_many_t[0])
            self.assertItemsEqual([b"a", b"b"], sess.run(take_t[1]).tolist())
            with self.assertRaisesOpError("is closed and has insufficient elements"):
                sess.run(take_t[0])

    @test_util.run_deprecated_v1
    def testClosedEmptyBarrier(self):
        for cancel in (False, True):
            with self.cached_session() as sess:
                b = data_flow_ops.Barrier((dtypes.float32, dtypes.float32), shapes=((), ()), name="B")
                take_1_t = b.take_many(1)
                take_1_small = b.take_many(1, allow_small_batch=True)
                b.close(cancel).run()
                with self.assertRaisesOpError("is closed and has insufficient elements"):
                    sess.run(take_1_t[0])
                with self.assertRaisesOpError("is closed and has insufficient elements"):
                    sess.run(take_1_small[0])

    @test_util.run_deprecated_v1
    def testSharedBarrier(self):
        with self.cached_session():
            b1 = data_flow_ops.Barrier((dtypes.float32,), shapes=((),), shared_name="shared")
            b2 = data_flow_ops.Barrier((dtypes.float32,), shapes=((),), shared_name="shared")
            b1.insert_many(0, ["a", "b"], [1.0, 2.0]).run()
            self.assertEqual(2, b2.ready_size().eval())
            b2.insert_many(0, ["c"], [1.0]).run()
            self.assertEqual(3, b1.ready_size().eval())

    @test_util.run_deprecated_v1
    def testIncompatibleSharedBarrierErrors(self):
        with self.cached_session():
            B = data_flow_ops.Barrier

            def check(text, a, b):
                ops.get_default_session().run(a.barrier_ref.op)
                with self.assertRaisesOpError(text):
                    ops.get_default_session().run(b.barrier_ref.op)

            f, i = dtypes.float32, dtypes.int32
            check("component types", B((f,), shapes=((),), shared_name="b_a"), B((i,), shapes=((),), shared_name="b_a"))
            check(
                "component types",
                B((f,), shapes=((),), shared_name="b_b"),
                B((f, i), shapes=((), ()), shared_name="b_b"),
            )
            check(
                "component shapes",
                B((f,), shapes=((2,),), shared_name="b_c"),
                B((f,), shapes=((3,),), shared_name="b_c"),
            )
            check("component shapes", B((f,), shared_name="b_d"), B((f,), shapes=((3,),), shared_name="b_d"))

    @test_util.run_deprecated_v1
    def testDuplicateKey(self):
        with self.cached_session():
            b = data_flow_ops.Barrier((dtypes.float32, dtypes.float32), shapes=((), ()))
            b.insert_many(0, ["a"], [1.0]).run()
            with self.assertRaisesOpError("already has a value for component 0"):
                b.insert_many(0, ["a"], [1.0]).run()

    @test_util.run_deprecated_v1
    def testWrongComponent(self):
        with self.cached_session():
            b = data_flow_ops.Barrier((dtypes.float32, dtypes.float32), shapes=((), ()))
            with self.assertRaisesOpError("component ID is out of range"):
                b.insert_many(2, ["a"], [1.0]).run()
            with self.assertRaises((errors_impl.InvalidArgumentError, ValueError)):
                b.insert_many(0, ["a", "b"], [1.0]).run()


if __name__ == "__main__":
    test.main()
