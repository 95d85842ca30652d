"""What users added to the library: the release's own example of it.

Next: tutorials/04_a_new_op.py.
"""

from __future__ import annotations

from refflow.core.graph import Tensor
from refflow.ops.histogram import FACT


def my_fact() -> Tensor:
    """A fact that nobody disputes, a string."""
    return FACT()
