"""The other side of a comparison: the same program, or another, on this system or on TensorFlow [W54].

    record("train.py", ...)         the program runs in this process, on refflow
    in_tensorflow(...)              a new Python runs it on the TensorFlow that is installed; results come as files

In the new Python `import tensorflow` gives `tensorflow.compat.v1`, with the behaviour of 1.x, which is what a program
of a graph and a session was written for.

Next: audit/finite.py.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from refflow.audit.losses import Recorder, read, written
from refflow.program_runs import Enough, around_runs, check_program, run_as_main, run_program

TENSORFLOW = "tensorflow"


def record(path: str, arguments: Sequence[str], recorder: Recorder) -> Recorder:
    """Runs a program on refflow. ValueError where it has no losses."""
    check_program(path)
    recorder.run(lambda: run_program(path, arguments, recorder))
    return _with_losses(path, recorder)


def _with_losses(path: str, recorder: Recorder) -> Recorder:
    if not recorder.losses:
        raise ValueError(
            f"{path} runs no step that trains and fetches no scalar: name a loss with --loss NAME, or give the program "
            "with --args what makes it train"
        )
    return recorder


def record_in_tensorflow(
    path: str, arguments: Sequence[str], loss: str, steps: int, start: dict[str, np.ndarray]
) -> Recorder:
    """The same on TensorFlow, in a process of its own."""
    check_program(path)
    recorder = Recorder(loss, steps)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "start.npz", **start)  # type: ignore[arg-type]  # names are keywords
        told = in_tensorflow("losses", folder, [path, *arguments], loss=loss, steps=steps)
        if (Path(folder) / "losses.tsv").stat().st_size:
            recorder.losses = read(str(Path(folder) / "losses.tsv"))
    recorder.unused, recorder.ended = told["unused"], told["ended"]
    return _with_losses(f"{path}, on TensorFlow,", recorder)


def in_tensorflow(what: str, folder: str, program: Sequence[str] = (), **options: Any) -> dict[str, Any]:
    """Has a new Python do `what`, with files in a folder; what it tells. RuntimeError with the end of its errors."""
    if importlib.util.find_spec(TENSORFLOW) is None:
        raise RuntimeError("TensorFlow is not installed here; a file of losses or of tensors can stand in its place")
    command = [sys.executable, "-m", "refflow.audit.beside", what, folder, json.dumps(options), *program]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.strip()][-12:]
        raise RuntimeError("\n  ".join([f"TensorFlow's side ended with status {done.returncode}:", *last]))
    return json.loads((Path(folder) / "told.json").read_text())


# -- in the new Python --------------------------------------------------------------------------------------


def _compat_v1() -> Any:
    """TensorFlow with the manners of 1.x, under its own name."""
    tf = importlib.import_module("tensorflow.compat.v1")
    tf.disable_v2_behavior()
    sys.modules[TENSORFLOW] = tf
    return tf


def _losses(folder: Path, loss: str, steps: int, program: Sequence[str]) -> dict[str, Any]:
    tf = _compat_v1()
    with np.load(folder / "start.npz") as start:
        recorder = Recorder(loss, steps, dict(start))
    with around_runs(tf.Session.__mro__[1], recorder), suppress(Enough):
        recorder.run(lambda: run_as_main(program[0], program[1:]))
    (folder / "losses.tsv").write_text(written(recorder.losses))
    return {"unused": recorder.unused, "ended": recorder.ended}


def _tensors(folder: Path, starts: dict[str, list[str]], names: list[str], program: Sequence[str]) -> dict[str, Any]:
    """A graph's tensors, its variables begun as given. starts: of each variable, the initializer and its input."""
    tf = _compat_v1()
    graph = tf.GraphDef.FromString((folder / "graph.pb").read_bytes())
    with tf.Graph().as_default() as built, tf.Session() as session:
        tf.import_graph_def(graph, name="")
        with np.load(folder / "state.npz") as state, np.load(folder / "feeds.npz") as feeds:
            begun = {starts[name][1]: state[name] for name in state.files}
            session.run([built.get_operation_by_name(starts[n][0]) for n in state.files], begun)
            values = session.run(names, dict(feeds))
    np.savez(folder / "values.npz", **dict(zip(names, values, strict=True)))
    return {}


def main(what: str, folder: str, options: str, *program: str) -> None:
    """What `in_tensorflow` starts."""
    does: dict[str, Callable[..., dict[str, Any]]] = {"losses": _losses, "tensors": _tensors}
    told = does[what](Path(folder), **json.loads(options), program=program)
    (Path(folder) / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
