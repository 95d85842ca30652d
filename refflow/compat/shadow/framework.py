"""Names that only the inner modules of `tensorflow.python.framework` had: conversions, scopes' names, known values.

Next: compat/shadow/aliases.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from refflow.compat.v1.names import init_scope as init_scope
from refflow.core.constants import constant_value as _constant_value
from refflow.core.control import with_dependencies as with_dependencies
from refflow.core.convert import convert_n_to_tensor as convert_n_to_tensor
from refflow.core.convert import convert_to_tensor as _tensor
from refflow.core.errors import OpError as OpError
from refflow.core.gradients import NoGradient
from refflow.core.gradients import get_gradient_function as get_gradient_function
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.graphdef import LABEL
from refflow.core.registry import find_op_def
from refflow.core.shape_rules import RegisterShape as RegisterShape
from refflow.core.shapes import Dimension, TensorShape, broadcast
from refflow.core.sparse_tensor import SparseTensor
from refflow.ops.conditionals import case, cond
from refflow.ops.random import DEFAULT_GRAPH_SEED as DEFAULT_GRAPH_SEED
from refflow.ops.random import get_seed as _seeds
from refflow.ops.random import set_random_seed as set_random_seed
from refflow.runtime.feeds import register_feeds
from refflow.runtime.signature import is_fetched_in_parts, register_fetches

NotDifferentiable = no_gradient = NoGradient

# -- ops -----------------------------------------------------------------------------------------------------------


def internal_convert_to_tensor(
    value: Any, dtype: Any = None, name: str | None = None, as_ref: bool = False, preferred_dtype: Any = None,
    **unused: Any,
) -> Tensor:  # fmt: skip
    """A tensor of the value; of `preferred_dtype`, where that can be and no other is asked for."""
    if dtype is None and preferred_dtype is not None and not isinstance(value, Tensor):
        try:
            return _tensor(value, preferred_dtype, name, as_ref)
        except (TypeError, ValueError):
            pass  # it was a wish
    return _tensor(value, dtype, name, as_ref)


def convert_to_tensor_or_sparse_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A SparseTensor as it is, anything else as a tensor."""
    return value if isinstance(value, SparseTensor) else _tensor(value, dtype, name)


@contextmanager
def NullContextmanager(*unused: Any, **also_unused: Any) -> Iterator[None]:
    """Nothing before, and nothing after."""
    yield


def get_name_scope() -> str:
    """The scope that is open, without its slash."""
    return get_default_graph()._name_stack


def strip_name_scope(name: str, export_scope: str | None) -> str:
    """The name without the scope that it begins with, of a control input or a colocation group too."""
    mark, text = _marked(name)
    return mark + text.removeprefix(f"{export_scope}/") if export_scope else name


def prepend_name_scope(name: str, import_scope: str | None) -> str:
    """The name inside a scope, of a control input or a colocation group too."""
    mark, text = _marked(name)
    return f"{mark}{import_scope.removesuffix('/')}/{text}" if import_scope else name


def _marked(name: str) -> tuple[str, str]:
    """What says that a name is a control input's or a colocation group's, and the name."""
    mark = next((m for m in ("^", LABEL) if name.startswith(m)), "")
    return mark, name.removeprefix(mark)


def get_all_collection_keys() -> list[Any]:
    """The names of the default graph's collections."""
    return get_default_graph().get_all_collection_keys()


def has_default_graph() -> bool:
    """Whether a graph was made the default one, or is there by itself: always."""
    return True


def is_dense_tensor_like(value: Any) -> bool:
    """Whether the value is a tensor, or stands for one."""
    return isinstance(value, Tensor)


is_tensor = is_tf_type = is_dense_tensor_like
_TensorLike = Tensor


def get_seed(op_seed: int | None) -> tuple[int | None, int | None]:
    """The two seeds of an op that is built now; (None, None) where it has neither a seed nor its graph one."""
    if op_seed is None and get_default_graph().seed is None:
        return None, None
    return _seeds(op_seed)


_uids = iter(range(1, 2**62))


def uid() -> int:
    """A number that nobody had before."""
    return next(_uids)


def executing_eagerly_outside_functions() -> bool:
    """False: whatever is called builds a graph."""
    return False


def tensor_id(tensor: Tensor) -> int:
    """A number of the tensor's own."""
    return id(tensor)


def register_session_run_conversion_functions(
    tensor_type: type, fetch_function: Any, feed_function: Any = None, feed_function_for_partial_run: Any = None
) -> None:
    """What is of this type is fetched and fed in parts, as Session.run does with a SparseTensor.

    ValueError where that was said before.
    """
    if is_fetched_in_parts(tensor_type):
        raise ValueError(f"{tensor_type} has already been registered so ignore it.")
    register_fetches(tensor_type, fetch_function)
    if feed_function is not None:
        register_feeds(tensor_type, feed_function, feed_function_for_partial_run)


def GraphOrParentsInXlaContext(graph: Any) -> bool:
    """False: nothing is compiled by XLA."""
    return False


def shape_internal(input: Any, name: str | None = None, optimize: bool = True, out_type: Any = None) -> Tensor:
    """The shape of a tensor, as a node."""
    from refflow.compat.v1 import shape

    return shape(input, name, out_type)


# -- known values and shapes -----------------------------------------------------------------------------------------


def constant_value(tensor: Any, partial: bool = False) -> Any:
    """What the tensor is known to be, else None; what is no tensor as it is."""
    return _constant_value(tensor) if isinstance(tensor, Tensor) else tensor


def constant_value_as_shape(tensor: Tensor) -> TensorShape:
    """The shape that a vector of sizes says, as far as it is known; -1 is not."""
    known = constant_value(tensor)
    if known is not None:
        return TensorShape([None if size < 0 else int(size) for size in np.ravel(known)])
    dims = tensor.get_shape().as_list()
    return TensorShape(None if dims[0] is None else [None] * dims[0])


def unknown_shape(ndims: int | None = None, rank: int | None = None) -> TensorShape:
    """A shape of which at most the rank is known."""
    count = ndims if rank is None else rank
    return TensorShape(None if count is None else [None] * count)


def as_shape(shape: Any) -> TensorShape:
    """The same as a TensorShape."""
    return shape if isinstance(shape, TensorShape) else TensorShape(shape)


def as_dimension(value: Any) -> Dimension:
    """The same as a Dimension."""
    return value if isinstance(value, Dimension) else Dimension(value)


def scalar_shape(op: Operation) -> list[TensorShape]:
    """A shape function: no dimensions."""
    return [TensorShape([])]


def unchanged_shape(op: Operation) -> list[TensorShape]:
    """A shape function: that of the first input."""
    return [op.inputs[0].get_shape()]


def broadcast_shape(shape_x: TensorShape, shape_y: TensorShape) -> TensorShape:
    """The shape of what an elementwise operation makes of two shapes."""
    return TensorShape(broadcast(as_shape(shape_x).as_tuple, as_shape(shape_y).as_tuple))


def ShapeEquals(tensor_proto: Any, shape: Any) -> bool:
    """Whether a TensorProto's sizes are these."""
    return [d.size for d in tensor_proto.tensor_shape.dim] == list(as_shape(shape).as_list())


def TensorShapeProtoToList(shape: Any) -> list[int]:
    """The sizes in a TensorShapeProto."""
    return [d.size for d in shape.dim]


def smart_constant_value(pred: Any) -> Any:
    """Whether it is true, where that is known; else None."""
    if isinstance(pred, Tensor):
        known = constant_value(pred)
        return None if known is None else bool(known)
    if isinstance(pred, (bool, np.bool_)) or (isinstance(pred, (int, np.integer)) and pred in (0, 1)):
        return bool(pred)
    raise TypeError(
        "Argument `pred` must be a Tensor, or a Python bool, or 1 or 0. Received: pred="
        f"{pred} of type {type(pred).__name__}"
    )


def smart_cond(
    pred: Any, true_fn: Callable[[], Any] | None = None, false_fn: Callable[[], Any] | None = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """`cond`, but where it is known which side is taken only that is built."""
    if not callable(true_fn):
        raise TypeError(f"Argument `true_fn` must be callable. Received {true_fn}")
    if not callable(false_fn):
        raise TypeError(f"Argument `false_fn` must be callable. Received {false_fn}")
    known = smart_constant_value(pred)
    if known is None:
        return cond(pred, true_fn, false_fn, name=name)
    return true_fn() if known else false_fn()


def smart_case(pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, name: str = "smart_case") -> Any:
    """`case`, but where it is known which function is taken only that is called."""
    pairs = list(pred_fn_pairs.items()) if isinstance(pred_fn_pairs, dict) else list(pred_fn_pairs)
    if not pairs or not all(isinstance(pair, tuple) and len(pair) == 2 and callable(pair[1]) for pair in pairs):
        raise TypeError(f"Each entry in 'pred_fn_pairs' must be a 2-tuple of a predicate and a function, got {pairs}")
    for i, (pred, function) in enumerate(pairs):
        known = smart_constant_value(pred)
        if known is None:
            return case(pairs[i:], default, exclusive, name=name)
        if known:
            return function()
    if default is None:
        raise TypeError("smart_case: no predicate is true, and there is no default")
    return default()


def get(name: str) -> Any:
    """The op type's definition, or None."""
    return find_op_def(name)


def list_local_devices(session_config: Any = None) -> list[Any]:
    """The devices of this process's sessions, with the fields of DeviceAttributes."""
    from refflow.runtime.session import Session

    with Session(config=session_config) as session:
        names = [str(getattr(d, "name", d)) for d in session.list_devices()]
    return [
        SimpleNamespace(name=n, device_type=n.rpartition("device:")[2].partition(":")[0] or "CPU",
                        memory_limit=0, incarnation=i, physical_device_desc="")
        for i, n in enumerate(names)
    ]  # fmt: skip
