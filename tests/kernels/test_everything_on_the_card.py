"""The training steps of the benchmarks find every node's kernel on a card: nothing goes to the CPU and back."""

import numpy as np
import pytest

import refflow.compat.v1 as tf
from refflow.bench.sides import build
from refflow.bench.workloads import WORKLOADS
from refflow.runtime.device import Device
from refflow.runtime.gpu import GpuDevice

STEPS = [w for w in WORKLOADS if w.name in ("deck_step", "mlp_sgd", "mlp_adam", "lenet", "inception", "lstm")]
AT_THE_HOST = {"_Recv", "_Send", "Const", "NoOp"}  # what is fed and fetched, and what steers ops


@pytest.mark.parametrize("workload", STEPS, ids=lambda w: w.name)
def test_a_training_step_runs_on_the_card_alone(workload, rng):  # [W22]
    built = build(tf, workload, workload.data(rng))
    with tf.Session(graph=built.graph, devices=[Device(0), GpuDevice(0)], allow_soft_placement=True) as session:
        stages = session.stages(session.signature(built.results, list(built.feeds)))
    elsewhere = [n for n in stages.partitioned.nodes if n.device.type == "cpu" and n.type not in AT_THE_HOST]
    assert [n.name for n in elsewhere if any(np.dtype(t.base_dtype.as_numpy_dtype).kind == "f" for t in n.types)] == []
    assert sum(n.device.type == "gpu" for n in stages.partitioned.nodes) > 2 * len(elsewhere)
