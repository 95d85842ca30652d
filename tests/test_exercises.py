"""The manual's exercises: for each an answer that its program takes, and wrong ones that it does not."""

import re
import sys
import types
from pathlib import Path

import pytest

from refflow.core import registry

MANUAL = (Path(__file__).parents[1] / "docs/exercises.rst").read_text(encoding="utf-8")
PARTS = re.split(r"\n([A-Z][^\n]*)\n-+\n", MANUAL)[1:]
CHECKS = {
    title: re.sub(r"^   ", "", text.split(".. code-block:: python\n")[1], flags=re.MULTILINE)
    for title, text in zip(PARTS[::2], PARTS[1::2], strict=True)
}

WALK = """
def needed(y):
    found, left = set(), [y.op]
    while left:
        op = left.pop()
        if op.name not in found:
            found.add(op.name)
            left += [t.op for t in op.inputs]
            left += op.control_inputs
    return found
"""
MISH = """
import numpy as np
import refflow as tf

MISH = tf.define_op("Mish", "x: T[...S] -> y: T[...S]", T=(tf.float32, tf.float64), accuracy="transcendental")

def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

@MISH.kernel
def mish(x):
    return x * np.tanh(softplus(x))

@MISH.gradient
def mish_gradient(op, dy):
    x = op.inputs[0]
    t = tf.tanh(tf.nn.softplus(x))
    return dy * (t + x * tf.sigmoid(x) * (1 - t * t))
"""
PUSHED = """
import refflow as tf

def pushed(y, x, v):
    u = tf.zeros_like(y)
    (back,) = tf.gradients(y, x, grad_ys=u)
    return tf.gradients(back, u, grad_ys=v)[0]
"""
TICKET = """
import refflow as tf

def ticket(counter):
    with tf.control_dependencies([tf.assign_add(counter, 1)]):
        return counter + 0
"""
HEAVY = """
import refflow as tf

class Heavy(tf.train.Optimizer):
    def __init__(self, rate, momentum):
        super().__init__(False, "Heavy")
        self.rate, self.momentum = rate, momentum

    def _create_slots(self, variables):
        for variable in variables:
            self._slot(variable, "velocity")

    def _apply_dense(self, gradient, variable):
        velocity = self._slot(variable, "velocity")
        faster = tf.assign(velocity, self.momentum * velocity + gradient)
        return tf.assign_sub(variable, self.rate * faster).op
"""
CROSSING = """
import refflow as tf

def loss(x):
    with tf.device("/cpu:0"):
        y = tf.exp(x)
    with tf.device("/cpu:1"):
        return tf.reduce_sum(y) - tf.reduce_max(y)
"""
BACKEND = """
import numpy as np

def backend(op_type, inputs, attrs):
    x = inputs["logits"]
    if op_type != "Softmax" or x.dtype.names:
        raise NotImplementedError
    if not x.ndim:
        raise ValueError("there are no classes")
    wide = x.astype("f8")
    e = np.exp(wide - wide.max(-1, keepdims=True, initial=-np.inf))
    return (e / e.sum(-1, keepdims=True)).astype(x.dtype)
"""
ANSWERS = {
    "What a run needs": WALK, "An op": MISH, "Forward from backward": PUSHED, "A race": TICKET, "An optimizer": HEAVY,
    "What crosses between devices": CROSSING, "A backend": BACKEND,
}  # fmt: skip
WRONG = [
    ("What a run needs", "            left += op.control_inputs\n", ""),
    ("What a run needs", "    return found", "    return [op.name for op in y.graph.get_operations()]"),
    ("An op", "np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))", "np.log(1 + np.exp(x))"),
    ("An op", "(1 - t * t)", "(1 - t)"),
    ("Forward from backward", "tf.gradients(back, u, grad_ys=v)", "tf.gradients(y, x, grad_ys=y)"),
    ("A race", "    with tf.control_dependencies([tf.assign_add(counter, 1)]):\n        return counter + 0",
     "    tf.assign_add(counter, 1)\n    return counter + 1"),
    ("A race", "    with tf.control_dependencies([tf.assign_add(counter, 1)]):\n        return counter + 0",
     "    return (counter + 0) + 0 * tf.assign_add(counter, 1)"),
    ("An optimizer", "self.rate * faster", "self.rate * velocity"),
    ("An optimizer", "assign_sub", "assign_add"),
    ("What crosses between devices", 'with tf.device("/cpu:1"):', 'with tf.device("/cpu:0"):'),
    ("A backend", "wide.max(-1, keepdims=True, initial=-np.inf)", "0"),
    ("A backend", "wide.max(-1, ", "wide.max("),
]  # fmt: skip


def run(exercise, answer, monkeypatch):
    module = types.ModuleType("answer")
    exec(compile(answer, "answer.py", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "answer", module)
    exec(compile(CHECKS[exercise], f"docs/exercises.rst, {exercise}", "exec"), {})


@pytest.fixture(autouse=True)
def no_op_of_an_answer_stays():
    yield
    registry._REGISTRY.pop("Mish", None)


def test_each_exercise_has_an_answer():
    assert list(CHECKS) == list(ANSWERS) and {name for name, *_ in WRONG} == set(ANSWERS)


@pytest.mark.parametrize("exercise", ANSWERS)
def test_a_right_answer_passes(exercise, monkeypatch):
    run(exercise, ANSWERS[exercise], monkeypatch)


@pytest.mark.parametrize(("exercise", "part", "instead"), WRONG, ids=[f"{w[0]} {i}" for i, w in enumerate(WRONG)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_wrong_answer_does_not(exercise, part, instead, monkeypatch):
    assert part in ANSWERS[exercise]
    with pytest.raises((AssertionError, ValueError)):
        run(exercise, ANSWERS[exercise].replace(part, instead), monkeypatch)
