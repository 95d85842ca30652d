"""`refflow audit` with TensorFlow on the other side: one program, unchanged, on both systems."""

import pytest

from refflow.audit import beside
from refflow.audit.losses import Recorder, differ, pairs
from refflow.cli import main
from tests.audit.conftest import program, write  # noqa: F401  (fixtures)

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.peers


def test_losses_without_learning_agree_with_those_of_tensorflow(program, write, capsys):  # noqa: F811
    assert main(["audit", "losses", program, "--against", "tensorflow", "--steps", "4"]) == 0
    assert "4 losses agree" in capsys.readouterr().out
    here = beside.record(program, [], Recorder("loss", 4))
    other = write("elu.py", a=("tf.nn.relu(h", "tf.nn.elu(h"))
    there = beside.record_in_tensorflow(other, [], "loss", 4, here.start)
    assert not there.unused and differ(pairs(here.losses, there.losses))


def test_what_fails_there_is_told(write, capsys):  # noqa: F811
    broken = write("broken.py", "import tensorflow as tf\nraise ValueError('no data at ' + tf.__name__)\n")
    with pytest.raises(RuntimeError, match="TensorFlow's side ended with status 1:(?s:.*)no data at"):
        beside.record_in_tensorflow(broken, [], "", 4, {})


def test_each_tensor_of_a_step_is_within_its_expected_error_of_tensorflow_s(program, capsys):  # noqa: F811
    assert main(["audit", "tensors", program, "--against", "tensorflow"]) == 0
    assert "each within its expected error: 9" in capsys.readouterr().out
