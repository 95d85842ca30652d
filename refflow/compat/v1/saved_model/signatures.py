"""Signatures: which tensors of a saved graph are fed and fetched, under which names.

    predict_signature_def(inputs={"x": x}, outputs={"y": y})
    {"serving_default": that}            what a builder takes

Next: compat/v1/saved_model/builder.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refflow.compat.v1.saved_model import signature_constants as names
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import string
from refflow.core.graph import get_default_graph
from refflow.core.sparse_tensor import SparseTensor
from refflow.interop import protos
from refflow.interop.schema import message

__all__ = [
    "build_signature_def", "build_tensor_info", "classification_signature_def", "get_tensor_from_tensor_info",
    "is_valid_signature", "predict_signature_def", "regression_signature_def",
]  # fmt: skip


def build_tensor_info(tensor: Any) -> Any:
    """A TensorInfo: a tensor's name, type and shape; of a SparseTensor the names of its three parts."""
    found = message("TensorInfo")()
    found.dtype = int(tensor.dtype.base_dtype)
    protos.write_shape(tensor.get_shape(), found.tensor_shape)
    if isinstance(tensor, SparseTensor):
        parts = found.coo_sparse
        parts.values_tensor_name, parts.indices_tensor_name = tensor.values.name, tensor.indices.name
        parts.dense_shape_tensor_name = tensor.shape.name if hasattr(tensor.shape, "name") else tensor.dense_shape.name
    else:
        found.name = tensor.name
    return found


def get_tensor_from_tensor_info(tensor_info: Any, graph: Any = None, import_scope: str | None = None) -> Any:
    """The tensor or SparseTensor that a TensorInfo names, in a graph."""
    graph = graph or get_default_graph()
    prefix = f"{import_scope}/" if import_scope else ""

    def named(name: str) -> Any:
        return graph.get_tensor_by_name(prefix + name)

    kind = tensor_info.WhichOneof("encoding")
    if kind == "name":
        return named(tensor_info.name)
    if kind == "coo_sparse":
        from refflow.compat.v1.sparse_tensor import SparseTensor as Made

        parts = tensor_info.coo_sparse
        return Made(named(parts.indices_tensor_name), named(parts.values_tensor_name),
                    named(parts.dense_shape_tensor_name))  # fmt: skip
    raise ValueError(f"Invalid TensorInfo.encoding: {kind}. Expected `coo_sparse`, or `name` for a dense tensor.")


def build_signature_def(
    inputs: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None, method_name: str | None = None,
    defaults: Any = None,
) -> Any:  # fmt: skip
    """A SignatureDef of TensorInfos by name."""
    found = message("SignatureDef")()
    for side, given in ((found.inputs, inputs), (found.outputs, outputs)):
        for key, info in (given or {}).items():
            side[key].ParseFromString(info.SerializeToString())
    found.method_name = method_name or ""
    return found


def predict_signature_def(inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Any:
    """A signature of any tensors."""
    for what, given in (("inputs", inputs), ("outputs", outputs)):
        if not given:
            raise ValueError(f"Prediction `{what}` cannot be None or empty.")
    infos = [{key: build_tensor_info(x) for key, x in given.items()} for given in (inputs, outputs)]
    return build_signature_def(infos[0], infos[1], names.PREDICT_METHOD_NAME)


def _examples(examples: Any, what: str) -> dict[str, Any]:
    if examples is None:
        raise ValueError(f"{what} `examples` cannot be None.")
    if not hasattr(examples, "op"):
        raise ValueError(f"{what} `examples` must be a string Tensor.")
    info = build_tensor_info(examples)
    if info.dtype != int(string):
        raise ValueError(f"{what} `examples` must be a string Tensor.")
    return {names.REGRESS_INPUTS: info}


def regression_signature_def(examples: Any, predictions: Any) -> Any:
    """A signature from serialized Examples to numbers."""
    inputs = _examples(examples, "Regression")
    if predictions is None:
        raise ValueError("Regression `predictions` cannot be None.")
    output = build_tensor_info(predictions)
    if protos.read_type(output.dtype).name != "float32":
        raise ValueError("Regression output must be a float Tensor.")
    return build_signature_def(inputs, {names.REGRESS_OUTPUTS: output}, names.REGRESS_METHOD_NAME)


def classification_signature_def(examples: Any, classes: Any, scores: Any) -> Any:
    """A signature from serialized Examples to classes, scores or both."""
    inputs = _examples(examples, "Classification")
    if classes is None and scores is None:
        raise ValueError("Classification `classes` and `scores` cannot both be None.")
    outputs = {}
    for key, given, wanted in (
        (names.CLASSIFY_OUTPUT_CLASSES, classes, "string"), (names.CLASSIFY_OUTPUT_SCORES, scores, "float32"),
    ):  # fmt: skip
        if given is not None:
            outputs[key] = build_tensor_info(convert_to_tensor(given))
            if protos.read_type(outputs[key].dtype).name != wanted:
                called = "string" if wanted == "string" else "float"
                raise ValueError(f"Classification {key} must be a {called} Tensor.")
    return build_signature_def(inputs, outputs, names.CLASSIFY_METHOD_NAME)


def is_valid_signature(signature_def: Any) -> bool:
    """Whether a signature has what its method needs."""
    if signature_def is None:
        return False
    kinds = [{k: protos.read_type(v.dtype).name for k, v in side.items()}
             for side in (signature_def.inputs, signature_def.outputs)]  # fmt: skip
    inputs, outputs = kinds
    method = signature_def.method_name
    if method == names.PREDICT_METHOD_NAME:
        return bool(inputs and outputs)
    if method == names.REGRESS_METHOD_NAME:
        return inputs == {names.REGRESS_INPUTS: "string"} and outputs == {names.REGRESS_OUTPUTS: "float32"}
    if method == names.CLASSIFY_METHOD_NAME:
        known = {names.CLASSIFY_OUTPUT_CLASSES: "string", names.CLASSIFY_OUTPUT_SCORES: "float32"}
        return inputs == {names.CLASSIFY_INPUTS: "string"} and bool(outputs) and outputs.items() <= known.items()
    return False
