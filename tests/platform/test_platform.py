"""Flags from the command line, a main function, messages, and the small names around them."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

import refflow as tf
from refflow.platform import flags

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import refflow as tf
tf.flags.DEFINE_string("folder", "here", "Where to write, 100% sure.")
tf.flags.DEFINE_integer("train_steps", 10, "How many steps.")
tf.flags.DEFINE_float("rate", 0.5, "How fast.")
tf.flags.DEFINE_boolean("verbose", True, "Whether to talk.")
FLAGS = tf.flags.FLAGS

def main(argv):
    print(FLAGS.folder, FLAGS.train_steps, FLAGS.rate, FLAGS.verbose, argv[1:])
    return 3

if __name__ == "__main__":
    tf.app.run()
"""


@pytest.mark.parametrize(("arguments", "said"), [
    ([], "here 10 0.5 True []"),
    (["--folder=there", "--train_steps", "7", "--rate=1e-2", "--noverbose"], "there 7 0.01 False []"),
    (["--verbose=false", "--train-steps=1", "file"], "here 1 0.5 False ['file']"),
    (["--noverbose", "--verbose"], "here 10 0.5 True []"),
])  # fmt: skip
def test_flags_come_from_the_command_line_and_main_gets_the_rest(arguments, said):
    result = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert (result.returncode, result.stdout.strip()) == (3, said), result.stderr


def test_a_wrong_value_ends_the_program_with_a_message():
    result = subprocess.run([sys.executable, "-c", SCRIPT, "--train_steps=many"], capture_output=True, text=True,
                            cwd=ROOT)  # fmt: skip
    assert result.returncode == 2 and "invalid int value: 'many'" in result.stderr


def test_a_flag_may_be_set_and_must_be_defined(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program"])
    fresh = flags.Flags()
    fresh.define("size", 2, "How large.", type=int)
    assert fresh.size == 2
    fresh.size = 5
    assert fresh.size == 5
    with pytest.raises(AttributeError, match="no flag is called 'weight'. Defined: size"):
        _ = fresh.weight
    with pytest.raises(AttributeError, match="no flag is called 'weight'"):
        fresh.weight = 1
    assert fresh.parse(["--size", "9", "more"]) == ["more"] and fresh.size == 9


def test_messages_go_through_python_s_logging(caplog):
    with caplog.at_level(logging.INFO, logger="refflow"):
        tf.logging.debug("too small")
        tf.logging.info("loss %.1f", 0.25)
        tf.logging.warn("odd")
        tf.logging.error("bad")
        tf.logging.fatal("over")
        tf.logging.log(tf.logging.WARN, "%s", "again")
        assert tf.logging.get_verbosity() == tf.logging.INFO
    assert [r.getMessage() for r in caplog.records] == ["loss 0.2", "odd", "bad", "over", "again"]
    assert [r.levelno for r in caplog.records][-1] == tf.logging.WARN


def test_verbosity_decides_what_is_shown():
    code = "import refflow as tf; tf.logging.set_verbosity(tf.logging.INFO); tf.logging.info('hello %d', 1)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stderr.strip() == "INFO:refflow:hello 1"


def test_a_fact_and_options():
    with tf.Session(config=tf.ConfigProto(gpu_options=tf.GPUOptions(0.5))) as session:
        assert session.run(tf.user_ops.my_fact()) == b"0! == 1"
        assert session.config.gpu_options.per_process_gpu_memory_fraction == 0.5


def test_an_error_carries_its_node():
    hole = tf.placeholder(tf.float32, name="hole")
    with tf.Session() as session, pytest.raises(tf.OpError) as caught:
        session.run(hole + 1.0)
    error = caught.value
    assert (error.op, error.node_def.name, error.error_code) == (hole.op, "hole", 3)
    assert "hole" in error.message
    assert tf.errors.UnknownError(None, None, "what", 42).error_code == 42
    assert tf.errors.UnknownError(None, None, "what").error_code == 2


def test_an_operation_may_be_made_from_its_description(graph):
    described = tf.NodeDef("three", "Const", attr={"dtype": tf.int32, "value": 3})
    op = tf.Operation(described, graph, [], [tf.int32])
    assert (op.name, op.type, op.get_attr("value"), op.outputs[0].dtype) == ("three", "Const", 3, tf.int32)
    assert graph.get_operations() == [] and op.traceback[-1].filename == __file__
