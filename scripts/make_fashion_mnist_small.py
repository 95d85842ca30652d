"""Makes the subset of Fashion-MNIST that the package carries.

    python scripts/make_fashion_mnist_small.py [--path FOLDER] [--output FILE]

Run it where refflow can be imported. It reads the four published files, checks them, takes as many pictures
from the front of each as SMALL in refflow/data/fashion_mnist.py states, and packs four IDX arrays, one after
another, with xz. The same liblzma packs the same content to the same bytes; another may pack it otherwise, and
the loader checks the content.
"""

from __future__ import annotations

import argparse
import hashlib
import lzma
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from refflow.data.fashion_mnist import EMBEDDED, LABELS, SMALL, FashionMnist, cut, fashion_mnist
from refflow.data.idx import format_idx


def pack(contents: Sequence[bytes]) -> bytes:
    """The IDX files in one xz file. xz is an eighth smaller here than deflate, what .npz uses."""
    return lzma.compress(b"".join(contents), preset=9 | lzma.PRESET_EXTREME)


def report(data: FashionMnist, contents: Sequence[bytes]) -> str:
    """How many pictures there are of each class, and the checksums that SMALL must state."""
    train = np.bincount(data.train_labels, minlength=len(LABELS))
    test = np.bincount(data.test_labels, minlength=len(LABELS))
    lines = [f"{'label':<15}{'training':>9}{'test':>6}"]
    lines += [f"{i} {name:<13}{train[i]:>9}{test[i]:>6}" for i, name in enumerate(LABELS)]
    lines += [f"{'all':<15}{train.sum():>9}{test.sum():>6}", ""]
    for part, content in zip(SMALL, contents, strict=True):
        digest = hashlib.sha256(content).hexdigest()
        verdict = "as SMALL states" if digest == part.sha256 else "NOT what SMALL states"
        lines.append(f"{part.name:<24}{digest}  {verdict}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make the subset of Fashion-MNIST that the package carries.")
    parser.add_argument("--path", metavar="FOLDER", help="with the four .gz files (default: look for them)")
    parser.add_argument("--output", metavar="FILE", type=Path, default=EMBEDDED)
    options = parser.parse_args(arguments)

    data = cut(fashion_mnist(options.path), SMALL)
    contents = [format_idx(array) for array in data.arrays]
    packed = pack(contents)
    options.output.write_bytes(packed)
    print(f"{data.source}\n\n{report(data, contents)}\n\n{options.output}: {len(packed)} bytes")


if __name__ == "__main__":
    main()
