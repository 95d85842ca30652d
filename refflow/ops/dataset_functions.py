"""Datasets that call functions of the graph for each element [W43].

    Map, Filter, TakeWhile, Scan           what f makes of an element; those for which it is true; with a state
    FlatMap, Interleave, GroupByWindow     f gives datasets, whose elements these are
    Generator                              the elements that a function gives, until it says OutOfRange
    ReduceDataset                          a value, not a dataset: what f makes of the value so far and each element

A kernel gets each function as an object (runtime/function_values.py): `f.begin()` is a function of the arrays of an
element and of what the function has from around it. It begins with the dataset: however often that is gone through,
random numbers in it go on.

Next: ops/dataset_groups.py.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from refflow.core import errors
from refflow.core.handles import handle_to
from refflow.core.opdef import define_op
from refflow.core.signature import Attr
from refflow.ops.dataset_batches import batch_dataset_v2
from refflow.ops.dataset_values import (
    ELEMENTS,
    UNKNOWN,
    Dataset,
    Element,
    Source,
    dataset_of,
    dataset_op,
    ended,
    kept,
    number,
    of_list,
)

_FUNC = Attr("func")
_TYPES = Attr("list(type)", minimum=0)
_IN = "input_dataset: variant, other_arguments: Targuments"
_F: dict[str, Any] = {"f": _FUNC, "Targuments": _TYPES}
_HOW = {"use_inter_op_parallelism": True, "preserve_cardinality": False}


def _called(function: Callable[..., Any], values: list[np.ndarray], preserve: bool) -> Any:
    """`function` of `values`. An OutOfRange of its own ends the dataset, unless its size is to stay."""
    try:
        return function(values)
    except errors.OutOfRangeError as error:
        if not preserve:
            raise StopIteration from None
        raise errors.InvalidArgumentError(
            error.node_def, error.op, f"Function invocation produced OutOfRangeError: {error.message}"
        ) from error


def map_dataset(input_dataset, other_arguments, f, preserve_cardinality):
    dataset, others, function = dataset_of(input_dataset), kept(other_arguments), f.begin()

    def begin():
        source = dataset.begin()
        return lambda: tuple(_called(function, [*source(), *others], preserve_cardinality))

    return Dataset(begin, dataset.cardinality if preserve_cardinality else UNKNOWN)


dataset_op("MapDataset", _IN, {**_F, **_HOW, "force_synchronous": False})(map_dataset)


def parallel_map_dataset(input_dataset, other_arguments, num_parallel_calls, f, preserve_cardinality):
    return map_dataset(input_dataset, other_arguments, f, preserve_cardinality)


_V2 = {"deterministic": "default", "use_unbounded_threadpool": False}
dataset_op("ParallelMapDataset", f"{_IN}, num_parallel_calls: int32", {**_F, **_HOW, "sloppy": False})(
    parallel_map_dataset
)
dataset_op("ParallelMapDatasetV2", f"{_IN}, num_parallel_calls: int64", {**_F, **_HOW, **_V2})(parallel_map_dataset)


@dataset_op("MapAndBatchDataset", f"{_IN}, batch_size: int64, num_parallel_calls: int64, drop_remainder: bool",
            {**_F, "preserve_cardinality": False})  # fmt: skip
def map_and_batch_dataset(
    input_dataset, other_arguments, batch_size, num_parallel_calls, drop_remainder, f, preserve_cardinality,
    output_types,
):  # fmt: skip
    mapped = map_dataset(input_dataset, other_arguments, f, preserve_cardinality)
    return batch_dataset_v2(handle_to(mapped), batch_size, drop_remainder, output_types)


def _truth(found: list[np.ndarray]) -> bool:
    if len(found) != 1 or found[0].dtype != bool or found[0].ndim:
        raise ValueError("Filter predicate `predicate` must return a scalar bool.")
    return bool(found[0])


def filter_dataset(input_dataset, other_arguments, predicate):
    dataset, others, function = dataset_of(input_dataset), kept(other_arguments), predicate.begin()

    def begin():
        source = dataset.begin()

        def following():
            while True:
                element = source()
                if _truth(function([*element, *others])):
                    return element

        return following

    return Dataset(begin)


_PREDICATE = {"predicate": _FUNC, "Targuments": _TYPES}
dataset_op("FilterDataset", _IN, _PREDICATE)(filter_dataset)


@dataset_op("ParallelFilterDataset", f"{_IN}, num_parallel_calls: int64", {**_PREDICATE, "deterministic": "default"})
def parallel_filter_dataset(input_dataset, other_arguments, num_parallel_calls, predicate):
    return filter_dataset(input_dataset, other_arguments, predicate)


@dataset_op("TakeWhileDataset", _IN, _PREDICATE)
def take_while_dataset(input_dataset, other_arguments, predicate):
    dataset, others, function = dataset_of(input_dataset), kept(other_arguments), predicate.begin()

    def begin():
        source = dataset.begin()

        def following():
            nonlocal source
            element = source()
            if not _truth(function([*element, *others])):
                source = ended
                raise StopIteration
            return element

        return following

    return Dataset(begin)


@dataset_op("ScanDataset", "input_dataset: variant, initial_state: Tstate, other_arguments: Targuments",
            {**_F, "Tstate": Attr("list(type)", minimum=1), "preserve_cardinality": False,
             "use_default_device": True})  # fmt: skip
def scan_dataset(input_dataset, initial_state, other_arguments, f, preserve_cardinality):
    dataset, start, others = dataset_of(input_dataset), kept(initial_state), kept(other_arguments)
    function = f.begin()

    def begin():
        source, state = dataset.begin(), start

        def following():
            nonlocal state
            found = _called(function, [*state, *source(), *others], preserve_cardinality)
            state = found[: len(start)]
            return tuple(found[len(start) :])

        return following

    return Dataset(begin, dataset.cardinality if preserve_cardinality else UNKNOWN)


# -- functions that give datasets -------------------------------------------------------------------------------


def _inner(function: Callable[..., Any], values: list[np.ndarray]) -> Source:
    """A source of the dataset that a function gives."""
    found = function(values)
    if len(found) != 1:
        raise ValueError(f"Expected a single DT_VARIANT output from dataset function, got {len(found)} outputs")
    return dataset_of(found[0]).begin()


def flat_map_dataset(input_dataset, other_arguments, f):
    return interleaved(dataset_of(input_dataset), kept(other_arguments), f, 1, 1)


dataset_op("FlatMapDataset", _IN, _F)(flat_map_dataset)


def interleaved(dataset: Dataset, others: list[np.ndarray], f: Any, cycle: int, block: int) -> Dataset:
    """Elements of `cycle` datasets in turns, `block` of each; one that has ended gives its place to the next."""
    function = f.begin()

    def begin():
        source = dataset.begin()
        opened: list[Source | None] = [None] * cycle
        place = count = 0

        def next_place():
            nonlocal place, count
            place, count = (place + 1) % cycle, 0

        def following():
            nonlocal source, count
            while source is not ended or any(opened):
                current = opened[place]
                if current is not None:
                    try:
                        element = current()
                    except StopIteration:
                        opened[place] = None
                        next_place()
                        continue
                    count += 1
                    if count == block:
                        next_place()
                    return element
                if source is ended:
                    next_place()
                    continue
                try:
                    element = source()
                except StopIteration:
                    source = ended
                else:
                    opened[place] = _inner(function, [*element, *others])
            raise StopIteration

        return following

    return Dataset(begin)


def interleave_dataset(input_dataset, other_arguments, cycle_length, block_length, f):
    cycle, block = number(cycle_length, "cycle_length"), number(block_length, "block_length")
    if cycle == -1:  # as many as the machine can do at once
        cycle = os.cpu_count() or 1
    if cycle < 1:
        raise ValueError("`cycle_length` must be > 0")
    if block < 1:
        raise ValueError("`block_length` must be > 0")
    return interleaved(dataset_of(input_dataset), kept(other_arguments), f, cycle, block)


_CYCLE = f"{_IN}, cycle_length: int64, block_length: int64"
dataset_op("InterleaveDataset", _CYCLE, _F)(interleave_dataset)


def _parallel(input_dataset, other_arguments, cycle_length, block_length, *how, f):
    return interleave_dataset(input_dataset, other_arguments, cycle_length, block_length, f)


_BUFFERS = ", buffer_output_elements: int64, prefetch_input_elements: int64"
for _name, _more, _attrs in (
    ("ParallelInterleaveDataset", ", sloppy: bool" + _BUFFERS, {}),
    ("ParallelInterleaveDatasetV2", ", num_parallel_calls: int64", {"sloppy": False}),
    ("ParallelInterleaveDatasetV3", ", num_parallel_calls: int64", {"deterministic": "default"}),
    ("ParallelInterleaveDatasetV4", _BUFFERS + ", num_parallel_calls: int64", {"deterministic": "default"}),
    ("LegacyParallelInterleaveDatasetV2", _BUFFERS, {"deterministic": "default"}),
):
    dataset_op(_name, _CYCLE + _more, {**_F, **_attrs})(_parallel)


_GROUPING = ("key_func", "reduce_func", "window_size_func")


@dataset_op("GroupByWindowDataset", "input_dataset: variant, " + ", ".join(
    f"{name}_other_arguments: T{name}_other_arguments" for name in _GROUPING
), {name: _FUNC for name in _GROUPING} | {f"T{name}_other_arguments": _TYPES for name in _GROUPING})  # fmt: skip
def group_by_window_dataset(
    input_dataset, key_func_other_arguments, reduce_func_other_arguments, window_size_func_other_arguments,
    key_func, reduce_func, window_size_func,
):  # fmt: skip
    dataset = dataset_of(input_dataset)
    for_key, for_reduce, for_size = map(
        kept, (key_func_other_arguments, reduce_func_other_arguments, window_size_func_other_arguments)
    )
    key_of, reduced, size_of = key_func.begin(), reduce_func.begin(), window_size_func.begin()

    def begin():
        source, current = dataset.begin(), ended
        groups: dict[int, list[Element]] = {}
        sizes: dict[int, int] = {}

        def begin_group(key):
            values = [np.asarray(key, np.int64), handle_to(of_list(groups.pop(key))), *for_reduce]
            return _inner(reduced, values)

        def following():
            nonlocal source, current
            while True:
                try:
                    return current()
                except StopIteration:
                    current = ended
                try:
                    element = source()
                except StopIteration:
                    source = ended
                    if not groups:
                        raise
                    current = begin_group(min(groups))
                    continue
                key = int(_single(key_of([*element, *for_key]), "Key"))
                if key not in sizes:
                    sizes[key] = int(_single(size_of([np.asarray(key, np.int64), *for_size]), "Window size"))
                    if sizes[key] <= 0:
                        raise ValueError(f"Window size must be greater than zero, but got {sizes[key]}.")
                groups.setdefault(key, []).append(element)
                if len(groups[key]) == sizes[key]:
                    current = begin_group(key)

        return following

    return Dataset(begin)


def _single(found: list[np.ndarray], what: str) -> Any:
    if len(found) != 1 or found[0].dtype != np.int64 or found[0].ndim:
        raise ValueError(f"`{what.lower().replace(' ', '_')}_func` must return a scalar int64.")
    return found[0]


# -- from a function alone, and to a value ------------------------------------------------------------------------

_PARTS = ("init_func", "next_func", "finalize_func")


@dataset_op("GeneratorDataset", ", ".join(f"{part}_other_args: T{part}_args" for part in _PARTS),
            {part: _FUNC for part in _PARTS} | {f"T{part}_args": _TYPES for part in _PARTS})  # fmt: skip
def generator_dataset(
    init_func_other_args, next_func_other_args, finalize_func_other_args, init_func, next_func, finalize_func
):
    at_first, each, at_last = map(kept, (init_func_other_args, next_func_other_args, finalize_func_other_args))
    start, following, finish = init_func.begin(), next_func.begin(), finalize_func.begin()

    def begin():
        return _Generated(start(at_first), following, each, finish, at_last).following

    return Dataset(begin)


class _Generated:
    """What a generator's iterator holds, and gives up at the end, or when nobody holds it any more."""

    def __init__(self, state: Any, following: Any, others: Any, finish: Any, last: Any):
        self._state, self._next, self._others = state, following, others
        self._end = weakref.finalize(self, _given_up, finish, [*state, *last])

    def following(self) -> Element:
        if not self._end.alive:
            raise StopIteration
        try:
            return tuple(self._next([*self._state, *self._others]))
        except errors.OutOfRangeError:
            self._end()
            raise StopIteration from None


def _given_up(finish: Any, values: list[Any]) -> None:
    with suppress(errors.OpError):  # where the graph has gone, so has what was to be given up
        finish(values)


REDUCE = define_op(
    "ReduceDataset", "input_dataset: variant, initial_state: Tstate, other_arguments: Targuments -> "
    "components: output_types", stateful=True, source=("W43",), **_F, Tstate=Attr("list(type)", minimum=1),
    use_inter_op_parallelism=True, metadata="", **ELEMENTS,
)  # fmt: skip


@REDUCE.kernel
def reduce_dataset(input_dataset, initial_state, other_arguments, f):
    state, others, function = kept(initial_state), kept(other_arguments), f.begin()
    elements: Iterator[Element] = iter(dataset_of(input_dataset))
    for element in elements:
        state = function([*state, *element, *others])
    return list(state)


@REDUCE.shape
def _reduced(context):
    return [s.as_tuple for s in context.attrs["output_shapes"]]


REDUCE.moves_bits = True
REDUCE.no_gradient_registered()
