"""gradients(): hand-worked cases for each rule of the sweep, and every registered gradient against differences."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.bfloat16 import widened
from refflow.core.registry import registered_ops
from tests.cases import CASES, attrs_of, inputs_of
from tests.ops.test_fft import TRANSFORMS


def run(*tensors, feeds=None):
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        return session.run(list(tensors), feeds)


def test_the_result_is_aligned_with_xs_and_none_where_no_path_leads():  # [W29]
    a, b, c = tf.constant(2.0), tf.constant(3.0), tf.constant(5.0)
    da, db, dc = tf.gradients(a * b, [a, b, c])
    assert dc is None
    assert run(da, db) == [3.0, 2.0]


def test_several_uses_are_summed_by_one_add_n():  # [W32]
    x = tf.constant(3.0)
    (dx,) = tf.gradients(x * x + x, x)
    assert dx.op.type == "AddN" and len(dx.op.inputs) == 3
    assert run(dx) == [7.0]


def test_several_ys_are_summed_and_grad_ys_weigh_them():  # [W32]
    x = tf.constant([1.0, 2.0])
    (dx,) = tf.gradients([x * 2.0, x * 3.0], x, grad_ys=[tf.constant([1.0, 10.0]), None])
    assert run(dx)[0].tolist() == [5.0, 23.0]


def test_an_x_behind_another_x_gets_its_own_gradient():  # [W32]
    x = tf.constant(3.0)
    y = x * x
    z = y * y
    dx, dy = tf.gradients(z, [x, y])
    assert run(dx, dy) == [108.0, 18.0]


def test_outputs_that_ys_do_not_use_count_as_zero():  # [W31]
    x = tf.constant([1.0, 2.0, 3.0, 4.0])
    first, _ = tf.split(0, 2, x)
    (dx,) = tf.gradients(first * first, x)
    assert run(dx)[0].tolist() == [2.0, 4.0, 0.0, 0.0]


def test_rows_stay_sparse_and_are_laid_end_to_end():  # [W32, S50e]
    table = tf.Variable(np.array([[1, 2], [3, 4], [5, 6]], np.float32))
    y = tf.gather(table, [0, 2]) * 2.0 + tf.gather(table, [2, 2])
    (slices,) = tf.gradients(y, table)
    assert isinstance(slices, tf.IndexedSlices)
    values, indices = run(slices.values, slices.indices)
    dense = np.zeros((3, 2), np.float32)
    np.add.at(dense, indices, values)
    assert len(indices) == 4 and dense.tolist() == [[2, 2], [0, 0], [4, 4]]
    assert run(tf.convert_to_tensor(slices))[0].tolist() == dense.tolist()


def test_rows_and_a_dense_gradient_add_up():  # [W32]
    table = tf.Variable(np.array([[1], [2]], np.float32))
    (slices,) = tf.gradients([tf.gather(table, [1]), table * 3.0], table)
    assert run(tf.convert_to_tensor(slices))[0].tolist() == [[3], [4]]


def test_only_the_rows_that_were_used_change():  # [S50e]
    table = tf.Variable(np.array([[1], [2], [3]], np.float32))
    step = tf.train.GradientDescentOptimizer(0.5).minimize(tf.reduce_sum(tf.gather(table, [1, 1])))
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        session.run(step)
        assert session.run(table).tolist() == [[1], [1], [3]]


def test_an_op_without_a_gradient_is_an_error_by_name():  # [W30]
    from refflow.core import registry

    mystery = tf.define_op("TestMystery", "x: T[...S] -> y: T[...S]", T=(tf.float32,))
    try:
        x = tf.constant(1.0)
        with pytest.raises(LookupError, match=r"No gradient defined for operation 'm' \(op type: TestMystery\)"):
            tf.gradients(mystery(x, name="m"), x)
    finally:
        del registry._REGISTRY["TestMystery"]


def test_a_gradient_function_is_held_to_its_word(graph):  # [W30]
    @tf.RegisterGradient("TestTooMany")
    def too_many(op, dy):
        return dy, dy

    x = tf.constant(1.0)
    with graph.gradient_override_map({"Neg": "TestTooMany"}):
        y = -x
    with pytest.raises(ValueError, match="gave 2 results for 1 inputs"):
        tf.gradients(y, x)


def test_stop_gradient_ends_the_path():
    x = tf.constant(3.0)
    (dx,) = tf.gradients(x * tf.stop_gradient(x), x)
    assert run(dx) == [3.0]


def test_integers_have_no_slope():
    x = tf.constant(1)
    with pytest.raises(TypeError, match="only floats have gradients"):
        tf.gradients(x, x)


def test_a_gate_holds_every_gradient_of_an_operation_until_all_are_there(graph):  # [W80]
    a, b = tf.Variable(2.0), tf.Variable(3.0)
    da, db = tf.gradients(a.ref() * b.ref(), [a, b], gate_gradients=True)
    gate = da.op.control_inputs[0]
    assert gate is db.op.control_inputs[0] and gate.name == "gradients/mul_grad/tuple/group_deps"
    assert len(gate.control_inputs) == 2


def test_gradients_can_be_differentiated():
    x = tf.constant(2.0)
    first = tf.gradients(x * x * x, x)[0]
    second = tf.gradients(first, x)[0]
    assert run(first, second) == [12.0, 12.0]


def test_a_row_of_scores_has_the_second_derivative_of_its_softmax():  # [S18.3]
    scores, targets = tf.constant([[0.3, -1.0, 0.7]]), tf.constant([[0.2, 0.3, 0.5]])
    (slope,) = tf.gradients(tf.nn.softmax_cross_entropy_with_logits(scores, targets), scores)
    (curve,) = tf.gradients(slope, scores, grad_ys=tf.constant([[1.0, 0.0, 0.0]]))
    p = np.exp([0.3, -1.0, 0.7]) / np.exp([0.3, -1.0, 0.7]).sum()
    np.testing.assert_allclose(run(curve)[0][0], p[0] * (np.eye(3)[0] - p), rtol=1e-6)


def _differentiable(op, case):
    attrs = attrs_of(op, case)
    inputs = inputs_of(op, case, attrs)
    flat = [a for x in inputs for a in (x if isinstance(x, list) else [x])]
    smooth = [a for a in flat if a.dtype.kind == "f"]
    numbers = [v for v in case.outputs.values() if isinstance(v, np.ndarray)]
    if any(a.dtype.kind == "c" for a in flat + numbers):
        return False
    outputs = [v for out in case.outputs.values() for v in (out if isinstance(out, list) else [out])]
    finite = all((np.abs(np.asarray(v, float)) < 1e9).all() for v in outputs)
    covered = op.family in (
        "Cholesky",
        "SelfAdjointEigV2",
    )  # one triangle is read, and the gradient is symmetric: test_linear_gradients.py
    covered |= any(a.fixed is tf.float32 for a in op.outputs)  # too coarse for differences; tests/ops/test_images.py
    covered |= op.family.startswith("FusedBatchNorm")  # no float64; tests/ops/test_batch_norm.py
    covered |= op.family == "RFFT"  # gives complex numbers; tests/ops/test_fft.py
    covered |= op.name.startswith("BlockLSTM")  # slopes come in for two of its outputs; tests/ops/test_block_lstm.py
    covered |= op.name.startswith("CTCLoss")  # its second output is a slope; tests/ops/test_ctc.py
    covered |= op.name.startswith("QuantizeAndDequantize")  # straight through; tests/ops/test_quantization.py
    covered |= op.name.startswith("ImageProjective")  # back by the inverse map, which is a slope for few maps
    covered |= case.title == "the later row wins"  # its gradient is the release's, not calculus' (see its page)
    return bool(smooth) and finite and not covered and all(np.isfinite(a).all() and a.size for a in flat)


# Inputs for which TensorFlow has no rule, though there is a slope.
NO_RULE = {("Betainc", "a"), ("Betainc", "b"), ("Polygamma", "a"), ("Zeta", "x")}
NO_RULE |= {("MatrixSolveLs", "l2_regularizer"), ("BatchMatrixSolveLs", "l2_regularizer")}
NO_RULE |= {(f"Matrix{part}V{v}", "padding_value") for part in ("Diag", "DiagPart") for v in (2, 3)}
WITH_SLOPES = [
    (op, case) for op, case in CASES
    if op.gradient_function is not None and case.error is None and not op.ref_inputs and _differentiable(op, case)
]  # fmt: skip


def smooth_sum(op, case, rng):
    """(total, holes, values): an op's float outputs as one float64 number, weighted at random; what it depends on."""
    attrs = attrs_of(op, case)
    grouped = inputs_of(op, case, attrs)
    labels = case.inputs.get("labels") is not None
    holes, values, arguments = [], {}, []

    def hole(array, data=False):
        smooth = array.dtype.kind == "f"
        if smooth:  # away from the special points of the case, where slopes jump
            array = array.astype(np.float64) + (0 if data else rng.uniform(0.1, 0.3, array.shape))
        tensor = tf.placeholder(tf.as_dtype(array.dtype), array.shape)
        values[tensor] = array
        if smooth and not data:
            holes.append(tensor)
        return tensor

    for arg, value in zip(op.inputs, grouped, strict=True):
        fixed = arg.name == "labels" or (op.name, arg.name) in NO_RULE
        arguments.append([hole(v) for v in value] if isinstance(value, list) else hole(value, fixed))
    kept = {k: v for k, v in attrs.items() if op.attrs[k].kind != "type" or (k in case.attrs and k != "T")}
    if op.name == "Cast":
        kept = {"DstT": tf.float64}
    result = op(*arguments, **{k: v for k, v in kept.items() if k not in ("T", "SrcT", "Tparams", "dtype")})
    outputs = [t for t in (result if isinstance(result, tuple | list) else [result]) if t.dtype.is_floating]
    if labels:
        outputs = outputs[:1]  # the second output is itself a slope, and labels are data
    with tf.Session(kernels="reference") as session:
        weights = [rng.normal(size=np.shape(v)) for v in session.run(outputs, values)]
    total = tf.add_n([tf.reduce_sum(o * tf.constant(w)) for o, w in zip(outputs, weights, strict=True)])
    return total, holes, values


def assert_slopes(total, holes, values, rng, step=1e-6, rel=1e-5):
    """Along a random direction v: <gradient, v> = (f(x + hv) - f(x - hv)) / 2h, in float64."""
    along = {h: rng.normal(size=values[h].shape) for h in holes}
    slopes = {h: s for h, s in zip(holes, tf.gradients(total, holes), strict=True) if s is not None}
    with tf.Session(kernels="reference") as session:
        ahead, behind = (
            session.run(total, {h: v + sign * step * along.get(h, 0) if h in along else v for h, v in values.items()})
            for sign in (1, -1)
        )
        found = session.run([tf.convert_to_tensor(s) for s in slopes.values()], values)
    directional = sum((f * along[h]).sum() for f, h in zip(found, slopes, strict=True))
    assert directional == pytest.approx((ahead - behind) / (2 * step), rel=rel, abs=rel / 10)


@pytest.mark.parametrize(("op", "case"), WITH_SLOPES, ids=[f"{o.name}: {c.title}" for o, c in WITH_SLOPES])
def test_a_registered_gradient_agrees_with_differences(op, case, rng):  # [S49, W30]
    """With random weights w this is the adjoint identity too: <J v, w> by differences is <v, J^T w> by the graph."""
    assert_slopes(*smooth_sum(op, case, rng), rng)


def test_every_gradient_is_among_those_checked():
    checked = {op.name for op, _ in WITH_SLOPES}
    by_hand = {
        "ZerosLike",
        "OnesLike",
        "ReadVariableOp",
        "ResourceGather",
        "ResourceGatherNd",
    }  # nothing; and tests/ops/test_resource_variables.py
    by_hand |= {"RandomGamma", "StatelessRandomGammaV2", "StatelessRandomGammaV3"}  # tests/ops/test_random.py
    by_hand |= {"Complex", "Real", "Imag", "Conj", "ComplexAbs", "Angle"}  # tests/ops/test_complex.py
    by_hand |= set(TRANSFORMS)  # tests/ops/test_fft.py
    by_hand |= {"BatchCholesky", "BatchMatMulV3", "Cholesky", "SelfAdjointEigV2"}  # tests/ops/test_linear_gradients.py
    by_hand |= {f"CompositeTensorVariant{way}Components" for way in ("From", "To")}  # tests/ops/test_ragged.py
    by_hand |= {"BatchSelfAdjointEigV2", "BatchSvd", "Eig", "Qr", "Svd"}  # tests/ops/test_linear_gradients.py
    by_hand |= {"CropAndResize", "ResizeBicubic", "ResizeBilinear", "ScaleAndTranslate"}  # tests/ops/test_images.py
    by_hand |= {"ImageProjectiveTransformV2", "ImageProjectiveTransformV3"}  # tests/ops/test_images.py
    by_hand |= {f"FusedBatchNorm{part}{v}" for part in ("", "Grad") for v in ("", "V2", "V3")}
    # tests/ops/test_batch_norm.py
    by_hand |= {"BlockLSTM", "BlockLSTMV2"}  # tests/ops/test_block_lstm.py
    by_hand |= {"CTCLoss", "CTCLossV2"}  # tests/ops/test_ctc.py
    by_hand |= {"FractionalAvgPool", "FractionalMaxPool"}  # tests/ops/test_fractional_pools.py
    by_hand |= {"RandomGamma", "StatelessRandomGammaV2", "StatelessRandomGammaV3"}  # tests/ops/test_random_gamma.py
    by_hand |= {"GatherV2", "PreventGradient"}  # tests/ops/test_arrays.py
    by_hand |= {f"FakeQuantWithMinMax{kind}" for kind in ("Args", "Vars", "VarsPerChannel")}  # test_quantization.py
    by_hand |= {f"QuantizeAndDequantize{v}" for v in ("", "V2", "V3", "V4")}  # tests/ops/test_quantization.py
    by_hand |= {"DebugGradientRefIdentity"}  # tests/ops/test_quantization.py
    by_hand |= {"RefIdentity"}  # tests/ops/test_first_release.py
    by_hand |= {f"TensorArray{verb}V3" for verb in ("Concat", "Gather", "Read", "Scatter", "Split", "Write")}
    # tests/compat/test_tensor_array.py
    by_hand |= {"Enter"}  # tests/compat/test_branches_and_loops.py
    by_hand |= {"Merge", "NextIteration", "RefSwitch", "Switch"}  # tests/runtime/test_control_flow.py
    by_hand |= {op.name for op in registered_ops() if op.name.startswith(("TensorList", "TensorMap", "Optional"))}
    # tests/ops/test_lists.py
    by_hand |= {"SparseMatMul"}  # tests/ops/test_sparse_matmul.py
    missing = {op.name for op in registered_ops() if op.gradient_function is not None} - checked - by_hand
    assert not missing


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.complex64])
def test_what_flows_into_the_ys_is_one_in_every_type(dtype):  # [W32]
    x = tf.constant([1.5, -2.0], dtype)
    found = run(*tf.gradients(x * x, x))[0]
    assert widened(found).astype(np.complex64).tolist() == [3, -4]
