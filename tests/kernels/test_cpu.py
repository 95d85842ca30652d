"""The NumPy kernels give what the pages give, for every type and for awkward memory [S43, W51]."""

from types import SimpleNamespace

import numpy as np
import pytest

from refflow_kernels.cpu import KERNELS
from tests.kernels.samples import SAMPLES, assert_within, reference

PAIRS = [(op_type, dtype) for op_type, kernel in KERNELS.items() for dtype in kernel.dtypes if "complex" not in dtype]


def test_every_hot_kernel_has_samples():
    assert set(KERNELS) <= set(SAMPLES)


def outputs(result):
    return list(result) if isinstance(result, tuple) else [result]


@pytest.mark.parametrize(("op_type", "dtype"), PAIRS)
def test_a_fast_kernel_agrees_with_its_page(op_type, dtype, rng):
    kernel = KERNELS[op_type]
    for inputs, attrs, bounds in SAMPLES[op_type](rng, dtype):
        wanted = reference(op_type, inputs, attrs)
        kept = [x.copy() for x in inputs]
        with np.errstate(all="ignore"):
            assert_within(outputs(kernel.function(*inputs, **attrs)), wanted, bounds, dtype)
            places = tuple(np.full_like(w, 77) for w in wanted)
            result = kernel.function(*inputs, **attrs, out=places if len(places) > 1 else places[0])
            assert all(r is p for r, p in zip(outputs(result), places, strict=True))
            assert_within(places, wanted, bounds, dtype)
        for x, copy in zip(inputs, kept, strict=True):
            np.testing.assert_array_equal(x, copy)


@pytest.mark.parametrize("op_type", KERNELS)
@pytest.mark.parametrize("layout", ["transposed", "every second", "read-only"])
def test_any_memory_layout_will_do(op_type, layout, rng):
    def laid_out(x):
        x = np.asarray(x)
        if layout == "read-only":
            x = x.copy()
            x.flags.writeable = False
        elif layout == "transposed":
            x = np.array(x, order="F")
        elif x.ndim:
            wide = np.repeat(x, 2, axis=-1)
            x = wide[..., ::2]
        return x

    for inputs, attrs, bounds in SAMPLES[op_type](rng, "float32"):
        with np.errstate(all="ignore"):
            result = KERNELS[op_type].function(*map(laid_out, inputs), **attrs)
        assert_within(outputs(result), reference(op_type, inputs, attrs), bounds, "float32")


@pytest.mark.parametrize("op_type", [name for name, kernel in KERNELS.items() if kernel.fixed])
def test_a_kernel_for_one_shape_gives_the_bits_of_the_one_for_all(op_type, rng):
    kernel, tried = KERNELS[op_type], 0
    for inputs, attrs, _ in SAMPLES[op_type](rng, "float32"):
        known = [x if i in kernel.host_inputs else SimpleNamespace(shape=x.shape) for i, x in enumerate(inputs)]
        fixed = kernel.fixed(np.dtype("float32"), *known, **attrs)
        if fixed is not None:
            wanted, place = kernel.function(*inputs, **attrs), np.empty_like(kernel.function(*inputs, **attrs))
            assert fixed(*inputs, out=place) is place
            for found in (place, fixed(*inputs)):
                assert (np.shape(found), np.asarray(found).tobytes()) == (wanted.shape, wanted.tobytes())
            tried += 1
    assert tried > 1


def test_an_update_may_write_where_it_reads(rng):  # [S32]
    for (var, alpha, delta), _, _ in SAMPLES["ApplyGradientDescent"](rng, "float32"):
        wanted = var - alpha * delta
        KERNELS["ApplyGradientDescent"].function(var, alpha, delta, out=var)
        np.testing.assert_array_equal(var, wanted)


@pytest.mark.parametrize("op_type", [t for t, kernel in KERNELS.items() if kernel.overlaps])
def test_an_output_may_lie_where_an_input_does(op_type, rng):
    kernel = KERNELS[op_type]
    for dtype in kernel.dtypes:
        for inputs, attrs, _ in SAMPLES[op_type](rng, dtype):
            for place, port in kernel.overlaps:
                with np.errstate(all="ignore"):
                    wanted = outputs(kernel.function(*inputs, **attrs))
                    if inputs[place].shape != wanted[port].shape:
                        continue
                    given = [np.array(x) for x in inputs]
                    places = [given[place] if i == port else np.empty_like(w) for i, w in enumerate(wanted)]
                    kernel.function(*given, **attrs, out=tuple(places) if len(places) > 1 else places[0])
                assert [p.tobytes() for p in places] == [w.tobytes() for w in wanted]


@pytest.mark.parametrize("op_type", [t for t, kernel in KERNELS.items() if kernel.checked])
def test_what_is_checked_at_once_need_not_be_checked_in_parts(op_type, rng):
    kernel = KERNELS[op_type]
    place, check, function = kernel.checked
    for dtype in kernel.dtypes:
        for inputs, attrs, _ in SAMPLES[op_type](rng, dtype):
            check(inputs[place], inputs[0].shape)
            with np.errstate(all="ignore"):
                wanted, found = (outputs(f(*inputs, **attrs)) for f in (kernel.function, function))
            assert [f.tobytes() for f in found] == [w.tobytes() for w in wanted]


def test_two_calls_give_the_same_bits(rng):
    for op_type, kernel in KERNELS.items():
        for inputs, attrs, _ in SAMPLES[op_type](rng, "float32"):
            with np.errstate(all="ignore"):
                first, second = (outputs(kernel.function(*inputs, **attrs)) for _ in range(2))
            assert [np.asarray(f).tobytes() for f in first] == [np.asarray(s).tobytes() for s in second]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "columns"), [(6, 3), (300, 48), (64, 49), (96, 300), (60, 1024), (12, 10_000)])
@pytest.mark.parametrize("op_type", [t for t, kernel in KERNELS.items() if kernel.rows_together and t != "Sum"])
def test_rows_give_the_bits_that_they_give_among_all(op_type, rows, columns, dtype, rng):
    kernel = KERNELS[op_type]
    inputs = [rng.normal(size=(rows, columns)).astype(dtype)]
    if op_type.startswith("Sparse"):
        inputs.append(rng.integers(0, columns, rows))
    elif "CrossEntropy" in op_type:
        inputs.append(rng.random((rows, columns)).astype(dtype))
    whole = outputs(kernel.function(*inputs))
    together = kernel.rows_together((rows, columns))
    for size in {together, 2 * together, 3 * together, rows // 2}:
        for first in range(0, rows, size):
            part = outputs(kernel.function(*(x[first : first + size] for x in inputs)))
            assert [p.tobytes() for p in part] == [w[first : first + size].tobytes() for w in whole]


@pytest.mark.parametrize("rows", [65, 96, 97, 200])
def test_the_first_largest_of_long_columns_is_found_also_in_rows_left_over(rows, rng):
    x = rng.integers(-9, 9, (rows, 5000)).astype(np.float32)
    for find, expected in (("ArgMax", x.argmax(axis=0)), ("ArgMin", x.argmin(axis=0))):
        np.testing.assert_array_equal(KERNELS[find].function(x, 0), expected)


@pytest.mark.parametrize("shape", [(700, 1024), (1, 900_000), (40, 20_000), (3, 300_001)])
def test_sums_of_long_rows_from_memory_are_exact_to_a_few_units(shape, rng):
    x = rng.random(shape).astype(np.float32)
    found = KERNELS["Sum"].function(x, np.array([1]))
    np.testing.assert_allclose(found, x.sum(axis=1, dtype=np.float64), rtol=2e-6)


@pytest.mark.parametrize("dtype", ["float32", "int8", "bool", "complex128"])
@pytest.mark.parametrize(
    ("shape", "ids", "axis", "batch"),
    [((2, 5, 3), (2, 4), 1, 1), ((2, 3, 5, 4), (2, 3, 6), 2, 2), ((2, 3, 5), (2, 4), 2, 1), ((3, 5), (3,), 1, 1),
     ((2, 3, 0), (2, 4), 1, 1), ((4, 6), (), -1, 0), ((2, 5, 3), (2, 4), -2, -1), ((0, 5), (0, 3), 1, 1)],
)  # fmt: skip
def test_rows_of_batches_are_the_page_s(shape, ids, axis, batch, dtype, rng):
    params, indices = rng.integers(0, 2, shape).astype(dtype), rng.integers(0, shape[axis], ids).astype(np.int32)
    attrs = {"batch_dims": batch}
    (wanted,) = reference("GatherV2", (params, indices, np.int32(axis)), attrs)
    for given in (params, np.asfortranarray(params)):
        found = KERNELS["GatherV2"].function(given, indices, np.int32(axis), **attrs)
        assert found.shape == wanted.shape and found.tobytes() == wanted.tobytes()
        turned = np.empty(wanted.shape[::-1], wanted.dtype).T
        assert KERNELS["GatherV2"].function(given, indices, np.int32(axis), **attrs, out=turned) is turned
        np.testing.assert_array_equal(turned, wanted)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int64"])
@pytest.mark.parametrize("shape", [(3, 129), (2, 5, 1000), (40, 4097), (7, 300)])
@pytest.mark.parametrize(("exclusive", "reverse"), [(False, False), (True, False), (False, True), (True, True)])
def test_running_sums_of_rows_are_those_of_numpy(shape, dtype, exclusive, reverse, rng):
    x = rng.integers(-50, 50, shape).astype(dtype)  # exact in all types, or modulo 256
    found = KERNELS["Cumsum"].function(x, -1, exclusive=exclusive, reverse=reverse)
    turned = x[..., ::-1] if reverse else x
    wanted = np.cumsum(turned, axis=-1, dtype=dtype)
    wanted = wanted - turned if exclusive else wanted
    np.testing.assert_array_equal(found, wanted[..., ::-1] if reverse else wanted)


def test_running_sums_of_a_long_row_are_rounded_a_few_times(rng):
    x = rng.random((4, 50_000), np.float32)
    found, wanted = KERNELS["Cumsum"].function(x, 1), np.cumsum(x, axis=1, dtype=np.float64)
    assert np.abs(found / wanted - 1).max() < 30 * np.finfo(np.float32).eps


@pytest.mark.parametrize("dims", [(0, 3), (2, 0)])
def test_of_no_classes_nothing_is_lost(dims):
    scores = np.ones(dims, np.float32)
    loss, slopes = KERNELS["SoftmaxCrossEntropyWithLogits"].function(scores, scores)
    assert loss.tolist() == [0] * dims[0] and slopes.shape == dims
