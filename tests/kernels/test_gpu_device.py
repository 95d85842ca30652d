"""The GPU device from end to end on a machine without a card: its kernels interpreted, its memory NumPy's."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import op_def
from refflow.runtime.costs import CostModel
from refflow.runtime.device import Device
from refflow.runtime.gpu import GpuDevice, gpu_devices
from refflow_kernels.simulated import SimulatedCard
from tests.graphs import assert_same_bits, deck_like
from tests.runtime.test_memory import deep


def simulated_gpu():
    """Everything of the real device but its card."""
    return GpuDevice(0, SimulatedCard())


def train(steps=4, **options):
    graph, init, fetches = deck_like()
    with tf.Session(graph=graph, **options) as session:
        session.run(init)
        results = [session.run(fetches) for _ in range(steps)]
        stages = session.stages(session.signature(fetches))
        return results, {row.op_type: row.device for row in stages.placement}


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_the_deck_s_program_learns_alike_on_the_gpu(executor):  # [S33, S42, E15]
    wanted, _ = train()
    devices = [Device(0), simulated_gpu()]
    got, where = train(devices=devices, allow_soft_placement=True, executor=executor)
    for (_, loss, prediction), (_, wanted_loss, wanted_prediction) in zip(got, wanted, strict=True):
        assert loss == pytest.approx(wanted_loss, abs=1e-5)
        assert np.ndim(loss) == 0
        np.testing.assert_allclose(prediction, wanted_prediction, atol=1e-5)
    for op_type in ("MatMul", "Softmax", "SoftmaxCrossEntropyWithLogits", "Mean", "Sum", "Add", "Variable"):
        assert where[op_type].endswith("gpu:0"), op_type


def test_an_op_without_a_triton_kernel_goes_to_the_cpu_and_back():  # [W22]
    x = tf.placeholder(tf.float32, [2, 3])
    y = tf.nn.relu(tf.tanh(tf.nn.relu(x)))
    with tf.Session(devices=[Device(0), simulated_gpu()]) as session:
        values = np.float32([[-1, 2, 3], [4, -5, 6]])
        np.testing.assert_allclose(session.run(y, {x: values}), np.tanh(np.maximum(values, 0)), rtol=1e-6)


def test_ops_over_axes_and_windows_run_on_the_gpu(rng):  # [S57, W06, W75]
    """Also those whose type is fixed, and those that read an axis on the host."""
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2, 4, 6, 3])
        pooled = tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
        fetches = [
            tf.argmax(x, 1), tf.reduce_all(x > -1, [0]), op_def("Cumsum")(x, 2), tf.transpose(x, [3, 0, 2, 1]),
            pooled, tf.gradients(pooled, x)[0], tf.nn.l2_loss(x),
        ]  # fmt: skip
        given = {x: rng.normal(size=(2, 4, 6, 3))}
        with tf.Session() as session:
            wanted = session.run(fetches, given)
        with tf.Session(devices=[Device(0), simulated_gpu()], allow_soft_placement=True) as session:
            got = session.run(fetches, given)
            stages = session.stages(session.signature(fetches, given))
    where = {row.op_type: row.device for row in stages.placement}
    for op_type in ("ArgMax", "All", "Cumsum", "Transpose", "MaxPool", "MaxPoolGrad", "L2Loss"):
        assert where[op_type].endswith("gpu:0"), op_type
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_sums_by_names_and_their_slopes_run_on_the_gpu(rng):  # [W06]
    """Attention: products by strides alone."""
    with tf.Graph().as_default():
        x, w = tf.placeholder(tf.float32, [2, 3, 4]), tf.placeholder(tf.float32, [4, 2, 5])
        heads = op_def("Einsum")([x, w], equation="btd,dhk->bthk")
        scores = op_def("Einsum")([heads, heads], equation="bthk,bshk->bhts")
        loss = tf.reduce_sum(tf.square(op_def("Einsum")([scores, heads], equation="bhts,bshk->bthk")))
        fetches = [loss, *tf.gradients(loss, [x, w])]
        given = {x: rng.normal(size=(2, 3, 4)), w: rng.normal(size=(4, 2, 5))}
        with tf.Session() as session:
            wanted = session.run(fetches, given)
        for executor in ("plan", "executor"):
            devices = [Device(0), simulated_gpu()]
            with tf.Session(devices=devices, allow_soft_placement=True, executor=executor) as session:
                got = session.run(fetches, given)
                stages = session.stages(session.signature(fetches, given))
            assert {row.device[-5:] for row in stages.placement if row.op_type == "Einsum"} == {"gpu:0"}
            for a, b in zip(got, wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_state_on_the_gpu_is_read_copied_and_changed_there():  # [W11]
    v = tf.Variable(np.float32([1, 2, 3]))
    again = tf.identity(v)
    with tf.Session(devices=[Device(0), simulated_gpu()]) as session:
        with pytest.raises(tf.errors.FailedPreconditionError):
            session.run(v)
        session.run(v.initializer)
        before = session.run(again)
        session.run(tf.assign(v, [4.0, 5.0, 6.0]))
        assert before.tolist() == [1, 2, 3] and session.run(v).tolist() == [4, 5, 6]


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_loops_and_branches_on_a_card_give_the_cpu_s_values_and_gradients(executor):  # [W39, W41]
    import refflow.compat.v1 as v1

    x, turn = tf.placeholder(tf.float32, [3, 3]), tf.placeholder(tf.bool, [])
    w = tf.Variable(np.float32(np.eye(3) / 2 + 0.1))
    _, z = v1.while_loop(lambda i, a: i < 4, lambda i, a: (i + 1, tf.nn.relu(tf.matmul(a, w)) + 1.0), [0, x * 2.0])
    y = tf.reduce_sum(z)
    chosen = v1.cond(turn, lambda: tf.matmul(x, w), lambda: x * 3.0) + 1.0
    fetches = [y, chosen, *tf.gradients(y, [x, w])]
    results = []
    for devices in ([Device(0)], [Device(0), simulated_gpu()]):
        with tf.Session(devices=devices, allow_soft_placement=True, executor=executor) as session:
            session.run(w.initializer)
            values = np.float32(np.arange(9).reshape(3, 3) / 5)
            results.append([session.run(fetches, {x: values + k, turn: k % 2 == 0}) for k in range(4)])
            rows = session.stages(session.signature(fetches, [x, turn])).placement
    for got, wanted in zip(*results, strict=True):
        for g, v in zip(got, wanted, strict=True):
            np.testing.assert_allclose(g, v, rtol=2e-5)
    where = {(row.op_type, row.device.rpartition("/")[2]) for row in rows}
    assert {("Merge", "gpu:0"), ("Exit", "gpu:0"), ("Less", "cpu:0"), ("LoopCond", "cpu:0")} <= where


def test_the_table_for_a_card_says_without_one_what_is_not_there_and_why(tmp_path, capsys):  # [W22, S35]
    from refflow.cli import main

    program = tmp_path / "program.py"
    program.write_text(
        "import refflow as tf\n"
        "x = tf.placeholder(tf.float32, [2, 2], name='x')\n"
        "tf.matmul(x, x, name='product')\n"
        "tf.matrix_determinant(x, name='volume')\n"
        "tf.add(tf.constant([1.0], tf.float64), 2.0, name='wide')\n"
    )
    assert main(["place", str(program), "--device", "gpu", "--fetch", "product", "volume", "wide"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "gpu:0   gpu:0, cpu:0" in lines["product"]
    assert lines["volume"].endswith("no gpu kernel for MatrixDeterminant")
    assert "no gpu kernel for Add (it takes float32, float16, bfloat16" in lines["wide"]
    assert ", not float64)" in lines["wide"]


def test_state_that_a_later_step_changes_without_a_kernel_is_changed_through_the_host(monkeypatch):  # [W22]
    from refflow.runtime import gpu_kernels

    able = gpu_kernels.lacking
    monkeypatch.setattr(gpu_kernels, "lacking", lambda op, attrs: "" if op.name == "AssignAdd" else able(op, attrs))
    v = tf.Variable(np.float32([1, 2, 3]))
    more = tf.assign_add(v, [10.0, 0.0, 20.0])
    with tf.Session(devices=[Device(0), simulated_gpu()], allow_soft_placement=True) as session:
        session.run(v.initializer)
        assert [session.run(more).tolist() for _ in range(3)] == [[11, 2, 23], [21, 2, 43], [31, 2, 63]]
        assert session.run(v).tolist() == [31, 2, 63]
        table = session.stages(session.signature(more)).placement
        reason = next(row.reason for row in table if row.op_type == "AssignAdd")
    assert "no gpu kernel for it, so it runs on the host, between transfers" in reason


def test_a_card_that_is_not_there_is_told_in_words(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(RuntimeError, match=r"/gpu:0 needs torch, which is not installed: pip install 'refflow\[gpu\]'"):
        gpu_devices(1)
    with pytest.raises(RuntimeError, match="which is not installed"):
        tf.Session(device_count={"GPU": 1})


def test_a_card_s_idle_tensors_wait_on_the_host_and_come_back_as_they_were():  # [W33]
    results = []
    for swapped in (False, True):
        with tf.Graph().as_default():
            fetches, variables, feeds = deep(layers=3, width=16, batch=32)
            chosen = {"swap": swapped, "costs": CostModel(latency=0.01, bandwidth=1e6), "allow_soft_placement": True}
            with tf.Session(devices=[Device(0), simulated_gpu()], **chosen) as session:
                session.run(tf.initialize_all_variables())
                losses = [session.run(fetches, feeds)[0] for _ in range(2)]
                saving = session.stages(session.signature(fetches, list(feeds))).saving
                results.append([losses, session.run(variables)])
    assert_same_bits(*results)
    gpu = "/job:localhost/replica:0/task:0/gpu:0"
    assert saving[0].after[gpu] < 0.8 * saving[0].before[gpu]
