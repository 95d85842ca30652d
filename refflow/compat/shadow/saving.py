"""Names that only `training.saver` and `training.saving` had: what a Saver keeps beside variables, and its builders.

Next: compat/shadow/staging.py.
"""

from __future__ import annotations

from typing import Any

from refflow.train.saveable import SaveableObject, SaveSpec

__all__ = ["BaseSaverBuilder", "BulkSaverBuilder", "SaveSpec", "SaveableObject"]


class BaseSaverBuilder:
    """What a Saver's argument `builder` may be; the nodes are the same whichever it is."""

    SaveSpec, SaveableObject = SaveSpec, SaveableObject

    def __init__(self, write_version: Any = 2):
        self._write_version = write_version


class BulkSaverBuilder(BaseSaverBuilder):
    """The default one."""
