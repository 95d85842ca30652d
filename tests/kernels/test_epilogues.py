"""Chains that products' kernels do before they write: the bits of product and chain, and nothing written elsewhere."""

from itertools import count

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.runtime.device import Device
from refflow.runtime.fuse import FUSED, fuse
from refflow.runtime.gpu_kernels import Chain
from refflow.runtime.joins import JOINED, join_products
from refflow.runtime.loosen import free_constants, skip_identities
from refflow_kernels.gpu import KERNELS, conv_boxes, epilogues, matmul_boxes
from refflow_kernels.interpreter import Memory
from tests.kernels.samples import reference
from tests.kernels.samples.bounds import normal
from tests.kernels.test_gpu_device import simulated_gpu

PLAIN = {"strides": [1, 1, 1, 1], "padding": "SAME", "data_format": "NHWC", "dilations": [1, 1, 1, 1]}
NO_TURN = {"transpose_a": False, "transpose_b": False}

# Bias, residual, scale and Relu; a slope by its activation; one number for each row; what is wanted before the last.
STEPS = {
    "bias, residual, relu": (
        [("add", ("in", 0), ("in", 1)), ("multiply", ("step", 0), 0.5), ("add", ("step", 1), ("in", 2)),
         ("maximum", ("step", 2), 0)],
        ["product", "row", "whole"], [("step", 3)],
    ),
    "slope": ([("greater", ("in", 0), 0), ("where", ("step", 0), ("in", 1), 0)], ["whole", "product"], [("step", 1)]),
    "tanh, and what is behind it": (
        [("multiply", ("in", 0), ("in", 1)), ("subtract", ("step", 0), ("in", 2)), ("tanh", ("step", 1))],
        ["column", "product", "one"], [("step", 2), ("step", 1), ("in", 1)],
    ),
}  # fmt: skip


def lined(steps):
    from refflow.core.formula import triton_line

    return [triton_line(number, step) for number, step in enumerate(steps)]


def names(outputs):
    return [f"{'s' if kind == 'step' else 'x'}{number}" for kind, number in outputs]


def apart_and_together(op_type, inputs, attrs, chain, rng, many=1):
    """The results of the product's kernel and the chain's, and of one kernel; after a look at all guards."""
    steps, kinds, outputs = chain
    kernel, (wanted,) = KERNELS[op_type], reference(op_type, inputs, attrs)
    columns, dtype = wanted.shape[-1] * many, wanted.dtype.name
    rows = wanted.size // columns
    shapes = {"whole": wanted.shape, "row": (columns,), "column": (rows, 1), "one": ()}
    others = {place: Memory.of(normal(rng, shapes[kind], dtype)) for place, kind in enumerate(kinds) if kind in shapes}
    given = [x if i in kernel.host_inputs else Memory.of(x) for i, x in enumerate(inputs)]

    def product(**more):
        need = kernel.workspace(given, **attrs)
        more |= {"workspace": Memory.empty(*need)} if need else {}
        out = Memory.empty(wanted.shape, dtype)
        kernel.function(*given, **attrs, **more, out=out)
        assert all(m.guard_is_whole() for m in (out, *more.values()) if isinstance(m, Memory))
        return out

    alone = product()
    apart = []
    for kind, number in outputs:
        if kind == "in":
            apart.append(alone)
            continue
        found = Chain(steps, ["whole" if k == "product" else k for k in kinds], [number], rows, columns)
        apart.append(Memory.empty(wanted.shape, dtype))
        found([others.get(place, alone) for place in range(len(kinds))], apart[-1:])
    text = epilogues.source(kinds, lined(steps), names(outputs), dtype, many)
    more = [Memory.empty(wanted.shape, dtype) for _ in outputs[1:]]
    epilogue = epilogues.Epilogue(epilogues.function_of(text), (*others.values(), *more))
    together = [product(epilogue=epilogue), *more]
    assert all(m.guard_is_whole() for m in [*others.values(), *more])
    return [[m.array for m in side] for side in (apart, together)]


def assert_same_bytes(sides):
    apart, together = sides
    assert [a.tobytes() for a in apart] == [t.tobytes() for t in together]
    assert all(np.isfinite(a).all() and a.astype(float).std() > 0 for a in apart)


@pytest.fixture
def boxes(monkeypatch):
    """So few processors that small products go by boxes, and each program takes several tiles, each in four parts."""
    monkeypatch.setattr(epilogues, "_VALUES", 1)
    monkeypatch.setattr(matmul_boxes, "PROCESSORS", 3)
    monkeypatch.setattr(matmul_boxes, "_tiles_for", lambda bits: matmul_boxes._Tiles(16, 32, 16, 4, 3))


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("sizes", [(37, 41, 19), (5, 70, 33), (70, 9, 33), (1, 1, 1)], ids=str)
def test_a_product_of_any_shape(sizes, dtype, steps, rng):  # [S16, S43]
    """Tiles that end inside the matrix; few rows, which are computed as columns; few columns."""
    (M, N, K) = sizes
    inputs = normal(rng, (M, K), dtype), normal(rng, (K, N), dtype)
    apart, together = apart_and_together("MatMul", inputs, NO_TURN, STEPS[steps], rng)
    assert [a.tobytes() for a in apart] == [t.tobytes() for t in together]


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True)])
def test_a_product_by_boxes(turned, dtype, steps, rng, boxes):
    M, N, K = 40, 72, 56
    inputs = normal(rng, (K, M) if turned[0] else (M, K), dtype), normal(rng, (N, K) if turned[1] else (K, N), dtype)
    attrs = {"transpose_a": turned[0], "transpose_b": turned[1]}
    assert_same_bytes(apart_and_together("MatMul", inputs, attrs, STEPS[steps], rng))


@pytest.mark.parametrize("steps", list(STEPS)[2:])
def test_odd_rows_that_are_copied_for_boxes(steps, rng, boxes, monkeypatch):
    monkeypatch.setattr(matmul_boxes, "_LARGE", 1)
    inputs = normal(rng, (41, 53), "float32"), normal(rng, (53, 67), "float32")
    assert_same_bytes(apart_and_together("MatMul", inputs, NO_TURN, STEPS[steps], rng))


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("M", [20, 3])
def test_a_product_in_pieces_by_the_pass_that_adds_them(M, steps, rng):
    inputs = normal(rng, (M, 1100), "float32"), normal(rng, (1100, 21), "float32")
    assert KERNELS["MatMul"].workspace(inputs, **NO_TURN) is not None
    assert_same_bytes(apart_and_together("MatMul", inputs, NO_TURN, STEPS[steps], rng))


@pytest.mark.parametrize("many", [1, 5])
@pytest.mark.parametrize("steps", list(STEPS)[::2])
@pytest.mark.parametrize("shapes", [((2, 3, 5, 17), (3, 17, 19)), ((6, 5, 17), (17, 19)), ((6, 40, 17), (6, 17, 19))],
                         ids=["of two axes", "of one matrix", "of many"])  # fmt: skip
def test_products_in_batches(shapes, steps, many, rng):
    """A "row" of several rows is a mask that all batches share."""
    inputs = tuple(normal(rng, shape, "float32") for shape in shapes)
    attrs = {"adj_x": False, "adj_y": False}
    assert_same_bytes(apart_and_together("BatchMatMulV2", inputs, attrs, STEPS[steps], rng, many))


def images(op_type, x, w, dtype, rng, stride=1):
    attrs = PLAIN | {"strides": [1, stride, stride, 1], "explicit_paddings": []}
    dy = [x[0], -(-x[1] // stride), -(-x[2] // stride), w[3]]
    if op_type == "Conv2D":
        return (normal(rng, x, dtype), normal(rng, w, dtype)), attrs
    return (np.array(x, np.int32), normal(rng, w, dtype), normal(rng, dy, dtype)), attrs


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    ("op_type", "x", "w", "stride"),
    [("Conv2D", (2, 7, 9, 40), (3, 3, 40, 40), 1), ("Conv2D", (2, 8, 6, 48), (3, 3, 48, 40), 2),
     ("Conv2D", (2, 7, 9, 3), (3, 3, 3, 21), 2), ("Conv2D", (1, 6, 5, 6), (3, 3, 2, 9), 1),
     ("Conv2DBackpropInput", (2, 7, 9, 40), (3, 3, 40, 40), 1),
     ("Conv2DBackpropInput", (2, 5, 6, 13), (3, 3, 13, 7), 1)],
    ids=["boxes", "boxes of stride 2", "pointers", "groups", "dx by boxes", "dx by pointers"],
)  # fmt: skip
def test_a_convolution(op_type, x, w, stride, dtype, steps, rng, monkeypatch):  # [W74]
    by_boxes, went = conv_boxes.conv, []
    monkeypatch.setattr(conv_boxes, "conv", lambda *a: went.append(by_boxes(*a)) or went[-1])
    monkeypatch.setattr(conv_boxes, "pieces_for", lambda *shape: 1)
    monkeypatch.setattr(epilogues, "_VALUES", 4)  # eight parts
    inputs, attrs = images(op_type, x, w, dtype, rng, stride)
    assert_same_bytes(apart_and_together(op_type, inputs, attrs, STEPS[steps], rng))
    assert not went or all(went) == (x[3] >= 40)


@pytest.mark.parametrize("steps", STEPS)
def test_a_convolution_in_pieces(steps, rng):
    inputs, attrs = images("Conv2D", (1, 5, 6, 72), (3, 3, 72, 72), "float32", rng)
    assert KERNELS["Conv2D"].workspace(inputs, **attrs) is not None
    assert_same_bytes(apart_and_together("Conv2D", inputs, attrs, STEPS[steps], rng))


def test_a_product_in_halves_may_leave_as_float32(rng):
    text = epilogues.source(["product", "row"], ["s0 = (x0 + x1)"], ["s0"], "float16")
    a, b, bias = normal(rng, (37, 20), "float16"), normal(rng, (20, 9), "float16"), normal(rng, (9,), "float32")
    out, function = Memory.empty((37, 9), "float32"), epilogues.function_of(text)
    epilogue = epilogues.Epilogue(function, (Memory.of(bias),))
    KERNELS["MatMul"].function(Memory.of(a), Memory.of(b), out=out, epilogue=epilogue)
    product = (a.astype(np.float32) @ b.astype(np.float32)).astype(np.float16)
    assert out.guard_is_whole()
    np.testing.assert_allclose(out.array, product.astype(np.float32) + bias, atol=4e-3)


# -- which nodes of a step are joined ------------------------------------------------------------------------------


def plan_of(fetches, feeds):
    """Of the step's nodes on the card: those that were joined, and the types of all."""
    with tf.Session(devices=[Device(0), simulated_gpu()], allow_soft_placement=True) as session:
        stages = session.stages(session.signature(fetches, list(feeds)), [np.shape(v) for v in feeds.values()])
    step = join_products(fuse(skip_identities(free_constants(stages.partitioned))))
    on_card = [n for n in step.nodes if n.device.type == "gpu" and not n.receives and not n.sends]
    return [n for n in on_card if n.op_def is JOINED], [n.type for n in on_card]


def both(fetches, feeds):
    """The values by a plan that joins, and node by node; both on the card."""
    found = []
    for executor in ("plan", "executor"):
        devices = [Device(0), simulated_gpu()]
        with tf.Session(devices=devices, allow_soft_placement=True, executor=executor) as session:
            session.run(tf.initialize_all_variables())
            found.append([session.run(fetches, feeds) for _ in range(2)])
    return found


def assert_same_values(fetches, feeds):
    for joined, apart in zip(*both(fetches, feeds), strict=True):
        for a, b in zip(joined, apart, strict=True):
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.fixture
def numbers(rng):
    seeds = count()
    return lambda *shape: np.random.default_rng(next(seeds)).normal(size=shape).astype(np.float32)


def test_layers_and_their_slopes_are_joined_and_have_the_bits_of_their_nodes(numbers):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [6, 20])
        w, v, b = tf.Variable(numbers(20, 40)), tf.Variable(numbers(40, 7)), tf.Variable(numbers(40))
        hidden = tf.nn.relu(tf.matmul(x, w) + b)
        loss = tf.reduce_mean(tf.square(tf.tanh(tf.matmul(hidden, v)) - 1.0))
        step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
        feeds = {x: numbers(6, 20)}
        joined, types = plan_of([loss, step], feeds)
        assert len(joined) == 3 and types.count("MatMul") == 2 and not {"Relu", "ReluGrad", "Tanh"} & set(types)
        members = [{m.type for m in n.attrs["members"]} for n in joined]
        assert {"MatMul", "Add", "Relu"} in members and {"MatMul", "ReluGrad"} in members
        assert_same_values([loss, hidden], feeds)
        devices = [Device(0), simulated_gpu()]
        losses = {}
        for executor in ("plan", "executor"):
            with tf.Session(devices=devices, allow_soft_placement=True, executor=executor) as session:
                session.run(tf.initialize_all_variables())
                losses[executor] = [session.run([loss, step], feeds)[0] for _ in range(4)]
        assert losses["plan"] == losses["executor"] and losses["plan"][3] < losses["plan"][0]


def test_convolutions_with_biases_and_what_is_added_behind_them_are_joined(numbers):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [1, 5, 6, 8])
        first, second = tf.constant(numbers(3, 3, 8, 8)), tf.constant(numbers(1, 1, 8, 8))
        bias = tf.constant(numbers(8))
        one = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, first, [1, 1, 1, 1], "SAME"), bias))
        two = tf.nn.elu(tf.nn.conv2d(one, second, [1, 1, 1, 1], "SAME") + x)
        fetches, feeds = [two, *tf.gradients(two, [x])], {x: numbers(1, 5, 6, 8)}
        joined, types = plan_of(fetches, feeds)
        assert len(joined) >= 3 and "Conv2D" not in types
        assert_same_values(fetches, feeds)


def test_who_else_reads_the_product_gets_it(numbers):
    with tf.Graph().as_default():
        x, y = tf.placeholder(tf.float32, [9, 5]), tf.constant(numbers(5, 11))
        product = tf.matmul(x, y)
        fetches, feeds = [tf.sigmoid(product) * 2.0, product, tf.reduce_max(product)], {x: numbers(9, 5)}
        (joined,), _ = plan_of(fetches, feeds)
        assert len(joined.types) == 2
        assert_same_values(fetches, feeds)


def test_a_chain_that_waits_for_the_product_by_another_way_is_not_joined(numbers):
    with tf.Graph().as_default():
        x, y = tf.placeholder(tf.float32, [9, 5]), tf.constant(numbers(5, 11))
        product = tf.matmul(x, y)
        fetches, feeds = [tf.exp(product - tf.reduce_max(product))], {x: numbers(9, 5)}
        joined, types = plan_of(fetches, feeds)
        assert joined == [] and "MatMul" in types
        assert_same_values(fetches, feeds)


def test_of_two_products_that_a_chain_reads_the_last_takes_it(numbers):
    with tf.Graph().as_default():
        x, y = tf.placeholder(tf.float32, [9, 5]), tf.constant(numbers(5, 11))
        fetches, feeds = [tf.nn.relu(tf.matmul(x, y) + tf.matmul(x, y * 2.0, name="last"))], {x: numbers(9, 5)}
        (joined,), types = plan_of(fetches, feeds)
        assert joined.attrs["product"].name == "last" and types.count("MatMul") == 1
        assert_same_values(fetches, feeds)


def test_two_products_of_one_shape_have_a_chain_each(numbers):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [9, 5])
        sums = [tf.matmul(x, tf.constant(numbers(5, 11))) + tf.constant(numbers(11)) for _ in range(3)]
        fetches, feeds = [tf.nn.relu(s) for s in sums], {x: numbers(9, 5)}
        joined, types = plan_of([*fetches, tf.square(tf.constant(numbers(9, 11)) * x[0, 0])], feeds)
        assert [len(n.attrs["members"]) for n in joined] == [3, 3, 3] and "MatMul" not in types
        assert_same_values(fetches, feeds)


def test_two_chains_that_each_wait_for_the_other_s_product_are_not_both_joined(numbers):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [9, 5])
        first, second = tf.matmul(x, tf.constant(numbers(5, 11))), tf.matmul(x, tf.constant(numbers(5, 7)))
        fetches = [tf.tanh(first) * tf.reduce_sum(second), tf.tanh(second) * tf.reduce_sum(first)]
        joined, types = plan_of(fetches, feeds := {x: numbers(9, 5)})
        assert len(joined) == types.count("MatMul") == 1
        assert_same_values(fetches, feeds)


def test_channels_first_and_a_stride_s_slopes_are_not_joined(numbers):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [1, 6, 6, 8])
        y = tf.nn.conv2d(tf.nn.relu(x), tf.constant(numbers(2, 2, 8, 8)), [1, 2, 2, 1], "SAME")
        w = tf.constant(numbers(2, 2, 6, 5))
        z = op_def("Conv2D")(x, w, strides=[1, 1, 1, 1], padding="SAME", data_format="NCHW")
        fetches, feeds = [tf.nn.relu(z), *tf.gradients(tf.square(y), x)], {x: numbers(1, 6, 6, 8)}
        joined, types = plan_of(fetches, feeds)
        products = [n.attrs["product"] for n in joined]
        assert [(p.type, p.attrs["data_format"]) for p in products] == [("Conv2D", "NHWC")]
        assert {"Conv2D", "Conv2DBackpropInput"} <= set(types)
        assert_same_values(fetches, feeds)


def test_in_a_loop_and_in_a_branch_nodes_that_run_together_are_joined(numbers):  # [W39, W41]
    import refflow.compat.v1 as v1

    with tf.Graph().as_default():
        x, turn, turns = (tf.placeholder(t, s) for t, s in ((tf.float32, [3, 3]), (tf.bool, []), (tf.int32, [])))
        w = tf.constant(numbers(3, 3))
        _, z = v1.while_loop(lambda i, a: i < turns, lambda i, a: (i + 1, tf.tanh(tf.matmul(a, w))), [0, x])
        product = tf.matmul(x, w)
        chosen = v1.cond(turn, lambda: tf.nn.relu(product), lambda: x)
        for given in (True, False):
            feeds = {x: numbers(3, 3), turn: np.bool_(given), turns: np.int32(3)}
            joined, _ = plan_of([z, chosen], feeds)
            assert [n.attrs["members"][-1].type for n in joined] == ["Tanh"]
            assert_same_values([z, chosen], feeds)


def test_an_uncaptured_step_joins_too(numbers):
    with tf.Graph().as_default():
        x, y = tf.placeholder(tf.float32, [9, 5]), tf.constant(numbers(5, 11))
        fetches, feeds = [tf.nn.relu6(tf.matmul(x, y) * 3.0)], {x: numbers(9, 5)}
        found = []
        for options in ({"capture": False}, {"executor": "executor"}):
            with tf.Session(devices=[Device(0), simulated_gpu()], allow_soft_placement=True, **options) as session:
                found.append(session.run(fetches, feeds)[0].tobytes())
        assert found[0] == found[1]


def test_what_was_not_joined_is_left_as_it_was(numbers):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [9, 5])
        with tf.Session(devices=[Device(0), simulated_gpu()]) as session:
            step = fuse(session.stages(session.signature([tf.exp(x) * 2.0], [x]), [(9, 5)]).partitioned)
    assert [n.type for n in join_products(step).nodes] == [n.type for n in step.nodes]
    assert FUSED in [n.op_def for n in step.nodes]
