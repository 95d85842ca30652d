"""The ledger: which sentence of the documents is held by which code and which test.

spec/clauses/*.md has one numbered sentence a line:

    - **W36** done (§4.2): Execution starts from what is asked for and walks back; nothing else runs.

Code and tests carry the numbers, in square brackets in comments and docstrings, or as plain strings on an op's page
(`source=("S18",)`, `.case("S18.1", ...)`). A case is a test: the generic tests run every one. S18.1 also counts for
S18. `check` finds what does not fit, `write_trace` writes spec/trace.md, `why` answers for one clause.

Next: spec/README.md.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

STATUSES = ("done", "planned", "context", "deviation")
_ID = r"[SWODE]\d\d[a-z]?(?:\.\d+)?"
_LINE = re.compile(rf"- \*\*(?P<id>{_ID})\*\* (?P<status>\w+)(?: \((?P<section>[^)]*)\))?: (?P<text>\S.*)")
_BRACKETS = re.compile(rf"\[({_ID}(?:\s*[,/]\s*{_ID})*)\]")
_QUOTED = re.compile(rf"""["']({_ID})["']""")
_CASE = re.compile(rf"""\.case\(\s*["']({_ID})["']""")
_TEST = re.compile(r"^\s*def (test_\w+)")


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
    """Where a clause's number occurs."""

    code: list[tuple[Path, int, str]] = field(default_factory=list)
    tests: list[tuple[Path, int, str]] = field(default_factory=list)  # the text is the test's name


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
    """Each line that begins like a clause: the clause, or None and what is wrong."""
    order = {"deck": 0, "whitepaper": 1, "osdi16": 2, "distbelief": 3, "errata": 4}
    for file in sorted((spec / "clauses").glob("*.md"), key=lambda f: (order.get(f.stem, 9), f.stem)):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if not line.startswith("- "):
                continue
            match = _LINE.fullmatch(line)
            if match is None or match["status"] not in STATUSES:
                yield None, f"{file.name}:{number}: not of the form '- **ID** status (section): sentence': {line[:60]}"
            else:
                yield Clause(match["id"], match["status"], match["text"], match["section"] or "", file.stem), ""


def _parents(clause_id: str) -> list[str]:
    """The number itself, and the clause it is a part of."""
    return [clause_id, clause_id.split(".")[0]] if "." in clause_id else [clause_id]


def scan(root: Path) -> dict[str, Places]:
    """Every number that code or tests carry, and where."""
    found: dict[str, Places] = {}
    for folder in ("refflow", "refflow_kernels"):
        for path in sorted((root / folder).rglob("*.py")):
            if path.name != "ledger.py":
                _scan_code(path, found)
    for folder in ("tests", "tutorials"):
        for path in sorted((root / folder).rglob("*.py")):
            if path.name != "test_ledger.py":
                _scan_tests(path, found)
    return found


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _bracketed(line: str) -> list[str]:
    return [i for group in _BRACKETS.findall(line) for i in re.findall(_ID, group)]


def _scan_code(path: Path, found: dict[str, Places]) -> None:
    for number, line in enumerate(_lines(path), 1):
        cases = _CASE.findall(line)
        for clause_id in dict.fromkeys(_bracketed(line) + _QUOTED.findall(line)):
            for each in _parents(clause_id):
                places = found.setdefault(each, Places())
                places.code.append((path, number, line.strip()))
                if clause_id in cases:
                    places.tests.append((path, number, "cases"))


def _scan_tests(path: Path, found: dict[str, Places]) -> None:
    name = path.stem
    for number, line in enumerate(_lines(path), 1):
        match = _TEST.match(line)
        name = match[1] if match else name
        for clause_id in dict.fromkeys(_bracketed(line)):
            for each in _parents(clause_id):
                found.setdefault(each, Places()).tests.append((path, number, name))


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
        code = dict.fromkeys(_short(path, root) for path, _, _ in where.code)
        tests = dict.fromkeys(f"{_short(path, root)}::{name}" for path, _, name in where.tests)
        lines.append(f"| {clause.id} | {clause.status} | {_cell(code)} | {_cell(tests)} |")
    return "\n".join(lines) + "\n"


def _short(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _cell(items: dict[str, None], most: int = 6) -> str:
    names = list(items)
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


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
    """A clause with its code and its tests, as text."""
    root = root or root_dir()
    known = clauses(root / "spec" if (root / "spec").is_dir() else spec_dir())
    clause = known.get(clause_id)
    if clause is None:
        near = ", ".join(difflib.get_close_matches(clause_id, known, n=4, cutoff=0.5))
        hint = f" Near it: {near}." if near else ""
        raise LookupError(f"no clause is called {clause_id!r}.{hint} They are listed in spec/clauses")
    where = scan(root).get(clause_id, Places())
    place = f"{clause.document} {clause.section}".strip()
    lines = [f"{clause.id}  {clause.status}  ({place})", f"  {clause.text}", "", "code"]
    lines += [f"  {_short(path, root)}:{number}  {text}" for path, number, text in where.code] or ["  none"]
    tests = dict.fromkeys(f"  {_short(path, root)}::{name}" for path, _, name in where.tests)
    # An installed package comes without tests/.
    missing = "  none" if (root / "tests").is_dir() else "  (the tests are in the source tree)"
    return "\n".join([*lines, "", "tests", *(tests or [missing])])


def main() -> int:
    """Writes spec/trace.md and says what does not fit."""
    root = root_dir()
    if not (root / "spec" / "clauses").is_dir():
        print("refflow.ledger works on a source tree: spec/clauses is not there", file=sys.stderr)
        return 1
    write_trace(root)
    problems = check(root)
    print("\n".join(problems) or f"{len(clauses(root / 'spec'))} clauses, nothing to mend")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
