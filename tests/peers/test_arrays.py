"""Programs on arrays, run by TensorFlow and here: pytest -m peers."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

from tests.peers.stand_in import differences, outcomes, unlikeness

pytestmark = pytest.mark.peers
X = np.arange(24.0).reshape(2, 3, 4) - 10
FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
TYPES = (*FLOATS, *INTEGERS, "bool", "complex64", "complex128", "string")

# Functions of (tf, x) with x [2, 3, 4]: values, gradients and second derivatives are compared.
SMOOTH = {
    "slices": lambda tf, x: [x[..., 1], x[0, 1:], x[:, None, ::-1, ::2], x[-1, ..., None], x[:0], x[1, 2, 3]],
    "reshape": lambda tf, x: [tf.reshape(x, [4, -1]), tf.expand_dims(x, -2), tf.squeeze(x[:, :1], [1])],
    "join": lambda tf, x: [tf.concat([x, x[:, :1]], 1), tf.stack([x, 2 * x], -1), *tf.unstack(x, 3, axis=1)],
    "split": lambda tf, x: [*tf.split(x, 2, 2), *tf.split(x, [1, -1], 1)],
    "gather": lambda tf, x: [
        tf.gather(x, [1, 0, 1]),
        tf.gather(x, [[2, 0]], axis=1),
        tf.gather_nd(x, [[0, 1], [1, 2]]),
    ],
    "batches": lambda tf, x: [
        tf.gather(x, [[0, 1], [2, 2]], batch_dims=1, axis=1),
        tf.gather(x, [[0], [1]], batch_dims=-1),
    ],
    "scatter": lambda tf, x: [tf.scatter_nd([[1], [3]], x, [5, 3, 4]), tf.tensor_scatter_nd_max(x, [[1]], -x[:1])],
    "pad": lambda tf, x: tf.pad(x, [[1, 0], [0, 2], [2, 1]], constant_values=x[0, 0, 0]),
    "mirrors": lambda tf, x: [tf.pad(x, [[1, 0], [0, 2], [2, 1]], m) for m in ("REFLECT", "SYMMETRIC")],
    "axes": lambda tf, x: [tf.transpose(x, [2, 0, 1]), tf.reverse(x, [0, -1]), tf.roll(x, [1, -2], [0, 2])],
    "repeat": lambda tf, x: [tf.tile(x, [2, 1, 2]), tf.broadcast_to(x, [2, 2, 3, 4])],
    "diagonals": lambda tf, x: [tf.linalg.diag(x[0]), tf.linalg.diag_part(x, k=(-1, 1)), tf.linalg.band_part(x, 1, 0)],
    "set_diag": lambda tf, x: tf.linalg.set_diag(x, x[:, 0, :3]),
    "blocks": lambda tf, x: [tf.nn.space_to_depth(tf.reshape(x, [1, 2, 4, 3]), 2), tf.nn.depth_to_space(x[None], 2)],
    "spaces": lambda tf, x: tf.space_to_batch(tf.reshape(x, [1, 3, 4, 2]), [1, 2], [[0, 0], [2, 0]]),
    "sequences": lambda tf, x: tf.reverse_sequence(x, [1, 3], seq_axis=1, batch_axis=0),
    "partition": lambda tf, x: tf.dynamic_partition(x, [1, 0], 2),
    "stitch": lambda tf, x: tf.dynamic_stitch([[2], [0, 1]], [x[:1], x]),
    "where": lambda tf, x: [tf.where(x > 0, x, -x), tf.where([[True], [False], [True]], x, x * 2)],
    "sort": lambda tf, x: [tf.sort(x, direction="DESCENDING"), *tf.nn.top_k(x, 2)],
    "masks": lambda tf, x: tf.boolean_mask(tf.ensure_shape(x, [2, 3, 4]), [[True, False, True]] * 2),
}


def fed(tf, value, dtype=None):
    value = np.asarray(value)
    return tf.compat.v1.placeholder(dtype or tf.as_dtype(value.dtype)), value


@pytest.mark.parametrize("name", SMOOTH)
def test_values_and_slopes_of_any_order(name):
    def program(tf):
        x, value = fed(tf, X)
        made = SMOOTH[name](tf, x)
        ys = [y for y in (made if isinstance(made, list | tuple) else [made]) if y.dtype.is_floating]
        slopes = [tf.convert_to_tensor(tf.gradients(y * y, x)[0]) for y in ys]
        curves = [tf.convert_to_tensor(tf.gradients(s * s, x)[0]) for s in slopes]
        with tf.compat.v1.Session() as session:
            session.run([*ys, *slopes, *curves], {x: value})

    assert differences(program) == []


# Elements of x [2, 3] in other places.
MOVES = {
    "slice": lambda tf, x: x[:, ::-1],
    "concat": lambda tf, x: tf.concat([x, x], 1),
    "gather": lambda tf, x: tf.gather(x, [1, 0], axis=1),
    "transpose": lambda tf, x: tf.transpose(x),
    "tile": lambda tf, x: tf.tile(x, [1, 2]),
    "pad": lambda tf, x: tf.raw_ops.PadV2(input=x, paddings=[[1, 0], [0, 1]], constant_values=x[0, 0]),
    "reverse": lambda tf, x: tf.reverse(x, [0]),
    "roll": lambda tf, x: tf.roll(x, 1, 1),
    "one_hot": lambda tf, x: tf.one_hot([0, 2], 3, x[0, 0], x[1, 1]),
    "scatter_nd": lambda tf, x: tf.scatter_nd([[1]], x[:1], [3, 3]),
    "zeros_like": lambda tf, x: tf.zeros_like(x),
    "scatter_update": lambda tf, x: tf.tensor_scatter_nd_update(x, [[0]], x[1:]),
    "broadcast_to": lambda tf, x: tf.broadcast_to(x, [2, 2, 3]),
    "fill": lambda tf, x: tf.fill([2], x[0, 0]),
    "where": lambda tf, x: tf.where([[True], [False]], x, x[:, ::-1]),
    "unique": lambda tf, x: tf.unique(tf.reshape(x, [-1]))[0],
    "unique rows": lambda tf, x: tf.raw_ops.UniqueV2(x=x, axis=[1])[1],
    "stitch": lambda tf, x: tf.dynamic_stitch([[1], [0]], [x[:1], x[1:]]),
    "inplace": lambda tf, x: tf.raw_ops.InplaceUpdate(x=tf.raw_ops.DeepCopy(x=x), i=[0], v=x[1:]),
    "slice slope": lambda tf, x: tf.raw_ops.StridedSliceGrad(shape=[3, 3], begin=[1], end=[3], strides=[1], dy=x),
    "constant": lambda tf, x: tf.guarantee_const(x),
    "fingerprint": lambda tf, x: tf.fingerprint(x),
    "diagonal": lambda tf, x: tf.raw_ops.MatrixDiagPartV3(input=x, k=1, padding_value=x[0, 0]),
    "band": lambda tf, x: tf.linalg.band_part(x, 0, 0),
}


@pytest.mark.parametrize("dtype", TYPES)
def test_elements_of_every_type_move_alike(dtype):
    """Where TensorFlow has a kernel for the type."""

    def program(tf, move):
        kind = tf.as_dtype(dtype)
        numbers = (np.arange(6) % 3).reshape(2, 3).astype(kind.as_numpy_dtype)
        texts = np.array([[b"a", b"b", b""], [b"cc", b"a", b"b"]], object)
        x, value = fed(tf, texts if dtype == "string" else numbers, kind)
        with tf.compat.v1.Session() as session:
            session.run(move(tf, x), {x: value})

    there = {name: outcomes(lambda tf, move=move: program(tf, move), here=False)[0] for name, move in MOVES.items()}
    known = [name for name, outcome in there.items() if outcome.error is None]
    here = {name: outcomes(lambda tf, name=name: program(tf, MOVES[name]), here=True)[0] for name in known}
    assert len(known) > 18
    assert [n for n in known if here[n].error or unlikeness(there[n].values[0], here[n].values[0], 0, 0)] == []


NARROW = ("float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz", "int4", "uint4")


@pytest.mark.parametrize("dtype", NARROW)
def test_elements_of_few_bits_move_alike(dtype):
    def program(tf):
        kind = tf.as_dtype(dtype)
        x, value = fed(tf, np.arange(6).reshape(2, 3).astype(kind.as_numpy_dtype), kind)
        y = tf.constant(value, kind)
        moved = [tf.identity(x), tf.reshape(x, [3, 2]), tf.shape(x), tf.expand_dims(y, 0), y]
        if dtype in NARROW[:2]:
            moved += [tf.concat([x, y], 1), tf.transpose(x), tf.gather(x, [1]), x[:, ::-1], *tf.unstack(x, 2)]
        with tf.compat.v1.Session() as session:
            session.run(moved, {x: value})

    assert differences(program) == []


@pytest.mark.parametrize("dtype", ["float8_e5m2", "float8_e4m3fn"])
def test_floats_of_eight_bits_are_cast_alike(dtype, rng):
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 448, 464, 464.1, 57344, 61439, 61440, 2**-9, 2**-10, 2**-16, 2**-17]
    values = np.concatenate([edges, rng.normal(size=500) * 10.0 ** rng.integers(-6, 5, 500)])

    def program(tf):
        kind = tf.as_dtype(dtype)
        codes = np.arange(256).astype(np.uint8).view(kind.as_numpy_dtype)
        there = [tf.cast(tf.constant(values, t), kind) for t in FLOATS]
        back = [tf.cast(tf.constant(codes, kind), tf.as_dtype(t)) for t in (*FLOATS, "bool", "complex64", *NARROW[:2])]
        with tf.compat.v1.Session() as session:
            session.run([*there, *back])

    assert differences(program, 0, 0) == []


@pytest.mark.parametrize("resource", [False, True])
def test_rows_of_variables_are_changed_alike(resource):
    def program(tf):
        v1 = tf.compat.v1
        v = v1.get_variable("v", initializer=X[0].astype(np.float32), use_resource=resource)
        rows = np.full((2, 4), 2.0, np.float32)
        changes = [getattr(v1, f"scatter_{kind}")(v, [0, 2], rows) for kind in
                   ("update", "add", "sub", "mul", "div", "min", "max")]  # fmt: skip
        changes += [getattr(v1, f"scatter_nd_{kind}")(v, [[0, 1], [2, 3]], [5.0, 6.0]) for kind in
                    ("update", "add", "sub")]  # fmt: skip
        changes += [v[1:, ::2].assign(rows[:, :2] * 9), v.assign_add(X[0].astype(np.float32))]
        with v1.Session() as session:
            session.run(v.initializer)
            for change in changes:
                session.run(change)
                session.run([v.read_value() if resource else v, tf.gather(v, [2, 0]), tf.gather_nd(v, [[1, 1]])])

    assert differences(program) == []


@pytest.mark.parametrize("mode", ["MIN_COMBINED", "MIN_FIRST", "SCALED"])
@pytest.mark.parametrize("dtype", ["qint8", "quint8"])
def test_floats_are_quantized_alike(mode, dtype):
    def program(tf):
        x, value = fed(tf, np.linspace(-5, 7, 24).reshape(4, 6).astype(np.float32))
        q = tf.quantization.quantize(x, -4.0, 6.0, tf.as_dtype(dtype), mode=mode)
        back = tf.quantization.dequantize(q.output, q.output_min, q.output_max, mode=mode)
        faked = tf.quantization.fake_quant_with_min_max_vars(x, -3.0, 3.0, 4, True)
        both = tf.quantization.quantize_and_dequantize_v2(x, -2.0, 3.0, range_given=True)
        with tf.compat.v1.Session() as session:
            session.run([*q, back, faked, both, *tf.gradients([faked, both], x)], {x: value})

    assert differences(program) == []


TEXTS = np.array([b"a", b"b"], object)
# Calls of raw ops that fail in the kernel: TensorFlow's words are among ours.
WRONG = [
    ("Reshape", {"tensor": X, "shape": [5, 5]}),
    ("Reshape", {"tensor": X, "shape": [-1, 5]}),
    ("ConcatV2", {"values": [X, X[:, :1]], "axis": 0}),
    ("ConcatV2", {"values": [1.0, [2.0]], "axis": 0}),
    ("Pack", {"values": [X, X[:1]]}),
    ("Split", {"axis": 2, "value": X, "num_split": 3}),
    ("SplitV", {"value": X, "size_splits": [1], "axis": 2, "num_split": 1}),
    ("SplitV", {"value": X, "size_splits": [-1], "axis": 2, "num_split": 1}),
    ("Slice", {"input": X, "begin": [0, 0, 3], "size": [1, 1, 2]}),
    ("StridedSlice", {"input": X, "begin": [2], "end": [3], "strides": [1], "shrink_axis_mask": 1}),
    ("Transpose", {"x": X, "perm": [0, 1, 1]}),
    ("Tile", {"input": X, "multiples": [1, -1, 1]}),
    ("Pad", {"input": X, "paddings": [[1, 1]]}),
    ("MirrorPad", {"input": X, "paddings": [[2, 0], [0, 0], [0, 0]], "mode": "REFLECT"}),
    ("GatherV2", {"params": X, "indices": [[0, 4]], "axis": 2}),
    ("GatherNd", {"params": X, "indices": [[0, 3]]}),
    ("ScatterNd", {"indices": [[5]], "updates": [1.0], "shape": [4]}),
    ("TensorScatterAdd", {"tensor": X, "indices": [[0], [1]], "updates": X[:1]}),
    ("ScatterNd", {"indices": [[0]], "updates": [1.0], "shape": np.zeros(0, np.int32)}),
    ("ScatterNd", {"indices": [[0]], "updates": [1.0], "shape": [0]}),
    ("ScatterNd", {"indices": [[0, 1]], "updates": [1.0], "shape": [3]}),
    ("DiagPart", {"input": np.zeros((2, 3, 2))}),
    ("UnicodeEncode", {"input_values": [72, 73], "input_splits": [0, 3], "output_encoding": "UTF-8"}),
    ("UnicodeEncode", {"input_values": [72, 73], "input_splits": [0, 2, 1], "output_encoding": "UTF-8"}),
    ("UnsortedSegmentJoin", {"inputs": TEXTS, "segment_ids": [0], "num_segments": 2}),
    ("UnsortedSegmentJoin", {"inputs": TEXTS[None], "segment_ids": [[0]], "num_segments": 2}),
    ("DecodeJSONExample", {"json_examples": np.array([b"{"], object)}),
    ("DecodeJSONExample", {"json_examples": np.array([b"{} {}"], object)}),
    ("TruncateDiv", {"x": [1, 2], "y": [1, 0]}),
    ("TruncateMod", {"x": [1, 2], "y": 0}),
    ("FloorMod", {"x": [1, 2], "y": 0}),
    ("MatMul", {"a": X[0], "b": X[0]}),
    ("MatMul", {"a": X[0], "b": X[0, 0]}),
    ("MatMul", {"a": [1, 2], "b": [[1], [2]]}),
    ("BatchMatMulV2", {"x": X, "y": X, "adj_x": True, "adj_y": True}),
    ("BatchMatMul", {"x": X, "y": X}),
    ("BatchMatMulV2", {"x": X, "y": np.concatenate([X, X])}),
    ("InvertPermutation", {"x": [0, 2, 2]}),
    ("OneHot", {"indices": [1], "depth": -1, "on_value": 1.0, "off_value": 0.0}),
    ("ReverseSequence", {"input": X, "seq_lengths": [1, 4], "seq_dim": 1, "batch_dim": 0}),
    ("Range", {"start": 0, "limit": 3, "delta": 0}),
    ("UnravelIndex", {"indices": [9], "dims": [2, 2]}),
    ("CheckNumericsV2", {"tensor": np.array([np.inf, -np.inf, np.nan]), "message": "mine"}),
    (
        "QuantizeV2",
        {"input": X.astype(np.float32), "min_range": np.float32(1), "max_range": np.float32(0), "T": "qint8"},
    ),
]


@pytest.mark.parametrize(("op", "arguments"), WRONG, ids=[f"{i}: {op}" for i, (op, _) in enumerate(WRONG)])
def test_a_wrong_call_is_told_in_the_same_words(op, arguments):
    def program(tf):
        feeds, given = {}, {}

        def hole(value):
            tensor, array = fed(tf, np.asarray(value, np.int32 if np.asarray(value).dtype == np.int64 else None))
            feeds[tensor] = array
            return tensor

        attrs = {"num_split", "seq_dim", "batch_dim", "mode", "message", "T", "shrink_axis_mask", "output_encoding",
                 "adj_x", "adj_y"}  # fmt: skip
        for key, value in arguments.items():
            if key in attrs:
                given[key] = value
            else:
                given[key] = [hole(v) for v in value] if key == "values" else hole(value)
        config = tf.compat.v1.ConfigProto()
        config.graph_options.rewrite_options.disable_meta_optimizer = True  # which takes some checks out with their op
        with tf.compat.v1.Session(config=config) as session:
            session.run(getattr(tf.raw_ops, op)(**given), feeds)

    (theirs,), (ours,) = outcomes(program, here=False), outcomes(program, here=True)
    assert theirs.error == ours.error is not None
    assert theirs.message in ours.message


def calls_at_the_edge(tf):
    """Nothing to turn; rows of values that have rows; sequences whose places are not in order."""
    hole = tf.compat.v1.placeholder_with_default
    scalar, values = hole(3.0, None), hole([[0, 1], [1, 0], [1, 1]], None)
    ragged = tf.raw_ops.RaggedBincount
    weights = hole(np.zeros(0, np.float32), None)
    truth = {"truth_indices": hole(np.array([[0, 0], [1, 0]]), None), "truth_values": hole([1, 3], None),
             "truth_shape": hole(np.array([2, 2]), None)}  # fmt: skip
    said = {"hypothesis_indices": hole(np.array([[1, 0], [0, 1]]), None), "hypothesis_values": hole([1, 2], None),
            "hypothesis_shape": hole(np.array([2, 2]), None)}  # fmt: skip
    with tf.compat.v1.Session() as session:
        for y in (
            tf.raw_ops.ReverseV2(tensor=scalar, axis=hole([0], None)),
            tf.raw_ops.Reverse(tensor=scalar, dims=hole([True], None)),
            ragged(splits=hole(np.array([0, 4, 6]), None), values=values, size=2, weights=weights),
            ragged(splits=hole(np.array([[0, 4, 6]]), None), values=values, size=2, weights=weights),
            tf.raw_ops.EditDistance(**said, **truth),
            tf.raw_ops.DecodeJSONExample(json_examples=hole([b'{"features": null}', b"{}"], None)),
        ):
            session.run(y)


def test_calls_at_the_edge_give_the_same():
    assert differences(calls_at_the_edge) == []


AFTER_A_CHANGE = {
    "assign": lambda tf, v: v.assign([5.0, 6.0]),
    "assign_add": lambda tf, v: v.assign_add([5.0, 6.0]),
    "scatter": lambda tf, v: tf.compat.v1.scatter_add(v, [0], [5.0]),
}


@pytest.mark.parametrize("change", AFTER_A_CHANGE)
def test_who_waits_for_a_change_of_a_reference_sees_it(change):
    def program(tf):
        v = tf.compat.v1.Variable([1.0, 2.0], use_resource=False)
        with tf.control_dependencies([AFTER_A_CHANGE[change](tf, v)]):
            seen = [v + 1.0, tf.identity(v), tf.reduce_sum(v), tf.gather(v, [0]), v.read_value()]
        for tensor in seen:
            with tf.compat.v1.Session() as session:
                session.run(v.initializer)
                session.run(tensor)

    assert differences(program) == []
