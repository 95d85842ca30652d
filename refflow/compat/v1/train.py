"""tf.train of 1.x: the first release's optimizers, rates, queues and savers with today's arguments.

Next: compat/v1/monitored.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from refflow.compat.v1 import batches, coordinator, input, queue_runner
from refflow.compat.v1.batches import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.coordinator import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.input import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.messages import (
    BytesList,
    Example,
    Feature,
    FeatureList,
    FeatureLists,
    Features,
    FloatList,
    Int64List,
    SequenceExample,
)
from refflow.compat.v1.monitored import (
    CheckpointSaverHook,
    LoggingTensorHook,
    MonitoredTrainingSession,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
    SingularMonitoredSession,
    StopAtStepHook,
    SyncReplicasHook,
)
from refflow.compat.v1.queue_runner import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.replicas import replica_device_setter
from refflow.compat.v1.variables import create_global_step, get_global_step, get_or_create_global_step
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.ops.cast import cast
from refflow.ops.training import APPLY
from refflow.ops.variable import Variable
from refflow.train import (
    AdagradOptimizer,
    AdamOptimizer,
    CheckpointState,
    ClusterSpec,
    ExponentialMovingAverage,
    FtrlOptimizer,
    GradientDescentOptimizer,
    Optimizer,
    SaverDef,
    Server,
    checkpoint_exists,
    exponential_decay,
    export_meta_graph,
    get_checkpoint_state,
    global_step,
    latest_checkpoint,
    summary_iterator,
    update_checkpoint_state,
    write_graph,
)
from refflow.train import MomentumOptimizer as FirstMomentum
from refflow.train import RMSPropOptimizer as FirstRMSProp
from refflow.train import Saver as FirstSaver
from refflow.train import import_meta_graph as first_import
from refflow.train.sync_replicas import SyncReplicasOptimizer as FirstSyncReplicas

__all__ = [
    *batches.__all__,
    *coordinator.__all__,
    *input.__all__,
    *queue_runner.__all__,
    "AdadeltaOptimizer",
    "AdagradOptimizer",
    "AdamOptimizer",
    "BytesList",
    "CheckpointSaverHook",
    "CheckpointState",
    "ClusterSpec",
    "Example",
    "ExponentialMovingAverage",
    "Feature",
    "FeatureList",
    "FeatureLists",
    "Features",
    "FloatList",
    "FtrlOptimizer",
    "GradientDescentOptimizer",
    "Int64List",
    "LoggingTensorHook",
    "MomentumOptimizer",
    "MonitoredTrainingSession",
    "Optimizer",
    "RMSPropOptimizer",
    "Saver",
    "SaverDef",
    "SequenceExample",
    "Server",
    "SessionRunArgs",
    "SessionRunContext",
    "SessionRunHook",
    "SessionRunValues",
    "SingularMonitoredSession",
    "StopAtStepHook",
    "SyncReplicasOptimizer",
    "checkpoint_exists",
    "create_global_step",
    "exponential_decay",
    "export_meta_graph",
    "get_checkpoint_state",
    "get_global_step",
    "get_or_create_global_step",
    "global_step",
    "import_meta_graph",
    "inverse_time_decay",
    "latest_checkpoint",
    "piecewise_constant",
    "polynomial_decay",
    "replica_device_setter",
    "summary_iterator",
    "update_checkpoint_state",
    "write_graph",
]  # fmt: skip

# -- optimizers --------------------------------------------------------------------------------------------------


class SyncReplicasOptimizer(FirstSyncReplicas):
    """Replicas that take a step together, with a hook for monitored sessions."""

    def make_session_run_hook(self, is_chief: bool, num_tokens: int = -1) -> SyncReplicasHook:
        """What prepares a replica's session, and for the chief starts its thread."""
        return SyncReplicasHook(self, is_chief, num_tokens)


class MomentumOptimizer(FirstMomentum):
    """use_nesterov: the gradient counts as if the momentum had been taken already."""

    def __init__(self, learning_rate: Any, momentum: Any, use_locking: bool = False, name: str = "Momentum",
                 use_nesterov: bool = False):  # fmt: skip
        super().__init__(learning_rate, momentum, use_locking, name)
        self._nesterov = use_nesterov

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        rate, momentum = self._settings(variable)
        return APPLY["ApplyMomentum"](
            variable.ref(), self._slot(variable, "momentum").ref(), rate, gradient, momentum,
            use_locking=self._use_locking, use_nesterov=self._nesterov,
        ).op  # fmt: skip


class RMSPropOptimizer(FirstRMSProp):
    """The first release's, whose decay had no default."""

    def __init__(self, learning_rate: Any, decay: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-10,
                 use_locking: bool = False, centered: bool = False, name: str = "RMSProp"):  # fmt: skip
        if centered:
            raise ValueError("RMSPropOptimizer without centered only")
        super().__init__(learning_rate, decay, momentum, epsilon, use_locking, name)


class AdadeltaOptimizer(Optimizer):
    """Steps in the scale of the steps before: no rate to find.

    Zeiler, "ADADELTA: an adaptive learning rate method", 2012.
    """

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-8, use_locking: bool = False,
                 name: str = "Adadelta"):  # fmt: skip
        super().__init__(use_locking, name)
        self._given = (learning_rate, rho, epsilon)

    def _create_slots(self, variables: list[Variable]) -> None:
        for variable in variables:
            self._slot(variable, "accum")
            self._slot(variable, "accum_update")

    def _apply_dense(self, gradient: Tensor, variable: Variable) -> Operation:
        slots = (self._slot(variable, name).ref() for name in ("accum", "accum_update"))
        numbers = (self._number(value, variable) for value in self._given)
        return op_def("ApplyAdadelta")(variable.ref(), *slots, *numbers, gradient, use_locking=self._use_locking).op


def polynomial_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, end_learning_rate: float = 0.0001, power: float = 1.0,
    cycle: bool = False, name: str | None = None,
) -> Tensor:  # fmt: skip
    """From learning_rate to end_learning_rate in decay_steps along (1 - step / decay_steps) ** power."""
    if cycle:
        raise ValueError("polynomial_decay without cycle only")
    with op_scope([], name, "PolynomialDecay"):
        rate = convert_to_tensor(learning_rate)
        steps = cast(convert_to_tensor(decay_steps), rate.dtype)
        done = op_def("Minimum")(cast(convert_to_tensor(global_step), rate.dtype), steps) / steps
        return (rate - end_learning_rate) * op_def("Pow")(1 - done, power) + end_learning_rate


def piecewise_constant(x: Any, boundaries: Sequence[Any], values: Sequence[float], name: str | None = None) -> Tensor:
    """values[i] for x above boundaries[i - 1] and up to boundaries[i]."""
    with op_scope([], name, "PiecewiseConstant"):
        x = convert_to_tensor(x)
        beyond = op_def("Greater")(x, convert_to_tensor(list(boundaries), x.dtype.base_dtype))
        place = op_def("Sum")(cast(beyond, "int32"), 0)
        return op_def("Gather")(convert_to_tensor(list(values)), place)


def inverse_time_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: float, staircase: bool = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """learning_rate / (1 + decay_rate * step / decay_steps)."""
    with op_scope([], name, "InverseTimeDecay"):
        rate = convert_to_tensor(learning_rate)
        periods = cast(convert_to_tensor(global_step), rate.dtype) / cast(convert_to_tensor(decay_steps), rate.dtype)
        return rate / (1 + decay_rate * (op_def("Floor")(periods) if staircase else periods))


# -- savers ------------------------------------------------------------------------------------------------------


class Saver(FirstSaver):
    """The first release's, with 1.x's arguments; what is to be saved is found when it is made."""

    def __init__(
        self, var_list: Any = None, reshape: bool = False, sharded: bool = False, max_to_keep: int = 5,
        keep_checkpoint_every_n_hours: float = 10000.0, name: str | None = None, restore_sequentially: bool = False,
        saver_def: Any = None, builder: Any = None, defer_build: bool = False, allow_empty: bool = False,
        write_version: int = 2, pad_step_number: bool = False, save_relative_paths: bool = False,
        filename: str | None = None,
    ):  # fmt: skip
        super().__init__(var_list, reshape, sharded, max_to_keep, keep_checkpoint_every_n_hours, name,
                         restore_sequentially, saver_def, builder)  # fmt: skip

    def save(
        self, sess: Any, save_path: str, global_step: Any = None, latest_filename: str | None = None,
        meta_graph_suffix: str = "meta", write_meta_graph: bool | None = None, write_state: bool = True,
    ) -> str:  # fmt: skip
        """As the first release's, with the graph beside it in PATH.meta; by default where protobuf is installed."""
        before = set(self.last_checkpoints)
        path = super().save(sess, save_path, global_step, latest_filename)
        if write_meta_graph or (write_meta_graph is None and _can_write_graphs()):
            export_meta_graph(f"{path}.{meta_graph_suffix}", saver_def=self.saver_def, graph=sess.graph)
        for old in before - set(self.last_checkpoints):
            with suppress(FileNotFoundError):
                os.remove(f"{old}.{meta_graph_suffix}")
        return path

    def export_meta_graph(self, filename: str | None = None, collection_list: Any = None, as_text: bool = False) -> Any:
        """The default graph with this Saver, as a MetaGraphDef."""
        return export_meta_graph(filename, None, None, self.saver_def, collection_list, as_text)


def import_meta_graph(meta_graph_or_file: Any, clear_devices: bool = False, import_scope: str | None = None) -> Any:
    """Adds a MetaGraph's nodes and collections to the default graph; its Saver, or None where it has none."""
    found = first_import(meta_graph_or_file, clear_devices, import_scope)
    return None if found is None else Saver(saver_def=found.saver_def)


def _can_write_graphs() -> bool:
    """Whether the protobuf library is there."""
    from refflow.interop.schema import protobuf

    try:
        return protobuf() is not None
    except ImportError:
        return False
