"""A matrix out of a checkpoint for other vocabularies: rows and columns move to where their words are now.

    GenerateVocabRemapping    for each word of the new list its line in the old one, or -1
    LoadAndRemapMatrix        new[i, j] = old[rows[i], columns[j]]; what has no old place takes the next initial value

Next: ops/save_restore.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import errors, shapes
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.files.records import read_file
from refflow.ops.save_restore import open_checkpoint

VOCABULARY = define_op(
    "GenerateVocabRemapping", "new_vocab_file: string, old_vocab_file: string -> remapping: int64, num_present: int32",
    new_vocab_offset=Attr("int", minimum=0), num_new_vocab=Attr("int", minimum=0),
    old_vocab_size=Attr("int", default=-1, minimum=-1), stateful=False, source=("W44",),
)  # fmt: skip
MATRIX = define_op(
    "LoadAndRemapMatrix",
    "ckpt_path: string, old_tensor_name: string, row_remapping: int64, col_remapping: int64, "
    "initializing_values: float32 -> output_matrix: float32",
    num_rows=Attr("int", minimum=0), num_cols=Attr("int", minimum=1), max_rows_in_memory=-1, stateful=True,
    source=("W44",),
)  # fmt: skip
VOCABULARY.no_gradient_registered()
MATRIX.no_gradient_registered()


def _lines(path: np.ndarray) -> list[bytes]:
    lines = read_file(path.item().decode()).split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


@VOCABULARY.kernel
def vocabulary_kernel(new_vocab_file, old_vocab_file, new_vocab_offset, num_new_vocab, old_vocab_size):
    old = _lines(old_vocab_file)
    known = {word: line for line, word in enumerate(old if old_vocab_size == -1 else old[:old_vocab_size])}
    words = _lines(new_vocab_file)
    if new_vocab_offset + num_new_vocab > len(words):
        raise ValueError("lookup table size must be larger than last new vocab entry's line")
    found = [known.get(word, -1) for word in words[new_vocab_offset : new_vocab_offset + num_new_vocab]]
    return np.array(found, np.int64), np.int32(sum(place >= 0 for place in found))


@VOCABULARY.shape
def _vocabulary_shape(context: ShapeContext) -> list[shapes.Shape]:
    for name in ("new_vocab_file", "old_vocab_file"):
        dims = context.dims(name)
        if dims and dims != (1,):
            raise ShapeError(f"{name} should be a single string, but got {shapes.text(dims)}")
    return [(context.attrs["num_new_vocab"],), ()]


@MATRIX.kernel
def matrix_kernel(
    ckpt_path, old_tensor_name, row_remapping, col_remapping, initializing_values, num_rows, num_cols
):  # fmt: skip
    rows = row_remapping
    columns = col_remapping if col_remapping.size else np.arange(num_cols)
    for mapped in (rows, columns):
        _need_single_use(mapped)
    old = open_checkpoint(ckpt_path.item().decode()).read(old_tensor_name.item().decode())
    if old.ndim != 2:
        raise ValueError(f"Old tensor must be 2-D, but got shape {shapes.text(old.shape)}")
    if not col_remapping.size and old.shape[1] != num_cols:
        raise ValueError(
            f"Tensor {old_tensor_name.item().decode()} has shape {shapes.text(old.shape)}, where the size of its 2nd "
            f"dimension is {old.shape[1]} instead of being equal to num_cols={num_cols}"
        )
    if rows.size and rows.max() >= old.shape[0]:
        raise errors.InternalError(
            None, None, f"Extent in dimension 0 out of bounds: shape = {shapes.text(old.shape)}, row {rows.max()}"
        )
    known = (rows >= 0)[:, None] & (columns >= 0)
    held = known & (columns < old.shape[1])
    found = np.zeros((num_rows, num_cols), np.float32)
    found[held] = old[np.maximum(rows, 0)[:, None], np.clip(columns, 0, old.shape[1] - 1)][held]
    missing, given = int((~known).sum()), initializing_values.size
    if given < missing:
        raise ValueError(f"initializing_values contained {given} elements, but more missing values remain.")
    if given > missing:
        raise ValueError(
            f"initializing_values contained {given} elements, but only {missing} elements were used to fill in missing "
            "values."
        )
    found[~known] = initializing_values
    return found


def _need_single_use(mapped: np.ndarray) -> None:
    """An old place may go to one new place only."""
    seen: dict[int, int] = {}
    for new, old in enumerate(mapped.tolist()):
        if old in seen:
            raise errors.UnimplementedError(
                None, None, f"Old ID {old} is mapped to both new ID {seen[old]} and {new}, which is not supported."
            )
        if old >= 0:
            seen[old] = new


@MATRIX.shape
def _matrix_shape(context: ShapeContext) -> shapes.Shape:
    rows, columns = context.attrs["num_rows"], context.attrs["num_cols"]
    for name, wanted, least in (("row_remapping", rows, None), ("col_remapping", columns, 0)):
        dims = context.dims(name)
        if dims is None:
            continue
        if len(dims) != 1:
            raise ShapeError(f"The `{name}` tensor must be 1-D, got a tensor of shape {shapes.text(dims)}")
        if dims[0] not in (None, wanted, least):
            provided = "Provided col_remapping, but its size" if least == 0 else "Size of row_remapping"
            count = "num_cols" if least == 0 else "num_rows"
            raise ShapeError(f"{provided} is {dims[0]} instead of being equal to {count}={wanted}")
    return (rows, columns)
