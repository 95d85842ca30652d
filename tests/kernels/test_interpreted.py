"""The Triton kernels give what the pages give, run by Triton's interpreter on a machine without a card.

The interpreter computes every dot in plain float32, so that it tests indices, masks and orders, not precisions. Its
bfloat16 cuts off instead of rounding: that type is left to the compiler here, and to the card.
"""

import sys

import numpy as np
import pytest

from refflow.core.dtypes import float32
from refflow.core.registry import op_def
from refflow_kernels.gpu import KERNELS
from refflow_kernels.interpreter import Memory
from tests.kernels.samples import SAMPLES, assert_within, reference

DRAWN = {op_type for op_type in KERNELS if op_def(op_type).make_state is not None}  # in test_gpu_random.py
PAIRS = [(op_type, dtype) for op_type, kernel in KERNELS.items() for dtype in kernel.dtypes
         if dtype != "bfloat16" and op_type not in DRAWN]  # fmt: skip


ROWS = ("Softmax", "LogSoftmax", "SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits")


def launch(op_type, inputs, attrs, wanted):
    """The kernel's outputs, after a look at the guards behind every buffer."""
    kernel = KERNELS[op_type]
    memory = [
        x if i in kernel.host_inputs else [Memory.of(m) for m in x] if isinstance(x, list) else Memory.of(x)
        for i, x in enumerate(inputs)
    ]
    places = tuple(Memory.empty(w.shape, w.dtype) for w in wanted)
    scratch = {}
    need = kernel.workspace and kernel.workspace(memory, **attrs)
    if need:
        scratch["workspace"] = Memory.empty(*need)
    with np.errstate(all="ignore"):
        kernel.function(*memory, **attrs, out=places if len(places) > 1 else places[0], **scratch)
    listed = [m for x in memory if isinstance(x, list) for m in x]
    buffers = [m for m in [*memory, *listed] if isinstance(m, Memory)] + [*places, *scratch.values()]
    assert all(m.guard_is_whole() for m in buffers)
    return [p.array for p in places]


def test_every_triton_kernel_has_samples():
    assert set(KERNELS) - DRAWN <= set(SAMPLES)


@pytest.mark.parametrize(("op_type", "dtype"), PAIRS)
def test_a_triton_kernel_agrees_with_its_page(op_type, dtype, rng):
    for inputs, attrs, bounds in SAMPLES[op_type](rng, dtype):
        most = 200 if "Segment" in op_type or op_type.startswith("Scatter") else 20_000  # of those a program has a row
        if max((np.size(x) for x in inputs if not isinstance(x, list)), default=0) > most:
            continue  # the interpreter takes seconds for those
        wanted = reference(op_type, inputs, attrs)
        assert_within(launch(op_type, inputs, attrs, wanted), wanted, bounds, dtype)


def test_a_long_product_is_cut_and_added_in_order(rng):  # [S16]
    a, b = rng.normal(size=(3000, 20)).astype(np.float32), rng.normal(size=(3000, 10)).astype(np.float32)
    attrs = {"transpose_a": True, "transpose_b": False}
    assert KERNELS["MatMul"].workspace([Memory.of(a), Memory.of(b)], **attrs) is not None
    wanted = reference("MatMul", (a, b), attrs)
    bound = 3002 * 2.0**-24 * (np.abs(a.T) @ np.abs(b))
    first = launch("MatMul", (a, b), attrs, wanted)
    assert_within(first, wanted, (bound,), "float32")
    assert first[0].tobytes() == launch("MatMul", (a, b), attrs, wanted)[0].tobytes()


def test_a_product_without_its_workspace_is_refused():
    from refflow_kernels.gpu.matmul import matmul

    a, b, out = (Memory.empty(shape, np.float32) for shape in ((3000, 20), (3000, 10), (20, 10)))
    with pytest.raises(ValueError, match="workspace"):
        matmul(a, b, transpose_a=True, out=out)


@pytest.mark.parametrize("op_type", ROWS)
def test_rows_longer_than_the_registers_are_walked(op_type, rng, monkeypatch):  # [S18.2, S22]
    """In chunks; and by several programs where there are few rows."""
    for page, names in (("softmax", ("LONG", "CHUNK")), ("softmax_xent", ("LONG", "LONG_SPARSE", "CHUNK"))):
        for name in names:
            monkeypatch.setattr(sys.modules[f"refflow_kernels.gpu.{page}"], name, 4)
    for inputs, attrs, bounds in SAMPLES[op_type](rng, "float32"):
        if inputs[0].shape[0] <= 5 and inputs[0].shape[1] < 200:
            wanted = reference(op_type, inputs, attrs)
            assert_within(launch(op_type, inputs, attrs, wanted), wanted, bounds, "float32")


def test_rows_of_which_the_largest_are_sought_are_read_again_where_they_are_long(rng, monkeypatch):  # [W06]
    page = sys.modules["refflow_kernels.gpu.top_k"]
    monkeypatch.setattr(page, "LONG", 4)
    monkeypatch.setattr(page, "CHUNK", 64)
    for inputs, attrs, bounds in SAMPLES["TopK"](rng, "float32"):
        if inputs[0].size < 400:
            wanted = reference("TopK", inputs, attrs)
            assert_within(launch("TopK", inputs, attrs, wanted), wanted, bounds, "float32")


@pytest.mark.parametrize(
    "op_type",
    ["UnsortedSegmentSum", "UnsortedSegmentMax", "SegmentProd", "SegmentMean", "SparseSegmentSqrtN",
     "SparseSegmentMeanGrad", "ScatterDiv", "ScatterSub"],
)  # fmt: skip
def test_ids_in_order_by_merging_and_long_runs_of_them(op_type, rng, monkeypatch):  # [W06]
    for page, name, least in (("order", "FEW", 32), ("order", "CHUNK", 32), ("rows", "RUN", 16)):
        monkeypatch.setattr(sys.modules[f"refflow_kernels.gpu.{page}"], name, least)
    n, attrs, count = 70, {}, np.array(4, np.int32)
    x, ids = (1 + rng.normal(size=(n, 3)) / 64).astype(np.float32), rng.integers(-1, 4, n).astype(np.int32)
    ids[rng.random(n) < 0.8] = 2
    if op_type.startswith("Unsorted"):
        inputs = (x, ids, count)
        attrs = {} if op_type.endswith("Sum") else {"T": float32}
    elif op_type.endswith("Grad"):
        inputs = (x[:4], rng.integers(0, 4, n), np.abs(ids), count)
    elif op_type.startswith("Scatter"):
        inputs = (x[:4], np.abs(ids), x)
    else:
        picks = (rng.integers(0, n, n),) if op_type.startswith("Sparse") else ()
        inputs = (x, *picks, np.sort(np.abs(ids)))
    wanted = reference(op_type, inputs, attrs)
    first = launch(op_type, inputs, attrs, wanted)
    np.testing.assert_allclose(first[0], wanted[0], rtol=1e-5, atol=1e-4)
    assert first[0].tobytes() == launch(op_type, inputs, attrs, wanted)[0].tobytes()


@pytest.mark.parametrize("n", [65, 128, 700])
def test_the_order_of_ids_does_not_depend_on_how_it_was_found(n, rng, monkeypatch):
    """Ids without a row come last; 700 make merged pieces of several lengths, and one without a neighbour."""
    page, found = sys.modules["refflow_kernels.gpu.order"], []
    ids = rng.integers(-2, 9, n).astype(np.int64)
    for few in (n, 32):
        monkeypatch.setattr(page, "FEW", few)
        monkeypatch.setattr(page, "CHUNK", 64)
        memory, pitch = Memory.empty(*page.order_workspace(n)), page.pitch_of(n)
        page.put_in_order(Memory.of(ids), 8, memory)
        assert memory.guard_is_whole()
        found.append([memory.array[k * pitch : k * pitch + n] for k in range(3)])
    np.testing.assert_array_equal(*found)
    known = np.where((ids < 0) | (ids >= 8), 8, ids)
    np.testing.assert_array_equal(found[0][0], np.argsort(known, kind="stable"))


def test_a_number_without_a_class_has_no_loss(rng):  # [S18.1]
    """A card raises no errors: NaN, in its row alone."""
    x, labels = rng.normal(size=(3, 5)).astype(np.float32), np.array([4, 5, -1])
    wanted = [np.zeros(3, np.float32), np.zeros((3, 5), np.float32)]
    loss, backprop = launch("SparseSoftmaxCrossEntropyWithLogits", (x, labels), {}, wanted)
    assert np.isnan(loss).tolist() == [False, True, True]
    assert np.isnan(backprop).all(axis=1).tolist() == [False, True, True] and not np.isnan(backprop[0]).any()


@pytest.mark.parametrize("op_type", ["Sum", "Max", "L2Loss", "Any", "Cumsum", "Cumprod", "ArgMax", "BiasAddGrad"])
def test_long_axes_are_cut_and_their_pieces_combined(op_type, rng, monkeypatch):  # [S19]
    monkeypatch.setattr(sys.modules["refflow_kernels.gpu.reduction_stages"], "_WALKED", 0)
    dtype, cut = "bool" if op_type == "Any" else "float32", 0
    for inputs, attrs, bounds in SAMPLES[op_type](rng, dtype):
        need = KERNELS[op_type].workspace(inputs, **attrs)
        if need is not None and 4000 < inputs[0].size < 20_000:
            wanted = reference(op_type, inputs, attrs)
            assert_within(launch(op_type, inputs, attrs, wanted), wanted, bounds, dtype)
            cut += 1
    assert cut


def test_a_variance_far_from_0_keeps_its_digits(rng):  # [W06]
    x = (1000 + 0.01 * rng.normal(size=(1, 50, 90, 2))).astype(np.float32)
    vectors = [np.ones(2, np.float32)] * 4
    attrs = {"epsilon": 0.0, "exponential_avg_factor": 1.0, "data_format": "NHWC", "is_training": True}
    wanted = reference("FusedBatchNorm", (x, *vectors), attrs)
    variance = launch("FusedBatchNorm", (x, *vectors), attrs, wanted)[4]
    np.testing.assert_allclose(variance, x.astype(np.float64).var((0, 1, 2)), rtol=1e-5)
