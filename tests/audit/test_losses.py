"""`refflow audit losses`: with learning off, losses are the data's and the forward pass's [W54]."""

import numpy as np
import pytest

from refflow.audit import beside, losses
from refflow.audit.losses import Recorder
from refflow.cli import main


def recorded(path, *arguments, **options):
    return beside.record(path, arguments, Recorder(**options))


def test_learning_is_off_so_each_loss_is_that_of_the_first_parameters(program):
    found = recorded(program)
    names = ["hidden/weights", "hidden/biases", "out/weights", "out/biases"]
    w, b, v, c = (found.start[n] for n in names)
    rng = np.random.RandomState(0)
    expected = []
    for _ in range(10):
        x, y = rng.normal(size=(5, 8)), np.eye(3)[rng.randint(0, 3, 5)]
        scores = np.maximum(x @ w + b, 0) @ v + c
        expected.append(np.mean(np.log(np.exp(scores).sum(1)) - (y * scores).sum(1)))
    assert [row["loss"] for row in found.losses] == pytest.approx(expected, rel=1e-5)


def test_programs_that_differ_in_the_optimizer_alone_agree(program, write, capsys):
    other = write("sgd.py", a=("AdamOptimizer(0.1)", "GradientDescentOptimizer(5.0)"))
    assert main(["audit", "losses", program, "--against", other, "--steps", "4"]) == 0
    assert "4 losses agree, to 0 of their values (1e-05 is allowed)" in capsys.readouterr().out


def test_both_sides_begin_alike_unless_told_otherwise(program, write, capsys):
    other = write("seed.py", a=("set_random_seed(1)", "set_random_seed(2)"))
    against = ["audit", "losses", program, "--against", other, "--steps", "3"]
    assert main(against) == 0
    assert main([*against, "--own-start"]) == 1
    assert "the first batch or the forward pass is another" in capsys.readouterr().out


def test_what_differs_says_where_to_look(program, write, capsys):
    order = write("order.py", a=("for i in range(12):\n", "for i in reversed(range(3)):\n            rng = "
                                 "np.random.RandomState(i)\n"))  # fmt: skip
    ordered = write("ordered.py", a=("for i in range(12):\n", "for i in range(3):\n            rng = "
                                     "np.random.RandomState(i)\n"))  # fmt: skip
    assert main(["audit", "losses", ordered, "--against", order, "--steps", "3"]) == 1
    assert "so the data come in another order" in capsys.readouterr().out
    later = write("later.py", a=("size=(5, 8)", "size=(5, 8), scale=1 + (i > 1)"))
    assert main(["audit", "losses", program, "--against", later, "--steps", "3"]) == 1
    out = capsys.readouterr().out
    assert "loss differs from run 2 on" in out and "it is the reading of data" in out
    forward = write("forward.py", a=("tf.nn.relu(h", "tf.nn.elu(h"))
    assert main(["audit", "losses", program, "--against", forward, "--steps", "3"]) == 1
    assert "loss differs from run 0 on" in capsys.readouterr().out


def test_losses_go_to_a_file_and_come_back_bit_for_bit(program, tmp_path, capsys):
    path = str(tmp_path / "losses.tsv")
    assert main(["audit", "losses", program, "--write", path, "--steps", "3"]) == 0
    assert capsys.readouterr().out == (tmp_path / "losses.tsv").read_text()
    assert main(["audit", "losses", program, "--against", path]) == 0
    plain = tmp_path / "plain.txt"
    plain.write_text("".join(f"{row['loss']}\n" for row in losses.read(path)))
    assert main(["audit", "losses", program, "--against", str(plain)]) == 0
    plain.write_text("# losses\n2.0\nmany words here\n")
    assert main(["audit", "losses", program, "--against", str(plain)]) == 1
    assert "plain.txt, line 3: expected a run, a name and a loss" in capsys.readouterr().err


def test_a_loss_that_no_run_fetches_is_named(program, write, capsys):
    silent = write("silent.py", a=("session.run([train, loss], batch)", "session.run(train, batch)"))
    assert main(["audit", "losses", silent]) == 1
    assert "runs no step that trains and fetches no scalar: name a loss" in capsys.readouterr().err
    assert recorded(silent, loss="loss").losses == recorded(program).losses
    assert main(["audit", "losses", silent, "--loss", "los"]) == 1
    assert "--loss los:0: there is no such tensor; scalars of the graph: loss:0" in capsys.readouterr().err


def test_other_names_are_mapped(program, write, capsys):
    other = write("other.py", a=('"out"', '"logits"'), b=('name="loss"', 'name="cost"'),
                  c=("set_random_seed(1)", "set_random_seed(2)"))  # fmt: skip
    against = ["audit", "losses", program, "--against", other, "--steps", "2"]
    assert main(against) == 1
    assert "the other side has no out/biases, out/weights of the same shape" in capsys.readouterr().out
    assert main([*against, "--map", "^out=logits"]) == 0
    assert main([*against, "--map", "^out=logits", "--map", "loss=cost"]) == 0


def test_hooks_handles_and_monitored_sessions_are_as_good(program, write):
    text = """
        import numpy as np
        import tensorflow as tf
        x = tf.placeholder(tf.float32, [3])
        w = tf.get_variable("w", [3], initializer=tf.ones_initializer(), use_resource=True)
        loss = tf.reduce_sum(tf.square(w * x), name="loss")
        step = tf.train.get_or_create_global_step()
        train = tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss, global_step=step)
        with tf.train.MonitoredTrainingSession(hooks=[tf.train.StopAtStepHook(last_step=4)]) as session:
            while not session.should_stop():
                session.run([train, loss], {x: [1.0, 2.0, 3.0]})
        """
    assert [row["loss"] for row in recorded(write("monitored.py", text)).losses] == [14.0] * 4


def test_numbers_that_are_none_are_alike():
    here = [{"a": float("nan")}, {"a": float("inf")}, {"a": 1.0}]
    assert not losses.differ(losses.pairs(here, here))
    assert losses.differ(losses.pairs(here, [{"a": 1.0}] * 3))
    with pytest.raises(ValueError, match="no loss has the same name on both sides: here a, b; there c"):
        losses.pairs([{"a": 1.0, "b": 1.0}], [{"c": 1.0}])


def test_a_program_that_checks_what_it_learned_has_losses_up_to_there(program, write, capsys):
    checks = write("checks.py", a=("session.run([train, loss], batch)",
                                   "assert session.run([train, loss], batch)[1] > 0 and i < 3, 'learned'"))  # fmt: skip
    found = recorded(checks)
    assert (len(found.losses), found.ended.splitlines()[0]) == (4, "AssertionError: learned")
    assert main(["audit", "losses", program, "--against", checks]) == 0
    assert (
        "the other side ended after 4 runs, as it may without learning, with AssertionError" in capsys.readouterr().out
    )
    silent = write("silent.py", a=("session.run([train, loss], batch)", "assert session.run(train, batch)"))
    assert main(["audit", "losses", silent]) == 1
    told = capsys.readouterr().err
    assert "ended before any loss was seen, with AssertionError\n  at " in told and "silent.py, line 2" in told
    assert "its runs fetch no loss: name one with --loss NAME" in told
