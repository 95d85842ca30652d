"""tf.data's front end beside TensorFlow's: pipelines drawn from a grammar, built and run by both libraries."""

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
