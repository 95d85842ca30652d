"""TensorArrays, stacks and lists: tensors kept by number while a loop runs [W43].

    TensorArrayV3      elements written once and read by index; `flow` carries the order of writes and reads
    Stack              pushed in a loop, popped in the loop of its gradient
    TensorList         a value, not a place: every change gives a new list

A handle is made anew each time that its op runs, so that steps do not share.

Next: ops/tensor_array_gradients.py.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.bfloat16 import RECORD, rounded, widened
from refflow.core.dtypes import as_dtype, string
from refflow.core.elements import Elements
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
        self.was_read = [False] * size
        self.closed = False
        self.adds = False  # a gradient's writes add up
        self.gradients: dict[str, ArrayState] = {}
        self.lock = threading.RLock()

    def fail(self, message: str) -> errors.OpError:
        return errors.InvalidArgumentError(None, None, f"TensorArray {self.name}: {message}")

    def check_open(self) -> None:
        if self.closed:
            raise errors.InvalidArgumentError(None, None, f"TensorArray {self.name} has already been closed.")

    def write(self, index: int, value: Any) -> None:
        """Keeps `value`, which nobody else may change."""
        with self.lock:
            self.check_open()
            if np.asarray(value).dtype != np.dtype(self.dtype.as_numpy_dtype):
                raise errors.InvalidArgumentError(
                    None, None,
                    f"TensorArray dtype is {_c_name(self.dtype)} but Op is trying to write dtype "
                    f"{_c_name(as_dtype(np.asarray(value).dtype))}.",
                )  # fmt: skip
            if index < 0 or (index >= len(self.items) and not self.dynamic):
                raise self.fail(
                    f"Tried to write to index {index} but array is not resizeable and size is: {len(self.items)}"
                )
            while index >= len(self.items):
                self.items.append(None)
                self.dims_of.append(None)
                self.cleared.append(False)
                self.was_read.append(False)
            if not shapes.compatible(self.dims, np.shape(value)):
                raise self.fail(
                    f"Could not write to TensorArray index {index} because the value shape is "
                    f"{shapes.text(np.shape(value))} which is incompatible with the TensorArray's "
                    "inferred element shape: "
                    f"{shapes.text(self.dims)} (consider setting infer_shape=False)."
                )
            if self.same:
                self.dims = np.shape(value)
            known = self.dims_of[index]
            if self.adds and known is not None and known != np.shape(value):
                raise self.fail(
                    f"Could not aggregate to TensorArray index {index} because the existing shape is "
                    f"{shapes.text(known)} but the new input shape is {shapes.text(np.shape(value))}."
                )
            if self.items[index] is not None or self.cleared[index]:
                was_read = self.cleared[index] or self.was_read[index]
                if not self.adds or was_read:
                    why = "it has already been read" if was_read else "it has already been written to"
                    raise self.fail(f"Could not write to TensorArray index {index} because {why}.")
                value = add(self.items[index], value)
            self.items[index] = value
            self.dims_of[index] = np.shape(value)

    def read(self, index: int) -> np.ndarray:
        with self.lock:
            self.check_open()
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
                if self.dtype is string:
                    raise ValueError("tensor_array::TensorSetZero type not supported: string")
                return np.zeros(known, self.dtype.as_numpy_dtype)
            self.was_read[index] = True
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


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sum of two elements, of whatever type."""
    return rounded(widened(a) + widened(b)) if a.dtype == RECORD else a + b


def _c_name(dtype: Any) -> str:
    return {"float32": "float", "float64": "double", "float16": "half"}.get(dtype.name, dtype.name)


def _typed(handle: Any, dtype: Any) -> ArrayState:
    array = state_of(handle)
    if array.dtype is not dtype:
        raise errors.InvalidArgumentError(
            None, None, f"TensorArray dtype is {_c_name(array.dtype)} but Op requested dtype {_c_name(dtype)}."
        )
    return array


def _vector(value: np.ndarray, what: str) -> None:
    if np.ndim(value) != 1:
        raise ValueError(f"Expected {what} shape: {shapes.text(np.shape(value))}")


def _index(index: np.ndarray) -> int:
    if np.ndim(index):
        raise ValueError(f"TensorArray index must be scalar, but had shape: {shapes.text(np.shape(index))}")
    return int(index)


_FLOW = np.float32(0)
TENSOR_ARRAY = define_op(
    "TensorArrayV3", "size: int32 -> handle: resource[], flow: float32[]", dtype=ANY,
    element_shape=Attr("shape", default=TensorShape(None)), dynamic_size=False, clear_after_read=True,
    identical_element_shapes=False, tensor_array_name="", stateful=True, source=("W43",),
)  # fmt: skip
_ARRAY = "handle: resource[]"
WRITE = define_op(
    "TensorArrayWriteV3", f"{_ARRAY}, index: int32, value: T, flow_in: float32[] -> flow_out: float32[]", T=ANY,
    stateful=True, source=("W43",),
)  # fmt: skip
READ = define_op("TensorArrayReadV3", f"{_ARRAY}, index: int32, flow_in: float32[] -> value: dtype", dtype=ANY,
                 stateful=True, source=("W43",))  # fmt: skip
SCATTER = define_op(
    "TensorArrayScatterV3", f"{_ARRAY}, indices: int32, value: T, flow_in: float32[] -> flow_out: float32[]", T=ANY,
    stateful=True, source=("W43",),
)  # fmt: skip
GATHER = define_op(
    "TensorArrayGatherV3", f"{_ARRAY}, indices: int32, flow_in: float32[] -> value: dtype", dtype=ANY,
    element_shape=Attr("shape", default=TensorShape(None)), stateful=True, source=("W43",),
)  # fmt: skip
CONCAT = define_op(
    "TensorArrayConcatV3", f"{_ARRAY}, flow_in: float32[] -> value: dtype, lengths: int64[N]", dtype=ANY,
    element_shape_except0=Attr("shape", default=TensorShape(None)), stateful=True, source=("W43",),
)  # fmt: skip
SPLIT = define_op(
    "TensorArraySplitV3", f"{_ARRAY}, value: T, lengths: int64, flow_in: float32[] -> flow_out: float32[]", T=ANY,
    stateful=True, source=("W43",),
)  # fmt: skip
SIZE = define_op("TensorArraySizeV3", f"{_ARRAY}, flow_in: float32[] -> size: int32[]", stateful=True, source=("W43",))
CLOSE = define_op("TensorArrayCloseV3", f"{_ARRAY} ->", stateful=True, source=("W43",))


@TENSOR_ARRAY.kernel
def tensor_array_kernel(size, dtype, element_shape, dynamic_size, clear_after_read, identical_element_shapes,
                        tensor_array_name):  # fmt: skip
    if np.ndim(size):
        raise ValueError(f"TensorArray size must be scalar, but had shape: {shapes.text(np.shape(size))}")
    if int(size) < 0:
        raise ValueError(f"Size should be >= 0, got {int(size)}")
    name = f"{tensor_array_name or 'TensorArray'}_{next(_numbers)}"
    state = ArrayState(name, dtype, int(size), dynamic_size, clear_after_read, element_shape.as_tuple,
                       identical_element_shapes)  # fmt: skip
    return handle_to(state), np.asarray(_FLOW)


@WRITE.kernel
def write_kernel(handle, index, value, flow_in):
    state_of(handle).write(_index(index), value)
    return np.asarray(flow_in)


@READ.kernel
def read_kernel(handle, index, flow_in, dtype):
    array = state_of(handle)
    if array.dtype is not dtype:
        raise errors.InvalidArgumentError(
            None, None, f"TensorArray dtype is {_c_name(array.dtype)} but Op requested dtype {_c_name(dtype)}."
        )
    return array.read(_index(index))


@SCATTER.kernel
def scatter_kernel(handle, indices, value, flow_in):
    array = state_of(handle)
    _vector(indices, "indices to be a vector, but received")
    if not np.ndim(value):
        raise ValueError("Input value for unpack must be at least a vector but received shape: []")
    if len(value) != len(indices):
        raise ValueError(f"Expected len(indices) == values.shape[0], but saw: {len(indices)} vs. {len(value)}")
    if not array.dynamic and len(indices) and int(indices.max()) >= len(array.items):
        raise ValueError(f"Max scatter index must be < array size ({int(indices.max())} vs. {len(array.items)})")
    for i, row in zip(indices, value, strict=True):
        array.write(int(i), np.array(row, np.asarray(value).dtype))
    return np.asarray(flow_in)


@GATHER.kernel
def gather_kernel(handle, indices, flow_in, dtype, element_shape):
    array = _typed(handle, dtype)
    _vector(indices, "indices to be a vector, but received")
    if not len(indices):
        dims = element_shape.as_tuple
        if not shapes.is_known(dims):
            raise errors.UnimplementedError(
                None, None,
                f"TensorArray has size zero, but element shape {shapes.text(dims)} is not fully defined. Currently "
                "only static shapes are supported when packing zero-size TensorArrays.",
            )  # fmt: skip
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
def concat_kernel(handle, flow_in, dtype, element_shape_except0):
    array = _typed(handle, dtype)
    rows = [array.read(i) for i in range(len(array.items))]
    if not rows:
        rest = element_shape_except0.as_tuple
        if not shapes.is_known(rest):
            raise errors.UnimplementedError(
                None, None,
                f"TensorArray has size zero, but element_shape_except0 {shapes.text(rest)} is not fully defined. "
                "Currently only static shapes are supported when concatenating zero-size TensorArrays.",
            )  # fmt: skip
        return np.zeros((0, *rest), dtype.as_numpy_dtype), np.zeros(0, np.int64)
    for i, row in enumerate(rows):
        if not row.ndim:
            raise ValueError(
                f"Concat saw a scalar shape at index {i} but requires at least vectors.  Did you mean to call pack?"
            )
        if row.shape[1:] != rows[0].shape[1:]:
            raise ValueError(
                "TensorArray has inconsistent shapes.  Index 0 has (excepting dimension 0) shape: "
                f"{shapes.text(rows[0].shape[1:])} but index {i} has (excepting dimension 0) shape: "
                f"{shapes.text(row.shape[1:])}"
            )
    return np.concatenate(rows), np.array([len(r) for r in rows], np.int64)


@SPLIT.kernel
def split_kernel(handle, value, lengths, flow_in):
    array = state_of(handle)
    if not np.ndim(value):
        raise array.fail("Expected value to be at least a vector, but received shape: []")
    _vector(lengths, "lengths to be a vector, received")
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
        array.write(i, value[at : at + int(n)].copy())
        at += int(n)
    return np.asarray(flow_in)


@SIZE.kernel
def size_kernel(handle, flow_in):
    return np.array(len(state_of(handle).items), np.int32)


@CLOSE.kernel
def close_kernel(handle):
    state_of(handle).closed = True


def _scalar_flow(context: ShapeContext) -> shapes.Shape:
    context.match("flow_in")
    return ()


WRITE.shape(_scalar_flow)
SCATTER.shape(_scalar_flow)
SPLIT.shape(_scalar_flow)
for _op in (TENSOR_ARRAY, SIZE, CLOSE):
    _op.no_gradient()


def _define_gradients() -> None:
    """The attribute is called `source`, which define_op keeps for clauses; so it is entered by hand."""
    from refflow.core.opdef import OpDef
    from refflow.core.registry import register

    for name, more in (("TensorArrayGradV3", ""), ("TensorArrayGradWithShape", ", shape_to_prepend: int32[R]")):
        op_def = OpDef(
            name, f"{_ARRAY}, flow_in: float32[]{more} -> grad_handle: resource[], flow_out: float32[]",
            {"source": Attr("string")}, ("W43",), True, False, "exact", False, False,
        )  # fmt: skip
        register(op_def)
        op_def.no_gradient()
        op_def.elements = Elements() if not more else None  # written to with the shapes of what was read

        def kernel(handle, flow_in, shape_to_prepend=(), source=""):
            prepended = tuple(int(s) for s in shape_to_prepend)
            return handle_to(state_of(handle).gradient(source, prepended)), np.asarray(flow_in)

        op_def.kernel(kernel)


_define_gradients()

for _op in (WRITE, READ, SCATTER, GATHER, CONCAT, SPLIT):
    _op.moves_bits = True
WRITE.elements, READ.elements, SCATTER.elements = Elements(put=2), Elements(take=0), Elements(rows=2)
for _op in (TENSOR_ARRAY, GATHER, CONCAT, SIZE, CLOSE):
    _op.elements = Elements()
