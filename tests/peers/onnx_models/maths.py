"""Element by element, reductions, products, quantisation, transforms."""

import math

import numpy as np

import refflow as tf
from tests.peers.onnx_models.node import (
    TYPES,
    OutOfScope,
    cast,
    const,
    ints,
    op,
    reshape,
    shape,
    translates,
    transpose,
)

# -- one element, one op type ---------------------------------------------------------------------------------

UNARY = {
    "Abs": "Abs", "Acos": "Acos", "Acosh": "Acosh", "Asin": "Asin", "Asinh": "Asinh", "Atan": "Atan",
    "Atanh": "Atanh", "Ceil": "Ceil", "Cos": "Cos", "Cosh": "Cosh", "Erf": "Erf", "Exp": "Exp", "Floor": "Floor",
    "IsNaN": "IsNan", "Log": "Log", "Neg": "Neg", "Not": "LogicalNot", "Reciprocal": "Reciprocal", "Relu": "Relu",
    "Round": "Round", "Sigmoid": "Sigmoid", "Sign": "Sign", "Sin": "Sin", "Sinh": "Sinh", "Softplus": "Softplus",
    "Softsign": "Softsign", "Sqrt": "Sqrt", "Tan": "Tan", "Tanh": "Tanh", "BitwiseNot": "Invert",
    "Identity": "Identity", "Det": "MatrixDeterminant",
}  # fmt: skip
BINARY = {
    "Add": "AddV2", "Sub": "Sub", "Mul": "Mul", "And": "LogicalAnd", "Or": "LogicalOr", "Equal": "Equal",
    "Greater": "Greater", "GreaterOrEqual": "GreaterEqual", "Less": "Less", "LessOrEqual": "LessEqual",
    "BitwiseAnd": "BitwiseAnd", "BitwiseOr": "BitwiseOr", "BitwiseXor": "BitwiseXor", "Xor": "NotEqual",
}  # fmt: skip
for _onnx, _here in UNARY.items():
    translates(_onnx)(lambda n, t=_here: getattr(op, t)(n[0]))
for _onnx, _here in BINARY.items():
    translates(_onnx)(lambda n, t=_here: getattr(op, t)(n[0], n[1]))


@translates("Div")
def div(n):
    whole = n[0].dtype.is_integer
    return (op.TruncateDiv if whole else op.RealDiv)(n[0], n[1])


@translates("Mod")
def mod(n):
    if n.get("fmod", 0):
        if n[0].dtype.base_dtype is tf.float16:
            return cast(op.Mod(cast(n[0], tf.float32), cast(n[1], tf.float32)), tf.float16)
        wide = n[0].dtype.base_dtype if n[0].dtype.is_floating else tf.int64
        return cast(op.Mod(cast(n[0], wide), cast(n[1], wide)), n[0].dtype)
    return op.FloorMod(n[0], n[1])


@translates("Pow")
def power(n):
    wide = n[1].dtype if n[1].dtype.is_floating else n[0].dtype
    wide = n[0].dtype if n[0].dtype.is_floating else wide
    return cast(op.Pow(cast(n[0], wide), cast(n[1], wide)), n[0].dtype)


@translates("BitShift")
def bit_shift(n):
    """TensorFlow leaves open what a shift by more than the width gives; in ONNX nothing remains but the sign."""
    x, y, left = n[0], n[1], n.get("direction") == "LEFT"
    width = 8 * x.dtype.size
    beyond = op.GreaterEqual(y, const(width, y))
    beyond = beyond if x.dtype.is_unsigned else op.LogicalOr(beyond, op.Less(y, const(0, y)))
    y = op.SelectV2(beyond, op.ZerosLike(y), y)
    rest = op.ZerosLike(x) if left or x.dtype.is_unsigned else op.RightShift(x, const(width - 1, x))
    return op.SelectV2(beyond, rest, (op.LeftShift if left else op.RightShift)(x, y))


@translates("Max", "Min", "Sum", "Mean")
def variadic(n):
    join = {"Max": op.Maximum, "Min": op.Minimum}.get(n.type, op.AddV2)
    total = n[0]
    for other in n.inputs[1:]:
        total = join(total, other)
    if n.type == "Mean":
        return op.RealDiv(total, const(len(n.inputs), total))
    return op.Identity(total)


@translates("IsInf")
def is_inf(n):
    x = n[0]
    found = op.IsInf(x)
    zero = const(0, x)
    if not n.get("detect_positive", 1):
        found = op.LogicalAnd(found, op.Less(x, zero))
    if not n.get("detect_negative", 1):
        found = op.LogicalAnd(found, op.Greater(x, zero))
    return found


@translates("Clip")
def clip(n):
    low, high = n.setting("min", 1), n.setting("max", 2)
    x = n[0]
    if low is not None:
        x = op.Maximum(x, const(low, x))
    if high is not None:
        x = op.Minimum(x, const(high, x))
    return op.Identity(x)


@translates("Where")
def where(n):
    return op.SelectV2(n[0], n[1], n[2])


# -- activations ----------------------------------------------------------------------------------------------


@translates("Elu")
def elu(n):
    alpha = n.get("alpha", 1.0)
    return op.Elu(n[0]) if alpha == 1 else op.SelectV2(
        op.Greater(n[0], const(0, n[0])), n[0], op.Mul(const(alpha, n[0]), op.Expm1(n[0]))
    )  # fmt: skip


@translates("Celu")
def celu(n):
    alpha = const(n.get("alpha", 1.0), n[0])
    return op.Mul(alpha, op.Elu(op.RealDiv(n[0], alpha))) if n.get("alpha", 1.0) == 1 else op.AddV2(
        op.Relu(n[0]), op.Minimum(const(0, n[0]), op.Mul(alpha, op.Expm1(op.RealDiv(n[0], alpha))))
    )  # fmt: skip


@translates("Selu")
def selu(n):
    if not n.attrs:
        return op.Selu(n[0])
    alpha, gamma = (const(n.get(k), n[0]) for k in ("alpha", "gamma"))
    below = op.Mul(alpha, op.Expm1(n[0]))
    return op.Mul(gamma, op.SelectV2(op.Greater(n[0], const(0, n[0])), n[0], below))


@translates("LeakyRelu")
def leaky_relu(n):
    return op.LeakyRelu(n[0], alpha=n.get("alpha", 0.01))


@translates("PRelu")
def p_relu(n):
    return op.AddV2(op.Relu(n[0]), op.Mul(n[1], op.Minimum(n[0], const(0, n[0]))))


@translates("ThresholdedRelu")
def thresholded_relu(n):
    return op.SelectV2(op.Greater(n[0], const(n.get("alpha", 1.0), n[0])), n[0], op.ZerosLike(n[0]))


def _hard_sigmoid(x, alpha, beta):
    line = op.AddV2(op.Mul(const(alpha, x), x), const(beta, x))
    return op.ClipByValue(line, const(0, x), const(1, x))


@translates("HardSigmoid")
def hard_sigmoid(n):
    return _hard_sigmoid(n[0], n.get("alpha", 0.2), n.get("beta", 0.5))


@translates("HardSwish")
def hard_swish(n):
    return op.Mul(n[0], _hard_sigmoid(n[0], 1 / 6, 0.5))


@translates("Mish")
def mish(n):
    return op.Mul(n[0], op.Tanh(op.Softplus(n[0])))


@translates("Swish")
def swish(n):
    return op.Mul(n[0], op.Sigmoid(op.Mul(const(n.get("alpha", 1.0), n[0]), n[0])))


@translates("Gelu")
def gelu(n):
    x, half, one = n[0], const(0.5, n[0]), const(1, n[0])
    if n.get("approximate", "none") == "tanh":
        cubic = op.AddV2(x, op.Mul(const(0.044715, x), op.Mul(x, op.Square(x))))
        inner = op.Tanh(op.Mul(const(math.sqrt(2 / math.pi), x), cubic))
    else:
        inner = op.Erf(op.Mul(x, const(math.sqrt(0.5), x)))
    return op.Mul(op.Mul(half, x), op.AddV2(one, inner))


@translates("Shrink")
def shrink(n):
    x, bias, lambd = n[0], const(n.get("bias", 0.0), n[0]), const(n.get("lambd", 0.5), n[0])
    up = op.SelectV2(op.Less(x, op.Neg(lambd)), op.AddV2(x, bias), op.ZerosLike(x))
    return op.SelectV2(op.Greater(x, lambd), op.Sub(x, bias), up)


# -- reductions -----------------------------------------------------------------------------------------------

REDUCTIONS = {"ReduceSum": "Sum", "ReduceMean": "Mean", "ReduceProd": "Prod", "ReduceMax": "Max", "ReduceMin": "Min"}
AROUND = {  # what is reduced, by what, and what becomes of it
    "ReduceL1": ("Abs", "Sum", "Identity"), "ReduceL2": ("Identity", "EuclideanNorm", "Identity"),
    "ReduceLogSum": ("Identity", "Sum", "Log"), "ReduceSumSquare": ("Square", "Sum", "Identity"),
}  # fmt: skip


def axes_of(n, x, name="axes", i=1):
    """The axes to reduce, or None where the node is an identity."""
    axes = n.setting(name, i)
    if axes is None or np.size(axes) == 0:
        return None if n.get("noop_with_empty_axes", 0) else list(range(len(shape(x))))
    return [int(a) for a in axes]


def reduce(kind, x, axes, keep=True):
    return getattr(op, kind)(x, ints(axes), keep_dims=bool(keep))


@translates(*REDUCTIONS, *AROUND)
def reduction(n):
    before, kind, after = AROUND.get(n.type, ("Identity", REDUCTIONS.get(n.type), "Identity"))
    axes, x = axes_of(n, n[0]), n[0]
    if x.dtype.base_dtype is tf.bool:  # the largest of truths is whether any holds
        return reduce({"Max": "Any", "Min": "All"}[kind], x, axes, n.get("keepdims", 1))
    x = getattr(op, before)(x)
    if axes is None:
        return getattr(op, after)(op.Abs(x) if n.type == "ReduceL2" else x)
    return getattr(op, after)(reduce(kind, x, axes, n.get("keepdims", 1)))


@translates("ReduceLogSumExp")
def reduce_log_sum_exp(n):
    axes, x = axes_of(n, n[0]), n[0]
    if axes is None:
        return op.Identity(x)
    top = reduce("Max", x, axes)
    top = op.SelectV2(op.IsFinite(top), top, op.ZerosLike(top))
    found = op.AddV2(op.Log(reduce("Sum", op.Exp(op.Sub(x, top)), axes)), top)
    return found if n.get("keepdims", 1) else op.Squeeze(found, squeeze_dims=axes)


@translates("ArgMax", "ArgMin")
def arg_max(n):
    x, axis = n[0], n.get("axis", 0)
    pick = op.ArgMax if n.type == "ArgMax" else op.ArgMin
    if n.get("select_last_index", 0):  # the first one from the other end
        back = pick(op.ReverseV2(x, ints([axis])), ints(axis), output_type=tf.int64)
        found = op.Sub(tf.constant(shape(x)[axis] - 1, tf.int64), back)
    else:
        found = pick(x, ints(axis), output_type=tf.int64)
    return op.ExpandDims(found, ints(axis)) if n.get("keepdims", 1) else found


@translates("CumSum", "CumProd")
def running(n):
    kind = {"CumSum": op.Cumsum, "CumProd": op.Cumprod}[n.type]
    axis = tf.constant(int(n.value(1)))
    return kind(n[0], axis, exclusive=bool(n.get("exclusive", 0)), reverse=bool(n.get("reverse", 0)))


@translates("LpNormalization")
def lp_normalization(n):
    axes, x = [n.get("axis", -1)], n[0]
    norm = reduce("Sum", op.Abs(x), axes) if n.get("p", 2) == 1 else reduce("EuclideanNorm", x, axes)
    return op.DivNoNan(x, norm)


# -- products -------------------------------------------------------------------------------------------------


@translates("MatMul")
def matmul(n):
    return product(n[0], n[1])


def product(a, b):
    """NumPy's product: vectors are a row or a column that is gone afterwards."""
    row, column = len(shape(a)) == 1, len(shape(b)) == 1
    a = op.ExpandDims(a, ints(0)) if row else a
    b = op.ExpandDims(b, ints(-1)) if column else b
    found = op.BatchMatMulV2(a, b)
    gone = ([-2] if row else []) + ([-1] if column else [])
    return op.Squeeze(found, squeeze_dims=gone) if gone else found


@translates("Gemm")
def gemm(n):
    x = op.MatMul(n[0], n[1], transpose_a=bool(n.get("transA", 0)), transpose_b=bool(n.get("transB", 0)))
    x = op.Mul(const(n.get("alpha", 1.0), x), x)
    return x if n[2] is None else op.AddV2(x, op.Mul(const(n.get("beta", 1.0), x), n[2]))


@translates("Einsum")
def einsum(n):
    equation = n.get("equation").replace(" ", "")
    if "->" not in equation:  # then the letters that come once are kept, in order
        letters = equation.replace(",", "")
        equation += "->" + "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    return op.Einsum(n.inputs, equation=equation)


# -- quantisation ---------------------------------------------------------------------------------------------


def along(value, x, axis):
    """`value` [n] or [] so that it stands along one axis of x."""
    if len(shape(value)) != 1 or shape(value) == [1]:
        return value if not shape(value) else reshape(value, [])
    return reshape(value, [-1 if i == axis % len(shape(x)) else 1 for i in range(len(shape(x)))])


def saturate(x, dtype):
    """Rounded to even and held within an integer type."""
    info = np.iinfo(dtype.as_numpy_dtype)
    return cast(op.ClipByValue(op.Round(x), const(info.min, x), const(info.max, x)), dtype)


@translates("QuantizeLinear")
def quantize_linear(n):
    x, axis = n[0], n.get("axis", 1)
    if len(shape(n[1])) > 1:
        raise OutOfScope("scales by block")
    dtype = n[2].dtype if n[2] is not None else TYPES[n.get("output_dtype", 0) or 2]
    x = op.Round(op.RealDiv(cast(x, tf.float32), cast(along(n[1], x, axis), tf.float32)))
    return saturate(x if n[2] is None else op.AddV2(x, cast(along(n[2], n[0], axis), tf.float32)), dtype)


@translates("DequantizeLinear")
def dequantize_linear(n):
    x, axis = n[0], n.get("axis", 1)
    if len(shape(n[1])) > 1:
        raise OutOfScope("scales by block")
    wide = cast(x, tf.float32)
    if n[2] is not None:
        wide = op.Sub(wide, cast(along(n[2], x, axis), tf.float32))
    return cast(op.Mul(wide, cast(along(n[1], x, axis), tf.float32)), n[1].dtype)


@translates("DynamicQuantizeLinear")
def dynamic_quantize_linear(n):
    x, zero, levels = n[0], const(0.0, n[0]), const(255.0, n[0])
    everything = list(range(len(shape(x))))
    high = op.Maximum(zero, reduce("Max", x, everything, False))
    low = op.Minimum(zero, reduce("Min", x, everything, False))
    scale = op.RealDiv(op.Sub(high, low), levels)
    point = op.ClipByValue(op.Round(op.RealDiv(op.Neg(low), scale)), zero, levels)
    return saturate(op.AddV2(op.Round(op.RealDiv(x, scale)), point), tf.uint8), scale, cast(point, tf.uint8)


def _centred(x, point, axis):
    """x - point in whole numbers, with a point for the whole or for each row (axis -2) or column (axis -1)."""
    x = cast(x, tf.int32)
    if point is None:
        return x
    return op.Sub(x, cast(along(point, x, axis), tf.int32))


@translates("MatMulInteger")
def matmul_integer(n):
    return op.BatchMatMulV2(_centred(n[0], n[2], -2), _centred(n[1], n[3], -1))


@translates("QLinearMatMul")
def q_linear_matmul(n):
    a, a_scale, a_point, b, b_scale, b_point, y_scale, y_point = n.inputs
    total = op.BatchMatMulV2(_centred(a, a_point, -2), _centred(b, b_point, -1))
    by = op.RealDiv(op.Mul(*(cast(s, tf.float32) for s in (a_scale, b_scale))), cast(y_scale, tf.float32))
    scaled = op.Round(op.Mul(cast(total, tf.float32), by))
    return saturate(op.AddV2(scaled, cast(y_point, tf.float32)), y_point.dtype)


# -- transforms -----------------------------------------------------------------------------------------------


@translates("HannWindow", "HammingWindow", "BlackmanWindow")
def cosine_window(n):
    size = int(n.value(0))
    terms = {"HannWindow": (0.5, 0.5, 0), "HammingWindow": (25 / 46, 21 / 46, 0), "BlackmanWindow": (0.42, 0.5, 0.08)}
    a, b, c = (float(t) for t in terms[n.type])
    period = size if n.get("periodic", 1) else size - 1
    angle = op.Mul(cast(op.Range(ints(0), ints(size), ints(1)), tf.float32), tf.constant(2 * math.pi / period))
    window = op.Sub(tf.constant(a), op.Mul(tf.constant(b), op.Cos(angle)))
    twice = op.Mul(tf.constant(c), op.Cos(op.Mul(tf.constant(2.0), angle)))
    return cast(op.AddV2(window, twice), TYPES[n.get("output_datatype", 1)])


def _complex(x):
    """x [..., 1] or [..., 2] as complex numbers [...]."""
    parts = op.Unpack(x, num=shape(x)[-1], axis=-1)
    return op.Complex(parts[0], parts[1] if len(parts) == 2 else op.ZerosLike(parts[0]))


def _parts(x):
    return op.Pack([op.Real(x), op.Imag(x)], axis=-1)


@translates("DFT")
def dft(n):
    x = _complex(n[0])
    axis = n.setting("axis", 2, 1 if n.opset < 20 else -2)
    axis = int(axis) if axis >= 0 else int(axis) + 1  # the last axis of the input holds the parts
    half = bool(n.get("onesided", 0) and n.get("inverse", 0))
    length = int(n.value(1)) if n.value(1) is not None else 2 * (shape(x)[axis] - 1) if half else shape(x)[axis]
    order = list(range(len(shape(x))))
    order[axis % len(order)], order[-1] = order[-1], order[axis % len(order)]
    x = transpose(x, order)
    if half:
        return op.ExpandDims(transpose(op.IRFFT(x, ints([length])), order), ints(-1))
    spare = length - shape(x)[-1]
    x = op.Pad(x, tf.constant([[0, 0]] * (len(order) - 1) + [[0, max(spare, 0)]]))
    x = op.Slice(x, ints([0] * len(order)), ints([*[-1] * (len(order) - 1), length]))
    if n.get("onesided", 0):
        return _parts(transpose(op.RFFT(op.Real(x), ints([length])), order))
    return _parts(transpose((op.IFFT if n.get("inverse", 0) else op.FFT)(x), order))


@translates("STFT")
def stft(n):
    step, window = int(n.value(1)), n[2]
    length = int(n.value(3)) if n.value(3) is not None else shape(window)[0]
    signal = _complex(n[0])
    count = (shape(signal)[1] - length) // step + 1
    starts = op.Reshape(op.Mul(op.Range(ints(0), ints(count), ints(1)), ints(step)), ints([count, 1]))
    frames = op.GatherV2(op.Real(signal), op.AddV2(starts, op.Range(ints(0), ints(length), ints(1))), ints(1))
    frames = frames if window is None else op.Mul(frames, window)
    if n.get("onesided", 1):
        return _parts(op.RFFT(frames, ints([length])))
    return _parts(op.FFT(op.Complex(frames, op.ZerosLike(frames))))
