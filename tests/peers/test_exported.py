"""Graphs written here run in TensorFlow: every case on every page, as a GraphDef. pytest -m peers."""

import os

import numpy as np
import pytest

import refflow as tf
from refflow.interop import protos
from tests.cases import CASES, IDS, build, expected

pytestmark = pytest.mark.peers
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Ops that today's TensorFlow reads in no graph of today, or has no CPU kernel for.
NOT_THERE = {
    "AdjustContrast", "BatchFFT", "BatchFFT2D", "BatchFFT3D", "BatchIFFT", "BatchIFFT2D", "BatchIFFT3D",
    "FFTND", "IFFTND", "IRFFTND", "L1Loss", "MaxPoolGradGradWithArgmax", "MutexRelease", "RFFTND", "TileGrad",
    "TopK",
}  # fmt: skip
# Cases that are wider than TensorFlow's kernels, or whose state or file its kernel wants otherwise.
WIDER = {"RealDiv: integers truncate toward zero", "ExtractJpegShape: the header says it",
         "DestroyTemporaryVariable: the last value"}  # fmt: skip
# Bytes that mean the same: compressed by another level, fields in another order, numbers packed or not.
FREE_BYTES = {"EncodePng", "ImageSummary", "TensorSummaryV2", "DecodeJSONExample"}
# Their shape functions want to know ranks.
RANKED = {"ApproxTopK", "BatchToSpaceND", "SpaceToBatchND", "ParallelConcat"}
WRITTEN = {
    name: (op, case) for name, (op, case) in zip(IDS, CASES, strict=True)
    if case.error is None and op.make_state is None and op.name not in NOT_THERE and name not in WIDER
}  # fmt: skip


@pytest.fixture(scope="module")
def tensorflow():
    return pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")


@pytest.mark.parametrize("name", WRITTEN)
def test_a_graph_of_ours_runs_in_tensorflow(tensorflow, name):
    op, case = WRITTEN[name]
    with tf.Graph().as_default() as graph:
        outputs, feeds, initializers = build(op, case, constants=op.name in RANKED)
        wire = protos.to_bytes(graph.as_graph_def())
    v1 = tensorflow.compat.v1
    with tensorflow.Graph().as_default(), v1.Session() as session:
        tensorflow.import_graph_def(v1.GraphDef.FromString(wire), name="")
        session.run([i.name for i in initializers])
        found = session.run([t.name for t in outputs], {t.name: a for t, a in feeds.items()})
    for got, wanted in zip(found, expected(op, case) or [None], strict=True):
        if wanted is not None:
            assert np.shape(got) == wanted.shape
            if wanted.dtype.kind in "fc":
                np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
            elif op.name not in FREE_BYTES and wanted.dtype.names is None:
                assert np.asarray(got).tolist() == wanted.tolist()
