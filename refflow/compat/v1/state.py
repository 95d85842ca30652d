"""Functions that change variables, for references and handles alike, and templates of tf.assign's kind.

    tf.assign(v, x)    v.assign(x) where v is behind a handle, else an Assign of its reference

Next: compat/v1/variable_scope.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.compat.v1.variable import Variable
from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.ops import variable as first

__all__ = [
    "assign", "assign_add", "assign_sub", "batch_scatter_update", "count_up_to", "scatter_add", "scatter_div",
    "scatter_max", "scatter_min", "scatter_mul", "scatter_nd_add", "scatter_nd_sub", "scatter_nd_update",
    "scatter_sub", "scatter_update",
]  # fmt: skip


def _by_handle(ref: Any) -> bool:
    return isinstance(ref, Variable) and ref._is_resource


def _is_part(ref: Any) -> bool:
    """Whether it is `variable[a:b]`, which knows how to change that part."""
    return isinstance(ref, Tensor) and not ref.dtype.is_ref_dtype and hasattr(ref, "assign")


def assign(
    ref: Any, value: Any, validate_shape: bool | None = None, use_locking: bool | None = None, name: str | None = None
) -> Any:
    """Sets a variable, or the part of one that stands between brackets; gives it after the change."""
    if _by_handle(ref) or _is_part(ref):
        return ref.assign(value, name=name)
    return first.assign(ref, value, True if validate_shape is None else validate_shape,
                        True if use_locking is None else use_locking, name)  # fmt: skip


def assign_add(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Any:
    """Adds to a variable; gives it after the change."""
    if _by_handle(ref):
        return ref.assign_add(value, name=name)
    return first.assign_add(ref, value, bool(use_locking), name)


def assign_sub(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Any:
    """Subtracts from a variable; gives it after the change."""
    if _by_handle(ref):
        return ref.assign_sub(value, name=name)
    return first.assign_sub(ref, value, bool(use_locking), name)


def count_up_to(ref: Any, limit: int, name: str | None = None) -> Tensor:
    """The value before it grows by one; OutOfRangeError once it is `limit`."""
    return ref.count_up_to(limit) if _by_handle(ref) else first.count_up_to(ref, limit, name)


def _scatter(verb: str, meaning: str, locks: bool = False) -> Callable[..., Any]:
    def function(ref: Any, indices: Any, updates: Any, use_locking: bool = locks, name: str | None = None) -> Any:
        if _by_handle(ref):
            return getattr(ref, f"scatter_{verb}")(IndexedSlices(updates, indices), name=name)
        op = op_def(f"Scatter{verb.capitalize()}")
        reference = convert_to_tensor(ref, as_ref=True)
        updates = convert_to_tensor(updates, reference.dtype.base_dtype)
        return op(reference, indices, updates, use_locking=use_locking, name=name)

    function.__name__ = function.__qualname__ = f"scatter_{verb}"
    function.__doc__ = f"The variable after {meaning} `updates` in the rows that `indices` name."
    return function


scatter_update = _scatter("update", "setting", True)
scatter_add, scatter_sub = _scatter("add", "adding"), _scatter("sub", "subtracting")
scatter_mul, scatter_div = _scatter("mul", "multiplying by"), _scatter("div", "dividing by")
scatter_min, scatter_max = _scatter("min", "taking the smaller of"), _scatter("max", "taking the larger of")


def _scatter_nd(verb: str, meaning: str, locks: bool) -> Callable[..., Any]:
    def function(ref: Any, indices: Any, updates: Any, use_locking: bool = locks, name: str | None = None) -> Any:
        if _by_handle(ref):
            return getattr(ref, f"scatter_nd_{verb}")(indices, updates, name)
        reference = convert_to_tensor(ref, as_ref=True)
        updates = convert_to_tensor(updates, reference.dtype.base_dtype)
        op = op_def(f"ScatterNd{verb.capitalize()}")
        return op(reference, indices, updates, use_locking=use_locking, name=name)

    function.__name__ = function.__qualname__ = f"scatter_nd_{verb}"
    function.__doc__ = f"The variable after {meaning} `updates` at the places that `indices` name."
    return function


scatter_nd_update = _scatter_nd("update", "setting", True)
scatter_nd_add, scatter_nd_sub = _scatter_nd("add", "adding", False), _scatter_nd("sub", "subtracting", False)


def batch_scatter_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None
) -> Any:
    """Sets ref[i1, ..., in, indices[i1, ..., in, j]] = updates[i1, ..., in, j]: rows by batch."""
    indices = convert_to_tensor(indices)
    sizes, rank = op_def("Shape")(indices), indices.get_shape().with_rank_at_least(1).ndims
    if rank is None:
        raise ValueError(f"batch_scatter_update needs the rank of its indices: {indices}")
    if rank == 1:
        return scatter_nd_update(ref, op_def("ExpandDims")(indices, -1), updates, use_locking, name)
    columns = []
    for axis in range(rank - 1):
        here = op_def("Range")(0, op_def("StridedSlice")(sizes, [axis], [axis + 1], [1], shrink_axis_mask=1), 1)
        here = op_def("Reshape")(here, [-1 if a == axis else 1 for a in range(rank)])
        here = op_def("BroadcastTo")(here, sizes)
        columns.append(op_def("Cast")(here, DstT=indices.dtype.base_dtype))
    places = op_def("Pack")([*columns, indices], axis=rank)
    return scatter_nd_update(ref, places, updates, use_locking, name)
