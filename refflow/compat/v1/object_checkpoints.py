"""Checkpoints by object: values are kept under the path of attributes on which a variable hangs, whatever its name.

    checkpoint = tf.train.Checkpoint(net=tf.train.Checkpoint(w=w), opt=optimizer)
    path = checkpoint.save("folder/model", session=session)          net/w/.ATTRIBUTES/VARIABLE_VALUE, and the tree
    checkpoint.restore(path).assert_consumed().run_restore_ops(session)

What hangs on what is written too, as a TrackableObjectGraph, by which an optimizer's slots find their variables.
Objects are other Checkpoints, AutoTrackables, layers, optimizers, lists, dictionaries and variables. Nothing is matched
before a status is asked, so that what is attached after `restore` is found as well. A checkpoint of a Saver is read by
names.

Next: compat/v1/savers.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from refflow.compat.v1.checkpoints import NewCheckpointReader, remove_checkpoint
from refflow.compat.v1.layers.base import Layer
from refflow.compat.v1.savers import Saver
from refflow.compat.v1.variable import Variable
from refflow.core.dtypes import int64
from refflow.core.tensor import default_sessions
from refflow.interop.schema import message
from refflow.ops.constant import constant
from refflow.ops.variable import Variable as FirstVariable
from refflow.train import Optimizer, checkpoint_exists, get_checkpoint_state, update_checkpoint_state
from refflow.train.saveable import SaveableObject, SaveSpec

__all__ = ["Checkpoint", "CheckpointManager"]

TREE = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


class AutoTrackable:
    """Whatever is set as an attribute, and can be kept, belongs to it."""


# -- what hangs on what -------------------------------------------------------------------------------------------


_HOLDERS = (FirstVariable, AutoTrackable, Optimizer, Layer)


def _is_kept(value: Any) -> bool:
    return isinstance(value, (*_HOLDERS, list, tuple, dict))


def _children(thing: Any) -> Iterator[tuple[str, Any]]:
    """(name, object) of what hangs on an object."""
    if isinstance(thing, FirstVariable):
        return
    if isinstance(thing, dict):
        found = {str(key): value for key, value in thing.items()}
    elif isinstance(thing, (list, tuple)):
        found = {str(place): value for place, value in enumerate(thing)}
    elif isinstance(thing, Optimizer):
        slots = [slot for held in thing._slots.values() for slot in held.values()]
        every: list[Any] = getattr(thing, "variables", list)()
        found = {v.op.name.rpartition("/")[2]: v for v in every if not any(v is slot for slot in slots)}
    else:
        apart = [key for key in vars(thing) if isinstance(thing, Layer) and key.startswith("_")]
        found = {key: value for key, value in vars(thing).items() if key not in (*apart, "_saver", "_counter")}
    for name, value in sorted(found.items()):
        if isinstance(value, _HOLDERS) or (_is_kept(value) and value):
            yield name, value


class _Tree:
    """The objects that hang on a root, each with its number and the path on which it was first met."""

    def __init__(self, root: Any):
        self.things, self.paths = [root], [""]
        self._numbers = {id(root): 0}
        self.edges: list[list[tuple[str, int]]] = []
        for number, thing in enumerate(self.things):  # which grows
            self.edges.append([])
            for name, child in _children(thing):
                known = self._numbers.setdefault(id(child), len(self.things))
                if known == len(self.things):
                    self.things.append(child)
                    before = self.paths[number]
                    self.paths.append(f"{before}/{_escaped(name)}" if before else _escaped(name))
                self.edges[number].append((name, known))
        self.keys: dict[int, str] = {
            i: self.paths[i] + VALUE for i, thing in enumerate(self.things) if isinstance(thing, FirstVariable)
        }
        self.slots: list[tuple[int, int, str, int]] = []  # optimizer, variable, slot's name, slot
        self._add_slots()

    def _add_slots(self) -> None:
        for owner, thing in enumerate(list(self.things)):
            for name, held in sorted(thing._slots.items()) if isinstance(thing, Optimizer) else ():
                for variable, slot in held.items():
                    original = self._numbers.get(id(variable))
                    if original is None:
                        continue
                    self.slots.append((owner, original, name, len(self.things)))
                    path = f"{self.paths[original]}/.OPTIMIZER_SLOT/{self.paths[owner]}/{_escaped(name)}"
                    self.keys[len(self.things)] = path + VALUE
                    self.things.append(slot)
                    self.edges.append([])

    def variables(self) -> dict[str, Any]:
        """The variables, by their keys in a checkpoint."""
        return {key: self.things[i] for i, key in self.keys.items()}

    def message(self) -> Any:
        """The tree as it is written."""
        found = message("TrackableObjectGraph")()
        for i, edges in enumerate(self.edges):
            node = found.nodes.add()
            for name, child in edges:
                node.children.add(node_id=child, local_name=name)
            if i in self.keys:
                name = self.things[i].op.name
                node.attributes.add(name="VARIABLE_VALUE", full_name=name, checkpoint_key=self.keys[i])
        for owner, original, name, slot in self.slots:
            node = found.nodes[owner].slot_variables.add()
            node.original_variable_node_id, node.slot_name, node.slot_variable_node_id = original, name, slot
        return found


def _escaped(name: str) -> str:
    return name.replace(".", "..").replace("/", ".S")


class _Text(SaveableObject):
    """The tree, beside the variables."""

    def __init__(self, text: bytes):
        self.text = constant(np.array(text, object))
        super().__init__(self.text, [SaveSpec(self.text, "", TREE)], TREE)

    def restore(self, restored_tensors: Any, restored_shapes: Any) -> Any:
        return restored_tensors[0].op


# -- what a checkpoint gives ----------------------------------------------------------------------------------------


class _Status:
    """What `restore` found: says whether everything was, and gives the values to a session."""

    def __init__(self, root: Any, path: str | None):
        self._root, self._path = root, path
        self._reader = None if path is None else NewCheckpointReader(path)

    def _matched(self) -> tuple[dict[str, Any], list[Any], list[str]]:
        """(variables by the keys of their values, variables without a value, keys that nobody takes)."""
        tree = _Tree(self._root)
        every = list(tree.variables().values())
        reader = self._reader
        if reader is None:
            return {}, every, []
        if reader.has_tensor(TREE):
            found = self._by_tree(tree, reader)
            keys = [name for name in reader.get_variable_to_shape_map() if name != TREE]
        else:
            found = {v.op.name: v for v in every if reader.has_tensor(v.op.name)}
            keys = list(reader.get_variable_to_shape_map())
        taken = {id(v) for v in found.values()}
        return found, [v for v in every if id(v) not in taken], [key for key in keys if key not in found]

    @staticmethod
    def _by_tree(tree: _Tree, reader: NewCheckpointReader) -> dict[str, Any]:
        theirs = message("TrackableObjectGraph").FromString(reader.get_tensor(TREE))
        pairs, found = {0: 0}, {}
        queue = [0]
        for number in queue:  # which grows
            names = dict(tree.edges[pairs[number]])
            for child in theirs.nodes[number].children:
                if child.local_name in names and child.node_id not in pairs:
                    pairs[child.node_id] = names[child.local_name]
                    queue.append(child.node_id)
        ours = {(owner, original, name): slot for owner, original, name, slot in tree.slots}
        for number in queue:
            for slot in theirs.nodes[number].slot_variables:
                which = (pairs[number], pairs.get(slot.original_variable_node_id, -1), slot.slot_name)
                if which in ours:
                    pairs[slot.slot_variable_node_id] = ours[which]
        for number, place in pairs.items():
            for attribute in theirs.nodes[number].attributes:
                if place in tree.keys:
                    found[attribute.checkpoint_key] = tree.things[place]
        return found

    def assert_consumed(self) -> _Status:
        """An AssertionError where the checkpoint has values that nothing takes, or a variable has none."""
        _, without, unused = self._matched()
        if unused:
            raise AssertionError(f"Unresolved object in checkpoint {self._path}: {', '.join(sorted(unused))}")
        return self._all_found(without)

    def assert_existing_objects_matched(self) -> _Status:
        """An AssertionError where a variable has no value in the checkpoint."""
        return self._all_found(self._matched()[1])

    def _all_found(self, without: list[Any]) -> _Status:
        if without:
            names = ", ".join(v.op.name for v in without)
            raise AssertionError(f"No value in checkpoint {self._path} for: {names}")
        return self

    def assert_nontrivial_match(self) -> _Status:
        """An AssertionError where nothing but the counter of saves is in the checkpoint and here."""
        if not any(not key.startswith("save_counter/") for key in self._matched()[0]):
            raise AssertionError(f"Nothing except the root object matched a checkpointed value in {self._path}")
        return self

    def expect_partial(self) -> _Status:
        """The status; what is not taken is not told of in any case."""
        return self

    def run_restore_ops(self, session: Any = None) -> None:
        """Gives the variables their values; those that have none in the checkpoint stay as they are."""
        if self._path is None:
            raise AssertionError(
                "No checkpoint specified, so no restore ops are available (save_path=None to Saver.restore)."
            )
        found = self._matched()[0]
        if found:
            Saver(found).restore(_session(session), self._path)

    def initialize_or_restore(self, session: Any = None) -> None:
        """Restores what is in the checkpoint, and runs the initializers of all else."""
        _, without, _ = self._matched()
        running = _session(session)
        running.run([v.initializer for v in without])
        if self._path is not None:
            self.run_restore_ops(running)


def _session(given: Any) -> Any:
    found = given if given is not None else default_sessions.top()
    if found is None:
        raise RuntimeError("no session is given, and there is no default one: pass session=")
    return found


# -- checkpoints ------------------------------------------------------------------------------------------------------


class Checkpoint(AutoTrackable):
    """Objects to keep together, by the names that they are given or set under. save_counter: how often they were."""

    def __init__(self, **kwargs: Any):
        self._saver: Any = None
        self._counter: Any = None
        for name, value in sorted(kwargs.items()):
            if not _is_kept(value):
                raise ValueError(
                    f"`Checkpoint` was expecting {name} to be a trackable object (an object derived from `Trackable`), "
                    f"got {value}. If you believe this object should be trackable, please open an issue."
                )
            setattr(self, name, value)

    @property
    def save_counter(self) -> Any:
        """An int64 variable, made when it is first needed."""
        if "save_counter" not in vars(self):
            make: Any = Variable
            vars(self)["save_counter"] = make(0, name="save_counter", dtype=int64, trainable=False, use_resource=True)
        return vars(self)["save_counter"]

    def write(self, file_prefix: str, session: Any = None, options: Any = None) -> str:
        """Writes the values under exactly that path, without counting."""
        tree, running = _Tree(self), _session(session)
        text = tree.message().SerializeToString(deterministic=True)
        if self._saver is None or self._saver[0] != text:
            with running.graph.as_default():
                self._saver = text, Saver({TREE: _Text(text), **tree.variables()}, max_to_keep=0)
        return self._saver[1]._write(running, os.fspath(file_prefix))

    def save(self, file_prefix: str, session: Any = None, options: Any = None) -> str:
        """Counts, writes to `file_prefix`-COUNT, and enters that as the folder's newest checkpoint."""
        running = _session(session)
        path = self.write(f"{os.fspath(file_prefix)}-{self.count(running)}", running)
        update_checkpoint_state(os.path.dirname(path), path)
        return path

    def count(self, session: Any) -> int:
        """One more save."""
        if self._counter is None:
            with session.graph.as_default():
                if "save_counter" not in vars(self):  # nobody has restored it
                    session.run(self.save_counter.initializer)
                self._counter = self.save_counter.assign_add(1)
        return int(session.run(self._counter))

    def read(self, save_path: str, options: Any = None) -> _Status:
        """The status of a checkpoint that `write` wrote."""
        return _Status(self, os.fspath(save_path))

    def restore(self, save_path: str | None) -> _Status:
        """The status of a checkpoint, of None that of none: then everything is initialised."""
        found = _Status(self, None if save_path is None else os.fspath(save_path))
        _ = self.save_counter
        return found



CheckpointV1 = Checkpoint  # its inner name


class CheckpointManager:
    """The newest checkpoints of a folder, `max_to_keep` of them; older ones are deleted.

    keep_checkpoint_every_n_hours: one in so many hours is kept for good. checkpoint_interval, step_counter: no more
    than one in so many steps is saved. init_fn: what is called where there is nothing to restore.
    """

    def __init__(
        self, checkpoint: Checkpoint, directory: str, max_to_keep: int | None,
        keep_checkpoint_every_n_hours: float | None = None, checkpoint_name: str = "ckpt", step_counter: Any = None,
        checkpoint_interval: int | None = None, init_fn: Any = None,
    ):  # fmt: skip
        if max_to_keep is not None and max_to_keep <= 0:
            raise ValueError(
                f"Expected a positive integer or `None` for `max_to_keep`, got {max_to_keep}."
            )
        self.checkpoint, self._folder, self._most = checkpoint, os.fspath(directory), max_to_keep
        self._prefix = os.path.join(self._folder, checkpoint_name)
        self._hours, self._kept_at = keep_checkpoint_every_n_hours, time.time()
        self._steps, self._interval, self._init = step_counter, checkpoint_interval, init_fn
        self._last_step: int | None = None
        os.makedirs(self._folder, exist_ok=True)
        state = get_checkpoint_state(self._folder)
        held = [] if state is None else state.all_model_checkpoint_paths
        self._held = [(path, os.path.getmtime(f"{path}.index")) for path in held if checkpoint_exists(path)]

    @property
    def directory(self) -> str:
        return self._folder

    @property
    def checkpoint_interval(self) -> int | None:
        return self._interval

    @property
    def checkpoints(self) -> list[str]:
        """The paths of those that are kept and may still be deleted, oldest first."""
        return [path for path, _ in self._held]

    @property
    def latest_checkpoint(self) -> str | None:
        """The path of the newest."""
        return self._held[-1][0] if self._held else None

    def save(self, checkpoint_number: Any = None, check_interval: bool = True, options: Any = None) -> str | None:
        """Saves in the default session; the path, or None where the last one is not long enough ago."""
        session = _session(None)
        if self._interval is not None and check_interval:
            step = int(session.run(self._steps))
            if self._last_step is not None and step < self._last_step + self._interval:
                return None
            self._last_step = step
        counter = self.checkpoint.save_counter
        number = int(session.run(counter)) + 1 if checkpoint_number is None else checkpoint_number
        number = number if isinstance(number, int) else int(session.run(number))
        self.checkpoint.count(session)
        path = self.checkpoint.write(f"{self._prefix}-{number}", session)
        self._held = [(p, t) for p, t in self._held if p != path] + [(path, time.time())]
        self._sweep()
        update_checkpoint_state(self._folder, path, self.checkpoints)
        return path

    def _sweep(self) -> None:
        while self._most and len(self._held) > self._most:
            path, written = self._held.pop(0)
            if self._hours is not None and written > self._kept_at + 3600 * self._hours:
                self._kept_at = written  # for good
            else:
                remove_checkpoint(path)

    def restore_or_initialize(self) -> str | None:
        """Restores the newest and gives its path; where there is none, calls init_fn and gives None."""
        if self._held:
            self.checkpoint.restore(self.latest_checkpoint).run_restore_ops()
            return self.latest_checkpoint
        if self._init is not None:
            self._init()
        return None
