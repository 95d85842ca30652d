"""Command-line flags: each is defined where it is used, and `FLAGS.name` is its value.

    tf.flags.DEFINE_integer("steps", 100, "How many steps to train.")
    ...
    for _ in range(tf.flags.FLAGS.steps): ...          python train.py --steps=20 --noverbose

The command line is parsed by argparse, when a flag is first asked for or when `app.run` starts main. What is no flag
of the program stays for main.

Next: platform/app.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any


class Flags:
    """The values of all flags that are defined, as attributes. Setting one overrides the command line."""

    def __init__(self) -> None:
        vars(self).update(_parser=argparse.ArgumentParser(allow_abbrev=False), _values={}, _parsed=False)

    def define(self, name: str, default: Any, doc: str, **how: Any) -> None:
        """Adds a flag; argparse.ArgumentError where there is one of that name."""
        names = [f"--{name}"] + ([f"--{name.replace('_', '-')}"] if "_" in name else [])
        self._parser.add_argument(*names, dest=name, default=default, help=(doc or "").replace("%", "%%"), **how)
        self._values[name] = default
        vars(self)["_parsed"] = False

    def parse(self, arguments: Sequence[str]) -> list[str]:
        """Takes the flags out of `arguments` and returns the rest; a wrong value ends the program with a message."""
        found, rest = self._parser.parse_known_args(list(arguments))
        self._values.update(vars(found))
        vars(self)["_parsed"] = True
        return rest

    def _parse_flags(self, args: Sequence[str] | None = None) -> None:
        """What programs call that do not leave it to `app.run`."""
        self.parse(sys.argv[1:] if args is None else args)

    def flag_values_dict(self) -> dict[str, Any]:
        """All values by name."""
        if not vars(self)["_parsed"]:
            self._parse_flags()
        return dict(self._values)

    def __getattr__(self, name: str) -> Any:
        if name == "__flags":  # programs of 2016 and 2017 print it
            return self.flag_values_dict()
        if name.startswith("__") or name not in vars(self)["_values"]:
            raise AttributeError(f"no flag is called {name!r}. Defined: {', '.join(sorted(vars(self)['_values']))}")
        if not vars(self)["_parsed"]:
            self.parse(sys.argv[1:])
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        getattr(self, name)  # an error where there is no such flag
        self._values[name] = value


FLAGS = Flags()


def DEFINE_string(name: str, default: str | None, doc: str) -> None:
    """A flag that holds a text."""
    FLAGS.define(name, default, doc, type=str)


def DEFINE_integer(name: str, default: int | None, doc: str) -> None:
    """A flag that holds a whole number."""
    FLAGS.define(name, default, doc, type=int)


def DEFINE_float(name: str, default: float | None, doc: str) -> None:
    """A flag that holds a number."""
    FLAGS.define(name, default, doc, type=float)


def DEFINE_boolean(name: str, default: bool | None, doc: str) -> None:
    """A flag that is on or off: --name, --name=true, --name=false, --noname."""
    FLAGS.define(name, default, doc, type=_truth, nargs="?", const=True)
    FLAGS._parser.add_argument(f"--no{name}", dest=name, action="store_false", default=default)


DEFINE_bool = DEFINE_boolean


def _truth(text: str) -> bool:
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")
