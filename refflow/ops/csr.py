"""Sparse matrices in compressed rows, each whole one an element of a variant tensor [W06].

    row_ptrs    [rows + 1]     where each row's entries begin and end among
    col_inds    [nnz]          the columns and
    values      [nnz]          the numbers, row after row

A matrix has two axes, or three where the first counts a batch; each matrix of a batch has its own three arrays.

    DenseToCSRSparseMatrix, SparseTensorToCSRSparseMatrix       in
    CSRSparseMatrixToDense, CSRSparseMatrixToSparseTensor       out
    CSRSparseMatrixComponents, SparseMatrixNNZ, SparseMatrixZeros

Next: ops/csr_math.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import DType, as_dtype, complex64, complex128, float32, float64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

NUMBERS = (float32, float64, complex64, complex128)
NUMBER = Attr("type", allowed=NUMBERS)


@dataclass(frozen=True, eq=False)
class Rows:
    """One matrix: three arrays."""

    row_ptrs: np.ndarray
    col_inds: np.ndarray
    values: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """The row of each entry."""
        return np.repeat(np.arange(len(self.row_ptrs) - 1), np.diff(self.row_ptrs))


@dataclass(frozen=True, eq=False)
class CSR:
    """A matrix or a batch of them."""

    dense_shape: tuple[int, ...]
    parts: tuple[Rows, ...]
    dtype: DType

    def conjugate(self) -> CSR:
        """Conj of a variant."""
        return self.with_parts([Rows(part.row_ptrs, part.col_inds, part.values.conj()) for part in self.parts])

    def with_parts(self, parts: Sequence[Rows]) -> CSR:
        return CSR(self.dense_shape, tuple(parts), self.dtype)


def element(csr: CSR) -> np.ndarray:
    """The scalar variant array that holds a matrix."""
    found = np.empty((), object)
    found[()] = csr
    return found


def matrix_of(variant: np.ndarray) -> CSR:
    """The matrix in a scalar variant."""
    found = variant.item() if isinstance(variant, np.ndarray) and variant.ndim == 0 else variant
    if not isinstance(found, CSR):
        raise ValueError(f"Error! Unable to read variant as a CSRSparseMatrix, got {type(found).__name__}")
    return found


def typed(variant: np.ndarray, dtype: DType) -> CSR:
    """The matrix, which is of type `dtype`."""
    found = matrix_of(variant)
    if found.dtype != dtype:
        raise ValueError(f"dtype of input is not equal to 'type': {found.dtype.c_name} vs. {dtype.c_name}")
    return found


def asked(variant: np.ndarray, dtype: DType) -> CSR:
    found = matrix_of(variant)
    if found.dtype != dtype:
        raise ValueError(f"Asked for a CSRSparseMatrix of type {dtype.c_name} but saw dtype: {found.dtype.c_name}")
    return found


def compressed(rows: np.ndarray, cols: np.ndarray, values: np.ndarray, count: int) -> Rows:
    """Three arrays from entries in order of rows: the columns and values as they come."""
    ptrs = np.zeros(count + 1, np.int32)
    np.cumsum(np.bincount(rows, minlength=count), out=ptrs[1:])
    return Rows(ptrs, cols.astype(np.int32), values)


def from_entries(indices: np.ndarray, values: np.ndarray, dims: tuple[int, ...]) -> CSR:
    """A matrix from coordinates, which come row after row, as they are."""
    batch = indices[:, 0] if len(dims) == 3 else np.zeros(len(indices), np.int64)
    count = dims[0] if len(dims) == 3 else 1
    ends = np.cumsum([0, *np.bincount(batch, minlength=count)])
    parts = [
        compressed(indices[a:b, -2], indices[a:b, -1], values[a:b], dims[-2]) for a, b in itertools.pairwise(ends)
    ]
    return CSR(dims, tuple(parts), as_dtype(values.dtype))


def to_dense(csr: CSR) -> np.ndarray:
    """All numbers; of entries at one place the last one stands."""
    found = np.zeros((len(csr.parts), *csr.dense_shape[-2:]), csr.dtype.as_numpy_dtype)
    for whole, part in zip(found, csr.parts, strict=True):
        whole[part.rows, part.col_inds] = part.values
    return found.reshape(csr.dense_shape)


DENSE_TO_CSR = define_op("DenseToCSRSparseMatrix", "dense_input: T, indices: int64 -> sparse_output: variant",
                         T=NUMBERS, source=("W06",))  # fmt: skip
SPARSE_TO_CSR = define_op(
    "SparseTensorToCSRSparseMatrix", "indices: int64, values: T, dense_shape: int64 -> sparse_matrix: variant",
    T=NUMBERS, source=("W06",),
)  # fmt: skip
CSR_TO_DENSE = define_op("CSRSparseMatrixToDense", "sparse_input: variant -> dense_output: type", type=NUMBER,
                         source=("W06",))  # fmt: skip
CSR_TO_SPARSE = define_op(
    "CSRSparseMatrixToSparseTensor", "sparse_matrix: variant -> indices: int64, values: type, dense_shape: int64",
    type=NUMBER, source=("W06",),
)  # fmt: skip
COMPONENTS = define_op(
    "CSRSparseMatrixComponents", "csr_sparse_matrix: variant, index: int32 -> row_ptrs: int32, col_inds: int32, "
    "values: type", type=NUMBER, source=("W06",),
)  # fmt: skip
NNZ = define_op("SparseMatrixNNZ", "sparse_matrix: variant -> nnz: int32", source=("W06",))
ZEROS = define_op("SparseMatrixZeros", "dense_shape: int64 -> sparse_matrix: variant", type=NUMBER, source=("W06",))
for _op in (DENSE_TO_CSR, SPARSE_TO_CSR, CSR_TO_DENSE, CSR_TO_SPARSE, COMPONENTS, NNZ, ZEROS):
    _op.no_gradient_registered()


@DENSE_TO_CSR.kernel
def dense_to_csr_kernel(dense_input, indices):
    inside = ((indices >= 0) & (indices < dense_input.shape)).all(1)
    if not inside.all():
        i = int(inside.argmin())
        raise ValueError(
            f"indices[{i}] = {indices[i].tolist()} does not index into param shape "
            f"{shapes.text(dense_input.shape).replace(' ', '')}"
        )
    return element(from_entries(indices, dense_input[tuple(indices.T)], dense_input.shape))


@DENSE_TO_CSR.shape
def _dense_to_csr_shape(context: ShapeContext) -> shapes.Shape:
    dense, indices = context.dims("dense_input"), context.dims("indices")
    if dense is not None and len(dense) not in (2, 3):
        raise ShapeError(f"Invalid rank of dense: {len(dense)}.  Expected a known rank of either 2 or 3.")
    need_rank(indices, 2, "indices must be a matrix; but its rank is not 2: {1}")
    if dense is not None and indices is not None and indices[1] not in (None, len(dense)):
        raise ShapeError(f"indices.shape[1] must match rank of dense; saw: {indices[1]} vs. {len(dense)}")
    return ()


@SPARSE_TO_CSR.kernel
def sparse_to_csr_kernel(indices, values, dense_shape):
    dims = tuple(int(n) for n in dense_shape)
    inside = ((indices >= 0) & (indices < dense_shape)).all(1)
    if not inside.all():
        i = int(inside.argmin())
        raise ValueError(f"Sparse index tuple indices[{i}, :] = {indices[i].tolist()} is out of bounds")
    return element(from_entries(indices, values, dims))


@SPARSE_TO_CSR.shape
def _sparse_to_csr_shape(context: ShapeContext) -> shapes.Shape:
    context.match("indices", "N", "R")
    context.match("values", "N")
    context.match("dense_shape", "R")
    rank = context.shape("R")
    known = None if rank is None else rank[0]
    if known is not None:
        _matrix_rank(known)
    return ()


def _matrix_rank(rank: int) -> None:
    if rank not in (2, 3):
        raise ShapeError(f"Invalid rank: {rank}.  Expected a known rank of either 2 or 3.")


@CSR_TO_DENSE.kernel
def csr_to_dense_kernel(sparse_input, type):
    return to_dense(asked(sparse_input, type))


@CSR_TO_SPARSE.kernel
def csr_to_sparse_kernel(sparse_matrix, type):
    csr = asked(sparse_matrix, type)
    batched = len(csr.dense_shape) == 3
    places = []
    for i, part in enumerate(csr.parts):
        columns = [np.full(len(part.values), i)] if batched else []
        places.append(np.stack([*columns, part.rows, part.col_inds], 1).astype(np.int64))
    blank = np.zeros((0, len(csr.dense_shape)), np.int64), np.zeros(0, type.as_numpy_dtype)
    indices = np.concatenate([blank[0], *places])
    values = np.concatenate([blank[1], *(part.values for part in csr.parts)])
    return indices, values, np.array(csr.dense_shape, np.int64)


@CSR_TO_SPARSE.shape
def _csr_to_sparse_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [(None, None), (None,), (None,)]


@COMPONENTS.kernel
def components_kernel(csr_sparse_matrix, index, type):
    csr, i = typed(csr_sparse_matrix, type), int(index)
    if not 0 <= i < len(csr.parts):
        raise ValueError(f"index ({i}) not in [0, {len(csr.parts)})")
    part = csr.parts[i]
    return part.row_ptrs, part.col_inds, part.values


@COMPONENTS.shape
def _components_shape(context: ShapeContext) -> list[shapes.Shape]:
    index = context.dims("index")
    if index is not None and index != ():
        raise ShapeError("index must be a scalar.")
    return [(None,), (None,), (None,)]


@NNZ.kernel
def nnz_kernel(sparse_matrix):
    csr = matrix_of(sparse_matrix)
    counts = np.array([len(part.values) for part in csr.parts], np.int32)
    return counts if len(csr.dense_shape) == 3 else counts[0]


@ZEROS.kernel
def zeros_kernel(dense_shape, type):
    dims = tuple(int(n) for n in dense_shape)
    return element(from_entries(np.zeros((0, len(dims)), np.int64), np.zeros(0, type.as_numpy_dtype), dims))


@ZEROS.shape
def _zeros_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("dense_shape")
    if dims is not None and len(dims) == 1 and dims[0] is not None:
        _matrix_rank(dims[0])
    return ()


def scalar_variant(name: str) -> Callable[[ShapeContext], shapes.Shape]:
    """A rule for an op that gives one matrix for the one called `name`."""

    def rule(context: ShapeContext) -> Any:
        if context.dims(name) not in (None, ()):
            raise ShapeError(f"{name} must be a scalar variant, got shape {shapes.text(context.dims(name))}")
        return ()

    return rule
