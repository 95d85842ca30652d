"""The Triton kernels on a real card: `pytest -m gpu`."""

import numpy as np
import pytest

from refflow.core.dtypes import as_dtype
from refflow.core.registry import op_def
from refflow.ops.philox import PhiloxStream
from refflow.ops.training import APPLY
from refflow.runtime.gpu_kernels import formula_of, place_of
from refflow_kernels.gpu import KERNELS
from tests.kernels import on_a_card
from tests.kernels.on_a_card import DRAWN, PAIRS, formula_shapes, is_half, run_formula, run_update, samples
from tests.kernels.samples import assert_within, reference
from tests.kernels.samples.bounds import gamma
from tests.kernels.test_elementwise import GENERATED, assert_as_formula, attributes, operands
from tests.kernels.test_gpu_updates import RULES, by_the_rule, given
from tests.kernels.test_gpu_updates import attributes as attributes_of_update

pytestmark = pytest.mark.gpu


def each(items):
    """Tests of these items, which are compiled ahead."""
    items = list(items)
    return pytest.mark.parametrize("item", items, ids=["-".join(what) for _, *what in items])


@pytest.fixture(scope="module", autouse=True)
def _compiled(card, request):
    """Every kernel that the chosen tests launch is compiled by all cores."""
    from refflow_kernels.ahead import fill_cache

    given = [i.callspec.params for i in request.session.items if hasattr(i, "callspec")]
    major, minor = card.cuda.get_device_capability()
    fill_cache(on_a_card.launches_of, [g["item"] for g in given if "item" in g], 10 * major + minor)


@pytest.fixture
def memory(card):
    """Of an array and a type's name, the same on the card; and of a shape and one, memory that nobody has written."""

    def memory_of(x, name):
        return card.from_numpy(np.array(x, order="C")).cuda().to(getattr(card, name))

    def empty(shape, name):
        return card.full(tuple(shape), 77, dtype=getattr(card, name), device="cuda")

    return memory_of, empty


def back(place):
    """What lies there, for NumPy, which has no bfloat16."""
    return (place.float() if str(place.dtype) == "torch.bfloat16" else place).cpu().numpy()


def rounded(torch, op_type, inputs, dtype):
    """The inputs with as many digits as the card is given."""

    def one(x, arg):
        if isinstance(x, list):
            return [one(m, arg) for m in x]
        shorter = is_half(op_type, arg, dtype) and x.dtype == np.float32
        return torch.from_numpy(np.array(x)).bfloat16().float().numpy() if shorter else x

    return [one(x, arg) for x, arg in zip(inputs, op_def(op_type).inputs, strict=True)]


def on_a_card_s_bounds(op_type, inputs, attrs, bounds):
    """What a card's arithmetic adds to the bounds of correctly rounded float32.

    exp and log are good to two units, where NumPy's are good to one. In tf32x3 each operand is split in two parts with
    11 bits, which leaves 2^-22 of it out, and the product of the two small parts is left out too: 12 units of 2^-24
    altogether. Tensor cores cut sums off instead of rounding them: twice the error for each addition. Convolutions have
    bounds for far more additions than they make.
    """
    if "Softmax" in op_type:
        return tuple(4 * np.asarray(b) for b in bounds)
    if op_type == "Einsum":  # the bound is at least 4 units of 2^-24
        return (5 * np.asarray(bounds[0]),)
    if "MatMul" not in op_type:
        return bounds
    turned = attrs.get("transpose_a", attrs.get("adj_x"))
    size = bounds[0] / gamma(inputs[0].shape[-2 if turned else -1] + 2, "float32")
    return (2 * bounds[0] + 12 * 2.0**-24 * size,)


@pytest.mark.parametrize("op_type", DRAWN)
def test_random_numbers_are_the_cpu_s(card, op_type):  # [W73]
    shape, dtype = (1 << 18,), as_dtype("float32")
    wanted = op_def(op_type).reference(shape, dtype, PhiloxStream(1, 2))
    state = card.from_numpy(place_of(PhiloxStream(1, 2), 1 << 18)).cuda()
    out = card.empty(shape, device="cuda")
    KERNELS[op_type].function(shape, dtype=dtype, state=state, out=out)
    np.testing.assert_array_equal(out.cpu().numpy(), wanted)


@each(("op", *pair) for pair in PAIRS)
def test_a_kernel_agrees_with_its_page_and_with_itself(card, memory, item):
    _, op_type, dtype = item
    for inputs, attrs, bounds in samples(op_type, dtype):
        inputs = rounded(card, op_type, inputs, dtype)
        wanted = reference(op_type, inputs, attrs)
        runs = [on_a_card.launch(op_type, inputs, attrs, wanted, dtype, *memory) for _ in range(2)]
        first, second = ([back(p) for p in places] for places in runs)
        bounds = on_a_card_s_bounds(op_type, inputs, attrs, bounds)
        if dtype == "bfloat16":  # the result is rounded to 8 bits
            bounds = [b + 2.0**-8 * np.abs(w) for b, w in zip(bounds, wanted, strict=True)]
        assert_within(first, wanted, bounds, "float32" if dtype == "bfloat16" else dtype)
        assert [f.tobytes() for f in first] == [s.tobytes() for s in second]


@each(("formula", op.name, dtype) for op, dtype in GENERATED)
def test_a_generated_kernel_gives_what_its_formula_says(memory, item, rng):  # [S43]
    _, name, dtype = item
    op, (memory_of, empty) = op_def(name), memory
    formula = formula_of(op, attributes(op, dtype))
    for shapes in formula_shapes(dtype):
        arrays, wanted = operands(op, formula, dtype, shapes, rng)
        out = empty(wanted.shape, wanted.dtype.name)
        run_formula(formula, name, [memory_of(x, x.dtype.name) for x in arrays], out)
        assert_as_formula(op, formula, dtype, back(out), wanted)


@each(("update", name) for name in RULES if name != "ApplyAdagradDA")
def test_an_update_has_the_bits_of_its_rule(memory, item, rng):  # [S32]
    op = APPLY[item[1]]
    inputs = given(op, (3, 500), rng)
    held = run_update(op, attributes_of_update(op), [memory[0](x, np.asarray(x).dtype.name) for x in inputs])
    exact = item[1] not in ("ApplyPowerSign", "ApplyFtrl", "ApplyFtrlV2")  # have powers
    for place, wanted in zip(held, by_the_rule(op, inputs, {}), strict=True):
        np.testing.assert_allclose(back(place), wanted, rtol=0 if exact else 1e-4, atol=0 if exact else 1e-5)


def test_indices_out_of_range_are_noted(memory):  # [W79]
    from refflow_kernels.gpu.ranges import first_outside, programs

    indices = np.random.default_rng(0).integers(0, 50, 20_000).astype(np.int32)
    indices[[9_000, 9_001]] = 50, -1
    words = memory[0](np.full((2, programs(len(indices))), -1), "int64")
    first_outside(memory[0](indices, "int32"), 0, (50,), words)
    found = back(words)
    assert found.max(axis=1).tolist() == [9_000, 50]
