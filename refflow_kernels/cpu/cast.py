"""Casts between plain numbers: one copy that changes the type, without a question about what the types are [W06, W77].

    bytes: x and y once

Floats lose their fraction toward zero when they become integers. What has no place in the new type is what the machine
makes of it, but for floats as unsigned integers of 32 and 64 bits, where machines differ: those are the page's.

Next: refflow_kernels/cpu/updates.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_BY_THE_PAGE = ("uint32", "uint64")


def cast(x: Any, DstT: Any, Truncate: bool = True, out: Any = None) -> Any:
    """x as another type."""
    if out is None:
        return x.astype(DstT.as_numpy_dtype)
    np.copyto(out, x, casting="unsafe")
    return out


def is_plain(attrs: dict[str, Any], plain: tuple[str, ...]) -> bool:
    """Whether both types are among `plain`, and every machine gives the same."""
    to_unsigned = attrs["SrcT"].name.startswith("float") and attrs["DstT"].name in _BY_THE_PAGE
    return attrs["DstT"].name in plain and not to_unsigned
