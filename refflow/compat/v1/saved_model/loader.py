"""Reads a saved model into a session: the graph with the given tags, its variables, its start.

    meta_graph_def = load(sess, ["serve"], DIR)
    y = sess.graph.get_tensor_by_name(meta_graph_def.signature_def["serving_default"].outputs["y"].name)

Models of TensorFlow's are read alike.

Next: compat/v1/graph_util.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from refflow.compat.v1.saved_model import constants
from refflow.files.bundle import bundle_exists
from refflow.interop import protos
from refflow.interop.schema import message


def maybe_saved_model_directory(export_dir: str) -> bool:
    """Whether there is a saved model's file in a folder."""
    names = (constants.SAVED_MODEL_FILENAME_PB, constants.SAVED_MODEL_FILENAME_PBTXT)
    return any(os.path.exists(os.path.join(export_dir, name)) for name in names)


contains_saved_model = maybe_saved_model_directory


def read(export_dir: str) -> Any:
    """The SavedModel message of a folder."""
    found = message("SavedModel")()
    path = os.path.join(export_dir, constants.SAVED_MODEL_FILENAME_PB)
    if os.path.exists(path):
        with open(path, "rb") as file:
            found.ParseFromString(file.read())
        return found
    path = os.path.join(export_dir, constants.SAVED_MODEL_FILENAME_PBTXT)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return protos.filled_from_text(found, file.read())
    raise OSError(
        f"SavedModel file does not exist at: {export_dir}{os.path.sep}{{{constants.SAVED_MODEL_FILENAME_PBTXT}|"
        f"{constants.SAVED_MODEL_FILENAME_PB}}}"
    )


def load(
    sess: Any, tags: Iterable[str], export_dir: str, import_scope: str | None = None, **saver_kwargs: Any
) -> Any:
    """Adds the graph to the session's, restores its variables and runs its start; the MetaGraphDef."""
    from refflow.compat.v1.train import import_meta_graph

    wanted = {tags} if isinstance(tags, str) else set(tags)
    saved = read(export_dir)
    meta = next((m for m in saved.meta_graphs if set(m.meta_info_def.tags) == wanted), None)
    if meta is None:
        there = [sorted(m.meta_info_def.tags) for m in saved.meta_graphs]
        raise RuntimeError(
            f"MetaGraphDef associated with tags {str(sorted(wanted)).strip('[]')} could not be found in SavedModel. "
            f"To inspect available tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`\n"
            f"available_tags: {there}"
        )
    prefix = f"{import_scope}/" if import_scope else ""
    with sess.graph.as_default():
        saver = import_meta_graph(meta, import_scope=import_scope, **saver_kwargs)
        path = os.path.join(export_dir, constants.VARIABLES_DIRECTORY, constants.VARIABLES_FILENAME)
        if saver is not None and bundle_exists(path):
            saver.restore(sess, path)
        folder = os.path.join(export_dir, constants.ASSETS_DIRECTORY)
        feeds = {
            sess.graph.get_tensor_by_name(prefix + a.tensor_info.name): os.path.join(folder, a.filename)
            for a in meta.asset_file_def
        }
        start = _start(meta, sess.graph, prefix)
        if start is not None:
            sess.run(start, feeds)
    return meta


def _start(meta: Any, graph: Any, prefix: str) -> Any:
    """The operation that is to run once after the variables are there, or None."""
    signature = meta.signature_def.get("__saved_model_init_op")
    if signature is not None:
        return graph.as_graph_element(prefix + signature.outputs["__saved_model_init_op"].name)
    for key in (constants.MAIN_OP_KEY, constants.LEGACY_INIT_OP_KEY):
        names = list(meta.collection_def[key].node_list.value) if key in meta.collection_def else []
        if len(names) > 1:
            raise RuntimeError(f"Expected exactly one SavedModel init op. Found {len(names)}: {names}.")
        if names:
            return graph.as_graph_element(prefix + names[0])
    return None
