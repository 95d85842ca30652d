"""Strings into pieces, and pieces into n-grams: one row of text in, a sparse or a ragged row out.

A split gives the positions [row, column] and the values of a sparse matrix with a row for each text:

    ["a b", "", "c"]  ->  indices [[0, 0], [0, 1], [2, 0]]   values ["a", "b", "c"]   shape [3, 2]

    StringSplit     the delimiter is a set of bytes; none: every byte is a piece
    StringSplitV2   the separator is a whole word; none: runs of white space, as Python's split()

Next: ops/string_format.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.strings import strings

STRING_SPLIT = define_op(
    "StringSplit", "input: string, delimiter: string -> indices: int64, values: string, shape: int64",
    skip_empty=True, source=("W06",),
)  # fmt: skip
STRING_SPLIT_V2 = define_op(
    "StringSplitV2", "input: string, sep: string -> indices: int64, values: string, shape: int64",
    maxsplit=-1, source=("W06",),
)  # fmt: skip
STRING_SPLIT.no_gradient()
STRING_SPLIT_V2.no_gradient_registered()


@STRING_SPLIT.kernel
def string_split_kernel(input, delimiter, skip_empty):
    marks = delimiter.item()
    return sparse_rows([_pieces(text, marks, skip_empty) for text in input])


@STRING_SPLIT_V2.kernel
def string_split_v2_kernel(input, sep, maxsplit):
    word = sep.item()
    return sparse_rows([_words(text, word, maxsplit) for text in input])


def _pieces(text: bytes, marks: bytes, skip_empty: bool) -> list[bytes]:
    if not marks:
        return [text[i : i + 1] for i in range(len(text))]
    if not text:
        return []
    pieces = text.translate(bytes.maketrans(marks, marks[:1] * len(marks))).split(marks[:1])
    return [p for p in pieces if p] if skip_empty else pieces


def _words(text: bytes, separator: bytes, limit: int) -> list[bytes]:
    """Python's split(), but where white space reaches the limit, what is left counts even if it is empty."""
    if limit == 0:
        return [text]
    if separator or limit < 0:
        return text.split(separator or None, limit)
    words = text.split(None, limit)
    if len(words) == limit:
        words.append(b"")
    return words


def sparse_rows(rows: list[list[bytes]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of different lengths as the indices, values and shape of a sparse matrix."""
    lengths = np.array([len(row) for row in rows], np.int64)
    total = int(lengths.sum())
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)  # where each value's row begins
    indices = np.stack([np.repeat(np.arange(len(rows)), lengths), np.arange(total) - first], axis=1)
    values = strings((piece for row in rows for piece in row), (total,))
    return indices.astype(np.int64), values, np.array([len(rows), lengths.max(initial=0)], np.int64)


@STRING_SPLIT.shape
@STRING_SPLIT_V2.shape
def _split_shape(context: ShapeContext) -> list[shapes.Shape]:
    for arg, kind, rank in zip(context.op_def.inputs, ("vector", "scalar"), (1, 0), strict=True):
        name, dims = arg.name, context.dims(arg.name)
        if dims is not None and len(dims) != rank:
            raise ShapeError(f"{name} must be a {kind}, got shape: {shapes.text(dims)}")
    return [(None, 2), (None,), (2,)]


STRING_SPLIT.case("W06", "each byte of the delimiter divides", input=[b"a,b;c", b"", b",d"], delimiter=b",;",
                  indices=[[0, 0], [0, 1], [0, 2], [2, 0]], values=[b"a", b"b", b"c", b"d"],
                  shape=[3, 3])  # fmt: skip
STRING_SPLIT.case("W06", "without a delimiter, bytes", input=[b"ab"], delimiter=b"", indices=[[0, 0], [0, 1]],
                  values=[b"a", b"b"], shape=[1, 2])  # fmt: skip
STRING_SPLIT.case("W06", "empty pieces may stay", input=[b",a"], delimiter=b",", skip_empty=False,
                  indices=[[0, 0], [0, 1]], values=[b"", b"a"], shape=[1, 2])  # fmt: skip
STRING_SPLIT.case("W06", "a vector of texts", input=b"a", delimiter=b",", error="input must be a vector, got shape: []")
STRING_SPLIT_V2.case("W06", "white space", input=[b" a  b "], sep=b"", indices=[[0, 0], [0, 1]],
                     values=[b"a", b"b"], shape=[1, 2])  # fmt: skip
STRING_SPLIT_V2.case("W06", "at most so many cuts", input=[b"a::b::c"], sep=b"::", maxsplit=1,
                     indices=[[0, 0], [0, 1]], values=[b"a", b"b::c"], shape=[1, 2])  # fmt: skip

# -- n-grams -----------------------------------------------------------------------------------------

STRING_NGRAMS = define_op(
    "StringNGrams",
    "data: string, data_splits: Tsplits -> ngrams: string, ngrams_splits: Tsplits",
    separator=Attr("string"), ngram_widths=Attr("list(int)", minimum=0), left_pad=Attr("string"),
    right_pad=Attr("string"), pad_width=Attr("int"), preserve_short_sequences=Attr("bool"),
    Tsplits=Attr("type", default=int64, allowed=INDICES), source=("W06",),
)  # fmt: skip
STRING_NGRAMS.no_gradient_registered()


@STRING_NGRAMS.kernel
def string_ngrams_kernel(
    data, data_splits, separator, ngram_widths, left_pad, right_pad, pad_width, preserve_short_sequences
):
    """Row by row, width by width: the windows over the row with its padding, joined."""
    if any(width <= 0 for width in ngram_widths):
        raise ValueError("ngram_widths must contain positive values")
    given, data, shape = data.shape, data.reshape(-1), data_splits.shape
    splits = check_splits(data_splits.reshape(-1), data.size)
    if not splits:
        return strings([b""] * data.size, given), data_splits
    pads = (left_pad.encode(), right_pad.encode(), separator.encode())
    found: list[bytes] = []
    ends = [0]
    for start, stop in pairwise(splits):
        row = list(data[start:stop])
        for width in ngram_widths:
            pad = width - 1 if pad_width < 0 else min(pad_width, width - 1)
            found += _windows(row, width, pad, *pads)
        if preserve_short_sequences and row and len(found) == ends[-1]:
            if pad_width < 0:
                raise ValueError(
                    "Pad width should be >= 0 when preserve_short_sequences is True and ngram_widths are not "
                    f"provided, got {pad_width}"
                )
            found += _windows(row, len(row) + 2 * pad_width, pad_width, *pads)
        ends.append(len(found))
    return strings(found, (len(found),)), np.array(ends, data_splits.dtype).reshape(shape)


def _windows(row: list[bytes], width: int, pad: int, left: bytes, right: bytes, separator: bytes) -> Iterable[bytes]:
    padded = [left] * pad + row + [right] * pad
    return [separator.join(padded[i : i + width]) for i in range(len(padded) - width + 1)]


def check_splits(splits: np.ndarray, size: int) -> list[int]:
    """Row ends as a list, which begins with 0, never falls and ends with `size`."""
    ends: list[int] = splits.tolist()
    if ends and ends[0] != 0:
        raise ValueError(f"First split value must be 0, got {ends[0]}")
    for before, end in pairwise(ends):
        if not before <= end <= size:
            raise ValueError(f"Invalid split value {end}, must be in [{before}, {size}]")
    if ends and ends[-1] != size:
        raise ValueError(f"Last split value must be data size. Expected {size}, got {ends[-1]}")
    return ends


@STRING_NGRAMS.shape
def _ngrams_shape(context: ShapeContext) -> list[shapes.Shape]:
    splits = context.dims("data_splits")
    return [None if splits is not None and 0 in splits else (None,), of_rank(splits, 1)]


STRING_NGRAMS.case("W06", "pairs, with padding", data=[b"a", b"b", b"c"], data_splits=np.array([0, 2, 3]),
                   separator="|", ngram_widths=[2], left_pad="L", right_pad="R", pad_width=1,
                   preserve_short_sequences=False, ngrams=[b"L|a", b"a|b", b"b|R", b"L|c", b"c|R"],
                   ngrams_splits=np.array([0, 3, 5]))  # fmt: skip
STRING_NGRAMS.case("W06", "widths count something", data=[b"a"], data_splits=np.array([0, 1]), separator="",
                   ngram_widths=[0], left_pad="", right_pad="", pad_width=0, preserve_short_sequences=False,
                   error="ngram_widths must contain positive values")  # fmt: skip
