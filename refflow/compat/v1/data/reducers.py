"""Groups of which a function leaves one value each.

    dataset.apply(group_by_reducer(key_func, Reducer(init_func, reduce_func, finalize_func)))

Next: compat/v1/data/tables.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.compat.v1.data.functional import first_must_be, settled
from refflow.compat.v1.data.functions import ElementFunction
from refflow.compat.v1.data.nodes import made
from refflow.compat.v1.type_specs import TensorSpec
from refflow.core.dtypes import int64

_WHERE = "tf.data.experimental.group_by_reducer()"


class Reducer:
    """init_func(key) gives a state, reduce_func(state, element) the next, finalize_func(state) what is left."""

    def __init__(
        self, init_func: Callable[..., Any], reduce_func: Callable[..., Any], finalize_func: Callable[..., Any]
    ):
        self.init_func, self.reduce_func, self.finalize_func = init_func, reduce_func, finalize_func


def group_by_reducer(key_func: Callable[..., Any], reducer: Reducer) -> Callable[[Any], Any]:
    """What the reducer leaves for each key, in the order in which the keys came."""

    def apply(dataset: Any) -> Any:
        element = dataset.element_spec
        keys = ElementFunction(key_func, _WHERE, [element])
        first_must_be(keys.spec, int64, "`key_func` must return a single tf.int64 tensor")
        start = ElementFunction(reducer.init_func, _WHERE, [TensorSpec([], int64)])
        steps, state = settled(reducer.reduce_func, _WHERE, start.spec, element, lambda found: found)
        last = ElementFunction(reducer.finalize_func, _WHERE, [state])
        return made(
            "GroupByReducerDataset", last.spec, [dataset], dataset._variant_tensor, keys.captured, start.captured,
            steps.captured, last.captured, key_func=keys.call, init_func=start.call, reduce_func=steps.call,
            finalize_func=last.call,
        )  # fmt: skip

    return apply
