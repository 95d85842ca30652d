"""Updates of some rows: an optimizer's rule for the rows that `indices` names, where variable and slots lie [W78].

    id          3  0  3  1          ids in order, each with the places where it stands:   0: 1    1: 3    3: 0, 2

A program has a block of one row: it reads variable and slots once, goes through the row's gradients in order, and
writes once. A row that is named twice so is updated twice, and no two programs write to one place. Ids out of range are
left alone; whoever is to know of them looks beforehand (gpu/ranges.py).

    bytes: variable, slots and gradient read, variable and slots written, for each row that is named

The text of the rule is that of the update of all rows (runtime/gpu_updates.py).

Next: refflow_kernels/gpu/ranges.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, packed_strides, power_of_two
from refflow_kernels.gpu.copies import copy
from refflow_kernels.gpu.elementwise import kernel_of
from refflow_kernels.gpu.order import order_workspace, put_in_order

BLOCK = 512  # columns of one program at most


class RowUpdate:
    """A rule: called with the inputs of a SparseApply op, and with the memory of variable and slots as `out`.

    parameters: the inputs' names in the rule's lines, in order and without the ids, which come behind the gradient.
    numbers: places of single numbers among them.
    """

    def __init__(
        self, name: str, parameters: tuple[str, ...], lines: tuple[str, ...], results: tuple[str, ...],
        numbers: tuple[int, ...],
    ):  # fmt: skip
        self.name, self.lines, self.results = f"_{name.lower()}", lines, results
        self.parameters = parameters
        self.numbers = [p for i, p in enumerate(parameters) if i in numbers]
        *self.held, self.gradient = [p for i, p in enumerate(parameters) if i not in numbers]
        self.ids = parameters.index(self.gradient) + 1

    def __call__(self, *inputs: Any, out: Any, workspace: Any = None) -> Any:
        outs = out if isinstance(out, tuple) else (out,)
        given = dict(zip(self.parameters, [x for i, x in enumerate(inputs) if i != self.ids], strict=True))
        indices, gradient, numbers = inputs[self.ids], given[self.gradient], [given[p] for p in self.numbers]
        check_packed(indices=indices, gradient=gradient, **{p: given[p] for p in self.held})
        for there, value in zip(outs, (given[p] for p in self.held), strict=True):
            check_out(there, tuple(value.shape))
            if there.data_ptr() != value.data_ptr():
                strides = packed_strides(value.shape)
                copy(value, there, tuple(value.shape), strides, strides)
        n, rows, width = prod(indices.shape), outs[0].shape[0], prod(outs[0].shape[1:])
        if n and rows * width:
            pitch = put_in_order(indices, rows, workspace)
            block = min(power_of_two(width), BLOCK)
            kernel_of(self.name, self.source())[(n, ceil_div(width, block))](
                *outs, gradient, indices, workspace, *numbers, pitch, width, BLOCK=block,
                num_warps=max(1, min(4, block * gradient.element_size() // 512)), enable_fp_fusion=False,
            )  # fmt: skip
        return out

    def workspace(self, inputs: Sequence[Any]) -> tuple[tuple[int, ...], str] | None:
        """Shape and type of the memory for the ids in order."""
        return order_workspace(prod(inputs[self.ids].shape))

    def source(self) -> str:
        """The Triton text."""
        memory = [f"{p}_at" for p in (*self.held, self.gradient)]
        loads = [f"{p} = tl.load({p}_at).to(tl.float32)" for p in self.numbers]
        loads += [f"{p} = tl.load({p}_at + place, mask=there, other=0).to(tl.float32)" for p in self.held]
        changed = [f"new{i} = ({r}).to({p}_at.dtype.element_ty).to(tl.float32)"
                   for i, (p, r) in enumerate(zip(self.held, self.results, strict=True))]  # fmt: skip
        kept = [f"{p} = new{i}" for i, p in enumerate(self.held)]
        stores = [f"tl.store({p}_at + place, {p}.to({p}_at.dtype.element_ty), mask=there)" for p in self.held]
        return f"""@triton.jit
def {self.name}(
    {", ".join(memory)}, ids_at, work_at, {", ".join(f"{p}_at" for p in self.numbers)}, pitch, width,
    BLOCK: tl.constexpr,
):
    k = tl.program_id(0)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    there = column < width
    count = tl.load(work_at + 2 * pitch + k)
    if (count > 0) & (tl.load(work_at + pitch + k) == k):
        row = tl.load(ids_at + tl.load(work_at + k)).to(tl.int64)
        place = row * width + column{_indented(loads, 8)}
        for at in range(0, count):
            source = tl.load(work_at + k + at).to(tl.int64)
            {self.gradient} = tl.load({self.gradient}_at + source * width + column, mask=there, other=0).to(tl.float32)\
{_indented([*self.lines, *changed, *kept], 12)}{_indented(stores, 8)}
"""


def _indented(lines: Sequence[str], by: int) -> str:
    return "".join(f"\n{' ' * by}{line}" for line in lines)
