"""Diagonals and bands of batches of matrices: taken out, put in, kept [W06].

    MatrixDiagV3 ...         diagonals of batches of matrices: k picks one or a band, align says which side of a
                             band's rows the shorter diagonals stand at
    MatrixBandPart           all but a band set to zero

Next: ops/variable.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op, define_variant
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import ANY
from refflow.ops.constant import ZEROS_LIKE

_ALIGN = Attr("string", default="RIGHT_LEFT", allowed=("LEFT_RIGHT", "RIGHT_LEFT", "LEFT_LEFT", "RIGHT_RIGHT"))


def _band(k: Any) -> tuple[int, int]:
    """The lowest and the highest diagonal: 0 is the main one, positive ones lie above."""
    values = [int(v) for v in np.reshape(k, -1)]
    if len(values) not in (1, 2):
        raise ValueError(f"diag_index must have only one or two elements, received {len(values)} elements.")
    return values[0], values[-1]


def _check_band(low: int, high: int, rows: int, columns: int, end: str = "") -> None:
    for name, k, stop in (("lower_diag_index", low, end), ("upper_diag_index", high, "")):
        if not (-rows < k < columns or (k == 0 and not rows * columns)):
            raise ValueError(f"{name} is out of bound: {k}{stop} It must be between {-rows} and {columns}")
    if low > high:
        raise ValueError(f"lower_diag_index must not be larger than upper_diag_index: {low} > {high}")


def _places(low: int, high: int, rows: int, columns: int, align: str) -> tuple[np.ndarray, ...]:
    """For each element of a band laid out in rows, highest diagonal first: row, column, and whether it is real."""
    longest = min(rows + min(high, 0), columns - max(low, 0))
    ks = np.arange(high, low - 1, -1)[:, None]
    lengths = np.minimum(rows + np.minimum(ks, 0), columns - np.maximum(ks, 0))
    right = np.where(ks >= 0, align.startswith("RIGHT"), align.endswith("RIGHT"))
    at = np.arange(longest)[None, :] - np.where(right, longest - lengths, 0)
    real = (at >= 0) & (at < lengths)
    y, x = at - np.minimum(ks, 0), at + np.maximum(ks, 0)
    return np.where(real, y, 0), np.where(real, x, 0), real


def _filled(diagonal: np.ndarray, low: int, high: int, into: np.ndarray, align: str) -> np.ndarray:
    """`into` [..., rows, columns] with the band's elements at their places."""
    rows, columns = into.shape[-2:]
    y, x, real = _places(low, high, rows, columns, align)
    flat = diagonal if low != high or diagonal.ndim == into.ndim else diagonal[..., None, :]
    if flat.shape[-2:] != real.shape:
        raise ValueError(
            f"the diagonals have shape {list(diagonal.shape)}, but a band from {low} to {high} of a "
            f"{rows} x {columns} matrix "
            f"has {real.shape[0]} of length {real.shape[1]}"
        )
    into[..., y[real], x[real]] = flat[..., real]
    return into


def matrix_diag(diagonal, k, num_rows, num_cols, padding_value, align):
    low, high = _band(k)
    if low > high:
        raise ValueError(f"lower_diag_index must not be larger than upper_diag_index: {low} > {high}")
    band = low != high
    if band and (diagonal.ndim < 2 or diagonal.shape[-2] != high - low + 1):
        raise ValueError(
            "The number of diagonals provided in the input does not match the lower_diag_index and "
            "upper_diag_index range: "
            f"{diagonal.shape[-2] if diagonal.ndim > 1 else 1} for {low} to {high}"
        )
    longest = diagonal.shape[-1]
    least_rows, least_columns = longest - min(high, 0), longest + max(low, 0)
    rows, columns = int(np.reshape(num_rows, ())), int(np.reshape(num_cols, ()))
    if rows == -1 and columns == -1:
        rows = columns = max(least_rows, least_columns)
    elif rows == -1:
        rows = least_rows
    elif columns == -1:
        columns = least_columns
    if rows < least_rows:
        raise ValueError("The number of rows is too small.")
    if columns < least_columns:
        raise ValueError("The number of columns is too small.")
    if rows != least_rows and columns != least_columns:
        raise ValueError(
            "The number of rows or columns is not consistent with the specified d_lower, d_upper, and diagonal."
        )
    batch = diagonal.shape[: -2 if band else -1]
    into = np.full((*batch, rows, columns), np.asarray(padding_value).reshape(())[()], diagonal.dtype)
    return _filled(diagonal, low, high, into, align)


def matrix_diag_part(input, k, padding_value, align):
    low, high = _band(k)
    rows, columns = input.shape[-2:]
    _check_band(low, high, rows, columns)
    y, x, real = _places(low, high, rows, columns, align)
    padding = np.asarray(padding_value).reshape(())[()]
    found = np.where(real, input[..., y, x], np.asarray(padding, input.dtype)) if real.size else input[..., y, x]
    return np.ascontiguousarray(found if low != high else found[..., 0, :])


def matrix_set_diag(input, diagonal, k, align):
    low, high = _band(k)
    _check_band(low, high, *input.shape[-2:])
    return _filled(diagonal, low, high, np.array(input, copy=True), align)


def _check_settings(context: ShapeContext) -> None:
    """k is one or two numbers, all else that sets the band a scalar."""
    names = [a.name for a in context.op_def.inputs if a.name in ("k", "num_rows", "num_cols", "padding_value")]
    for name in names:
        dims = context.dims(name)
        if name == "k" and dims is not None and (len(dims) > 1 or dims == (0,)):
            if dims == (0,):
                raise ShapeError("Expected diag_index to have at least 1 element")
            raise ShapeError(f"diag_index must be a scalar or vector, received shape: {shapes.text(dims)}")
        if name == "k" and dims and dims[0] is not None and dims[0] > 2:
            raise ShapeError(f"diag_index must have only one or two elements, received {dims[0]} elements.")
        if name != "k" and dims:
            raise ShapeError(f"{name} must be a scalar")


def _part_dims(dims: shapes.Shape, k: Any, end: str = "") -> shapes.Shape:
    if dims is None:
        return None
    if len(dims) < 2:
        raise ShapeError(f"input must be at least 2-dim, received shape: {shapes.text(dims)}")
    if k is None:
        return None
    low, high = k[0], k[-1]
    rows, columns = dims[-2:]
    if rows is not None and columns is not None:
        try:
            _check_band(low, high, rows, columns, end)
        except ValueError as error:
            raise ShapeError(str(error)) from None
    longest = None if rows is None or columns is None else min(rows + min(high, 0), columns - max(low, 0))
    batch = dims[:-2]
    return (*batch, longest) if low == high else (*batch, high - low + 1, longest)


def _family(version: int) -> tuple[OpDef, OpDef, OpDef]:
    end = "" if version == 1 else f"V{version}"
    align: dict[str, Any] = {"align": _ALIGN} if version == 3 else {}
    k = ", k: int32" if version > 1 else ""
    padding = ", padding_value: T[]" if version > 1 else ""
    sizes = ", num_rows: int32[], num_cols: int32[]" if version > 1 else ""
    diag = define_op(
        f"MatrixDiag{end}", f"diagonal: T{k}{sizes}{padding} -> output: T", T=ANY, source=("W06",), **align
    )
    part = define_op(f"MatrixDiagPart{end}", f"input: T{k}{padding} -> diagonal: T", T=ANY, source=("W06",), **align)
    put = define_op(f"MatrixSetDiag{end}", f"input: T, diagonal: T{k} -> output: T", T=ANY, source=("W06",), **align)
    left = "LEFT_LEFT"  # how versions before the third lay out a band
    if version == 1:
        diag.kernel(lambda diagonal: matrix_diag(diagonal, 0, -1, -1, 0, left))
        part.kernel(lambda input: matrix_diag_part(input, 0, 0, left))
        put.kernel(lambda input, diagonal: matrix_set_diag(input, diagonal, 0, left))
    elif version == 2:
        diag.kernel(lambda diagonal, k, num_rows, num_cols, padding_value:
                    matrix_diag(diagonal, k, num_rows, num_cols, padding_value, left))  # fmt: skip
        part.kernel(lambda input, k, padding_value: matrix_diag_part(input, k, padding_value, left))
        put.kernel(lambda input, diagonal, k: matrix_set_diag(input, diagonal, k, left))
    else:
        diag.kernel(matrix_diag)
        part.kernel(matrix_diag_part)
        put.kernel(matrix_set_diag)

    @diag.shape
    def diag_shape(context: ShapeContext) -> shapes.Shape:
        dims = context.dims("diagonal")
        if dims == ():
            raise ShapeError("diagonal must be at least 1-dim, received shape: []")
        if dims is None:
            return None
        if version == 1:
            return (*dims, dims[-1])
        _check_settings(context)
        ks, rows, columns = (context.ints(n) for n in ("k", "num_rows", "num_cols"))
        if ks is None:
            return None
        low, high = ks[0], ks[-1]
        batch = dims[:-1] if low == high else dims[:-2]
        if rows is None or columns is None or dims[-1] is None:
            return (*batch, None, None)
        least = dims[-1] - min(high, 0), dims[-1] + max(low, 0)
        r, c = rows[0], columns[0]
        if r == -1 and c == -1:
            return (*batch, max(least), max(least))
        return (*batch, least[0] if r == -1 else r, least[1] if c == -1 else c)

    @part.shape
    def part_shape(context: ShapeContext) -> shapes.Shape:
        _check_settings(context)
        return _part_dims(context.dims("input"), [0] if version == 1 else context.ints("k"), ".")

    @put.shape
    def put_shape(context: ShapeContext) -> shapes.Shape:
        _check_settings(context)
        dims, given = context.dims("input"), context.dims("diagonal")
        if given == ():
            raise ShapeError("diagonal must be at least 1-dim, received shape: []")
        ks = [0] if version == 1 else context.ints("k")
        if dims is None and given is not None and ks is not None:
            return (*given[: len(given) - (1 if ks[0] == ks[-1] else 2)], None, None)
        wanted = _part_dims(dims, ks)
        if not shapes.compatible(given, wanted):
            raise ShapeError(
                "Either first dimensions of diagonal don't match input.shape[:-2], or diagonal.shape[:-1] is not equal "
                "to the longests diagonal in range [lower_diag_index:upper_diag_index].\n"
                f"Input shape: {shapes.text(dims)}\nDiagonal shape: {shapes.text(given)}\n"
                f"Expected diagonal shape: {shapes.text(wanted)}"
            )
        return dims

    def attrs(op):
        return {"align": op.attrs["align"]} if version == 3 else {}

    @diag.gradient
    def diag_gradient(op, dy):
        """The same diagonals of dy."""
        if version == 1:
            return part(dy)
        zero = ZEROS_LIKE(op.inputs["padding_value"])
        return part(dy, op.inputs["k"], zero, **attrs(op)), None, None, None, None

    @part.gradient
    def part_gradient(op, dy):
        """dy on the same diagonals of a zero matrix."""
        if version == 1:
            return put(ZEROS_LIKE(op.inputs[0]), dy)
        return put(ZEROS_LIKE(op.inputs[0]), dy, op.inputs["k"], **attrs(op)), None, None

    @put.gradient
    def put_gradient(op, dy):
        """Off the diagonals dy goes to the matrix, on them to the diagonals."""
        ks = () if version == 1 else (op.inputs["k"],)
        rest = put(dy, ZEROS_LIKE(op.inputs["diagonal"]), *ks, **attrs(op))
        if version == 1:
            return rest, part(dy)
        zero = ZEROS_LIKE(op_scalar(dy))
        return rest, part(dy, op.inputs["k"], zero, **attrs(op)), None

    return diag, part, put


def op_scalar(x: Tensor) -> Tensor:
    """A scalar of the type of x."""
    from refflow.ops.cast import cast

    return cast(np.float32(0), x.dtype)


MATRIX_DIAG, MATRIX_DIAG_PART, MATRIX_SET_DIAG = (
    {version: op for version, op in enumerate(ops, 1)} for ops in zip(*(_family(v) for v in (1, 2, 3)), strict=True)
)

BAND_PART = define_op("MatrixBandPart", "input: T[...S, M, N], num_lower: Tindex[], num_upper: Tindex[] "
                      "-> band: T[...S, M, N]", T=ANY, Tindex=Attr("type", default=int64, allowed=INDICES),
                      source=("W06",))  # fmt: skip


@BAND_PART.kernel
def matrix_band_part_kernel(input, num_lower, num_upper):
    rows, columns = input.shape[-2:]
    low, high = int(num_lower), int(num_upper)
    if low > rows:
        raise ValueError(f"num_lower must be negative or less or equal to number of rows ({rows}) got: {low}")
    if high > columns:
        raise ValueError(f"num_upper must be negative or less or equal to number of columns ({columns}) got: {high}")
    y, x = np.arange(rows)[:, None], np.arange(columns)
    keep = ((low < 0) | (y - x <= low)) & ((high < 0) | (x - y <= high))
    return np.where(keep, input, np.zeros((), input.dtype))


@BAND_PART.shape
def _band_part_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("input")
    for name in ("num_lower", "num_upper"):
        if context.dims(name):
            raise ShapeError(f"{name} must be scalar, got shape {shapes.text(context.dims(name))}")
    if dims is not None and len(dims) < 2:
        raise ShapeError(f"input must be at least 2-dim, received shape: {shapes.text(dims)}")
    return dims


@BAND_PART.gradient
def _band_part_gradient(op, dy):
    """The same band of dy."""
    return BAND_PART(dy, op.inputs[1], op.inputs[2]), None, None


_M = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
MATRIX_DIAG[1].case("W06", "a matrix each", diagonal=[[1, 2]], output=[[[1, 0], [0, 2]]])
MATRIX_DIAG_PART[1].case("W06", "the diagonal", input=_M, diagonal=[1, 5, 9])
MATRIX_SET_DIAG[1].case(
    "W06", "another diagonal", input=_M, diagonal=[0, 0, 1], output=[[0, 2, 3], [4, 0, 6], [7, 8, 1]]
)
for _v in (2, 3):
    MATRIX_DIAG[_v].case("W06", "above the main one", diagonal=[1, 2], k=1, num_rows=-1, num_cols=-1, padding_value=0,
                         output=[[0, 1, 0], [0, 0, 2], [0, 0, 0]])  # fmt: skip
    MATRIX_DIAG_PART[_v].case("W06", "below the main one", input=_M, k=-1, padding_value=0, diagonal=[4, 8])
    MATRIX_SET_DIAG[_v].case("W06", "another diagonal", input=_M, diagonal=[0, 0], k=1,
                             output=[[1, 0, 3], [4, 5, 0], [7, 8, 9]])  # fmt: skip
MATRIX_DIAG_PART[2].case("W06", "a band starts at the left", input=_M, k=[0, 1], padding_value=0,
                         diagonal=[[2, 6, 0], [1, 5, 9]])  # fmt: skip
MATRIX_DIAG_PART[3].case("W06", "a band's upper part stands at the right", input=_M, k=[0, 1], padding_value=0,
                         diagonal=[[0, 2, 6], [1, 5, 9]])  # fmt: skip
BAND_PART.case("W06", "the lower triangle", Tindex="int32", input=_M, num_lower=-1, num_upper=0,
               band=[[1, 0, 0], [4, 5, 0], [7, 8, 9]])  # fmt: skip


# The same under the names they had before later releases.
for _name, _base in (("BatchMatrixDiag", MATRIX_DIAG[1]), ("BatchMatrixDiagPart", MATRIX_DIAG_PART[1]),
                     ("BatchMatrixSetDiag", MATRIX_SET_DIAG[1])):  # fmt: skip
    define_variant(_name, _base)
BATCH_BAND_PART = define_variant(
    "BatchMatrixBandPart", BAND_PART,
    "input: T[...S, M, N], num_lower: int64[], num_upper: int64[] -> band: T[...S, M, N]", Tindex=None,
)  # fmt: skip
BATCH_BAND_PART.case("W06", "the upper triangle", input=_M, num_lower=0, num_upper=-1,
                     band=[[1, 2, 3], [0, 5, 6], [0, 0, 9]])  # fmt: skip
