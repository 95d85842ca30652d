"""Values as strings and back: sparse tensors, tensors, base 64, JSON, comma-separated lines, raw memory, files.

Next: ops/sparse_serialize.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import _axis
from refflow.compat.v1.derived import derived
from refflow.compat.v1.sparse_arrays import _parts
from refflow.compat.v1.sparse_tensor import SparseTensor, as_sparse
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype, float32, string
from refflow.core.graph import Tensor
from refflow.core.registry import op_def

__all__ = [
    "decode_base64", "decode_compressed", "decode_csv", "decode_json_example", "decode_raw", "deserialize_many_sparse",
    "encode_base64", "fingerprint", "matching_files", "parse_tensor", "read_file", "serialize_many_sparse",
    "serialize_sparse", "serialize_tensor", "string_to_number", "write_file",
]  # fmt: skip

decode_base64, encode_base64 = derived("DecodeBase64", "decode_base64"), derived("EncodeBase64", "encode_base64")
decode_compressed = derived("DecodeCompressed")
decode_json_example = derived("DecodeJSONExample", "decode_json_example")
parse_tensor, serialize_tensor = derived("ParseTensor"), derived("SerializeTensor")
read_file, write_file, matching_files = derived("ReadFile"), derived("WriteFile"), derived("MatchingFiles")


def serialize_sparse(sp_input: Any, name: str | None = None, out_type: Any = string) -> Tensor:
    """[3]: places, values and sizes, each serialized."""
    return op_def("SerializeSparse")(*_parts(as_sparse(sp_input)), out_type=as_dtype(out_type), name=name)


def serialize_many_sparse(sp_input: Any, name: str | None = None, out_type: Any = string) -> Tensor:
    """[N, 3]: the same for each of N parts along the first axis."""
    return op_def("SerializeManySparse")(*_parts(as_sparse(sp_input)), out_type=as_dtype(out_type), name=name)


def deserialize_many_sparse(
    serialized_sparse: Any, dtype: Any, rank: int | None = None, name: str | None = None
) -> SparseTensor:
    """The SparseTensors that [N, 3] strings hold, in one along a new first axis; `rank`: that of each of them."""
    found = op_def("DeserializeManySparse")(serialized_sparse, dtype=as_dtype(dtype), name=name)
    found.sparse_indices.set_shape([None, rank])
    found.sparse_shape.set_shape([rank])
    return SparseTensor(*found)


def decode_raw(
    input_bytes: Any = None, out_type: Any = None, little_endian: bool = True, name: str | None = None,
    bytes: Any = None,
) -> Tensor:  # fmt: skip
    """Each string's bytes as a row of numbers; all strings have one length."""
    given = _axis(input_bytes, bytes)
    if given is None or out_type is None:
        raise ValueError("decode_raw needs input_bytes and out_type")
    return op_def("DecodeRaw")(given, out_type=as_dtype(out_type), little_endian=little_endian, name=name)


def decode_csv(
    records: Any, record_defaults: Sequence[Any], field_delim: str = ",", use_quote_delim: bool = True,
    name: str | None = None, na_value: str = "", select_cols: Sequence[int] | None = None,
) -> list[Tensor]:  # fmt: skip
    """The columns of comma-separated lines, a tensor each; a default of no elements is needed in every line.

    na_value: what else than nothing stands for a missing field. select_cols: rising numbers of the columns wanted.
    """
    if select_cols is not None:
        if any(a >= b for a, b in pairwise(select_cols)):
            raise ValueError("select_cols is not strictly increasing.")
        if len(select_cols) and select_cols[0] < 0:
            raise ValueError("select_cols contains negative values.")
        if len(select_cols) != len(record_defaults):
            raise ValueError("Length of select_cols and record_defaults do not match.")
    return list(op_def("DecodeCSV")(
        records, list(record_defaults), field_delim=field_delim, use_quote_delim=use_quote_delim, na_value=na_value,
        select_cols=list(select_cols or ()), name=name))  # fmt: skip


def string_to_number(
    string_tensor: Any = None, out_type: Any = float32, name: str | None = None, input: Any = None
) -> Tensor:
    """Each string's number."""
    return op_def("StringToNumber")(_axis(string_tensor, input), out_type=as_dtype(out_type), name=name)


def fingerprint(data: Any, method: Any = "farmhash64", name: str | None = None) -> Tensor:
    """Eight bytes for each row of `data`."""
    return op_def("Fingerprint")(data, np.array(method.encode(), object) if isinstance(method, str) else
                                 convert_to_tensor(method), name=name)  # fmt: skip
