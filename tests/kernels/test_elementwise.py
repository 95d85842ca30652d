"""Generated kernels give what their formulas say, and Triton's elementary functions are as exact as they claim."""

import math

import numpy as np
import pytest
import triton
import triton.language as tl

from refflow.core.dtypes import as_dtype
from refflow.core.formula import _BINARY, _COMPARE, FUNCTIONS, OF_CARDS
from refflow.core.registry import op_def, registered_ops
from refflow.core.signature import REQUIRED
from refflow.ops import error_function, gamma
from refflow.runtime.card_formulas import FORMULAS
from refflow.runtime.gpu_kernels import formula_of
from refflow_kernels.gpu import functions
from refflow_kernels.gpu.elementwise import build, layout, of_formula
from refflow_kernels.interpreter import Memory
from tests.kernels.launches.elementwise import OPS, _formula
from tests.kernels.same_answers import FUNCTIONS as ROUNDED


def attributes(op, dtype):
    """The op's defaults, with `dtype` for its type and three operands for a list."""
    chosen = {name: attr.default for name, attr in op.attrs.items() if attr.default is not REQUIRED}
    return chosen | ({"T": as_dtype(dtype)} if "T" in op.attrs else {}) | ({"N": 3} if "N" in op.attrs else {})


def cases():
    for op in registered_ops():
        for dtype in ("float32", "float16", "int32", "bool"):
            takes = as_dtype(dtype) in op.attrs["T"].allowed if "T" in op.attrs else dtype == "bool"
            if takes and formula_of(op, attributes(op, dtype)) is not None:
                yield op, dtype


GENERATED = list(cases())
SHAPES = [[(), ()], [(7,), (7,)], [(3, 5), (5,)], [(4, 1, 3), (2, 1)], [(1,), (6,)], [(0, 3), (3,)], [(1100,), ()],
          [(4, 6), (4, 1)], [(3, 2, 8), (1, 2, 1)], [(130, 8), (8,)]]  # fmt: skip
POSITIVE = ("Sqrt", "Rsqrt", "Log", "Log1p", "Pow", "Xlogy", "Xlog1py", "SqrtGrad", "RsqrtGrad")


def some(rng, shape, dtype, positive):
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    x = np.asarray(rng.normal(size=shape) * 4)
    x = np.asarray(np.abs(x) + 0.5 if positive else x).astype(dtype)
    if dtype != "int32" and x.size > 2 and not positive:
        x.reshape(-1)[:3] = [np.nan, -0.0, 0.0]
    return x


def operands(op, formula, dtype, shapes, rng):
    """What the kernel is given, and what is to come of it."""
    alike = op.name.endswith("Grad")  # slopes do not stretch
    types = [a.fixed.name if a.fixed else dtype for a in op.inputs] * (3 if op.inputs[0].number else 1)
    given = [some(rng, shapes[0] if alike else shapes[i % 2], t, op.name in POSITIVE) for i, t in enumerate(types)]
    if op.name in ("Div", "RealDiv", "Mod", "TruncateMod", "FloorMod", "FloorDiv", "TruncateDiv", "Xdivy"):
        given[1] = np.where(given[1] == 0, 1, given[1]).astype(dtype)
    wide = [x.astype(np.float32) if x.dtype == np.float16 else x for x in given]
    on_page = op.expression(attributes(op, dtype)) is not None
    with np.errstate(all="ignore"):
        wanted = np.asarray(formula.numpy(*wide) if on_page else op.reference(*wide))
    return given, wanted if wanted.dtype == bool else wanted.astype(dtype)


def assert_as_formula(op, formula, dtype, found, wanted):
    """To the bit for sums, products, quotients, roots and comparisons: each is rounded once, and nothing is fused."""
    if {step[0] for step in formula.steps} & ROUNDED:
        np.testing.assert_allclose(found, wanted, rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)
    else:
        np.testing.assert_array_equal(found, wanted)
    if op.name in ("Neg", "Sign", "Mod") and wanted.dtype.kind == "f":  # zeros have signs
        np.testing.assert_array_equal(*(np.signbit(x)[wanted == 0] for x in (found, wanted)))


@pytest.mark.parametrize(("op", "dtype"), GENERATED, ids=[f"{op.name}-{t}" for op, t in GENERATED])
def test_a_generated_kernel_gives_what_its_formula_says(op, dtype, rng):  # [S43]
    formula = formula_of(op, attributes(op, dtype))
    kernel = of_formula(op.name, formula)
    for shapes in SHAPES:
        given, wanted = operands(op, formula, dtype, shapes, rng)
        out = Memory.empty(wanted.shape, wanted.dtype)
        with np.errstate(all="ignore"):
            kernel(*(Memory.of(x) for x in given), out=out)
        assert out.guard_is_whole()
        assert_as_formula(op, formula, dtype, out.array, wanted)


def test_a_list_of_operands_is_added_from_left_to_right(rng):
    add_n = op_def("AddN")
    attrs = {"N": 3, "T": as_dtype("float32")}
    terms = [rng.normal(size=(5, 40)).astype(np.float32) for _ in range(3)]
    out = Memory.empty((5, 40), np.float32)
    of_formula("AddN", formula_of(add_n, attrs), listed=True)([Memory.of(t) for t in terms], out=out)
    np.testing.assert_array_equal(out.array, (terms[0] + terms[1]) + terms[2])


def test_the_source_of_a_generated_kernel_can_be_read():
    text = build("Add", ("x", "y"), ("s0 = (x + y)",), ("s0",)).source(("straight", "row"))
    assert "s0 = (x + y)" in text and "tl.store(out0_at + i, " in text
    assert "y = tl.load(y_at + column)" in text and "d2" not in text


def test_axes_are_joined_until_what_broadcasts_is_a_matrix():
    kinds, numbers, even = layout((4, 28, 28, 32), ((4, 28, 28, 32), (32,), (4, 1, 1, 1), ()))
    assert kinds == ("straight", "stretched", "stretched", "single") and even == 8
    assert layout((4, 28, 28, 32), ((4, 28, 28, 32), (32,)))[0] == ("straight", "row")
    column = layout((4, 28, 28, 32), ((4, 28, 28, 32), (4, 1, 1, 1)))
    assert column[:2] == (("straight", "column"), (25088, *magic(25088)))
    assert len(numbers) == 9 + 8


magic = functions.magic_of


@triton.jit
def _divide(i_at, q_at, magic, shift, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.store(q_at + i, functions.quotient(tl.load(i_at + i), magic, shift))


@pytest.mark.parametrize("d", [1, 2, 3, 7, 10, 641, 1000, 65537, 2**31 - 1])
def test_a_product_divides_as_a_division_does(d, rng):
    ends = np.array([0, 1, d - 1, d, d + 1, 2**31 - 2, 2**31 - 1, 2**30]).clip(0, 2**31 - 1)
    i = np.concatenate([ends, rng.integers(0, 2**31, 1016)]).astype(np.int32)
    out = Memory.empty(i.shape, np.int32)
    _divide[(1,)](Memory.of(i), out, *magic(d), BLOCK=1024)
    np.testing.assert_array_equal(out.array, i // d)


SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-40, -1e-40, 1e-45, 88.7, 88.8, 89.4, 89.5, -87.4, -103.0,
           -104.0, 3e38, -3e38, 0.5, -0.5, 2.0, -2.5, -3.0, 1 - 2**-24, 1 + 2**-23, 1e6, 10.0, 2**24]  # fmt: skip
# The pages' claims.
UNITS = {"exp": 1, "log": 1, "tanh": 1.5, "erf": 2.5, "expm1": 3, "log1p": 3, "rint": 0,
         "tan": 3, "arcsin": 2.5, "arccos": 2, "arctan": 3, "sinh": 2, "cosh": 2, "arcsinh": 2, "arccosh": 2,
         "arctanh": 2, "erfc": 1, "erfinv": 2, "ndtri": 2, "lgamma": 1, "digamma": 1}  # fmt: skip
EXACT = {"erf": np.vectorize(math.erf), "erfc": error_function.erfc, "erfinv": error_function.erfinv,
         "ndtri": error_function.ndtri, "lgamma": gamma.lgamma, "digamma": gamma.digamma}  # fmt: skip


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("numbers", ["all bits", "ordinary", "near one", "small"])
def test_a_function_is_as_exact_as_its_page_says(name, numbers, rng):
    x = {"all bits": rng.integers(0, 2**32, 1 << 13).astype(np.uint32).view(np.float32), "ordinary":
         (rng.normal(size=1 << 13) * 20).astype(np.float32), "near one":
         (1 + rng.normal(size=1 << 13) * 1e-3).astype(np.float32), "small":
         rng.uniform(-3, 3, 1 << 13).astype(np.float32)}[numbers].copy()  # fmt: skip
    x[: len(SPECIAL)] = SPECIAL
    out = Memory.empty(x.shape, np.float32)
    with np.errstate(all="ignore"):
        build(name, ("x",), (f"s0 = {name}(x)",), ("s0",))(Memory.of(x), out=out)
        exact = EXACT.get(name, getattr(np, name, None))(x.astype(np.float64))
        rounded = exact.astype(np.float32)
        finite = np.isfinite(rounded) & np.isfinite(out.array)
        units = np.abs(out.array - exact)[finite] / np.spacing(np.abs(rounded[finite]))
    assert units.max() <= UNITS[name]
    np.testing.assert_array_equal(out.array[~finite], rounded[~finite])
    if name in ("tanh", "tan", "arcsin", "arctan", "sinh", "arcsinh", "arctanh", "rint"):  # odd ones know -0
        np.testing.assert_array_equal(np.signbit(out.array[x == 0]), np.signbit(x[x == 0]))


def test_angles_of_points_are_right_at_the_corners(rng):
    corners = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 1e-45, -1e-45, 3e38, -3e38, 0.3], np.float32)
    some = rng.integers(0, 2**32, (2, 4000)).astype(np.uint32).view(np.float32)
    near = rng.normal(size=(2, 4000)).astype(np.float32)
    grid = np.stack([a.reshape(-1) for a in np.meshgrid(corners, corners)])
    y, x = np.concatenate([grid, some, near], axis=1)
    out = Memory.empty(x.shape, np.float32)
    with np.errstate(all="ignore"):
        of_formula("Atan2", FORMULAS["Atan2"])(Memory.of(y.copy()), Memory.of(x.copy()), out=out)
        exact = np.arctan2(y.astype(np.float64), x.astype(np.float64))
        there = exact == exact
        units = np.abs(out.array - exact)[there] / np.spacing(np.abs(exact.astype(np.float32)[there]))
    assert units.max() <= 3
    np.testing.assert_array_equal(np.isnan(out.array), ~there)
    np.testing.assert_array_equal(np.signbit(out.array[there]), np.signbit(exact[there]))


def test_powers_are_right_at_the_corners():
    corners = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 2, -2, 0.5, 3, -3, 0.3], np.float32)
    x, y = (a.reshape(-1).copy() for a in np.meshgrid(corners, corners))
    out = Memory.empty(x.shape, np.float32)
    with np.errstate(all="ignore"):
        of_formula("Pow", op_def("Pow").formula)(Memory.of(x), Memory.of(y), out=out)
        wanted = np.power(x, y)
    np.testing.assert_allclose(out.array, wanted, rtol=2e-7)
    np.testing.assert_array_equal(np.signbit(out.array[wanted == wanted]), np.signbit(wanted[wanted == wanted]))


def test_a_remainder_is_exact_however_often_the_divisor_goes(rng):  # [W77]
    x = np.concatenate([10.0 ** rng.uniform(-40, 38, 3000), rng.integers(1, 3000, 3000) * 0.1]).astype(np.float32)
    y = np.concatenate([10.0 ** rng.uniform(-40, 38, 3000), np.full(3000, 0.1)]).astype(np.float32)
    corners = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 5, 1e-45, 3.4e38], np.float32)
    x, y = (np.append(a, b) for a, b in zip((x, y), map(np.ravel, np.meshgrid(corners, corners)), strict=True))
    x[::2] *= -1
    out = Memory.empty(x.shape, np.float32)
    with np.errstate(all="ignore"):
        of_formula("Mod", op_def("Mod").formula)(Memory.of(x), Memory.of(y), out=out)
        wanted = np.fmod(x, y)
    there = wanted == wanted
    np.testing.assert_array_equal(out.array, wanted)
    np.testing.assert_array_equal(out.array.view(np.int32)[there], wanted.view(np.int32)[there])


def test_every_function_of_the_language_is_compiled():
    compiled = {step[0] for name in OPS for step in _formula(op_def(name)).steps}
    language = (*FUNCTIONS.values(), *OF_CARDS.values(), *_BINARY.values(), *_COMPARE.values())
    assert compiled == {form[0] for form in language} | {"negative"}
