"""Beam search: of all beginnings of a sequence keep the `width` most likely, and lengthen each of them by every symbol.

    log p(y_1 ... y_n) = sum_i log p(y_i | y_1 ... y_(i-1))

It falls with every symbol, so that a sequence that ended beats for good every beginning that is already below it.
A width of 1 is greedy; a width of all beginnings is the search of all sequences. What the model is does not matter
here: it is asked one step for all beginnings at once, in one run of a session.

Next: models/bleu.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Step = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Hypothesis(NamedTuple):
    """Symbols, the last of which is `end` unless they are cut off, and the logarithm of their probability."""

    symbols: list[int]
    log_p: float


def beam_search(step: Step, state: np.ndarray, width: int, begin: int, end: int, most: int) -> list[Hypothesis]:
    """At most `width` hypotheses of at most `most` symbols, the most likely first.

    step(symbols int [k], state [k, n]) -> (log p of the symbol that follows [k, symbols], next state [k, n]).
    state [n]: that before the first symbol. Those that are cut off come after those that ended.

    A chain of three symbols, 0 the end, in which the best first step does not lead to the best sequence:

    >>> follows = np.log([[1, 1e-9, 1e-9], [.1, .5, .4], [.9, .05, .05]])
    >>> chain = lambda symbols, state: (follows[symbols], state)
    >>> [h.symbols for w in (1, 2) for h in beam_search(chain, np.zeros(0), w, begin=1, end=0, most=3)[:1]]
    [[1, 1, 1], [2, 0]]
    """
    if width < 1 or most < 1:
        raise ValueError(f"a beam has at least 1 beginning of at least 1 symbol, got width {width} and most {most}")
    ended: list[Hypothesis] = []
    beam, states = [Hypothesis([], 0.0)], np.asarray(state)[None]
    for _ in range(most):
        last = np.array([h.symbols[-1] if h.symbols else begin for h in beam], np.int32)
        log_p, states = step(last, states)
        totals = np.array([h.log_p for h in beam])[:, None] + log_p  # [k, symbols]
        best = np.argsort(-totals, axis=None, kind="stable")[:width]
        rows, symbols = np.unravel_index(best, totals.shape)
        pairs = zip(rows, symbols, strict=True)
        longer = [Hypothesis([*beam[r].symbols, int(s)], float(totals[r, s])) for r, s in pairs]
        ended += [h for h in longer if h.symbols[-1] == end]
        beam, states = [h for h in longer if h.symbols[-1] != end], states[rows[symbols != end]]
        ended.sort(key=lambda h: -h.log_p)
        if not beam or (len(ended) >= width and ended[width - 1].log_p >= beam[0].log_p):
            beam = []
            break
    return [*ended, *beam][:width]
