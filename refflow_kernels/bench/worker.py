"""A process that measures cases one after the other, and says so line by line; who reads it starts another if it dies.

    {"begin": 12, "case": LABEL}     then     {"case": LABEL, "ms": ..., ...} or {"case": LABEL, "failed": TEXT}

    python -m refflow_kernels.bench.worker FIRST SECONDS [TEXT]

Next: refflow_kernels/bench/card.py.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from refflow_kernels.bench.case import Case, cases, shapes


def chosen(given: Any, only: str, first: int = 0) -> Iterator[tuple[int, Case]]:
    """The cases with `only` in their label, from number `first` on."""
    return ((i, c) for i, c in enumerate(c for c in given if only in c.label) if i >= first)


@cache
def _shapes(only: str) -> list[Case]:
    return [case for _, case in chosen(shapes(), only)]


def launches_of(item: tuple[str, int]) -> list[Callable[[], Any]]:
    """What a case would launch, on memory that is only an address."""
    from refflow_kernels.bench.measure import Prepared

    only, number = item
    return [Prepared(_Nowhere(), _shapes(only)[number]).call]


class _Nowhere:
    """A card whose memory is only addresses."""

    def upload(self, array: Any, dtype: str | None = None) -> Any:
        return self.empty(array.shape, dtype or array.dtype.name)

    def empty(self, shape: Any, dtype: str) -> Any:
        from refflow_kernels.ahead import Place

        return Place(shape, dtype)


def main(first: str, seconds: str, only: str = "") -> None:
    from refflow_kernels.bench.card import Card
    from refflow_kernels.bench.measure import measure

    end, card = time.monotonic() + float(seconds), Card()
    for number, case in chosen(cases(False), only, int(first)):
        if time.monotonic() > end:
            return
        print(json.dumps({"begin": number, "case": case.label}), flush=True)
        try:
            row = measure(card, case)
            card.torch.cuda.synchronize()
        except Exception as error:  # whatever ails one case, the others are measured all the same
            row = {"case": case.label, "failed": f"{type(error).__name__}: {error}"[:500], "wrong": True}
        print(json.dumps(row), flush=True)
        card.torch.cuda.synchronize()  # where the card is lost, so is this process


if __name__ == "__main__":
    main(*sys.argv[1:])
