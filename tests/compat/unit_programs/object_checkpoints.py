"""Checkpoints by object, in graphs: what hangs on what, counters, managers, statuses."""

import os

import tensorflow.compat.v1 as tf


class ObjectCheckpointTest(tf.test.TestCase):
    def _prefix(self, name="ckpt"):
        folder = os.path.join(self.get_temp_dir(), self.id())
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, name)

    def _saved(self):
        with tf.Graph().as_default(), tf.Session() as sess:
            v, w = tf.Variable([1.0, 2.0], name="first"), tf.Variable(3, name="second", use_resource=True)
            checkpoint = tf.train.Checkpoint(v=v, inner=tf.train.Checkpoint(w=w))
            sess.run(tf.global_variables_initializer())
            return checkpoint.save(self._prefix(), session=sess)

    def testKeys(self):
        path = self._saved()
        self.assertTrue(path.endswith("ckpt-1"))
        shapes = dict(tf.train.list_variables(path))
        self.assertEqual([2], shapes["v/.ATTRIBUTES/VARIABLE_VALUE"])
        self.assertEqual([], shapes["inner/w/.ATTRIBUTES/VARIABLE_VALUE"])
        self.assertEqual(1, tf.train.load_variable(path, "save_counter/.ATTRIBUTES/VARIABLE_VALUE"))
        self.assertIn("_CHECKPOINTABLE_OBJECT_GRAPH", shapes)
        self.assertEqual(4, len(shapes))

    def testRestoredUnderOtherNames(self):
        path = self._saved()
        with tf.Graph().as_default(), tf.Session() as sess:
            v, w = tf.Variable([0.0, 0.0], name="other"), tf.Variable(0, name="names")
            checkpoint = tf.train.Checkpoint(v=v, inner=tf.train.Checkpoint(w=w))
            status = checkpoint.restore(path)
            status.assert_consumed().run_restore_ops(sess)
            self.assertAllEqual([1.0, 2.0], sess.run(v))
            self.assertEqual(3, sess.run(w))
            self.assertEqual(1, sess.run(checkpoint.save_counter))
            self.assertTrue(checkpoint.save(self._prefix(), session=sess).endswith("ckpt-2"))

    def testNotAllTaken(self):
        path = self._saved()
        with tf.Graph().as_default():
            checkpoint = tf.train.Checkpoint(v=tf.Variable([0.0, 0.0]))
            status = checkpoint.restore(path)
            with self.assertRaises(AssertionError):
                status.assert_consumed()
            status.assert_existing_objects_matched()
            status.expect_partial()

    def testNotAllThere(self):
        path = self._saved()
        with tf.Graph().as_default(), tf.Session() as sess:
            v, more = tf.Variable([0.0, 0.0]), tf.Variable(7.0)
            checkpoint = tf.train.Checkpoint(v=v, more=more)
            status = checkpoint.restore(path)
            with self.assertRaises(AssertionError):
                status.assert_existing_objects_matched()
            status.initialize_or_restore(sess)
            self.assertAllEqual([1.0, 2.0], sess.run(v))
            self.assertEqual(7.0, sess.run(more))

    def testNothing(self):
        with tf.Graph().as_default(), tf.Session() as sess:
            v = tf.Variable(5.0)
            status = tf.train.Checkpoint(v=v).restore(None)
            status.initialize_or_restore(sess)
            self.assertEqual(5.0, sess.run(v))
            with self.assertRaises(AssertionError):
                status.run_restore_ops(sess)
            with self.assertRaises(AssertionError):
                status.assert_consumed()

    def testNotTrackable(self):
        with tf.Graph().as_default(), self.assertRaises(ValueError):
            tf.train.Checkpoint(v=3)

    def testOptimizerSlots(self):
        path = self._prefix()
        with tf.Graph().as_default(), tf.Session() as sess:
            v = tf.Variable([1.0, 2.0], name="v", use_resource=True)
            optimizer = tf.train.AdamOptimizer(0.1)
            step = optimizer.minimize(tf.reduce_sum(v * v))
            checkpoint = tf.train.Checkpoint(model=tf.train.Checkpoint(v=v), opt=optimizer)
            sess.run(tf.global_variables_initializer())
            sess.run(step)
            expected = sess.run([v, optimizer.get_slot(v, "m"), optimizer.get_slot(v, "v")])
            path = checkpoint.save(path, session=sess)
        names = [name for name, _ in tf.train.list_variables(path)]
        self.assertIn("model/v/.OPTIMIZER_SLOT/opt/m/.ATTRIBUTES/VARIABLE_VALUE", names)
        self.assertIn("opt/beta1_power/.ATTRIBUTES/VARIABLE_VALUE", names)
        with tf.Graph().as_default(), tf.Session() as sess:
            v = tf.Variable([0.0, 0.0], name="elsewhere", use_resource=True)
            optimizer = tf.train.AdamOptimizer(0.1)
            optimizer.minimize(tf.reduce_sum(v * v))
            checkpoint = tf.train.Checkpoint(model=tf.train.Checkpoint(v=v), opt=optimizer)
            checkpoint.restore(path).assert_consumed().run_restore_ops(sess)
            found = sess.run([v, optimizer.get_slot(v, "m"), optimizer.get_slot(v, "v")])
            self.assertAllClose(expected, found)

    def testSharedObject(self):
        with tf.Graph().as_default(), tf.Session() as sess:
            v = tf.Variable(2.0)
            checkpoint = tf.train.Checkpoint(a=v, b=v)
            sess.run(tf.global_variables_initializer())
            path = checkpoint.save(self._prefix(), session=sess)
        names = [name for name, _ in tf.train.list_variables(path)]
        self.assertEqual(1, len([n for n in names if n.startswith(("a/", "b/"))]))

    def testList(self):
        with tf.Graph().as_default(), tf.Session() as sess:
            checkpoint = tf.train.Checkpoint()
            checkpoint.parts = [tf.Variable(1.0), tf.Variable(2.0)]
            sess.run(tf.global_variables_initializer())
            path = checkpoint.save(self._prefix(), session=sess)
            self.assertEqual(2.0, tf.train.load_variable(path, "parts/1/.ATTRIBUTES/VARIABLE_VALUE"))

    def testLayer(self):
        with tf.Graph().as_default(), tf.Session() as sess:
            layer = tf.layers.Dense(2, name="dense_layer") if hasattr(tf.layers, "Dense") else None
            if layer is None:  # Keras 3 has taken them out of TensorFlow
                return
            layer.apply(tf.ones([1, 3]))
            sess.run(tf.global_variables_initializer())
            path = tf.train.Checkpoint(layer=layer).save(self._prefix(), session=sess)
        names = [name for name, _ in tf.train.list_variables(path)]
        self.assertIn("layer/kernel/.ATTRIBUTES/VARIABLE_VALUE", names)
        self.assertIn("layer/bias/.ATTRIBUTES/VARIABLE_VALUE", names)
        self.assertEqual(4, len(names))

    def testAttachedLater(self):
        path = self._saved()
        with tf.Graph().as_default(), tf.Session() as sess:
            checkpoint = tf.train.Checkpoint()
            checkpoint.v = tf.Variable([0.0, 0.0])
            status = checkpoint.restore(path)
            status.initialize_or_restore(sess)
            self.assertAllEqual([1.0, 2.0], sess.run(checkpoint.v))

    def testWriteDoesNotCount(self):
        with tf.Graph().as_default(), tf.Session() as sess:
            v = tf.Variable(1.0)
            checkpoint = tf.train.Checkpoint(v=v)
            sess.run(tf.global_variables_initializer())
            path = checkpoint.write(self._prefix("exactly"), session=sess)
            self.assertEqual(self._prefix("exactly"), path)
            self.assertNotIn("save_counter/.ATTRIBUTES/VARIABLE_VALUE", dict(tf.train.list_variables(path)))

    def testManager(self):
        folder = os.path.dirname(self._prefix())
        with tf.Graph().as_default(), tf.Session() as sess:
            v = tf.Variable(0.0)
            checkpoint = tf.train.Checkpoint(v=v)
            manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=2)
            self.assertIsNone(manager.latest_checkpoint)
            sess.run(tf.global_variables_initializer())
            sess.run(checkpoint.save_counter.initializer)
            add = v.assign_add(1.0)
            for _ in range(3):
                sess.run(add)
                manager.save()
            self.assertEqual(["ckpt-2", "ckpt-3"], [os.path.basename(p) for p in manager.checkpoints])
            self.assertFalse(os.path.exists(os.path.join(folder, "ckpt-1.index")))
            self.assertEqual(manager.latest_checkpoint, tf.train.latest_checkpoint(folder))
            again = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=2)
            self.assertEqual(manager.checkpoints, again.checkpoints)
            sess.run(v.assign(50.0))
            checkpoint.restore(again.latest_checkpoint).run_restore_ops(sess)
            self.assertEqual(3.0, sess.run(v))

    def testManagerNumber(self):
        folder = os.path.dirname(self._prefix())
        with tf.Graph().as_default(), tf.Session() as sess:
            checkpoint = tf.train.Checkpoint(v=tf.Variable(0.0))
            manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=None, checkpoint_name="model")
            sess.run(tf.global_variables_initializer())
            sess.run(checkpoint.save_counter.initializer)
            self.assertEqual("model-100", os.path.basename(manager.save(checkpoint_number=100)))
        with self.assertRaises(ValueError):
            tf.train.CheckpointManager(checkpoint, folder, max_to_keep=0)


if __name__ == "__main__":
    tf.test.main()
