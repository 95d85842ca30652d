"""Regular expressions as RE2 reads them, carried out by Python's re.

The two languages share most of their words. What differs is translated, one construct at a time:

    \\d \\w \\s \\b         ASCII only                  ^ $      text ends, unless (?m)
    (?i) (?s) (?m) (?U)  from there to the group's end   \\z  \\C  \\pL  \\Q...\\E  [[:alpha:]]
    no look-around, no references back, no possessive repetition: those patterns are invalid

Text is UTF-8. A byte that belongs to no character is carried as a lone surrogate, which no pattern but \\C matches.

Next: ops/regex.py.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import lru_cache

from refflow.ops.unicode_scripts import script_ranges

_STRAY = r"\udc80-\udcff"  # bytes that are not UTF-8
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r "}
_NAMED_CLASSES = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ", "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\x0b\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_MOST = 1000  # the largest repetition count


class _Translator:
    """One pass over a pattern, left to right; `flags` are those in force, saved at every group."""

    def __init__(self, pattern: str):
        self.pattern, self.at = pattern, 0
        self.flags: frozenset[str] = frozenset()

    def fail(self, reason: str, part: str) -> ValueError:
        return ValueError(f"{reason}: {part}")

    def rest(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def translate(self) -> str:
        out = self.alternatives()
        if self.at < len(self.pattern):
            raise self.fail("unexpected )", self.pattern)
        return out

    def alternatives(self) -> str:
        """Up to the end of the group: atoms with their repetitions."""
        out, saved = "", self.flags
        while self.at < len(self.pattern) and not self.rest(")"):
            if self.rest("|"):
                out, self.at = out + "|", self.at + 1
                continue
            atom = self.atom()
            out += self.repeated(atom)
        self.flags = saved
        return out

    def repeated(self, atom: str) -> str:
        first = self.at
        mark = self.repetition()
        if mark is None:
            return atom
        if atom == "":
            return ""
        lazy = self.rest("?")
        self.at += lazy
        after = self.at
        again = self.repetition()
        if again is not None:
            raise self.fail("bad repetition operator", self.pattern[first : self.at] if after else "")
        swap = "U" in self.flags
        return f"(?:{atom}){mark}" + ("?" if lazy != swap else "")

    def repetition(self) -> str | None:
        """*, +, ?, {n}, {n,} or {n,m} at this place."""
        if self.at >= len(self.pattern):
            return None
        if self.pattern[self.at] in "*+?":
            self.at += 1
            return self.pattern[self.at - 1]
        match = _REPEAT.match(self.pattern, self.at)
        if match is None:
            return None
        low, high = int(match[1]), int(match[2] or match[1])
        if low > _MOST or high > _MOST or high < low:
            raise self.fail("invalid repetition size", match[0])
        self.at = match.end()
        return match[0]

    def atom(self) -> str:
        char = self.pattern[self.at]
        if char in "*+?" or _REPEAT.match(self.pattern, self.at):
            first = self.at
            self.repetition()
            raise self.fail("no argument for repetition operator", self.pattern[first : self.at])
        self.at += 1
        if char == "(":
            return self.group()
        if char == "[":
            return self.cased(self.bracket())
        if char == ".":
            return f"[^{_STRAY}]" if "s" in self.flags else rf"[^\n{_STRAY}]"
        if char == "^":
            return "(?m:^)" if "m" in self.flags else r"\A"
        if char == "$":
            return r"(?=\n|\Z)" if "m" in self.flags else r"\Z"
        if char == "\\":
            return self.escape()
        return self.cased(re.escape(char))

    def cased(self, atom: str) -> str:
        return f"(?i:{atom})" if "i" in self.flags else atom

    def group(self) -> str:
        if not self.rest("?"):
            return self.closed("(", self.flags)
        match = re.compile(r"\?P<(\w+)>").match(self.pattern, self.at)
        if match:
            self.at = match.end()
            return self.closed(f"(?P<{match[1]}>", self.flags)
        match = re.compile(r"\?([imsU]*)(-[imsU]+)?([:)])").match(self.pattern, self.at)
        if not match or match[0] == "?)":
            word = re.compile(r"\?(?:P.?|[imsU-]*.?)").match(self.pattern, self.at)
            shown = "(" + (word[0] if word else "?")
            raise self.fail("invalid perl operator", shown if shown[:3] != "(?P" else "(?P")
        self.at = match.end()
        flags = (self.flags | set(match[1])) - set(match[2] or "")
        if match[3] == ":":
            return self.closed("(?:", flags)
        self.flags = flags
        return ""

    def closed(self, opening: str, flags: frozenset[str]) -> str:
        saved, self.flags = self.flags, flags
        inner = self.alternatives()
        if not self.rest(")"):
            raise self.fail("missing )", self.pattern)
        self.at += 1
        self.flags = saved
        return f"{opening}{inner})"

    def escape(self) -> str:
        """What a backslash outside brackets means."""
        if self.at >= len(self.pattern):
            raise self.fail("trailing \\", "at end of regular expression")
        char = self.pattern[self.at]
        if char == "Q":
            end = self.pattern.find("\\E", self.at)
            text = self.pattern[self.at + 1 : end if end >= 0 else None]
            self.at = end + 2 if end >= 0 else len(self.pattern)
            return "".join(self.cased(re.escape(c)) for c in text)
        if char in "AzbBC":
            self.at += 1
            return {"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?a:\B)", "C": r"(?s:.)"}[char]
        inside = self.class_escape()
        if inside is not None:
            negated, members = inside
            return self.cased(f"[^{members}{_STRAY}]" if negated else f"[{members}]")
        return self.cased(self.literal_escape())

    def class_escape(self) -> tuple[bool, str] | None:
        r"""\d, \pL and their like at this place: whether they are negated, and the class."""
        char = self.pattern[self.at]
        if char.lower() in _CLASSES:
            self.at += 1
            return char.isupper(), _CLASSES[char.lower()]
        if char not in "pP":
            return None
        match = re.compile(r"[pP](?:\{(\^?)(\w+)\}|(\w))").match(self.pattern, self.at)
        if match is None:
            raise self.fail("invalid character class range", "\\" + self.pattern[self.at :])
        self.at = match.end()
        members = _property(match[2] or match[3])
        if members is None:
            raise self.fail("invalid character class range", "\\" + match[0])
        return (char == "P") != bool(match[1]), members

    def literal_escape(self) -> str:
        r"""\n, \x41, \x{41}, \101, \. at this place."""
        match = re.compile(r"x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|(0[0-7]{0,2}|[1-7][0-7]{2})").match(
            self.pattern, self.at
        )
        if match:
            self.at = match.end()
            code = int(match[1] or match[2], 16) if match[1] or match[2] else int(match[3], 8)
            if code > sys.maxunicode:
                raise self.fail("invalid escape sequence", "\\" + match[0])
            return re.escape(chr(code))
        char = self.pattern[self.at]
        self.at += 1
        if char in "afnrtv":
            return {"a": r"\x07", "v": r"\x0b"}.get(char, "\\" + char)
        if char.isalnum() or ord(char) > 127:
            raise self.fail("invalid escape sequence", "\\" + char)
        return re.escape(char)

    def bracket(self) -> str:
        """A character class, the opening bracket already read."""
        start = self.at - 1
        negated = self.rest("^")
        self.at += negated
        out, first = "", True
        while first or not self.rest("]"):
            if self.at >= len(self.pattern):
                raise self.fail("missing ]", self.pattern[start:])
            first = False
            out += self.member(start)
        self.at += 1
        return f"[^{out}{_STRAY}]" if negated else f"[{out}]"

    def member(self, start: int) -> str:
        """A named class, a range or a character."""
        match = re.compile(r"\[:(\^?)(\w+):\]").match(self.pattern, self.at)
        if match:
            if match[2] not in _NAMED_CLASSES:
                raise self.fail("invalid character class range", match[0])
            self.at = match.end()
            return _complement(_NAMED_CLASSES[match[2]]) if match[1] else _NAMED_CLASSES[match[2]]
        low = self.bracket_character()
        if low[0] is None:
            return low[1]
        if self.rest("-") and not self.pattern.startswith("-]", self.at) and self.at + 1 < len(self.pattern):
            first, self.at = self.at, self.at + 1
            high = self.bracket_character()
            if high[0] is None or high[0] < low[0]:
                raise self.fail("invalid character class range", self.pattern[first - 1 : self.at])
            return f"{low[1]}-{high[1]}"
        return low[1]

    def bracket_character(self) -> tuple[str | None, str]:
        """A character and how it is written in a class; None and a class for \\d and its like."""
        char = self.pattern[self.at]
        self.at += 1
        if char != "\\":
            return char, re.escape(char)
        if self.at >= len(self.pattern):
            raise self.fail("trailing \\", "at end of regular expression")
        inside = self.class_escape()
        if inside is not None:
            negated, members = inside
            return None, _complement(members) if negated else members
        text = self.literal_escape()
        named = {r"\x07": "\a", r"\x0b": "\v", r"\f": "\f", r"\n": "\n", r"\r": "\r", r"\t": "\t"}
        return named.get(text, text[-1]), text


def _ranges(wanted: re.Pattern[str] | None = None, category: str = "") -> str:
    """The characters that a class does not hold, or those of a Unicode category, as ranges of a class."""
    out, start = [], None
    for code in range(sys.maxunicode + 2):
        here = code <= sys.maxunicode and not 0xD800 <= code < 0xE000
        if here:
            char = chr(code)
            here = not wanted.match(char) if wanted else unicodedata.category(char).startswith(category)
        if here and start is None:
            start = code
        elif not here and start is not None:
            out.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    return "".join(out)


@lru_cache(maxsize=64)
def _complement(members: str) -> str:
    return _ranges(re.compile(f"[{members}]"))


@lru_cache(maxsize=64)
def _property(name: str) -> str | None:
    """The characters of a general category or of a script; None for a name that is neither."""
    if name == "Any":
        return r"\U00000000-\U0000d7ff\U0000e000-\U0010ffff"
    if name in "CLMNPSZ" or (len(name) == 2 and name[0] in "CLMNPSZ" and name[1].islower()):
        return _ranges(category=name) or None
    found = script_ranges(name)
    return None if found is None else "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in found)


@lru_cache(maxsize=256)
def compiled(pattern: bytes) -> re.Pattern[str]:
    """RE2's `pattern` for Python's re, over text decoded by `text_of`; ValueError where RE2 takes it for invalid.

    >>> compiled(b"^[[:alpha:]]+$").fullmatch("ab") is not None
    True
    """
    text = text_of(pattern)
    try:
        return re.compile(_Translator(text).translate())
    except (ValueError, re.error) as error:
        raise ValueError(f"Invalid pattern: {text}, error: {error}") from None


def text_of(data: bytes) -> str:
    """UTF-8 text; stray bytes as lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The inverse of `text_of`."""
    return text.encode("utf-8", "surrogateescape")
