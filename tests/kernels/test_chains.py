"""Chains of elementwise nodes are one kernel on a card, with the bits of their nodes."""

import numpy as np
import pytest

import refflow as tf
from refflow.cli import main
from refflow.core.registry import op_def
from refflow.runtime.device import Device
from refflow.runtime.fuse import FUSED, fuse
from tests.kernels.test_gpu_device import simulated_gpu


def chains(session, fetches, feeds, shapes):
    step = fuse(session.stages(session.signature(fetches, feeds), shapes).partitioned)
    return [n for n in step.nodes if n.op_def is FUSED and n.device.type == "gpu"]


def on(devices, graph, fetches, feeds, **options):
    with tf.Session(graph=graph, devices=devices, allow_soft_placement=True, **options) as session:
        session.run(tf.initialize_all_variables())
        return session.run(fetches, feeds)


def test_a_chain_has_the_bits_of_its_nodes(rng):  # [S43]
    graph = tf.Graph()
    with graph.as_default():
        x, y = tf.placeholder(tf.float32, [6, 40]), tf.placeholder(tf.float32, [6, 40])
        row, column = tf.Variable(rng.normal(size=40).astype("f")), tf.Variable(rng.normal(size=[6, 1]).astype("f"))
        a = tf.nn.relu(x * row + column)
        b = tf.select(tf.greater(a, y), a - y, tf.square(y) * 0.5)
        c = tf.sqrt(b + 1.0) / (tf.abs(y) + 2.0)
        feeds = {x: rng.normal(size=(6, 40)), y: rng.normal(size=(6, 40))}
        wanted = on([Device(0)], graph, [a, b, c], feeds, kernels="reference")
        found = on([Device(0), simulated_gpu()], graph, [a, b, c], feeds)
        with tf.Session(graph=graph, devices=[Device(0), simulated_gpu()]) as session:
            (chain,) = chains(session, [a, b, c], [x, y], [(6, 40)] * 2)
    assert len(chain.attrs["blocks"][0]) >= 10 and len(chain.types) == 3
    for f, w in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(f, w)


def test_what_goes_to_the_host_and_back_is_not_drawn_into_a_chain(rng):  # [W23]
    """The middle is computed on a CPU: what comes before it and what comes after are two chains."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [4, 30])
        a = tf.square(x) + 1.0
        with tf.device("/cpu:0"):
            middle = tf.add(tf.reduce_sum(a, [1], keep_dims=True), 1.0)
        b = (a - middle) * a
        feeds = {x: rng.normal(size=(4, 30))}
        devices = [Device(0), simulated_gpu()]
        with tf.Session(graph=graph, devices=devices, allow_soft_placement=True) as session:
            assert len(chains(session, [b], [x], [(4, 30)])) == 2
        wanted = on([Device(0)], graph, b, feeds)
        np.testing.assert_array_equal(on(devices, graph, b, feeds), wanted)


def test_the_kernels_of_a_step_can_be_read_without_a_card(capsys):
    assert main(["show-kernels", "mlp_sgd"]) == 0
    out = capsys.readouterr().out
    assert "refflow_kernels.gpu.matmul.matmul, epilogue 1: 2 steps" in out
    assert "s1 = maximum(s0, 0)" in out and out.count("@triton.jit") == len(
        [line for line in out.splitlines() if line.startswith(("# chain ", "# epilogue "))]
    )


@pytest.mark.parametrize("short", [tf.float16, tf.bfloat16], ids=["float16", "bfloat16"])
def test_casts_and_short_floats_are_in_chains_and_are_rounded_where_their_nodes_round(short, rng):  # [S43]
    """Triton's interpreter cuts bfloat16 off instead of rounding it: of that type the text alone is looked at."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [6, 40])
        row = tf.cast(tf.constant(rng.normal(size=40).astype("f")), short)
        a = tf.nn.relu(tf.cast(x, short) * row + row)
        b = tf.cast(a, tf.float32) * 0.1 + tf.cast(tf.greater(x, 0.5), tf.float32)
        c = tf.cast(b, short) * a
        feeds = {x: rng.normal(size=(6, 40))}
        with tf.Session(graph=graph, devices=[Device(0), simulated_gpu()]) as session:
            (chain,) = chains(session, [a, b, c], [x], [(6, 40)])
            text = session.devices[1].blocks(*chain.attrs["blocks"]).source
            assert text.count(f".to(tl.{short.name}).to(tl.float32)") >= 5 and chain.types.count(short) == 2
        if short is tf.float16:
            results = [on([Device(0), simulated_gpu()], graph, [a, b, c], feeds, **options)
                       for options in ({}, {"executor": "executor"})]  # fmt: skip
            for f, w in zip(*results, strict=True):
                np.testing.assert_array_equal(f, w)


def test_functions_that_numpy_has_not_are_in_chains_too(rng):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [6, 40])
        gelu = 0.5 * x * (1.0 + op_def("Erf")(x * 0.70710678))
        feeds = {x: rng.normal(size=(6, 40))}
        wanted = on([Device(0)], graph, gelu, feeds)
        found = on([Device(0), simulated_gpu()], graph, gelu, feeds)
        with tf.Session(graph=graph, devices=[Device(0), simulated_gpu()]) as session:
            (chain,) = chains(session, [gelu], [x], [(6, 40)])
    assert len(chain.attrs["blocks"][0]) == 5
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)


def test_functions_of_angles_and_gammas_and_the_slope_of_a_root_are_one_chain(rng):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [6, 40])
        root = tf.sqrt(x)
        slope = op_def("SqrtGrad")(root, op_def("Tan")(x) + op_def("Atan2")(x, root))
        y = op_def("DivNoNan")(slope * op_def("Lgamma")(x), x - 0.5)
        feeds = {x: rng.uniform(0, 1, size=(6, 40))}
        wanted = on([Device(0)], graph, y, feeds)
        found = on([Device(0), simulated_gpu()], graph, y, feeds)
        with tf.Session(graph=graph, devices=[Device(0), simulated_gpu()]) as session:
            (chain,) = chains(session, [y], [x], [(6, 40)])
    assert {"SqrtGrad", "Tan", "Atan2", "DivNoNan", "Lgamma"} <= {n.type for n in graph.get_operations()}
    assert {step[0] for step in chain.attrs["blocks"][0]} >= {"sqrt", "tan", "arctan2", "lgamma", "divide"}
    np.testing.assert_allclose(found, wanted, rtol=3e-6)
