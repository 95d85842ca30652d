"""Fashion-MNIST: 70,000 pictures of clothes, 28 x 28 grey pixels each, in ten classes.

    train_images  uint8 [60000, 28, 28]   0 is the background
    train_labels  uint8 [60000]           0..9, the place in LABELS
    test_images, test_labels              the same of 10,000 other pictures

By H. Xiao, K. Rasul and R. Vollgraf (arXiv:1708.07747, 2017); the licence is beside this file. Debian has
stripped name and time from the publisher's four .gz files: other bytes, same content. So what is checked is
the SHA-256 of each file's *unpacked* content, one rule for both.

The package carries a subset, the first 10,000 training and the first 2,000 test pictures in published order:
four IDX arrays, one after another, in one xz file. scripts/make_fashion_mnist_small.py makes it.

Next: deck.py.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refflow.data.idx import DataError, gunzip, idx_size, parse_idx

LABELS = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


class Part(NamedTuple):
    """One of the four arrays of the data set."""

    name: str
    shape: tuple[int, ...]
    sha256: str  # of the IDX file, unpacked

    @property
    def filename(self) -> str:
        return self.name + ".gz"


def parts_of(train: int, test: int, *sha256s: str) -> tuple[Part, ...]:
    """The four arrays of a set with so many pictures, in the order of FashionMnist's fields."""
    kinds = (
        ("train-images-idx3-ubyte", (train, 28, 28)),
        ("train-labels-idx1-ubyte", (train,)),
        ("t10k-images-idx3-ubyte", (test, 28, 28)),
        ("t10k-labels-idx1-ubyte", (test,)),
    )
    return tuple(Part(*kind, sha256) for kind, sha256 in zip(kinds, sha256s, strict=True))


FULL = parts_of(
    60_000,
    10_000,
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
)
SMALL = parts_of(
    10_000,
    2_000,
    "ed2e37ed5a3a57d212141a69fe0a0de5a7126ffba14ac3f7e76f5f52cc04b1f0",
    "a69f2dad024ca220a8c4d85f621fdf929042d40c444abde2868903e9220ad517",
    "862035b0a96959b614c9574f4c2b0ae9584ca234813e8d6d7adb7838b12ca46b",
    "aa3f574d30afaf0d4d9da084a6f8541771e20693d6a97fae6e9a4953fca8f078",
)

EMBEDDED = Path(__file__).with_name("fashion_mnist_small.idx.xz")
VARIABLE = "REFFLOW_DATA"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
# The publisher's address. It is plain http; the checksums guard what arrives.
BASE_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"

ADVICE = (
    "Install the four files with `apt install dataset-fashion-mnist`, or name the folder that has them as "
    f"path or in {VARIABLE}, or let fashion_mnist(download=True) fetch them (30 MB); or name no folder and "
    'ask for the subset in this package with fashion_mnist(size="small").'
)


@dataclass(frozen=True, eq=False, repr=False)
class FashionMnist:
    """The pictures and their labels; the arrays are read-only. `source` says where they were read."""

    train_images: NDArray[np.uint8]  # [N, 28, 28]
    train_labels: NDArray[np.uint8]  # [N]  0..9
    test_images: NDArray[np.uint8]  # [M, 28, 28]
    test_labels: NDArray[np.uint8]  # [M]  0..9
    source: str

    @property
    def arrays(self) -> tuple[NDArray[np.uint8], ...]:
        """All four, in order."""
        return self.train_images, self.train_labels, self.test_images, self.test_labels

    def __repr__(self) -> str:
        return f"FashionMnist({len(self.train_labels)} training, {len(self.test_labels)} test, {self.source})"


class DownloadError(OSError):
    """The publisher's address gave no file."""


def fashion_mnist(
    path: str | os.PathLike[str] | None = None, *, size: str = "full", download: bool = False
) -> FashionMnist:
    """The data set, read from the first of these that is there:

        path                the folder with the four .gz files
        REFFLOW_DATA        the same, from the environment
        the folder of the Debian package dataset-fashion-mnist
        the user's cache, $XDG_CACHE_HOME/refflow/fashion-mnist
        the publisher       into that cache, only with download=True

    What the caller named, as path or in REFFLOW_DATA, is used or is an error; nothing else takes its place.

    size="small" is always the same 12,000 pictures, whatever is installed: those that are in the package. Only
    a folder that the caller named comes before them; its four files are checked whole, so the pictures are the
    same even then. The package's subset never stands in for the full set.

    >>> fashion_mnist(size="small").train_images.shape
    (10000, 28, 28)
    """
    if size not in ("full", "small"):
        raise ValueError(f'fashion_mnist: size is {size!r}, but expected "full" or "small".')
    if path is not None:
        folder = _named(path, "path")
    elif os.environ.get(VARIABLE):
        folder = _named(os.environ[VARIABLE], VARIABLE)
    elif size == "small":
        return _embedded(SMALL)
    else:
        folder = _find(download)
    full = load(folder, FULL)
    return full if size == "full" else cut(full, SMALL)


def load(folder: Path, parts: Sequence[Part]) -> FashionMnist:
    """The data set in the folder's four files, each of which must have the content that `parts` states."""
    arrays = []
    for part in parts:
        with open(folder / part.filename, "rb") as packed:
            where = str(folder / part.filename)
            arrays.append(checked(gunzip(packed, idx_size(part.shape), where), part, where))
    return _from_arrays(arrays, str(folder))


def checked(data: bytes, part: Part, where: str) -> NDArray[np.uint8]:
    """The array in an IDX file that must be the stated one, to the byte."""
    array = parse_idx(data, part.shape, where)
    if array.ndim == 1 and array.max() >= len(LABELS):
        at = int(np.argmax(array >= len(LABELS)))
        raise DataError(
            f"{where}: label {at} is {array[at]}, but expected 0..{len(LABELS) - 1}. "
            "Replace it by the published file."
        )
    digest = hashlib.sha256(data).hexdigest()
    if digest != part.sha256:
        raise DataError(
            f"{where}: the unpacked content has SHA-256 {digest}, but expected {part.sha256}. "
            "Replace it by the published file."
        )
    return array


def cut(data: FashionMnist, parts: Sequence[Part]) -> FashionMnist:
    """As many pictures from the front of `data` as `parts` states."""
    firsts = [array[: part.shape[0]] for array, part in zip(data.arrays, parts, strict=True)]
    return _from_arrays(firsts, f"the first {len(firsts[1])} and {len(firsts[3])} of {data.source}")


def fetch(
    folder: Path | None = None,
    parts: Sequence[Part] = FULL,
    *,
    base_url: str = BASE_URL,
    timeout: float = 30,
    patience: float = 900,
) -> Path:
    """The folder, by default the user's cache, once the files that it lacks are downloaded into it.

    A file appears there only whole and checked; one that is there stays.

    timeout: seconds of silence that are borne. patience: seconds that one file may take.
    """
    folder = cache_folder() if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        if (folder / part.filename).is_file():
            continue
        url = base_url.rstrip("/") + "/" + part.filename
        size = idx_size(part.shape)
        packed = _receive(url, size + 4096, timeout, patience)  # gzip adds less than that
        checked(gunzip(io.BytesIO(packed), size, url), part, url)
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            new = Path(unfinished) / part.filename
            new.write_bytes(packed)
            os.replace(new, folder / part.filename)  # one step: nobody ever sees half a file
    return folder


def cache_folder() -> Path:
    """Where downloads are kept: below $XDG_CACHE_HOME, which counts only if absolute, else ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if os.path.isabs(root) else Path.home() / ".cache") / "refflow" / "fashion-mnist"


def _embedded(parts: Sequence[Part]) -> FashionMnist:
    """The subset that is in the package."""
    import lzma  # only here: a few builds of Python lack it

    try:
        with lzma.open(EMBEDDED) as unpacked:
            arrays = [checked(unpacked.read(idx_size(p.shape)), p, f"{p.name} in {EMBEDDED}") for p in parts]
    except (lzma.LZMAError, EOFError) as error:
        raise DataError(
            f"{EMBEDDED}: expected an xz file, but it cannot be unpacked: {error}. Install refflow again."
        ) from error
    return _from_arrays(arrays, "the subset in refflow")


def _from_arrays(arrays: Sequence[NDArray[np.uint8]], source: str) -> FashionMnist:
    train_images, train_labels, test_images, test_labels = arrays
    return FashionMnist(train_images, train_labels, test_images, test_labels, source)


def _lacks(folder: Path) -> str:
    """What is missing in the folder, in words; empty if nothing is."""
    if not folder.is_dir():
        return "is not a folder" if folder.exists() else "does not exist"
    missing = [part.filename for part in FULL if not (folder / part.filename).is_file()]
    return "lacks " + ", ".join(missing) if missing else ""


def _named(path: str | os.PathLike[str], by: str) -> Path:
    """The folder that the caller named, which must have the four files."""
    folder = Path(path).expanduser()
    problem = _lacks(folder)
    if problem:
        raise FileNotFoundError(f"Fashion-MNIST: {folder}, named by {by}, {problem}. {ADVICE}")
    return folder


def _find(download: bool) -> Path:
    """The first of the places that nobody named, or the cache once the files are downloaded."""
    places = (DEBIAN, cache_folder())
    problems = [_lacks(place) for place in places]
    if "" in problems:
        return places[problems.index("")]
    if download:
        return fetch(cache_folder(), FULL)
    looked = "".join(f"\n  {place} {problem}" for place, problem in zip(places, problems, strict=True))
    raise FileNotFoundError(
        f"Fashion-MNIST is not here. Looked at:\n  path, which was not given\n  {VARIABLE}, which is not set"
        f"{looked}\n{ADVICE}"
    )


def _receive(url: str, limit: int, timeout: float, patience: float) -> bytes:
    """The bytes at `url`, of which there must be no more than `limit`."""
    import http.client
    import urllib.request

    deadline = time.monotonic() + patience
    received = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            while piece := response.read1(1 << 16):  # what is there by now: a slow drip meets the deadline
                received += piece
                if len(received) > limit:
                    raise DataError(f"{url}: got more than {limit} bytes, but expected a gzip file of fewer.")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not complete after {patience:g} s")
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url} could not be downloaded: {error}. Check the network. {ADVICE}") from error
    return bytes(received)
