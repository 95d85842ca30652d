"""TensorArrays, stacks and lists: tensors kept by number while a loop runs [W43].

    TensorArrayV3      elements written once and read by index; `flow` carries the order of writes and reads
    Stack              pushed in a loop, popped in the loop of its gradient
    TensorList         a value, not a place: every change gives a new list

A handle is made anew each time that its op runs, so that steps do not share.

Next: ops/variable.py.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import TensorShape
from refflow.core.signature import Attr

ANY = Attr("type")
_numbers = itertools.count()


class ArrayState:
    """The elements of one TensorArray."""

    def __init__(self, name: str, dtype: Any, size: int, dynamic: bool, clears: bool, dims: Any, same: bool = False):
        self.name, self.dtype, self.dynamic, self.clears, self.dims, self.same = (
            name,
            dtype,
            dynamic,
            clears,
            dims,
            same,
        )
        self.items: list[Any] = [None] * size
        self.dims_of: list[Any] = [None] * size  # of elements that were written, or whose gradient may be read
        self.cleared = [False] * size
        self.adds = False  # a gradient's writes add up
        self.gradients: dict[str, ArrayState] = {}
        self.lock = threading.RLock()

    def fail(self, message: str) -> errors.OpError:
        return errors.InvalidArgumentError(None, None, f"TensorArray {self.name}: {message}")

    def write(self, index: int, value: Any) -> None:
        with self.lock:
            if np.asarray(value).dtype != np.dtype(self.dtype.as_numpy_dtype):
                raise self.fail(
                    f"Could not write to TensorArray index {index} because the value dtype is "
                    f"{np.asarray(value).dtype} but "
                    f"TensorArray dtype is {self.dtype.name}."
                )
            if index < 0 or (index >= len(self.items) and not self.dynamic):
                resizable = "" if self.dynamic else f" and size is: {len(self.items)}"
                raise self.fail(
                    f"Tried to write to index {index} but array is not resizeable{resizable}"
                    if index >= 0 else f"Could not write to TensorArray index {index}"
                )  # fmt: skip
            while index >= len(self.items):
                self.items.append(None)
                self.dims_of.append(None)
                self.cleared.append(False)
            if not shapes.compatible(self.dims, np.shape(value)):
                raise self.fail(
                    f"Could not write to TensorArray index {index} because the value shape is "
                    f"{shapes.text(np.shape(value))} which is incompatible with the TensorArray's "
                    "inferred element shape: "
                    f"{shapes.text(self.dims)} (consider setting infer_shape=False)."
                )
            if self.same:
                self.dims = np.shape(value)
            if self.items[index] is not None or self.cleared[index]:
                if not self.adds:
                    why = "it has already been read" if self.cleared[index] else "it has already been written to"
                    raise self.fail(f"Could not write to TensorArray index {index} because {why}.")
                if self.cleared[index]:
                    raise self.fail(
                        f"Could not aggregate to TensorArray index {index} because it has already been read."
                    )
                if np.shape(value) != self.items[index].shape:
                    raise self.fail(
                        f"Could not aggregate to TensorArray index {index} because the existing shape is "
                        f"{shapes.text(self.items[index].shape)} but the new input shape is "
                        f"{shapes.text(np.shape(value))}."
                    )
                value = self.items[index] + value
            self.items[index] = np.array(value, copy=True)
            self.dims_of[index] = np.shape(value)

    def read(self, index: int) -> np.ndarray:
        with self.lock:
            if not 0 <= index < len(self.items):
                raise self.fail(f"Tried to read from index {index} but array size is: {len(self.items)}")
            value = self.items[index]
            if value is None:
                if self.cleared[index]:
                    raise self.fail(
                        f"Could not read index {index} twice because it was cleared after a previous read "
                        "(perhaps try setting clear_after_read = false?)."
                    )
                known = self.dims_of[index] if self.dims_of[index] is not None else self.dims
                if not shapes.is_known(known):
                    raise self.fail(
                        f"Could not read from TensorArray index {index}.  Furthermore, the element "
                        "shape is not fully defined: "
                        f"{shapes.text(known)}.  It is possible you are working with a resizeable TensorArray and "
                        "stop_gradients is not allowing the gradients to be written.  If you set the "
                        "full element_shape "
                        "property on the forward TensorArray, the proper all-zeros tensor will be returned instead of "
                        "incurring this error."
                    )
                return np.zeros(known, self.dtype.as_numpy_dtype)
            if self.clears:
                self.items[index], self.cleared[index] = None, True
            return value

    def gradient(self, source: str, prepended: tuple[int, ...] = ()) -> ArrayState:
        with self.lock:
            if source not in self.gradients:
                dims = self.dims if not prepended or self.dims is None else (*prepended, *self.dims)
                made = ArrayState(f"{self.name}@{source}", self.dtype, len(self.items), False, self.clears, dims)
                made.adds = True
                made.dims_of = [None if d is None else (*prepended, *d) for d in self.dims_of]
                self.gradients[source] = made
            return self.gradients[source]


_FLOW = np.float32(0)
TENSOR_ARRAY = define_op(
    "TensorArrayV3", "size: int32[] -> handle: resource[], flow: float32[]", dtype=ANY,
    element_shape=Attr("shape", default=TensorShape(None)), dynamic_size=False, clear_after_read=True,
    identical_element_shapes=False, tensor_array_name="", stateful=True, source=("W43",),
)  # fmt: skip
_ARRAY = "handle: resource[]"
WRITE = define_op(
    "TensorArrayWriteV3", f"{_ARRAY}, index: int32[], value: T, flow_in: float32[] -> flow_out: float32[]", T=ANY,
    stateful=True, source=("W43",),
)  # fmt: skip
READ = define_op("TensorArrayReadV3", f"{_ARRAY}, index: int32[], flow_in: float32[] -> value: dtype", dtype=ANY,
                 stateful=True, source=("W43",))  # fmt: skip
SCATTER = define_op(
    "TensorArrayScatterV3", f"{_ARRAY}, indices: int32[N], value: T, flow_in: float32[] -> flow_out: float32[]", T=ANY,
    stateful=True, source=("W43",),
)  # fmt: skip
GATHER = define_op(
    "TensorArrayGatherV3", f"{_ARRAY}, indices: int32[N], flow_in: float32[] -> value: dtype", dtype=ANY,
    element_shape=Attr("shape", default=TensorShape(None)), stateful=True, source=("W43",),
)  # fmt: skip
CONCAT = define_op(
    "TensorArrayConcatV3", f"{_ARRAY}, flow_in: float32[] -> value: dtype, lengths: int64[N]", dtype=ANY,
    element_shape_except0=Attr("shape", default=TensorShape(None)), stateful=True, source=("W43",),
)  # fmt: skip
SPLIT = define_op(
    "TensorArraySplitV3", f"{_ARRAY}, value: T, lengths: int64[N], flow_in: float32[] -> flow_out: float32[]", T=ANY,
    stateful=True, source=("W43",),
)  # fmt: skip
SIZE = define_op("TensorArraySizeV3", f"{_ARRAY}, flow_in: float32[] -> size: int32[]", stateful=True, source=("W43",))
CLOSE = define_op("TensorArrayCloseV3", f"{_ARRAY} ->", stateful=True, source=("W43",))


@TENSOR_ARRAY.kernel
def tensor_array_kernel(size, dtype, element_shape, dynamic_size, clear_after_read, identical_element_shapes,
                        tensor_array_name):  # fmt: skip
    if int(size) < 0:
        raise ValueError(f"Size should be >= 0, got {int(size)}")
    name = f"{tensor_array_name or 'TensorArray'}_{next(_numbers)}"
    state = ArrayState(name, dtype, int(size), dynamic_size, clear_after_read, element_shape.as_tuple,
                       identical_element_shapes)  # fmt: skip
    return handle_to(state), np.asarray(_FLOW)


@WRITE.kernel
def write_kernel(handle, index, value, flow_in):
    state_of(handle).write(int(index), value)
    return np.asarray(flow_in)


@READ.kernel
def read_kernel(handle, index, flow_in, dtype):
    array = state_of(handle)
    if array.dtype is not dtype:
        raise array.fail(f"dtype is {array.dtype.name} but Op requested dtype {dtype.name}.")
    return array.read(int(index))


@SCATTER.kernel
def scatter_kernel(handle, indices, value, flow_in):
    array = state_of(handle)
    if not np.ndim(value) or len(value) != len(indices):
        raise array.fail(f"Expected len(indices) == values.shape[0], but saw: {len(indices)} vs. {np.shape(value)[:1]}")
    for i, row in zip(indices, value, strict=True):
        array.write(int(i), np.asarray(row, np.asarray(value).dtype))
    return np.asarray(flow_in)


@GATHER.kernel
def gather_kernel(handle, indices, flow_in, dtype, element_shape):
    array = state_of(handle)
    if array.dtype is not dtype:
        raise array.fail(f"dtype is {array.dtype.name} but Op requested dtype {dtype.name}.")
    if not len(indices):
        dims = array.dims if shapes.is_known(array.dims) else element_shape.as_tuple
        if not shapes.is_known(dims):
            raise array.fail("cannot gather nothing: the shape of an element is not known")
        return np.zeros((0, *dims), dtype.as_numpy_dtype)
    rows = [array.read(int(i)) for i in indices]
    for i, row in enumerate(rows):
        if row.shape != rows[0].shape:
            raise array.fail(
                "TensorArray has inconsistent shapes.  Index 0 has shape: "
                f"{shapes.text(rows[0].shape)} but index {i} has "
                f"shape: {shapes.text(row.shape)}"
            )
    return np.stack(rows)


@CONCAT.kernel
def concat_kernel(handle, flow_in, dtype):
    array = state_of(handle)
    rows = [array.read(i) for i in range(len(array.items))]
    if any(not r.ndim for r in rows):
        raise array.fail("Concat saw a scalar shape at index 0 but requires at least vectors.")
    if any(r.shape[1:] != rows[0].shape[1:] for r in rows):
        raise array.fail("TensorArray has inconsistent shapes: elements differ in more than the first axis")
    lengths = np.array([len(r) for r in rows], np.int64)
    return (np.concatenate(rows) if rows else np.zeros(0, dtype.as_numpy_dtype)), lengths


@SPLIT.kernel
def split_kernel(handle, value, lengths, flow_in):
    array = state_of(handle)
    if not np.ndim(value):
        raise array.fail("Expected value to be at least a vector, but received shape: []")
    if int(lengths.sum()) != len(value):
        raise array.fail(
            "Expected sum of lengths to be equal to values.shape[0], but sum of lengths is "
            f"{int(lengths.sum())} and value's "
            f"shape is: {shapes.text(np.shape(value))}"
        )
    if not array.dynamic and len(lengths) != len(array.items):
        raise array.fail(
            f"TensorArray's size is not equal to the size of lengths ({len(array.items)} vs. {len(lengths)}), and the "
            "TensorArray is not marked as dynamically resizeable"
        )
    at = 0
    for i, n in enumerate(lengths):
        array.write(i, value[at : at + int(n)])
        at += int(n)
    return np.asarray(flow_in)


@SIZE.kernel
def size_kernel(handle, flow_in):
    return np.array(len(state_of(handle).items), np.int32)


@CLOSE.kernel
def close_kernel(handle):
    state_of(handle).items.clear()


def _scalar_flow(context: ShapeContext) -> shapes.Shape:
    context.match("flow_in")
    return ()


WRITE.shape(_scalar_flow)
SCATTER.shape(_scalar_flow)
SPLIT.shape(_scalar_flow)
for _op in (TENSOR_ARRAY, WRITE, READ, SCATTER, GATHER, CONCAT, SPLIT, SIZE, CLOSE):
    _op.no_gradient()


def _define_gradients() -> None:
    """The attribute is called `source`, which define_op keeps for clauses; so it is entered by hand."""
    from refflow.core.opdef import OpDef, register

    for name, more in (("TensorArrayGradV3", ""), ("TensorArrayGradWithShape", ", shape_to_prepend: int32[R]")):
        op_def = OpDef(
            name, f"{_ARRAY}, flow_in: float32[]{more} -> grad_handle: resource[], flow_out: float32[]",
            {"source": Attr("string")}, ("W43",), True, False, "exact", False, False,
        )  # fmt: skip
        register(op_def)
        op_def.no_gradient()

        def kernel(handle, flow_in, shape_to_prepend=(), source=""):
            prepended = tuple(int(s) for s in shape_to_prepend)
            return handle_to(state_of(handle).gradient(source, prepended)), np.asarray(flow_in)

        op_def.kernel(kernel)


_define_gradients()
