"""tf.data's front end beside TensorFlow's: pipelines drawn from a grammar, built and run by both libraries."""

import inspect
import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytestmark = pytest.mark.peers
tensorflow = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")

import refflow.compat.v1 as tf  # noqa: E402
from tests.peers.data_programs import PROGRAMS, seeds_by_place  # noqa: E402
from tests.peers.pipelines import outcome  # noqa: E402

v1 = tensorflow.compat.v1
EACH = 25


@pytest.mark.parametrize("first", range(0, 400, EACH))
def test_a_drawn_pipeline_gives_what_it_gives_there(first):
    for seed in range(first, first + EACH):
        assert outcome(tf, seed) == outcome(v1, seed), f"seed {seed}"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_program_sees_what_it_sees_there(program, tmp_path):
    seeds_by_place()
    found = []
    for library in (tf, v1):
        with library.Graph().as_default():
            found.append(program(library, str(tmp_path)))
    assert found[0] == found[1]


# What stands on files or services of today's TensorFlow, or on ragged tensors, is not there.
ABSENT = {
    "data": {"NumpyIterator"},
    "data.Dataset": {"fingerprint", "load", "ragged_batch", "rejection_resample", "save", "snapshot"},
    "data.experimental": {
        "DatasetInitializer", "RaggedTensorStructure", "ServiceOptions", "TensorArrayStructure",
        "dense_to_ragged_batch", "distributed_save", "get_model_proto", "index_table_from_dataset",
        "make_saveable_from_iterator", "pad_to_cardinality", "rejection_resample", "service", "snapshot",
        "table_from_dataset",
    },
    "data.Iterator": set(),
}  # fmt: skip
OWN = {"Dataset", "Optional", "range"}  # classes that nobody calls; *args with named rest


@pytest.mark.parametrize("path", ABSENT)
def test_names_are_there_with_their_arguments(path):
    ours, theirs = tf, v1
    for part in path.split("."):
        ours, theirs = getattr(ours, part), getattr(theirs, part)
    public = {name for name in dir(theirs) if not name.startswith("_")}
    assert {name for name in public if not hasattr(ours, name)} == ABSENT[path]
    for name in public - ABSENT[path] - OWN:
        if inspect.isroutine(getattr(theirs, name)):
            assert arguments(getattr(ours, name)) == arguments(getattr(theirs, name)), name


def arguments(function):
    return list(inspect.signature(function).parameters)
