"""TensorFlow as a backend of `refflow check`: each call runs as one of its raw ops.

    refflow check tests.peers.tensorflow_backend:backend --ops MatMul,MaxPool

What TensorFlow says it lacks, an op, a type, a layout, counts as not there (`LACKS`). Arrays of bytes keep the zeros at
their ends, and bfloat16 and quantized numbers come as records of their bits.
"""

from __future__ import annotations

import faulthandler
import inspect
import os
import re
import subprocess
import sys
from typing import Any

import numpy as np

from refflow.conformance.check import WRONG, Run, examples
from refflow.core.dtypes import as_dtype
from refflow.core.registry import op_def, registered_ops
from refflow.core.shapes import TensorShape
from tests.peers.availability import ENDS_THE_PROCESS, lack
from tests.peers.test_tensorflow import APART, RENAMED, attribute, there

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

LACKS = re.compile(
    "is not in the list of allowed values|nsupported data type|cannot be converted to a boolean|only supports"
    "|not supported on CPU|Current implementation|not yet support|could not create a primitive"
)

PATIENCE = 60.0  # seconds for an example, behind which the process ends
QUICK = False  # one drawn example of each op


def backend(op_type: str, inputs: dict[str, Any], attrs: dict[str, Any]) -> list[Any]:
    """The outputs of TensorFlow's op of this name."""
    import tensorflow

    op, function = op_def(op_type), getattr(tensorflow.raw_ops, op_type, None)
    if function is None or lack(op_type, today=True):
        raise NotImplementedError(f"TensorFlow has no {op_type}")
    parameters = inspect.signature(function).parameters
    given: dict[str, Any] = {}
    for name, value in inputs.items():
        each = [there(tensorflow, v) for v in (value if isinstance(value, list) else [value])]
        given[_theirs(name, parameters)] = each if isinstance(value, list) else each[0]
    for key, value in attrs.items():
        if (name := _theirs(key, parameters)) in parameters and name not in given:
            given[name] = attribute(tensorflow, _typed(op.attrs[key].kind, value))
    try:
        found = tensorflow.nest.flatten(function(**given))
    except (tensorflow.errors.NotFoundError, tensorflow.errors.UnimplementedError) as error:
        raise NotImplementedError(str(error)) from None
    except (tensorflow.errors.InvalidArgumentError, tensorflow.errors.AbortedError) as error:
        raise (NotImplementedError(str(error)) if LACKS.search(str(error)) else error) from None
    return [_ours(tensor) for tensor in found if tensor is not None]


def _theirs(name: str, parameters: Any) -> str:
    return name if name in parameters else RENAMED.get(name, name)


def _typed(kind: str, value: Any) -> Any:
    """An attribute's value with refflow's types again."""
    if kind == "type":
        return as_dtype(value)
    if kind == "shape":
        return TensorShape(value)
    if kind in ("list(type)", "list(shape)"):
        return [_typed(kind[5:-1], v) for v in value]
    return value


def _ours(tensor: Any) -> np.ndarray:
    """A tensor's elements as refflow has them."""
    kind = np.dtype(as_dtype(tensor.dtype.name).as_numpy_dtype)
    if kind.hasobject:  # NumPy's own type for bytes ends before their last zeros
        return np.array(tensor.numpy(), object)
    array = np.asarray(tensor.numpy())
    return np.ascontiguousarray(array).view(kind).reshape(array.shape) if kind.names else array


def compared() -> list[str]:
    """The op types that are held against TensorFlow: whatever needs nothing beside its inputs, and is there."""
    ops = (op for op in registered_ops() if op.cases and op.make_state is None and not op.ref_inputs)
    return [op.name for op in ops if op.name not in APART and not op.by_handle and not lack(op.name, today=True)]


def main(names: list[str]) -> None:
    """Writes a line for each example that is tried, and one for each that is wrong, with tabs between."""
    for name in names:
        run = Run(backend)
        for example in examples(op_def(name), QUICK):
            print(name, example.title, "", sep="\t", flush=True)
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            if (name, example.title) not in ENDS_THE_PROCESS:
                verdict = run.tried(example)
                if verdict.kind == WRONG:
                    print(name, example.title, verdict.text.replace("\n", " "), sep="\t", flush=True)


def faults(names: list[str], quick: bool = False) -> list[tuple[str, str, str]]:
    """Op type, title and text of each example that is wrong. Where TensorFlow ends the process, another goes on."""
    found: list[tuple[str, str, str]] = []
    while names:
        command = [sys.executable, "-m", "tests.peers.tensorflow_backend", *["--quick"] * quick, *names]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=1200)
        lines = [tuple(line.split("\t", 2)) for line in done.stdout.splitlines() if line.count("\t") > 1]
        found += [line for line in lines if line[2]]
        if not done.returncode:
            return found
        if not lines:
            raise RuntimeError(f"no TensorFlow: {done.stderr[-2000:]}")
        name, title, _ = lines[-1]
        found.append((name, title, f"the process ends with {done.returncode}: {done.stderr[-600:]!r}"))
        names = names[names.index(name) + 1 :]
    return found


if __name__ == "__main__":
    QUICK = "--quick" in sys.argv
    main([name for name in sys.argv[1:] if name != "--quick"])
