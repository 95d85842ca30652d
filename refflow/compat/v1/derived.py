"""Functions that are an OpDef's own: the inputs by name, then the attributes, those with a default last.

    fft2d = derived("FFT2D")                      fft2d(input, name=None)
    where = derived("Where", input="condition")   an input under another name
    depth_to_space = derived("DepthToSpace", order="input, block_size, name, data_format")    in an order of its own

Nothing about them is written here: the arguments, their defaults and the text of help() follow from the OpDef when
they are first asked for, so that no page of ops is loaded for a name that a program does not use.

Next: compat/v1/plain.py.
"""

from __future__ import annotations

import re
from functools import cached_property
from inspect import Parameter, Signature
from typing import Any

from refflow.core.importer import TODAY
from refflow.core.opdef import OpDef
from refflow.core.registry import op_def
from refflow.core.signature import REQUIRED

__all__ = ["Derived", "derived"]


class Derived:
    """A function that builds one node of an op type."""

    __name__: str
    __qualname__: str

    def __init__(
        self, op: str, name: str, keyword_only: bool = False, renamed: dict[str, str] | None = None,
        order: str | None = None,
    ):  # fmt: skip
        self.__name__ = self.__qualname__ = name
        self._op, self._order = op, order
        self._kind = Parameter.KEYWORD_ONLY if keyword_only else Parameter.POSITIONAL_OR_KEYWORD
        self._renamed = renamed or {}  # an input's or attribute's name -> its name here

    @cached_property
    def _here(self) -> dict[str, tuple[str, Any]]:
        """The name of each argument here -> its name in the OpDef, and its default."""
        op = op_def(self._op)
        arguments = [(a.name, REQUIRED) for a in op.inputs]
        today = TODAY.get(self._op, {})
        said = [(key, today.get(key, attr.default)) for key, attr in op.attrs.items() if key not in _inferred(op)]
        arguments += sorted(said, key=lambda pair: pair[1] is not REQUIRED)  # stable: else in the OpDef's order
        return {self._renamed.get(name, name): (name, default) for name, default in arguments}

    @cached_property
    def __signature__(self) -> Signature:
        defaults = {name: default for name, (_, default) in self._here.items()} | {"name": None}
        names = list(defaults) if self._order is None else self._order.split(", ")
        return Signature([
            Parameter(n, self._kind, default=Parameter.empty if defaults[n] is REQUIRED else defaults[n]) for n in names
        ])  # fmt: skip

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        op = op_def(self._op)
        return f"Builds a node of the op type {op.name}, which {op.page.rpartition('.')[2]}.py defines: {op.signature}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            given = self.__signature__.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{self.__name__}{self.__signature__}: {error}") from None
        name = given.pop("name", None)
        attrs = {self._here[key][0]: value for key, value in given.items()}
        return op_def(self._op)(name=name, **TODAY.get(self._op, {}) | attrs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Derived:
        return self  # as of any function

    def __repr__(self) -> str:
        return f"<function {self.__name__} of {self._op}>"


def _inferred(op: OpDef) -> set[str]:
    """The attributes that follow from the inputs: their types, and how many there are."""
    return {arg.type for arg in op.inputs if arg.fixed is None} | {arg.number for arg in op.inputs if arg.number}


def derived(op: str, called: str | None = None, order: str | None = None, **renamed: str) -> Derived:
    """The function of an op type; `called` is what it is called, by default the op's name in snake_case.

    order: its arguments' names, "a, b, name", where they are others or stand otherwise than the OpDef's.
    renamed: an input's or attribute's name in the OpDef = its name here.
    """
    return Derived(op, called or snake_case(op), renamed=renamed, order=order)


def snake_case(op: str) -> str:
    """FakeQuantWithMinMaxArgs -> fake_quant_with_min_max_args, BatchToSpaceND -> batch_to_space_nd, FFT2D -> fft2d."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z]|ND$)", "_", op).lower()
