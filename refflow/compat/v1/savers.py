"""Savers of 1.x: built at once or when asked to, with or without variables, the graph beside each checkpoint.

    saver = tf.train.Saver(max_to_keep=3)
    saver.save(session, "folder/model", global_step=step)        model-STEP, model-STEP.meta, and the list `checkpoint`

Next: train/saver.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.meta_graphs import export_meta_graph
from refflow.core.graph import get_default_graph
from refflow.ops.variable import all_variables
from refflow.train import import_meta_graph as first_import
from refflow.train import saver

__all__ = ["Saver", "import_meta_graph"]


class Saver(saver.Saver):
    """The first release's, with 1.x's arguments.

    defer_build: the nodes are made by `build`, or by the first save or restore. allow_empty: a graph without variables
    is no error, and there is nothing to save. pad_step_number: steps have eight digits.
    """

    def __init__(
        self, var_list: Any = None, reshape: bool = False, sharded: bool = False, max_to_keep: int = 5,
        keep_checkpoint_every_n_hours: float = 10000.0, name: str | None = None, restore_sequentially: bool = False,
        saver_def: Any = None, builder: Any = None, defer_build: bool = False, allow_empty: bool = False,
        write_version: int = 2, pad_step_number: bool = False, save_relative_paths: bool = False,
        filename: str | None = None,
    ):  # fmt: skip
        if defer_build and var_list:
            raise ValueError(
                "If `var_list` is provided then build cannot be deferred. Either set defer_build=False or "
                "var_list=None."
            )
        self._given = (var_list, reshape, sharded, max_to_keep, keep_checkpoint_every_n_hours, name,
                       restore_sequentially, saver_def, builder)  # fmt: skip
        self._may_be_empty, self._pads, self._is_empty = allow_empty, pad_step_number, False
        self._built = False
        if not defer_build:
            self.build()

    def build(self) -> None:
        """Makes the nodes, where they are not there yet."""
        if self._built:
            return
        given = self._given
        variables = _all_saveable_objects() if given[0] is None else given[0]
        self._is_empty = given[7] is None and not variables
        if self._is_empty and not self._may_be_empty:
            raise ValueError("No variables to save")
        if self._is_empty:
            self.saver_def, self._last = saver.SaverDef("", "", ""), []
        else:
            super().__init__(variables, *given[1:])
        self._built = True

    def save(  # type: ignore[override]  # None where there is nothing to save
        self, sess: Any, save_path: str, global_step: Any = None, latest_filename: str | None = None,
        meta_graph_suffix: str = "meta", write_meta_graph: bool | None = None, write_state: bool = True,
        strip_default_attrs: bool = False, save_debug_info: bool = False,
    ) -> str | None:  # fmt: skip
        """As the first release's, with the graph beside it in PATH.meta; by default where protobuf is installed."""
        self._needs_nodes()
        if not hasattr(sess, "run"):
            raise TypeError(f"'sess' must be a Session; {sess}")
        latest = latest_filename or "checkpoint"
        if os.path.split(latest)[0]:
            raise ValueError("'latest_filename' must not contain path components")
        if os.path.basename(save_path) == latest:
            raise ValueError(
                f"'latest_filename' collides with 'save_path': '{latest}' and '{save_path}'"
            )
        if self._is_empty:
            return None
        path = saver._numbered(sess, save_path, global_step)
        if self._pads and path != save_path:
            path = f"{save_path}-{int(path[len(save_path) + 1 :]):08d}"
        path = self._write(sess, path)
        if write_meta_graph or (write_meta_graph is None and _can_write_graphs()):
            export_meta_graph(
                f"{path}.{meta_graph_suffix}", saver_def=self.saver_def, graph=sess.graph,
                strip_default_attrs=strip_default_attrs,
            )  # fmt: skip
        for old in self._enter(path, latest) if write_state else ():
            with suppress(FileNotFoundError):
                os.remove(f"{old}.{meta_graph_suffix}")
        return path

    def restore(self, sess: Any, save_path: str | None) -> None:
        """Gives every variable the value it has in the checkpoint; no initializer need have run."""
        self._needs_nodes()
        if self._is_empty:
            return
        if save_path is None:
            raise ValueError("Can't load save_path when it is None.")
        if not saver.checkpoint_exists(save_path):
            raise ValueError(f"The passed save_path is not a valid checkpoint: {save_path}")
        super().restore(sess, save_path)

    def _needs_nodes(self) -> None:
        if not self._built:
            raise RuntimeError("`build()` should be called before save if defer_build==True")

    def recover_last_checkpoints(self, checkpoint_paths: Iterable[str]) -> None:
        """Takes over the book of an earlier process, of what is still there."""
        self.set_last_checkpoints([p for p in checkpoint_paths if saver.checkpoint_exists(p)])

    def set_last_checkpoints_with_time(self, last_checkpoints_with_time: Iterable[tuple[str, float]]) -> None:
        """Takes over the book of an earlier process, with its times."""
        self._last = list(last_checkpoints_with_time)

    def to_proto(self, export_scope: str | None = None) -> Any:
        """What `from_proto` takes; None where the nodes are outside of `export_scope`."""
        prefix = f"{export_scope.rstrip('/')}/" if export_scope else ""
        known = self.saver_def
        if not known.filename_tensor_name.startswith(prefix):
            return None
        names: dict[str, Any] = {k: v.removeprefix(prefix) if isinstance(v, str) else v for k, v in vars(known).items()}
        return saver.SaverDef(**names)

    @staticmethod
    def from_proto(saver_def: Any, import_scope: str | None = None) -> Saver:
        """The Saver whose nodes a SaverDef names."""
        prefix = f"{import_scope.rstrip('/')}/" if import_scope else ""
        names: dict[str, Any] = {k: f"{prefix}{v}" if isinstance(v, str) else v for k, v in vars(saver_def).items()}
        return Saver(saver_def=saver.SaverDef(**names))

    def export_meta_graph(
        self, filename: str | None = None, collection_list: Any = None, as_text: bool = False,
        export_scope: str | None = None, clear_devices: bool = False, clear_extraneous_savers: bool = False,
        strip_default_attrs: bool = False, save_debug_info: bool = False,
    ) -> Any:  # fmt: skip
        """The default graph with this Saver, as a MetaGraphDef."""
        saver_def = self.to_proto(export_scope)
        return export_meta_graph(
            filename, None, None, saver_def, collection_list, as_text, None, export_scope, clear_devices,
            clear_extraneous_savers, strip_default_attrs, save_debug_info,
        )  # fmt: skip


def import_meta_graph(
    meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None, input_map: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Adds a MetaGraph's nodes and collections to the default graph; its Saver, or None where it has none."""
    found = first_import(meta_graph_or_file, clear_devices, import_scope, input_map)
    return None if found is None else Saver(saver_def=found.saver_def)


def _all_saveable_objects() -> list[Any]:
    """The variables, and whatever else is entered to be saved."""
    return [*all_variables(), *get_default_graph().get_collection(GraphKeys.SAVEABLE_OBJECTS)]


def default_saver() -> Any:
    """The saver in the collection SAVERS, or one of all variables, which is then in it."""
    graph = get_default_graph()
    held = graph.get_collection(GraphKeys.SAVERS)
    if len(held) > 1:
        raise RuntimeError(
            f"More than one item in collection {GraphKeys.SAVERS}. Please indicate which one to use by passing it to "
            "the constructor."
        )
    if held:
        return held[0]
    made = Saver(sharded=True, allow_empty=True)
    graph.add_to_collection(GraphKeys.SAVERS, made)
    return made


def _can_write_graphs() -> bool:
    """Whether the protobuf library is there."""
    from refflow.interop.schema import protobuf

    try:
        return protobuf() is not None
    except ImportError:
        return False
