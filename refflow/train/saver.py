"""Saver: the nodes that write variables to a checkpoint and read them back, and the book of recent checkpoints [O05].

    save/Const               where, fed by save() and restore()
    save/save                SaveV2 of all variables, or one for each shard and a merge
    save/restore_all         a RestoreV2 and an Assign for each variable

A program runs the first every so many steps or seconds, and the last after a restart: with inputs that can be
replayed, failures leave the final parameters as they were [W28]. Which nodes there are, how often they run and what is
kept is the program's to say [O05].

The file `checkpoint` beside the checkpoints lists them; it is text, and is replaced whole.

Next: train/saveable.py.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from refflow.core.control import group
from refflow.core.graph import Graph, Operation, Tensor, get_default_graph
from refflow.files.bundle import bundle_exists, remove_bundle
from refflow.ops.array import identity, reshape
from refflow.ops.constant import constant
from refflow.ops.save_restore import MERGE_V2, RESTORE_V2, SAVE_V2
from refflow.ops.variable import Variable, all_variables, assign
from refflow.train.saveable import SaveableObject


@dataclass
class SaverDef:
    """A Saver's nodes by name, and its habits: what MetaGraphs carry."""

    filename_tensor_name: str
    save_tensor_name: str
    restore_op_name: str
    max_to_keep: int = 5
    sharded: bool = False
    keep_checkpoint_every_n_hours: float = 10000.0
    version: int = 2
    LEGACY: ClassVar[int] = 0
    V1: ClassVar[int] = 1
    V2: ClassVar[int] = 2  # of the checkpoints that a Saver writes


@dataclass
class CheckpointState:
    """The contents of a `checkpoint` file: the newest, and all that are kept, oldest first."""

    model_checkpoint_path: str = ""
    all_model_checkpoint_paths: list[str] = field(default_factory=list)


@dataclass
class _Saved:
    """One variable, one part of one, or an object that knows its own: its name in files, and which part it is."""

    name: str
    part: str
    variable: Any

    def __post_init__(self) -> None:
        own = self.variable if isinstance(self.variable, SaveableObject) else None
        # each tensor in files: its name, the part of a whole that it is, its type
        self.entries = [(self.name, self.part, None)] if own is None else [(s.name, s.slice_spec, s.dtype)
                                                                           for s in own.specs]  # fmt: skip

    @property
    def graph(self) -> Graph:
        of = self.variable.specs[0].tensor if isinstance(self.variable, SaveableObject) else self.variable
        return of.graph

    def tensors(self) -> list[Tensor]:
        """What is written, in the order of `entries`."""
        if isinstance(self.variable, SaveableObject):
            return [spec.tensor for spec in self.variable.specs]
        return [_written(self.variable)]

    def restored(self, values: list[Tensor], reshaped: bool) -> Operation:
        """What puts the values that were read where they belong."""
        if isinstance(self.variable, SaveableObject):
            return self.variable.restore(values, None)
        shape, (value,) = self.variable.get_shape(), values
        if reshaped:
            value = reshape(value, shape.as_list())
        return assign(_reference(self.variable), value, validate_shape=shape.is_fully_defined()).op


class Saver:
    """Writes variables to checkpoints and restores them.

    var_list: variables, or a dictionary from the names in files to variables; all of the graph's by default.
    reshape: restored values take the variable's shape. sharded: one data file for each device. max_to_keep: older
    checkpoints are deleted; 0 or None keeps all. keep_checkpoint_every_n_hours: one in so many hours stays for good.
    restore_sequentially: one variable after the other, which needs less memory. saver_def: use the nodes it names
    instead of making new ones. builder: takes part in nothing; it is there for the release's sake.
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: SaverDef | None = None,
        builder: Any = None,
    ):
        if saver_def is None:
            saved = _saved(all_variables() if var_list is None else var_list)
            if not saved:
                raise ValueError("there are no variables to save; make them first, or pass var_list")
            graph = saved[0].graph
            with graph.as_default(), graph.name_scope(name or "save"):
                saver_def = _build(saved, reshape, sharded, restore_sequentially)
            saver_def.max_to_keep = max_to_keep or 0
            saver_def.keep_checkpoint_every_n_hours = keep_checkpoint_every_n_hours
        self.saver_def = saver_def
        self._last: list[tuple[str, float]] = []
        self._next_to_keep = time.time() + saver_def.keep_checkpoint_every_n_hours * 3600

    @property
    def last_checkpoints(self) -> list[str]:
        """The checkpoints that are not deleted yet, oldest first."""
        return [path for path, _ in self._last]

    def set_last_checkpoints(self, last_checkpoints: Iterable[str]) -> None:
        """Takes over the book of an earlier process; times are those of the files where they are there."""
        self._last = [(path, _modified(path)) for path in last_checkpoints]

    def as_saver_def(self) -> SaverDef:
        """What export_meta_graph(saver_def=...) takes."""
        return self.saver_def

    def save(
        self, sess: Any, save_path: str, global_step: Any = None, latest_filename: str | None = None
    ) -> str:
        """Saves to `save_path`, or `save_path`-STEP, and returns that path.

        global_step: a number, or a tensor or variable to read it from. Raises ValueError for a path that names the
        book itself, and NotFoundError or OSError where the folder cannot be written.
        """
        latest = latest_filename or "checkpoint"
        if os.path.basename(latest) != latest:
            raise ValueError(f"latest_filename is a file's name without a folder, got {latest!r}")
        if os.path.basename(save_path) == latest:
            raise ValueError(f"save_path {save_path!r} is the name of the file that lists the checkpoints; use another")
        path = self._write(sess, _numbered(sess, save_path, global_step))
        self._enter(path, latest)
        return path

    def _write(self, sess: Any, path: str) -> str:
        """Writes the checkpoint, and gives its path as the graph has it."""
        written = sess.run(self.saver_def.save_tensor_name, {self.saver_def.filename_tensor_name: path})
        return written.decode() if isinstance(written, bytes) else str(np.asarray(written).item().decode())

    def _enter(self, path: str, latest: str) -> list[str]:
        """Enters a checkpoint into the book, and removes those that are too old; gives their paths."""
        if self.saver_def.max_to_keep:  # else all are kept, and nobody counts them
            self._last = [(p, t) for p, t in self._last if p != path] + [(path, time.time())]
        dropped = self._too_old()
        update_checkpoint_state(os.path.dirname(path), path, self.last_checkpoints, latest)
        for old in dropped:  # once nobody is told of them any more
            remove_bundle(old)
        return dropped

    def restore(self, sess: Any, save_path: str) -> None:
        """Gives every variable the value it has in the checkpoint; no initializer need have run."""
        if not save_path:
            raise ValueError(f"restore needs the path of a checkpoint, got {save_path!r}")
        sess.run(self.saver_def.restore_op_name, {self.saver_def.filename_tensor_name: save_path})

    def _too_old(self) -> list[str]:
        limit, dropped = self.saver_def.max_to_keep, []
        while limit and len(self._last) > limit:
            path, written = self._last.pop(0)
            if written > self._next_to_keep:  # this one stays for good
                self._next_to_keep += self.saver_def.keep_checkpoint_every_n_hours * 3600
            else:
                dropped.append(path)
        return dropped


def _numbered(sess: Any, save_path: str, global_step: Any) -> str:
    """The path with the step behind it: a number, or what a session reads from a tensor or variable."""
    if global_step is None:
        return save_path
    step = global_step
    if not isinstance(step, (int, np.integer)):
        step = sess.run(getattr(step, "_as_graph_element", lambda: step)())
    return f"{save_path}-{int(step)}"


def _modified(path: str) -> float:
    index = f"{path}.index"
    return os.path.getmtime(index) if os.path.exists(index) else time.time()


# -- the nodes ----------------------------------------------------------------------------------------------


def _saved(var_list: Any) -> list[_Saved]:
    """What is to be saved, sorted by name; every name once."""
    if isinstance(var_list, Mapping):
        named = list(var_list.items())
    elif isinstance(var_list, (list, tuple, set)):
        named = [(None, v) for v in var_list]
    else:
        raise TypeError(f"var_list is a list of variables or a dictionary from names to them, got {var_list!r}")
    found: list[_Saved] = []
    for name, given in named:
        for variable in given if isinstance(given, (list, tuple)) else [given]:
            found.append(_one(name, variable))
    whole = [s.name for s in found if not s.part]
    twice = {n for n in whole if whole.count(n) > 1}
    if twice:
        raise ValueError(f"At least two variables have the same name: {', '.join(sorted(twice))}")
    return sorted(found, key=lambda s: s.name)


def _one(name: str | None, given: Any) -> _Saved:
    if isinstance(given, SaveableObject):
        return _Saved(name or given.name, "", given)
    if isinstance(given, Tensor) and given.op.op_def.family == "Variable":
        return _Saved(name or given.op.name, "", given)
    if not isinstance(given, Variable):
        raise TypeError(f"only variables are saved, got {type(given).__name__}: {given!r}")
    info = getattr(given, "_save_slice_info", None)
    if info is not None:
        return _Saved(name or info.full_name, info.spec, given)
    return _Saved(name or given.op.name, "", given)


def _reference(variable: Any) -> Tensor:
    return variable if isinstance(variable, Tensor) else variable.ref()


def _written(variable: Any) -> Tensor:
    """What is written: the value behind a reference, or behind a handle as the step reads it."""
    return variable.read_value() if hasattr(variable, "handle") else _reference(variable)


def _build(saved: list[_Saved], reshaped: bool, sharded: bool, sequentially: bool) -> SaverDef:
    filename = constant("model", name="Const")
    written = _save_sharded(filename, saved) if sharded else _save_node(filename, saved, "save")
    with get_default_graph().control_dependencies([written]):
        done = identity(filename, name="control_dependency")
    restored: list[Operation] = []
    for s in saved:
        with get_default_graph().control_dependencies(restored[-1:] if sequentially else []):
            values = [
                RESTORE_V2(filename, [name], [part], dtypes=[dtype or s.variable.dtype.base_dtype], name="restore")[0]
                for name, part, dtype in s.entries
            ]
        restored.append(s.restored(values, reshaped))
    restore = group(*restored, name="restore_all")
    return SaverDef(filename.name, done.name, restore.name, sharded=sharded)


def _save_node(prefix: Tensor, saved: list[_Saved], name: str) -> Operation:
    names, parts, _ = zip(*(entry for s in saved for entry in s.entries), strict=True)
    return SAVE_V2(prefix, list(names), list(parts), [t for s in saved for t in s.tensors()], name=name)


def _save_sharded(filename: Tensor, saved: list[_Saved]) -> Operation:
    """One SaveV2 on each device, into files of their own, which one more node joins under the final name."""
    from refflow.core.registry import op_def

    devices = sorted({s.variable.device for s in saved})
    prefixes, writes = [], []
    for i, device in enumerate(devices):
        with get_default_graph().device(device or None):
            suffix = f"_temp/part-{i:05d}-of-{len(devices):05d}"
            prefix = op_def("StringJoin")([filename, constant(suffix)])
            writes.append(_save_node(prefix, [s for s in saved if s.variable.device == device], "save"))
            prefixes.append(prefix)
    with get_default_graph().control_dependencies(writes):
        return MERGE_V2(op_def("Pack")(prefixes), filename, name="merge")


# -- the book of checkpoints ----------------------------------------------------------------------------------


def update_checkpoint_state(
    save_dir: str,
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Iterable[str] | None = None,
    latest_filename: str | None = None,
) -> None:
    """Writes the file that lists the checkpoints of a folder; paths in that folder are written relative to it."""
    every = list(all_model_checkpoint_paths or [])
    if model_checkpoint_path not in every:
        every.append(model_checkpoint_path)
    target = os.path.join(save_dir, latest_filename or "checkpoint")
    if model_checkpoint_path == target:
        raise RuntimeError(f"the checkpoint {target!r} has the name of the file that lists checkpoints; use another")
    lines = [f'model_checkpoint_path: "{_quoted(_relative(model_checkpoint_path, save_dir))}"']
    lines += [f'all_model_checkpoint_paths: "{_quoted(_relative(p, save_dir))}"' for p in every]
    partial = f"{target}.tmp{os.getpid()}"
    with open(partial, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(partial, target)


def _relative(path: str, folder: str) -> str:
    return os.path.relpath(path, folder or ".") if not os.path.isabs(path) else path


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def get_checkpoint_state(checkpoint_dir: str, latest_filename: str | None = None) -> CheckpointState | None:
    """What the folder's list says, with full paths; None where there is none, or where it makes no sense."""
    path = os.path.join(checkpoint_dir, latest_filename or "checkpoint")
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None
    state = CheckpointState()
    for key, value in re.findall(r'^\s*(\w+):\s*"((?:[^"\\]|\\.)*)"\s*$', text, re.MULTILINE):
        plain = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value)
        full = plain if os.path.isabs(plain) else os.path.join(checkpoint_dir, plain)
        if key == "model_checkpoint_path":
            state.model_checkpoint_path = full
        elif key == "all_model_checkpoint_paths":
            state.all_model_checkpoint_paths.append(full)
    return state if state.model_checkpoint_path else None


def latest_checkpoint(checkpoint_dir: str, latest_filename: str | None = None) -> str | None:
    """The path of the newest checkpoint in a folder, or None."""
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None or not checkpoint_exists(state.model_checkpoint_path):
        return None
    return state.model_checkpoint_path


def checkpoint_exists(path: str) -> bool:
    """Whether there is a checkpoint, in the format of today or of the first releases."""
    return bundle_exists(path) or os.path.exists(path)
