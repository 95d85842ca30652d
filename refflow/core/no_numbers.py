"""What Python and NumPy ask of numbers, and what a node answers that holds none before it runs [S10, W81].

    if tensor:   int(tensor)   np.sin(tensor)   tensor.numpy()   tensor[0] = 1   for row in tensor   f"{tensor:.2f}"

Each of these would go wrong later and elsewhere, or quietly give nonsense; here it is an error at once that says what
to write in its place.

Next: core/tensor.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn


class NoNumbers:
    """The base of what stands for values that only a run has: the outputs of operations, and variables."""

    __slots__ = ()
    # Arithmetic looks left first; without this NumPy arrays would take a Tensor apart elementwise.
    __array_priority__ = 100

    if TYPE_CHECKING:

        @property
        def name(self) -> str: ...

    # Equality is Python's own, identity and no comparison of elements: a tensor must work as a dictionary key [W81].

    def __bool__(self) -> bool:
        raise TypeError(
            f"Using a symbolic `tf.Tensor` as a Python `bool` is not allowed: {self.name!r} has no truth value. It is "
            "a node of a graph and holds no number yet. Compare with `is None`, or run it in a session, or use "
            "cond() to branch inside the graph"
        )

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(
            f"Iterating over a symbolic `tf.Tensor` is not allowed: {self.name!r} cannot be iterated, it holds no "
            "values. Use unpack() to split it"
        )

    def _no_number(self) -> NoReturn:
        raise TypeError(
            f"{self.name!r} is no number: it is a node of a graph and holds none yet. session.run({self.name!r}) gives "
            "it; a size that is known already stands in get_shape()"
        )

    def __int__(self) -> int:
        self._no_number()

    def __float__(self) -> float:
        self._no_number()

    def __index__(self) -> int:
        self._no_number()

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise TypeError(
            f"{self.name!r} is no array: it is a node of a graph, and NumPy cannot compute with it. Use the operation, "
            "as tf.sin for np.sin, or py_func() to put a NumPy function into the graph, or take what a run gives"
        )

    @property
    def numpy(self) -> Any:
        raise AttributeError(
            f"{self.name!r} has no numpy(): it is a node of a graph and holds no value yet. session.run({self.name!r}) "
            "gives a NumPy array"
        )

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError(
            f"{self.name!r} cannot be changed element by element: a node is what it computes. A variable is changed by "
            "running an operation, as assign() or scatter_update(); other values are joined anew, as by concat()"
        )

    def __format__(self, spec: str) -> str:
        if spec:
            raise TypeError(
                f"{self.name!r} cannot be formatted as {spec!r}: it holds no number yet. Format what a run gives"
            )
        return str(self)
