"""`tensorflow.examples.tutorials.mnist.input_data`: pictures in batches, as hundreds of programs read them.

    mnist = input_data.read_data_sets("MNIST_data", one_hot=True)
    images, labels = mnist.train.next_batch(100)       # float32 [100, 784] in [0, 1], float64 [100, 10]

The four files of MNIST are read where the folder has them. Nothing is downloaded: without them the pictures are the
embedded ones of Fashion-MNIST, of the same sizes and with as many classes, and a line on stderr says so.

Next: compat/shadow/messages.py.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import as_dtype
from refflow.data import fashion_mnist
from refflow.data.idx import parse_idx

_FILES = (
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)  # fmt: skip
SOURCE_URL = ""


class DataSet:
    """Pictures and labels, given out in batches, in another order in each epoch."""

    def __init__(
        self, images: Any, labels: Any, fake_data: bool = False, one_hot: bool = False, dtype: Any = "float32",
        reshape: bool = True, seed: int | None = None,
    ):  # fmt: skip
        kind = as_dtype(dtype)
        if kind.name not in ("float32", "uint8"):
            raise TypeError(f"Invalid image dtype {dtype!r}, expected uint8 or float32")
        images = np.asarray(images)
        if reshape:
            images = images.reshape(len(images), -1)
        self.images = images.astype(np.float32) / np.float32(255) if kind.name == "float32" else images
        self.labels = labels
        self.num_examples = len(labels)
        self.epochs_completed = 0
        self._at = 0
        self._order = np.arange(self.num_examples)
        self._random = np.random.RandomState(seed)

    def next_batch(self, batch_size: int, fake_data: bool = False, shuffle: bool = True) -> tuple[Any, Any]:
        """The next pictures and their labels; what one epoch has left begins the batch that the next one fills."""
        taken: list[Any] = []
        while len(taken) < batch_size:
            if self._at == 0 and shuffle:
                self._order = self._random.permutation(self.num_examples)
            here = self._order[self._at : self._at + batch_size - len(taken)]
            taken.extend(here)
            self._at += len(here)
            if self._at == self.num_examples:
                self._at, self.epochs_completed = 0, self.epochs_completed + 1
        return self.images[taken], self.labels[taken]


class Datasets(NamedTuple):
    """Pictures to train on, to choose by, and to be judged by."""

    train: DataSet
    validation: DataSet
    test: DataSet


def read_data_sets(
    train_dir: Any = "", fake_data: bool = False, one_hot: bool = False, dtype: Any = "float32", reshape: bool = True,
    validation_size: int = 5000, seed: int | None = None, source_url: str = SOURCE_URL,
) -> Datasets:  # fmt: skip
    """MNIST out of a folder, or the embedded pictures; `validation_size` of those to train on are kept apart."""
    images, labels, test_images, test_labels = _arrays(Path(train_dir or "."))
    if not 0 <= validation_size <= len(images):
        raise ValueError(f"Validation size should be between 0 and {len(images)}. Received: {validation_size}.")
    if one_hot:
        labels, test_labels = dense_to_one_hot(labels, 10), dense_to_one_hot(test_labels, 10)

    def part(images: Any, labels: Any) -> DataSet:
        images = images if reshape else images[..., np.newaxis]
        return DataSet(images, labels, dtype=dtype, reshape=reshape, seed=seed)

    return Datasets(
        part(images[validation_size:], labels[validation_size:]),
        part(images[:validation_size], labels[:validation_size]),
        part(test_images, test_labels),
    )


load_mnist = read_data_sets


def dense_to_one_hot(labels_dense: Any, num_classes: int) -> Any:
    """A row for each label, with a 1 at its place."""
    return np.eye(num_classes)[labels_dense]


def _arrays(folder: Path) -> tuple[Any, ...]:
    """The four arrays, uint8."""
    if not all((folder / name).is_file() for name in _FILES):
        data = fashion_mnist(size="small")
        print(f"refflow: MNIST is not in {folder}; these are pictures of Fashion-MNIST", file=sys.stderr)
        return data.arrays
    return tuple(_read(folder / name) for name in _FILES)


def _read(path: Path) -> Any:
    """The array in an IDX file, as large as the file says it is."""
    with gzip.open(path) as file:
        data = file.read()
    sizes = np.frombuffer(data, ">i4", data[3], 4)
    return parse_idx(data, tuple(int(size) for size in sizes), str(path))
