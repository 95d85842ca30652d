"""Data parallelism as a larger graph: the gradient part for each shard, and nodes that combine [S53, S54, S85, W55].

    read        p, each variable once, where it lies: all towers have the same parameters, whoever else updates them
    tower i     shard i -> loss_i -> dp_i, the gradient of the mean over its n_i examples       on a device of its own
    combine     dp = sum_i n_i dp_i / sum_i n_i, the mean over all examples [S64]    for each variable, where it lies
    update      what any optimizer makes of dp

The variables are ordinary nodes on whatever task a device scope says: no kind of process is there to hold them [S51,
S52]. What crosses between devices is found by runtime/partition.py like in any other graph: a variable travels once to
each device that reads it, a gradient once to its variable [S62]. A function that cuts its model with device scopes of
its own is parallel both ways [S61]. Reading copies; of a large table of which a step needs a few rows, let the function
take `table.ref()`, which is read where and when it is used.

    towers = build_towers(loss_of, shards, devices)
    train = optimizer.apply_gradients(combine_gradients(towers))

Sums are trees over neighbours, ((1 + 2) + (3 + 4)) and so on, so that the order is that of the shards wherever these
lie, and groups of two, four or eight shards combine to the bits of all at once [S65].

Next: train/asynchronous.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import gcd
from typing import Any, NamedTuple

from refflow.core import nest
from refflow.core.convert import convert_to_tensor
from refflow.core.errors import ShapeError
from refflow.core.gradients import gradients
from refflow.core.graph import GraphKeys, Tensor, get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.ops.array import shape
from refflow.ops.cast import cast
from refflow.ops.joining import concat
from refflow.ops.passing import SNAPSHOT
from refflow.ops.variable import Variable, readers
from refflow.ops.variable_scope import AUTO_REUSE, get_variable_scope, variable_scope


class Tower(NamedTuple):
    """One replica of the gradient part.

    loss: a scalar. grads_and_vars: as of Optimizer.compute_gradients. size: how many examples the loss is the mean of,
    a number, or a scalar tensor where only a run knows it.
    """

    loss: Tensor
    grads_and_vars: list[tuple[Any, Variable]]
    size: Any


def build_towers(
    loss_of: Callable[..., Any],
    shards: Sequence[Sequence[Any]],
    devices: Sequence[Any] = (),
    var_list: Iterable[Variable] | None = None,
    sizes: Sequence[Any] | None = None,
    groups: int = 1,
    name: str = "tower",
) -> list[Tower]:
    """A tower for each shard: `loss_of(*shard)` and its gradients for the variables, in the scope `name` and a number.

    loss_of gives the mean loss over the examples of a shard, a scalar of a float type. It reads variables that are
    there, or has them from get_variable, which makes them once. devices: what tf.device takes, one for each tower or
    fewer, in turn; none leave placement to the session. var_list: all trainable variables, unless given. sizes: the
    examples of each shard; the first dimension of its first tensor, unless given. groups: as many equal parts of the
    towers, one after the other, read the variables apart from each other [S69].

    Raises ValueError without shards or for some that do not make so many groups, for a tower that makes trainable
    variables of its own, and for one that no variable has a part in; ShapeError for a loss that is no scalar.
    """
    _check(shards, devices, sizes, groups)
    graph = get_default_graph()
    given = None if var_list is None else list(var_list)
    found: list[Tower] = []
    for i, shard in enumerate(shards):
        before = graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)
        if i % (len(shards) // groups) == 0:
            read = _Reads(name)
        with graph.name_scope(f"{name}_{i}"), graph.device(devices[i % len(devices)] if devices else ""):
            with variable_scope(get_variable_scope(), reuse=AUTO_REUSE), readers.pushed(read):
                loss = _scalar(loss_of(*shard), i)
            variables = graph.get_collection(GraphKeys.TRAINABLE_VARIABLES)
            if i and len(variables) > len(before):
                raise ValueError(
                    f"tower {i} made the variable {variables[len(before)].op.name!r}, of which tower 0 has another: "
                    "they would not train one model. Make variables before, or in the function with tf.get_variable"
                )
            pairs = _slopes(loss, variables if given is None else given, i)
            found.append(Tower(loss, pairs, _examples(shard, loss) if sizes is None else sizes[i]))
    return found


def combine_gradients(towers: Sequence[Tower], name: str = "combine") -> list[tuple[Any, Variable]]:
    """(dp, variable) for each variable: the mean over the examples of all towers, for Optimizer.apply_gradients [S64].

    dp is None where every tower's is. Rows of a variable (IndexedSlices) stay rows, those of all towers one after the
    other. One tower needs no node; k of equal size k - 1 additions and a division for each variable. A gradient begins
    with the loss, so that none is there before its tower has read what it reads.
    """
    graph = get_default_graph()
    weights = _weights([tower.size for tower in towers])
    found = []
    with graph.name_scope(name):
        total = _sum(weights)
        for column in zip(*(tower.grads_and_vars for tower in towers), strict=True):
            slopes, variable = [g for g, _ in column], column[0][1]
            there = [i for i, slope in enumerate(slopes) if slope is not None]
            if not there:
                found.append((None, variable))
                continue
            with graph.name_scope(variable.op.name), graph.device(variable.device):
                found.append((_mean([slopes[i] for i in there], [weights[i] for i in there], total), variable))
    return found


def combine_losses(towers: Sequence[Tower], name: str = "loss") -> Tensor:
    """The mean loss over the examples of all towers, a scalar."""
    with get_default_graph().name_scope(name):
        weights = _weights([tower.size for tower in towers])
        return _mean([tower.loss for tower in towers], weights, _sum(weights))


class _Reads:
    """Reads each variable once, and before whatever else there is; called where a variable stands for a tensor."""

    def __init__(self, name: str):
        with get_default_graph().name_scope(f"{name}_reads") as scope:
            self._scope = scope
        self._found: dict[Variable, Tensor] = {}

    def __call__(self, variable: Variable) -> Tensor:
        graph = variable.graph
        if variable not in self._found:
            with (
                graph.as_default(),
                graph.outside(),
                graph.name_scope(self._scope),
                graph.colocate_with(variable.op),
            ):
                self._found[variable] = SNAPSHOT(variable.ref(), name=variable.op.name)
        return self._found[variable]


def _check(shards: Sequence[Any], devices: Sequence[Any], sizes: Sequence[Any] | None, groups: int) -> None:
    if not shards:
        raise ValueError("there are no shards: data parallelism takes one for each replica")
    if groups < 1 or len(shards) % groups:
        raise ValueError(
            f"{len(shards)} shards do not make {groups} groups of equal size: cut the data in a multiple of "
            f"{max(groups, 1)} shards, one for each replica"
        )
    if len(devices) > len(shards):
        raise ValueError(f"{len(devices)} devices for {len(shards)} shards: some would be idle. Cut more shards")
    if sizes is not None and len(sizes) != len(shards):
        raise ValueError(f"{len(sizes)} sizes for {len(shards)} shards: give one for each, or leave them out")


def _slopes(loss: Tensor, variables: list[Variable], tower: int) -> list[tuple[Any, Variable]]:
    """(gradient, variable), each on the device of what it is the gradient of."""
    found = gradients(loss, [v.ref() for v in variables], colocate_gradients_with_ops=True, gate_gradients=True)
    if not any(slope is not None for slope in found):
        raise ValueError(f"no path leads from the loss of tower {tower}, {loss.name!r}, back to any variable")
    return list(zip(found, variables, strict=True))


def _scalar(loss: Any, tower: int) -> Tensor:
    if loss is None:
        raise TypeError(f"the function of the loss gave None for tower {tower}, expected a scalar tensor: return it")
    loss = convert_to_tensor(loss, name="loss")
    if loss.dims != ():
        raise ShapeError(
            f"the loss of tower {tower}, {loss.name!r}, has shape {loss.get_shape()}, expected []: give the mean over "
            "the examples of the shard, as tf.reduce_mean does"
        )
    return loss


def _examples(shard: Sequence[Any], loss: Tensor) -> Any:
    """How many examples a shard has: the first dimension of its first tensor."""
    tensors = [part for part in nest.flatten(list(shard)) if isinstance(part, Tensor)]
    if not tensors or tensors[0].dims == ():
        what = f"{tensors[0].name!r} is a scalar" if tensors else "it holds no tensor"
        raise ValueError(f"it is not known how many examples a shard has, as {what}: say so by sizes=")
    first = tensors[0].dims and tensors[0].dims[0]
    return first if first is not None else cast(shape(tensors[0])[0], loss.dtype.base_dtype)


def _weights(sizes: Sequence[Any]) -> list[Any]:
    """What each tower counts: equal ones 1, others their size without a common factor."""
    if len(sizes) == 1:
        return [1]
    if any(isinstance(size, Tensor) for size in sizes):
        return list(sizes)
    if any(size < 1 for size in sizes):
        raise ValueError(f"every shard needs an example, got sizes {list(sizes)}")
    common = gcd(*sizes)
    return [size // common for size in sizes]


def _mean(values: Sequence[Any], weights: Sequence[Any], total: Any) -> Any:
    """sum w v / total, with no node for a weight or a total of 1."""
    if any(isinstance(value, IndexedSlices) for value in values):
        if all(isinstance(value, IndexedSlices) for value in values):
            parts = [_times(value.values, weight) for value, weight in zip(values, weights, strict=True)]
            indices = [value.indices for value in values]
            rows = [parts[0], indices[0]] if len(parts) == 1 else [concat(0, parts), concat(0, indices)]
            return IndexedSlices(_over(rows[0], total), rows[1], values[0].dense_shape)
        values = [convert_to_tensor(value) for value in values]
    return _over(_sum([_times(value, weight) for value, weight in zip(values, weights, strict=True)]), total)


def _sum(values: Sequence[Any]) -> Any:
    """The sum as a tree over neighbours."""
    if len(values) == 1:
        return values[0]
    pairs = [values[i] + values[i + 1] for i in range(0, len(values) - 1, 2)]
    return _sum([*pairs, *values[len(pairs) * 2 :]])


def _times(value: Any, weight: Any) -> Any:
    return value if _is_one(weight) else value * weight


def _over(value: Any, total: Any) -> Any:
    return value if _is_one(total) else value / total


def _is_one(number: Any) -> bool:
    return not isinstance(number, Tensor) and number == 1
