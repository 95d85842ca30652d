"""Rows of a process that is watched: a case that loses the card, or hangs, costs its own row and no other.

An address out of range ends a process's use of a card for good, and a kernel that waits for ever ends nothing at all.
So the cases run in a process of their own; when it ends, or a case takes too long, another goes on behind that case.

Next: refflow_kernels/bench/worker.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from threading import Timer
from typing import Any

_MOST = 100.0  # seconds of a case
_WORKER = (sys.executable, "-m", "refflow_kernels.bench.worker")
_START = "the start"


def rows(only: str, seconds: float, most: float = _MOST, worker: Sequence[str] = _WORKER) -> Iterator[dict[str, Any]]:
    """The rows of all cases with `only` in their label that are begun within so many seconds."""
    end, following = time.monotonic() + seconds, 0
    while True:
        command = [*worker, str(following), str(max(0.0, end - time.monotonic())), only]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        begun = _START
        for told in _told(process, most):
            if "begin" in told:
                begun, following = told["case"], told["begin"] + 1
            else:
                begun = ""
                yield told
        code = process.wait()
        if code and begun:
            how = f"its process ended with {code}, by itself or after {most:g} s"
            yield {"case": begun, "failed": how, "wrong": True}
        if code == 0 or begun == _START:
            return


def _told(process: subprocess.Popen[str], most: float) -> Iterator[dict[str, Any]]:
    """What the process says; it is ended when it says nothing for too long."""
    assert process.stdout is not None
    while True:
        timer = Timer(most, process.kill)
        timer.start()
        line = process.stdout.readline()
        timer.cancel()
        if not line:
            return
        if line.startswith("{"):
            yield json.loads(line)
