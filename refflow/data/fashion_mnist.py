"""Fashion-MNIST: 70,000 pictures of clothes, 28 x 28 grey pixels each, in ten classes.

    train_images  uint8 [60000, 28, 28]   0 is the empty background, 255 the darkest cloth
    train_labels  uint8 [60000]           0..9, the place in LABELS
    test_images, test_labels              the same of 10,000 other pictures

By H. Xiao, K. Rasul and R. Vollgraf (arXiv:1708.07747, 2017); the licence is beside this file. The publisher's
four gzip files have been packed anew by others, Debian among them: other bytes, same content. So what is
checked is the SHA-256 of each file's *unpacked* content, which is the same for all of them.

The package carries a subset, the first 10,000 training and the first 2,000 test pictures in published order:
four IDX arrays, one after another, in one xz file. scripts/make_fashion_mnist_small.py makes it.

Next: deck.py.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


# In the order of FashionMnist's fields.
FULL = (
    Part("train-images-idx3-ubyte", (60_000, 28, 28), "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
    Part("train-labels-idx1-ubyte", (60_000,), "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    Part("t10k-images-idx3-ubyte", (10_000, 28, 28), "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
    Part("t10k-labels-idx1-ubyte", (10_000,), "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
)  # fmt: skip
SMALL = (
    Part("train-images-idx3-ubyte", (10_000, 28, 28), ""),
    Part("train-labels-idx1-ubyte", (10_000,), ""),
    Part("t10k-images-idx3-ubyte", (2_000, 28, 28), ""),
    Part("t10k-labels-idx1-ubyte", (2_000,), ""),
)  # fmt: skip

EMBEDDED = Path(__file__).with_name("fashion_mnist_small.idx.xz")
VARIABLE = "REFFLOW_DATA"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
BASE_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"  # the publisher's; he offers no https

ADVICE = (
    "Install the four files with `apt install dataset-fashion-mnist`, or name the folder that has them as path or "
    f"in {VARIABLE}, or let fashion_mnist(download=True) fetch them (30 MB); or ask for the subset in this package "
    'with fashion_mnist(size="small").'
)


@dataclass(frozen=True, eq=False, repr=False)
class FashionMnist:
    """The pictures and their labels; the arrays are read-only. `source` says where they were read."""

    train_images: NDArray[np.uint8]  # [N, 28, 28]
    train_labels: NDArray[np.uint8]  # [N]          0..9
    test_images: NDArray[np.uint8]   # [M, 28, 28]
    test_labels: NDArray[np.uint8]   # [M]
    source: str

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

    size="small" is always the same 12,000 pictures, whatever is installed: those in the package, and none of
    the places above is looked at. With a path, they are read (and all of its files checked) there.

    >>> fashion_mnist(size="small").train_images.shape
    (10000, 28, 28)
    """
    if size not in ("full", "small"):
        raise ValueError(f'fashion_mnist: size is {size!r}, but expected "full" or "small".')
    if path is not None:
        folder = _named(path, "path")
    elif size == "small":
        return _embedded(SMALL)
    elif os.environ.get(VARIABLE):
        folder = _named(os.environ[VARIABLE], VARIABLE)
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
    return FashionMnist(*arrays, source=str(folder))


def checked(data: bytes, part: Part, where: str) -> NDArray[np.uint8]:
    """The array in an IDX file that must be the stated one, to the byte."""
    array = parse_idx(data, part.shape, where)
    if array.ndim == 1 and array.max() >= len(LABELS):
        at = int(np.argmax(array >= len(LABELS)))
        raise DataError(
            f"{where}: label {at} is {array[at]}, but expected 0..{len(LABELS) - 1}. Give the unchanged published file."
        )
    digest = hashlib.sha256(data).hexdigest()
    if digest != part.sha256:
        raise DataError(
            f"{where}: the unpacked content has SHA-256 {digest}, but expected {part.sha256}. "
            "Copy or download the file again."
        )
    return array


def cut(data: FashionMnist, parts: Sequence[Part]) -> FashionMnist:
    """As many pictures from the front of `data` as `parts` states."""
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    firsts = [array[: part.shape[0]] for array, part in zip(arrays, parts, strict=True)]
    return FashionMnist(*firsts, source=f"the first {len(firsts[1])} and {len(firsts[3])} of {data.source}")


def fetch(
    folder: Path | None = None,
    parts: Sequence[Part] = FULL,
    *,
    base_url: str = BASE_URL,
    timeout: float = 30,
    patience: float = 900,
) -> Path:
    """Downloads what the folder, by default the user's cache, lacks of the four files, and returns the folder.

    A file appears there only whole and checked. timeout: seconds of silence that are borne; patience: seconds
    that one file may take.
    """
    folder = cache_folder() if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        if (folder / part.filename).is_file():
            continue
        url = base_url.rstrip("/") + "/" + part.filename
        size = idx_size(part.shape)
        packed = _receive(url, size, timeout, patience)
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


def as_examples(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Each picture as one row of inputs, (x - 127.5) / 255: from -0.5 for the background to 0.5.

    >>> as_examples(np.array([[[0, 51], [204, 255]]], np.uint8)).round(3).tolist()
    [[-0.5, -0.30000001192092896, 0.30000001192092896, 0.5]]
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ValueError(
            f"as_examples: images are {images.dtype}{list(images.shape)}, but expected uint8[N, H, W]. "
            "Give the pictures as fashion_mnist returns them; of one picture, images[n : n + 1]."
        )
    rows = images.reshape(len(images), math.prod(images.shape[1:]))         # [N, H * W]
    return (rows.astype(np.float32) - np.float32(127.5)) / np.float32(255)  # [N, H * W]  in [-0.5, 0.5]


def one_hot(labels: ArrayLike, num_labels: int = len(LABELS)) -> NDArray[np.float32]:
    """One row for each label: 1 at the label's place, 0 elsewhere.

    >>> one_hot([2, 0], num_labels=3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 1:
        raise ValueError(f"one_hot: labels are {labels.dtype}{list(labels.shape)}, but expected integers [N].")
    outside = np.flatnonzero((labels < 0) | (labels >= num_labels))
    if outside.size:
        at = outside[0]
        raise ValueError(
            f"one_hot: label {at} is {labels[at]}, but expected 0..{num_labels - 1}. Check num_labels = {num_labels}."
        )
    rows = np.zeros((len(labels), num_labels), np.float32)  # [N, K]
    rows[np.arange(len(labels)), labels] = 1
    return rows


def _embedded(parts: Sequence[Part]) -> FashionMnist:
    """The subset that is in the package."""
    import lzma  # only here: a few builds of Python lack it

    with lzma.open(EMBEDDED) as unpacked:
        arrays = [checked(unpacked.read(idx_size(p.shape)), p, f"{EMBEDDED}, {p.name}") for p in parts]
    return FashionMnist(*arrays, source="the subset in refflow")


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
    """The bytes at `url`, which must be no more than `limit`."""
    import http.client
    import urllib.request

    deadline = time.monotonic() + patience
    received = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            while piece := response.read1(1 << 16):  # read1 returns what is there, so a slow drip meets the deadline
                received += piece
                if len(received) > limit:
                    raise DataError(f"{url}: more than {limit} bytes, the size once unpacked. Expected a gzip file.")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not complete after {patience:g} s")
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url} could not be downloaded: {error}. Check the network. {ADVICE}") from error
    return bytes(received)
