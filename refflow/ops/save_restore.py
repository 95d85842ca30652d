"""Checkpoints from inside the graph: tensors to files under their names, and back [O05].

    SaveV2     prefix, names, parts ("" is all)  and the tensors       writes TensorFlow's bundle, files/bundle.py
    RestoreV2  prefix, names, parts, and the types that are wanted     reads a bundle, or a file of the first releases
    Save, SaveSlices                                                   the first release's forms, and its files
    Restore, RestoreSlice                                              read both

Next: train/saver.py.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import DType, bfloat16
from refflow.core.errors import InvalidArgumentError, ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import as_bfloat16
from refflow.files.bundle import Bundle, Tensor, bundle_exists, merge_bundles, write_bundle
from refflow.files.checkpoint_v1 import TableCheckpoint, write_table_checkpoint
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
    """What is saved under `prefix`, in either format; NotFoundError where nothing is.

    An index that has been read and has not changed since is not read again, for one RestoreV2 after the other.
    """
    if not bundle_exists(prefix):
        return TableCheckpoint(prefix)
    found = os.stat(f"{prefix}.index")
    return _opened(prefix, (found.st_ino, found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=4)
def _opened(prefix: str, index: tuple[int, int, int]) -> Bundle:
    return Bundle(prefix)


def _text(value: Any) -> str:
    return np.asarray(value, object).item().decode()


def _texts(values: Any) -> list[str]:
    return [v.decode() for v in np.asarray(values, object).reshape(-1)]


def _same_number(names: Any, parts: Any, tensors: int) -> None:
    """A name and a part for each tensor."""
    if np.ndim(names) != 1 or np.ndim(parts) != 1:
        raise ShapeError(
            "Input tensor_names and shape_and_slices should be an 1-D tensors, got "
            f"{shapes.text(np.shape(names))} and {shapes.text(np.shape(parts))} instead."
        )
    if len(names) != len(parts):
        raise ShapeError(
            f"tensor_names and shape_and_slices have different number of elements: {len(names)} vs. {len(parts)}"
        )
    if len(names) != tensors:
        raise ShapeError(f"Got {len(names)} tensor names, but {tensors} expected dtypes. Each tensor has a name")


def _prefix(value: Any) -> str:
    if np.size(value) != 1:
        raise ShapeError(f"Input prefix should have a single element, got {np.size(value)} instead.")
    return _text(value)


def _save(write: Any, prefix: Any, names: Any, parts: Any, tensors: list[Any], types: list[DType]) -> None:
    _same_number(names, parts, len(tensors))
    place = _prefix(prefix)
    rows = []
    for name, text, value, dtype in zip(_texts(names), _texts(parts), tensors, types, strict=True):
        array = as_bfloat16(value) if dtype is bfloat16 else np.asarray(value)
        named = parse_shape_and_slice(text)
        if named is not None and named[1].shape(named[0]) != array.shape:
            raise ShapeError(
                f"Slice in shape_and_slice specification does not match the shape of the tensor to  save: {text}, "
                f"tensor: {shapes.text(array.shape)}"
            )
        rows.append(Tensor(name, array, dtype, *(named or ())))
    write(place, rows)


@SAVE_V2.kernel
def save_v2_kernel(prefix, tensor_names, shape_and_slices, tensors, dtypes):
    _save(write_bundle, prefix, tensor_names, shape_and_slices, tensors, dtypes)


@SAVE.kernel
def save_kernel(filename, tensor_names, data, T):
    if len(tensor_names) != len(data):
        raise ShapeError(
            f"Expected totally {2 + len(tensor_names)} inputs as input #1 (which is a string tensor of saved names) "
            f"contains {len(tensor_names)} names, but received {2 + len(data)} inputs"
        )
    _save(write_table_checkpoint, filename, tensor_names, np.full(len(data), b"", object), data, T)


@SAVE_SLICES.kernel
def save_slices_kernel(filename, tensor_names, shapes_and_slices, data, T):
    _save(write_table_checkpoint, filename, tensor_names, shapes_and_slices, data, T)


def _restored(checkpoint: Any, name: str, text: str, dtype: DType) -> np.ndarray:
    named, found = parse_shape_and_slice(text), checkpoint.find(name)
    if found is not None and found.dtype is not dtype:
        raise InvalidArgumentError(
            None, None, f"tensor {name!r} is {found.dtype.name} in checkpoint {checkpoint.prefix}, but {dtype.name} is "
            f"asked for (tensor_name = {name}; expected dtype {dtype.c_name} does not equal original dtype "
            f"{found.dtype.c_name})",
        )  # fmt: skip
    if found is not None and named is not None and found.shape != named[0]:
        raise InvalidArgumentError(
            None, None, f"tensor_name = {name}; shape in shape_and_slice spec {shapes.text(named[0])} does not match "
            f"the shape stored in checkpoint: {shapes.text(found.shape)}, in {checkpoint.prefix}",
        )  # fmt: skip
    return checkpoint.read(name, None if named is None else named[1])


@RESTORE_V2.kernel
def restore_v2_kernel(prefix, tensor_names, shape_and_slices, dtypes):
    place = _prefix(prefix)
    _same_number(tensor_names, shape_and_slices, len(dtypes))
    checkpoint = open_checkpoint(place)
    rows = zip(_texts(tensor_names), _texts(shape_and_slices), dtypes, strict=True)
    return [_restored(checkpoint, name, text, dtype) for name, text, dtype in rows]


def _restored_alone(pattern: Any, name: Any, text: str, dtype: DType) -> np.ndarray:
    checkpoint = open_checkpoint(_text(pattern))
    found = checkpoint.find(_text(name))
    if found is not None and found.dtype is not dtype:
        raise InvalidArgumentError(
            None, None, f"Expected to restore a tensor of type {dtype.c_name}, got a tensor of type "
            f"{found.dtype.c_name} instead: tensor_name = {_text(name)}",
        )  # fmt: skip
    return _restored(checkpoint, _text(name), text, dtype)


@RESTORE.kernel
def restore_kernel(file_pattern, tensor_name, dt):
    return _restored_alone(file_pattern, tensor_name, "", dt)


@RESTORE_SLICE.kernel
def restore_slice_kernel(file_pattern, tensor_name, shape_and_slice, dt):
    return _restored_alone(file_pattern, tensor_name, _text(shape_and_slice), dt)


@MERGE_V2.kernel
def merge_v2_kernel(checkpoint_prefixes, destination_prefix, delete_old_dirs=True, allow_missing_files=False):
    """Moves the data files under one prefix; emptied folders of the sources go."""
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
