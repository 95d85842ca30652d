"""`refflow check` over TensorFlow: where the two differ, and why it is TensorFlow's own affair (docs/backends.rst)."""

import pytest

from tests.peers.tensorflow_backend import compared, faults

pytestmark = pytest.mark.peers

# Why, then op types with the beginnings of the titles, "" for all of an op's examples.
UNSET = "leaves memory as it was"  # and so may be right by chance
DIFFERENT = {
    UNSET: {
        "Cholesky": [""], "RFFT": ["no elements"], "RFFT2D": ["no elements"], "RFFT3D": ["no elements"],
        "IRFFT": ["no elements"], "IRFFT2D": ["no elements"], "IRFFT3D": ["no elements"],
        "Fingerprint": ["no elements"], "FusedBatchNormV2": ["numbers of type float16", "nothing is kept of nothing"],
        "FusedBatchNormV3": ["numbers of type float16", "nothing is kept of nothing"],
    },
    "takes no empty arrays": {name: ["no elements"] for name in (
        "Conv", "Conv3D", "DepthwiseConv2dNative", "FractionalAvgPoolGrad", "FusedPadConv2D",
        "FusedResizeAndPadConv2D", "MaxPool3DGradGrad", "QuantizedAdd", "QuantizedAvgPool", "QuantizedBiasAdd",
        "QuantizedMaxPool", "QuantizedMul", "RequantizationRangePerChannel", "RequantizePerChannel",
        "ScaleAndTranslate", "SparseAdd", "SparseSparseMaximum", "SparseSparseMinimum")} | {
        "Conv2D": ["no filters give no channels"]},
    "takes no scalar, or axis from the end": {
        "QuantizeAndDequantizeV3": ["a scalar"], "QuantizedConcat": ["an axis counted from the end"],
        "Where": ["a scalar"],
    },
    "takes what is wrong": {
        "DataFormatDimMap": ["as many axes as letters"], "DepthwiseConv2dNative": ["refused: shapes that do not fit"],
        "Einsum": ["new names mean nothing"],
        "FractionalAvgPoolGrad": ["as many pictures as the image has", "regions end with the image"],
    },
    "convolves the first picture for all": {"FusedPadConv2D": [""], "FusedResizeAndPadConv2D": [""]},
    "gives 0 for integers": {"Round": ["awkward numbers of type int"]},
    "cancels exp(x) - 1 near 0": {"Elu": [""], "Selu": [""]},
    "has few digits near zeros": {
        "BesselJ1": ["awkward"], "BesselY0": ["awkward"], "Dawsn": ["awkward"], "Erfinv": ["awkward", "drawn"],
        "FresnelCos": ["awkward"], "FresnelSin": ["awkward"],
    },
    "is another way far out, or beyond the domain": {
        "BesselY1": ["awkward"], "Erf": ["awkward"], "Expint": ["awkward"], "Igamma": ["awkward"],
        "IgammaGradA": ["awkward"], "Igammac": ["awkward"], "Polygamma": ["awkward"], "RandomGammaGrad": ["awkward"],
        "Spence": ["awkward"], "Zeta": ["awkward"],
    },
    "approximates": {"Inv": ["awkward numbers", "drawn"], "Reciprocal": ["awkward numbers", "drawn"],
                     "Sigmoid": ["drawn"], "QuantizedAdd": [""]},
    "computes in float32": {"CTCBeamSearchDecoder": [""], "CTCLoss": ["numbers of type float64"],
                            "QuantizeDownAndShrinkRange": ["drawn", "other"]},
    "rounds the quotient first": {"FloorDiv": ["awkward numbers of type bfloat16"],
                                  "TruncateDiv": ["awkward numbers of type bfloat16"]},
    "rounds means of integers, where oneDNN makes them": {"QuantizedAvgPool": ["SAME", "VALID"]},
    "wants more of a JPEG than its header": {"ExtractJpegShape": [""]},
}  # fmt: skip


def known(name, title):
    return any(title.startswith(start) for ops in DIFFERENT.values() for start in ops.get(name, []))


def unknown(found):
    return [f"{name}, {title}: {text}" for name, title, text in found if not known(name, title)]


def test_a_sample_of_the_ops_differs_only_where_it_is_known():
    pytest.importorskip("tensorflow", reason="the backend is TensorFlow: pip install '.[peers]'")
    found = faults(sorted({*compared()[::8], "Elu", "Round"}), quick=True)
    assert not unknown(found)
    assert {"Elu"} <= {name for name, _, _ in found}


@pytest.mark.deep
def test_what_is_known_is_all_that_differs():
    pytest.importorskip("tensorflow", reason="the backend is TensorFlow: pip install '.[peers]'")
    found = faults(compared())
    assert not unknown(found)
    told = {(why, name) for why, ops in DIFFERENT.items() for name in ops if why != UNSET}
    seen = {(why, name) for why, ops in DIFFERENT.items() for name, title, _ in found
            if any(title.startswith(start) for start in ops.get(name, []))}  # fmt: skip
    assert told <= seen, told - seen
