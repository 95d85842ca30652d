"""The ledger: which sentence of the documents is held by which code and which test.

spec/clauses/*.md has one numbered sentence a line:

    - **W36** done (§4.2): Execution starts from what is asked for and walks back; nothing else runs.

Code and tests carry the numbers, in square brackets in comments and docstrings, or as plain strings on an op's page
(`source=("S18",)`, `.case("S18.1", ...)`). A case is a test: the generic tests run every one. S18.1 also counts for
S18. `check` finds what does not fit, `write_trace` writes spec/trace.md, `why` answers for one clause.

Next: spec/README.md.
"""

from __future__ import annotations

import ast
import difflib
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

STATUSES = ("done", "planned", "context", "deviation")
CODE, TESTS = ("refflow", "refflow_kernels"), ("tests", "tutorials")
# This page shows numbers as examples, and its test invents some.
_SKIPPED = ("refflow/ledger.py", "tests/test_ledger.py")

_ID = r"[SWODE]\d\d[a-z]?(?:\.\d+)?"
_LINE = re.compile(rf"- \*\*(?P<id>{_ID})\*\* (?P<status>\w+)(?: \((?P<section>[^)]*)\))?: (?P<text>\S.*\.)")
_LIKE_A_LINE = re.compile(r"\s*[-*+]\s|.*\*\*[A-Z]\d")
_BRACKETS = re.compile(rf"(?<![\w)])\[({_ID}(?:\s*[,/]\s*{_ID})*)\]")  # x[S10] and f(x)[S10] are indexing
_QUOTED = re.compile(rf"""(?<!type[(=])["']({_ID})["']""")  # dtype("S10") is NumPy's string of ten bytes
_CASE = re.compile(rf"""\.case\(\s*["']({_ID})["']""")


class UnknownClauseError(LookupError):
    """No clause has this number."""


@dataclass(frozen=True)
class Clause:
    """One sentence: its number, its status, where it stands, what it says."""

    id: str
    status: str
    text: str
    section: str
    document: str


@dataclass
class Places:
    """Where a clause's number occurs: file, line, and there the line's text or the test's name."""

    code: list[tuple[Path, int, str]] = field(default_factory=list)
    tests: list[tuple[Path, int, str]] = field(default_factory=list)  # the name is empty for a whole file


# -- the sentences -----------------------------------------------------------------------------------------


def package_dir() -> Path:
    return Path(__file__).resolve().parent


def root_dir() -> Path:
    """The folder that holds refflow/, and in a checkout spec/ and tests/."""
    return package_dir().parent


def spec_dir() -> Path:
    """spec/ inside the installed package, or at the top of a checkout."""
    inside = package_dir() / "spec"
    return inside if inside.is_dir() else root_dir() / "spec"


def clauses(spec: Path | None = None) -> dict[str, Clause]:
    """Every clause by its number, in the order of the documents."""
    found: dict[str, Clause] = {}
    for clause, _ in _read(spec or spec_dir()):
        if clause is not None:
            found.setdefault(clause.id, clause)
    return found


def _read(spec: Path) -> Iterator[tuple[Clause | None, str]]:
    """Each line that looks like a clause: the clause, or None and what is wrong."""
    order = {"deck": 0, "whitepaper": 1, "osdi16": 2, "distbelief": 3, "errata": 4}
    for file in sorted((spec / "clauses").glob("*.md"), key=lambda f: (order.get(f.stem, 9), f.stem)):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            match = _LINE.fullmatch(line)
            if match is not None and match["status"] in STATUSES:
                yield Clause(match["id"], match["status"], match["text"], match["section"] or "", file.stem), ""
            elif match is not None or _LIKE_A_LINE.match(line):
                form = f"'- **ID** status (section): sentence.' with a status of {', '.join(STATUSES)}"
                yield None, f"{file.name}:{number}: not of the form {form}: {line[:60]}"


# -- the places --------------------------------------------------------------------------------------------


def scan(root: Path) -> dict[str, Places]:
    """Every number that code or tests carry, and where. An installed package has no tests beside it."""
    found: dict[str, Places] = {}
    for path in _sources(root, CODE):
        _scan_code(path, path.read_text(encoding="utf-8"), found)
    for path in _sources(root, TESTS if _is_source_tree(root) else ()):
        _scan_tests(path, path.read_text(encoding="utf-8"), found)
    return found


def _is_source_tree(root: Path) -> bool:
    return (root / "spec" / "clauses").is_dir()


def _sources(root: Path, folders: Iterable[str]) -> Iterator[Path]:
    for folder in folders:
        yield from (p for p in sorted((root / folder).rglob("*.py")) if _short(p, root) not in _SKIPPED)


def _scan_code(path: Path, text: str, found: dict[str, Places]) -> None:
    lines = text.splitlines()
    for number, clause_id in sorted([*_numbers(_BRACKETS, text), *_numbers(_QUOTED, text)]):
        _note(_places(found, clause_id).code, (path, number, lines[number - 1].strip()))
    for number, clause_id in _numbers(_CASE, text):
        _note(_places(found, clause_id).tests, (path, number, "cases"))


def _scan_tests(path: Path, text: str, found: dict[str, Places]) -> None:
    spans = list(_test_functions(path, text))
    for number, clause_id in _numbers(_BRACKETS, text):
        name = next((name for first, last, name in spans if first <= number <= last), "")
        _note(_places(found, clause_id).tests, (path, number, name))


def _numbers(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    """Line and number for each clause that the pattern finds, and for the clause that it is a part of."""
    for match in pattern.finditer(text):
        line = text.count("\n", 0, match.start(1)) + 1
        for clause_id in re.findall(_ID, match[1]):
            yield from dict.fromkeys([(line, clause_id), (line, clause_id.split(".")[0])])


def _test_functions(path: Path, text: str) -> Iterator[tuple[int, int, str]]:
    """First line, last line and name of each test, with its decorators and the comment directly above it."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(part.lineno for part in node.decorator_list)])
            while first > 1 and lines[first - 2].lstrip().startswith("#"):
                first -= 1
            yield first, node.end_lineno or node.lineno, node.name


def _places(found: dict[str, Places], clause_id: str) -> Places:
    return found.setdefault(clause_id, Places())


def _note(places: list[tuple[Path, int, str]], place: tuple[Path, int, str]) -> None:
    if place not in places:
        places.append(place)


# -- what is made of them ----------------------------------------------------------------------------------


def trace(root: Path) -> str:
    """The text of spec/trace.md."""
    places = scan(root)
    lines = [
        "# Clauses, code and tests",
        "",
        "Generated by `python -m refflow.ledger`. A test fails when this page is stale.",
        "",
        "| clause | status | code | tests |",
        "| --- | --- | --- | --- |",
    ]
    for clause in clauses(root / "spec").values():
        where = places.get(clause.id, Places())
        code = [_short(path, root) for path, _, _ in where.code]
        tests = [_test(path, name, root) for path, _, name in where.tests]
        lines.append(f"| {clause.id} | {clause.status} | {', '.join(_first(code))} | {', '.join(_first(tests))} |")
    return "\n".join(lines) + "\n"


def _short(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _test(path: Path, name: str, root: Path) -> str:
    return f"{_short(path, root)}::{name}" if name else _short(path, root)


def _first(items: Iterable[str], most: int = 6) -> list[str]:
    """The first few different items, and how many more there are."""
    names = list(dict.fromkeys(items))
    return names[:most] + ([f"and {len(names) - most} more"] if len(names) > most else [])


def write_trace(root: Path) -> None:
    (root / "spec" / "trace.md").write_text(trace(root), encoding="utf-8")


def check(root: Path) -> list[str]:
    """What does not fit; an empty list when all is well."""
    problems = [wrong for clause, wrong in _read(root / "spec") if clause is None]
    numbers = [clause.id for clause, _ in _read(root / "spec") if clause is not None]
    problems += [f"{i} stands twice in spec/clauses" for i in dict.fromkeys(numbers) if numbers.count(i) > 1]
    known, places = clauses(root / "spec"), scan(root)
    for clause_id, where in places.items():
        if clause_id not in known:
            path, number, _ = (where.code + where.tests)[0]
            problems.append(f"{_short(path, root)}:{number}: no clause is called {clause_id}")
    for clause in known.values():
        where = places.get(clause.id, Places())
        if clause.status == "done" and not where.code:
            problems.append(f"{clause.id} is done, but no code carries it")
        if clause.status == "done" and not where.tests:
            problems.append(f"{clause.id} is done, but no test carries it")
    kept = root / "spec" / "trace.md"
    if not kept.is_file() or kept.read_text(encoding="utf-8") != trace(root):
        problems.append("spec/trace.md is stale: run python -m refflow.ledger")
    return problems


def why(clause_id: str, root: Path | None = None) -> str:
    """A clause with its parts, its code and its tests, as text; or, for words, the clauses that have them."""
    root = root or root_dir()
    known = clauses(root / "spec" if _is_source_tree(root) else spec_dir())
    clause = known.get(clause_id)
    if clause is None and (found := _speaking_of(clause_id, known.values())):
        return "\n".join(f"{c.id}  {c.status}  {c.text}" for c in found)
    if clause is None:
        near = ", ".join(difflib.get_close_matches(clause_id.capitalize(), known, n=4, cutoff=0.5))
        hint = f" Near it: {near}." if near else ""
        raise UnknownClauseError(f"no clause is called {clause_id!r}.{hint} They are listed in spec/clauses")
    where = scan(root).get(clause_id, Places())
    place = f"{clause.document} {clause.section}".strip()
    parts = [f"  {c.id}  {c.status}  {c.text}" for c in known.values() if c.id.startswith(f"{clause_id}.")]
    code = _first((f"{_short(path, root)}:{number}  {text[:120]}" for path, number, text in where.code), 20)
    tests = _first((_test(path, name, root) for path, _, name in where.tests), 20)
    absent = "none" if _is_source_tree(root) else "(the tests are in the source tree)"
    lines = [f"{clause.id}  {clause.status}  ({place})", f"  {clause.text}", *parts]
    lines += ["", "code", *(f"  {line}" for line in code or ["none"])]
    lines += ["", "tests", *(f"  {line}" for line in tests or [absent])]
    return "\n".join(lines)


def _speaking_of(words: str, among: Iterable[Clause]) -> list[Clause]:
    """The clauses with all of these words in them, whatever their case."""
    wanted = words.lower().split()
    return [c for c in among if not re.fullmatch(_ID, words) and all(w in c.text.lower() for w in wanted)]


def main() -> int:
    """Writes spec/trace.md and says what does not fit, and which clauses may have become true unnoticed."""
    root = root_dir()
    if not _is_source_tree(root):
        print("refflow.ledger works on a source tree: spec/clauses is not there", file=sys.stderr)
        return 1
    write_trace(root)
    known, places, problems = clauses(root / "spec"), scan(root), check(root)
    print("\n".join(problems) or f"{len(known)} clauses, nothing to mend")
    begun = [i for i in known if known[i].status == "planned" and i in places and places[i].code and places[i].tests]
    if begun:
        print(f"planned, though code and tests carry them: {', '.join(begun)}")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
