"""Element types: a number on the wire, a name, a NumPy type, and a mark for references.

    float32 <-> enum 1 <-> np.float32          float32_ref <-> enum 101          [W16]

A *reference* type belongs to the output of a stateful node, such as a Variable: the value behind it
may change, and an operation that asks for a plain value reads it at the moment it runs [W11, W12].
There is no promotion: an operation takes exactly the types of its signature [W77].

bfloat16, the quantized and the narrow types have no NumPy type of their own; they travel as one-field records
over integers, so that no kernel can mistake them for numbers.

Next: core/shapes.py.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from refflow.core.errors import DTypeError

_REF = 100  # distance between an enum value and that of its reference type [W11]

# name: (enum, NumPy type, kind). Kinds: f float, i signed, u unsigned, c complex, b bool, s string,
# q quantized, r resource handle, n narrow: bits that are moved (core/narrow.py).
_TABLE: dict[str, tuple[int, Any, str]] = {
    "float32": (1, np.float32, "f"),
    "float64": (2, np.float64, "f"),
    "int32": (3, np.int32, "i"),
    "uint8": (4, np.uint8, "u"),
    "int16": (5, np.int16, "i"),
    "int8": (6, np.int8, "i"),
    "string": (7, np.object_, "s"),
    "complex64": (8, np.complex64, "c"),
    "int64": (9, np.int64, "i"),
    "bool": (10, np.bool_, "b"),
    "qint8": (11, np.dtype([("qint8", np.int8)]), "q"),
    "quint8": (12, np.dtype([("quint8", np.uint8)]), "q"),
    "qint32": (13, np.dtype([("qint32", np.int32)]), "q"),
    "bfloat16": (14, np.dtype([("bfloat16", np.uint16)]), "f"),
    "qint16": (15, np.dtype([("qint16", np.int16)]), "q"),
    "quint16": (16, np.dtype([("quint16", np.uint16)]), "q"),
    "uint16": (17, np.uint16, "u"),
    "complex128": (18, np.complex128, "c"),
    "float16": (19, np.float16, "f"),
    "resource": (20, np.object_, "r"),
    "variant": (21, np.object_, "r"),
    "uint32": (22, np.uint32, "u"),
    "uint64": (23, np.uint64, "u"),
    "float8_e5m2": (24, np.dtype([("float8_e5m2", np.uint8)]), "n"),
    "float8_e4m3fn": (25, np.dtype([("float8_e4m3fn", np.uint8)]), "n"),
    "float8_e4m3fnuz": (26, np.dtype([("float8_e4m3fnuz", np.uint8)]), "n"),
    "float8_e4m3b11fnuz": (27, np.dtype([("float8_e4m3b11fnuz", np.uint8)]), "n"),
    "float8_e5m2fnuz": (28, np.dtype([("float8_e5m2fnuz", np.uint8)]), "n"),
    "int4": (29, np.dtype([("int4", np.uint8)]), "n"),
    "uint4": (30, np.dtype([("uint4", np.uint8)]), "n"),
    "int2": (31, np.dtype([("int2", np.uint8)]), "n"),
    "uint2": (32, np.dtype([("uint2", np.uint8)]), "n"),
}
_NAMES = {row[0]: name for name, row in _TABLE.items()}


_C_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


class DType:
    """One element type. Instances are unique: compare them with `==` or `is`.

    >>> float32.as_ref.name, float32.as_ref.base_dtype is float32
    ('float32_ref', True)
    """

    __slots__ = ("_enum", "_other", "as_numpy_dtype", "base_dtype", "is_ref_dtype", "kind", "name")
    _instances: dict[int, DType] = {}  # noqa: RUF012  (one table, filled by this module alone)
    _enum: int
    as_numpy_dtype: Any
    base_dtype: DType
    is_ref_dtype: bool
    kind: str
    name: str

    def __new__(cls, type_enum: int) -> DType:
        known = cls._instances.get(int(type_enum))
        if known is not None:
            return known
        self = super().__new__(cls)
        base = int(type_enum) % _REF
        if base not in _NAMES or int(type_enum) not in (base, base + _REF):
            raise DTypeError(f"{type_enum!r} is not the number of an element type. Known: {_known()}")
        name = _NAMES[base]
        self._enum = int(type_enum)
        self.is_ref_dtype = self._enum > _REF
        self.name = name + "_ref" if self.is_ref_dtype else name
        numpy_type = _TABLE[name][1]
        self.as_numpy_dtype = numpy_type
        self.kind = _TABLE[name][2]
        self.base_dtype = cls(base) if self.is_ref_dtype else self
        cls._instances[self._enum] = self
        return self

    def __init__(self, type_enum: int) -> None:
        """The type of that number on the wire: there is one object for each, which `__new__` finds or makes."""

    def __reduce__(self) -> tuple[type[DType], tuple[int]]:
        return DType, (self._enum,)

    @property
    def as_ref(self) -> DType:
        """The reference counterpart."""
        return self if self.is_ref_dtype else DType(self._enum + _REF)

    @property
    def _is_ref_dtype(self) -> bool:
        """1.x's inner name for it."""
        return self.is_ref_dtype

    @property
    def as_datatype_enum(self) -> int:
        """The number on the wire (DT_FLOAT = 1, DT_FLOAT_REF = 101, ...)."""
        return self._enum

    @property
    def c_name(self) -> str:
        """The name that TensorFlow's runtime has for it in messages: float, double, half, else the same."""
        return _C_NAMES.get(self.name, self.name)

    @property
    def enum_name(self) -> str:
        """The name of its number: DT_HALF, DT_FLOAT, DT_DOUBLE, else the name itself."""
        return f"DT_{self.c_name.upper()}"

    @property
    def is_floating(self) -> bool:
        return self.kind == "f" or self.name.startswith("float8")

    @property
    def is_integer(self) -> bool:
        """True for integers, signed or not; quantized types are none."""
        return self.kind in "iu" or (self.kind == "n" and "int" in self.name)

    @property
    def is_unsigned(self) -> bool:
        return self.kind == "u" or (self.kind == "n" and self.name.startswith("uint"))

    @property
    def is_complex(self) -> bool:
        return self.kind == "c"

    @property
    def is_bool(self) -> bool:
        return self.kind == "b"

    @property
    def is_quantized(self) -> bool:
        return self.kind == "q"

    @property
    def is_narrow(self) -> bool:
        """True for types of fewer bits than any that computes: they are moved, and cast (core/narrow.py)."""
        return self.kind == "n"

    @property
    def size(self) -> int:
        """Bytes per element (8 for a string or a handle: a pointer)."""
        return np.dtype(self.as_numpy_dtype).itemsize

    @property
    def min(self) -> Any:
        return _limit(self.base_dtype, "min")

    @property
    def max(self) -> Any:
        return _limit(self.base_dtype, "max")

    @property
    def limits(self) -> tuple[Any, Any]:
        """The least and the greatest value that pictures of this type have: 0 and 1 for floats."""
        if self.base_dtype.kind not in "fiub":
            raise ValueError(f"{self} does not have defined limits.")
        return 0, 1 if self.is_floating else self.max

    @property
    def real_dtype(self) -> DType:
        """The type of a complex number's parts; of any other type itself."""
        halves = {"complex64": float32, "complex128": float64}
        return halves.get(self.base_dtype.name, self)

    @property
    def is_numeric(self) -> bool:
        """True for numbers, quantized ones among them."""
        return self.base_dtype.kind in "fiucqn"

    @property
    def is_numpy_compatible(self) -> bool:
        """False for handles."""
        return self.base_dtype.kind != "r"

    def is_compatible_with(self, other: Any) -> bool:
        """True where a tensor of type `other` may be used for one of this type."""
        other = as_dtype(other)
        return self is other or self is other.base_dtype

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DType):
            return self is other
        if other is None:
            return False
        try:
            return self is as_dtype(other)
        except TypeError:
            return False

    def __hash__(self) -> int:
        return self._enum

    def __int__(self) -> int:
        return self._enum

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: {self.name!r}>"


@cache
def _limit(base: DType, which: str) -> Any:
    if base.name == "bfloat16":
        top = float(np.array(0x7F7F0000, np.uint32).view(np.float32))  # largest finite bfloat16
        return top if which == "max" else -top
    if base.kind == "f":
        return getattr(np.finfo(base.as_numpy_dtype), which)
    if base.kind in "iu":
        return getattr(np.iinfo(base.as_numpy_dtype), which)
    if base.kind == "q":
        return getattr(np.iinfo(base.as_numpy_dtype[base.name]), which)
    if base.kind == "b":
        return which == "max"
    raise TypeError(f"{base.name} has no {which}imum: its values have no order")


float32, float64, float16, bfloat16 = DType(1), DType(2), DType(19), DType(14)
int8, int16, int32, int64 = DType(6), DType(5), DType(3), DType(9)
uint8, uint16, uint32, uint64 = DType(4), DType(17), DType(22), DType(23)
complex64, complex128 = DType(8), DType(18)
string, bool_, resource, variant = DType(7), DType(10), DType(20), DType(21)
float8_e5m2, float8_e4m3fn, int4, uint4 = DType(24), DType(25), DType(29), DType(30)
qint8, quint8, qint16, quint16, qint32 = DType(11), DType(12), DType(15), DType(16), DType(13)
half, double = float16, float64

FLOATS = (float16, float32, float64, bfloat16)
REALS = (*FLOATS, int8, int16, int32, int64, uint8, uint16, uint32, uint64)
NUMBERS = (*REALS, complex64, complex128)
INDICES = (int32, int64)
ALL = tuple(DType(enum) for enum in sorted(_NAMES))

_ALIASES: dict[Any, DType] = {name: DType(row[0]) for name, row in _TABLE.items()}
_ALIASES |= {f"{name}_ref": dtype.as_ref for name, dtype in tuple(_ALIASES.items())}
_ALIASES |= {"float": float32, "double": float64, "half": float16, "int": int32}
_ALIASES |= {float: float32, int: int32, bool: bool_, str: string, bytes: string, complex: complex128}
_BY_NUMPY = {np.dtype(row[1]): DType(row[0]) for row in reversed(_TABLE.values())}
_BY_NUMPY[np.dtype(np.object_)] = string


def plain(array: Any) -> Any:
    """Quantized values as the integers that they are; a bfloat16's bits; anything else as it is."""
    return array.view(array.dtype[0]) if getattr(array, "dtype", None) is not None and array.dtype.names else array


def _known() -> str:
    return ", ".join(_TABLE)


def as_dtype(type_value: Any) -> DType:
    """The DType meant by a DType, an enum number, a name, a NumPy or a Python type.

    >>> as_dtype("float32") is as_dtype(np.float32) is as_dtype(1)
    True
    """
    if isinstance(type_value, DType):
        return type_value
    try:
        found = _ALIASES.get(type_value)
    except TypeError:
        found = None
    if found is not None and not isinstance(type_value, int):
        return found
    if isinstance(type_value, int) and not isinstance(type_value, bool):
        return DType(type_value)
    if type_value is not None:
        try:
            numpy_type = np.dtype(type_value)
        except TypeError:
            numpy_type = None
        if numpy_type is not None:
            if numpy_type.kind in "US":
                return string
            found = _BY_NUMPY.get(numpy_type.newbyteorder("="))
            if found is not None:
                return found
    raise DTypeError(f"{type_value!r} is not an element type. Known: {_known()}")
