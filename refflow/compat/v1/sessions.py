"""Sessions of 1.x: what is fed may be fetched, and is what was fed.

Next: runtime/signature.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from refflow.runtime import session as first
from refflow.runtime.signature import FedAndFetchedError, Signature

__all__ = ["InteractiveSession", "Session"]


class Session(first.Session):
    """The first release's, which a fed tensor may be fetched from."""

    def run(
        self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None, options: Any = None, run_metadata: Any = None
    ) -> Any:
        """What `fetches` asks for, in its structure."""
        try:
            return super().run(fetches, feed_dict, options, run_metadata)
        except FedAndFetchedError:  # found before anything ran
            return self._run_the_rest(fetches, feed_dict or {}, options, run_metadata)

    def _run_the_rest(self, fetches: Any, feed_dict: Mapping[Any, Any], options: Any, run_metadata: Any) -> Any:
        wanted = Signature(self.graph, None, fetches, [])
        feeds, arrays = self._fed([], feed_dict)
        given = {f.tensor: np.array(a)[()] for f, a in zip(feeds.feeds, arrays, strict=True)}  # copies
        rest = [t for t in wanted.tensors if t not in given]
        found = dict(zip(rest, super().run([*rest, *wanted.targets], feed_dict, options, run_metadata), strict=False))
        return wanted.assemble([given[t] if t in given else found[t] for t in wanted.tensors])


class InteractiveSession(Session, first.InteractiveSession):
    """The default session from its construction on."""
