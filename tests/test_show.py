"""The log of a training run, shown in a terminal."""

import numpy as np
import pytest

import refflow as tf
import refflow.compat.v1 as v1
from refflow.cli import main
from refflow.files.events import Histogram
from refflow.show import line, quantile, runs, show


@pytest.fixture
def logs(graph, tmp_path, monkeypatch):
    """Two runs of ten steps, one second apart, with a loss, weights and pictures."""
    clock = iter(float(1_500_000_000 + i // 3) for i in range(10**6))
    monkeypatch.setattr("refflow.train.summary_io.time.time", lambda: next(clock))
    number = tf.placeholder(tf.float32, [])
    loss = v1.summary.scalar("loss", 1.0 / (number + 1.0))
    rare = v1.summary.merge([
        v1.summary.histogram("weights", tf.fill([4], number) + tf.constant([0.0, 1.0, 2.0, 3.0])),
        v1.summary.image("digits", tf.ones([1, 2, 3, 1]) * number),
    ])  # fmt: skip
    for name in ("a", "b"):
        with tf.Session() as session, v1.summary.FileWriter(str(tmp_path / name)) as writer:
            for step in range(10):
                writer.add_summary(session.run(loss, {number: step}), step)
                if step % 5 == 0:
                    writer.add_summary(session.run(rare, {number: step}), step)
            writer.add_run_metadata(tf.RunMetadata(), "first step", 0)
    return tmp_path


def test_a_log_is_shown_over_steps_relative_time_and_wall_time(logs):  # [W60]
    assert [run.name for run in runs(str(logs))] == ["a", "b"]
    by_step = list(show(str(logs)))
    assert by_step[:3] == ["a:", "loss  step 0 to step 9  0.1 to 1, last 0.1", "  █▄▃▂▁▁▁▁▁▁"]
    assert "weights  2 histograms; numbers below which 0, 16, 50, 84 and 100 % lie" in by_step
    (last,) = {text for text in by_step if text.startswith("  step 5: ")}
    assert [float(v) for v in last.split(": ")[1].split()] == pytest.approx([5, 5.5, 6.5, 7.5, 8], abs=0.6)
    assert any(text.startswith("digits/image") and "2 images, 2 x 3" in text for text in by_step)
    assert "first step  metadata of a run" in by_step
    assert list(show(str(logs), by="relative", tag="loss"))[1].startswith("loss  0.0 s to ")
    assert " 2017-07-1" in list(show(str(logs), by="wall", tag="loss"))[1]
    assert list(show(str(logs), tag="nothing")) == ["a:", "b:"]
    with pytest.raises(ValueError, match="by must be one of step, relative, wall, got 'hour'"):
        list(show(str(logs), by="hour"))


def test_the_command_prints_it_and_writes_the_images(logs, tmp_path, capsys):  # [W60]
    assert main(["show", str(logs), "--images", str(tmp_path / "png")]) == 0
    assert "4 images in" in capsys.readouterr().out
    names = sorted(p.name for p in (tmp_path / "png").iterdir())
    assert names[0].startswith("a_digits_image") and names[0].endswith("_0.png") and len(names) == 4
    assert (tmp_path / "png" / names[0]).read_bytes().startswith(b"\x89PNG")
    assert main(["show", str(tmp_path / "png")]) == 1
    assert "there are no event files in" in capsys.readouterr().err


def test_a_line_has_a_column_for_each_stretch():
    places, values = np.arange(100.0), np.arange(100.0)
    assert line(places, values, 8) == "▁▂▃▄▅▆▇█"
    assert line(np.array([0.0, 1.0, 9.0]), np.array([1.0, 1.0, 1.0]), 60) == "▁ ▁"
    assert line(np.zeros(3), np.array([1.0, 2.0, 3.0]), 5)[0] == "▁"
    assert line(np.arange(3.0), np.array([np.inf, 1.0, 2.0]), 5) == "!▁█"


def test_quantiles_are_read_from_the_buckets():
    even = Histogram(0.0, 10.0, 10, 0, 0, [5.0, 10.0], [5.0, 5.0])
    assert [quantile(even, q) for q in (0, 0.25, 0.5, 1)] == [0, 2.5, 5, 10]
    assert quantile(Histogram(3.0, 3.0, 1, 3, 9, [2.9, 3.1], [0.0, 1.0]), 0.5) == 3
    assert quantile(Histogram(), 0.5) == 0
