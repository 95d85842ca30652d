"""Texts as the numbers of their characters, and back: one text is a vector, several are ragged tensors.

Next: ops/unicode.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.derived import derived
from refflow.compat.v1.ragged_tensor import RaggedTensor, as_values
from refflow.compat.v1.string_functions import as_strings, each_string
from refflow.core.convert import op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.constant import ones_like

__all__ = [
    "unicode_decode", "unicode_decode_with_offsets", "unicode_encode", "unicode_script", "unicode_split",
    "unicode_split_with_offsets", "unicode_transcode",
]  # fmt: skip

_UNKNOWN = 65533
unicode_script, unicode_transcode = derived("UnicodeScript"), derived("UnicodeTranscode")


def _attrs(encoding: str, errors: str, replacement_char: int, replace_control_characters: bool) -> dict[str, Any]:
    return {"input_encoding": encoding, "errors": errors, "replacement_char": replacement_char,
            "replace_control_characters": replace_control_characters}  # fmt: skip


def unicode_decode(
    input: Any, input_encoding: str, errors: str = "replace", replacement_char: int = _UNKNOWN,
    replace_control_characters: bool = False, name: str | None = None,
) -> Any:  # fmt: skip
    """The numbers of each text's characters."""
    with op_scope([], name, "UnicodeDecode"):
        attrs = _attrs(input_encoding, errors, replacement_char, replace_control_characters)

        def vector(values: Tensor) -> RaggedTensor:
            found = op_def("UnicodeDecode")(values, **attrs)
            return RaggedTensor.from_row_splits(found.char_values, found.row_splits, validate=False)

        return each_string(vector, as_strings(input))


def unicode_decode_with_offsets(
    input: Any, input_encoding: str, errors: str = "replace", replacement_char: int = _UNKNOWN,
    replace_control_characters: bool = False, name: str | None = None,
) -> tuple[Any, Any]:  # fmt: skip
    """The same, and where in the text's bytes each character begins."""
    with op_scope([], name, "UnicodeDecodeWithOffsets"):
        attrs = _attrs(input_encoding, errors, replacement_char, replace_control_characters)
        starts: list[Tensor] = []

        def vector(values: Tensor) -> RaggedTensor:
            found = op_def("UnicodeDecodeWithOffsets")(values, **attrs)
            starts.append(found.char_to_byte_starts)
            return RaggedTensor.from_row_splits(found.char_values, found.row_splits, validate=False)

        numbers = each_string(vector, as_strings(input))
        return numbers, numbers.with_flat_values(starts[0]) if isinstance(numbers, RaggedTensor) else starts[0]


def unicode_encode(
    input: Any, output_encoding: str, errors: str = "replace", replacement_char: int = _UNKNOWN,
    name: str | None = None,
) -> Any:  # fmt: skip
    """The texts whose characters have these numbers, a text for each row."""
    with op_scope([], name, "UnicodeEncode"):
        values = as_values(input)
        more = (output_encoding, errors, replacement_char)
        if isinstance(values, RaggedTensor):
            if isinstance(values.values, RaggedTensor):
                return values.with_values(unicode_encode(values.values, *more))
            return op_def("UnicodeEncode")(values.values, values.row_splits, output_encoding=output_encoding,
                                           errors=errors, replacement_char=replacement_char)  # fmt: skip
        rank = values.get_shape().ndims
        if rank is None:
            raise ValueError("Rank of input_tensor must be statically known.")
        if rank > 1:
            return unicode_encode(RaggedTensor.from_tensor(values), *more)
        one = RaggedTensor.from_row_lengths(values, op_def("Shape")(values), validate=False)
        return unicode_encode(one, *more)[0]


def unicode_split(
    input: Any, input_encoding: str, errors: str = "replace", replacement_char: int = _UNKNOWN,
    name: str | None = None,
) -> Any:  # fmt: skip
    """Each text's characters, a text for each of them."""
    with op_scope([], name, "UnicodeSplit"):
        numbers = unicode_decode(input, input_encoding, errors, replacement_char)
        return _characters(numbers, input_encoding, errors, replacement_char)


def unicode_split_with_offsets(
    input: Any, input_encoding: str, errors: str = "replace", replacement_char: int = _UNKNOWN,
    name: str | None = None,
) -> tuple[Any, Any]:  # fmt: skip
    """The same, and where in the text's bytes each character begins."""
    with op_scope([], name, "UnicodeSplitWithOffsets"):
        numbers, starts = unicode_decode_with_offsets(input, input_encoding, errors, replacement_char)
        return _characters(numbers, input_encoding, errors, replacement_char), starts


def _characters(numbers: Any, encoding: str, errors: str, replacement_char: int) -> Any:
    if isinstance(numbers, RaggedTensor):
        return numbers.with_flat_values(_characters(numbers.flat_values, encoding, errors, replacement_char))
    rows = RaggedTensor.from_row_lengths(numbers, ones_like(numbers), validate=False)
    return unicode_encode(rows, encoding, errors, replacement_char)
