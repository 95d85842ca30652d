"""What is said of a name that a module does not have.

Next: core/errors.py.
"""

from __future__ import annotations

import sys


def no_attribute(module: str, name: str) -> AttributeError:
    """The error for `module.name`; Python adds a name that is near it."""
    text = (
        f"module {module!r} has no attribute {name!r}. It has the names of TensorFlow's first release; "
        "`import refflow.compat.v1 as tf` has those of 1.x"
    )
    return AttributeError(text, name=name, obj=sys.modules[module])
