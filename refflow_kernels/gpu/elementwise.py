"""Elementwise kernels, generated: one Triton source for each formula [S17, S43].

    build("Add", ("x", "y"), "(x + y)")(x, y, out=z)

    bytes: each operand and the result once        operations: those of the expression

A lane makes one element of the result. An operand is read in one of three ways:

    straight    it has the result's shape: element i is at place i, 16 bytes a load
    single      it has one element, loaded once
    stretched   it broadcasts: place = sum of coordinate * stride, with stride 0 along stretched axes; neighbouring
                axes that every operand walks like one are joined first

Whole blocks are read and written without a mask, so that an odd size costs 16-byte loads in the last block alone.
Places are int32 while they fit: dividing int64 by the sizes of axes takes ten times the instructions.

Arithmetic is NumPy's to the bit for + - * / sqrt in float32: products and sums are not fused, and division is rounded
correctly. 16-bit floats are computed in float32 and rounded once.

Next: refflow_kernels/gpu/reductions.py.
"""

from __future__ import annotations

import functools
import linecache
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed

BLOCK = 1024  # elements in one program: 8 for each thread
AXES = 4  # that may be stretched apart, after joining
STRAIGHT, SINGLE, STRETCHED = 0, 1, 2


def source(name: str, parameters: Sequence[str], expression: str) -> str:
    """The Triton text of an elementwise kernel."""
    strides = [f"{p}_{axis}" for p in parameters for axis in range(AXES)]
    whole, last = _body(parameters, expression, masked=False), _body(parameters, expression, masked=True)
    return f"""@triton.jit
def {name}(
    {", ".join(f"{p}_at" for p in parameters)}, out_at, size, d1, d2, d3, {", ".join(strides)},
    {", ".join(f"{p}_KIND: tl.constexpr" for p in parameters)}, BLOCK: tl.constexpr, WIDE: tl.constexpr,
):
    start = tl.program_id(0)
    if WIDE:
        start = start.to(tl.int64)
    start = start * BLOCK
    i = start + tl.arange(0, BLOCK)
    i3, rest = i % d3, i // d3
    i2, rest = rest % d2, rest // d2
    i1, i0 = rest % d1, rest // d1
    if start + BLOCK <= size:{whole}
    else:
        real = i < size{last}
"""


def _body(parameters: Sequence[str], expression: str, masked: bool) -> str:
    """Load, compute, store: for a whole block, or for the last one, some of whose lanes lie behind the end."""
    loaded, stored = (", mask=real, other=0", ", mask=real") if masked else ("", "")
    loads = "".join(
        f"""
        if {p}_KIND == {STRAIGHT}:
            {p} = tl.load({p}_at + i{loaded})
        elif {p}_KIND == {SINGLE}:
            {p} = tl.load({p}_at)
        else:
            {p} = tl.load({p}_at + i0 * {p}_0 + i1 * {p}_1 + i2 * {p}_2 + i3 * {p}_3{loaded})
        if {p}.dtype == tl.float16:
            {p} = {p}.to(tl.float32)"""
        for p in parameters
    )
    return f"""{loads}
        result = {expression}
        tl.store(out_at + i, result.to(out_at.dtype.element_ty){stored})"""


@functools.cache
def build(name: str, parameters: tuple[str, ...], expression: str) -> Callable[..., Any]:
    """A function (*operands, out=result) for the expression; its attribute `source` is the kernel's text."""
    text = source(f"_{name.lower()}", parameters, expression)
    filename = f"<refflow elementwise {name} {abs(hash(text))}>"
    # Triton reads a kernel's text through inspect, which looks here for files that are none.
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    names: dict[str, Any] = {"triton": triton, "tl": tl, "__name__": __name__}
    exec(compile(text, filename, "exec"), names)
    kernel = names[f"_{name.lower()}"]

    def launch(*operands: Any, out: Any) -> Any:
        shape = tuple(out.shape)
        check_out(out, shape)
        check_packed(**dict(zip(parameters, operands, strict=True)))
        size = prod(shape)
        if size == 0:
            return out
        dims, kinds, strides = layout(shape, tuple(tuple(o.shape) for o in operands))
        kernel[(ceil_div(size, BLOCK),)](
            *operands, out, size, *dims[1:], *(s for row in strides for s in row),
            **{f"{p}_KIND": kind for p, kind in zip(parameters, kinds, strict=True)},
            BLOCK=BLOCK, WIDE=size + BLOCK > 2**31 - 1, num_warps=4, enable_fp_fusion=False,
        )  # fmt: skip
        return out

    launch.source = text  # type: ignore[attr-defined]
    return launch


@functools.lru_cache(maxsize=4096)
def layout(shape: tuple[int, ...], operands: tuple[tuple[int, ...], ...]) -> Any:
    """AXES sizes of the joined axes, how each operand is read, and its AXES strides.

    >>> layout((64, 10), ((64, 10), (10,)))
    ([1, 1, 64, 10], [0, 2], [[0, 0, 10, 1], [0, 0, 0, 1]])
    """
    dims, rows = _joined(list(shape), [_strides(shape, operand) for operand in operands])
    if len(dims) > AXES:
        raise ValueError(f"{operands} are stretched to {shape} along more than {AXES} separate groups of axes")
    kinds = [SINGLE if prod(o) == 1 else STRAIGHT if prod(o) == prod(shape) else STRETCHED for o in operands]
    pad = AXES - len(dims)
    return [1] * pad + dims, kinds, [[0] * pad + row for row in rows]


def _strides(shape: tuple[int, ...], operand: tuple[int, ...]) -> list[int]:
    """The operand's stride along each axis of the result: 0 where it is stretched."""
    operand = (1,) * (len(shape) - len(operand)) + operand
    strides, step = [0] * len(shape), 1
    for axis in range(len(shape) - 1, -1, -1):
        strides[axis] = step if operand[axis] != 1 else 0
        step *= operand[axis]
    return strides


def _joined(dims: list[int], rows: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    """Neighbouring axes that every operand walks like one, as one."""
    for axis in range(len(dims) - 1, 0, -1):
        outer = axis - 1
        if dims[axis] == 1 or dims[outer] == 1 or all(row[outer] == row[axis] * dims[axis] for row in rows):
            keep = axis if dims[axis] != 1 else outer
            for row in rows:
                row[outer : axis + 1] = [row[keep]]
            dims[outer : axis + 1] = [dims[outer] * dims[axis]]
    return dims, rows
