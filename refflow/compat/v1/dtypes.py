"""tf.dtypes: element types, and what makes numbers of one of another.

Next: compat/v1/manip.py.
"""

from refflow import (
    DType,
    as_dtype,
    bfloat16,
    bool,
    complex,
    complex64,
    complex128,
    double,
    float16,
    float32,
    float64,
    half,
    int8,
    int16,
    int32,
    int64,
    qint8,
    qint16,
    qint32,
    quint8,
    quint16,
    resource,
    string,
    uint8,
    uint16,
    uint32,
    uint64,
    variant,
)
from refflow.compat.v1.numbers import cast, saturate_cast
from refflow.compat.v1.string_functions import as_string

__all__ = [
    "QUANTIZED_DTYPES", "DType", "as_dtype", "as_string", "bfloat16", "bool", "cast", "complex", "complex64",
    "complex128", "double", "float16", "float32", "float64", "half", "int8", "int16", "int32", "int64", "qint8",
    "qint16", "qint32", "quint8", "quint16", "resource", "saturate_cast", "string", "uint8", "uint16", "uint32",
    "uint64", "variant",
]  # fmt: skip

QUANTIZED_DTYPES = frozenset(t for base in (qint8, quint8, qint16, quint16, qint32) for t in (base, base.as_ref))
