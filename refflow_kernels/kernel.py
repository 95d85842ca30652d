"""What the two kernel tables say of a kernel.

Next: refflow_kernels/cpu/matmul.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple


class Checked(NamedTuple):
    """A kernel in two, where it goes through its inputs in parts.

    check(inputs[place], shape of the first input) is called once, with the wholes; it refuses what `function` then
    takes as good in each part.
    """

    place: int
    check: Callable[[Any, tuple[int, ...]], None]
    function: Callable[..., Any]


@dataclass(frozen=True)
class Kernel:
    """A kernel for one op type on one kind of device.

    function: called as function(*inputs, **attributes, out=...).
    dtypes: the values of the op's attribute `type_attr` that it takes; or, where that is "", the fixed type of its
    first input.
    takes: of the node's attributes, whether it takes such a node; any by default.
    host_inputs: places of arguments that it reads in host memory; a list of inputs is one argument.
    workspace: a function of (inputs, **attributes) that gives shape and type name of the scratch memory to pass as
    `workspace=`, or None where none is needed; an input is asked only for its shape, unless it is a host input.
    rows_together: from the first input's shape, how many rows along its last axis give the bits that they give among
    all, as any multiple does; 0 where only all do.
    fixed: of (dtype, *inputs, **attributes), where an input is a constant's value or only has a shape, a function of
    (*inputs, out=None) that gives the same for inputs like these without asking about them again, or None.
    reserves: from the result's shape, how many numbers of its stream a random op counts for a run.
    joins: of (inputs, **attributes), inputs as for `workspace`, whether the kernel takes an `epilogue`, which does
    elementwise steps to its result before that is written; None where it never does.
    """

    function: Callable[..., Any]
    dtypes: tuple[str, ...]
    host_inputs: tuple[int, ...] = ()
    workspace: Callable[..., tuple[tuple[int, ...], str] | None] | None = None
    type_attr: str = "T"
    takes: Callable[[dict[str, Any]], bool] | None = None
    rows_together: Callable[[tuple[int, ...]], int] | None = None
    fixed: Callable[..., Callable[..., Any] | None] | None = None
    checked: Checked | None = None
    joins: Callable[..., bool] | None = None
    overlaps: tuple[tuple[int, int], ...] = ()
    reserves: Callable[[tuple[int, ...]], int] = prod
