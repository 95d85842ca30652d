"""Options of TensorFlow's that name its own passes, threads and cards: kept for programs that set them.

    RewriterConfig      passes over a graph; what switches all or the folding off holds here too
    GPUOptions          how a card's memory is taken: here by torch's allocator
    Experimental        what TensorFlow tries out

Next: runtime/config.py.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar


class Options:
    """Fields that are set by name, and what programs do with messages of options."""

    def CopyFrom(self, other: Any) -> None:
        """Takes all fields of another one of its kind."""
        if type(other) is not type(self):
            raise TypeError(f"CopyFrom of a {type(self).__name__} takes another one, got {type(other).__name__}")
        for each in fields(self):  # type: ignore[arg-type]  # each kind is a dataclass
            setattr(self, each.name, copy.deepcopy(getattr(other, each.name)))

    def MergeFrom(self, other: Any) -> None:
        """Takes the fields that another one of its kind has set: lists are added to, parts are merged."""
        fresh = type(self)()
        for each in fields(self):  # type: ignore[arg-type]
            mine, given = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Options):
                mine.MergeFrom(given)
            elif isinstance(mine, list):
                mine.extend(given)
            elif isinstance(mine, dict):
                mine.update(given)
            elif given != getattr(fresh, each.name):
                setattr(self, each.name, given)


class Several(list[Any]):
    """A repeated field of parts: add() appends one and gives it back."""

    def __init__(self, kind: type, values: Any = ()):
        super().__init__(values)
        self._kind = kind

    def add(self, **values: Any) -> Any:
        """A new part at the end, with these fields."""
        self.append(self._kind(**values))
        return self[-1]


@dataclass
class ThreadPoolOptionProto(Options):
    """A pool of threads; steps here run in the caller's."""

    num_threads: int = 0
    global_name: str = ""


@dataclass
class GPUOptions(Options):
    """How much of a card's memory a session may take: a fraction, or what it needs as it grows."""

    per_process_gpu_memory_fraction: float = 0.0
    allow_growth: bool = False
    allocator_type: str = ""
    deferred_deletion_bytes: int = 0
    visible_device_list: str = ""
    polling_active_delay_usecs: int = 0
    polling_inactive_delay_msecs: int = 0
    force_gpu_compatible: bool = False


@dataclass
class RewriterConfig(Options):
    """Which passes may change a graph. A session does none of its own where `constant_folding` is OFF, or all are."""

    cpu_layout_conversion: int = 0
    layout_optimizer: int = 0
    constant_folding: int = 0
    shape_optimization: int = 0
    remapping: int = 0
    common_subgraph_elimination: int = 0
    arithmetic_optimization: int = 0
    dependency_optimization: int = 0
    loop_optimization: int = 0
    function_optimization: int = 0
    debug_stripper: int = 0
    disable_model_pruning: bool = False
    scoped_allocator_optimization: int = 0
    pin_to_host_optimization: int = 0
    implementation_selector: int = 0
    auto_mixed_precision: int = 0
    auto_mixed_precision_mkl: int = 0
    auto_mixed_precision_onednn_bfloat16: int = 0
    auto_mixed_precision_cpu: int = 0
    disable_meta_optimizer: bool = False
    disable_tfg_optimizer: bool = False
    use_plugin_optimizers: int = 0
    experimental_conditional_code_motion: int = 0
    meta_optimizer_iterations: int = 0
    min_graph_nodes: int = 0
    memory_optimization: int = 0
    memory_optimizer_target_node_name_scope: str = ""
    meta_optimizer_timeout_ms: int = 0
    fail_on_optimizer_errors: bool = False
    optimizers: list[str] = field(default_factory=list)
    DEFAULT: ClassVar[int] = 0
    ON: ClassVar[int] = 1
    OFF: ClassVar[int] = 2
    AGGRESSIVE: ClassVar[int] = 3
    DEFAULT_NUM_ITERS: ClassVar[int] = 0
    ONE: ClassVar[int] = 1
    TWO: ClassVar[int] = 2
    DEFAULT_MEM_OPT: ClassVar[int] = 0
    NO_MEM_OPT: ClassVar[int] = 1
    MANUAL: ClassVar[int] = 2
    HEURISTICS: ClassVar[int] = 3
    SWAPPING_HEURISTICS: ClassVar[int] = 4
    RECOMPUTATION_HEURISTICS: ClassVar[int] = 5
    SCHEDULING_HEURISTICS: ClassVar[int] = 6
    NO_CONVERSION_ON_CPU: ClassVar[int] = 0
    NCHW_TO_NHWC: ClassVar[int] = 1
    NHWC_TO_NCHW: ClassVar[int] = 2

    @property
    def switches_off(self) -> bool:
        """Whether a step's graph is to run as it was built."""
        return self.disable_meta_optimizer or self.constant_folding == self.OFF


@dataclass
class Experimental(Options):
    """What TensorFlow's sessions try out. executor_type and the rest change nothing here."""

    collective_group_leader: str = ""
    executor_type: str = ""
    recv_buf_max_chunk: int = 0
    use_numa_affinity: bool = False
    collective_deterministic_sequential_execution: bool = False
    collective_nccl: bool = False
    share_session_state_in_clusterspec_propagation: bool = False
    disable_thread_spinning: bool = False
    share_cluster_devices_in_session: bool = False
    optimize_for_static_graph: bool = False
    enable_mlir_bridge: bool = False
    enable_mlir_graph_optimization: bool = False
    disable_output_partition_graphs: bool = False
    xla_fusion_autotuner_thresh: int = 0
    use_tfrt: bool = False
    disable_functional_ops_lowering: bool = False
    xla_prefer_single_graph_cluster: bool = False


@dataclass
class RunExperimental(Options):
    """What TensorFlow's runs try out; it changes nothing here."""

    collective_graph_key: int = 0
    use_run_handler_pool: bool = False


@dataclass
class TensorConnection(Options):
    """The value of one tensor in the place of another, by their names."""

    from_tensor: str = ""
    to_tensor: str = ""
