"""Checkpoints from inside the graph: tensors to files under their names, and back [S56, W44].

    SaveV2     prefix, names, parts ("" is all)  and the tensors       writes TensorFlow's bundle, files/bundle.py
    RestoreV2  prefix, names, parts, and the types that are wanted     reads a bundle, or a file of the first releases
    Save, SaveSlices, Restore, RestoreSlice                            the first release's forms, on the same files

Next: train/saver.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import DType, as_dtype
from refflow.core.errors import InvalidArgumentError, ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.files.bundle import Bundle, Tensor, bundle_exists, merge_bundles, write_bundle
from refflow.files.checkpoint_v1 import TableCheckpoint
from refflow.files.slices import parse_shape_and_slice

TYPES = Attr("list(type)", minimum=1)

SAVE_V2 = define_op(
    "SaveV2", "prefix: string, tensor_names: string, shape_and_slices: string, tensors: dtypes ->", dtypes=TYPES,
    stateful=True, source=("W44",),
)  # fmt: skip
RESTORE_V2 = define_op(
    "RestoreV2", "prefix: string, tensor_names: string, shape_and_slices: string -> tensors: dtypes", dtypes=TYPES,
    stateful=True, source=("W44",),
)  # fmt: skip
MERGE_V2 = define_op(
    "MergeV2Checkpoints", "checkpoint_prefixes: string, destination_prefix: string ->", delete_old_dirs=True,
    allow_missing_files=False, stateful=True, source=("W44",),
)  # fmt: skip
SAVE = define_op("Save", "filename: string, tensor_names: string, data: T ->", T=TYPES, stateful=True,
                 source=("W44",))  # fmt: skip
SAVE_SLICES = define_op("SaveSlices", "filename: string, tensor_names: string, shapes_and_slices: string, data: T ->",
                        T=TYPES, stateful=True, source=("W44",))  # fmt: skip
RESTORE = define_op("Restore", "file_pattern: string, tensor_name: string -> tensor: dt", dt=Attr("type"),
                    preferred_shard=-1, stateful=True, source=("W44",))  # fmt: skip
RESTORE_SLICE = define_op(
    "RestoreSlice", "file_pattern: string, tensor_name: string, shape_and_slice: string -> tensor: dt", dt=Attr("type"),
    preferred_shard=-1, stateful=True, source=("W44",),
)  # fmt: skip
for _op in (SAVE_V2, RESTORE_V2, MERGE_V2, SAVE, SAVE_SLICES, RESTORE, RESTORE_SLICE):
    _op.no_gradient()


def open_checkpoint(prefix: str) -> Any:
    """What is saved under `prefix`, in either format; NotFoundError where nothing is."""
    return Bundle(prefix) if bundle_exists(prefix) else TableCheckpoint(prefix)


def _text(value: Any) -> str:
    return np.asarray(value, object).item().decode()


def _texts(values: Any) -> list[str]:
    return [v.decode() for v in np.asarray(values, object).reshape(-1)]


def _same_number(names: Any, parts: Any, tensors: int) -> None:
    if np.ndim(names) != 1 or np.ndim(parts) != 1 or len(names) != tensors or len(parts) != tensors:
        raise ShapeError(
            f"tensor_names and shape_and_slices must be vectors with one element for each of {tensors} tensors, got "
            f"shapes {shapes.text(np.shape(names))} and {shapes.text(np.shape(parts))}"
        )


def _save(prefix: Any, names: Any, parts: Any, tensors: list[Any]) -> None:
    _same_number(names, parts, len(tensors))
    if np.ndim(prefix):
        raise ShapeError(f"the place to save at must be one string, got shape {shapes.text(np.shape(prefix))}")
    rows = []
    for name, text, array in zip(_texts(names), _texts(parts), tensors, strict=True):
        array = np.asarray(array)
        named = parse_shape_and_slice(text)
        if named is not None and named[1].shape(named[0]) != array.shape:
            raise ShapeError(f"tensor {name!r} has shape {shapes.text(array.shape)}, but {text!r} names another part")
        rows.append(Tensor(name, array, as_dtype(array.dtype), *(named or ())))
    write_bundle(_text(prefix), rows)


@SAVE_V2.kernel
def save_v2_kernel(prefix, tensor_names, shape_and_slices, tensors):
    _save(prefix, tensor_names, shape_and_slices, tensors)


@SAVE.kernel
def save_kernel(filename, tensor_names, data):
    _save(filename, tensor_names, np.full(len(data), b"", object), data)


@SAVE_SLICES.kernel
def save_slices_kernel(filename, tensor_names, shapes_and_slices, data):
    _save(filename, tensor_names, shapes_and_slices, data)


def _restored(checkpoint: Any, name: str, text: str, dtype: DType) -> np.ndarray:
    named = parse_shape_and_slice(text)
    found = checkpoint.tensors().get(name)
    if found is not None and found.dtype is not dtype:
        raise InvalidArgumentError(
            None, None, f"tensor {name!r} is {found.dtype.name} in checkpoint {checkpoint.prefix}, but {dtype.name} is "
            f"asked for (tensor_name = {name}; expected dtype {dtype.name} does not equal original dtype "
            f"{found.dtype.name})",
        )  # fmt: skip
    if found is not None and named is not None and found.shape != named[0]:
        raise InvalidArgumentError(
            None, None, f"tensor {name!r} has shape {list(found.shape)} in checkpoint {checkpoint.prefix}, but "
            f"{text!r} speaks of one of shape {list(named[0])}",
        )  # fmt: skip
    return checkpoint.read(name, None if named is None else named[1])


@RESTORE_V2.kernel
def restore_v2_kernel(prefix, tensor_names, shape_and_slices, dtypes):
    _same_number(tensor_names, shape_and_slices, len(dtypes))
    checkpoint = open_checkpoint(_text(prefix))
    rows = zip(_texts(tensor_names), _texts(shape_and_slices), dtypes, strict=True)
    return [_restored(checkpoint, name, text, dtype) for name, text, dtype in rows]


@RESTORE.kernel
def restore_kernel(file_pattern, tensor_name, dt):
    return _restored(open_checkpoint(_text(file_pattern)), _text(tensor_name), "", dt)


@RESTORE_SLICE.kernel
def restore_slice_kernel(file_pattern, tensor_name, shape_and_slice, dt):
    return _restored(open_checkpoint(_text(file_pattern)), _text(tensor_name), _text(shape_and_slice), dt)


@MERGE_V2.kernel
def merge_v2_kernel(checkpoint_prefixes, destination_prefix, delete_old_dirs=True, allow_missing_files=False):
    """Moves the data files under one prefix; emptied folders of the sources go."""
    import os

    sources = _texts(checkpoint_prefixes)
    merge_bundles(sources, _text(destination_prefix), allow_missing_files)
    if delete_old_dirs:
        target = os.path.dirname(_text(destination_prefix))
        for folder in {os.path.dirname(s) for s in sources} - {target, ""}:
            if os.path.isdir(folder) and not os.listdir(folder):
                os.rmdir(folder)


@RESTORE_SLICE.shape
def _restore_slice_shape(context: ShapeContext) -> shapes.Shape:
    text = context.value("shape_and_slice")
    named = None if text is None else parse_shape_and_slice(_text(text))
    return None if named is None else named[1].shape(named[0])


@RESTORE.shape
def _restore_shape(context: ShapeContext) -> shapes.Shape:
    return None


@RESTORE_V2.shape
def _restore_v2_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [None] * len(context.attrs["dtypes"])
