"""The Triton kernels and the deck's program on a real card: `pytest -m gpu`."""

import os

import numpy as np
import pytest

from refflow.core.dtypes import as_dtype
from refflow.core.registry import op_def
from refflow.ops.philox import PhiloxStream
from refflow.runtime.gpu_kernels import place_of
from refflow_kernels.gpu import KERNELS
from tests.kernels.samples import SAMPLES, assert_within, reference
from tests.kernels.samples.bounds import gamma

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def torch():
    if os.environ.get("TRITON_INTERPRET") == "1":
        pytest.skip("kernels are interpreted in this run; pytest -m gpu runs them on a card")
    torch = pytest.importorskip("torch", reason="torch allocates the card's memory")
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA card")
    return torch


def is_half(op_type, arg, dtype):
    """True where an input or output is of the type that is bfloat16; statistics, for example, stay float32."""
    return dtype == "bfloat16" and arg.type == KERNELS[op_type].type_attr


def rounded(torch, op_type, inputs, dtype):
    """The inputs with as many digits as the card is given."""

    def one(x, arg):
        if isinstance(x, list):
            return [one(m, arg) for m in x]
        shorter = is_half(op_type, arg, dtype) and x.dtype == np.float32
        return torch.from_numpy(np.array(x)).bfloat16().float().numpy() if shorter else x

    return [one(x, arg) for x, arg in zip(inputs, op_def(op_type).inputs, strict=True)]


def launch(torch, op_type, inputs, attrs, wanted, dtype):
    """The outputs; for bfloat16, which NumPy has not, inputs and outputs are float32 here and bfloat16 on the card."""
    kernel = KERNELS[op_type]
    op = op_def(op_type)

    def there(x, half):
        on_card = torch.from_numpy(np.ascontiguousarray(x).reshape(np.shape(x)).copy()).cuda()
        return on_card.bfloat16() if half and on_card.dtype == torch.float32 else on_card

    def named(w, half):
        return torch.bfloat16 if half and w.dtype == np.float32 else getattr(torch, w.dtype.name)

    memory = []
    for i, x in enumerate(inputs):
        half = is_half(op_type, op.inputs[i], dtype)
        if i not in kernel.host_inputs:
            x = [there(m, half) for m in x] if isinstance(x, list) else there(x, half)
        memory.append(x)
    args = [op.outputs[min(i, len(op.outputs) - 1)] for i in range(len(wanted))]  # a list of outputs comes last
    kinds = [named(w, is_half(op_type, arg, dtype)) for w, arg in zip(wanted, args, strict=True)]
    places = tuple(torch.full(w.shape, 77, dtype=k, device="cuda") for w, k in zip(wanted, kinds, strict=True))
    scratch = {}
    need = kernel.workspace and kernel.workspace(memory, **attrs)
    if need:
        scratch["workspace"] = torch.empty(need[0], dtype=getattr(torch, need[1]), device="cuda")
    kernel.function(*memory, **attrs, out=places if len(places) > 1 else places[0], **scratch)
    return [(p.float() if p.dtype == torch.bfloat16 else p).cpu().numpy() for p in places]


def on_a_card(op_type, inputs, attrs, bounds):
    """What a card's arithmetic adds to the bounds of correctly rounded float32.

    exp and log are good to two units, where NumPy's are good to one. In tf32x3 each operand is split in two parts with
    11 bits, which leaves 2^-22 of it out, and the product of the two small parts is left out too: 12 units of 2^-24
    altogether. Tensor cores cut sums off instead of rounding them: twice the error for each addition.
    """
    if "Softmax" in op_type:
        return tuple(4 * np.asarray(b) for b in bounds)
    if "MatMul" not in op_type:
        return bounds
    turned = attrs.get("transpose_a", attrs.get("adj_x"))
    size = bounds[0] / gamma(inputs[0].shape[-2 if turned else -1] + 2, "float32")
    return (2 * bounds[0] + 12 * 2.0**-24 * size,)


DRAWN = [o for o in KERNELS if op_def(o).make_state is not None]
PAIRS = [(o, d) for o, k in KERNELS.items() for d in k.dtypes if o not in DRAWN]


@pytest.mark.parametrize("op_type", DRAWN)
def test_random_numbers_are_the_cpu_s(torch, op_type):  # [W73]
    shape, dtype = (1 << 18,), as_dtype("float32")
    wanted = op_def(op_type).reference(shape, dtype, PhiloxStream(1, 2))
    state = torch.from_numpy(place_of(PhiloxStream(1, 2), 1 << 18)).cuda()
    out = torch.empty(shape, device="cuda")
    KERNELS[op_type].function(shape, dtype=dtype, state=state, out=out)
    np.testing.assert_array_equal(out.cpu().numpy(), wanted)


@pytest.mark.parametrize(("op_type", "dtype"), PAIRS)
def test_a_kernel_agrees_with_its_page_and_with_itself(torch, op_type, dtype, rng):
    for inputs, attrs, bounds in SAMPLES[op_type](rng, "float32" if dtype == "bfloat16" else dtype):
        inputs = rounded(torch, op_type, inputs, dtype)
        wanted = reference(op_type, inputs, attrs)
        first, second = (launch(torch, op_type, inputs, attrs, wanted, dtype) for _ in range(2))
        bounds = on_a_card(op_type, inputs, attrs, bounds)
        if dtype == "bfloat16":  # the result is rounded to 8 bits
            bounds = [b + 2.0**-8 * np.abs(w) for b, w in zip(bounds, wanted, strict=True)]
        assert_within(first, wanted, bounds, "float32" if dtype == "bfloat16" else dtype)
        assert [f.tobytes() for f in first] == [s.tobytes() for s in second]


def test_the_deck_s_program_learns_on_the_card_as_on_the_cpu(torch):  # [S33, S42]
    from refflow import deck

    def losses(gpu):
        lines = []
        deck.run(num_steps=301, gpu=gpu, say=lambda *words: lines.append(" ".join(map(str, words))))
        return [float(line.split(" : ")[1]) for line in lines if line.startswith("Loss")]

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-5)


# -- sessions on a card -----------------------------------------------------------------------------------------------


def net(tf, batch=32):
    """A small training step, with labels and a random mask, so that every kind of value is in it."""
    x, y = tf.placeholder(tf.float32, [batch, 20]), tf.placeholder(tf.int32, [batch])
    w1 = tf.Variable(np.random.default_rng(1).normal(size=(20, 64)).astype(np.float32) / 5)
    w2 = tf.Variable(np.random.default_rng(2).normal(size=(64, 10)).astype(np.float32) / 8)
    logits = tf.matmul(tf.nn.relu(tf.matmul(x, w1)), w2)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    return x, y, [w1, w2], loss, tf.train.AdamOptimizer(0.01).minimize(loss)


def rows_of(steps, batch=32):
    rng = np.random.default_rng(4)
    return rng.normal(size=(steps, batch, 20)).astype(np.float32), rng.integers(0, 10, (steps, batch)).astype(np.int32)


def trained(steps, repeated=False, **options):
    import refflow.compat.v1 as tf

    xs, ys = rows_of(steps)
    with tf.Graph().as_default():
        x, y, state, loss, step = net(tf)
        with tf.Session(allow_soft_placement=True, **options) as session:
            session.run(tf.global_variables_initializer())
            if repeated:
                losses = session.repeat([loss, step], steps, {x: xs, y: ys})[0]
            else:
                losses = [session.run([loss, step], {x: xs[i], y: ys[i]})[0] for i in range(steps)]
            plans = [s._executable for s in session._steps.values()]
            return [np.asarray(losses), *session.run(state)], plans


GPU = {"device_count": {"GPU": 1}}


def test_a_captured_step_trains_as_on_the_cpu(torch):  # [S33]
    wanted, _ = trained(40)
    got, plans = trained(40, **GPU)
    for g, w in zip(got, wanted, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-3, atol=1e-4)
    stretches = [s for plan in plans for s in plan.stretches if s.runs["replays"]]
    assert [s.runs for s in stretches] == [{"lines": 1, "captures": 1, "replays": 39}]


def test_captured_uncaptured_and_repeated_steps_give_one_result_to_the_bit(torch):
    results = [trained(40, **GPU)[0], trained(40, capture=False, **GPU)[0], trained(40, repeated=True, **GPU)[0]]
    for other in results[1:]:
        assert [a.tobytes() for a in results[0]] == [b.tobytes() for b in other]


def test_random_numbers_of_replays_are_the_cpu_s(torch):  # [W73]
    import refflow as tf

    with tf.Graph().as_default():
        y = tf.random_uniform([1000], seed=3) * 2.0
        with tf.Session(allow_soft_placement=True, **GPU) as card, tf.Session() as host:
            for _ in range(4):
                np.testing.assert_array_equal(card.run(y), host.run(y))


def test_a_card_without_room_tells_what_was_to_lie_there(torch):  # [W82]
    import refflow as tf

    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [1 << 19, 1])
        y = tf.matmul(x, x, transpose_b=True, name="vast")  # a terabyte
        with tf.Session(**GPU) as session, pytest.raises(tf.errors.ResourceExhaustedError, match="vast"):
            session.run(tf.reduce_sum(y), {x: np.zeros((1 << 19, 1), np.float32)})


def test_many_signatures_leave_no_more_captures_than_are_kept(torch):
    import refflow as tf

    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [8])
        results = [x * float(i) for i in range(70)]
        with tf.Session(**GPU) as session:
            for _ in range(3):
                for i, y in enumerate(results):
                    assert session.run(y, {x: np.ones(8)}).tolist() == [float(i)] * 8
            card = next(d for d in session.devices if d.type == "gpu")
            assert len(card.captured) == card.captured.most == 64


def test_a_run_costs_the_host_ten_microseconds_at_most(torch):
    from refflow.bench import gpu

    def devices():
        from refflow.runtime.device import local_devices

        return local_devices({"GPU": 1})

    workload = gpu.perceptron.PerceptronDescent()
    side = gpu.make(workload, "refflow", workload.data(np.random.default_rng(0)), devices, "cuda")
    assert 1e6 * min(side.host() for _ in range(5)) < 10
