"""Chains of elementwise steps, a block at a time: what one step writes, the next one reads from the cache.

    steps    [("add", ("in", 0), ("in", 1)), ("maximum", ("step", 0), 0)]        one NumPy ufunc each
    source   def piece(first, last, i0, i1, o0):
                 r = scratch(heldr)
                 for a in range(first, last, 16384):
                     ...
                     add(xi0, i1, r0)
                     maximum(r0, 0, out=xo0)

A chain of ten additions over ten million elements reads and writes memory twenty times if each is done as a whole;
here it reads what comes in once and writes what goes out once. Each step is the ufunc that the op's own kernel would
have called, on the same numbers: the bits are the same.

    bytes: inputs and outputs once        scratch: a block for each value that is alive, in the core's second cache

Scratch is the thread's: what one chain leaves there, the next one overwrites, so that it is warm and costs no call.
A ufunc takes half a microsecond for few elements, and half of that to make an array of a number: numbers are arrays
without axes, and nothing is given another shape that has the right one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from types import CodeType
from typing import Any

import numpy as np

from refflow_kernels import aligned
from refflow_kernels.cpu import threads
from refflow_kernels.cpu.choose import choose, sign

BLOCK = 1 << 15  # elements
_PIECE = 1 << 18  # elements worth a thread
_KEPT = 16  # shapes of scratch that a thread keeps
_SHORT, _FEW = 256, 4  # columns of a row, and blocks, from which on it is worth a block of its own
_TRUTHS = frozenset(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and",
                     "logical_or", "logical_not"))  # fmt: skip

Operand = Any  # ("in", place), ("step", number), or a number
Step = tuple[Any, ...]  # a ufunc's name or "where", and its operands


class Blocks:
    """A chain, compiled for operands of one shape: call it with arrays, and C-contiguous ones for the results.

    steps: in order. kinds: of each input, "whole" (as the results), "row" (the same for each row), "column" (one
    number for each row) or "one" (a number). outputs: the numbers of the steps whose values are wanted. rows,
    columns: the results' shape. dtype: of everything but truths. spent: places of wholes that nobody needs any
    more: their memory is scratch as soon as they are read. own: places of results that do not lie where an input does:
    their memory is scratch until they are written. held: by the place of a whole, the result that lies where it does:
    that memory is scratch between the last reading and the result. form: the shape in which most wholes come.
    """

    def __init__(
        self, steps: Sequence[Step], kinds: Sequence[str], outputs: Sequence[int], rows: int, columns: int, dtype: Any,
        *, spent: Sequence[int] = (), own: Sequence[int] = (), held: Mapping[int, int] | None = None,
        form: tuple[int, ...] | None = None,
    ):  # fmt: skip
        flat = not {"row", "column"} & set(kinds)
        shape: tuple[int, ...] = (rows * columns,) if flat else (rows, columns)
        if flat and form and rows * columns <= BLOCK:  # a single block may stay as it is
            shape = form
        writer = _Writer(steps, kinds, outputs, np.dtype(dtype), shape, spent, own, held or {})
        self.source = writer.source()
        exec(_compiled(self.source), writer.names)
        self._run = writer.names["chain"]

    def __call__(self, inputs: Sequence[Any], outs: Sequence[Any]) -> None:
        self._run(*inputs, *outs)


@lru_cache(256)
def _compiled(source: str) -> CodeType:
    """The source as code; a network's layers have many chains that are alike."""
    return compile(source, "<elementwise blocks>", "exec")


class _Writer:
    """Writes the source, with scratch blocks of numbers and of truths for what is alive at once."""

    def __init__(self, steps: Sequence[Step], kinds: Sequence[str], outputs: Sequence[int], dtype: Any,
                 shape: tuple[int, ...], spent: Sequence[int], own: Sequence[int],
                 held: Mapping[int, int]):  # fmt: skip
        self.steps, self.kinds, self.outputs, self.shape = steps, kinds, list(outputs), shape
        self.lines = shape[0]  # what is cut: elements, or rows
        self.width = max(1, prod(shape[1:]))
        self.step = max(1, BLOCK // self.width)
        self.reals = self.masks = 0
        self.names: dict[str, Any] = {"where": choose, "multiply": np.multiply, "empty": aligned.empty}
        self.names |= {"scratch": scratch, "asarray": np.asarray}
        self.names |= {"whole": np.dtype(f"i{dtype.itemsize}"), "real": dtype, "each": threads.each}
        self.last = {o: n for n, s in enumerate(steps) for o in s[1:] if isinstance(o, tuple)}
        self.value: dict[Operand, str] = {("in", place): f"xi{place}" for place in (*spent, *held)}
        self.free: dict[str, list[str]] = {"r": [f"xo{k}" for k in own], "m": []}
        # The last step that may still read what lay in a result's memory before; a choice reads while it writes.
        self.ends = {f"xo{k}": n - (steps[n][0] == "where") for k, n in enumerate(outputs)}
        self.ends |= {f"xi{place}": self.ends[f"xo{k}"] for place, k in held.items()}

    def source(self) -> str:
        ins = [f"i{i}" for i in range(len(self.kinds))]
        outs = [f"o{k}" for k in range(len(self.outputs))]
        given = ", ".join(ins + outs)
        steps = [line for number, step in enumerate(self.steps) for line in self._lines(number, step)]
        shapes = {"whole": self.shape, "row": self.shape[1:], "column": (self.lines, 1), "one": ()}
        head = [_shaped(name, shapes[kind]) for name, kind in zip(ins, self.kinds, strict=True)]
        head += [_shaped(name, self.shape) for name in outs]
        cut = [name for name, kind in zip(ins, self.kinds, strict=True) if kind in ("whole", "column")] + outs
        tiled = [name for name, kind in zip(ins, self.kinds, strict=True) if self._is_tiled(kind)]
        if self.lines <= self.step:
            body = [*head, *self._scratch_lines(), *(f"x{name} = {name}" for name in cut), *steps]
            return _function(f"chain({given})", body)
        views = [f"x{name} = {name}[a:b]" for name in cut]
        views += [f"x{name} = t{name}[:b - a]" for name in tiled]
        views += [f"{kind}{i} = {kind}[{i}, :b - a]" for kind, n in self._counts() for i in range(n)]
        loop = [f"for a in range(first, last, {self.step}):", f"    b = min(a + {self.step}, last)"]
        loop += [f"    {line}" for line in views + steps]
        tiles = [line for name in tiled for line in (f"t{name} = empty({(self.step, *self.shape[1:])}, real)",
                                                     f"t{name}[...] = {name}")]  # fmt: skip
        piece = _function(f"piece(first, last, {given})", self._scratch_lines() + tiles + loop)
        return piece + _function(f"chain({given})", head + self._pieces(given))

    def _is_tiled(self, kind: str) -> bool:
        """True for a short row, which is written under itself until it fills a block: NumPy pays for each row."""
        return kind == "row" and self.width <= _SHORT and self.lines > _FEW * self.step

    def _pieces(self, given: str) -> list[str]:
        """Lines that run the pieces."""
        size = max(1, _PIECE // self.width // self.step) * self.step
        if self.lines <= size:
            return [f"piece(0, {self.lines}, {given})"]
        bounds = f"i * {size}, min({self.lines}, (i + 1) * {size})"
        return [f"each(lambda i: piece({bounds}, {given}), {-(-self.lines // size)})"]

    def _counts(self) -> list[tuple[str, int]]:
        return [("r", self.reals), ("m", self.masks)]

    def _scratch_lines(self) -> list[str]:
        """Lines that get the scratch blocks; those of a single block have names at once."""
        found = []
        for (kind, count), dtype in zip(self._counts(), (self.names["real"], np.dtype(bool)), strict=True):
            if not count:
                continue
            is_single = self.lines <= self.step
            self.names[f"held{kind}"] = (count, *(self.shape if is_single else (self.step, *self.shape[1:]))), dtype
            names = "".join(f"{kind}{i}, " for i in range(count)) if is_single else kind
            found.append(f"{names} = scratch(held{kind})")
        return found

    def _text(self, operand: Operand) -> str:
        if not isinstance(operand, tuple):
            return repr(operand)
        if operand[0] == "step":
            return self.value[operand]
        place = operand[1]
        kind = self.kinds[place]
        return f"xi{place}" if kind in ("whole", "column") or self._is_tiled(kind) else f"i{place}"

    def _lines(self, number: int, step: Step) -> list[str]:
        name, *operands = step
        texts = [self._text(o) for o in operands]
        dying = {o for o in operands if o in self.value and self.last[o] == number}
        kind = "m" if name in _TRUTHS else "r"
        if name == "where":  # what it writes to must not be one of its operands
            self.value["step", number] = self._target(number, kind)
            lines = self._where(number, texts, operands, self.value["step", number])
            self._let_go(dying)
            return lines
        self._let_go(dying)
        self.value["step", number] = target = self._target(number, kind)
        self.names[name] = sign if name == "sign" else getattr(np, name)
        # Of an array and a number NumPy's maximum takes twice the time of two arrays.
        number_text = self._filled if name in ("maximum", "minimum") else self._point
        texts = [t if isinstance(o, tuple) else number_text(t) for t, o in zip(texts, operands, strict=True)]
        out = f"out={target}" if name in ("maximum", "minimum") else target
        return [f"{name}({', '.join(texts)}, {out})"]

    def _point(self, number: str) -> str:
        """A number as an array without axes."""
        if self.names["real"].kind != "f":
            return number
        name = f"p{len(self.names)}"
        self.names[name] = np.array(float(number), self.names["real"])
        return name

    def _filled(self, number: str) -> str:
        """A block of a number."""
        name = f"f{len(self.names)}"
        shape = self.shape if self.lines <= self.step else (self.step, *self.shape[1:])
        self.names[name] = _block_of(number, self.names["real"], max(BLOCK, prod(shape)))[: prod(shape)].reshape(shape)
        return name if self.lines <= self.step else f"{name}[:b - a]"

    def _where(self, number: int, texts: list[str], operands: list[Operand], target: str) -> list[str]:
        """Where the other value is 0, the numbers' bits times 1 or 0: no branches, and infinity stays out.

        The truths become numbers in scratch memory, because a result may lie where an operand does.
        """
        chosen = operands[1]
        is_array = isinstance(chosen, tuple) and (chosen[0] == "step" or self.kinds[chosen[1]] != "one")
        if not (is_array and texts[2] == "0"):
            return [f"where({', '.join(texts)}, {target})"]
        spare = self._scratch("r", number) if target.startswith("x") else target
        if spare != target:
            self.free["r"].append(spare)
        return [f"w = {spare}.view(whole)", f"w[...] = {texts[0]}",
                f"multiply(w, {texts[1]}.view(whole), {target}.view(whole))"]  # fmt: skip

    def _target(self, number: int, kind: str) -> str:
        if number in self.outputs and kind == "r":
            target = f"xo{self.outputs.index(number)}"
            self.free["r"] = [name for name in self.free["r"] if name != target]
            return target
        return self._scratch(kind, self.last.get(("step", number), number))

    def _scratch(self, kind: str, until: int) -> str:
        """A block for what is read by the step `until` at last."""
        for name in reversed(self.free[kind]):
            if until <= self.ends.get(name, until):
                self.free[kind].remove(name)
                return name
        if kind == "r":
            self.reals += 1
            return f"r{self.reals - 1}"
        self.masks += 1
        return f"m{self.masks - 1}"

    def _let_go(self, dying: set[Operand]) -> None:
        for operand in sorted(dying):
            name = self.value[operand]
            if name.startswith("x"):
                if operand[0] == "in" or operand[1] not in self.outputs:
                    self.free["r"].append(name)
            else:
                self.free[name[0]].append(name)


class _Held(threading.local):
    """A thread's scratch, by shape and type."""

    def __init__(self) -> None:
        self.blocks: dict[Any, np.ndarray] = {}


_held = _Held()


def scratch(kind: tuple[tuple[int, ...], Any]) -> np.ndarray:
    """The calling thread's blocks of this shape and type, with whatever was left there."""
    blocks = _held.blocks.get(kind)
    if blocks is None:
        if len(_held.blocks) == _KEPT:
            _held.blocks.clear()
        blocks = _held.blocks[kind] = aligned.empty(*kind)
    return blocks


def _shaped(name: str, shape: tuple[int, ...]) -> str:
    """A line that makes of an operand an array of that shape."""
    if not shape:
        return f"{name} = {name}.reshape(()) if {name}.ndim else asarray({name})"
    return f"if {name}.shape != {shape}: {name} = {name}.reshape({shape})"


def _function(head: str, body: Sequence[str]) -> str:
    return "\n".join([f"def {head}:", *(f"    {line}" for line in body)]) + "\n"


@lru_cache(64)
def _block_of(number: str, dtype: Any, size: int) -> Any:
    """An array full of a number, which many chains may read."""
    block = np.full(size, float(number), dtype)
    block.flags.writeable = False
    return block
