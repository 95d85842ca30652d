"""One line under refflow.compat.v1 and under tensorflow.compat.v1: the values and static shapes it gives, or its error.

    unlike(theirs, line, given, made) -> None, or in words what differs

A line is an expression of `tf`, `np`, what `given` has, and what the expressions of `made` build in its graph. What it
gives may be nested; parts of SparseTensors and RaggedTensors are compared each for itself.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import refflow.compat.v1
from tests.peers.stand_in import unlikeness


def outcome(tf: Any, line: str, given: dict[str, Any], made: dict[str, str]) -> Any:
    """(values, static shapes), or the error."""
    with tf.Graph().as_default(), tf.Session() as session, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            names = {"np": np, "tf": tf, **given}
            names |= {name: eval(text, names) for name, text in made.items()}
            parts = list(leaves(eval(line, names)))
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            tensors = [p for p in parts if hasattr(p, "graph") and hasattr(p, "get_shape")]
            found = iter(session.run(tensors))
        except Exception as error:
            return error
        values = [next(found) if hasattr(p, "graph") and hasattr(p, "get_shape") else p for p in parts]
        return values, [static(p) for p in parts]


def leaves(built: Any) -> Any:
    """The tensors and plain values in it."""
    if isinstance(built, dict):
        for key in sorted(built):
            yield from leaves(built[key])
    elif hasattr(built, "dense_shape") and hasattr(built, "indices"):
        yield from (built.indices, built.values, built.dense_shape)
    elif hasattr(built, "row_splits"):
        yield from leaves((built.values, built.row_splits))
    elif isinstance(built, (list, tuple)):
        for part in built:
            yield from leaves(part)
    elif built is not None and not hasattr(built, "run"):
        yield built


def static(part: Any) -> Any:
    if not hasattr(part, "get_shape"):
        return None
    shape = part.get_shape()
    return None if shape.ndims is None else shape.as_list()


def unlike(theirs: Any, line: str, given: dict[str, Any], made: dict[str, str] | None = None) -> str | None:
    expected, found = (outcome(tf, line, given, made or {}) for tf in (theirs, refflow.compat.v1))
    if isinstance(expected, Exception) or isinstance(found, Exception):
        if isinstance(expected, Exception) != isinstance(found, Exception):
            return f"there: {expected!r}\nhere: {found!r}"
        return None if kind(expected) & kind(found) else f"there {expected!r}\nhere {found!r}"
    if len(expected[0]) != len(found[0]):
        return f"{len(expected[0])} parts there, {len(found[0])} here"
    for i, (e, f) in enumerate(zip(expected[0], found[0], strict=True)):
        text = unlikeness(e, f, 2e-5, 2e-6) if isinstance(e, (np.ndarray, np.generic)) else f"{e!r}, {f!r}" * (e != f)
        if text:
            return f"part {i}: {text}"
    for i, (e, f) in enumerate(zip(expected[1], found[1], strict=True)):
        if weaker(f, e):
            return f"part {i} has static shape {e} there, {f} here"
    return None


def kind(error: Exception) -> set[str]:
    """The plain classes that an error is of."""
    names = {c.__name__ for c in type(error).__mro__}
    return names - {"Exception", "BaseException", "object", "OpError"}


def weaker(shape: Any, other: Any) -> bool:
    """Whether `shape` knows less than `other`, or something else."""
    if other is None:
        return False
    if shape is None or len(shape) != len(other):
        return True
    return any(o is not None and s != o for s, o in zip(shape, other, strict=True))
