"""Parameter updates: an optimizer's rule as one kernel for a variable, and as one launch for all of a step's [S32].

    bytes: variable, slots and gradient read, variable and slots written; of Adam 7 elements for each parameter

The text of a rule comes from the op's page (runtime/gpu_updates.py). For one variable it is an elementwise kernel whose
results lie where variable and slots lie: a lane reads its element of each before it writes any.

A net of a thousand small variables would be a thousand launches of some microseconds each. `many` takes a table
instead, which says for each piece of CHUNK elements where it lies:

    piece    variable   slot   ...   gradient   elements
    0        address    ...          address    4096
    1        address    ...          address    1000         a program reads its row, and does its piece

The table is made once for all steps, since variables stay where they are. Rates and the like are single numbers in
device memory, the same for all, so that a captured step sees what they are when it is replayed.

Nothing is fused: float32 results are NumPy's to the bit, but for powers. 16-bit floats are computed in float32 and
rounded once, where NumPy rounds each product and sum.

Next: refflow_kernels/bench/__init__.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import triton.language as tl

from refflow_kernels.gpu.arrays import check_packed
from refflow_kernels.gpu.elementwise import build, kernel_of
from refflow_kernels.kernel import Kernel

CHUNK = 4096  # elements of a piece
BLOCK = 1024  # of them at once


class Table(NamedTuple):
    """Where the pieces lie: a row of addresses and a count for each, as 64-bit integers one after the other."""

    values: list[int]
    pieces: int
    even: bool  # every address is a multiple of 16


class Update:
    """A rule: called with its inputs, and with the memory of variable and slots as `out`.

    numbers: places of the inputs that are single numbers. All others are arrays of one shape and type.
    """

    def __init__(
        self, name: str, parameters: tuple[str, ...], lines: tuple[str, ...], results: tuple[str, ...],
        numbers: tuple[int, ...],
    ):  # fmt: skip
        self.name, self.lines, self.results = f"_{name.lower()}_many", lines, results
        self.numbers = [p for i, p in enumerate(parameters) if i in numbers]
        self.arrays = [p for i, p in enumerate(parameters) if i not in numbers]
        self.one = build(name, parameters, lines, results)

    def __call__(self, *inputs: Any, out: Any) -> Any:
        return self.one(*inputs, out=out)

    def table(self, variables: Sequence[Sequence[Any]]) -> Table:
        """The table for variables, each given as its arrays: itself, its slots, its gradient."""
        values, even = [], True
        for arrays in variables:
            check_packed(**dict(zip(self.arrays, arrays, strict=True)))
            size = prod(arrays[0].shape)
            for first in range(0, size, CHUNK):
                places = [a.data_ptr() + first * a.element_size() for a in arrays]
                even = even and all(place % 16 == 0 for place in places)
                values += [*places, min(CHUNK, size - first)]
        return Table(values, len(values) // (len(self.arrays) + 1), even)

    def many(self, memory: Any, table: Table, numbers: Sequence[Any], dtype: str) -> None:
        """Updates all variables of the table, whose values lie in `memory` as int64."""
        if table.pieces:
            kernel_of(self.name, self.source())[(table.pieces,)](
                memory, *numbers, TYPE=getattr(tl, dtype), EVEN=table.even, BLOCK=BLOCK, CHUNK=CHUNK,
                num_warps=4, enable_fp_fusion=False,
            )  # fmt: skip

    def source(self) -> str:
        """The Triton text of `many`."""
        width = len(self.arrays) + 1
        places = []
        for k, p in enumerate(self.arrays):
            places.append(f"{p}_at = tl.load(row + {k}).to(tl.pointer_type(TYPE))")
            places += ["if EVEN:", f"    {p}_at = tl.multiple_of({p}_at, 16)"]
        loads = _loads(self.numbers, "")
        whole, last = (self._piece(masked) for masked in (False, True))
        return f"""@triton.jit
def {self.name}(
    table_at, {", ".join(f"{p}_at" for p in self.numbers)},
    TYPE: tl.constexpr, EVEN: tl.constexpr, BLOCK: tl.constexpr, CHUNK: tl.constexpr,
):
    row = table_at + tl.program_id(0).to(tl.int64) * {width}
    size = tl.load(row + {width - 1}){_indented([*places, *loads], 4)}
    for start in range(0, CHUNK, BLOCK):
        i = start + tl.arange(0, BLOCK)
        if start + BLOCK <= size:{_indented(whole, 12)}
        elif start < size:
            real = i < size{_indented(last, 12)}
"""

    def _piece(self, masked: bool) -> list[str]:
        """Load, compute, store."""
        loaded, stored = (", mask=real, other=0", ", mask=real") if masked else ("", "")
        pairs = zip(self.arrays, self.results, strict=False)
        stores = [f"tl.store({p}_at + i, {result}.to(TYPE){stored})" for p, result in pairs]
        return [*_loads(self.arrays, f" + i{loaded}"), *self.lines, *stores]


def _loads(parameters: Sequence[str], where: str) -> list[str]:
    lines = []
    for p in parameters:
        lines.append(f"{p} = tl.load({p}_at{where})")
        lines += [f"if {p}.dtype == tl.float16 or {p}.dtype == tl.bfloat16:", f"    {p} = {p}.to(tl.float32)"]
    return lines


def _indented(lines: Sequence[str], by: int) -> str:
    return "".join(f"\n{' ' * by}{line}" for line in lines)


_ADD = build("AssignAdd", ("ref", "value"), ("s0 = ref + value",), ("s0",))
_SUB = build("AssignSub", ("ref", "value"), ("s0 = ref - value",), ("s0",))


def assign_add(ref: Any, value: Any, out: Any = None) -> Any:
    """ref + value; `out` may be ref itself."""
    return _ADD(ref, value, out=out)


def assign_sub(ref: Any, value: Any, out: Any = None) -> Any:
    """ref - value; `out` may be ref itself."""
    return _SUB(ref, value, out=out)


KERNELS = {
    "AssignAdd": Kernel(assign_add, ("float16", "bfloat16", "float32")),
    "AssignSub": Kernel(assign_sub, ("float16", "bfloat16", "float32")),
}
