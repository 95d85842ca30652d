"""How a session runs: TensorFlow's ConfigProto, and refflow's own choices.

Next: runtime/session.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class GPUOptions:
    """How much of a card's memory a session may take: a fraction, or what it needs as it grows."""

    per_process_gpu_memory_fraction: float = 0.0
    allow_growth: bool = False


@dataclass
class ConfigProto:
    """Options of a session.

    intra_op_parallelism_threads: how many threads large kernels may use; 0 for one on each core (runtime/cores.py).

    inter_op_parallelism_threads, placement_period, device_filters and gpu_options are TensorFlow's and change nothing
    here: one thread runs the nodes of a step, and the allocator of a card is torch's.

    operation_timeout_in_ms: after so many a run is a DeadlineExceededError; 0 is never.

    executor: "plan", the compiled one, or "executor", the one to read and to step through.
    kernels: "fast", or "reference" for the pages' own kernels only. policy: which ready node the executor
    runs next (runtime/policy.py). optimize: fold, merge and skip nodes; by default where the plan runs.
    check_merges: a Merge of the executor waits for all its inputs, and two live ones are always an error; else they
    are one if both are there when it runs. A plan has no such Merges.

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
    placement_period: int = 0
    device_filters: list[str] = field(default_factory=list)
    gpu_options: GPUOptions = field(default_factory=GPUOptions)
    allow_soft_placement: bool = False
    log_device_placement: bool = False
    operation_timeout_in_ms: int = 0
    executor: str = "plan"
    kernels: str = "fast"
    policy: Any = "patient"
    optimize: bool | None = None
    merge_common_subexpressions: bool = False  # off in the first release [E08]
    check_merges: bool = False  # the first release does not wait [E24]
    placer: str = "simple"  # what the first release has [E09]
    costs: Any = None
    schedule_receives: bool = False  # off in the first release's session [E10]
    recompute: Any = None
    swap: bool = False
    lossy_transfers: bool | Callable[[str], bool] = False  # never in the first release's session [E11]

    def __post_init__(self) -> None:
        choices = {"executor": ("plan", "executor"), "kernels": ("fast", "reference"), "placer": ("simple", "greedy")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be {' or '.join(allowed)}, got {getattr(self, name)!r}")


@dataclass
class RunOptions:
    """How one run is done: TensorFlow's RunOptions.

    timeout_in_ms: after so many the run is a DeadlineExceededError; 0 is the session's own timeout.
    """

    timeout_in_ms: int = 0
