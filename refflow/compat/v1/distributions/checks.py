"""What the families share: checks that a step makes of parameters and values, seeds, and combinations.

Next: compat/v1/distributions/normal_functions.py.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

import refflow.compat.v1 as tf
from refflow.core.control import with_dependencies
from refflow.core.graph import Tensor


def gen_new_seed(seed: int | None, salt: str) -> int | None:
    """A seed for the second draw of one sample: it follows from the first's and a word."""
    if seed is None:
        return None
    return int(hashlib.md5(f"{seed}{salt}".encode()).hexdigest()[:8], 16) & 0x7FFFFFFF


def log_combinations(n: Any, counts: Any, name: str = "log_combinations") -> Tensor:
    """log(n! / (counts[0]! counts[1]! ...)), over the last axis of `counts`."""
    with tf.name_scope(name, values=[n, counts]):
        n, counts = tf.convert_to_tensor(n, name="n"), tf.convert_to_tensor(counts, name="counts")
        return tf.lgamma(n + 1) - tf.reduce_sum(tf.lgamma(counts + 1), axis=[-1])


def largest_integer(dtype: Any) -> int:
    """The largest whole number up to which the type has every one."""
    if dtype.is_floating:
        return int(2 ** (np.finfo(dtype.as_numpy_dtype).nmant + 1))
    return 1 if dtype.base_dtype == tf.bool else int(np.iinfo(dtype.as_numpy_dtype).max)


def assert_integer_form(x: Any, message: str | None = None, int_dtype: Any = None) -> Any:
    """An operation that fails where an element is not a whole number; there are `int_dtype`'s."""
    x = tf.convert_to_tensor(x, name="x")
    if x.dtype.is_integer:
        return tf.no_op()
    whole = int_dtype or {tf.float16: tf.int16, tf.float32: tf.int32, tf.float64: tf.int64}[x.dtype.base_dtype]
    again = tf.cast(tf.cast(x, whole), x.dtype)
    return tf.assert_equal(x, again, message=message or f"{x} has non-integer components")


def embed_check_nonnegative_integer_form(x: Any, name: str = "embed_check_nonnegative_integer_form") -> Tensor:
    """x, after a check that its elements are 0, 1, 2, ..."""
    with tf.name_scope(name, values=[x]):
        x = tf.convert_to_tensor(x, name="x")
        checks = [tf.assert_non_negative(x, message=f"'{x}' must be non-negative.")]
        if not x.dtype.is_integer:
            checks.append(assert_integer_form(x, f"'{x}' cannot contain fractional components."))
        return with_dependencies(checks, x)


def embed_check_integer_casting_closed(
    x: Any, target_dtype: Any, assert_nonnegative: bool = True, name: str = "embed_check_casting_closed"
) -> Tensor:
    """x, after a check that its elements are whole numbers that `target_dtype` has, of which one is a type of them."""
    with tf.name_scope(name, values=[x]):
        x = tf.convert_to_tensor(x, name="x")
        whole = [d.is_integer or d.base_dtype == tf.bool for d in (x.dtype, target_dtype)]
        if not any(whole):
            raise TypeError(
                f"At least one of {x}.dtype ({x.dtype.name}) and target_dtype ({target_dtype.name}) must be "
                "integer-type."
            )
        checks = [tf.assert_non_negative(x, message="Elements must be non-negative.")] if assert_nonnegative else []
        most = largest_integer(target_dtype)
        if x.dtype.is_floating:
            checks.append(assert_integer_form(x, f"Elements must be {target_dtype.name}-equivalent.", target_dtype))
        elif largest_integer(x.dtype) > most:
            checks.append(tf.assert_less_equal(x, most, message=f"Elements cannot exceed {most}."))
        return with_dependencies(checks, x) if checks else x


def embed_check_categorical_event_shape(
    categorical_param: Any, name: str = "embed_check_categorical_event_shape"
) -> Tensor:
    """The parameter, after checks that its last axis has at least 2 classes, and no more than its type can count."""
    few, flat = "at least 2 events.", "at least 1 dimension."
    said = "A categorical-distribution parameter must have "
    with tf.name_scope(name, values=[categorical_param]):
        x = tf.convert_to_tensor(categorical_param, name="categorical_param")
        kind = x.dtype.base_dtype
        if not kind.is_floating:
            raise TypeError(f"Unable to validate size of unrecognized dtype ({kind.name}).")
        most, known = largest_integer(kind), x.get_shape()
        if known.ndims == 0:
            raise ValueError(said + flat)
        size = None if known.ndims is None else known[-1].value
        too_many = f"Number of classes exceeds `dtype` precision, i.e., {kind.name} "
        if size is None:
            counted = tf.shape(x, name="x_shape")[-1]
            return with_dependencies(
                [
                    tf.assert_rank_at_least(x, 1, message=said + flat),
                    tf.assert_greater_equal(counted, 2, message=said + few),
                    tf.assert_less_equal(counted, most, message=f"{too_many}dtype cannot exceed {most} shape."),
                ],
                x,
            )
        if size < 2:
            raise ValueError(said + few)
        if size > most:
            raise ValueError(f"{too_many}implies shape ({size}) cannot exceed {most}.")
        return x


def get_logits_and_probs(
    logits: Any = None, probs: Any = None, multidimensional: bool = False, validate_args: bool = False,
    name: str = "get_logits_and_probs", dtype: Any = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Both, of the one that is given. multidimensional: of classes along the last axis, else each of one yes or no."""
    with tf.name_scope(name, values=[probs, logits]):
        if (probs is None) == (logits is None):
            raise ValueError("Must pass probs or logits, but not both.")
        given = "logits" if probs is None else "probs"
        x = tf.convert_to_tensor(logits if probs is None else probs, name=given, dtype=dtype)
        if not x.dtype.is_floating:
            raise TypeError(f"{given} must having floating type.")
        if probs is not None:
            x = _checked_probs(x, multidimensional) if validate_args else x
            with tf.name_scope("logits"):
                return tf.log(x) if multidimensional else tf.log(x) - tf.log1p(-1.0 * x), x
        if not multidimensional:
            return x, tf.sigmoid(x, name="probs")
        x = embed_check_categorical_event_shape(x) if validate_args else x
        return x, tf.nn.softmax(x, name="probs")


def _checked_probs(probs: Tensor, multidimensional: bool) -> Tensor:
    with tf.name_scope("validate_probs"):
        one = tf.constant(1.0, probs.dtype)
        checks = [tf.assert_non_negative(probs)]
        if multidimensional:
            probs = embed_check_categorical_event_shape(probs)
            checks.append(tf.debugging.assert_near(tf.reduce_sum(probs, -1), one, message="probs does not sum to 1."))
        else:
            checks.append(tf.assert_less_equal(probs, one, message="probs has components greater than 1."))
        return with_dependencies(checks, probs)
