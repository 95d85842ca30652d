"""`framework.combinations` and `framework.test_combinations`: one test for every choice of its arguments.

    @combinations.generate(combinations.combine(mode=["graph"], size=[1, 2]))
    def testSizes(self, size): ...

Choices of another mode than graphs are left out; `mode` itself is only given to tests that take it.

Next: compat/shadow/examples.py.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

Choice = dict[str, Any]


class NamedObject:
    """An argument with a name of its own, which stands for the object."""

    def __init__(self, name: str, obj: Any):
        self._name, self._obj = name, obj

    def __getattr__(self, name: str) -> Any:
        return getattr(self._obj, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._obj(*args, **kwargs)

    def __repr__(self) -> str:
        return self._name


def combine(**kwargs: Any) -> list[Choice]:
    """Every choice of one value for each argument; what is no list is its only value."""
    values = [v if isinstance(v, (list, tuple)) else [v] for v in kwargs.values()]
    return [dict(zip(kwargs, chosen, strict=True)) for chosen in itertools.product(*values)]


def times(*combined: Sequence[Choice]) -> list[Choice]:
    """Every choice out of each list, put together; ValueError where two have the same argument."""
    found: list[Choice] = [{}]
    for several in combined:
        both = {key for choice in found for key in choice} & {key for choice in several for key in choice}
        if both:
            raise ValueError(f"Keys need to not overlap: {sorted(both)}")
        found = [{**one, **other} for one in found for other in several]
    return found


def generate(combinations: Sequence[Choice], test_combinations: Any = ()) -> Callable[[Any], Any]:
    """A decorator: the test runs for each choice, as a subtest; of a class, each of its tests does."""
    chosen = [c for c in combinations if c.get("mode", "graph") != "eager" and c.get("tf_api_version", 1) == 1]

    def decorator(decorated: Any) -> Any:
        if isinstance(decorated, type):
            for name in [n for n in vars(decorated) if n.startswith("test")]:
                setattr(decorated, name, decorator(vars(decorated)[name]))
            return decorated
        takes = inspect.signature(decorated).parameters

        @functools.wraps(decorated)
        def test(self: Any) -> None:
            if not chosen:
                self.skipTest("graphs are built and sessions run them")
            for choice in chosen:
                given = {k: v for k, v in choice.items() if k in takes or k not in ("mode", "tf_api_version")}
                with self.subTest(**{k: str(v) for k, v in given.items()}):
                    _afresh(self, functools.partial(decorated, self, **given))

        del test.__wrapped__  # it takes no more arguments than unittest gives
        return test

    return decorator


def _afresh(case: Any, run: Callable[[], Any]) -> None:
    """Runs a test in a graph of its own."""
    from refflow.compat.v1.graph import Graph
    from refflow.test.case import SEED

    with Graph().as_default() as graph:
        graph.seed = SEED
        run()
