"""Data sets: real images to train on, and the two arrays that a classifier wants of them.

Nothing is read before it is asked for. Next: data/fashion_mnist.py.
"""

from refflow.data.fashion_mnist import LABELS, FashionMnist, as_examples, fashion_mnist, fetch, one_hot
from refflow.data.idx import DataError

__all__ = ["LABELS", "DataError", "FashionMnist", "as_examples", "fashion_mnist", "fetch", "one_hot"]
