"""Updates in place give the bits of their rules, noted down or not."""

import numpy as np
import pytest

import refflow as tf
from refflow.ops.training import _RULES, APPLY
from refflow_kernels.cpu import threads
from refflow_kernels.cpu.updates import Update, in_place
from refflow_kernels.notes import Unknown

RULES = {f"Apply{name}": slots for name, (_, slots, _, by_reference) in _RULES.items() if by_reference}
NUMBERS = {"lr_power": -0.5, "global_step": 3, "beta1_power": 0.5, "beta2_power": 0.5}


def inputs_of(op_def, shape, dtype, rng):
    """Arrays above 0 where a rule takes roots, and numbers below 1."""
    found = []
    for place, arg in enumerate(op_def.inputs):
        if place not in op_def.by_element.numbers:
            found.append((rng.uniform(0.5, 2, shape) * (1 if place else rng.choice([-1, 1], shape))).astype(dtype))
        else:
            number = NUMBERS.get(arg.name, rng.uniform(0.1, 0.9))
            found.append(np.array(number, np.int64 if arg.name == "global_step" else dtype)[()])
    return found


def known(op_def, inputs, are_constants):
    return [None if i not in op_def.by_element.numbers else x if are_constants else ... for i, x in enumerate(inputs)]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("are_constants", [True, False])
@pytest.mark.parametrize(("shape", "dtype"), [((7,), "float64"), ((0, 3), "float32"), ((700, 801), "float32")])
def test_the_bits_are_the_rule_s(name, are_constants, shape, dtype, rng):
    op_def, slots = APPLY[name], RULES[name]
    inputs = inputs_of(op_def, shape, dtype, rng)
    with np.errstate(all="ignore"):
        wanted = op_def.by_element.rule(*inputs)
        update = in_place(op_def.by_element.rule, slots, known(op_def, inputs, are_constants), inputs[0].shape, dtype)
        update(*inputs)
    for held, value in zip(inputs, wanted, strict=False):
        assert held.dtype == dtype and held.tobytes() == np.asarray(value, dtype).tobytes()


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("are_constants", [True, False])
@pytest.mark.parametrize("here", [np.s_[20:70], np.s_[:1]])
def test_rows_of_a_matrix_are_updated_alone(name, are_constants, here, rng):
    """The gradient, which is a part already, may be overwritten."""
    op_def, slots = APPLY[name], RULES[name]
    inputs = inputs_of(op_def, (90, 120), "float32", rng)
    *_, gradient = op_def.by_element.arrays(len(inputs))
    parts = [x[here] if np.ndim(x) else x for x in inputs]
    parts[gradient] = parts[gradient].copy()
    with np.errstate(all="ignore"):
        wanted = [np.array(x) for x in op_def.by_element.rule(*parts)]
        outside = [x.copy() for x in inputs[:slots]]
        numbers = known(op_def, parts, are_constants)
        in_place(op_def.by_element.rule, slots, numbers, parts[0].shape, "float32", [gradient])(*parts)
    for held, value, copy in zip(inputs[:slots], wanted, outside, strict=False):
        assert held[here].tobytes() == np.asarray(value, np.float32).tobytes()
        copy[here] = held[here]
        assert held.tobytes() == copy.tobytes()


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_noted_down_where_its_numbers_are_constants(name, rng):
    op_def = APPLY[name]
    inputs = inputs_of(op_def, (5,), "float32", rng)
    Update(op_def.by_element.rule, RULES[name], known(op_def, inputs, True), (5,), "float32")


def test_numbers_are_those_of_the_run_for_all_updates_that_share_them():
    """0 and -0 are told apart: divided by, they differ."""

    def rule(var, rate, grad):
        return (var - 1 / (rate * 2) * grad,)

    updates = [in_place(rule, 1, [None, ..., None], shape, "float32") for shape in [(3,), (2, 2), (), (1,)]]
    for rate in (1.0, 0.5, 0.5, 0.0, -0.0, 1.0):
        for update, shape in zip(updates, [(3,), (2, 2), (), (1,)], strict=True):
            var, grad = np.full(shape, 5, np.float32), np.full(shape, 2, np.float32)
            with np.errstate(divide="ignore"):
                wanted = rule(var, np.float32(rate), grad)[0]
                update(var, np.float32(rate), grad)
            assert var.tobytes() == wanted.tobytes()


def test_a_rule_that_asks_for_a_number_waits_for_it(rng):
    op_def = APPLY["ApplyFtrl"]
    inputs = inputs_of(op_def, (5,), "float32", rng)
    with pytest.raises(Unknown):
        Update(op_def.by_element.rule, 3, known(op_def, inputs, False), (5,), "float32")


def test_a_slot_s_old_value_is_not_lost():
    """Here the variable needs the old slot after the new one has been made."""

    def rule(var, slot, grad):
        new = slot + grad
        return (var - new) * slot, new

    var, slot, grad = (np.full(4, n, np.float32) for n in (10, 2, 1))
    Update(rule, 2, [None] * 3, (4,), "float32")(var, slot, grad)
    assert var.tolist() == [14] * 4 and slot.tolist() == [3] * 4


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_count_of_threads_gives_the_same_bits(count, rng):
    op_def = APPLY["ApplyAdam"]
    inputs = inputs_of(op_def, (600_001,), "float32", rng)
    wanted = op_def.by_element.rule(*inputs)
    before = threads.use(count)
    try:
        in_place(op_def.by_element.rule, 3, known(op_def, inputs, False), (600_001,), "float32")(*inputs)
    finally:
        threads.use(before)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(inputs, wanted, strict=False))


def test_plan_and_executor_train_to_the_same_bits(rng):
    start, target = rng.normal(size=(2, 70, 300)).astype(np.float32)
    optimizers = [tf.train.AdamOptimizer(0.1), tf.train.MomentumOptimizer(0.1, 0.9), tf.train.FtrlOptimizer(0.1),
                  tf.train.RMSPropOptimizer(0.1, 0.9), tf.train.AdagradOptimizer(0.1)]  # fmt: skip
    graph = tf.Graph()
    with graph.as_default():
        variables = [tf.Variable(start) for _ in optimizers]
        steps = [o.minimize(tf.reduce_sum(tf.square(v - target))) for o, v in zip(optimizers, variables, strict=True)]
        init = tf.initialize_all_variables()
    found = []
    for executor in ("plan", "executor"):
        with tf.Session(graph=graph, executor=executor) as session:
            session.run(init)
            for _ in range(3):
                session.run(steps)
            found.append([v.tobytes() for v in session.run(variables)])
    assert found[0] == found[1]
