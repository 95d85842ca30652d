"""What a program saw, as text, so that two libraries' runs of it can be compared."""

from contextlib import contextmanager

import numpy as np

ERRORS = ("ValueError", "TypeError", "RuntimeError", "KeyError", "AttributeError", "NotImplementedError", "OpError")


class Notes:
    """What a program saw, as text."""

    def __init__(self):
        self.lines = []

    def put(self, *values):
        self.lines += map(self.text, values)

    def err(self, function, *args, **kwargs):
        try:
            self.put(function(*args, **kwargs))
        except Exception as error:
            kinds = sorted({k.__name__ for k in type(error).__mro__ if k.__name__ in ERRORS})
            self.lines.append(f"raises {' '.join(kinds)}")

    def text(self, value):
        if isinstance(value, (np.ndarray, np.generic)):
            return f"{value.dtype} {value.tolist()}"
        if isinstance(value, dict):
            return f"{type(value).__name__} {[(key, self.text(v)) for key, v in value.items()]}"
        if isinstance(value, (list, tuple)):
            return f"{type(value).__name__} {[self.text(v) for v in value]}"
        if hasattr(value, "op") and hasattr(value, "shape"):
            return f"{value.name} {value.dtype.name} {value.shape}"
        return value.name if hasattr(value, "name") else repr(value)


def seen_by(tf, program):
    """What `program(tf, graph, put, err)` puts down in a graph of its own."""
    notes = Notes()
    with tf.Graph().as_default() as graph:
        program(tf, graph, notes.put, notes.err)
    return notes.lines


@contextmanager
def first_behaviour(tf):
    """TensorFlow's client as 1.x had it; afterwards as it was, for whoever runs in the same process."""
    switches = ("control_flow_v2", "resource_variables", "tensor_equality", "v2_tensorshape")
    for switch in switches:
        getattr(tf, f"disable_{switch}")()
    try:
        yield tf
    finally:
        for switch in switches:
            getattr(tf, f"enable_{switch}")()
