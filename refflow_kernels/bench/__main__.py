"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refflow_kernels.bench.measure import line


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m refflow_kernels.bench", description="Triton's kernels, torch's beside"
    )
    parser.add_argument("--out", metavar="FILE", help="write the rows as JSON, after each row")
    parser.add_argument("--only", metavar="TEXT", default="", help="only the cases with TEXT in their label")
    parser.add_argument("--seconds", type=float, default=420.0, help="begin no case after so many (default 420)")
    parser.add_argument("--dry-run", action="store_true", help="small sizes under the interpreter, without a card")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        facts, rows = _dry(options.only) if options.dry_run else _on_a_card(options.only, began + options.seconds)
    except (AssertionError, ImportError, RuntimeError) as missing:  # torch asserts that it was built for CUDA
        print(f"this needs torch, triton and a CUDA card ({missing}); --dry-run needs triton alone", file=sys.stderr)
        return 1
    found = []
    for row in rows:
        found.append(row)
        print(line(row), flush=True)
        if options.out:
            Path(options.out).write_text(json.dumps({**facts, "rows": found}, indent=1) + "\n", encoding="utf-8")
    wrong = [row["case"] for row in found if row["wrong"]]
    if wrong:
        print(f"failed, or not within the bound of float64: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong or not found else 0


def _facts() -> dict[str, Any]:
    import triton

    return {"triton": triton.__version__, "numpy": np.__version__, "python": platform.python_version()}


def _dry(only: str) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    os.environ["TRITON_INTERPRET"] = "1"
    from refflow_kernels.bench.case import cases
    from refflow_kernels.bench.measure import dry
    from refflow_kernels.bench.worker import chosen
    from refflow_kernels.interpreter import InterpretedCard

    rows = (dry(InterpretedCard(), case) for _, case in chosen(cases(True), only))
    return {"device": "none: Triton's interpreter", **_facts()}, rows


def _on_a_card(only: str, end: float) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """All kernels are compiled first, by all cores; then they are measured."""
    import torch

    name, (major, minor) = torch.cuda.get_device_name(), torch.cuda.get_device_capability()
    from refflow_kernels.ahead import fill_cache
    from refflow_kernels.bench.case import shapes
    from refflow_kernels.bench.watched import rows
    from refflow_kernels.bench.worker import chosen, launches_of

    began = time.monotonic()
    numbers = [(only, number) for number, _ in chosen(shapes(), only)]
    count = fill_cache(launches_of, numbers, 10 * major + minor)
    took = time.monotonic() - began
    print(f"{name}: {len(numbers)} cases, {count} kernels compiled in {took:.0f} s", flush=True)
    facts = {"device": name, "torch": torch.__version__, "seconds_to_compile": took, **_facts()}
    return facts, rows(only, end - time.monotonic())


if __name__ == "__main__":
    sys.exit(main())
