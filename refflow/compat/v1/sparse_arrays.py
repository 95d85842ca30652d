"""SparseTensors cut, joined, turned and filled: what `tf.sparse` has that moves values and computes none.

A shape that is known beforehand stays known: what keeps the sizes keeps `shape` too.

Next: compat/v1/sparse_math.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import _axis
from refflow.compat.v1.sparse_tensor import SparseTensor, as_sparse, is_sparse
from refflow.core.control import with_dependencies
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, float32, int64, string
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.core.values import as_value
from refflow.ops import sparse_functions as first
from refflow.ops.array import expand_dims, identity, reshape
from refflow.ops.cast import cast
from refflow.ops.constant import ones_like, zeros_like
from refflow.ops.messages import Assert

__all__ = [
    "sparse_concat", "sparse_fill_empty_rows", "sparse_mask", "sparse_merge", "sparse_reorder", "sparse_reset_shape",
    "sparse_reshape", "sparse_retain", "sparse_slice", "sparse_split", "sparse_tensor_to_dense", "sparse_to_dense",
    "sparse_to_indicator", "sparse_transpose",
]  # fmt: skip

sparse_mask = first.sparse_mask


def _three(found: Sequence[Tensor], like: SparseTensor | None = None) -> SparseTensor:
    """The outputs of an op as a SparseTensor; `like`: one whose sizes it has."""
    made = SparseTensor(*found)
    if like is not None:
        made.set_shape(like.shape)
    return made


def _parts(sp: Any) -> tuple[Tensor, Tensor, Tensor]:
    return sp.indices, sp.values, sp.dense_shape


def sparse_reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """The same values in row-major order."""
    sp_input = as_sparse(sp_input)
    return _three(_parts(first.sparse_reorder(sp_input, name)), sp_input)


def sparse_retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """The values for which the bool vector `to_retain` is true."""
    sp_input, to_retain = as_sparse(sp_input), convert_to_tensor(to_retain)
    to_retain.get_shape().merge_with(sp_input.values.get_shape())
    return _three(_parts(first.sparse_retain(sp_input, to_retain)), sp_input)


def sparse_fill_empty_rows(sp_input: Any, default_value: Any, name: str | None = None) -> tuple[SparseTensor, Tensor]:
    """(filled, empty): `default_value` in the first column of each empty row, and which rows those were."""
    sp_input = as_sparse(sp_input)
    with op_scope([sp_input.indices], name, "SparseFillEmptyRows"):
        default = convert_to_tensor(default_value, sp_input.dtype.base_dtype)
        found = op_def("SparseFillEmptyRows")(*_parts(sp_input), default)
    return _three((found[0], found[1], sp_input.dense_shape), sp_input), found.empty_row_indicator


def sparse_concat(
    axis: Any, sp_inputs: Any, name: str | None = None, expand_nonconcat_dim: bool = False, concat_dim: Any = None,
    expand_nonconcat_dims: bool | None = None,
) -> SparseTensor:  # fmt: skip
    """SparseTensors joined along `axis`; with `expand_nonconcat_dim` other sizes may differ.

    Then the largest of them counts. expand_nonconcat_dims: the same by another name.
    """
    axis = _axis(axis, concat_dim)
    widen = expand_nonconcat_dim if expand_nonconcat_dims is None else expand_nonconcat_dims
    if not isinstance(sp_inputs, (list, tuple)):
        raise TypeError(f"sp_inputs must be a list of SparseTensors, got {type(sp_inputs).__name__}")
    parts = [as_sparse(s) for s in sp_inputs]
    if not parts:
        raise ValueError("sparse_concat needs at least one SparseTensor, got an empty list")
    if len(parts) == 1:
        return parts[0]
    sizes = [s.dense_shape for s in parts]
    if widen:
        most = op_def("Max")(op_def("Pack")(sizes), 0)
        at = axis if axis >= 0 else axis + int(parts[0].indices.get_shape()[1])
        here = op_def("Equal")(op_def("Range")(0, op_def("Size")(most), 1), at)
        sizes = [op_def("SelectV2")(here, s, most) for s in sizes]
    found = op_def("SparseConcat")([s.indices for s in parts], [s.values for s in parts], sizes, concat_dim=axis,
                                   name=name)  # fmt: skip
    made = _three(found)
    if not widen and all(s.shape.ndims is not None for s in parts):
        made.set_shape(_joined_shape([s.shape.as_list() for s in parts], axis))
    return made


def _joined_shape(shapes: list[list[int | None]], axis: int) -> list[int | None]:
    whole = [next((size for size in sizes if size is not None), None) for sizes in zip(*shapes, strict=True)]
    sizes = [shape[axis] for shape in shapes]
    whole[axis] = None if None in sizes else sum(sizes)  # type: ignore[arg-type]
    return whole


def sparse_split(
    keyword_required: Any = None, sp_input: Any = None, num_split: int | None = None, axis: Any = None,
    name: str | None = None, split_dim: Any = None,
) -> list[SparseTensor]:  # fmt: skip
    """`num_split` parts along `axis`, as equal as can be; the first are one longer. Arguments go by name."""
    if keyword_required is not None:
        raise ValueError("Keyword arguments are required for this function.")
    for label, given in (("sp_input", sp_input), ("num_split", num_split), ("axis", _axis(axis, split_dim))):
        if given is None:
            raise ValueError(f"{label} is required.")
    found = op_def("SparseSplit")(convert_to_tensor(_axis(axis, split_dim), int64, "split_dim"),
                                  *_parts(as_sparse(sp_input)), num_split=num_split, name=name)  # fmt: skip
    rows = zip(found.output_indices, found.output_values, found.output_shape, strict=True)
    return [_three(row) for row in rows]


def sparse_slice(sp_input: Any, start: Any, size: Any, name: str | None = None) -> SparseTensor:
    """What lies in a block of `size` whose corner is `start`, its places counted from there."""
    with op_scope([], name, "SparseSlice") as scope:
        start, size = convert_to_tensor(start, int64), convert_to_tensor(size, int64)
        return _three(op_def("SparseSlice")(*_parts(as_sparse(sp_input)), start, size, name=scope))


def sparse_reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """The same values in row-major order under other sizes, one of which may be -1."""
    sp_input = as_sparse(sp_input)
    with op_scope([sp_input.indices], name, "SparseReshape") as scope:
        wanted = cast(convert_to_tensor(shape), int64)
        _check_sizes(sp_input, wanted)
        found = op_def("SparseReshape")(sp_input.indices, sp_input.dense_shape, wanted, name=scope)
        return SparseTensor(found.output_indices, identity(sp_input.values), found.output_shape)


def _check_sizes(sp_input: SparseTensor, wanted: Tensor) -> None:
    """A ValueError where it is known beforehand that the sizes cannot be."""
    from refflow.core.constants import constant_value

    sizes = constant_value(wanted)
    if sizes is None:
        return
    if (sizes < 0).sum() > 1:
        raise ValueError(f"At most one dimension can be inferred (-1). Found: {sizes.tolist()}")
    count, product = sp_input.shape.num_elements(), int(np.prod(sizes[sizes >= 0]))
    is_open = bool((sizes < 0).any())
    if count is not None and (bool(product and count % product) if is_open else count != product):
        raise ValueError(
            f"Cannot reshape a tensor with {count} elements to shape {sizes.tolist()} ({product} elements)."
        )


def sparse_transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """The axes in the order that `perm` lists, or backwards."""
    sp_input = as_sparse(sp_input)
    with op_scope([sp_input.indices], name, "SparseTranspose"):
        if perm is None:
            rank = op_def("Size")(sp_input.dense_shape)
            perm = rank - 1 - op_def("Range")(0, rank, 1)
        places = op_def("GatherV2")(sp_input.indices, perm, 1)
        sizes = op_def("GatherV2")(sp_input.dense_shape, perm, 0)
        made = sparse_reorder(SparseTensor(places, sp_input.values, sizes))
        if sp_input.shape.ndims is not None and isinstance(perm, (list, tuple, np.ndarray)):
            made.set_shape([sp_input.shape[int(axis)].value for axis in perm])
        return made


def sparse_expand_dims(sp_input: Any, axis: Any = None, name: str | None = None) -> SparseTensor:
    """A new axis of size 1 at `axis`, by default behind all others."""
    sp_input, axis = as_sparse(sp_input), -1 if axis is None else axis
    rank = sp_input.indices.get_shape()[1].value
    if rank is None:
        raise ValueError("sparse.expand_dims needs the rank of its input: give the SparseTensor a shape")
    if not -1 - rank <= axis <= rank:
        raise ValueError(f"axis {axis} out of range for rank {rank}: it is to be in [{-1 - rank}, {rank}]")
    at = axis if axis >= 0 else axis + rank + 1
    with op_scope([sp_input.indices], name, "expand_dims"):
        indices, sizes = sp_input.indices, sp_input.dense_shape
        zeros = zeros_like(indices[:, :1]) if rank else op_def("Fill")([op_def("Shape")(indices)[0], 1], np.int64(0))
        indices = op_def("ConcatV2")([indices[:, :at], zeros, indices[:, at:]], 1)
        made = SparseTensor(indices, sp_input.values, op_def("ConcatV2")([sizes[:at], np.ones(1, int), sizes[at:]], 0))
        if sp_input.shape.ndims is not None:
            dims = sp_input.shape.as_list()
            made.set_shape([*dims[:at], 1, *dims[at:]])
        return made


def sparse_reset_shape(sp_input: Any, new_shape: Any = None) -> SparseTensor:
    """The same under larger sizes, or under the smallest that hold all values.

    What is known to be too small beforehand is a ValueError, else an InvalidArgumentError.
    """
    sp_input = as_sparse(sp_input)
    indices, values, sizes = (identity(part) for part in _parts(sp_input))
    if new_shape is None:
        tight = op_def("Max")(indices, 0)
        return SparseTensor(indices, values, op_def("Maximum")(tight + ones_like(sizes), zeros_like(sizes)))
    wanted = cast(convert_to_tensor(new_shape), int64)
    wanted.get_shape().with_rank(1)
    wanted.get_shape().merge_with(sizes.get_shape())
    old, new = sp_input.shape, SparseTensor(indices, values, wanted).shape
    if old.is_fully_defined() and new.is_fully_defined():
        if any(a > b for a, b in zip(old.as_list(), new.as_list(), strict=True)):
            raise ValueError(f"Requested new_shape should have dimension sizes >= sp_input.shape.  Found new_shape "
                             f"({new}), sp_input.shape ({old}).")  # fmt: skip
    else:
        same = Assert(op_def("Equal")(op_def("Size")(wanted), op_def("Size")(sizes)), [wanted, sizes])
        wanted = with_dependencies([same], wanted)
        fits = Assert(op_def("All")(op_def("LessEqual")(sizes, wanted), [0]), [sizes, wanted])
        wanted = with_dependencies([fits], wanted)
    return SparseTensor(indices, values, wanted)


# -- to and from dense tensors -----------------------------------------------------------------------------------


def sparse_from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """The elements that are not zero, or not empty."""
    with op_scope([], name, "dense_to_sparse"):
        tensor = convert_to_tensor(tensor)
        places = op_def("Where")(op_def("NotEqual")(tensor, zeros_like(tensor)))
        values = op_def("GatherNd")(tensor, places)
        made = SparseTensor(places, values, op_def("Shape")(tensor, out_type=int64))
        made.set_shape(tensor.get_shape())
        return made


def sparse_eye(num_rows: Any, num_columns: Any = None, dtype: Any = float32, name: str | None = None) -> SparseTensor:
    """Ones on the diagonal of a matrix."""
    with op_scope([], name, "eye"):
        rows = cast(convert_to_tensor(num_rows), int64)
        columns = rows if num_columns is None else cast(convert_to_tensor(num_columns), int64)
        count = op_def("Minimum")(rows, columns)
        on = op_def("Range")(np.int64(0), count, np.int64(1))
        ones = op_def("Fill")(reshape(count, [1]), as_value(1, as_dtype(dtype)))
        return SparseTensor(op_def("Pack")([on, on], axis=1), ones, op_def("Pack")([rows, columns]))


def sparse_to_dense(
    sparse_indices: Any, output_shape: Any, sparse_values: Any, default_value: Any = 0, validate_indices: bool = True,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """A tensor of `output_shape` that holds `sparse_values`, and `default_value` everywhere else."""
    return op_def("SparseToDense")(sparse_indices, output_shape, sparse_values, default_value,
                                   validate_indices=validate_indices, name=name)  # fmt: skip


def sparse_tensor_to_dense(
    sp_input: Any, default_value: Any = None, validate_indices: bool = True, name: str | None = None
) -> Tensor:
    """A dense tensor; where nothing is said, `default_value`, else zero. Indices are in order unless not validated."""
    sp_input = as_sparse(sp_input)
    if default_value is None:
        kind = sp_input.dtype.base_dtype
        default_value = np.array(b"", object) if kind is string else np.zeros((), kind.as_numpy_dtype)
    made = sparse_to_dense(sp_input.indices, sp_input.dense_shape, sp_input.values, default_value, validate_indices,
                           name)  # fmt: skip
    made.set_shape(sp_input.shape)
    return made


def sparse_to_indicator(sp_input: Any, vocab_size: Any, name: str | None = None) -> Tensor:
    """Bools [..., vocab_size]: which ids each row of the int SparseTensor holds."""
    sp_input = as_sparse(sp_input)
    with op_scope([sp_input.indices], name, "SparseToIndicator") as scope:
        true = op_def("Fill")(op_def("Shape")(sp_input.values), True)
        merged = sparse_merge(sp_input, sp_input.with_values(true), vocab_size)
        return sparse_tensor_to_dense(merged, False, False, scope)


def sparse_merge(
    sp_ids: Any, sp_values: Any, vocab_size: Any, name: str | None = None, already_sorted: bool = False
) -> SparseTensor:
    """Ids and values at the same places: each id becomes the last index of its value.

    Of several `sp_ids`, a list, with as many `vocab_size`s, each becomes one index more.
    """
    ids, counts = _ids_and_counts(sp_ids, vocab_size)
    sp_values = as_sparse(sp_values)
    with op_scope([sp_values.indices], name, "SparseMerge"):
        columns = [expand_dims(cast(s.values, int64), 1) for s in ids]
        sizes = [reshape(cast(convert_to_tensor(count), int64), [1]) for count in counts]
        indices = op_def("ConcatV2")([ids[0].indices[:, :-1], *columns], 1)
        made = SparseTensor(indices, sp_values.values, op_def("ConcatV2")([ids[0].dense_shape[:-1], *sizes], 0))
        return made if already_sorted else sparse_reorder(made)


def _ids_and_counts(sp_ids: Any, vocab_size: Any) -> tuple[list[SparseTensor], list[Any]]:
    if is_sparse(sp_ids):
        if not isinstance(vocab_size, (Tensor, Integral)):
            raise TypeError(f"vocab_size has to be a Tensor or Python int. Found {type(vocab_size)}")
        return [as_sparse(sp_ids)], [vocab_size]
    if not isinstance(sp_ids, Iterable):
        raise TypeError(f"sp_ids has to be a SparseTensor or list thereof. Found {type(sp_ids)}")
    bad = vocab_size if not isinstance(vocab_size, Iterable) or isinstance(vocab_size, Tensor) else next(
        (count for count in vocab_size if not isinstance(count, (Tensor, Integral))), None)  # fmt: skip
    if bad is not None:
        raise TypeError(f"vocab_size has to be a list of Tensors or Python ints. Found {type(bad)}")
    ids, counts = [as_sparse(s) for s in sp_ids], list(vocab_size)
    if len(ids) != len(counts):
        raise ValueError("sp_ids and vocab_size have to have equal lengths.")
    return ids, counts
