"""Every op type as a function, as the modules `gen_*_ops` had them: inputs in order, then attributes, then a name.

    conv2d_backprop_input(input_sizes, filter, out_backprop, strides, padding)

Names are found by the op type's letters: `fifo_queue_v2` is FIFOQueueV2's, and `_concat` is Concat's, for early
releases hid their functions behind an underscore.

Next: compat/shadow/framework.py.
"""

from __future__ import annotations

from functools import cache

from refflow.compat.v1.derived import Derived
from refflow.core.registry import registered_ops


def __getattr__(name: str) -> Derived:
    found = _by_letters().get(name.replace("_", "").lower())
    if found is None or name.startswith("__"):
        raise AttributeError(f"no op type has the letters of {name!r}", name=name)
    return Derived(found, name.lstrip("_"))


@cache
def _by_letters() -> dict[str, str]:
    return {op.name.lower(): op.name for op in registered_ops() if not op.name.startswith("_")}
