"""Datasets out of datasets: the same elements, fewer, more, or those of several [W43].

    Take, Skip, Shard, Repeat, Concatenate, Zip, Unique, IgnoreErrors, DirectedInterleave
    Prefetch, Options, Model, ...    say how quickly TensorFlow is to go about it: the elements are the same

Next: ops/dataset_cache.py.
"""

from __future__ import annotations

import time
from collections import deque

from refflow.core import errors
from refflow.core.signature import Attr
from refflow.ops.dataset_values import INFINITE, UNKNOWN, Dataset, dataset_of, dataset_op, ended, number

_IN = "input_dataset: variant"


@dataset_op("TakeDataset", f"{_IN}, count: int64", {})
def take_dataset(input_dataset, count):
    dataset, count = dataset_of(input_dataset), number(count, "count")

    def begin():
        source, left = dataset.begin(), count  # below zero: all

        def following():
            nonlocal left
            if not left:
                raise StopIteration
            element = source()
            left -= 1
            return element

        return following

    known = dataset.cardinality
    return Dataset(begin, known if count < 0 or known == UNKNOWN else count if known < 0 else min(count, known))


@dataset_op("SkipDataset", f"{_IN}, count: int64", {})
def skip_dataset(input_dataset, count):
    dataset, count = dataset_of(input_dataset), number(count, "count")

    def begin():
        source, left = dataset.begin(), count

        def following():
            nonlocal left
            if left < 0:  # all of them
                raise StopIteration
            while left:
                source()
                left -= 1
            return source()

        return following

    known = dataset.cardinality
    return Dataset(begin, 0 if count < 0 else known if known < 0 else max(0, known - count))


@dataset_op("ShardDataset", f"{_IN}, num_shards: int64, index: int64", {"require_non_empty": False})
def shard_dataset(input_dataset, num_shards, index):
    dataset, of, index = dataset_of(input_dataset), number(num_shards, "num_shards"), number(index, "index")
    if of < 1:
        raise ValueError(f"Number of shards must be greater than zero (currently num_shards = {of}).")
    if not 0 <= index < of:
        raise ValueError(f"Index must be between 0 and {of - 1} (currently index = {index}).")

    def begin():
        source, place = dataset.begin(), -1

        def following():
            nonlocal place
            while True:
                element = source()
                place += 1
                if place % of == index:
                    return element

        return following

    known = dataset.cardinality
    return Dataset(begin, known if known < 0 else len(range(index, known, of)))


@dataset_op("RepeatDataset", f"{_IN}, count: int64", {})
def repeat_dataset(input_dataset, count):
    return repeated(dataset_of(input_dataset), number(count, "count"))


def repeated(dataset: Dataset, count: int) -> Dataset:
    """`count` times the dataset; below zero without end, unless it is empty."""

    def begin():
        source, turn, fresh = dataset.begin(), 0, True

        def following():
            nonlocal source, turn, fresh
            while turn != count:
                try:
                    element = source()
                except StopIteration:
                    if fresh and count < 0:
                        raise
                    turn, fresh = turn + 1, True
                    source = ended if turn == count else dataset.begin()  # it may draw seeds: not once too often
                else:
                    fresh = False
                    return element
            raise StopIteration

        return following

    known = dataset.cardinality
    endless = INFINITE if known else 0
    return Dataset(begin, endless if count < 0 else 0 if not count else known if known < 0 else known * count)


@dataset_op("ConcatenateDataset", f"{_IN}, another_dataset: variant", {})
def concatenate_dataset(input_dataset, another_dataset):
    parts = [dataset_of(input_dataset), dataset_of(another_dataset)]

    def begin():
        left = deque(parts)
        source = left.popleft().begin()

        def following():
            nonlocal source
            while True:
                try:
                    return source()
                except StopIteration:
                    if not left:
                        raise
                    source = left.popleft().begin()

        return following

    known = [p.cardinality for p in parts]
    return Dataset(begin, INFINITE if INFINITE in known else UNKNOWN if UNKNOWN in known else sum(known))


@dataset_op("ZipDataset", "input_datasets: N * variant", {"N": Attr("int", minimum=1)})
def zip_dataset(input_datasets):
    parts = [dataset_of(d) for d in input_datasets]

    def begin():
        sources = [p.begin() for p in parts]
        return lambda: sum([source() for source in sources], ())

    known = [p.cardinality for p in parts]
    finite = [k for k in known if k != INFINITE]
    return Dataset(begin, UNKNOWN if UNKNOWN in known else min(finite, default=INFINITE))


@dataset_op("DirectedInterleaveDataset", "selector_input_dataset: variant, data_input_datasets: N * variant",
            {"N": Attr("int", minimum=1), "stop_on_empty_dataset": False})  # fmt: skip
def directed_interleave_dataset(selector_input_dataset, data_input_datasets, stop_on_empty_dataset):
    selector, parts = dataset_of(selector_input_dataset), [dataset_of(d) for d in data_input_datasets]

    def begin():
        choose, sources = selector.begin(), dict(enumerate(p.begin() for p in parts))

        def following():
            while sources:
                chosen = int(choose()[0])
                if not 0 <= chosen < len(parts):
                    raise ValueError(f"Selector index out of range: {chosen} >= {len(parts)}")
                if chosen in sources:
                    try:
                        return sources[chosen]()
                    except StopIteration:
                        if stop_on_empty_dataset:
                            sources.clear()
                        else:
                            del sources[chosen]
            raise StopIteration

        return following

    return Dataset(begin)


# -- the same elements -------------------------------------------------------------------------------------------


@dataset_op("UniqueDataset", _IN, {})
def unique_dataset(input_dataset):
    dataset = dataset_of(input_dataset)

    def begin():
        source, seen = dataset.begin(), set()

        def following():
            while True:
                (value,) = element = source()
                mark = value.tobytes() if value.dtype != object else value.item()
                if mark not in seen:
                    seen.add(mark)
                    return element

        return following

    return Dataset(begin)


@dataset_op("IgnoreErrorsDataset", _IN, {"log_warning": False})
def ignore_errors_dataset(input_dataset):
    dataset = dataset_of(input_dataset)

    def begin():
        source = dataset.begin()

        def following():
            while True:
                try:
                    return source()
                except (errors.OpError, ValueError):
                    continue

        return following

    return Dataset(begin)


@dataset_op("AssertCardinalityDataset", f"{_IN}, cardinality: int64", {})
def assert_cardinality_dataset(input_dataset, cardinality):
    dataset, wanted = dataset_of(input_dataset), number(cardinality, "cardinality")

    def begin():
        source, count = dataset.begin(), 0

        def following():
            nonlocal count
            try:
                element = source()
            except StopIteration:
                if count == wanted:
                    raise
                raise _miscounted(wanted, count, "only ") from None
            count += 1
            if wanted >= 0 and count > wanted:
                raise _miscounted(wanted, count, "at least ")
            return element

        return following

    return Dataset(begin, wanted)


def _miscounted(wanted: int, count: int, least: str) -> errors.OpError:
    many = "an infinite number of" if wanted == INFINITE else str(wanted)
    return errors.FailedPreconditionError(
        None, None,
        f"Input dataset was expected to contain {many} element{'s' * (wanted != 1)} but contained {least}{count} "
        f"element{'s' * (count != 1)}.",
    )  # fmt: skip


@dataset_op("SleepDataset", f"{_IN}, sleep_microseconds: int64", {})
def sleep_dataset(input_dataset, sleep_microseconds):
    dataset, pause = dataset_of(input_dataset), number(sleep_microseconds, "sleep_microseconds") / 1e6

    def begin():
        source = dataset.begin()

        def following():
            element = source()
            time.sleep(pause)
            return element

        return following

    return Dataset(begin, dataset.cardinality)


def _as_it_is(input_dataset, *how):
    return dataset_of(input_dataset)


for _name, _inputs, _attrs in (
    ("PrefetchDataset", ", buffer_size: int64", {"slack_period": 0, "legacy_autotune": True, "buffer_size_min": 0}),
    ("OptionsDataset", "", {"serialized_options": Attr("string")}),
    ("ModelDataset", "", {"algorithm": 0, "cpu_budget": 0, "ram_budget": 0}),
    ("OptimizeDataset", ", optimizations: string", {"optimization_configs": Attr("list(string)", default=[])}),
    ("OptimizeDatasetV2", ", optimizations_enabled: string, optimizations_disabled: string, "
     "optimizations_default: string", {"optimization_configs": Attr("list(string)", default=[])}),
    ("FinalizeDataset", "", {"has_captured_ref": False}),
    ("BytesProducedStatsDataset", ", tag: string", {}),
    ("LatencyStatsDataset", ", tag: string", {}),
    ("MaxIntraOpParallelismDataset", ", max_intra_op_parallelism: int64", {}),
    ("PrivateThreadPoolDataset", ", num_threads: int64", {}),
    ("NonSerializableDataset", "", {}),
    ("RewriteDataset", ", rewrite_name: string", {}),
):  # fmt: skip
    dataset_op(_name, _IN + _inputs, _attrs)(_as_it_is)
