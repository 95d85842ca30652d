"""tf.raw_ops: every op type as a function of keyword arguments.

    tf.raw_ops.Cumsum(x=[1, 2, 3], axis=0, exclusive=True)

Some arguments have another name than in the OpDef: what the first release called reduction_indices is `axis`.

Next: compat/v1/checks.py.
"""

from __future__ import annotations

from refflow.compat.v1.derived import Derived
from refflow.core.registry import find_op_def, op_def, registered_ops

_AXIS = {"reduction_indices": "axis", "split_dim": "axis", "squeeze_dims": "axis"}
_RENAMED = {
    "ExpandDims": {"dim": "axis"},
    "LookupTableFind": {"input_values": "keys"},
    "Select": {"t": "x", "e": "y"},
    "Where": {"input": "condition"},
}


def __getattr__(name: str) -> Derived:
    if name.startswith("_") or find_op_def(name) is None:
        raise AttributeError(f"module 'tf.raw_ops' has no attribute {name!r}: no op type of that name is defined here")
    names = {a.name for a in op_def(name).inputs} | op_def(name).attrs.keys()
    renamed = _RENAMED.get(name) or {old: new for old, new in _AXIS.items() if old in names}
    globals()[name] = found = Derived(name, name, keyword_only=True, renamed=renamed)
    return found


def __dir__() -> list[str]:
    return [op.name for op in registered_ops() if not op.name.startswith("_")]
