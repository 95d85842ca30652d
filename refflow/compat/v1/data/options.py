"""Options: what a program tells a dataset about speed and order. They are kept and change no element.

    options = tf.data.Options();  options.experimental_deterministic = False;  dataset.with_options(options)

Next: compat/v1/data/nodes.py.
"""

from __future__ import annotations

import enum
from typing import Any


class _Settings:
    """Attributes that may be set; None until they are. A name that is none of them is an error."""

    _names: tuple[str, ...] = ()
    _nested: dict[str, type[_Settings]] = {}  # noqa: RUF012

    def __init__(self) -> None:
        for name in self._names:
            object.__setattr__(self, name, None)
        for name, kind in self._nested.items():
            object.__setattr__(self, name, kind())

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._names and name not in self._nested:
            raise AttributeError(f"Cannot set the property {name} on {type(self).__name__}.")
        object.__setattr__(self, name, value)

    def merge(self, other: Any) -> Any:
        """A new object of these settings and those of `other`, which count where both are set."""
        if type(other) is not type(self):
            raise TypeError(f"expected {type(self).__name__}, got {type(other)}")
        found = type(self)()
        for name in self._names:
            theirs = getattr(other, name)
            setattr(found, name, getattr(self, name) if theirs is None else theirs)
        for name in self._nested:
            setattr(found, name, getattr(self, name).merge(getattr(other, name)))
        return found

    def __eq__(self, other: Any) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class AutoShardPolicy(enum.IntEnum):
    """How workers share the elements; there is one."""

    OFF = -1
    AUTO = 0
    FILE = 1
    DATA = 2
    HINT = 3


class ExternalStatePolicy(enum.Enum):
    """What becomes of state outside a dataset that is written down; none is."""

    WARN = 0
    IGNORE = 1
    FAIL = 2


class AutotuneAlgorithm(enum.Enum):
    """How good numbers of threads and buffers would be looked for."""

    DEFAULT = 0
    HILL_CLIMB = 1
    GRADIENT_DESCENT = 2
    MAX_PARALLELISM = 3
    STAGE_BASED = 4


class ThreadingOptions(_Settings):
    """How many threads; everything happens in the thread that asks."""

    _names = ("max_intra_op_parallelism", "private_threadpool_size")


class OptimizationOptions(_Settings):
    """Which rewrites of the pipeline."""

    _names = (
        "apply_default_optimizations", "autotune", "autotune_buffers", "autotune_cpu_budget", "autotune_ram_budget",
        "filter_fusion", "filter_parallelization", "filter_with_random_uniform_fusion", "hoist_random_uniform",
        "inject_prefetch", "map_and_batch_fusion", "map_and_filter_fusion", "map_fusion", "map_parallelization",
        "noop_elimination", "parallel_batch", "reorder_data_discarding_ops", "seq_interleave_prefetch",
        "shuffle_and_repeat_fusion",
    )  # fmt: skip


class AutotuneOptions(_Settings):
    """How hard to look for good numbers of threads and buffers."""

    _names = ("autotune_algorithm", "cpu_budget", "enabled", "initial_parallelism", "min_parallelism", "ram_budget")


class DistributeOptions(_Settings):
    """How workers share the elements; there is one."""

    _names = ("auto_shard_policy", "num_devices")


class Options(_Settings):
    """All of them."""

    _names = (
        "dataset_name", "deterministic", "experimental_deterministic", "experimental_external_state_policy",
        "experimental_numa_aware", "experimental_slack", "experimental_stats", "experimental_symbolic_checkpoint",
        "experimental_warm_start", "framework_type",
    )  # fmt: skip
    _nested = {  # noqa: RUF012
        "autotune": AutotuneOptions, "experimental_distribute": DistributeOptions,
        "experimental_optimization": OptimizationOptions, "experimental_threading": ThreadingOptions,
        "threading": ThreadingOptions,
    }  # fmt: skip
