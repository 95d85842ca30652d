"""Messages of `tensorflow.core` that 1.x exports no class of, made from refflow's table of fields.

Next: compat/shadow/contrib_layers.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.dtypes import as_dtype

_OTHER_NAMES = {"FLOAT": "float32", "DOUBLE": "float64", "HALF": "float16"}  # of types, in the messages


def __getattr__(name: str) -> Any:
    if name.startswith("DT_"):
        return int(as_dtype(_OTHER_NAMES.get(name[3:], name[3:].lower())))
    from refflow.interop.schema import message

    try:
        return message(name)
    except KeyError:
        raise AttributeError(f"refflow reads no message of the type {name!r}", name=name) from None
