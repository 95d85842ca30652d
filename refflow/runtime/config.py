"""How a session runs: TensorFlow's ConfigProto, and refflow's own choices.

Next: runtime/session.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from refflow.runtime.rewrites import (
    Experimental,
    GPUOptions,
    Options,
    RewriterConfig,
    RunExperimental,
    Several,
    TensorConnection,
    ThreadPoolOptionProto,
)


@dataclass
class OptimizerOptions(Options):
    """What may be done to a step's graph. opt_level: L1 is whatever the session does by itself, L0 nothing.

    The other fields are for TensorFlow's passes and compilers, and change nothing here.
    """

    do_common_subexpression_elimination: bool = False
    opt_level: int = 0
    do_constant_folding: bool = False
    max_folded_constant_in_bytes: int = 0
    do_function_inlining: bool = False
    global_jit_level: int = 0
    cpu_global_jit: bool = False
    L1: ClassVar[int] = 0
    L0: ClassVar[int] = -1
    DEFAULT: ClassVar[int] = 0
    OFF: ClassVar[int] = -1
    ON_1: ClassVar[int] = 1
    ON_2: ClassVar[int] = 2


@dataclass
class GraphOptions(Options):
    """How a step's graph is treated.

    build_cost_model: above 0, the metadata of a run has a cost graph. enable_bfloat16_sendrecv: float32 tensors travel
    between devices as 16 bits. infer_shapes: the session's graph_def has shapes. rewrite_options: whether the graph may
    be changed before it runs. What else there is changes nothing here: shapes are always inferred, and what is not
    asked for is pruned before the rest is placed.
    """

    optimizer_options: OptimizerOptions = field(default_factory=OptimizerOptions)
    build_cost_model: int = 0
    enable_bfloat16_sendrecv: bool = False
    enable_recv_scheduling: bool = False
    build_cost_model_after: int = 0
    infer_shapes: bool = False
    place_pruned_graph: bool = False
    timeline_step: int = 0
    rewrite_options: RewriterConfig = field(default_factory=RewriterConfig)


@dataclass
class ConfigProto(Options):
    """Options of a session.

    intra_op_parallelism_threads: how many threads large kernels may use; 0 for one on each core (runtime/cores.py).

    inter_op_parallelism_threads: more than one are for kernels with much to do, in the executor (runtime/pool.py).

    session_inter_op_thread_pool, placement_period, device_filters, gpu_options, use_per_session_threads, what is said
    of shared devices, and `experimental` are TensorFlow's and change nothing here: the allocator of a card is torch's.

    isolate_session_state: a session at a server has a state of its own, as each session of this process has.

    cluster_def: a ClusterDef, by which servers of this process work together in this one session.

    operation_timeout_in_ms: after so many a run is a DeadlineExceededError; 0 is never.

    executor: "plan", the compiled one, or "executor", the one to read and to step through.
    kernels: "fast", or "reference" for the pages' own kernels only. policy: which ready node the executor
    runs next (runtime/policy.py). optimize: fold, merge and skip nodes; by default where the plan runs.
    capture: what a step does on a card is captured after its first run and then replayed; without, each node runs by
    itself and a failure is told by its own name (runtime/capture.py).

    check_merges: a Merge of the executor waits for all its inputs, and two live ones are always an error; else they
    are one if both are there when it runs. A plan has no such Merges.

    variable_reads: "live", or "snapshot" for what an Identity gives of a variable to stay as it was read [W12].

    placer: "simple", or "greedy" to put nodes where a simulation has them done first. costs: the CostModel that the
    simulation reckons with; None is by rule. lossy_transfers: float32 tensors travel between devices as 16 bits: all,
    or those for whose name the function is true.

    What saves memory, and is off unless asked for: schedule_receives holds receives back until shortly before they are
    needed; recompute runs nodes again instead of keeping what they gave ("cheap" ones, those named, or those for whose
    name a function is true); swap keeps on the host what other devices do not need for a while.
    """

    device_count: dict[str, int] = field(default_factory=dict)
    intra_op_parallelism_threads: int = 0
    inter_op_parallelism_threads: int = 0
    session_inter_op_thread_pool: list[Any] = field(default_factory=lambda: Several(ThreadPoolOptionProto))
    placement_period: int = 0
    device_filters: list[str] = field(default_factory=list)
    gpu_options: GPUOptions = field(default_factory=GPUOptions)
    allow_soft_placement: bool = False
    log_device_placement: bool = False
    operation_timeout_in_ms: int = 0
    graph_options: GraphOptions = field(default_factory=GraphOptions)
    use_per_session_threads: bool = False
    isolate_session_state: bool = False
    cluster_def: Any = None
    share_cluster_devices_in_session: bool = False
    experimental: Experimental = field(default_factory=Experimental)
    executor: str = "plan"
    kernels: str = "fast"
    policy: Any = "patient"
    capture: bool = True
    optimize: bool | None = None
    merge_common_subexpressions: bool | None = None  # None: in plans; off in the first release [E08]
    check_merges: bool = False  # the first release does not wait [E24]
    variable_reads: str = "live"
    placer: str = "simple"  # what the first release has [E09]
    costs: Any = None
    schedule_receives: bool = False  # off in the first release's session [E10]
    recompute: Any = None
    swap: bool = False
    lossy_transfers: bool | Callable[[str], bool] = False  # never in the first release's session [E11]
    Experimental: ClassVar[type] = Experimental

    def __post_init__(self) -> None:
        choices = {"executor": ("plan", "executor"), "kernels": ("fast", "reference"), "placer": ("simple", "greedy"),
                   "variable_reads": ("live", "snapshot")}  # fmt: skip
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be {' or '.join(allowed)}, got {getattr(self, name)!r}")
        if not isinstance(self.session_inter_op_thread_pool, Several):
            self.session_inter_op_thread_pool = Several(ThreadPoolOptionProto, self.session_inter_op_thread_pool)
        optimizer, rewrites = self.graph_options.optimizer_options, self.graph_options.rewrite_options
        if self.optimize is None and (optimizer.opt_level == OptimizerOptions.L0 or rewrites.switches_off):
            self.optimize = False
        if self.merge_common_subexpressions is None:
            self.merge_common_subexpressions = self.executor == "plan" or optimizer.do_common_subexpression_elimination
        self.lossy_transfers = self.lossy_transfers or self.graph_options.enable_bfloat16_sendrecv


@dataclass
class RunOptions(Options):
    """How one run is done: TensorFlow's RunOptions.

    trace_level: above NO_TRACE, the run's metadata says when each node ran and what it made; all levels are alike here.
    timeout_in_ms: after so many the run is a DeadlineExceededError; 0 is the session's own timeout.
    output_partition_graphs: the run's metadata has the graph of each device.
    inter_op_thread_pool: one of the session's pools, or -1 for the caller's thread; here it is always that one.
    What else there is changes nothing here.
    """

    trace_level: int = 0
    timeout_in_ms: int = 0
    inter_op_thread_pool: int = 0
    output_partition_graphs: bool = False
    report_tensor_allocations_upon_oom: bool = False
    experimental: RunExperimental = field(default_factory=RunExperimental)
    Experimental: ClassVar[type] = RunExperimental
    NO_TRACE: ClassVar[int] = 0
    SOFTWARE_TRACE: ClassVar[int] = 1
    HARDWARE_TRACE: ClassVar[int] = 2
    FULL_TRACE: ClassVar[int] = 3


@dataclass
class CallableOptions(Options):
    """What a callable of a session feeds, fetches and runs, by names; tensor_connection: what is fed from the graph."""

    feed: list[str] = field(default_factory=list)
    fetch: list[str] = field(default_factory=list)
    target: list[str] = field(default_factory=list)
    run_options: RunOptions = field(default_factory=RunOptions)
    tensor_connection: list[Any] = field(default_factory=lambda: Several(TensorConnection))
    feed_devices: dict[str, str] = field(default_factory=dict)
    fetch_devices: dict[str, str] = field(default_factory=dict)
    fetch_skip_sync: bool = False
