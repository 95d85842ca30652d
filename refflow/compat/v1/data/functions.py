"""Functions of elements: what a program gives to map, filter and the like, as an attribute of the node that calls it.

    f = ElementFunction(map_func, "Dataset.map()", [dataset.element_spec])
    op(..., f.captured, f=f.call)          f.spec: what it gives

An element that is a tuple comes as several arguments. What f gives back is normalised: a list is a tuple.

Next: compat/v1/data/options.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from refflow.compat.v1.data.elements import components, flatten, kinds, normalized, values
from refflow.core.function_graph import traced
from refflow.core.tensor import Tensor


class ElementFunction:
    """call: for an attribute. captured: the tensors that follow the element's components. spec: of what it gives."""

    def __init__(self, function: Callable[..., Any], where: str, specs: Sequence[Any], spread: bool = True):
        """specs: of the arguments. spread: a single argument that is a tuple comes as its parts."""
        self.spec: Any = None
        self._where, self._specs, self._spread = where, list(specs), spread
        if not callable(function):
            raise TypeError(f"{where} takes a function, got {function!r}")
        self._function = function
        types = [(t, s.as_tuple) for spec in specs for t, s in kinds(spec)]
        name = where.removesuffix("()") + "_" + getattr(function, "__name__", "function")
        self.call, body = traced(self._body, types, name)
        self.captured = list(body.captured)

    def _body(self, *given: Tensor) -> list[Tensor]:
        arguments, at = [], 0
        for spec in self._specs:
            count = len(flatten(spec))
            arguments.append(values(spec, given[at : at + count]))
            at += count
        if self._spread and len(arguments) == 1 and type(arguments[0]) is tuple:
            arguments = list(arguments[0])
        return self._given_back(self._function(*arguments))

    def _given_back(self, found: Any) -> list[Tensor]:
        found = tuple(found) if isinstance(found, list) else found
        try:
            value, self.spec = normalized(found)
            return components(self.spec, value)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"Unsupported return value from function passed to {self._where}: {found!r}. ({error})"
            ) from error
