"""Summaries: what a step tells the log, as strings that hold TensorFlow's Summary messages [W60].

    ScalarSummary       a number for each tag
    HistogramSummary    how values are spread
    ImageSummary        pictures, scaled to bytes; a pixel that is not finite shows in `bad_color`
    AudioSummary        sound
    TensorSummary       any tensor
    MergeSummary        several of these in one, no tag twice

Pictures of floats: 0 stays black and the largest becomes 255; with negative numbers 0 becomes 128 and the number
farthest from it 1 or 255.

Next: train/summary_io.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.bfloat16 import rounded
from refflow.core.dtypes import REALS, bfloat16, float16, float32, float64, uint8
from refflow.core.errors import ShapeError
from refflow.core.graph import GraphKeys, Tensor, get_default_graph
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.files import summaries
from refflow.files.wire import block, fields

_REAL = Attr("type", default=float32, allowed=REALS)
SCALAR = define_op("ScalarSummary", "tags: string, values: T -> summary: string[]", T=REALS, source=("W60",))
HISTOGRAM = define_op("HistogramSummary", "tag: string, values: T -> summary: string[]", T=_REAL, source=("W60",))
IMAGE = define_op(
    "ImageSummary", "tag: string, tensor: T -> summary: string[]", max_images=Attr("int", default=3, minimum=1),
    T=Attr("type", default=float32, allowed=(uint8, float32, float16, float64)),
    bad_color=Attr("tensor", default=np.array([255, 0, 0, 255], np.uint8)), source=("W60",),
)  # fmt: skip
AUDIO = define_op("AudioSummary", "tag: string, tensor: float32 -> summary: string[]", sample_rate=Attr("float"),
                  max_outputs=Attr("int", default=3, minimum=1), source=("W60",))  # fmt: skip
AUDIO_V2 = define_op("AudioSummaryV2", "tag: string, tensor: float32, sample_rate: float32 -> summary: string[]",
                     max_outputs=Attr("int", default=3, minimum=1), source=("W60",))  # fmt: skip
TENSOR = define_op("TensorSummary", "tensor: T -> summary: string[]", T=Attr("type"), description="",
                   labels=Attr("list(string)", default=[]), display_name="", source=("W60",))  # fmt: skip
TENSOR_V2 = define_op("TensorSummaryV2",
                      "tag: string, tensor: T, serialized_summary_metadata: string -> summary: string[]",
                      T=Attr("type"), source=("W60",))  # fmt: skip
MERGE = define_op("MergeSummary", "inputs: N * string -> summary: string[]", N=Attr("int", minimum=1),
                  source=("W60",))  # fmt: skip


def _string(data: bytes) -> np.ndarray:
    found = np.empty((), object)
    found[()] = data
    return found


# -- numbers ----------------------------------------------------------------------------------------------------


@SCALAR.kernel
def scalar_summary_kernel(tags, values):
    """tags and values have one shape."""
    named = zip(tags.reshape(-1), values.reshape(-1), strict=True)
    return _string(b"".join(summaries.scalar(tag, value) for tag, value in named))


@SCALAR.shape
def _scalar_shape(context: ShapeContext) -> shapes.Shape:
    tags, values = context.dims("tags"), context.dims("values")
    if not shapes.compatible(tags, values):
        names = context.value("tags")
        single = "" if names is None or names.size != 1 else f" (tag '{_text(names.reshape(-1)[0])}')"
        raise ShapeError(
            f"tags and values are not the same shape: {shapes.text(tags)} != {shapes.text(values)}{single}"
        )
    return ()


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


@HISTOGRAM.state
def _histogram_name(node_name):
    return node_name


@HISTOGRAM.kernel
def histogram_summary_kernel(tag, values, state):
    """state: the node's name, for the error that some value is not finite."""
    numbers = values.astype(np.float64)
    if np.isnan(numbers).any():
        raise ValueError(f"Nan in summary histogram for: {state}")
    if np.isinf(numbers).any():
        raise ValueError(f"Infinity in Histogram for: {state}")
    return _string(summaries.histogram_value(tag.item(), numbers))


def _need_one_tag(name: str, text: str) -> Any:
    def rule(context: ShapeContext) -> shapes.Shape:
        dims = context.dims(name)
        if dims:
            raise ShapeError(f"{text}: {name} has shape {shapes.text(dims)}")
        return ()

    return rule


HISTOGRAM.shape(_need_one_tag("tag", "tags must be scalar"))

# -- pictures and sound -------------------------------------------------------------------------------------------


def as_bytes(pixels: np.ndarray, bad_color: np.ndarray) -> np.ndarray:
    """A picture [height, width, channels] of floats as bytes.

    >>> as_bytes(np.array([[[0.0], [1.0], [2.0]]]), np.array([255], np.uint8)).reshape(-1).tolist()
    [0, 127, 255]
    """
    number = pixels.dtype.type
    real = np.isfinite(pixels).all(axis=-1)
    found = np.empty(pixels.shape, np.uint8)
    found[...] = bad_color[: pixels.shape[-1]]
    if not real.any():
        return found
    low, high = pixels[real].min(), pixels[real].max()
    tiny = 1e-6  # what is nearly black everywhere stays black
    if low < 0:
        most = max(abs(low), abs(high))
        scale, offset = number(0 if most < tiny else number(127) / most), number(128)
    else:
        scale, offset = number(0 if high < tiny else number(255) / high), number(0)
    found[real] = (pixels[real] * scale + offset).astype(np.uint8)
    return found


@IMAGE.kernel
def image_summary_kernel(tag, tensor, max_images, bad_color):
    if bad_color.dtype != np.uint8:
        raise ValueError(f"bad_color must be uint8, got {bad_color.dtype}")
    if bad_color.ndim != 1:
        raise ValueError(f"bad_color must be a vector, got shape {shapes.text(bad_color.shape)}")
    depth = tensor.shape[3]
    if depth > len(bad_color):
        raise ValueError(
            f"expected depth <= bad_color.size, got depth = {depth}, bad_color.size = {len(bad_color)}"
        )
    if tensor.shape[0] and not all(tensor.shape):
        raise ValueError(f"input tensor must have non-zero dims. Found: {shapes.text(tensor.shape)}.")
    name, parts = tag.item(), []
    for i, picture in enumerate(tensor[:max_images]):
        pixels = picture if tensor.dtype == np.uint8 else as_bytes(picture, bad_color)
        parts.append(summaries.image_value(_numbered(name, "image", i, max_images), pixels))
    return _string(b"".join(parts))


def _numbered(name: bytes, kind: str, i: int, most: int) -> bytes:
    """`tag/image/0`, or `tag/image` where there is never more than one."""
    return name + f"/{kind}".encode() + (f"/{i}".encode() if most > 1 else b"")


@IMAGE.shape
def _image_shape(context: ShapeContext) -> shapes.Shape:
    tensor = context.dims("tensor")
    _need_one_tag("tag", "Tags must be a scalar")(context)
    if tensor is not None and (len(tensor) != 4 or tensor[3] not in (None, 1, 3, 4)):
        raise ShapeError(f"Tensor must be 4-D with last dim 1, 3, or 4, not {shapes.text(tensor)}")
    return ()


def sound(tag: Any, tensor: np.ndarray, rate: float, most: int) -> np.ndarray:
    if rate <= 0:
        raise ValueError("sample_rate must be > 0")
    clips = tensor if tensor.ndim == 3 else tensor[..., None]
    parts = [summaries.audio_value(_numbered(tag.item(), "audio", i, most), clip, rate)
             for i, clip in enumerate(clips[:most])]  # fmt: skip
    return _string(b"".join(parts))


@AUDIO.kernel
def audio_summary_kernel(tag, tensor, sample_rate, max_outputs):
    """Clips [N, frames, channels], or [N, frames] of one channel."""
    return sound(tag, tensor, sample_rate, max_outputs)


@AUDIO_V2.kernel
def audio_summary_v2_kernel(tag, tensor, sample_rate, max_outputs):
    return sound(tag, tensor, float(sample_rate), max_outputs)


def _audio_shape(context: ShapeContext) -> shapes.Shape:
    tensor = context.dims("tensor")
    _need_one_tag("tag", "Tag must be a scalar")(context)
    if tensor is not None and len(tensor) not in (2, 3):
        raise ShapeError(f"Tensor must be 3-D or 2-D, got: {shapes.text(tensor)}")
    return ()


AUDIO.shape(_audio_shape)
AUDIO_V2.shape(_audio_shape)

# -- tensors, and several in one ----------------------------------------------------------------------------------


@TENSOR.state
def _tensor_summary_name(node_name):
    return node_name


@TENSOR.kernel
def tensor_summary_kernel(tensor, state, T):
    """The tensor under the node's name, which is `state`."""
    return _string(block(1, block(7, state.encode()) + block(8, summaries.tensor_proto(_itself(tensor, T)))))


def _itself(tensor: Any, T: Any) -> Any:
    """bfloat16 with its own bytes, not those of a float32."""
    return rounded(tensor) if T is bfloat16 and tensor.dtype == np.float32 else tensor


@TENSOR.shape
def _tensor_shape(context: ShapeContext) -> shapes.Shape:
    return ()


@TENSOR_V2.kernel
def tensor_summary_v2_kernel(tag, tensor, serialized_summary_metadata, T):
    metadata = serialized_summary_metadata.item()
    try:
        list(fields(metadata))
    except ValueError:
        metadata = b""  # as TensorFlow takes what is no message
    told = block(8, summaries.tensor_proto(_itself(tensor, T))) + block(9, metadata, keep_empty=True)
    return _string(summaries.as_value(tag.item(), told))


@TENSOR_V2.shape
def _tensor_v2_shape(context: ShapeContext) -> shapes.Shape:
    _need_one_tag("tag", "tag must be scalar")(context)
    return _need_one_tag("serialized_summary_metadata", "serialized_summary_metadata must be scalar")(context)


@MERGE.kernel
def merge_summary_kernel(inputs):
    """All values of all summaries in order; ValueError where two have one tag."""
    parts, tags = [], set()
    for data in (item for array in inputs for item in array.reshape(-1)):
        try:
            values = [value for field, value in fields(data) if field == 1]
            names = [next((text for f, text in fields(value) if f == 1), b"") for value in values]
        except (ValueError, TypeError):
            raise ValueError("Could not parse one of the summary inputs") from None
        for value, name in zip(values, names, strict=True):
            if name and name in tags:
                raise ValueError(f"Duplicate tag {_text(name)} found in summary inputs")
            tags.add(name)
            parts.append(block(1, value, keep_empty=True))
    return _string(b"".join(parts))


@MERGE.shape
def _merge_shape(context: ShapeContext) -> shapes.Shape:
    return ()


for _op in (SCALAR, HISTOGRAM, IMAGE, AUDIO, AUDIO_V2, TENSOR, TENSOR_V2, MERGE):
    _op.no_gradient()

_A, _B = (_string(summaries.scalar(tag, value)) for tag, value in (("a", 1.5), ("b", 2)))
_BOTH = _string(_A.item() + _B.item())
_TAG = np.array(b"t", object)
SCALAR.case("W60", "a number for each tag", tags=np.array([b"a", b"b"], object), values=[1.5, 2], summary=_BOTH)
SCALAR.case("W60", "as many numbers as tags", tags=np.array([b"a", b"b"], object), values=[1.5],
            error="tags and values are not the same shape: [2] != [1]")  # fmt: skip
HISTOGRAM.case("W60", "numbers only", tag=_TAG, values=[1, np.nan], error="Nan in summary histogram for: ")
IMAGE.case("W60", "one picture", tag=_TAG, tensor=np.zeros((1, 1, 1, 1), np.uint8), max_images=1,
           summary=_string(summaries.image_value("t/image", np.zeros((1, 1, 1), np.uint8))))  # fmt: skip
IMAGE.case("W60", "two channels are no picture", tag=_TAG, tensor=np.zeros((1, 1, 1, 2), np.float32),
           error="Tensor must be 4-D with last dim 1, 3, or 4, not [1,1,1,2]")  # fmt: skip
AUDIO.case("W60", "silence", tag=_TAG, tensor=[[0]], sample_rate=8000.0, max_outputs=1,
           summary=_string(summaries.audio_value("t/audio", np.zeros((1, 1), np.float32), 8000)))  # fmt: skip
AUDIO_V2.case("W60", "sound takes time", tag=_TAG, tensor=[[0]], sample_rate=0, error="sample_rate must be > 0")
TENSOR.case("W60", "one tensor", tensor=[1, 2])
TENSOR_V2.case("W60", "bfloat16 has its own bytes", tag=_TAG, tensor=rounded(np.array([0.2], np.float32)), T="bfloat16",
               serialized_summary_metadata=b"",
               summary=b'\n\x13\n\x01tB\x0c\x08\x0e\x12\x04\x12\x02\x08\x01"\x02M>J\x00')  # fmt: skip
TENSOR_V2.case("W60", "a tensor's shape and bytes", tag=_TAG, tensor=np.array([1, 2], np.uint8),
               serialized_summary_metadata=np.array(b"", object),
               summary=_string(b'\n\x13\n\x01tB\x0c\x08\x04\x12\x04\x12\x02\x08\x02"\x02\x01\x02J\x00'))  # fmt: skip
MERGE.case("W60", "one after the other", inputs=[_A, _B], summary=_BOTH)
MERGE.case("W60", "a tag comes once", inputs=[_A, _A], error="Duplicate tag a found in summary inputs")

# -- in the client ------------------------------------------------------------------------------------------------


def _collected(summary: Tensor, collections: Sequence[str] | None) -> Tensor:
    """`summary`, entered into the collections, by default that of all summaries."""
    for key in [GraphKeys.SUMMARIES] if collections is None else collections:
        summary.graph.add_to_collection(key, summary)
    return summary


def scalar_summary(tags: Any, values: Any, collections: Sequence[str] | None = None, name: str | None = None) -> Tensor:
    """A summary of one number for each tag; `tags` and `values` have one shape [W60]."""
    return _collected(SCALAR(tags, values, name=name or "ScalarSummary"), collections)


def histogram_summary(
    tag: Any, values: Any, collections: Sequence[str] | None = None, name: str | None = None
) -> Tensor:
    """A summary of how `values` are spread; the step fails where one of them is not finite [W60]."""
    return _collected(HISTOGRAM(tag, values, name=name or "HistogramSummary"), collections)


def image_summary(
    tag: Any, tensor: Any, max_images: int | None = None, collections: Sequence[str] | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """A summary of the first `max_images` (3) pictures in `tensor` [N, height, width, 1, 3 or 4] [W60]."""
    return _collected(IMAGE(tag, tensor, max_images=max_images, name=name or "ImageSummary"), collections)


def merge_summary(inputs: Any, collections: Sequence[str] | None = None, name: str | None = None) -> Tensor:
    """All values of several summaries in one; the step fails where two have one tag [W60]."""
    merged = MERGE(list(inputs), name=name or "MergeSummary")
    return _collected(merged, [] if collections is None else collections)


def merge_all_summaries(key: str = GraphKeys.SUMMARIES) -> Tensor | None:
    """One summary of all in the default graph's collection `key`, or None where there are none [W60]."""
    found = get_default_graph().get_collection(key)
    return merge_summary(found) if found else None
