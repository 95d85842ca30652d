"""Feeds: what a client gives, made into what stands in for a tensor [W10, W35].

    Feed(tensor)(value) -> array        converted where nothing is lost, and checked against the tensor's shape

Next: runtime/signature.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import bfloat16, string
from refflow.core.graph import Operation, Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.narrow import of_bits
from refflow.core.sparse_tensor import SparseTensor
from refflow.core.values import as_bfloat16, as_value


class Feed:
    """How a value is turned into what stands in for a tensor: its numbers, row after row."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor
        self.dtype = tensor.dtype.base_dtype
        self.numpy_type = np.dtype(self.dtype.as_numpy_dtype)

    def __call__(self, value: Any) -> np.ndarray:
        if isinstance(value, (Tensor, Operation)):
            raise TypeError(
                f"The value of a feed cannot be a tf.Tensor object: {value!r} is fed for {self.tensor.name!r}, but "
                "only values can be fed, no nodes. Run it first, or build the graph on it"
            )
        if value is None:
            raise TypeError(f"cannot feed None for {self.tensor.name!r}, which is {self.dtype.name}: it is no value")
        array = self._array(value)
        if not shapes.compatible(self.tensor.dims, array.shape):
            raise ValueError(
                f"Cannot feed value of shape {array.shape} for Tensor {self.tensor.name}, which has shape "
                f"{shapes.python_text(self.tensor.dims)}. Reshape the value, or leave sizes of the placeholder open"
            )
        return np.asarray(array, order="C")

    def _array(self, value: Any) -> np.ndarray:
        if self.dtype is string:
            return as_value(value, string)
        if self.dtype is bfloat16:
            return as_bfloat16(value)
        if self.dtype.is_narrow:
            return of_bits(value, self.dtype)
        try:
            array = np.asarray(value)
            if self.dtype.is_quantized and array.dtype.kind in "iu":  # the integers that it stands for
                array = array.astype(self.numpy_type[self.dtype.name]).view(self.numpy_type)
            kinds_fit = array.dtype.kind == self.numpy_type.kind or array.size == 0
            if not kinds_fit and not np.can_cast(array.dtype, self.numpy_type, "same_kind"):
                return self._whole(array)
            return array.astype(self.numpy_type, copy=False)
        except (TypeError, ValueError) as error:
            where = f"{self.tensor.name!r}, which is {self.dtype.name}"
            raise type(error)(f"cannot feed {short(value)} for {where}: {error}") from None

    def _whole(self, array: np.ndarray) -> np.ndarray:
        """Numbers of a wider kind, as floats that are all whole, where each stays what it is."""
        if array.dtype.kind in "uifcb" and self.numpy_type.kind in "uifb":
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
                found = array.astype(self.numpy_type)
            if np.array_equal(found, array):
                return found
        what = "text does" if array.dtype.kind in "US" else f"{array.dtype} values do"
        raise TypeError(f"{what} not become {self.dtype.name} without loss")


Expand = Callable[[Any, Any], Iterable[tuple[Any, Any]]]
Parts = Callable[[Any], Iterable[Any]]
_expansions: list[tuple[type, Expand, Parts | None]] = []  # the newest first
_kinds: tuple[type, ...] = ()


def register_feeds(kind: type, expand: Expand, parts: Parts | None = None) -> None:
    """Keys of this kind stand for several tensors: expand(key, value) gives each of them with its value.

    parts(key) gives the tensors alone, for a partial run, which is set up before there are values.
    """
    global _kinds
    _expansions.insert(0, (kind, expand, parts))
    _kinds = (kind, *_kinds)


def parts_of(keys: Any) -> list[Any]:
    """The tensors that feeds of these keys, or of one, will be for."""
    found = []
    for key in keys if isinstance(keys, (list, tuple)) else [keys]:
        parts = next((p for kind, _, p in _expansions if isinstance(key, kind)), None)
        found += [key] if parts is None else [part for part in parts(key) if part is not None]
    return found


def _three(key: SparseTensor, value: Any) -> Iterable[tuple[Any, Any]]:
    return zip((key.indices, key.values, key.dense_shape), value, strict=True)


def _slices(key: IndexedSlices, value: Any) -> Iterable[tuple[Any, Any]]:
    parts = zip((key.values, key.indices, key.dense_shape), value, strict=False)
    return [(tensor, part) for tensor, part in parts if tensor is not None]


def _each(key: tuple[Any, ...], value: Any) -> Iterable[tuple[Any, Any]]:
    if len(key) != len(value):
        raise ValueError(f"{len(value)} values are fed for {len(key)} tensors: {short(key)}")
    return zip(key, value, strict=True)


register_feeds(tuple, _each, parts_of)
register_feeds(SparseTensor, _three, lambda key: (key.indices, key.values, key.dense_shape))
register_feeds(IndexedSlices, _slices, lambda key: (key.values, key.indices, key.dense_shape))


def mapping(feed_dict: Any) -> Mapping[Any, Any]:
    """What was given as a feed_dict; TypeError where it is none."""
    if type(feed_dict) is dict or isinstance(feed_dict, Mapping):
        return feed_dict
    if isinstance(feed_dict, (list, tuple)) and not feed_dict:
        return {}
    hint = ". Several things to fetch are a list: run([a, b])" if isinstance(feed_dict, (Tensor, Operation)) else ""
    raise TypeError(f"feed_dict must be a dictionary from tensors to values, got {feed_dict!r}{hint}")


def are_single(keys: Iterable[Any]) -> bool:
    """Whether each key stands for one tensor."""
    for key in keys:  # noqa: SIM110  (every run comes by here)
        if type(key) is not Tensor and isinstance(key, _kinds):
            return False
    return True


def single(feed_dict: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """The feeds, each for one tensor: tuples, sparse tensors and slices are fed part by part."""
    if are_single(feed_dict):
        return feed_dict
    found: dict[Any, Any] = {}
    for key, value in feed_dict.items():
        expand = next((e for kind, e, _ in _expansions if isinstance(key, kind)), None)
        parts = {key: value} if expand is None else single(dict(expand(key, value)))
        twice = next((part for part in parts if part in found), None)
        if twice is not None:
            raise ValueError(f"{short(twice)} is fed twice")
        found |= parts
    return found


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."
