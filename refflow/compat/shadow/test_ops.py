"""`framework.test_ops`: op types that unit tests of graphs build and never run.

They are registered when the module is first asked for, and have no kernels.

Next: compat/shadow/combinations.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.derived import Derived
from refflow.core.opdef import Attr, define_op
from refflow.core.registry import find_op_def

_TYPE, _TYPES = Attr("type"), Attr("list(type)")
_SIGNATURES: dict[str, tuple[str, dict[str, Any]]] = {
    "A": ("-> out: float32", {}),
    "B": ("-> out: float32", {}),
    "Binary": ("a: T, b: T -> out: T", {"T": _TYPE}),
    "CopyOp": ("a: T -> b: T", {"T": _TYPE}),
    "FiveFloatOutputs": ("-> a: float32, b: float32, c: float32, d: float32, e: float32", {}),
    "FloatInput": ("a: float32 ->", {}),
    "FloatOutput": ("-> a: float32", {}),
    "FloatOutputStringOutput": ("-> a: float32, b: string", {}),
    "Foo1": ("a: float32, b: int32, c: int32 -> d: float32, e: int32", {}),
    "Foo2": ("a: float32, b: string, c: string -> d: float32, e: int32", {}),
    "Foo3": ("a: float32, b: string, c: float32 -> d: float32, e: int32", {}),
    "InPolymorphicTwice": ("a: N * T, b: M * T ->", {"T": _TYPE, "N": Attr("int"), "M": Attr("int")}),
    "Int64Output": ("-> out: int64", {}),
    "IntInput": ("a: int32 ->", {}),
    "IntInputFloatInput": ("a: int32, b: float32 ->", {}),
    "IntInputIntOutput": ("a: int32 -> b: int32", {}),
    "IntOutput": ("-> a: int32", {}),
    "IntOutputFloatOutput": ("-> a: int32, b: float32", {}),
    "KernelLabel": ("-> result: string", {}),
    "ListInput": ("a: N * T ->", {"N": Attr("int"), "T": _TYPE}),
    "ListOutput": ("-> a: T", {"T": _TYPES}),
    "NIntsIn": ("a: N * int32 ->", {"N": Attr("int")}),
    "NIntsOut": ("-> a: N * int32", {"N": Attr("int")}),
    "NPolymorphicIn": ("a: N * T ->", {"N": Attr("int"), "T": _TYPE}),
    "NPolymorphicOut": ("-> a: N * T", {"T": _TYPE, "N": Attr("int")}),
    "None": ("->", {}),
    "Old": ("->", {}),
    "OutT": ("-> a: T", {"T": _TYPE}),
    "Polymorphic": ("a: T -> out: T", {"T": _TYPE}),
    "RefIn": ("a: Ref(T) ->", {"T": _TYPE}),
    "RefInputFloatInput": ("a: Ref(float32), b: float32 ->", {}),
    "RefInputFloatInputIntOutput": ("a: Ref(float32), b: float32 -> c: int32", {}),
    "RefInputIntInput": ("a: Ref(int32), b: int32 ->", {}),
    "RefOut": ("-> a: Ref(T)", {"T": _TYPE}),
    "RefOutput": ("-> a: Ref(int32)", {}),
    "RefOutputFloatOutput": ("-> a: Ref(float32), b: float32", {}),
    "Simple": ("a: int32 -> out: float32", {}),
    "TwoFloatInputs": ("a: float32, b: float32 ->", {}),
    "TwoFloatInputsFloatOutput": ("a: float32, b: float32 -> c: float32", {}),
    "TwoFloatInputsIntOutput": ("a: float32, b: float32 -> c: int32", {}),
    "TwoFloatOutputs": ("-> a: float32, b: float32", {}),
    "TwoIntInputs": ("a: int32, b: int32 ->", {}),
    "TwoIntOutputs": ("-> a: int32, b: int32", {}),
    "TwoRefsIn": ("a: Ref(T), b: Ref(T) ->", {"T": _TYPE}),
    "TypeList": ("a: T ->", {"T": _TYPES}),
    "Unary": ("a: T -> b: T", {"T": _TYPE}),
}


def _letters(name: str) -> str:
    return name.replace("_", "").lower()


_BY_LETTERS = {_letters(name): name for name in _SIGNATURES}


def __getattr__(name: str) -> Derived:
    found = _BY_LETTERS.get(_letters(name))
    if found is None or name.startswith("_"):
        raise AttributeError(f"no op type for tests has the letters of {name!r}", name=name)
    if find_op_def(found) is None:
        signature, attrs = _SIGNATURES[found]
        define_op(found, signature, source=("W04",), **attrs)
    return Derived(found, name)
