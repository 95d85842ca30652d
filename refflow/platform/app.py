"""The end of every script of the first release: parse the flags, call main, leave with its result.

    if __name__ == "__main__":
        tf.app.run()

Next: platform/flags.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from refflow.platform import flags


def run(main: Callable[[list[str]], Any] | None = None, argv: Sequence[str] | None = None) -> NoReturn:
    """Calls `main` (that of the script, unless given) with what is left of `argv` after the flags, and exits."""
    given = list(sys.argv if argv is None else argv)
    rest = flags.FLAGS.parse(given[1:])
    function = main or sys.modules["__main__"].main
    sys.exit(function([*given[:1], *rest]))
