"""One expression, four readers: NumPy computes it, the plan runs it in place, Triton compiles it, the page prints it.

    formula("1 / (1 + exp(-x))")
        .numpy(x)          arrays in, array out: the reference kernel
        .steps             [("negative", "x"), ("exp", ("step", 0)), ...] one NumPy ufunc each
        .triton()          s0 = (-x)
                           s1 = exp(s0)
                           ...
        .latex()           r"\\frac{1}{1 + \\exp(-x)}"

The language: names, numbers, + - * /, unary minus, comparisons, and the functions in FUNCTIONS. What a text says twice
is computed once.

Next: core/elementwise.py.
"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from refflow.core.errors import NodeError

# function: (NumPy ufunc or function, Triton text, LaTeX text). Triton's exp, log and their like are those of
# refflow_kernels/gpu/functions.py.
FUNCTIONS: dict[str, tuple[str, str, str]] = {
    "exp": ("exp", "exp({})", r"\exp({})"),
    "expm1": ("expm1", "expm1({})", r"(\exp({}) - 1)"),
    "log": ("log", "log({})", r"\log({})"),
    "log1p": ("log1p", "log1p({})", r"\log(1 + {})"),
    "sqrt": ("sqrt", "tl.sqrt_rn({})", r"\sqrt{{{}}}"),
    "square": ("square", "({0} * {0})", r"({})^2"),
    "power": ("power", "power({}, {})", r"{}^{{{}}}"),
    "tanh": ("tanh", "tanh({})", r"\tanh({})"),
    "abs": ("absolute", "tl.abs({})", r"\lvert {} \rvert"),
    "maximum": ("maximum", "maximum({}, {})", r"\max({}, {})"),
    "minimum": ("minimum", "minimum({}, {})", r"\min({}, {})"),
    "sign": ("sign", "tl.where({0} > 0, 1, tl.where({0} < 0, -1, {0} * 0 + 0))", r"\operatorname{{sign}}({})"),
    "floor": ("floor", "tl.floor({})", r"\lfloor {} \rfloor"),
    "ceil": ("ceil", "tl.ceil({})", r"\lceil {} \rceil"),
    "sin": ("sin", "tl.sin({})", r"\sin({})"),
    "cos": ("cos", "tl.cos({})", r"\cos({})"),
    "conj": ("conjugate", "{}", r"\overline{{{}}}"),
    "fmod": ("fmod", "fmod({}, {})", r"{} \bmod {}"),
    "logical_and": ("logical_and", "({} & {})", r"{} \land {}"),
    "logical_or": ("logical_or", "({} | {})", r"{} \lor {}"),
    "logical_not": ("logical_not", "({} == 0)", r"\lnot {}"),
    "where": ("where", "tl.where({}, {}, {})", r"\begin{{cases}}{1} & {0}\\{2} & \text{{else}}\end{{cases}}"),
}
# Those for which NumPy has no ufunc, or the op another kernel: they are for cards.
OF_CARDS: dict[str, tuple[str, str, str]] = {
    "erf": ("erf", "erf({})", r"\operatorname{{erf}}({})"),
    "rint": ("rint", "rint({})", r"\operatorname{{rint}}({})"),
    "arctan2": ("arctan2", "arctan2({}, {})", r"\operatorname{{arctan2}}({}, {})"),
}
OF_CARDS |= {
    name: (name, f"{name}({{}})", rf"\operatorname{{{{{name}}}}}({{}})")
    for name in ("tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "arcsinh", "arccosh", "arctanh", "erfc", "erfinv",
                 "ndtri", "lgamma", "digamma")
}  # fmt: skip
# What a chain on a card does between types: it computes in float32, and rounds where a node's type is shorter.
_CONVERSIONS = {
    "positive": "({})", "as_float": "{}.to(tl.float32)", "as_float16": "{}.to(tl.float16).to(tl.float32)",
    "as_bfloat16": "{}.to(tl.bfloat16).to(tl.float32)", "cut": "cut({})",
}  # fmt: skip
_NEGATIVE = ("negative", "({} * -1)", "-{}")  # Triton 3.6 has 0 - x for -x, of which -0 cannot come
_BINARY: dict[type, tuple[str, str, str]] = {
    ast.Add: ("add", "({} + {})", "{} + {}"),
    ast.Sub: ("subtract", "({} - {})", "{} - {}"),
    ast.Mult: ("multiply", "({} * {})", r"{} \, {}"),
    ast.Div: ("divide", "tl.div_rn({}, {})", r"\frac{{{}}}{{{}}}"),
}
_COMPARE: dict[type, tuple[str, str, str]] = {
    ast.Lt: ("less", "({} < {})", "{} < {}"),
    ast.LtE: ("less_equal", "({} <= {})", r"{} \le {}"),
    ast.Gt: ("greater", "({} > {})", "{} > {}"),
    ast.GtE: ("greater_equal", "({} >= {})", r"{} \ge {}"),
    ast.Eq: ("equal", "({} == {})", "{} = {}"),
    ast.NotEq: ("not_equal", "({} != {})", r"{} \ne {}"),
}

_CALLS = FUNCTIONS | OF_CARDS
_TRITON = {form[0]: form[1] for form in (*_CALLS.values(), *_BINARY.values(), *_COMPARE.values(), _NEGATIVE)}
_TRITON |= _CONVERSIONS
_LETTER = {"step": "s", "early": "e"}
ONLY_FLOATS = frozenset(("divide", "sqrt", "fmod", "floor", "ceil", "power", "exp", "expm1", "log", "log1p",
                         "tanh", "sin", "cos", *OF_CARDS))  # fmt: skip

Step = tuple[Any, ...]  # a ufunc's name and its operands: names, numbers, or ("step", n) for an earlier result


def triton_line(number: int, step: Step, kind: str = "step") -> str:
    """One step as a line of Triton. Operands are as in a Step; ("in", n) and ("given", n) are inputs called xn.

    >>> triton_line(2, ("add", ("step", 1), ("in", 0)))
    's2 = (s1 + x0)'
    """
    name, *operands = step
    return f"{triton_name((kind, number))} = {_TRITON[name].format(*map(triton_name, operands))}"


def triton_name(operand: Any) -> str:
    """What Triton's lines call an operand."""
    if isinstance(operand, tuple):
        return _LETTER.get(operand[0], "x") + str(operand[1])
    return operand if isinstance(operand, str) else repr(operand)


def no_zeros(x: Any, y: Any) -> None:
    """An integer is not divided by 0; where nothing is divided, nothing is wrong."""
    y = np.asarray(y)
    if y.dtype.kind in "iu" and not y.all() and np.size(x):
        raise ZeroDivisionError("Integer division by zero")


def divide(x: Any, y: Any, out: Any = None) -> Any:
    """x / y; integers truncate toward zero [W77], and an integer divided by 0 is an error."""
    if not all(isinstance(v, (np.ndarray, np.generic)) and v.dtype.kind in "iu" for v in (x, y)):
        return np.divide(x, y, out=out)
    no_zeros(x, y)
    quotient = np.floor_divide(x, y)
    # floor is one too low where the signs differ and something remains
    one_low = ((x < 0) != (y < 0)) & (quotient * y != x)
    return np.add(quotient, one_low, out=out, dtype=quotient.dtype)


def remainder(x: Any, y: Any, out: Any = None) -> Any:
    """What truncating division leaves, with the sign of x; an integer's by 0 is an error."""
    no_zeros(x, y)
    return np.fmod(x, y, out=out)


def power(x: Any, y: Any, out: Any = None) -> Any:
    """x ** y; an integer has no negative powers."""
    if np.asarray(x).dtype.kind in "iu" and np.any(np.less(y, 0)):
        raise ValueError("Integers to negative integer powers are not allowed")
    return np.power(x, y, out=out)


# Ufuncs that treat integers by rules of their own.
INTEGER_RULES = {"divide": divide, "fmod": remainder, "power": power}


class Formula:
    """A parsed expression; `parameters` are its names, by default in order of first use."""

    def __init__(self, text: str, parameters: tuple[str, ...] = ()):
        self.text = text
        self.parameters = parameters
        self.steps: list[Step] = []
        self._tree = ast.parse(text, mode="eval").body
        self._names(self._tree)
        self._known: dict[Step, Any] = {}
        self.root = self._step(self._tree)  # a parameter's name, a number, or the last step

    def _names(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            if node.id not in self.parameters:
                self.parameters += (node.id,)
        elif isinstance(node, ast.Call):
            for argument in node.args:
                self._names(argument)
        else:
            for child in ast.iter_child_nodes(node):
                self._names(child)

    def _step(self, node: ast.AST) -> Any:
        """Appends the steps that compute `node`; returns what later steps call its value."""
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
            value: Any = node.operand.value
            return -value  # a ufunc would give it a type of its own
        function, operands = self._parts(node)
        step = (function[0], *(self._step(o) for o in operands))
        if step not in self._known:
            self.steps.append(step)
            self._known[step] = ("step", len(self.steps) - 1)
        return self._known[step]

    def _parts(self, node: ast.AST) -> tuple[tuple[str, str, str], list[ast.AST]]:
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return _BINARY[type(node.op)], [node.left, node.right]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return _NEGATIVE, [node.operand]
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARE:
            return _COMPARE[type(node.ops[0])], [node.left, node.comparators[0]]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
            return _CALLS[node.func.id], list(node.args)
        raise NodeError(f"formula {self.text!r}: {ast.unparse(node)!r} is not part of the language of formulas")

    def numpy(self, *arrays: Any) -> Any:
        """The value for concrete arrays, step by step."""
        values = dict(zip(self.parameters, arrays, strict=True))
        if not self.steps:
            return values[self.root]
        done: list[Any] = []
        for name, *operands in self.steps:
            function = INTEGER_RULES.get(name) or getattr(np, name)
            done.append(function(*(_value(o, values, done) for o in operands)))
        return done[-1]

    def triton(self) -> tuple[str, ...]:
        """Lines of Triton, over blocks with the parameters' names."""
        return tuple(triton_line(number, step) for number, step in enumerate(self.steps))

    @property
    def result(self) -> str:
        """What Triton's lines call the value."""
        return triton_name(self.root)

    def latex(self) -> str:
        return self._latex(self._tree)

    def _latex(self, node: ast.AST) -> str:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Constant):
            return repr(node.value)
        form, operands = self._parts(node)
        # Sums inside products and behind a minus need brackets.
        texts = [f"({t})" if self._sum_in(node, o) else t for t, o in zip(map(self._latex, operands), operands,
                                                                          strict=True)]  # fmt: skip
        return form[2].format(*texts)

    @staticmethod
    def _sum_in(node: ast.AST, operand: ast.AST) -> bool:
        tight = isinstance(node, ast.UnaryOp) or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult))
        return tight and isinstance(operand, ast.BinOp) and isinstance(operand.op, (ast.Add, ast.Sub))


def _value(operand: Any, values: dict[str, Any], done: list[Any]) -> Any:
    if isinstance(operand, str):
        return values[operand]
    return done[operand[1]] if isinstance(operand, tuple) else operand
