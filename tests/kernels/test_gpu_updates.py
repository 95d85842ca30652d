"""Updates on a card: the rules' own bits, for one variable and for all of a step's at once."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.dtypes import float32
from refflow.core.registry import op_def
from refflow.core.signature import REQUIRED
from refflow.ops.training import APPLY
from refflow.runtime.device import Device
from refflow.runtime.gpu import GpuDevice
from refflow.runtime.gpu_updates import text_of, update_of
from refflow_kernels.gpu import KERNELS
from refflow_kernels.interpreter import Memory
from refflow_kernels.simulated import SimulatedCard
from tests.kernels.test_updates import inputs_of

RULES = [name for name, op in APPLY.items() if op.by_element is not None and op.ref_inputs]
FLAGS = [("ApplyMomentum", {"use_nesterov": True}), ("ApplyAdam", {"use_nesterov": True}),
         ("ApplyAdagrad", {"update_slots": False}), ("ApplyFtrl", {"multiply_linear_by_lr": True})]  # fmt: skip
ANSWERS = [("ApplyFtrl", {"lr_power": -0.7}), ("ApplyFtrlV2", {"lr_power": -0.5}),
           ("ApplyProximalAdagrad", {"l1": 0}), ("ApplyProximalGradientDescent", {"l1": 0.2})]  # fmt: skip


def attributes(op, **chosen):
    return {n: a.default for n, a in op.attrs.items() if a.default is not REQUIRED} | {"T": float32} | chosen


def given(op, shape, rng, numbers=None):
    found = inputs_of(op, shape, "float32", rng)
    for i, arg in enumerate(op.inputs):
        if numbers and arg.name in numbers:
            found[i] = np.float32(numbers[arg.name])
    return found


def by_the_rule(op, inputs, flags):
    with np.errstate(all="ignore"):
        return [np.asarray(v, np.float32) for v in op.by_element.rule(*inputs, **flags)]


def in_place(op, inputs, flags):
    """The kernel over the memory of the references."""
    memory = [Memory.of(x) for x in inputs]
    held = memory[: len(op.ref_inputs)]
    with np.errstate(all="ignore"):
        update_of(op, attributes(op, **flags))(*memory, out=tuple(held) if len(held) > 1 else held[0])
    assert all(m.guard_is_whole() for m in memory)
    return [m.array for m in held]


def test_all_rules_but_one_have_a_kernel():
    """That one counts steps in an integer."""
    assert [name for name in RULES if text_of(APPLY[name], attributes(APPLY[name])) is None] == ["ApplyAdagradDA"]


@pytest.mark.parametrize(("name", "flags"), [(n, {}) for n in RULES if n != "ApplyAdagradDA"] + FLAGS)
@pytest.mark.parametrize("shape", [(), (7,), (3, 500), (0, 2)])
def test_the_bits_are_the_rule_s(name, flags, shape, rng):  # [S32]
    op = APPLY[name]
    inputs = given(op, shape, rng)
    found, wanted = in_place(op, inputs, flags), by_the_rule(op, inputs, flags)
    for f, w in zip(found, wanted, strict=True):
        if name == "ApplyPowerSign":  # has an exponential
            np.testing.assert_allclose(f, w, rtol=1e-6)
        else:
            np.testing.assert_array_equal(f, w)


@pytest.mark.parametrize(("name", "numbers"), ANSWERS)
def test_a_rule_that_asks_for_a_number_is_right_for_either_answer(name, numbers, rng):
    op = APPLY[name]
    inputs = given(op, (300,), rng, numbers)
    for f, w in zip(in_place(op, inputs, {}), by_the_rule(op, inputs, {}), strict=True):
        np.testing.assert_allclose(f, w, rtol=1e-4, atol=1e-5)  # powers differ in their last bit, and are subtracted


@pytest.mark.parametrize("name", ["ApplyGradientDescent", "ApplyMomentum", "ApplyAdam", "ApplyFtrl"])
def test_all_variables_of_a_step_are_updated_by_one_launch(name, rng):
    op = APPLY[name]
    update = update_of(op, attributes(op))
    shapes = [(7,), (4096 + 100,), (), (0, 3), (3, 1500), (1,)]
    numbers = [x for i, x in enumerate(given(op, (), rng)) if i in op.by_element.numbers]
    variables = [[x for i, x in enumerate(given(op, s, rng)) if i not in op.by_element.numbers] for s in shapes]
    wanted = []
    for arrays in variables:
        left, right = list(arrays), list(numbers)
        inputs = [right.pop(0) if i in op.by_element.numbers else left.pop(0) for i in range(len(op.inputs))]
        wanted.append(by_the_rule(op, inputs, {}))
    memory = [[Memory.of(x) for x in arrays] for arrays in variables]
    table = update.table(memory)
    assert table.pieces == 1 + 2 + 1 + 0 + 2 + 1
    update.many(Memory.of(np.array(table.values, np.int64)), table, [Memory.of(n) for n in numbers], "float32")
    for arrays, values in zip(memory, wanted, strict=True):
        assert all(m.guard_is_whole() for m in arrays)
        for m, w in zip(arrays, values, strict=False):
            np.testing.assert_array_equal(m.array, w)


ROWS = [name for name in APPLY if name.startswith("SparseApply") and name != "SparseApplyAdagradDA"]


def rows_given(op, ids, width, rng):
    """The inputs of an update of some rows of six."""
    whole = APPLY[op.name.removeprefix("Sparse")]
    inputs = given(whole, (6, *width), rng)
    gradient = max(i for i in range(len(inputs)) if i not in whole.by_element.numbers)
    inputs[gradient] = rng.normal(size=(len(ids), *width)).astype(np.float32)
    return [*inputs[: gradient + 1], np.array(ids), *inputs[gradient + 1 :]]


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(("ids", "width"), [([4, 1], (5,)), ([2, 0, 2, 2, 5], ()), ([3], (4, 300)), ([], (2,))])
@pytest.mark.parametrize("lies_apart", [False, True])
def test_the_rows_that_are_named_are_updated_in_order(name, ids, width, lies_apart, rng):  # [W78]
    op = APPLY[name]
    inputs = rows_given(op, np.array(ids, np.int32 if lies_apart else np.int64), width, rng)
    with np.errstate(all="ignore"):
        wanted = op.reference(*inputs)
        wanted = wanted if isinstance(wanted, list) else [wanted]
        update, memory = update_of(op, attributes(op)), [Memory.of(x) for x in inputs]
        held = [Memory.empty(w.shape, np.float32) for w in wanted] if lies_apart else memory[: len(wanted)]
        need = update.workspace(memory)
        scratch = {} if need is None else {"workspace": Memory.empty(*need)}
        update(*memory, out=tuple(held) if len(held) > 1 else held[0], **scratch)
    assert all(m.guard_is_whole() for m in [*memory, *held, *scratch.values()])
    for m, w in zip(held, wanted, strict=True):
        np.testing.assert_array_equal(m.array, w)


@pytest.mark.parametrize("by_handle", [False, True])
def test_an_embedding_learns_on_a_card_as_on_the_cpu(by_handle, rng):  # [W78, W47]
    """And an id that is out of range is told of in the CPU's words, after a step that left its row alone."""
    start, grad = rng.normal(size=(2, 6, 5)).astype(np.float32)
    with tf.Graph().as_default():
        ids = tf.placeholder(tf.int32, [6])
        if by_handle:
            held = [op_def("VarHandleOp")(dtype=float32, shape=tf.TensorShape([6, 5]), shared_name=n) for n in "vs"]
            begin = [op_def("AssignVariableOp")(h, v) for h, v in zip(held, (start, abs(start)), strict=True)]
            value = [op_def("ReadVariableOp")(h, dtype=float32) for h in held]
        else:
            value = [tf.Variable(start), tf.Variable(abs(start))]
            held, begin = [v.ref() for v in value], tf.initialize_all_variables()
        name = "ResourceSparseApplyAdagrad" if by_handle else "SparseApplyAdagrad"
        step = op_def(name)(*held, np.float32(0.1), grad, ids)
        step = getattr(step, "op", step)
        results = []
        for devices in ([Device(0)], [Device(0), GpuDevice(0, SimulatedCard())]):
            with tf.Session(devices=devices, allow_soft_placement=True) as session:
                session.run(begin)
                for _ in range(3):
                    session.run(step, {ids: [0, 3, 3, 1, 5, 0]})
                results.append(session.run(value))
                with pytest.raises(tf.errors.InvalidArgumentError, match="Index 6 at offset 2 in indices is out of"):
                    session.run(step, {ids: [0, 3, 6, 1, 5, 0]})
                rows = session.stages(session.signature(step, [ids])).placement
        assert next(r for r in rows if r.op_type == name).device.endswith("gpu:0")
    for found, wanted in zip(*results, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(("name", "sign"), [("AssignAdd", 1), ("AssignSub", -1)])
def test_a_sum_may_lie_where_its_first_term_lay(name, sign, rng):
    ref, value = rng.normal(size=(2, 40)).astype(np.float32)
    memory = Memory.of(ref)
    KERNELS[name].function(memory, Memory.of(value), out=memory)
    np.testing.assert_array_equal(memory.array, ref + sign * value)


def trained(optimizer, session):
    with session.graph.as_default():
        x = tf.placeholder(tf.float32, [4, 3])
        w = tf.Variable(np.float32(np.arange(6).reshape(3, 2) / 10 + 0.1))
        b = tf.Variable(np.float32([0.1, 0.2]))
        loss = tf.reduce_sum(tf.square(tf.matmul(x, w) + b))
        step = optimizer().minimize(loss)
        rows = np.random.default_rng(2).normal(size=(5, 4, 3)).astype(np.float32)
        with session:
            session.run(tf.initialize_all_variables())
            losses = [session.run([step, loss], {x: row})[1] for row in rows]
            plan = next(reversed(session._steps.values()))._executable
            return [*losses, *session.run(tf.all_variables())], plan


OPTIMIZERS = {
    "momentum": lambda: tf.train.MomentumOptimizer(0.05, 0.9),
    "adam": lambda: tf.train.AdamOptimizer(0.05),
    "adagrad": lambda: tf.train.AdagradOptimizer(0.05),
    "rmsprop": lambda: tf.train.RMSPropOptimizer(0.05, 0.9, momentum=0.5),
    "ftrl": lambda: tf.train.FtrlOptimizer(0.05),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_s_step_on_a_card_updates_all_variables_in_one_launch(name):  # [S32]
    wanted, _ = trained(OPTIMIZERS[name], tf.Session(graph=tf.Graph()))
    devices = [Device(0), GpuDevice(0, SimulatedCard())]
    got, plan = trained(OPTIMIZERS[name], tf.Session(graph=tf.Graph(), devices=devices, allow_soft_placement=True))
    for g, w in zip(got, wanted, strict=True):
        np.testing.assert_allclose(g, w, rtol=2e-5, atol=1e-6)
    assert len(plan.stretches) == 1 and plan.stretches[0].runs == {"lines": 1, "captures": 1, "replays": 4}
    together = [line for line in plan.source.splitlines() if line.strip().startswith("m") and ".value, " in line]
    assert len(together) == 1 and together[0].count("(r") >= 2
