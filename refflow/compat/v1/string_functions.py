"""Strings cut, joined, matched, hashed and put in words, as 1.x spells it; ragged tensors of strings too.

Next: compat/v1/unicode.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import _axis
from refflow.compat.v1.derived import derived
from refflow.compat.v1.ragged_rows import rowwise
from refflow.compat.v1.ragged_tensor import RaggedTensor, as_values
from refflow.compat.v1.sparse_tensor import SparseTensor
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import int32, string
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.cast import cast

__all__ = [
    "as_string", "reduce_join", "regex_replace", "string_join", "string_split", "string_strip", "string_to_hash_bucket",
    "string_to_hash_bucket_fast", "string_to_hash_bucket_strong", "substr",
]  # fmt: skip

as_string, string_strip = derived("AsString", "as_string"), derived("StringStrip", "string_strip")
string_lower, string_upper = derived("StringLower", "lower"), derived("StringUpper", "upper")
string_to_hash_bucket_fast = derived("StringToHashBucketFast", "string_to_hash_bucket_fast")
string_to_hash_bucket_strong = derived("StringToHashBucketStrong", "string_to_hash_bucket_strong")


def string_to_hash_bucket(
    string_tensor: Any = None, num_buckets: int | None = None, name: str | None = None, input: Any = None
) -> Tensor:
    """A number below `num_buckets` for each string; it may be another in another process."""
    return op_def("StringToHashBucket")(_axis(string_tensor, input), num_buckets=num_buckets, name=name)


@rowwise
def string_length(input: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """How many bytes, or characters, each string has."""
    return op_def("StringLength")(input, unit=unit, name=name)


@rowwise
def substr(input: Any, pos: Any, len: Any, name: str | None = None, unit: str = "BYTE") -> Tensor:
    """`len` bytes, or characters, from `pos` on, elementwise."""
    pos = convert_to_tensor(pos)
    return op_def("Substr")(input, pos, convert_to_tensor(len, pos.dtype.base_dtype), unit=unit, name=name)


@rowwise
def regex_full_match(input: Any, pattern: Any, name: str | None = None) -> Tensor:
    """Whether all of each string fits `pattern`."""
    if isinstance(pattern, str):
        return op_def("StaticRegexFullMatch")(input, pattern=pattern, name=name)
    return op_def("RegexFullMatch")(input, pattern, name=name)


@rowwise
def regex_replace(
    input: Any, pattern: Any, rewrite: Any, replace_global: bool = True, name: str | None = None
) -> Tensor:
    """Each string with what fits `pattern` replaced: everywhere, or where it comes first."""
    if isinstance(pattern, str) and isinstance(rewrite, str):
        return op_def("StaticRegexReplace")(input, pattern=pattern, rewrite=rewrite, replace_global=replace_global,
                                            name=name)  # fmt: skip
    return op_def("RegexReplace")(input, pattern, rewrite, replace_global=replace_global, name=name)


def string_format(
    template: str, inputs: Any, placeholder: str = "{}", summarize: int = 3, name: str | None = None
) -> Tensor:
    """`template` with a tensor in the place of each `placeholder`, its first and last elements."""
    given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    wanted = len(template.split(placeholder)) - 1
    if wanted != len(given):
        raise ValueError(f"The template expects {wanted} tensors, but the inputs only has {len(given)}. Please ensure "
                         "the number of placeholders in template matches inputs length.")  # fmt: skip
    return op_def("StringFormat")([convert_to_tensor(t) for t in given], template=template, placeholder=placeholder,
                                  summarize=summarize, name=name)  # fmt: skip


# -- joining -----------------------------------------------------------------------------------------------------


def string_join(inputs: Sequence[Any], separator: str = "", name: str | None = None) -> Any:
    """The strings of several tensors end to end, elementwise."""
    given = list(inputs)
    first = next((value for value in given if isinstance(value, RaggedTensor)), None)
    if first is None:
        return op_def("StringJoin")(given, separator=separator, name=name)
    return first._elementwise(lambda *flat: string_join(flat, separator, name), given)


def reduce_join(
    inputs: Any, axis: Any = None, keep_dims: bool | None = None, separator: str = "", name: str | None = None,
    reduction_indices: Any = None, keepdims: bool | None = None,
) -> Any:  # fmt: skip
    """The strings along `axis` end to end, or all of them, last axis first."""
    axis, keep = _axis(axis, reduction_indices), bool(_axis(keepdims, keep_dims, False))
    if isinstance(inputs, RaggedTensor):
        return _joined_rows(inputs, axis, separator)
    inputs = convert_to_tensor(inputs, string)
    if axis is None:
        rank = inputs.get_shape().ndims
        last = (op_def("Rank")(inputs) if rank is None else rank) - 1
        axis = op_def("Range")(last, -1, -1) if rank is None else np.arange(last, -1, -1, dtype=np.int32)
    return op_def("ReduceJoin")(inputs, convert_to_tensor(axis, int32), keep_dims=keep, separator=separator, name=name)


def _joined_rows(inputs: RaggedTensor, axis: Any, separator: str) -> Any:
    """Each innermost row end to end."""
    if axis not in (-1, inputs.ragged_rank):
        raise ValueError(f"reduce_join of a RaggedTensor goes along its last axis, {inputs.ragged_rank}; got {axis}")
    if isinstance(inputs.values, RaggedTensor):
        return inputs.with_values(_joined_rows(inputs.values, -1, separator))
    found = unsorted_segment_join(inputs.values, inputs.value_rowids(), inputs.nrows(), separator)
    found.set_shape(inputs.shape[:1])
    return found


def unsorted_segment_join(
    inputs: Any, segment_ids: Any, num_segments: Any, separator: str = "", name: str | None = None
) -> Tensor:
    """The strings of each segment end to end."""
    return op_def("UnsortedSegmentJoin")(inputs, segment_ids, num_segments, separator=separator, name=name)


# -- cutting -----------------------------------------------------------------------------------------------------


def string_split(
    source: Any, sep: Any = None, skip_empty: bool = True, delimiter: Any = None, result_type: str = "SparseTensor",
    name: str | None = None,
) -> Any:  # fmt: skip
    """The parts of each string of a vector, cut at any character of `sep`: a row for each."""
    with op_scope([], name, "StringSplit"):
        _check_result(result_type)
        sep, source = _axis(sep, delimiter, " "), convert_to_tensor(source, string)
        found = SparseTensor(*op_def("StringSplit")(source, sep, skip_empty=skip_empty))
        return found if result_type == "SparseTensor" else _known_rows(_as_rows(found), source)


def _check_result(result_type: str) -> None:
    if result_type not in ("SparseTensor", "RaggedTensor"):
        raise ValueError("result_type must be 'RaggedTensor' or 'SparseTensor'.")


def _as_rows(found: SparseTensor) -> RaggedTensor:
    return RaggedTensor.from_value_rowids(found.values, found.indices[:, 0], found.dense_shape[0], validate=False)


def _known_rows(found: Any, values: Tensor) -> Any:
    """The rows of strings, of which there are as many as strings."""
    size = values.get_shape()[0].value
    found.row_splits.set_shape([None if size is None else size + 1])
    return found


def strings_split(
    input: Any = None, sep: Any = None, maxsplit: int = -1, result_type: str = "SparseTensor", source: Any = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """The parts of each string, cut at the text `sep`, or where there is white space; at most `maxsplit` cuts."""
    input = as_strings(_axis(input, source))
    with op_scope([], name, "StringSplit"):
        _check_result(result_type)
        if isinstance(input, Tensor) and input.get_shape().ndims == 0:
            input = op_def("ExpandDims")(input, 0)  # one row

        def cut(values: Tensor) -> SparseTensor:
            return SparseTensor(*op_def("StringSplitV2")(values, "" if sep is None else sep, maxsplit=maxsplit))

        if result_type == "SparseTensor" and isinstance(input, Tensor) and input.get_shape().ndims == 1:
            return cut(input)
        found = each_string(lambda values: _as_rows(cut(values)), input)
        return found if result_type == "RaggedTensor" else found.to_sparse()


def as_strings(value: Any) -> Any:
    return value if isinstance(value, RaggedTensor) else convert_to_tensor(value, string)


def each_string(function: Any, input: Any) -> Any:
    """`function` of a vector of strings gives a row for each; of one string its row; of more, rows of rows."""
    if isinstance(input, RaggedTensor):
        inner = input.values
        rows = each_string(function, inner) if isinstance(inner, RaggedTensor) else _known_rows(function(inner), inner)
        return input.with_values(rows)
    rank = input.get_shape().ndims
    if rank is None:
        raise ValueError(f"the rank of {input.name!r} is to be known: use set_shape()")
    if rank == 0:
        return function(op_def("ExpandDims")(input, 0)).values
    return _known_rows(function(input), input) if rank == 1 else each_string(function, RaggedTensor.from_tensor(input))


def bytes_split(input: Any, name: str | None = None) -> Any:
    """Each string's bytes, one string for each of them."""

    def vector(values: Tensor) -> RaggedTensor:
        found = op_def("StringSplit")(values, "", skip_empty=False)
        return _as_rows(SparseTensor(*found))

    with op_scope([], name, "StringsByteSplit"):
        return each_string(vector, as_strings(input))


def ngrams(
    data: Any, ngram_width: Any, separator: str = " ", pad_values: Any = None, padding_width: int | None = None,
    preserve_short_sequences: bool = False, name: str | None = None,
) -> Any:  # fmt: skip
    """Every `ngram_width` neighbours in each row, joined; of several widths, those of one after those of the other.

    pad_values: what stands before and behind each row, one text or two; padding_width: how often, by default as often
    as an n-gram can begin or end there.
    """
    if padding_width is not None and padding_width < 1:
        raise ValueError(f"padding_width must be >= 1. Received: {padding_width}")
    if isinstance(pad_values, (list, tuple)) and (len(pad_values) != 2 or not all(map(_is_text, pad_values))):
        raise ValueError(f"pad_values must be a string, tuple of two strings, or None. Got {pad_values}")
    before, behind = pad_values if isinstance(pad_values, (list, tuple)) else (pad_values or "",) * 2
    width = 0 if pad_values is None else -1 if padding_width is None else padding_width
    widths = [ngram_width] if isinstance(ngram_width, int) else list(ngram_width)
    for one in widths:
        if one < 1:
            raise ValueError(f"All ngram_widths must be greater than 0. Got {ngram_width}")
    with op_scope([], name, "StringNGrams"):
        data = as_values(data)
        dense = isinstance(data, Tensor)
        rows, depth = _rows(data)
        inner = rows.values if isinstance(rows.values, RaggedTensor) else None
        if inner is not None:
            return rows.with_values(ngrams(inner, ngram_width, separator, pad_values, padding_width,
                                           preserve_short_sequences))  # fmt: skip
        found = op_def("StringNGrams")(
            rows.flat_values, rows.row_splits, separator=separator, ngram_widths=widths, left_pad=before,
            right_pad=behind, pad_width=width, preserve_short_sequences=preserve_short_sequences)  # fmt: skip
        made = RaggedTensor.from_row_splits(found.ngrams, found.ngrams_splits, validate=False)
        return made.values if depth == 1 else made.to_tensor() if dense else made


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, bytes))


def _rows(data: Any) -> tuple[RaggedTensor, int]:
    """`data` as rows, a vector as one row, and its rank."""
    if isinstance(data, RaggedTensor):
        return data, data.ragged_rank + 1
    rank = data.get_shape().ndims
    if rank is None:
        raise ValueError("Rank of data must be known.")
    if rank == 1:
        size = cast(op_def("Size")(data), int32)
        return RaggedTensor.from_row_lengths(data, op_def("Reshape")(cast(size, int32), [1]), validate=False), 1
    return RaggedTensor.from_tensor(data), rank
