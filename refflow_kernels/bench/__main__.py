"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m refflow_kernels.bench", description="Triton's kernels, torch's beside"
    )
    parser.add_argument("--out", metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--only", metavar="TEXT", default="", help="only the cases with TEXT in their label")
    parser.add_argument("--dry-run", action="store_true", help="small sizes under the interpreter, without a card")
    options = parser.parse_args(arguments)
    if options.dry_run:
        os.environ["TRITON_INTERPRET"] = "1"
        from refflow_kernels.interpreter import InterpretedCard

        card: Any = InterpretedCard()
        facts: dict[str, Any] = {"device": "none: Triton's interpreter"}
    else:
        from refflow_kernels.bench.card import Card

        try:
            card = Card()
        except (ImportError, RuntimeError) as missing:
            print(f"this needs torch and a CUDA card ({missing}); --dry-run needs neither", file=sys.stderr)
            return 1
        facts = {"device": card.name, "torch": card.torch.__version__}
    import triton

    from refflow_kernels.bench.measure import run

    facts |= {"triton": triton.__version__, "numpy": np.__version__, "python": platform.python_version()}
    rows = run(card, options.only, options.dry_run)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump({**facts, "rows": rows}, file, indent=1)
    wrong = [row["case"] for row in rows if row["wrong"]]
    if wrong:
        print(f"not within the bound of float64: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
