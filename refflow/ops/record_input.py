"""RecordInput: batches of records from all files that match a pattern, mixed anew in each pass [W44].

    pass 1: records in random order, pass 2: in another, ...        cut into batches, which may span two passes

Next: ops/readers.py.
"""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterator

import numpy as np

from refflow.core import errors, locks
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import Shape
from refflow.core.signature import Attr
from refflow.files import records
from refflow.ops.strings import strings

RECORD_INPUT = define_op(
    "RecordInput", "-> records: string", file_pattern=Attr("string"), file_random_seed=301,
    file_shuffle_shift_ratio=0.0, file_buffer_size=10000, file_parallelism=16, batch_size=32, compression_type="",
    stateful=True, source=("W44",),
)  # fmt: skip
RECORD_INPUT.no_gradient_registered()


def _passes(names: list[str], seed: int, compression: str) -> Iterator[bytes]:
    """Records without end."""
    random = np.random.default_rng(seed)
    while True:
        found = [r for name in names for r in _read(name, compression)]
        if not found:
            raise errors.OutOfRangeError(None, None, f"the files hold no records: {', '.join(names)}")
        for i in random.permutation(len(found)):
            yield found[int(i)]


def _read(name: str, compression: str) -> list[bytes]:
    return [record for _, record in records.records(records.unpacked(records.read_file(name), compression))]


class RecordState:
    """Where in the files the next batch begins; safe under threads."""

    def __init__(self, pattern: str, seed: int, compression: str):
        self._pattern = pattern
        self._lock = locks.lock()
        self._records: Iterator[bytes] | None = None
        self._make = lambda names: _passes(names, seed, compression)

    def batch(self, size: int) -> list[bytes]:
        with self._lock:
            if self._records is None:
                names = sorted(glob.glob(self._pattern))
                if not names:
                    raise errors.NotFoundError(None, None, f"Found no files at {self._pattern}")
                self._records = self._make(names)
            return list(itertools.islice(self._records, size))


@RECORD_INPUT.state
def _record_state(file_pattern, file_random_seed, compression_type):
    return RecordState(file_pattern, file_random_seed, compression_type)


@RECORD_INPUT.kernel
def record_input_kernel(state, batch_size):
    return strings(state.batch(batch_size), (batch_size,))


@RECORD_INPUT.shape
def _record_input_shape(context: ShapeContext) -> Shape:
    return (context.attrs["batch_size"],)
