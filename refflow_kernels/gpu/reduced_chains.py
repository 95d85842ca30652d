"""A chain that a reduction ends: its values are reduced where they are made, and need not be written [S19, S43].

    mean(square(x - y)): one kernel that reads x and y, and a second one over some hundred partial results

    bytes: each operand, and each value that others read too, once        operations: the chain's, and one a value

The first of the reduction's stages computes what it reduces. Its tiles, its pieces and their order are those of
reductions.py, and the later stages are its own kernels; so the bits are those of the chain, written, and then reduced.
Values go into the sum as they would have been read: where the chain rounds them, rounded.

Several reductions may end a chain, as the two sums of a layer norm's gradient do, if they are over the same axes.

An operand is read as elementwise.py says. Where the chain's rows, or its columns, are the reduction's own, one that
lies along them is read once for all that a program walks through; else its place is found by a division.

Next: refflow_kernels/gpu/cast.py.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import triton.language as tl

from refflow_kernels.gpu import functions, reductions
from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, unit
from refflow_kernels.gpu.elementwise import COLUMN, ROW, SINGLE, STRAIGHT, kernel_of
from refflow_kernels.gpu.reduction_stages import rooms, stages_of, tile_of
from refflow_kernels.gpu.reductions import is_wide, run_stages

_STARTS = {"sum": 0.0, "prod": 1.0, "max": -float("inf"), "min": float("inf")}
_NAMES = {name: vars(reductions)[name] for name in ("combine", "across", "finished")}


_INSIDE = "r < stop"


class Ending(NamedTuple):
    """A reduction of one of the chain's values. value: its name in the lines. mean: the sum is divided at the end."""

    value: str
    op: str
    mean: bool = False


class Operand(NamedTuple):
    """How an operand is read: its name, its place, and which of these places are real.

    steady: it is the same in all that a program walks through.
    """

    name: str
    place: str
    mask: str
    steady: bool = False

    def lines(self, whole: bool = False) -> list[str]:
        """Text that loads it. whole: no lane lies behind the end, which a mask of single lanes would not tell."""
        mask = f", mask={self.mask}, other=0" if self.mask and not (whole and self.mask == _INSIDE) else ""
        return [
            f"{self.name} = tl.load({self.name}_at{self.place}{mask})",
            f"if {self.name}.dtype == tl.float16 or {self.name}.dtype == tl.bfloat16:",
            f"    {self.name} = {self.name}.to(tl.float32)",
        ]


# -- the source ----------------------------------------------------------------------------------------------------


def _by_rows(name: str, kind: str, fits: bool) -> Operand:
    """How an operand is read where each result's elements are neighbours: element i = o * length + r."""
    if kind == ROW and fits:
        return Operand(name, " + r", _INSIDE)
    if kind == COLUMN and fits:
        return Operand(name, " + o[:, None]", "kept[:, None]", True)
    return _by_place(name, kind)


def _by_columns(name: str, kind: str, inner: int, columns: int, one: bool) -> Operand:
    """The same where neighbours belong to different results: element i = (o * length + r) * inner + c.

    inner: a row of the reduction's is one of the chain's, or several.
    """
    if kind == ROW and inner % columns == 0:
        return Operand(name, f" + {'c' if inner == columns else '(c % d)'}[:, None]", "kept[:, None]", True)
    if kind == COLUMN and inner == columns:
        return Operand(name, " + r", _INSIDE) if one else Operand(name, " + (o * length)[:, None] + r", "real")
    if kind == COLUMN and inner % columns == 0:
        return Operand(name, " + ((o * length)[:, None] + r) * (inner // d) + (c // d)[:, None]", "real")
    return _by_place(name, kind)


def _by_place(name: str, kind: str) -> Operand:
    if kind == SINGLE:
        return Operand(name, "", "", True)
    return Operand(name, {STRAIGHT: " + i", ROW: " + column", COLUMN: " + row"}[kind], "real")


def divisor_of(operands: Sequence[Operand]) -> tuple[str, ...]:
    """Names of the numbers that find an operand's place: the chain's columns, and what a division by them needs."""
    if any(o.place in (" + row", " + column") for o in operands):
        return ("d", "m", "h")
    return ("d",) if any(" d)" in o.place for o in operands) else ()


def source(
    name: str, operands: Sequence[Operand], lines: Sequence[str], results: Sequence[str], endings: Sequence[Ending],
    rows: bool,
) -> str:  # fmt: skip
    """The Triton text. rows: each result's elements are neighbours."""
    divided = divisor_of(operands)
    memory = [f"{o.name}_at" for o in operands] + [f"out{k}_at" for k in range(len(results))]
    memory += [f"end{k}_at" for k in range(len(endings))]
    block = "BLOCK_O" if rows else "BLOCK_J"
    sizes = ["outer", "groups", "groups_in_piece"] if rows else ["outer", "length", "groups", "piece"]
    numbers = [*sizes, "divisor", *divided]
    constants = [c for c in ("UNIT", "PARTS", "ONE", "WIDE", "EVEN", block, "BLOCK_R") if rows or c != "ONE"]
    before = [line for o in operands if o.steady for line in o.lines()]
    before += [f"total{k} = tl.full(({block}, BLOCK_R), {_start(e)}, tl.float32)" for k, e in enumerate(endings)]
    stores = [f"tl.store(out{k}_at + i, {r}.to(out{k}_at.dtype.element_ty), mask=real)" for k, r in enumerate(results)]
    places = [_divided(rows)] if "m" in divided else []
    loads = [[line for o in operands if not o.steady for line in o.lines(is_whole)] for is_whole in (True, False)]
    whole, last = ([*places, *loads[n], *lines, *stores, *_totals(endings, n == 0)] for n in (0, 1))
    after = []
    for k, ending in enumerate(endings):
        mean = "not PARTS" if ending.mean else "False"
        after.append(f'done{k} = finished(across(total{k}, "{ending.op}"), divisor, {block}, {mean})')
        after.append(f"tl.store(end{k}_at + here, done{k}.to(end{k}_at.dtype.element_ty), mask=kept)")
    walk = (_ROWS if rows else _COLUMNS).format(
        before=_indented(before, 4), whole=_indented(whole, 8), last=_indented(last, 8)
    )
    plain = '(do_not_specialize=["m", "h"])' if "m" in divided else ""
    return f"""@triton.jit{plain}
def {name}(
    {", ".join([*memory, *numbers])},
    {_listed(constants)},
):
    tile, part = tl.program_id(0), tl.program_id(1)
    if WIDE:
        tile, part = tile.to(tl.int64), part.to(tl.int64)
{walk}{_indented(after, 4)}
"""


def _listed(names: Sequence[str]) -> str:
    """Parameters that the compiler knows, in lines that can be read."""
    given = [f"{name}: tl.constexpr" for name in names]
    return ",\n    ".join(", ".join(part) for part in (given[:5], given[5:]) if part)


_ROWS = """    length, piece = groups * UNIT, groups_in_piece * UNIT
    o = tile * BLOCK_O + tl.arange(0, BLOCK_O)
    kept, lane = o < outer, tl.arange(0, BLOCK_R)[None, :]
    first = tl.zeros((BLOCK_O, 1), tl.int32) if ONE else o[:, None] * length
    start = part * piece
    stop = tl.minimum(start + piece, length)
    whole = start + (stop - start) // BLOCK_R * BLOCK_R
    here = o * tl.num_programs(1) + part{before}
    for at in range(start, whole, BLOCK_R):
        r = at + lane
        i, real = first + r, kept[:, None]{whole}
    if whole < stop:
        r = whole + lane
        i, real = first + r, kept[:, None] & (r < stop){last}"""

_COLUMNS = """    inner = groups * UNIT
    j = tile * BLOCK_J + tl.arange(0, BLOCK_J)
    o, c = j // inner, j % inner
    kept, lane = o < outer, tl.arange(0, BLOCK_R)
    first = (o * length * inner + c)[:, None]
    stop = tl.minimum((part + 1) * piece, length)
    here = (o * tl.num_programs(1) + part) * inner + c{before}
    for at in range(part * piece, stop, BLOCK_R):
        r = (at + lane)[None, :]
        i, real = first + r * inner, kept[:, None] & (r < stop){last}"""


def _indented(lines: Sequence[str], by: int) -> str:
    return "".join("\n" + " " * by + part for line in lines for part in line.split("\n"))


def _start(ending: Ending) -> str:
    return {"max": '-float("inf")', "min": 'float("inf")'}.get(ending.op, repr(_STARTS[ending.op]))


def _totals(endings: Sequence[Ending], whole: bool) -> list[str]:
    """What goes into the accumulators; of lanes behind the end, what changes nothing."""
    found = []
    for k, ending in enumerate(endings):
        value = ending.value if whole else f"tl.where(real, {ending.value}, {_start(ending)})"
        found.append(f'total{k} = combine(total{k}, {value}, "{ending.op}")')
    return found


def _divided(rows: bool) -> str:
    """Lines that find the chain's own row and column of element i; EVEN neighbours lie in one row."""
    same = "[1, EVEN]" if rows else "[EVEN, 1]"
    return f"""if WIDE:
    row = i // d
else:
    row = (tl.umulhi(i.to(tl.uint32), m.to(tl.uint32)) + i.to(tl.uint32)) >> h.to(tl.uint32)
    row = row.to(tl.int32)
column = i - row * d
if EVEN > 1:
    column = tl.max_contiguous(tl.multiple_of(column, {same}), {same})
    row = tl.max_constancy(row, {same})"""


# -- the launch ----------------------------------------------------------------------------------------------------


class ReducedChain:
    """Called with a chain's operands, and with memory for its results, for those of its endings, and for partial ones.

    kinds: of the operands x0, x1, ..., in a matrix of so many `columns`. results: names of the values that are written.
    shape, axes: of what is reduced. workspace: shape and type of the memory for partial results, or None.
    """

    def __init__(
        self, kinds: Sequence[str], lines: Sequence[str], results: Sequence[str], endings: Sequence[Ending],
        shape: Sequence[int], axes: Sequence[int], columns: int,
    ):  # fmt: skip
        parameters = [f"x{number}" for number in range(len(kinds))]
        self.stages = stages_of(shape, axes)
        self._parameters, self._results, self._endings = parameters, results, endings
        self._columns = columns
        self._divisor = float(prod(shape[axis] for axis in axes))
        first = self.stages[0]
        rows = first.inner == 1
        operands = [
            _by_rows(name, kind, columns == first.length)
            if rows
            else _by_columns(name, kind, first.inner, columns, first.outer == 1)
            for name, kind in zip(parameters, kinds, strict=True)
        ]
        self.source = source("_chain", operands, lines, results, endings, rows)
        self._kernel = kernel_of("_chain", self.source, tuple(_NAMES.items()))
        known = dict(zip("dmh", (columns, *functions.magic_of(columns)), strict=True))
        self._numbers = [known[name] for name in divisor_of(operands)]
        need = rooms(self.stages)[1]
        self._room = 0 if need is None else need[0][0]
        self.workspace = ((len(endings) * self._room,), "float32") if self._room else None

    def __call__(self, operands: Sequence[Any], outs: Sequence[Any], workspace: Any = None) -> None:
        """outs: first the chain's results, then those of its endings."""
        check_packed(**dict(zip(self._parameters, operands, strict=True)))
        written, ended = outs[: len(self._results)], outs[len(self._results) :]
        for out in written:
            check_out(out, tuple(written[0].shape))
        if self.workspace is not None:
            check_out(workspace, self.workspace[0], "workspace")
        rooms_of = [workspace[k * self._room : (k + 1) * self._room] if self._room else None for k in range(len(ended))]
        self._launch(operands, written, ended if self.workspace is None else rooms_of)
        for ending, out, room in zip(self._endings, ended, rooms_of, strict=True):
            run_stages(
                self.stages, None, out, room, self._divisor if ending.mean else None, begin=1, OP=ending.op,
                ACC=tl.float32, START=_STARTS[ending.op],
            )  # fmt: skip

    def _launch(self, operands: Sequence[Any], written: Sequence[Any], targets: Sequence[Any]) -> None:
        """The first stage."""
        stage = self.stages[0]
        results, lanes, warps = tile_of(stage)
        columns, wide = self._columns, is_wide(stage)
        step = unit(stage.length) if stage.inner == 1 else unit(stage.inner)
        even = columns % 8 == 0 and (lanes if stage.inner == 1 else results) % 8 == 0 and (step % 8 == 0)
        common = {
            "UNIT": step, "PARTS": len(self.stages) > 1, "WIDE": wide, "EVEN": 8 if even else 1, "BLOCK_R": lanes,
            "num_warps": warps, "enable_fp_fusion": False,
        }  # fmt: skip
        grid = ceil_div(stage.outer * stage.inner, results), stage.pieces
        if stage.inner == 1:
            self._kernel[grid](
                *operands, *written, *targets, stage.outer, stage.length // step, stage.piece // step, self._divisor,
                *self._numbers, ONE=stage.outer == 1, BLOCK_O=results, **common,
            )  # fmt: skip
        else:
            self._kernel[grid](
                *operands, *written, *targets, stage.outer, stage.length, stage.inner // step, stage.piece,
                self._divisor, *self._numbers, BLOCK_J=results, **common,
            )  # fmt: skip


@functools.cache
def build(*chain: Any) -> ReducedChain:
    """The kernel of such a chain; one for all that are equal."""
    return ReducedChain(*chain)
