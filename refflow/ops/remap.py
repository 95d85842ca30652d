"""Old rows for new vocabularies: warm starts of tables whose words have changed places.

    GenerateVocabRemapping    remapping[i] = the line of the old file that holds the new file's word offset + i, or -1
    LoadAndRemapMatrix        out[i, j] = saved[row_remapping[i], col_remapping[j]], where neither is -1, and the next
                              of `initializing_values`, row after row, where one is; no columns given: as they were

Next: ops/save_restore.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import errors, shapes
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.files.bundle import Bundle, bundle_exists

VOCAB_REMAPPING = define_op(
    "GenerateVocabRemapping", "new_vocab_file: string, old_vocab_file: string -> remapping: int64, num_present: int32",
    new_vocab_offset=Attr("int", minimum=0), num_new_vocab=Attr("int", minimum=0),
    old_vocab_size=Attr("int", default=-1, minimum=-1), source=("O05",),
)  # fmt: skip
LOAD_AND_REMAP = define_op(
    "LoadAndRemapMatrix",
    "ckpt_path: string, old_tensor_name: string, row_remapping: int64, col_remapping: int64, "
    "initializing_values: float32 -> output_matrix: float32",
    num_rows=Attr("int", minimum=0), num_cols=Attr("int", minimum=1), max_rows_in_memory=-1, stateful=True,
    source=("O05",),
)  # fmt: skip
VOCAB_REMAPPING.no_gradient_registered()
LOAD_AND_REMAP.no_gradient_registered()


def _text(value: np.ndarray) -> str:
    return np.asarray(value, object).item().decode()


def _words(path: str, limit: int = -1) -> list[bytes]:
    """The lines of a file, the first `limit` of them where it is not -1."""
    try:
        with open(path, "rb") as file:
            lines = [line.rstrip(b"\n") for line in file]
    except FileNotFoundError:
        raise errors.NotFoundError(None, None, f"{path}; No such file or directory") from None
    if not lines:
        raise errors.OutOfRangeError(None, None, "Read less bytes than requested")
    if limit == 0:
        raise errors.OutOfRangeError(None, None, f"Finished reading 0 of lines from {path}")
    if limit > len(lines):
        raise ValueError(f"Invalid vocab_size in {path}: expected {limit} but got {len(lines)}")
    return lines if limit < 0 else lines[:limit]


@VOCAB_REMAPPING.kernel
def vocab_remapping_kernel(new_vocab_file, old_vocab_file, new_vocab_offset, num_new_vocab, old_vocab_size=-1):
    new, old_path = _words(_text(new_vocab_file)), _text(old_vocab_file)
    places: dict[bytes, int] = {}
    for i, word in enumerate(_words(old_path, old_vocab_size)):
        if places.setdefault(word, i) != i:
            raise errors.FailedPreconditionError(
                None, None, f"HashTable has different value for same key. Key {word.decode('utf-8', 'replace')} has "
                f"{places[word]} and trying to add value {i}",
            )  # fmt: skip
    stop = new_vocab_offset + num_new_vocab
    if stop > len(new):
        raise ValueError(
            f"lookup table size must be larger than last new vocab entry's line: {stop} of {len(new)} words"
        )
    remapping = np.array([places.get(word, -1) for word in new[new_vocab_offset:stop]], np.int64)
    return remapping, np.int32((remapping >= 0).sum())


@VOCAB_REMAPPING.shape
def _vocab_remapping_shape(context: ShapeContext) -> list[shapes.Shape]:
    for name in ("new_vocab_file", "old_vocab_file"):
        if context.dims(name) not in (None, ()):
            raise ShapeError(f"{name} must be one name, but has shape {shapes.text(context.dims(name))}")
    return [(context.attrs["num_new_vocab"],), ()]


def _new_places(remapping: np.ndarray) -> None:
    """Each old place is asked for once."""
    asked: dict[int, int] = {}
    for new, old in enumerate(remapping.tolist()):
        if old >= 0 and asked.setdefault(old, new) != new:
            raise errors.UnimplementedError(
                None, None, f"Old ID {old} is mapped to both new ID {asked[old]} and {new}, which is not supported."
            )


def _saved_matrix(path: str, name: str) -> np.ndarray:
    if not bundle_exists(path):
        raise errors.NotFoundError(None, None, f"{path}.index; No such file or directory")
    checkpoint = Bundle(path)
    if name not in checkpoint.tensors():
        raise errors.NotFoundError(None, None, f"Key {name} not found in checkpoint {path}")
    found = checkpoint.read(name)
    if found.dtype != np.float32:
        raise ValueError(f"Tensor {name} has invalid type {found.dtype.name} instead of expected type float")
    if found.ndim != 2:
        raise ValueError(
            f"Tensor {name} has shape {shapes.text(found.shape)} of invalid rank {found.ndim} instead of expected "
            "shape of rank 2."
        )
    return found


def _outside(axis: int, saved: np.ndarray, part: str) -> Exception:
    text = f"Extent in dimension {axis} out of bounds: shape = {shapes.text(saved.shape)}, slice = {part}"
    return errors.InternalError(None, None, text)


@LOAD_AND_REMAP.kernel
def load_and_remap_kernel(
    ckpt_path, old_tensor_name, row_remapping, col_remapping, initializing_values, num_rows, num_cols,
):  # fmt: skip
    if len(row_remapping) != num_rows:
        raise ValueError(f"Size of row_remapping is {len(row_remapping)} instead of being equal to num_rows={num_rows}")
    if len(col_remapping) not in (0, num_cols):
        raise ValueError(
            f"Provided col_remapping, but its size is {len(col_remapping)} instead of being equal to "
            f"num_cols={num_cols}"
        )
    for remapping in (row_remapping, col_remapping):
        _new_places(remapping)
    name = _text(old_tensor_name)
    saved = _saved_matrix(_text(ckpt_path), name)
    if not len(col_remapping) and saved.shape[1] != num_cols:
        raise ValueError(
            f"Tensor {name} has shape {shapes.text(saved.shape)}, where the size of its 2nd dimension is "
            f"{saved.shape[1]} instead of being equal to num_cols={num_cols}"
        )
    columns = col_remapping if len(col_remapping) else np.arange(num_cols)
    if (row_remapping >= saved.shape[0]).any():
        raise _outside(0, saved, f"{int(row_remapping[row_remapping >= saved.shape[0]][0])},1:-")
    if (columns >= saved.shape[1]).any():
        raise _outside(1, saved, f"-:{int(columns[columns >= saved.shape[1]][0])},1")
    known = (row_remapping >= 0)[:, None] & (columns >= 0)
    found = np.zeros((num_rows, num_cols), np.float32)
    found[known] = saved[np.where(row_remapping < 0, 0, row_remapping)][:, np.where(columns < 0, 0, columns)][known]
    values, missing = initializing_values.reshape(-1), int((~known).sum())
    if len(values) < missing:
        raise ValueError(f"initializing_values contained {len(values)} elements, but more missing values remain.")
    if len(values) > missing:
        raise ValueError(
            f"initializing_values contained {len(values)} elements, but only {missing} elements were used to fill in "
            "missing values."
        )
    found[~known] = values
    return found


@LOAD_AND_REMAP.shape
def _load_and_remap_shape(context: ShapeContext) -> shapes.Shape:
    for name in ("row_remapping", "col_remapping"):
        dims = context.dims(name)
        if dims is not None and len(dims) != 1:
            raise ShapeError(f"{name} must be a vector, but has shape {shapes.text(dims)}")
    return (context.attrs["num_rows"], context.attrs["num_cols"])
