"""Replicas that take a step together, with spares for the slow ones [O06, S54].

    asynchronous     any optimizer: each replica reads the variables, and applies its gradient when it has it
    synchronous      n of n: all gradients of a step are gathered, their mean is applied once
    with spares      m of n: the step is over when the m quickest have come; what comes later is not looked at

It is made of queues. An accumulator for each variable gathers gradients, and refuses those of earlier steps; the chief
takes the mean of m, applies it, and puts n tokens with the number of the next step into a queue. Each replica takes one
before it goes on, so that none reads the variables before the update is done.

    replica   gradients -> accumulators;  token -> its step
    chief     mean of m -> update -> the accumulators' step -> n tokens

Next: train/queue_runner.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from refflow.core.control import group, no_op
from refflow.core.dtypes import int32
from refflow.core.graph import Operation, get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.ops.accumulator_classes import ConditionalAccumulator, SparseConditionalAccumulator
from refflow.ops.array import fill
from refflow.ops.constant import constant
from refflow.ops.data_flow import FIFOQueue
from refflow.ops.variable import Variable, assign
from refflow.train.optimizer import Optimizer
from refflow.train.queue_runner import QueueRunner

_numbers = itertools.count()


class SyncReplicasOptimizer:
    """Gathers the gradients of several replicas for `opt`.

    replicas_to_aggregate: m, how many gradients make a step. total_num_replicas: n, m unless given; more are spares.
    Each replica builds this in a graph of its own, in a session on the devices of all; one is the chief and runs the
    threads of `get_chief_queue_runner`, after its initializers and `get_init_tokens_op`.
    """

    def __init__(
        self, opt: Optimizer, replicas_to_aggregate: int, total_num_replicas: int | None = None,
        name: str = "sync_replicas",
    ):  # fmt: skip
        self._opt, self._name = opt, name
        self._needed = replicas_to_aggregate
        self._total = replicas_to_aggregate if total_num_replicas is None else total_num_replicas
        self._tokens_per_step = max(self._total, self._needed)
        self._global_step: Any = None
        self.chief_init_op: Operation | None = None
        self.local_step_init_op: Operation | None = None

    def compute_gradients(self, *args: Any, **kwargs: Any) -> list[tuple[Any, Variable]]:
        """As the optimizer's own."""
        return self._opt.compute_gradients(*args, **kwargs)

    def minimize(self, loss: Any, global_step: Variable | None = None, **kwargs: Any) -> Operation:
        """compute_gradients and apply_gradients in one."""
        return self.apply_gradients(self.compute_gradients(loss, **kwargs), global_step)

    def apply_gradients(
        self, grads_and_vars: Iterable[tuple[Any, Variable]], global_step: Variable | None = None,
        name: str | None = None,
    ) -> Operation:  # fmt: skip
        """A replica's part of a step: gives its gradients, and waits for a token.

        Raises ValueError without gradients, or without a global step, by which it is known what is too old.
        """
        pairs = [(g, v) for g, v in grads_and_vars if g is not None]
        if not pairs:
            raise ValueError("Must supply at least one variable")
        if global_step is None:
            raise ValueError("Global step is required to check staleness")
        graph = get_default_graph()
        self._global_step = global_step
        with graph.name_scope(name or self._name) as scope:
            # A replica's own, whoever else has the same devices.
            zero = constant(0, global_step.dtype.base_dtype)
            local = Variable(zero, trainable=False, collections=[], name=f"local_step_{next(_numbers)}")
            gathered = [_Gathered(g, v) for g, v in pairs]
            applied = group(*(each.apply(local) for each in gathered), name="applied")
            self._tokens = FIFOQueue(-1, [global_step.dtype], [[]], shared_name=f"{self._name}_tokens")
            with graph.control_dependencies([applied]), graph.device(local.device):
                token = self._tokens.dequeue(name="token")
                train = assign(local.ref(), token, name=f"{scope}train").op
            taken = [(each.take(self._needed), each.variable) for each in gathered]
            update = self._opt.apply_gradients(taken, global_step)
            with graph.control_dependencies([update]), graph.device(global_step.device):
                done = group(*(each.accumulator.set_global_step(global_step.value()) for each in gathered))
                with graph.control_dependencies([done]):
                    tokens = fill([self._tokens_per_step], global_step.value())
                    more = self._tokens.enqueue_many([tokens], name="more")
            ends = FIFOQueue(1, [int32], [[]], shared_name=f"{self._name}_chief")  # nobody waits for it
            self._runner = QueueRunner(ends, [more])
            self.local_step_init_op = assign(local.ref(), global_step.value()).op
            with graph.control_dependencies([self.local_step_init_op]):
                begin = [each.accumulator.set_global_step(global_step.value()) for each in gathered]
                self.chief_init_op = group(*begin, name="chief_init")
        return train

    def get_chief_queue_runner(self) -> QueueRunner:
        """The chief's threads: one that ends a step as soon as it has enough gradients."""
        return self._built("get_chief_queue_runner", self._runner if self._global_step is not None else None)

    def get_init_tokens_op(self, num_tokens: int = -1) -> Operation:
        """Puts tokens there for the first step: as many as it takes gradients, unless said otherwise.

        ValueError where so few would let the first step never end.
        """
        step = self._built("get_init_tokens_op", self._global_step)
        wanted = self._needed if num_tokens == -1 else num_tokens
        if wanted < self._needed - self._total:
            raise ValueError(f"Too few tokens to finish the first step: {wanted} (given) vs "
                             f"{self._needed - self._total} (needed)")  # fmt: skip
        if not wanted:
            return no_op(name="no_init_tokens")
        return self._tokens.enqueue_many([fill([wanted], step.value())])

    @staticmethod
    def _built(what: str, found: Any) -> Any:
        if found is None:
            raise ValueError(f"{what}() should be called after apply_gradients().")
        return found

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        return self._opt.get_slot(*args, **kwargs)

    def get_slot_names(self, *args: Any, **kwargs: Any) -> list[str]:
        return self._opt.get_slot_names(*args, **kwargs)


class _Gathered:
    """A variable's gradients on their way through an accumulator, which is where the variable is."""

    def __init__(self, gradient: Any, variable: Variable):
        self.gradient, self.variable = gradient, variable
        kind = SparseConditionalAccumulator if isinstance(gradient, IndexedSlices) else ConditionalAccumulator
        shape = variable.get_shape()
        with variable.graph.device(variable.device):
            self.accumulator: Any = kind(gradient.dtype, shape, f"{variable.op.name}/gradients")

    def apply(self, local_step: Variable) -> Operation:
        if isinstance(self.gradient, IndexedSlices):
            return self.accumulator.apply_indexed_slices_grad(self.gradient, local_step.value())
        return self.accumulator.apply_grad(self.gradient, local_step.value())

    def take(self, count: int) -> Any:
        if isinstance(self.gradient, IndexedSlices):
            return self.accumulator.take_indexed_slices_grad(count)
        return self.accumulator.take_grad(count)
