"""A message in text, as bytes on the wire.

    name: value      name: [v, v]      name { ... }      name < ... >      [pkg.extension]: value      # a comment

Next: ops/decode_proto.py.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from refflow.files.descriptors import MESSAGES, Catalog, Field, encoded

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|  # between tokens
    ("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'  # text
    |\[[A-Za-z_]\w*(?:\.\w+)+\]|-?[\w.+]+|[-{}<>:,;\[\]])""",
    re.VERBOSE,
)
_CLOSES = {"{": "}", "<": ">"}


def to_bytes(catalog: Catalog, message: str, text: str) -> bytes:
    """The bytes of a message; ValueError where the text is none of this type."""
    reader = _Reader(catalog, text)
    data = reader.fields(message, "")
    if reader.token:
        raise ValueError(f"{reader.token!r} stands behind the message")
    return data


class _Reader:
    """Where the reading of a text stands: `token` is the next one, "" at its end."""

    def __init__(self, catalog: Catalog, text: str) -> None:
        self.catalog, self.text, self.at = catalog, text, 0
        self.step()

    def step(self) -> str:
        """The present token, and on to the next."""
        before, self.token = getattr(self, "token", ""), ""
        while self.at < len(self.text) and not self.token:
            found = _TOKEN.match(self.text, self.at)
            if found is None:
                raise ValueError(f"{self.text[self.at]!r} at {self.at} begins nothing")
            self.at, self.token = found.end(), found[1] or ""
        return before

    def accept(self, *tokens: str) -> str:
        return self.step() if self.token in tokens else ""

    def fields(self, message: str, closing: str) -> bytes:
        """The fields up to the closing sign, which stays."""
        found: list[tuple[int, bytes]] = []
        while self.token and self.token != closing:
            name = self.step().strip("[]")
            made = self.catalog.find(message, name)
            if made is None:
                raise ValueError(f"{message} has no field {name}")
            colon = self.accept(":")
            if not colon and made.type not in MESSAGES:
                raise ValueError(f"a colon is to follow {name}")
            values = self.values(made)
            if not made.repeated and len(values) != 1:
                raise ValueError(f"{name} takes one value")
            found += [(made.number, encoded(made, values))]
            self.accept(",", ";")
        return b"".join(data for _, data in sorted(found, key=lambda pair: pair[0]))

    def values(self, made: Field) -> list[Any]:
        if not self.accept("["):
            return [self.value(made)]
        found: list[Any] = []
        while not self.accept("]"):
            found.append(self.value(made))
            if not self.accept(",") and self.token != "]":
                raise ValueError(f"a list of {made.name} does not end")
        return found

    def value(self, made: Field) -> Any:
        if made.type in MESSAGES:
            closing = _CLOSES.get(self.step(), "")
            if not closing:
                raise ValueError(f"{made.name} is a message")
            data = self.fields(made.type_name, closing)
            if not self.accept(closing):
                raise ValueError(f"{made.name} does not end")
            return data
        if made.cpp_type == "string":
            parts = []
            while self.token[:1] in ("'", '"'):
                parts.append(unescaped(self.step()[1:-1]))
            if not parts:
                raise ValueError(f"{made.name} is a string")
            return b"".join(parts)
        sign = self.accept("-")
        return number(self.catalog, made, sign + self.step())


def number(catalog: Catalog, made: Field, text: str) -> Any:
    """A number, a truth or a name of an enum, as text has it."""
    if made.cpp_type == "bool":
        if text not in ("true", "false", "True", "False", "t", "f", "1", "0"):
            raise ValueError(f"{text} is neither true nor false")
        return text in ("true", "True", "t", "1")
    if made.cpp_type == "enum":
        names = catalog.enums[made.type_name]
        return names[text] if text in names else int(text)
    if made.cpp_type in ("float", "double"):
        return float(text.rstrip("fF") if not text.lower().endswith("inf") else text)
    return int(text, 0)


def unescaped(text: str) -> bytes:
    r"""The bytes that a quoted text stands for.

    >>> unescaped(r"a\n\001")
    b'a\n\x01'
    """
    bare = text.encode("utf-8").decode("latin-1").replace('"', '\\"').replace('\\\\"', '\\"')
    return ast.literal_eval('b"' + "".join(c if ord(c) < 128 else f"\\x{ord(c):02x}" for c in bare) + '"')
