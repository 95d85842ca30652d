"""Checkpoints of 1.x read without a graph, or into one under other names; and those of a folder as they come.

    for name, shape in tf.train.list_variables(folder): ...
    tf.train.load_variable(folder, "layer/weights")
    tf.train.init_from_checkpoint(folder, {"old/": "new/"})       variables begin with what the checkpoint has
    for path in tf.train.checkpoints_iterator(folder, timeout=60): ...

A folder stands for its newest checkpoint.

Next: files/bundle.py.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from refflow.compat.v1.variables import global_variables
from refflow.core.dtypes import DType, int32, int64
from refflow.core.errors import NotFoundError
from refflow.core.graph import get_default_graph
from refflow.core.registry import op_def
from refflow.files.bundle import remove_bundle
from refflow.ops.save_restore import open_checkpoint
from refflow.ops.variable import assign
from refflow.train.saver import CheckpointState, latest_checkpoint

__all__ = [
    "NewCheckpointReader", "VocabInfo", "assert_global_step", "checkpoints_iterator",
    "generate_checkpoint_state_proto", "get_checkpoint_mtimes", "init_from_checkpoint", "list_variables",
    "load_checkpoint", "load_variable", "remove_checkpoint", "warm_start",
]  # fmt: skip

# -- reading -----------------------------------------------------------------------------------------------------


class NewCheckpointReader:
    """A checkpoint, open for reading: names, shapes, types and values of what was saved."""

    def __init__(self, filepattern: str):
        self._path = os.fspath(filepattern)
        self._file = open_checkpoint(self._path)
        self._entries = self._file.tensors()

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        return {name: list(entry.shape) for name, entry in self._entries.items()}

    def get_variable_to_dtype_map(self) -> dict[str, DType]:
        return {name: entry.dtype for name, entry in self._entries.items()}

    def has_tensor(self, tensor_str: str) -> bool:
        return tensor_str in self._entries

    def get_tensor(self, tensor_str: str) -> Any:
        """The value that was saved under a name; NotFoundError where there is none."""
        if tensor_str not in self._entries:
            raise NotFoundError(None, None, f"Key {tensor_str} not found in checkpoint")
        value = self._file.read(tensor_str)
        return value.item() if value.dtype == object and value.shape == () else value

    def debug_string(self) -> bytes:
        """A line for each tensor: its name, type and shape."""
        rows = sorted(self._entries.items())
        return "".join(f"{n} ({e.dtype.enum_name}) [{','.join(map(str, e.shape))}]\n" for n, e in rows).encode()


def _path_of(place: Any) -> str:
    """The path of a checkpoint: itself, or the newest in a folder."""
    place = os.fspath(place)
    if not os.path.isdir(place):
        return place
    found = latest_checkpoint(place)
    if found is None:
        raise ValueError(f"Couldn't find 'checkpoint' file or checkpoints in given directory {place}")
    return found


def load_checkpoint(ckpt_dir_or_file: Any) -> NewCheckpointReader:
    """A reader of a checkpoint, or of the newest in a folder."""
    return NewCheckpointReader(_path_of(ckpt_dir_or_file))


def load_variable(ckpt_dir_or_file: Any, name: str) -> Any:
    """The value that was saved under a name, as of a tensor or of its only output."""
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


def list_variables(ckpt_dir_or_file: Any) -> list[tuple[str, list[int]]]:
    """(name, shape) of all that was saved, by name."""
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())


# -- beginning with what was saved -------------------------------------------------------------------------------


def init_from_checkpoint(ckpt_dir_or_file: Any, assignment_map: Any) -> None:
    """Variables begin with values of a checkpoint: make initializers after this, not before.

    assignment_map, a dictionary or pairs: from a name there to a variable, its name, or the list of its parts; or from
    a scope there, ending in /, to a scope here.
    """
    reader = load_checkpoint(ckpt_dir_or_file)
    path, here = _path_of(ckpt_dir_or_file), {v.op.name: v for v in global_variables()}
    pairs = assignment_map.items() if isinstance(assignment_map, Mapping) else assignment_map
    for there, target in pairs:
        for name, parts in _matched(there, target, reader, here, path):
            for variable in parts:
                _begin_with(variable, name, reader, path)


def _matched(
    there: str | None, target: Any, reader: NewCheckpointReader, here: Mapping[str, Any], path: str
) -> Iterator[tuple[str, list[Any]]]:
    """A name in the checkpoint, and the variable or the parts of one that begin with it."""
    if not isinstance(target, str):
        parts = list(target) if isinstance(target, (list, tuple)) or hasattr(target, "_get_partitions") else [target]
        yield there if there is not None else parts[0].op.name, parts
        return
    if target in here:
        yield there or target, [here[target]]
        return
    name = there or ""
    if ("/" in name and not name.endswith("/")) or (target and not target.endswith("/")):
        if not target.endswith("/"):
            parts = [v for n, v in here.items() if re.fullmatch(rf"{re.escape(target)}/part_\d+", n)]
            if parts:
                yield name, parts
                return
            raise ValueError(f"Assignment map with scope only name {target} or variable {target} does not exist here.")
        raise ValueError(
            f"Assignment map with scope only name {target} should map to scope only {name}. Should be 'scope/': "
            "'other_scope/'."
        )
    found: dict[str, list[Any]] = {}
    for mine, variable in here.items():
        if mine.startswith(target):
            whole = re.sub(r"/part_\d+$", "", mine)
            found.setdefault(name + whole.removeprefix(target), []).append(variable)
    lacking = [full for full in found if not reader.has_tensor(full)]
    if lacking:
        raise ValueError(f"Tensor {lacking[0]} ({lacking[0]} in {target}) is not found in {path} checkpoint")
    yield from found.items()


def _begin_with(variable: Any, name: str, reader: NewCheckpointReader, path: str) -> None:
    """Puts a RestoreV2 in the place of a variable's initial value."""
    shapes = reader.get_variable_to_shape_map()
    if name not in shapes:
        raise ValueError(f"Tensor {name} is not found in {path} checkpoint {shapes}")
    part = getattr(variable, "_save_slice_info", None)
    whole = list(part.full_shape) if part is not None else variable.get_shape().as_list()
    if whole != shapes[name]:
        raise ValueError(
            f"Shape of variable {variable.name} ({variable.get_shape()}) doesn't match with shape of tensor {name} "
            f"({shapes[name]}) from checkpoint reader."
        )
    with variable.graph.as_default(), get_default_graph().outside(), variable.graph.device(variable.device):
        kind = variable.dtype.base_dtype
        (value,) = op_def("RestoreV2")(path, [name], ["" if part is None else part.spec], dtypes=[kind],
                                       name="checkpoint_initializer")  # fmt: skip
        value.set_shape(variable.get_shape())
        changed: Any = variable.assign(value) if hasattr(variable, "handle") else assign(variable.ref(), value)
        variable._initial_value, variable._initializer = value, getattr(changed, "op", changed)


class VocabInfo(NamedTuple):
    """Where the rows of an embedding are in an old vocabulary, for `warm_start`."""

    new_vocab: str
    new_vocab_size: int
    num_oov_buckets: int
    old_vocab: str
    old_vocab_size: int = -1
    backup_initializer: Any = None
    axis: int = 0


def warm_start(
    ckpt_to_initialize_from: Any, vars_to_warm_start: Any = ".*", var_name_to_vocab_info: Any = None,
    var_name_to_prev_var_name: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Variables begin with values of a checkpoint: those whose names fit a pattern, or are listed."""
    if var_name_to_vocab_info:
        raise ValueError("warm_start with vocabularies is not there: map the rows with generate_vocab_remapping")
    if vars_to_warm_start is None:
        return
    chosen = _chosen(vars_to_warm_start)
    before = var_name_to_prev_var_name or {}
    pairs: dict[str, Any] = {}
    for variable in chosen:
        whole = re.sub(r"/part_\d+$", "", variable.op.name)
        pairs.setdefault(before.get(whole, whole), []).append(variable)
    init_from_checkpoint(ckpt_to_initialize_from, pairs)


def _chosen(which: Any) -> list[Any]:
    """Trainable variables that fit a pattern, or any that fit one of several; or the variables listed."""
    graph = get_default_graph()
    if isinstance(which, str):
        return [v for v in graph.get_collection("trainable_variables") if re.match(which, v.op.name)]
    if all(isinstance(each, str) for each in which):
        return [v for v in global_variables() if any(re.match(each, v.op.name) for each in which)]
    return list(which)


# -- files -------------------------------------------------------------------------------------------------------


def checkpoints_iterator(
    checkpoint_dir: str, min_interval_secs: float = 0, timeout: float | None = None,
    timeout_fn: Callable[[], Any] | None = None,
) -> Iterator[str]:  # fmt: skip
    """The newest checkpoint of a folder, again and again as there are new ones.

    timeout: the seconds after which a wait for a new one ends the iteration, or asks timeout_fn, which may end it.
    """
    last = None
    while True:
        found = _wait_for_another(checkpoint_dir, last, timeout)
        if found is None:
            if timeout_fn is None or timeout_fn():
                return
            continue
        begun, last = time.monotonic(), found
        yield found
        time.sleep(max(0.0, min_interval_secs - (time.monotonic() - begun)))


def _wait_for_another(folder: str, last: str | None, timeout: float | None) -> str | None:
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        found = latest_checkpoint(folder)
        if found is not None and found != last:
            return found
        if end is not None and time.monotonic() >= end:
            return None
        time.sleep(0.05 if end is None else max(0.0, min(0.05, end - time.monotonic())))


def get_checkpoint_mtimes(checkpoint_prefixes: Iterable[str]) -> list[float]:
    """When each checkpoint was written, in seconds; those that are not there are left out."""
    found = []
    for prefix in checkpoint_prefixes:
        paths = [p for p in (f"{prefix}.index", prefix) if os.path.exists(p)]
        if paths:
            found.append(float(os.path.getmtime(paths[0])))
    return found


def remove_checkpoint(
    checkpoint_prefix: str, checkpoint_format_version: int = 2, meta_graph_suffix: str = "meta"
) -> None:
    """Deletes a checkpoint and the graph beside it."""
    remove_bundle(checkpoint_prefix)
    for path in (checkpoint_prefix, f"{checkpoint_prefix}.{meta_graph_suffix}"):
        if os.path.isfile(path):
            os.remove(path)


def generate_checkpoint_state_proto(
    save_dir: str, model_checkpoint_path: str, all_model_checkpoint_paths: Sequence[str] | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None, last_preserved_timestamp: float | None = None,
) -> CheckpointState:  # fmt: skip
    """What the list of a folder's checkpoints says, with paths relative to it where it is relative itself."""
    every = list(all_model_checkpoint_paths or [])
    if model_checkpoint_path not in every:
        every.append(model_checkpoint_path)
    times = all_model_checkpoint_timestamps
    if times and len(times) != len(every):
        raise ValueError(
            "Checkpoint timestamps, if provided, must match the number of checkpoint paths, got "
            f"{len(every)} paths and {len(times)} timestamps."
        )

    def told(path: str) -> str:
        return path if os.path.isabs(save_dir) or os.path.isabs(path) else os.path.relpath(path, save_dir)

    return CheckpointState(told(model_checkpoint_path), [told(path) for path in every])


def assert_global_step(global_step_tensor: Any) -> None:
    """TypeError where this cannot count steps: it is a scalar of int32 or int64."""
    if not hasattr(global_step_tensor, "dtype"):
        raise TypeError(f'Existing "global_step" must be a Variable or Tensor: {global_step_tensor}.')
    kind, shape = global_step_tensor.dtype.base_dtype, global_step_tensor.get_shape()
    if kind not in (int32, int64):
        raise TypeError(f'Existing "global_step" does not have integer type: {kind}')
    if shape.ndims != 0 and shape.is_fully_defined():
        raise TypeError(f'Existing "global_step" is not scalar: {shape}')
