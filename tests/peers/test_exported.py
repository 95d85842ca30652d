"""Graphs written here run in TensorFlow: every case on every page, as a GraphDef. pytest -m peers."""

import os

import numpy as np
import pytest

import refflow as tf
from refflow.interop import protos
from tests.cases import CASES, IDS, build, expected
from tests.peers.availability import as_theirs, lack, last_version

pytestmark = pytest.mark.peers
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

APART = {
    "FakeParam",  # TensorFlow leaves the memory as it was
    "QuantizedDepthwiseConv2D",  # TensorFlow's kernel gives no output
    "TileGrad",  # TensorFlow's kernel asks for an attribute that the op lacks
    "TopK",  # so does this one's
}
WIDER = {
    "RealDiv: integers truncate toward zero",  # TensorFlow has kernels for real numbers alone
    "Conv2D: no filters give no channels",  # TensorFlow wants one at least
    "ExtractJpegShape: the header says it",  # libjpeg wants more of a file than a header
    "DestroyTemporaryVariable: the last value",  # TensorFlow's wants a TemporaryVariable
}
# Bytes that mean the same: compressed by another level, fields in another order, numbers packed or not.
FREE_BYTES = {"EncodePng", "ImageSummary", "TensorSummaryV2", "DecodeJSONExample"}
# Their shape functions want to know ranks.
RANKED = {
    "ApproxTopK", "BatchToSpaceND", "FusedPadConv2D", "FusedResizeAndPadConv2D", "ParallelConcat", "SpaceToBatchND",
}  # fmt: skip
WRITTEN = {
    name: (op, case) for name, (op, case) in zip(IDS, CASES, strict=True)
    if case.error is None and op.make_state is None and op.name not in APART and name not in WIDER
}  # fmt: skip


@pytest.fixture(scope="module")
def tensorflow():
    return pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")


@pytest.mark.parametrize("name", WRITTEN)
def test_a_graph_of_ours_runs_in_tensorflow(tensorflow, name):
    op, case = WRITTEN[name]
    if why := lack(op.name, today=False):
        pytest.skip(why)
    with tf.Graph().as_default() as graph:
        outputs, feeds, initializers = build(op, case, constants=op.name in RANKED)
        wire = protos.to_bytes(graph.as_graph_def())
    v1 = tensorflow.compat.v1
    with tensorflow.Graph().as_default(), v1.Session() as session:
        graph_def = v1.GraphDef.FromString(wire)
        graph_def.versions.producer = min(graph_def.versions.producer, last_version(op.name))
        tensorflow.import_graph_def(graph_def, name="")
        session.run([i.name for i in initializers])
        found = session.run([t.name for t in outputs], {t.name: as_theirs(tensorflow, a) for t, a in feeds.items()})
    for got, wanted in zip(found, expected(op, case) or [None], strict=True):
        if wanted is not None:
            assert np.shape(got) == wanted.shape
            if wanted.dtype.kind in "fc":
                np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
            elif op.name not in FREE_BYTES and wanted.dtype.names is None:
                assert np.asarray(got).tolist() == wanted.tolist()
