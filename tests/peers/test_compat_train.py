"""tf.train, tf.queue and readers of 1.x: the arguments of every function and class are TensorFlow's, in its order."""

import inspect
import os

import pytest

import refflow.compat.v1

pytestmark = pytest.mark.peers
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# What TensorFlow has for itself: scopes of slots, options of checkpoints, attributes of graphs that are written.
LACKING = {
    "use_own_namescope_for_non_slot_vars", "export_scope", "clear_devices", "clear_extraneous_savers",
    "strip_default_attrs", "save_debug_info", "skip_gradients_aggregation", "kwargs",
    "all_model_checkpoint_timestamps", "last_preserved_timestamp",
}  # fmt: skip
NAMED_OTHERWISE = {"checkpoint_exists"}  # its one argument is called `path`
# Messages, objects whose parts are found by attribute, and operations on graphs that are not there.
ABSENT = {
    "Checkpoint", "CheckpointManager", "CheckpointOptions", "do_quantize_training_on_graphdef", "experimental",
    "sdca_fprint", "sdca_optimizer", "sdca_shrink_l1",
}  # fmt: skip
READERS = ["FixedLengthRecordReader", "IdentityReader", "ReaderBase", "TFRecordReader", "TextLineReader",
           "WholeFileReader", "ConditionalAccumulator", "ConditionalAccumulatorBase",
           "SparseConditionalAccumulator"]  # fmt: skip


@pytest.fixture(scope="module")
def tensorflow():
    return pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'").compat.v1


def arguments(function):
    return [name for name in inspect.signature(function).parameters if name not in LACKING]


def pairs(theirs, ours, names):
    """(name, theirs, ours) of functions, classes, and the public methods of classes."""
    for name in names:
        a, b = getattr(theirs, name), getattr(ours, name)
        if not callable(a) or hasattr(a, "DESCRIPTOR") or (inspect.isclass(a) and issubclass(a, Exception)):
            continue
        yield name, a, b
        for method in vars(a) if inspect.isclass(a) else ():
            if not method.startswith("_") and inspect.isfunction(getattr(a, method)):
                yield f"{name}.{method}", getattr(a, method), getattr(b, method)


@pytest.mark.parametrize("module", ["train", "queue", ""])
def test_arguments_are_tensorflow_s(tensorflow, module):
    theirs = getattr(tensorflow, module) if module else tensorflow
    ours = getattr(refflow.compat.v1, module) if module else refflow.compat.v1
    names = [n for n in dir(theirs) if not n.startswith("_") and n not in ABSENT] if module else READERS
    lacking = [n for n in names if not hasattr(ours, n)]
    assert not lacking
    unlike = {name: (a, b) for name, x, y in pairs(theirs, ours, names) if name not in NAMED_OTHERWISE
              and (a := arguments(x)) != (b := arguments(y))[: len(a)]}  # fmt: skip
    assert not unlike
