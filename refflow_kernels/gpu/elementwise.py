"""Elementwise kernels, generated: one Triton source for each formula, or for a whole chain of them [S17, S43].

    build("Add", ("x", "y"), ("s0 = (x + y)",), ("s0",))(x, y, out=z)

    bytes: each operand and each result once        operations: those of the lines

A lane makes one element of each result. An operand is read in one of five ways:

    straight    it has the result's shape: element i is at place i, 16 bytes a load
    single      it has one element, loaded once
    row         the same for each row of a matrix: place = i % columns
    column      one element for each row: place = i // columns
    stretched   it broadcasts otherwise: place = sum of coordinate * stride, with stride 0 along stretched axes

Neighbouring axes that every operand walks like one are joined first, so that most of what broadcasts is a matrix.

Whole blocks are read and written without a mask, so that an odd size costs 16-byte loads in the last block alone.
Places are int32 while they fit, and are divided by a product with a number found beforehand; where the columns are a
multiple of 8, the compiler is told that a row is read in groups of 8.

Arithmetic is NumPy's to the bit for + - * / sqrt in float32: products and sums are not fused, and division is rounded
correctly. 16-bit floats are computed in float32 and rounded once.

Next: refflow_kernels/gpu/reduced_chains.py.
"""

from __future__ import annotations

import functools
import linecache
from collections.abc import Callable, Sequence
from hashlib import sha256
from math import prod
from typing import Any

from refflow_kernels.gpu import functions, special_functions
from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed

BLOCK = 1024  # elements in one program: 8 for each thread
AXES = 4  # that may be stretched apart, after joining
STRAIGHT, SINGLE, ROW, COLUMN, STRETCHED = "straight", "single", "row", "column", "stretched"
_PLACE = {STRAIGHT: " + i", SINGLE: "", ROW: " + column", COLUMN: " + row"}


# -- the source ----------------------------------------------------------------------------------------------------


def source(
    name: str, parameters: Sequence[str], kinds: Sequence[str], lines: Sequence[str], results: Sequence[str]
) -> str:
    """The Triton text of an elementwise kernel for operands of these kinds; `lines` compute from their names."""
    stretched = [p for p, kind in zip(parameters, kinds, strict=True) if kind == STRETCHED]
    sizes = ["d1, d2, d3, m1, m2, m3, h1, h2, h3"] if stretched else ["d3, m3, h3"] if {ROW, COLUMN} & {*kinds} else []
    numbers = sizes + [f"{p}_{axis}" for p in stretched for axis in range(AXES)]
    memory = [f"{p}_at" for p in parameters] + [f"out{k}_at" for k in range(len(results))]
    whole, last = (_body(parameters, kinds, lines, results, masked) for masked in (False, True))
    plain = '(do_not_specialize=["m1", "m2", "m3", "h1", "h2", "h3"])' if sizes else ""
    return f"""@triton.jit{plain}
def {name}(
    {", ".join([*memory, "size", *numbers])},
    BLOCK: tl.constexpr, WIDE: tl.constexpr, EVEN: tl.constexpr,
):
    start = tl.program_id(0)
    if WIDE:
        start = start.to(tl.int64)
    start = start * BLOCK
    i = start + tl.arange(0, BLOCK){_coordinates(bool(stretched), bool(sizes))}
    if start + BLOCK <= size:{whole}
    else:
        real = i < size{last}
"""


def _coordinates(stretched: bool, matrix: bool) -> str:
    """Lines that find an element's place along the axes, the last one's in `column`."""
    if not matrix:
        return ""
    text = _divided("row", "column", "i", "3")
    outer = ["row"]
    if stretched:
        text += _divided("rest", "i2", "row", "2") + _divided("i0", "i1", "rest", "1")
        outer = ["i0", "i1", "i2"]
    same = "".join(f"\n        {name} = tl.max_constancy({name}, EVEN)" for name in outer)
    return f"""{text}
    if EVEN > 1:
        column = tl.max_contiguous(tl.multiple_of(column, EVEN), EVEN){same}"""


def _divided(whole: str, left: str, of: str, axis: str) -> str:
    return f"""
    if WIDE:
        {whole} = {of} // d{axis}
    else:
        {whole} = quotient({of}, m{axis}, h{axis}, EVEN)
    {left} = {of} - {whole} * d{axis}"""


def _body(
    parameters: Sequence[str], kinds: Sequence[str], lines: Sequence[str], results: Sequence[str], masked: bool
) -> str:
    """Load, compute, store: for a whole block, or for the last one, some of whose lanes lie behind the end."""
    loaded, stored = (", mask=real, other=0", ", mask=real") if masked else ("", "")
    text = []
    for p, kind in zip(parameters, kinds, strict=True):
        place = _PLACE.get(kind) or f" + i0 * {p}_0 + i1 * {p}_1 + i2 * {p}_2 + column * {p}_3"
        place = "" if kind == SINGLE else place
        text.append(f"{p} = tl.load({p}_at{place}{'' if kind == SINGLE else loaded})")
        text.append(f"if {p}.dtype == tl.float16 or {p}.dtype == tl.bfloat16:")
        text.append(f"    {p} = {p}.to(tl.float32)")
    text += lines
    for k, result in enumerate(results):
        value = f"{result}.to(out{k}_at.dtype.element_ty)" if result.isidentifier() else result
        text.append(f"tl.store(out{k}_at + i, {value}{stored})")
    return "".join(f"\n        {line}" for line in text)


@functools.cache
def kernel_of(name: str, text: str, more: tuple[tuple[str, Any], ...] = ()) -> Any:
    """The compiled function of a source, which has the names of both pages of functions and `more`."""
    filename = f"<refflow elementwise {name} {sha256(text.encode()).hexdigest()[:12]}>"
    # Triton reads a kernel's text through inspect, which looks here for files that are none.
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    names: dict[str, Any] = {**vars(special_functions), **vars(functions), **dict(more), "__name__": __name__}
    exec(compile(text, filename, "exec"), names)
    return names[name]


# -- the launch ----------------------------------------------------------------------------------------------------


class Elementwise:
    """A formula or a chain: called with its operands, and with `out`, an array or a tuple of arrays of one shape."""

    def __init__(self, name: str, parameters: tuple[str, ...], lines: tuple[str, ...], results: tuple[str, ...]):
        self.name = f"_{name.lower()}"
        self.parameters, self.lines, self.results = parameters, lines, results
        self._kernels: dict[tuple[str, ...], Any] = {}

    def source(self, kinds: Sequence[str] = ()) -> str:
        """The kernel's text for operands of these kinds; straight ones where none are given."""
        return source(self.name, self.parameters, kinds or [STRAIGHT] * len(self.parameters), self.lines, self.results)

    def source_of(self, shape: tuple[int, ...], shapes: tuple[tuple[int, ...], ...]) -> str:
        """The kernel's text for operands of these shapes."""
        return self.source(layout(shape, shapes)[0])

    def __call__(self, *operands: Any, out: Any) -> Any:
        outs = out if isinstance(out, tuple) else (out,)
        shape = tuple(outs[0].shape)
        self.launch(operands, outs, shape, tuple(tuple(o.shape) for o in operands))
        return out

    def launch(self, operands: Any, outs: Any, shape: tuple[int, ...], shapes: tuple[tuple[int, ...], ...]) -> None:
        """Runs over `shape`; the operands have `shapes`, which may be others than the arrays' own."""
        for o in outs:
            check_out(o, tuple(outs[0].shape))
        check_packed(**dict(zip(self.parameters, operands, strict=True)))
        size = prod(shape)
        if size == 0:
            return
        kinds, numbers, even = layout(shape, shapes)
        kernel = self._kernels.get(kinds)
        if kernel is None:
            kernel = self._kernels[kinds] = kernel_of(self.name, self.source(kinds))
        wide = size + BLOCK > 2**31 - 1
        kernel[(ceil_div(size, BLOCK),)](
            *operands, *outs, size, *numbers, BLOCK=BLOCK, WIDE=wide, EVEN=even, num_warps=4, enable_fp_fusion=False
        )


@functools.cache
def build(name: str, parameters: tuple[str, ...], lines: tuple[str, ...], results: tuple[str, ...]) -> Elementwise:
    """The kernel whose `lines` compute `results` from `parameters`."""
    return Elementwise(name, parameters, lines, results)


@functools.lru_cache(maxsize=4096)
def layout(shape: tuple[int, ...], operands: tuple[tuple[int, ...], ...]) -> Any:
    """How each operand is read, the numbers that a launch needs for that, and how many of a row lie together.

    >>> layout((64, 8), ((64, 8), (8,)))
    (('straight', 'row'), (8, 1, 3), 8)
    """
    dims, rows = joined(list(shape), [_strides(shape, operand) for operand in operands])
    if len(dims) > AXES:
        raise ValueError(f"{operands} are stretched to {shape} along more than {AXES} separate groups of axes")
    kinds = tuple(_kind(o, shape, row) for o, row in zip(operands, rows, strict=True))
    pad = AXES - len(dims)
    dims = [1] * pad + dims
    magic = [functions.magic_of(d) if d < 2**31 else (0, 0) for d in dims]
    if STRETCHED in kinds:
        numbers = [*dims[1:], *(m for m, _ in magic[1:]), *(h for _, h in magic[1:])]
        numbers += [s for row, kind in zip(rows, kinds, strict=True) if kind == STRETCHED for s in [0] * pad + row]
    elif {ROW, COLUMN} & set(kinds):
        numbers = [dims[3], *magic[3]]
    else:
        numbers = []
    return kinds, tuple(numbers), 8 if dims[3] % 8 == 0 else 1


def _kind(operand: tuple[int, ...], shape: tuple[int, ...], strides: list[int]) -> str:
    if prod(operand) == prod(shape):
        return STRAIGHT
    if prod(operand) == 1:
        return SINGLE
    return ROW if strides == [0, 1] else COLUMN if strides == [1, 0] else STRETCHED


def _strides(shape: tuple[int, ...], operand: tuple[int, ...]) -> list[int]:
    """The operand's stride along each axis of the result: 0 where it is stretched."""
    operand = (1,) * (len(shape) - len(operand)) + operand
    strides, step = [0] * len(shape), 1
    for axis in range(len(shape) - 1, -1, -1):
        strides[axis] = step if operand[axis] != 1 else 0
        step *= operand[axis]
    return strides


def joined(dims: list[int], rows: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    """Neighbouring axes that every operand walks like one, as one."""
    for axis in range(len(dims) - 1, 0, -1):
        outer = axis - 1
        if dims[axis] == 1 or dims[outer] == 1 or all(row[outer] == row[axis] * dims[axis] for row in rows):
            keep = axis if dims[axis] != 1 else outer
            for row in rows:
                row[outer : axis + 1] = [row[keep]]
            dims[outer : axis + 1] = [dims[outer] * dims[axis]]
    return dims, rows


def of_formula(name: str, formula: Any, listed: bool = False) -> Callable[..., Any]:
    """The kernel of a formula (refflow/core/formula.py). listed: it is called with its operands as one list."""
    kernel = build(name, formula.parameters, formula.triton(), (formula.result,))
    return (lambda inputs, out: kernel(*inputs, out=out)) if listed else kernel
