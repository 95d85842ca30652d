"""A chain that a reduction ends is one kernel, with the bits of the chain, written, and then reduced."""

import sys

import numpy as np
import pytest

import refflow as tf
from refflow.cli import main
from refflow.runtime.device import Device
from refflow.runtime.endings import ENDED, end_chains
from refflow.runtime.fuse import FUSED, fuse
from refflow.runtime.loosen import free_constants
from refflow_kernels.gpu import KERNELS
from refflow_kernels.gpu.elementwise import build
from refflow_kernels.gpu.reduced_chains import Ending, ReducedChain
from refflow_kernels.interpreter import Memory
from tests.kernels.test_chains import on
from tests.kernels.test_gpu_device import simulated_gpu

# (x - row) * column + one, squared; names of its two results
LINES = ("s0 = (x0 - x1)", "s1 = (s0 * x2)", "s2 = (s1 + x3)", "s3 = (s2 * s2)")
KINDS = ("straight", "row", "column", "single")
OPS = {"Sum": ("sum", False), "Mean": ("sum", True), "Max": ("max", False), "Min": ("min", False),
       "Prod": ("prod", False)}  # fmt: skip
SHAPES = [  # of what is reduced, its axes, and the columns of the chain's matrix
    ((7,), [0], 7), ((5, 3), [0, 1], 3), ((33, 70), [1], 70), ((33, 70), [0], 70), ((4, 9, 24), [0, 1], 24),
    ((4, 9, 24), [1, 2], 24), ((4, 9, 24), [0, 2], 24), ((4, 9, 24), [1], 24), ((4, 9, 24), [1], 216),
    ((300, 40), [0, 1], 40), ((3, 5000), [1], 5000), ((1300, 17), [0], 17), ((20, 1001), [0, 1], 1001),
    ((2048, 10), [0], 10), ((6, 1, 8), [0, 1], 8),
]  # fmt: skip


def operands_of(rng, shape, columns, dtype="float32"):
    rows = int(np.prod(shape)) // columns
    sizes = ((rows, columns), (columns,), (rows, 1), ())
    return [rng.normal(size=size).astype(dtype) for size in sizes]


def plain(op_type, x, axes):
    """The table's own reduction."""
    kernel, indices = KERNELS[op_type], np.array(axes, np.int32)
    memory = Memory.of(x)
    out = Memory.empty(np.sum(x, tuple(axes)).shape, x.dtype)
    need = kernel.workspace((x, indices), keep_dims=False)
    scratch = {} if need is None else {"workspace": Memory.empty(*need)}
    kernel.function(memory, indices, keep_dims=False, out=out, **scratch)
    return out.array


def both(rng, shape, axes, columns, op_types, stored, dtype="float32"):
    """What one kernel gives, and what a chain and then reductions do: values that are written, then results."""
    given = operands_of(rng, shape, columns, dtype)
    names = tuple(f"x{i}" for i in range(len(given)))
    lines = LINES if dtype == "float32" else (*LINES, "s3 = s3.to(tl.float16).to(tl.float32)")
    chained = Memory.empty((len(given[0]), columns), dtype)
    build("Chain", names, lines, ("s3",))(*map(Memory.of, given), out=chained)
    wanted = [chained.array] * stored + [plain(op, chained.array.reshape(shape), axes) for op in op_types]
    endings = [Ending("s3", *OPS[op]) for op in op_types]
    kernel = ReducedChain(KINDS, lines, ("s3",) * stored, endings, shape, axes, columns)
    inputs, outs = [Memory.of(x) for x in given], [Memory.empty(w.shape, w.dtype) for w in wanted]
    scratch = [] if kernel.workspace is None else [Memory.empty(*kernel.workspace)]
    kernel(inputs, outs, *scratch)
    assert all(m.guard_is_whole() for m in [*inputs, *outs, *scratch])
    return [o.array for o in outs], wanted


@pytest.mark.parametrize(("shape", "axes", "columns"), SHAPES)
def test_a_chain_that_is_reduced_has_the_bits_of_a_chain_and_a_reduction(shape, axes, columns, rng):  # [S19, S43]
    found, wanted = both(rng, shape, axes, columns, ["Mean"], 0)
    np.testing.assert_array_equal(found[0], wanted[0])


@pytest.mark.parametrize("axes", [[0, 1], [0], [1]], ids=["all", "columns", "rows"])
def test_several_reductions_end_a_chain_whose_value_is_written_too(axes, rng):  # [S19]
    found, wanted = both(rng, (20, 24), axes, 24, [*OPS], 1)
    for f, w in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(f, w)


@pytest.mark.parametrize("axes", [[0, 1], [0], [1]], ids=["all", "columns", "rows"])
def test_what_a_chain_rounds_is_reduced_rounded(axes, rng):
    found, wanted = both(rng, (70, 24), axes, 24, ["Sum"], 1, "float16")
    for f, w in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(f, w)


@pytest.mark.parametrize("axes", [[0, 1], [0], [1]], ids=["all", "columns", "rows"])
def test_places_from_2_to_the_31_on_are_counted_in_64_bits(axes, rng, monkeypatch):
    for page in ("reductions", "reduced_chains"):
        monkeypatch.setattr(sys.modules[f"refflow_kernels.gpu.{page}"], "is_wide", lambda stage: True)
    found, wanted = both(rng, (300, 24), axes, 24, ["Sum"], 1)
    np.testing.assert_allclose(wanted[1], wanted[0].reshape(300, 24).sum(tuple(axes)), rtol=1e-5)
    for f, w in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(f, w)


def test_a_chain_without_memory_for_its_partial_results_is_refused(rng):
    kernel = ReducedChain(["straight"], ["s0 = (x0 * x0)"], [], [Ending("s0", "sum")], (20_000,), [0], 20_000)
    x = Memory.of(rng.normal(size=20_000).astype("f"))
    with pytest.raises(ValueError, match="workspace is missing"):
        kernel([x], [Memory.empty((), "f")])


# -- in a step -----------------------------------------------------------------------------------------------------


def alike(graph, fetches, feeds):
    """The results of a plan, after a look that they have the bits of the executor's, node by node."""
    found = [on([Device(0), simulated_gpu()], graph, fetches, feeds, executor=e) for e in ("plan", "executor")]
    for f, w in zip(*found, strict=True):
        assert np.asarray(f).tobytes() == np.asarray(w).tobytes()
    return found[0]


def chains_of(graph, fetches, feeds):
    with tf.Session(graph=graph, devices=[Device(0), simulated_gpu()], allow_soft_placement=True) as session:
        shapes = [np.shape(v) for v in feeds.values()]
        step = session.stages(session.signature(fetches, list(feeds)), shapes).partitioned
        step = end_chains(fuse(free_constants(step)))
    return [n for n in step.nodes if n.op_def in (FUSED, ENDED) and n.device.type == "gpu"]


def ends(chain):
    """The types of the reductions that end a chain, and how many values are written."""
    return [n.type for n in chain.attrs["members"] if n.type in ("Sum", "Mean", "Max", "BiasAddGrad")], len(
        chain.attrs["blocks"][2]
    )


def test_a_loss_is_one_kernel_beside_its_slope(rng):  # [S19, S43]
    graph = tf.Graph()
    with graph.as_default():
        x, y = tf.placeholder(tf.float32, [30, 40]), tf.placeholder(tf.float32, [30, 40])
        loss = tf.reduce_mean(tf.square(x - y))
        (slope,) = tf.gradients(loss, x)
        feeds = {x: rng.normal(size=(30, 40)), y: rng.normal(size=(30, 40))}
        (alone,) = chains_of(graph, [loss], feeds)
        (both,) = chains_of(graph, [loss, slope], feeds)
        value, _ = alike(graph, [loss, slope], feeds)
    assert ends(alone) == (["Mean"], 0) and ends(both) == (["Mean"], 1)
    np.testing.assert_allclose(value, np.square(feeds[x] - feeds[y]).mean(), rtol=1e-6)


def test_one_node_and_its_sum_are_a_kernel_and_so_are_sums_over_rows_and_columns(rng):
    graph = tf.Graph()
    with graph.as_default():
        x, y = tf.placeholder(tf.float32, [40, 24]), tf.placeholder(tf.float32, [40, 24])
        fetches = [tf.reduce_sum(x * y, axes, keep_dims=keep) for axes, keep in (([0], False), ([1], True))]
        fetches += [tf.reduce_max(tf.exp(x), [-1]), tf.reduce_sum(tf.abs(x))]
        feeds = {x: rng.normal(size=(40, 24)), y: rng.normal(size=(40, 24))}
        found = alike(graph, fetches, feeds)
        (chain,) = chains_of(graph, fetches[1:3], feeds)
    assert sorted(ends(chain)[0]) == ["Max", "Sum"] and ends(chain)[1] == 0
    assert [f.shape for f in found] == [(24,), (40, 1), (40,), ()]
    np.testing.assert_allclose(found[1], (feeds[x] * feeds[y]).sum(1, keepdims=True), rtol=1e-5, atol=1e-5)


def test_what_others_read_is_written_and_summed_and_what_waits_for_the_sum_is_another_chain(rng):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [12, 50])
        e = tf.exp(x - tf.reduce_max(x, [1], keep_dims=True))
        p = e / tf.reduce_sum(e, [1], keep_dims=True) * 2.0
        feeds = {x: rng.normal(size=(12, 50))}
        first, second = chains_of(graph, [p], feeds)
        (found,) = alike(graph, [p], feeds)
    assert ends(first) == (["Sum"], 1) and ends(second) == ([], 1)
    np.testing.assert_allclose(found.sum(1), 2, rtol=1e-5)


def test_a_sum_that_waits_for_others_or_is_over_other_axes_stays_apart(rng):
    graph = tf.Graph()
    with graph.as_default():
        x = tf.placeholder(tf.float32, [12, 50])
        squares = tf.square(x) + 1.0
        rows, columns = tf.reduce_sum(squares, [1]), tf.reduce_sum(squares, [0])
        with tf.control_dependencies([tf.reduce_sum(tf.sqrt(tf.expand_dims(columns, 0)), [1])]):
            late = tf.reduce_sum(squares, [1])
        feeds = {x: rng.normal(size=(12, 50))}
        alike(graph, [rows, columns, late], feeds)
        kept = chains_of(graph, [rows, columns, late], feeds)
    assert ends(kept[0]) == (["Sum"], 1)


def test_a_training_step_s_reductions_end_its_chains_that_are_not_a_product_s(capsys):
    """The axes wait for what the shape was taken from; the slope of relu is written by a product's kernel."""
    assert main(["show-kernels", "mlp_sgd"]) == 0
    out = capsys.readouterr().out
    assert out.count("steps, Sum") == 1 and out.count("reductions.reduce_sum") == 1 and "epilogue" in out
    assert 'total0 = combine(total0, tl.where(real, s0, 0.0), "sum")' in out
