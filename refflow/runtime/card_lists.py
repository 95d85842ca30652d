"""Lists of tensors on a card: the list is the host's, and its elements lie on the card [W43].

    push, pop, set, get     the page's own kernels, which pass elements on as they are
    from a tensor           one copy, whose rows are the elements; so where they are scattered, or a tensor is split
    stacked, end to end     a copy for each element, into one array; so where some are gathered

A loop that runs on a card keeps what its gradient needs in such lists; were they the host's, each iteration would wait
for the card and move all of it twice. A list goes to a card as a whole, with all ops that ever have it, which is for
runtime/place.py to see to; where one crosses all the same, its elements are moved.

Next: runtime/gpu_memory.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core.dtypes import DType, bool_, variant
from refflow.core.handles import handle_to
from refflow.core.opdef import OpDef
from refflow.core.registry import op_def

_COPIED = {"TensorListFromTensor": 0, "TensorListScatter": 0, "TensorListScatterV2": 0, "TensorListSplit": 0,
           "TensorListScatterIntoExistingList": 1}  # fmt: skip  # the input whose rows become elements
_ELEMENTS = frozenset((*_COPIED, "TensorListPushBack", "TensorListPopBack", "TensorListSetItem", "TensorListGetItem",
                       "TensorListStack", "TensorListGather", "TensorListConcat", "TensorListConcatV2"))  # fmt: skip
_ANY = frozenset(("TensorListReserve", "EmptyTensorList", "TensorListLength", "TensorListElementShape",
                  "TensorListResize"))  # fmt: skip
_OF_VARIANTS = frozenset(("ZerosLike", "AddN"))


def is_list_op(listed: OpDef, attrs: dict[str, Any]) -> bool:
    """Whether an op makes, changes or reads lists."""
    return listed.name in _ELEMENTS | _ANY or (listed.name in _OF_VARIANTS and attrs["T"] is variant)


def is_held(dtype: DType) -> bool:
    """Whether a card keeps elements of this type: numbers, and masks; loops' counters stay on the host."""
    return dtype.is_floating or dtype is bool_


def lacking(attrs: dict[str, Any]) -> str | None:
    """What keeps a list's op off a card, or None."""
    dtype = attrs.get("element_dtype")
    return None if dtype is None or is_held(dtype) else f"lists of {dtype.name} stay on the host"


def host_inputs(listed: OpDef, attrs: dict[str, Any]) -> tuple[int, ...]:
    """Places of the numbers and sizes that a list's op reads."""
    types = [arg.fixed or attrs[arg.type] for arg in listed.inputs]
    return tuple(place for place, dtype in enumerate(types) if dtype.is_integer)


class CardLists:
    """What a card does with lists, and what is the home of their elements. device: the card's."""

    def __init__(self, device: Any):
        self._device = device

    def kernel(self, listed: OpDef, page: Callable[..., Any]) -> Callable[..., Any]:
        """The page's kernel, for a card."""
        copied = _COPIED.get(listed.name)

        def kernel(*inputs: Any, **arguments: Any) -> Any:
            given = [self._device.private_copy(x) if i == copied else x for i, x in enumerate(inputs)]
            result = page(*given, **arguments)
            return [self._there(v) for v in result] if isinstance(result, (tuple, list)) else self._there(result)

        return kernel

    def _there(self, value: Any) -> Any:
        """A result on the card: a list's home is here, and elements that nobody has set are zeros."""
        if _list_in(value) is not None:
            return self.here(value)
        is_element = isinstance(value, np.ndarray) and value.dtype.kind not in "iuO"
        return self._up(value) if is_element else value

    def _up(self, element: Any) -> Any:
        return self._device.from_host(element) if isinstance(element, np.ndarray) else element

    # -- across -------------------------------------------------------------------------------------------

    def here(self, value: Any) -> Any:
        """A handle from the host, as a card has it."""
        found = _list_in(value)
        if found is None or found.home is not None or not is_held(found.dtype):
            return value
        return self._moved(found, self._up, self)

    def away(self, value: Any) -> Any:
        """A handle from the card, as the host has it."""
        found = _list_in(value)
        return value if found is None or found.home is None else self._moved(found, self._device.to_host, None)

    def _moved(self, found: Any, across: Callable[[Any], Any], home: Any) -> np.ndarray:
        moved = found.with_items([None if v is None else across(v) for v in found.items])
        moved.home = home
        return handle_to(moved)

    # -- a home -------------------------------------------------------------------------------------------

    def stacked(self, elements: Sequence[Any], dims: Any, dtype: DType) -> Any:
        """The elements on a new axis in front."""
        whole = self._device.empty((len(elements), *dims), dtype)
        for place, element in enumerate(elements):
            self._device.card.copy(whole[place : place + 1], self._up(element))
        return whole

    def joined(self, elements: Sequence[Any], dims: Any, dtype: DType) -> Any:
        """The elements one after the other, as an array of shape `dims`."""
        whole, at = self._device.empty(dims, dtype), 0
        for element in elements:
            end = at + element.shape[0]
            if 0 not in element.shape:
                self._device.card.copy(whole[at:end], self._up(element))
            at = end
        return whole

    def added(self, a: Any, b: Any) -> Any:
        """The sum of two elements."""
        total = self._like(a)
        self._kernel("Add", a)(a, b, out=total)
        return total

    def zeros_like(self, element: Any) -> Any:
        zeros = self._like(element)
        self._kernel("ZerosLike", element)(element, out=zeros)
        return zeros

    def _like(self, element: Any) -> Any:
        return self._device.empty(tuple(element.shape), self._device.type_of(element))

    def _kernel(self, op_type: str, element: Any) -> Callable[..., Any]:
        return self._device.kernel(op_def(op_type), {"T": self._device.type_of(element)}, "fast").function


def _list_in(value: Any) -> Any:
    """The list in a handle, or None in what is none."""
    if not isinstance(value, np.ndarray) or value.dtype != object or value.ndim:
        return None
    return value[()] if hasattr(value[()], "home") else None
