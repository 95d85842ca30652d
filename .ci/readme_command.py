"""Prints one of the README's commands: the line in the code block behind `<!-- NAME -->`."""

import re
import sys
from pathlib import Path


def command(name: str) -> str:
    """The one line that the README gives under that name."""
    text = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    found = re.findall(rf"<!-- {name} -->\n```sh\n([^\n]+)\n```\n", text)
    if len(found) != 1:
        raise SystemExit(f"README.md must have one command marked <!-- {name} -->, found {len(found)}")
    return found[0]


if __name__ == "__main__":
    print(command(sys.argv[1]))
