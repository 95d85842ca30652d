"""The life of run(), from what is asked for to what can be executed.

    prune [W36] -> optimise [W48] -> place [W20, W21] -> partition [W23] -> Executor or Plan
                                          recompute, swap [W33] ^      ^ schedule receives [W49]

Each stage is one function; this page calls them in order and keeps what each one gave.

Next: runtime/session.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from refflow.core import errors, locks
from refflow.core.graph import Operation, Tensor
from refflow.core.shapes import Shape
from refflow.runtime.card_handles import by_reference
from refflow.runtime.config import ConfigProto
from refflow.runtime.costs import CostModel
from refflow.runtime.device import Device
from refflow.runtime.endings import end_chains
from refflow.runtime.executor import Executor
from refflow.runtime.fuse import fuse
from refflow.runtime.inner_products import multiply_rows
from refflow.runtime.joins import join_products
from refflow.runtime.kernels import OpStates
from refflow.runtime.loop_products import gather_in_loops
from refflow.runtime.loop_stacks import stacks_in_loops
from refflow.runtime.loosen import free_constants, skip_identities
from refflow.runtime.memory_limit import check_limits
from refflow.runtime.nodes import StepGraph, has_control_flow
from refflow.runtime.optimise import optimise, unbundle
from refflow.runtime.partition import Partition, Transfer, by_device, partition, transfers
from refflow.runtime.piecewise import update_piecewise
from refflow.runtime.place import Placement, place
from refflow.runtime.plan import Plan
from refflow.runtime.products import gather_products
from refflow.runtime.prune import CLIENT, prune
from refflow.runtime.recompute import recompute
from refflow.runtime.references import read_at_use
from refflow.runtime.savings import Saving
from refflow.runtime.schedule import hold_back_receives
from refflow.runtime.shared_factors import share_factors
from refflow.runtime.sharpen import sharpen_loops
from refflow.runtime.slices import cut_in_slices
from refflow.runtime.structure import Unstructured
from refflow.runtime.swap import swap
from refflow.runtime.turned_outside import turn_outside
from refflow.runtime.unroll import unroll
from refflow.runtime.watch import Unwatched

# What makes a step quicker whose single nodes nobody looks at.
_REWRITES = (
    free_constants, skip_identities, gather_products, share_factors, turn_outside, stacks_in_loops, gather_in_loops,
    multiply_rows, update_piecewise, fuse, join_products, end_chains, cut_in_slices,
)  # fmt: skip


@dataclass
class Stages:
    """What each stage gave."""

    pruned: StepGraph
    optimised: StepGraph
    placed: StepGraph
    placement: list[Placement]
    partitioned: StepGraph
    partitions: list[Partition]
    saving: list[Saving]  # what each rewrite against full memory saves

    unplanned: str = ""  # why no plan could be made

    @property
    def transfers(self) -> list[Transfer]:
        """What the step moves from one device to another [W24]."""
        return transfers(self.partitioned)

    @locks.uncollected()  # it makes many objects that stay
    def executable(
        self, config: ConfigProto, states: OpStates, watch: type[Unwatched] = Unwatched
    ) -> Executor | Plan:
        """The plan if it is asked for and the step's control flow has a form in Python, else the executor.

        watch: how an event log sees the plan, if it is to write one. ResourceExhaustedError for what a device's memory
        is too small for.
        """
        check_limits(self.partitioned)
        partitioned = by_reference(self.partitioned)
        if config.executor == "plan":
            try:
                step = partitioned
                if config.kernels == "fast" and not watch.each_node:
                    for rewrite in _REWRITES:
                        step = rewrite(step)
                return Plan(step, config.kernels, states, watch, config.capture)
            except Unstructured as reason:
                self.unplanned = str(reason)
        return Executor(
            partitioned, config.kernels, states, config.check_merges, config.inter_op_parallelism_threads
        )  # fmt: skip


def _all_known(step: StepGraph) -> None:
    """NotFoundError with every op type of the step that nobody has defined; a node that fits nowhere comes first."""
    unknown = [n for n in step.nodes if n.op_def.is_unknown]
    for node in unknown:
        if node.op_def.why_unknown:
            raise errors.InvalidArgumentError(node.node_def, node.origin, node.op_def.why_unknown)
    if unknown:
        names = ", ".join(f"'{t}'" for t in sorted({n.type for n in unknown}))
        raise errors.NotFoundError(
            unknown[0].node_def, unknown[0].origin, f"Op type not registered: {names}. define_op() makes new op types"
        )


def _temporaries_once(step: StepGraph) -> None:
    """AlreadyExistsError or NotFoundError where a step makes a temporary twice, or destroys one that is not there."""
    there: set[str] = set()
    for node in step.nodes:
        if node.type == "TemporaryVariable":
            name = node.attrs["var_name"] or node.name
            if name in there:
                raise errors.AlreadyExistsError(node.node_def, node.origin, f"Resource {name}/TmpVar exists already")
            there.add(name)
    for node in step.nodes if there else ():  # where there are none, the reference is another variable's
        if node.type == "DestroyTemporaryVariable":
            name = node.attrs["var_name"]
            if name not in there:
                raise errors.NotFoundError(node.node_def, node.origin, f"Resource {name}/TmpVar does not exist.")
            there.remove(name)


def simplified(pruned: StepGraph, merge: bool = False) -> StepGraph:
    """The optimised step, with all shapes that feeds and constants make known. merge: equal nodes, outside of loops."""
    step = unbundle(pruned)
    if not has_control_flow(pruned.nodes):
        return optimise(step, merge=merge)
    for _ in range(2):  # shapes tell what is constant, and constants tell more of shapes
        step = optimise(sharpen_loops(step))
    return sharpen_loops(step)


@locks.uncollected()
def build(
    feeds: Sequence[Tensor],
    fetches: Sequence[Tensor],
    targets: Sequence[Operation],
    feed_shapes: Sequence[Shape] | None,
    devices: Sequence[Device],
    remembered: dict[str, Device],
    config: ConfigProto,
    client: str = CLIENT,
) -> Stages:
    """Every stage of a step with this signature. client: the device that feeds come from and fetches go to."""
    pruned = prune(feeds, fetches, targets, feed_shapes, client)
    _all_known(pruned)
    _temporaries_once(pruned)
    wanted = config.executor == "plan" if config.optimize is None else config.optimize
    optimised = simplified(pruned, merge=bool(config.merge_common_subexpressions)) if wanted else pruned
    placed, placement = place(
        optimised, devices, remembered, config.allow_soft_placement, config.placer, config.costs
    )  # fmt: skip
    saving: list[Saving] = []
    live = config.variable_reads == "live"
    placed = read_at_use(placed) if live else placed
    if config.executor == "plan" and config.kernels == "fast" and config.capture:
        placed = unroll(placed)
    placed = _relieved(placed, devices, config, saving)
    partitioned, partitions = partition(placed, config.lossy_transfers)
    if config.schedule_receives:
        partitioned, found = hold_back_receives(partitioned, config.costs or CostModel())
        partitions, saving = by_device(partitioned), [*saving, found]
    return Stages(pruned, optimised, placed, placement, partitioned, partitions, saving)


def _relieved(step: StepGraph, devices: Sequence[Device], config: ConfigProto, saving: list[Saving]) -> StepGraph:
    """`step` with the remedies against full memory that were asked for; what they save goes to `saving` [W33]."""
    costs = config.costs or CostModel()
    if config.recompute:
        step, found = recompute(step, config.recompute, costs, config.lossy_transfers)
        saving.append(found)
    if config.swap:
        step, found = swap(step, devices, costs, config.lossy_transfers)
        saving.append(found)
    return step
