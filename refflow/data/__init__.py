"""Data sets: real pictures to train on, and the two arrays that a classifier wants of them.

    as_examples   uint8 [N, H, W]  ->  float32 [N, H * W]   inputs, in [-0.5, 0.5]
    one_hot       integers [N]     ->  float32 [N, K]       targets, one 1 in each row

Importing this reads no data; a call does. Next: data/fashion_mnist.py.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refflow.data.fashion_mnist import LABELS, DownloadError, FashionMnist, fashion_mnist, fetch
from refflow.data.idx import DataError

__all__ = [
    "LABELS",
    "DataError",
    "DownloadError",
    "FashionMnist",
    "as_examples",
    "fashion_mnist",
    "fetch",
    "one_hot",
]


def as_examples(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Each picture as one row of inputs, (x - 127.5) / 255.

    >>> as_examples(np.array([[[0, 255]]], np.uint8)).tolist()
    [[-0.5, 0.5]]
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3:
        raise ValueError(
            f"as_examples: images are {images.dtype}{list(images.shape)}, but expected uint8[N, H, W]. "
            "Give the pictures as fashion_mnist returns them; of one picture, images[n : n + 1]."
        )
    rows = images.reshape(len(images), math.prod(images.shape[1:]))  # [N, H * W]  0..255
    return (rows.astype(np.float32) - np.float32(127.5)) / np.float32(255)  # [N, H * W]  in [-0.5, 0.5]


def one_hot(labels: ArrayLike, num_labels: int = len(LABELS)) -> NDArray[np.float32]:
    """One row for each label: 1 at the label's place, 0 elsewhere.

    >>> one_hot([2, 0], num_labels=3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer) or labels.ndim != 1:
        raise ValueError(
            f"one_hot: labels are {labels.dtype}{list(labels.shape)}, but expected integers [N]. "
            "Give the place of each label, one per example."
        )
    outside = np.flatnonzero((labels < 0) | (labels >= num_labels))
    if outside.size:
        at = outside[0]
        raise ValueError(
            f"one_hot: label {at} is {labels[at]}, but expected 0..{num_labels - 1}. "
            "Mend the labels, or give a larger num_labels."
        )
    rows = np.zeros((len(labels), num_labels), np.float32)  # [N, K]
    rows[np.arange(len(labels)), labels] = 1
    return rows
