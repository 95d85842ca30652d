"""Parameter updates in place, a block at a time, without temporaries of the parameters' size [S32, W78].

    rule     def momentum(var, accum, lr, grad, momentum):            NumPy on whole arrays, as on the op's page
                 accum = accum * momentum + grad
                 return var - lr * accum, accum
    chain    multiply(accum, momentum) add(0, grad) multiply(lr, 1) subtract(var, 2)

A rule is called once with operands that only note what is done with them (refflow_kernels/notes.py). What it does with
arrays becomes a chain of blocks.py whose results lie where the variable and its slots lie; what it does with numbers,
as 1 - beta, is done once for a step. A rule that has to know a number before it goes on, as in `if l1 > 0`, is told
those that are constants of the graph; where that is not enough it is called for each block. The ufuncs are the rule's,
and so are the bits.

    bytes: each slot read and written, the gradient read        scratch: what the rule makes, for one block

Next: refflow_kernels/cpu/conv.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.blocks import Blocks
from refflow_kernels.notes import Name, Notes, Operand, Rule, Unknown

_BLOCK = 1 << 14  # elements
_PIECE = 1 << 18  # elements worth a thread


def in_place(
    rule: Rule, slots: int, known: Sequence[Any], shape: tuple[int, ...], dtype: Any, spent: Sequence[int] = ()
) -> Callable[..., None]:
    """A function of the rule's inputs that replaces the first `slots` of them by what the rule gives.

    known: for each input None where it is an array, a number where that is known now, Ellipsis for any other number.
    shape: of each array. dtype: of everything. The slots are to be C-contiguous. spent: places of arrays that
    may be overwritten.
    """
    try:
        return Update(rule, slots, known, shape, dtype, spent)
    except Unknown:
        return lambda *inputs: in_blocks(rule, slots, *inputs)


class Update:
    """A rule for variables of one shape, noted down."""

    def __init__(
        self, rule: Rule, slots: int, known: Sequence[Any], shape: tuple[int, ...], dtype: Any,
        spent: Sequence[int] = (),
    ):  # fmt: skip
        notes = Notes(np.dtype(dtype))
        results = rule(*(self._operand(notes, i, value) for i, value in enumerate(known)))[:slots]
        # A slot may stay as it is.
        changed = [(i, r) for i, r in enumerate(results) if not isinstance(r, Operand) or r.name != ("in", i)]
        self._slots = [i for i, _ in changed]
        last = [_step_of(notes, i, result) for i, result in changed]
        named = list(dict.fromkeys(o for _, *operands in notes.steps for o in operands if _is_input(o)))
        arrays, numbers = ([o for o in named if (o[0] == "in") is wanted] for wanted in (True, False))
        places = arrays + numbers  # of what the chain is given
        steps = [(name, *(("in", places.index(o)) if _is_input(o) else o for o in operands))
                 for name, *operands in notes.steps]  # fmt: skip
        kinds = ["whole"] * len(arrays) + ["one"] * len(numbers)
        over = [n for n, (_, place) in enumerate(arrays) if place in spent]
        held = {arrays.index(("in", i)): k for k, i in enumerate(self._slots) if ("in", i) in arrays}
        self._blocks = Blocks(steps, kinds, last, prod(shape), 1, dtype, spent=over, held=held, form=shape)
        self._arrays = [i for _, i in arrays]
        self._numbers = _shared(_Numbers(notes.early, notes.constants, numbers))

    @staticmethod
    def _operand(notes: Notes, place: int, value: Any) -> Any:
        if value is None:
            return Operand(notes, ("in", place), notes.dtype)
        return Operand(notes, ("given", place), notes.dtype) if value is ... else value

    def __call__(self, *inputs: Any) -> None:
        given = [inputs[i] for i in self._arrays]
        self._blocks(given + self._numbers(inputs), [inputs[i] for i in self._slots])


def _is_input(operand: Any) -> bool:
    return isinstance(operand, tuple) and operand[0] != "step"


class _Numbers:
    """What a rule does with numbers alone, as arrays without axes.

    It is done anew when a number changes, and once for all the updates of a step that have the rule and its rates.
    """

    def __init__(self, early: Sequence[tuple[Any, ...]], constants: Sequence[Any], wanted: Sequence[Name]):
        self._early = [(getattr(np, name), operands) for name, *operands in early]
        self._constants, self._wanted = constants, wanted
        self.key = repr((early, [(np.dtype(c.dtype).str, c.tobytes()) for c in constants], wanted))
        read = [o for _, operands in self._early for o in operands] + list(wanted)
        self._given = sorted({o[1] for o in read if isinstance(o, tuple) and o[0] == "given"})
        self._last: tuple[Any, list[Any]] = None, []

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        key = [inputs[i].tobytes() for i in self._given]  # 0 and -0 are equal, and not the same
        last, numbers = self._last
        if key != last:
            numbers = self._made(inputs)
            self._last = key, numbers
        return numbers

    def _made(self, inputs: Sequence[Any]) -> list[Any]:
        early: list[Any] = []
        values = {"given": inputs, "early": early, "constant": self._constants}
        for function, operands in self._early:
            early.append(function(*(values[o[0]][o[1]] if isinstance(o, tuple) else o for o in operands)))
        return [np.array(values[kind][i]) for kind, i in self._wanted]


_by_key: WeakValueDictionary[str, _Numbers] = WeakValueDictionary()


def _shared(numbers: _Numbers) -> _Numbers:
    """One of all that do the same."""
    return _by_key.setdefault(numbers.key, numbers)


def _step_of(notes: Notes, slot: int, result: Any) -> int:
    """The step that may write the result where the slot lies, because nobody needs the old value any more."""
    if not isinstance(result, Operand) or result.name[0] != "step":
        raise Unknown("a slot's new value is no array")
    number = result.name[1]
    if any(("in", slot) in step[1:] for step in notes.steps[number + 1 :]):
        number = notes.step("positive", [result]).name[1]  # a copy, at the end
    return number


def in_blocks(rule: Rule, slots: int, *inputs: Any) -> None:
    """Replaces the first `slots` inputs by what `rule(*inputs)` gives for them, which is called for each block.

    Inputs are arrays of one shape, or single numbers; the slots are C-contiguous.
    """
    shape, size = inputs[0].shape, inputs[0].size
    whole = [np.shape(x) == shape for x in inputs]
    flat = [x.reshape(-1) if is_whole else x for x, is_whole in zip(inputs, whole, strict=True)]

    def block(here: slice) -> None:
        given = [x[here] if is_whole else x for x, is_whole in zip(flat, whole, strict=True)]
        for held, new in zip(given[:slots], rule(*given), strict=False):
            held[...] = new

    _each_block(size, block)


def _each_block(size: int, work: Callable[[slice], None]) -> None:
    """work(elements) for blocks of elements, several blocks to a thread."""

    def piece(number: int) -> None:
        for start in range(number * _PIECE, min(size, (number + 1) * _PIECE), _BLOCK):
            work(slice(start, start + _BLOCK))

    threads.each(piece, -(-size // _PIECE))


def apply_gradient_descent(var: Any, alpha: Any, delta: Any, out: Any = None) -> Any:
    """var - alpha * delta; `out` may be var itself. The bits are those of the plain expression."""
    alpha = np.asarray(alpha, var.dtype)[()]
    if out is None:
        out = np.empty(var.shape, var.dtype)
    if var.size <= _BLOCK or not all(x.flags.c_contiguous for x in (var, delta, out)):
        return np.subtract(var, np.multiply(delta, alpha), out=out)
    flat, slope, result = var.reshape(-1), delta.reshape(-1), out.reshape(-1)

    _each_block(var.size, lambda here: np.subtract(flat[here], slope[here] * alpha, out=result[here]))
    return out
