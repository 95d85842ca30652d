"""How a session runs: TensorFlow's ConfigProto, and refflow's own choices.

Next: runtime/session.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class ConfigProto:
    """Options of a session.

    executor: "plan", the compiled one, or "executor", the one to read and to step through.
    kernels: "fast", or "reference" for the pages' own kernels only. policy: which ready node the executor
    runs next (runtime/policy.py). optimize: fold, merge and skip nodes; by default where the plan runs.
    """

    device_count: dict[str, int] = field(default_factory=dict)
    intra_op_parallelism_threads: int = 0
    inter_op_parallelism_threads: int = 0
    allow_soft_placement: bool = False
    log_device_placement: bool = False
    executor: str = "plan"
    kernels: str = "fast"
    policy: Any = "fifo"
    optimize: bool | None = None
    merge_common_subexpressions: bool = False  # off in the first release [E08]

    def __post_init__(self) -> None:
        for name, allowed in (("executor", ("plan", "executor")), ("kernels", ("fast", "reference"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be {' or '.join(allowed)}, got {getattr(self, name)!r}")
