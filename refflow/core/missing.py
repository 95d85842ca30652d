"""What is said of a name that a module does not have.

Next: core/errors.py.
"""

from __future__ import annotations

import sys

FIRST_RELEASE = (
    "It has the names of TensorFlow's first release; `import refflow.compat.v1 as tf` has those of 1.x"
)
GRAPHS_OF_1_X = "It has 1.x's names; Keras, estimators and what came with 2.x are not there"


def no_attribute(module: str, name: str, it_has: str = FIRST_RELEASE) -> AttributeError:
    """The error for `module.name`, with what the module has instead; Python adds a name that is near it."""
    text = f"module {module!r} has no attribute {name!r}. {it_has}"
    return AttributeError(text, name=name, obj=sys.modules[module])
