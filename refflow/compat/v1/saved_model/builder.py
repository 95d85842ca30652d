"""Writes a saved model: one folder with graphs under tags, their signatures, and one set of variables.

    DIR/saved_model.pb               the graphs
    DIR/variables/variables.*        a checkpoint
    DIR/assets/                      files that the graphs read, by name

TensorFlow reads what is written here.

Next: compat/v1/saved_model/loader.py.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.saved_model import constants, signature_constants, tag_constants
from refflow.compat.v1.saved_model.signatures import predict_signature_def
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.interop import protos
from refflow.interop.schema import message
from refflow.train.meta_graph import export_meta_graph


class SavedModelBuilder:
    """First add_meta_graph_and_variables, then any number of add_meta_graph, then save."""

    def __init__(self, export_dir: str):
        if os.path.isdir(export_dir) and os.listdir(export_dir):
            raise AssertionError(
                f"Export directory {export_dir} already exists, and isn't empty. Please choose a different export "
                "directory, or delete all the contents of the specified directory."
            )
        os.makedirs(export_dir, exist_ok=True)
        self._export_dir = export_dir
        self._saved_model = message("SavedModel")()
        self._saved_model.saved_model_schema_version = constants.SAVED_MODEL_SCHEMA_VERSION
        self._has_saved_variables = False
        self._assets: dict[str, str] = {}  # from a file's name in the folder to where it is

    def add_meta_graph_and_variables(
        self, sess: Any, tags: Sequence[str], signature_def_map: Mapping[str, Any] | None = None,
        assets_collection: Any = None, legacy_init_op: Any = None, clear_devices: bool = False, main_op: Any = None,
        strip_default_attrs: bool = False, saver: Any = None,
    ) -> None:  # fmt: skip
        """Adds the session's graph, and saves the variables as they are now."""
        if self._has_saved_variables:
            raise AssertionError("Graph state including variables and assets has already been saved. Please invoke "
                                 "`add_meta_graph()` instead.")  # fmt: skip
        with sess.graph.as_default():
            saver = saver or _saver()
            target = os.path.join(self._export_dir, constants.VARIABLES_DIRECTORY)
            os.makedirs(target, exist_ok=True)
            if saver is not None:
                saver.save(sess, os.path.join(target, constants.VARIABLES_FILENAME), write_meta_graph=False,
                           write_state=False)  # fmt: skip
                book = os.path.join(target, "checkpoint")
                if os.path.exists(book):
                    os.remove(book)
            self._has_saved_variables = True
            self._add(tags, signature_def_map, assets_collection, main_op or legacy_init_op, main_op is None,
                      clear_devices, saver)  # fmt: skip

    def add_meta_graph(
        self, tags: Sequence[str], signature_def_map: Mapping[str, Any] | None = None, assets_collection: Any = None,
        legacy_init_op: Any = None, clear_devices: bool = False, main_op: Any = None, strip_default_attrs: bool = False,
        saver: Any = None,
    ) -> None:  # fmt: skip
        """Adds the default graph, which shares the variables that were saved."""
        if not self._has_saved_variables:
            raise AssertionError("Graph state including variables and assets has not been saved yet. Please invoke "
                                 "`add_meta_graph_and_variables()` first.")  # fmt: skip
        self._add(tags, signature_def_map, assets_collection, main_op or legacy_init_op, main_op is None,
                  clear_devices, saver or _saver())  # fmt: skip

    def _add(
        self, tags: Sequence[str], signatures: Any, assets: Any, main_op: Any, is_legacy: bool, clear_devices: bool,
        saver: Any,
    ) -> None:  # fmt: skip
        _check_signatures(signatures)
        graph = get_default_graph()
        if main_op is not None:
            if not isinstance(main_op, Operation):
                raise TypeError(f"Invalid main_op, expected an Operation, got {main_op!r}")
            key = constants.LEGACY_INIT_OP_KEY if is_legacy else constants.MAIN_OP_KEY
            _collect(graph, key, main_op)
        for asset in assets or ():
            self._take_asset(asset)
        meta = export_meta_graph(graph=graph, saver_def=None if saver is None else saver.as_saver_def())
        if clear_devices:
            for node in meta.graph_def.node:
                node.device = ""
        meta.meta_info_def.tags.extend([tags] if isinstance(tags, str) else tags)
        for key, signature in (signatures or {}).items():
            meta.signature_def[key].ParseFromString(signature.SerializeToString())
        for asset in assets or ():
            found = meta.asset_file_def.add()
            found.tensor_info.name, found.filename = asset.name, os.path.basename(_path_of(asset))
        self._saved_model.meta_graphs.append(meta)

    def _take_asset(self, asset: Any) -> None:
        if not isinstance(asset, Tensor):
            raise TypeError(f"Assets are tensors of file names, got {asset!r}")
        path = _path_of(asset)
        if not os.path.exists(path):
            raise ValueError(f"Invalid asset filepath: {path} does not exist")
        self._assets[os.path.basename(path)] = path

    def save(self, as_text: bool = False) -> bytes:
        """Writes the file of graphs; its path."""
        name = constants.SAVED_MODEL_FILENAME_PBTXT if as_text else constants.SAVED_MODEL_FILENAME_PB
        path = os.path.join(self._export_dir, name)
        if self._assets:
            folder = os.path.join(self._export_dir, constants.ASSETS_DIRECTORY)
            os.makedirs(folder, exist_ok=True)
            for name, source in self._assets.items():
                shutil.copyfile(source, os.path.join(folder, name))
        text = protos.text_of(self._saved_model) if as_text else ""
        with open(path, "wb") as file:
            file.write(text.encode() if as_text else self._saved_model.SerializeToString(deterministic=True))
        return path.encode()


def _saver() -> Any:
    """A Saver of all variables, or None where there are none."""
    from refflow.compat.v1.train import Saver

    graph = get_default_graph()
    kept = graph.get_collection(GraphKeys.GLOBAL_VARIABLES) + graph.get_collection(GraphKeys.SAVEABLE_OBJECTS)
    return Saver(kept, sharded=True) if kept else None


def _path_of(asset: Tensor) -> str:
    known = constant_value(convert_to_tensor(asset))
    if known is None:
        raise ValueError(f"Invalid asset filepath tensor {asset.name}: its value is not known before a run")
    return known.item().decode()


def _collect(graph: Any, key: str, main_op: Operation) -> None:
    held = graph._collections.setdefault(key, [])
    if held and held != [main_op]:
        raise ValueError(f"Graph already contains one or more main ops under the collection {key}.")
    held[:] = [main_op]


def _check_signatures(signatures: Any) -> None:
    for key, signature in (signatures or {}).items():
        if key == "__saved_model_init_op":
            raise KeyError(f"SignatureDef map key \"{key}\" is reserved for initialization.")
        for info in (*signature.inputs.values(), *signature.outputs.values()):
            if info.WhichOneof("encoding") is None:
                raise AssertionError("All TensorInfo protos used in the SignatureDefs must have one of the 'encoding' "
                                     f"fields (e.g., name or coo_sparse) set: {info}")  # fmt: skip
            if not info.dtype:
                raise AssertionError(f"All TensorInfo protos used in the SignatureDefs must have the dtype set: {info}")


def simple_save(
    session: Any, export_dir: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any], legacy_init_op: Any = None
) -> None:
    """A saved model for serving with one signature."""
    key = signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY
    made = SavedModelBuilder(export_dir)
    made.add_meta_graph_and_variables(
        session, [tag_constants.SERVING], {key: predict_signature_def(inputs, outputs)},
        assets_collection=session.graph.get_collection(GraphKeys.ASSET_FILEPATHS), main_op=legacy_init_op,
        clear_devices=True,
    )  # fmt: skip
    made.save()
