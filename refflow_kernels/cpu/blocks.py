"""Chains of elementwise steps, a block at a time: what one step writes, the next one reads from the cache.

    steps    [("add", ("in", 0), ("in", 1)), ("maximum", ("step", 0), 0)]        one NumPy ufunc each
    source   def piece(first, last, i0, i1, o0, reals, masks):
                 for a in range(first, last, 16384):
                     ...
                     add(i0[a:b], i1, r0)
                     maximum(r0, 0, o0[a:b])

A chain of ten additions over ten million elements reads and writes memory twenty times if each is done as a whole;
here it reads what comes in once and writes what goes out once. Each step is the ufunc that the op's own kernel would
have called, on the same numbers: the bits are the same.

    bytes: inputs and outputs once        scratch: a block for each value that is alive, in the core's second cache
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow_kernels.cpu import threads

BLOCK = 1 << 14  # elements
_PIECE = 1 << 18  # elements worth a thread
_TRUTHS = frozenset(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and",
                     "logical_or", "logical_not"))  # fmt: skip

Operand = Any  # ("in", place), ("step", number), or a number
Step = tuple[Any, ...]  # a ufunc's name or "where", and its operands


class Blocks:
    """A chain, compiled for operands of one shape.

    steps: in order. kinds: of each input, "whole" (as the results), "row" (the same for each row), "column" (one
    number for each row) or "one" (a number). outputs: the numbers of the steps whose values are wanted. rows,
    columns: the results' shape. dtype: of everything but truths.
    """

    def __init__(
        self, steps: Sequence[Step], kinds: Sequence[str], outputs: Sequence[int], rows: int, columns: int, dtype: Any
    ):
        flat = not {"row", "column"} & set(kinds)
        self._shape = (rows * columns,) if flat else (rows, columns)
        self._shapes = {"whole": self._shape, "row": (columns,), "column": (rows, 1), "one": ()}
        self._kinds = list(kinds)
        self._lines = self._shape[0]  # what is cut: elements, or rows
        width = 1 if flat else max(1, columns)
        self._step = max(1, BLOCK // width)
        self._piece = max(1, _PIECE // width // self._step) * self._step
        writer = _Writer(steps, kinds, outputs, np.dtype(dtype), self._step, len(self._shape) > 1)
        self.source = writer.source()
        self._reals = (writer.reals, min(self._step, self._lines), *self._shape[1:])
        self._masks = (writer.masks, *self._reals[1:])
        self._dtype = np.dtype(dtype)
        exec(compile(self.source, "<elementwise blocks>", "exec"), writer.names)
        self._run = writer.names["piece"]

    def __call__(self, inputs: Sequence[Any], outs: Sequence[Any]) -> None:
        """Computes into `outs`, C-contiguous arrays of the results' shape."""
        given = [np.reshape(x, self._shapes[kind]) for x, kind in zip(inputs, self._kinds, strict=True)]
        wanted = [out.reshape(self._shape) for out in outs]
        if self._lines <= self._piece:
            self._one(0, self._lines, given, wanted)
            return

        def piece(i: int) -> None:
            self._one(i * self._piece, min(self._lines, (i + 1) * self._piece), given, wanted)

        threads.each(piece, -(-self._lines // self._piece))

    def _one(self, first: int, last: int, given: list[Any], wanted: list[Any]) -> None:
        self._run(first, last, *given, *wanted, np.empty(self._reals, self._dtype), np.empty(self._masks, bool))


class _Writer:
    """Writes the source, and says how many blocks of numbers and of truths it needs for what is alive at once."""

    def __init__(self, steps: Sequence[Step], kinds: Sequence[str], outputs: Sequence[int], dtype: Any, step: int,
                 is_matrix: bool):  # fmt: skip
        self.steps, self.kinds, self.outputs, self.dtype = steps, kinds, list(outputs), dtype
        self.step, self.is_matrix = step, is_matrix
        self.reals = self.masks = 0
        self.names: dict[str, Any] = {"where": np.where, "multiply": np.multiply}
        self.names["whole"] = np.dtype(f"i{dtype.itemsize}")
        self.last = {o[1]: n for n, s in enumerate(steps) for o in s[1:] if isinstance(o, tuple) and o[0] == "step"}
        self.value: dict[int, str] = {}
        self.free: dict[str, list[str]] = {"r": [], "m": []}

    def source(self) -> str:
        ins = [f"i{i}" for i in range(len(self.kinds))]
        outs = [f"o{k}" for k in range(len(self.outputs))]
        body = []
        for name, kind in zip(ins, self.kinds, strict=True):
            if kind in ("whole", "column"):
                body.append(f"x{name} = {name}[a:b]")
        body += [f"y{name} = {name}[a:b]" for name in outs]
        for number, step in enumerate(self.steps):
            body += self._lines(number, step)
        scratch = [f"r{i} = reals[{i}, :b - a]" for i in range(self.reals)]
        scratch += [f"m{i} = masks[{i}, :b - a]" for i in range(self.masks)]
        lines = [f"def piece({', '.join(['first', 'last', *ins, *outs, 'reals', 'masks'])}):",
                 f"    for a in range(first, last, {self.step}):",
                 f"        b = min(a + {self.step}, last)"]  # fmt: skip
        return "\n".join(lines + [f"        {line}" for line in scratch + body]) + "\n"

    def _text(self, operand: Operand) -> str:
        if not isinstance(operand, tuple):
            return repr(operand)
        if operand[0] == "step":
            return self.value[operand[1]]
        place = operand[1]
        return f"xi{place}" if self.kinds[place] in ("whole", "column") else f"i{place}"

    def _lines(self, number: int, step: Step) -> list[str]:
        name, *operands = step
        texts = [self._text(o) for o in operands]
        dying = {o[1] for o in operands if isinstance(o, tuple) and o[0] == "step" and self.last[o[1]] == number}
        kind = "m" if name in _TRUTHS else "r"
        if name == "where":  # what it writes to must not be one of its operands
            self.value[number] = self._target(number, kind)
            lines = self._where(texts, operands, self.value[number])
            self._let_go(dying)
            return lines
        self._let_go(dying)
        self.value[number] = target = self._target(number, kind)
        self.names[name] = getattr(np, name)
        out = f"out={target}" if name in ("maximum", "minimum") else target
        return [f"{name}({', '.join(texts)}, {out})"]

    def _where(self, texts: list[str], operands: list[Operand], target: str) -> list[str]:
        """Where the other value is 0, the numbers' bits times 1 or 0: no branches, and infinity stays out.

        The truths become numbers in scratch memory, because a result may lie where an operand does.
        """
        chosen = operands[1]
        is_array = isinstance(chosen, tuple) and (chosen[0] == "step" or self.kinds[chosen[1]] != "one")
        if not (is_array and texts[2] == "0"):
            return [f"{target}[...] = where({', '.join(texts)})"]
        spare = self._scratch("r") if target.startswith("y") else target
        if spare != target:
            self.free["r"].append(spare)
        return [f"w = {spare}.view(whole)", f"w[...] = {texts[0]}",
                f"multiply(w, {texts[1]}.view(whole), {target}.view(whole))"]  # fmt: skip

    def _target(self, number: int, kind: str) -> str:
        if number in self.outputs and kind == "r":
            return f"yo{self.outputs.index(number)}"
        return self._scratch(kind)

    def _scratch(self, kind: str) -> str:
        if self.free[kind]:
            return self.free[kind].pop()
        if kind == "r":
            self.reals += 1
            return f"r{self.reals - 1}"
        self.masks += 1
        return f"m{self.masks - 1}"

    def _let_go(self, dying: set[int]) -> None:
        for number in dying:
            name = self.value[number]
            if name[0] in self.free:
                self.free[name[0]].append(name)
