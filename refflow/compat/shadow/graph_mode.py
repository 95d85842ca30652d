"""What programs ask to learn whether they build graphs or run at once: here they always build graphs.

Next: compat/shadow/functions.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from refflow.core.graph import get_default_graph


def executing_eagerly() -> bool:
    """False."""
    return False


in_eager_mode = executing_eagerly_outside_functions = enabled = executing_eagerly


def in_graph_mode() -> bool:
    """True."""
    return True


@contextmanager
def graph_mode() -> Iterator[None]:
    """A block that builds its nodes into the default graph, as any does."""
    with get_default_graph().as_default():
        yield


def eager_mode() -> Any:
    """A RuntimeError: nothing runs while it is built."""
    raise RuntimeError("eager execution: refflow builds graphs, which sessions run. Build the graph and run it")


def context() -> Any:
    """What says how programs run: this module."""
    return sys.modules[__name__]


def num_gpus() -> int:
    """How many cards a session finds by itself: none; its `devices` say otherwise."""
    return 0
