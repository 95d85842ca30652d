"""What is known of a result before anything runs: all that TensorFlow knows, and what it refuses is refused here.

The tables are made of the ops' own examples: see static_shapes.py.
"""

import pytest

from tests.peers.static_shapes import Sides, bent, buildable, less_known, starts

pytestmark = pytest.mark.peers
pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

OPS = buildable()
SAMPLE = [
    op for op in OPS
    if op.name in {"MatMul", "Reshape", "StridedSlice", "Slice", "ConcatV2", "Conv2D", "MaxPool", "BiasAdd", "Tile",
                   "Fill", "GatherV2", "Sum", "Transpose", "ExpandDims", "Pad", "SparseSoftmaxCrossEntropyWithLogits",
                   "BroadcastTo", "Pack", "Add", "BatchToSpaceND", "MatrixSolve"}
]  # fmt: skip

# Where TensorFlow's rule says more, or otherwise, than its own kernels then do.
NOT_SO = {
    "DebugNanCount": "the count is a vector of one element",
    "DecodeWebP": "a picture has three axes, an animation four",
    "Equal": "vectors of unequal lengths that may be compared give a number", "NotEqual": "the same",
    "ExtractVolumePatches": "of volumes it gives volumes, never images",
    "FFTND": "the lengths decide, and are not known", "IFFTND": "the same", "IRFFTND": "the same", "RFFTND": "the same",
    "FusedBatchNormGrad": "what is reserved is a number, and dy has x's shape", "FusedBatchNormGradV2": "the same",
    "FusedBatchNormGradV3": "the same",
    "MatrixDiagV2": "an unknown size is not -1", "MatrixDiagV3": "the same",
    "ParseSequenceExampleV2": "one example may come without a batch",
    "SoftmaxCrossEntropyWithLogits": "one row of labels stretches over all scores",
}  # fmt: skip


def unlike(op, builds, kinds, examples=None):
    """What differs of the builds made of the op's examples, of the kinds that are asked about."""
    sides = Sides()
    found = (d for start in list(starts(op))[:examples] for d in sides.differences(builds(start)))
    return [" | ".join(d) for d in found if d.kind in kinds]


@pytest.mark.parametrize("op", SAMPLE, ids=lambda op: op.name)
def test_as_much_is_known_of_a_result_as_tensorflow_knows(op):
    assert unlike(op, less_known, {"less", "otherwise", "refused here"}, 2) == []


@pytest.mark.deep
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_as_much_is_known_of_every_op(op):
    if op.name in NOT_SO:
        assert unlike(op, less_known, {"refused here"}) == []
    else:
        assert unlike(op, less_known, {"less", "otherwise", "refused here"}) == []


# What is taken here and not there is more types, numbers of inputs that have no effect, or waits for the step.
_NAMES = """
    ApproxTopK BiasAddGrad Bitcast ReduceJoin CombinedNonMaxSuppression Conv Conv2D Conv3DBackpropInputV2 DecodeCSV
    DenseCountSparseOutput DenseToDenseSetOperation DenseToSparseSetOperation DepthwiseConv2dNative
    DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput Diag DiagPart EncodeProto EnsureShape
    ExtractGlimpse ExtractGlimpseV2 FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3
    FusedResizeAndPadConv2D ImageSummary LRN MatrixDiagV2 MatrixDiagV3 MaxPool MaxPool3D MaxPool3DGrad
    MaxPool3DGradGrad MaxPoolGradGrad MaxPoolGradGradV2 MaxPoolGradGradWithArgmax MaxPoolV2 MaxPoolWithArgmax Mfcc
    OnesLike ParallelConcat ParseExample ParseExampleV2 ParseSequenceExample ParseSequenceExampleV2
    ParseSingleExample QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4
    QuantizeAndDequantizeV4Grad QuantizeV2 QuantizedConcat QuantizedDepthwiseConv2D QuantizedInstanceNorm
    QuantizedMaxPool QuantizedReshape RaggedCross RaggedTensorToSparse RaggedTensorToTensor RequantizationRange
    RequantizationRangePerChannel RequantizePerChannel Reshape ReverseV2 ScatterNdNonAliasingAdd SparseCross
    SparseCrossHashed SparseCrossV2 SparseFillEmptyRows StringNGrams Unbatch UnsortedSegmentJoin Where
"""
LAXER = set(_NAMES.split())


@pytest.mark.parametrize("op", [op for op in SAMPLE if op.name not in LAXER], ids=lambda op: op.name)
def test_what_tensorflow_refuses_to_build_is_refused(op):
    assert unlike(op, bent, {"accepted here", "class"}, 1) == []


@pytest.mark.deep
@pytest.mark.parametrize("op", [op for op in OPS if op.name not in LAXER], ids=lambda op: op.name)
def test_what_tensorflow_refuses_of_every_op_is_refused(op):
    assert unlike(op, bent, {"accepted here", "class"}, 4) == []
