"""Regular expressions as ops: does a text match as a whole, and what becomes of its matches.

    RegexFullMatch    pattern a tensor      StaticRegexFullMatch    pattern an attribute
    RegexReplace      \\0 to \\9 in the rewrite stand for the match and its groups

A match is the leftmost; after it the search goes on behind it, and an empty match right there does not count.

Next: ops/unicode_scripts.py.
"""

from __future__ import annotations

import re

import numpy as np

from refflow.core import shapes
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.re2 import bytes_of, compiled, text_of
from refflow.ops.strings import each

FULL_MATCH = define_op("RegexFullMatch", "input: string[...S], pattern: string -> output: bool[...S]", source=("W06",))
STATIC_FULL_MATCH = define_op("StaticRegexFullMatch", "input: string[...S] -> output: bool[...S]",
                              pattern=Attr("string"), source=("W06",))  # fmt: skip
REPLACE = define_op("RegexReplace", "input: string[...S], pattern: string, rewrite: string -> output: string[...S]",
                    replace_global=True, source=("W06",))  # fmt: skip
STATIC_REPLACE = define_op(
    "StaticRegexReplace", "input: string[...S] -> output: string[...S]", pattern=Attr("string"),
    rewrite=Attr("string"), replace_global=True, source=("W06",),
)  # fmt: skip
FULL_MATCH.no_gradient_registered()
STATIC_FULL_MATCH.no_gradient_registered()
REPLACE.no_gradient()
STATIC_REPLACE.no_gradient_registered()


@FULL_MATCH.shape
@REPLACE.shape
def _with_scalars(context: ShapeContext) -> shapes.Shape:
    for name, dims in zip(("Pattern", "Rewrite"), context.inputs[1:], strict=False):
        if dims:
            raise ShapeError(f"{name} must be scalar, but received {shapes.text(dims)}")
    return context.inputs[0]


def _full_match(texts: np.ndarray, pattern: bytes) -> np.ndarray:
    expression = compiled(pattern)
    found = (expression.fullmatch(text_of(text)) is not None for text in texts.reshape(-1))
    return np.fromiter(found, np.bool_, texts.size).reshape(texts.shape)


@FULL_MATCH.kernel
def regex_full_match_kernel(input, pattern):
    return _full_match(input, pattern.item())


@STATIC_FULL_MATCH.kernel
def static_regex_full_match_kernel(input, pattern):
    return _full_match(input, pattern.encode())


def _replace(texts: np.ndarray, pattern: bytes, rewrite: bytes, everywhere: bool) -> np.ndarray:
    expression, parts = compiled(pattern), rewrite_parts(text_of(rewrite))
    if any(isinstance(part, int) and part > expression.groups for part in parts):
        return texts  # a group that the pattern does not have: nothing is replaced
    if parts and parts[-1] is None and not everywhere:
        return texts
    return each(lambda text: bytes_of(substitute(expression, parts, text_of(text), everywhere)), texts)


@REPLACE.kernel
def regex_replace_kernel(input, pattern, rewrite, replace_global):
    return _replace(input, pattern.item(), rewrite.item(), replace_global)


@STATIC_REPLACE.kernel
def static_regex_replace_kernel(input, pattern, rewrite, replace_global):
    return _replace(input, pattern.encode(), rewrite.encode(), replace_global)


def rewrite_parts(rewrite: str) -> list[str | int | None]:
    r"""Literal text and group numbers; a last None where a backslash is followed by neither a digit nor another.

    >>> rewrite_parts(r"<\1\\>")
    ['<', 1, '\\>']
    """
    parts: list[str | int | None] = []
    at, literal = 0, ""
    while at < len(rewrite):
        char = rewrite[at]
        after = rewrite[at + 1 : at + 2]
        at += 2 if char == "\\" else 1
        if char != "\\" or after == "\\":
            literal += char
        else:
            parts += [literal] if literal else []
            literal = ""
            parts.append(int(after) if after.isascii() and after.isdigit() else None)
            if parts[-1] is None:
                break
    return parts + ([literal] if literal else [])


def substitute(expression: re.Pattern[str], parts: list[str | int | None], text: str, everywhere: bool) -> str:
    """Matches from left to right, replaced; an empty one right after another match does not count."""
    out, at, last = [], 0, -1
    while at <= len(text):
        match = expression.search(text, at)
        if match is None:
            break
        start, end = match.span()
        if start == end == last:
            out.append(text[at : at + 1])
            at += 1
            continue
        out.append(text[at:start])
        out += [(match[p] or "") if isinstance(p, int) else p or "" for p in parts]
        at = last = end
        if not everywhere:
            break
    return "".join(out) + text[at:]


FULL_MATCH.case("W06", "the whole text", input=[b"ab", b"abc", b"xab"], pattern=b"a[b]", output=[True, False, False])
FULL_MATCH.case("W06", "RE2's language", input=[b"a"], pattern=b"a(?=b)", error="Invalid pattern: a(?=b), error")
STATIC_FULL_MATCH.case("W06", "of each text", input=[b"12", "é".encode()], pattern=r"\d+|.", output=[True, True])
REPLACE.case("W06", "groups", input=[b"ab12"], pattern=b"([a-z])(\\d)", rewrite=b"\\2<\\1>\\\\",
             output=[b"a1<b>\\2"])  # fmt: skip
REPLACE.case("W06", "empty matches count once", input=[b"baac"], pattern=b"a*", rewrite=b"-", output=[b"-b-c-"])
STATIC_REPLACE.case("W06", "the first match only", input=[b"banana"], pattern="an", rewrite="AN",
                    replace_global=False, output=[b"bANana"])  # fmt: skip
