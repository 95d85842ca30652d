"""Checkpoints by object are read by either library as they were written by either, slots of optimizers included."""

import numpy as np
import pytest

import refflow.compat.v1 as ours

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'").compat.v1


def _run(tf, prefix, write):
    """What is in the variables after a step and a save, or after the restoring of what was saved."""
    with tf.Graph().as_default():
        start = ([1.0, 2.0], 3.0) if write else ([0.0, 0.0], 0.0)
        name = "written" if write else "read"
        v, w = (tf.Variable(x, name=f"{name}_{i}", use_resource=True) for i, x in enumerate(start))
        optimizer = tf.train.AdamOptimizer(0.1)
        step = optimizer.minimize(tf.reduce_sum(v * v) * w)
        checkpoint = tf.train.Checkpoint(net=tf.train.Checkpoint(v=v, parts=[w]), opt=optimizer)
        with tf.Session() as session:
            if write:
                session.run(tf.global_variables_initializer())
                session.run(step)
                checkpoint.save(prefix, session=session)
            else:
                checkpoint.restore(f"{prefix}-1").assert_consumed().run_restore_ops(session)
            slots = [optimizer.get_slot(v, "m"), optimizer.get_slot(w, "v")]
            return [np.asarray(x) for x in session.run([v, w, *slots, checkpoint.save_counter])]


def test_values_counters_and_slots_are_restored(theirs, tmp_path):
    for writer in (ours, theirs):
        prefix = str(tmp_path / writer.__name__)
        wanted = _run(writer, prefix, write=True)
        for reader in (ours, theirs):
            for found, expected in zip(_run(reader, prefix, write=False), wanted, strict=True):
                np.testing.assert_array_equal(found, expected)
