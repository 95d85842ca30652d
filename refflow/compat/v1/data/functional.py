"""Datasets out of datasets by functions of their elements, and values out of datasets.

Next: compat/v1/data/dataset.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.data import elements
from refflow.compat.v1.data.functions import ElementFunction
from refflow.compat.v1.data.nodes import DatasetBase, DatasetSpec, made, number
from refflow.compat.v1.data.transformations import Rearranged
from refflow.compat.v1.type_specs import TensorSpec
from refflow.core.dtypes import bool_, int64
from refflow.core.registry import op_def

Function = Callable[..., Any]


class Called(Rearranged):
    """What a dataset can be made into by a function."""

    def _by(self, op_type: str, function: ElementFunction, spec: Any, *inputs: Any, **attrs: Any) -> Any:
        """A dataset node that calls a function of elements, with what the function has captured."""
        attrs = {"f": function.call, **attrs} if "f" in op_def(op_type).attrs else attrs
        return made(op_type, spec, [self], self._variant_tensor, function.captured, *inputs, **attrs)

    def map(
        self, map_func: Function, num_parallel_calls: Any = None, deterministic: bool | None = None,
        synchronous: bool | None = None, use_unbounded_threadpool: bool = False, name: str | None = None,
    ) -> Any:  # fmt: skip
        """What map_func gives for each element. An OutOfRangeError of its own ends the dataset."""
        function = ElementFunction(map_func, "Dataset.map()", [self._spec])
        if num_parallel_calls is None:
            return self._by("MapDataset", function, function.spec)
        if synchronous:
            raise ValueError(
                "`synchronous` is not supported with `num_parallel_calls`, but `num_parallel_calls` was set to "
                f"{num_parallel_calls}"
            )
        calls = number(num_parallel_calls, "num_parallel_calls")
        return self._by("ParallelMapDatasetV2", function, function.spec, calls, deterministic=_text(deterministic))

    def map_with_legacy_function(
        self, map_func: Function, num_parallel_calls: Any = None, deterministic: bool | None = None,
        use_unbounded_threadpool: bool = False,
    ) -> Any:  # fmt: skip
        """What `map` gives."""
        return self.map(map_func, num_parallel_calls, deterministic)

    def flat_map(self, map_func: Function, name: str | None = None) -> Any:
        """The elements of the datasets that map_func gives, one dataset after the other."""
        function = _giving_datasets(map_func, "Dataset.flat_map()", [self._spec])
        return self._by("FlatMapDataset", function, function.spec.element_spec)

    def interleave(
        self, map_func: Function, cycle_length: Any = None, block_length: Any = None, num_parallel_calls: Any = None,
        deterministic: bool | None = None, name: str | None = None,
    ) -> Any:  # fmt: skip
        """The elements of the datasets that map_func gives, in turns from cycle_length of them."""
        function = _giving_datasets(map_func, "Dataset.interleave()", [self._spec])
        cycle = number(-1 if cycle_length is None else cycle_length, "cycle_length")
        block = number(1 if block_length is None else block_length, "block_length")
        if num_parallel_calls is None:
            return self._by("InterleaveDataset", function, function.spec.element_spec, cycle, block)
        buffers = number(-1, "buffer_output_elements"), number(-1, "prefetch_input_elements")
        calls = number(num_parallel_calls, "num_parallel_calls")
        return self._by("ParallelInterleaveDatasetV4", function, function.spec.element_spec, cycle, block, *buffers,
                        calls, deterministic=_text(deterministic))  # fmt: skip

    def filter(self, predicate: Function, name: str | None = None) -> Any:
        """The elements for which predicate is true."""
        function = _predicate(predicate, "Dataset.filter()", self._spec)
        return self._by("FilterDataset", function, self._spec, predicate=function.call)

    def filter_with_legacy_function(self, predicate: Function) -> Any:
        """What `filter` gives."""
        return self.filter(predicate)

    def take_while(self, predicate: Function, name: str | None = None) -> Any:
        """The elements before the first one for which predicate is false."""
        function = _predicate(predicate, "Dataset.take_while()", self._spec)
        return self._by("TakeWhileDataset", function, self._spec, predicate=function.call)

    def scan(self, initial_state: Any, scan_func: Function, name: str | None = None) -> Any:
        """For each element the second of what scan_func(state, element) gives; the first is the next state."""
        state, spec = elements.normalized(initial_state, "initial_state")
        function, spec = settled(scan_func, "Dataset.scan()", spec, self._spec, _first_of_two)
        inputs = elements.components(spec, state), function.captured
        return made("ScanDataset", function.spec[1], [self], self._variant_tensor, *inputs, f=function.call,
                    preserve_cardinality=True)  # fmt: skip

    def reduce(self, initial_state: Any, reduce_func: Function, name: str | None = None) -> Any:
        """The last state, of which the next is reduce_func(state, element): a value, not a dataset."""
        state, spec = elements.normalized(initial_state, "initial_state/normalize_element")
        function, spec = settled(reduce_func, "reduce()", spec, self._spec, lambda found: found)
        inputs = elements.components(spec, state), function.captured
        found = op_def("ReduceDataset")(self._variant_tensor, *inputs, f=function.call, **elements.attributes(spec))
        return elements.values(spec, found)

    def group_by_window(
        self, key_func: Function, reduce_func: Function, window_size: Any = None,
        window_size_func: Function | None = None, name: str | None = None,
    ) -> Any:  # fmt: skip
        """The elements of the datasets that reduce_func makes of windows, each of elements of one key."""
        if (window_size is None) == (window_size_func is None):
            raise ValueError(
                "Either the `window_size` argument or the `window_size_func` argument must be specified."
            )
        keys = ElementFunction(key_func, "Dataset.group_by_window()", [self._spec])
        first_must_be(keys.spec, int64, "`key_func` must return a single tf.int64 tensor")
        key = TensorSpec([], int64)
        sizes = ElementFunction(window_size_func or (lambda _: np.int64(window_size)), "Dataset.group_by_window()",
                                [key])  # fmt: skip
        first_must_be(sizes.spec, int64, "`window_size_func` must return a single tf.int64 scalar tensor")
        groups = _giving_datasets(reduce_func, "Dataset.group_by_window()", [key, DatasetSpec(self._spec)])
        return made(
            "GroupByWindowDataset", groups.spec.element_spec, [self], self._variant_tensor, keys.captured,
            groups.captured, sizes.captured, key_func=keys.call, reduce_func=groups.call, window_size_func=sizes.call,
        )  # fmt: skip

    def apply(self, transformation_func: Function) -> Any:
        """What transformation_func(self) gives, a dataset."""
        found = transformation_func(self)
        if not isinstance(found, DatasetBase):
            raise TypeError(f"`transformation_func` must return a `tf.data.Dataset` object. Got {type(found)}.")
        return found


def _text(deterministic: bool | None) -> str:
    return "default" if deterministic is None else str(bool(deterministic)).lower()


def _giving_datasets(function: Function, where: str, specs: Sequence[Any]) -> ElementFunction:
    found = ElementFunction(function, where, specs)
    if not isinstance(found.spec, DatasetSpec):
        kind = getattr(found.spec, "value_type", type(found.spec))
        raise TypeError(f"The `map_func` argument must return a `Dataset` object. Got {kind!r}.")
    return found


def _predicate(function: Function, where: str, spec: Any) -> ElementFunction:
    found = ElementFunction(function, where, [spec])
    if not TensorSpec([], bool_).is_compatible_with(found.spec):
        raise ValueError(
            "Invalid `predicate`. `predicate` must return a `tf.bool` scalar tensor, but its return type is "
            f"{found.spec}."
        )
    return found


def first_must_be(spec: Any, dtype: Any, text: str) -> None:
    if not TensorSpec([], dtype).is_compatible_with(spec):
        raise ValueError(f"Invalid function: {text}, but its return type is {spec}.")


def _first_of_two(found: Any) -> Any:
    if not isinstance(found, tuple) or len(found) != 2:
        raise TypeError(
            "Invalid `scan_func`. `scan_func` should return a pair consisting of new state and the output value but "
            f"its return type is {found}."
        )
    return found[0]


def settled(
    function: Function, where: str, state: Any, element: Any, state_of: Callable[[Any], Any]
) -> tuple[ElementFunction, Any]:
    """The function of (state, element) and the spec of its state, shapes left open until they stay what they are."""
    while True:
        found = ElementFunction(function, where, [state, element])
        new = state_of(found.spec)
        try:
            elements.assert_alike(state, new)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"The element structure for the new state must match the initial state. Expected {state} but got {new}."
            ) from error
        for which, what in ((0, "classes"), (1, "types")):
            if elements.flatten(elements.legacy(state, which)) != elements.flatten(elements.legacy(new, which)):
                raise TypeError(
                    f"The element {what} for the new state must match the initial state. Expected "
                    f"{elements.legacy(state, which)} but got {elements.legacy(new, which)}."
                )
        open_state = elements.map_structure(lambda a, b: a._relaxed(b), state, new)
        if elements.flatten(open_state) == elements.flatten(state):
            return found, state
        state = open_state
