"""tf.version: which spellings these are, and which graphs are read.

Next: compat/v1/bitwise.py.
"""

import platform

import refflow
from refflow.core.graphdef import RELEASE

__all__ = [
    "COMPILER_VERSION", "GIT_VERSION", "GRAPH_DEF_VERSION", "GRAPH_DEF_VERSION_MIN_CONSUMER",
    "GRAPH_DEF_VERSION_MIN_PRODUCER", "VERSION",
]  # fmt: skip

VERSION = "1.15.0"  # the last whose spellings compat.v1 has
GIT_VERSION = f"refflow-{refflow.__version__}"
COMPILER_VERSION = f"{platform.python_implementation()} {platform.python_version()}"
GRAPH_DEF_VERSION = RELEASE
GRAPH_DEF_VERSION_MIN_CONSUMER = GRAPH_DEF_VERSION_MIN_PRODUCER = 0
