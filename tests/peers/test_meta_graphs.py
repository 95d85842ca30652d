"""Meta graphs with branches and loops go from refflow to TensorFlow and back: gradients are built of what was read."""

import numpy as np
import pytest

import refflow.compat.v1 as ours

pytestmark = pytest.mark.peers
POINTS = [(a, b) for a in (0.5, 1.5, 3.0) for b in (0.5, 2.0, 6.0)]


@pytest.fixture(scope="module")
def theirs():
    tensorflow = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")
    v1 = tensorflow.compat.v1
    had = v1.control_flow_v2_enabled()
    v1.disable_control_flow_v2()
    yield v1
    if had:
        v1.enable_control_flow_v2()


def _deep(tf, a, x, z, level):
    """Loops in loops, with a branch in a branch inside."""
    if level == 0:
        return tf.cond(a < 2.0, lambda: a * x, lambda: tf.cond(z > 5.0, lambda: a + x, lambda: a * z))
    body = lambda i, b: [i + 1, _deep(tf, b, x, z, level - 1)]  # noqa: E731
    return tf.while_loop(lambda i, b: i < 2, body, [0, a])[1]


def _write(tf, path):
    with tf.Graph().as_default():
        x, z = (tf.placeholder(tf.float32, [], name=name) for name in "xz")
        tf.identity(_deep(tf, x, x, z, 2), name="loop")
        tf.identity(tf.cond(z > 1.0, lambda: _deep(tf, x, x, z, 1), lambda: x, name="c"), name="branch")
        tf.train.export_meta_graph(path)


def _read(tf, path):
    """Values and gradients at several points."""
    with tf.Graph().as_default() as graph:
        tf.train.import_meta_graph(path, import_scope="s")
        x, z, loop, branch = (graph.get_tensor_by_name(f"s/{name}:0") for name in ("x", "z", "loop", "branch"))
        fetches = [loop, branch, *tf.gradients(loop, [x, z]), *tf.gradients(branch, [x, z])]
        with tf.Session() as session:
            return np.array([session.run(fetches, {x: a, z: b}) for a, b in POINTS])


def test_loops_and_branches_are_read_by_either_library_as_they_were_written_by_either(theirs, tmp_path):
    found = []
    for writer in (ours, theirs):
        path = str(tmp_path / f"{writer.__name__}.meta")
        _write(writer, path)
        found += [_read(ours, path), _read(theirs, path)]
    for other in found[:3]:
        np.testing.assert_allclose(other, found[3], rtol=1e-6)
