"""Summaries and event files: what is written is read again, in order and whole."""

import itertools
import os

import numpy as np
import pytest

import refflow as tf
from refflow.files import graph_wire, png, summaries
from refflow.files.events import Event, Summary
from refflow.ops import summary as ops
from refflow.train.summary_io import SummaryWriter, summary_iterator


def run(tensors, feeds=None):
    with tf.Session() as session:
        return session.run(tensors, feeds)


def test_a_histogram_counts_every_number(rng):
    numbers = rng.normal(size=(7, 30)).astype(np.float32)
    histo = Summary.from_bytes(run(ops.histogram_summary("h", numbers))).value[0].histo
    assert histo.num == sum(histo.bucket) == 210
    assert histo.min == numbers.min() and histo.max == numbers.max()
    assert histo.sum == pytest.approx(numbers.astype(float).sum())
    assert histo.sum_squares == pytest.approx((numbers.astype(float) ** 2).sum())
    assert histo.bucket_limit == sorted(histo.bucket_limit) and len(histo.bucket) == len(histo.bucket_limit)
    below = np.searchsorted(np.sort(numbers.reshape(-1)), histo.bucket_limit[:-1])
    assert np.array_equal(np.cumsum(histo.bucket)[:-1], below)
    assert not any(a == b == 0 for a, b in itertools.pairwise(histo.bucket))


@pytest.mark.parametrize(("value", "text"), [(np.nan, "Nan in summary histogram for: bad"), (np.inf, "Infinity")])
def test_a_histogram_of_what_is_no_number_names_its_node(value, text):
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        run(ops.histogram_summary("h", tf.constant([1.0, value]), name="bad"))


def test_pictures_are_numbered_and_scaled():
    pictures = np.array([-1, 0, 1, np.nan], np.float32).reshape(1, 2, 2, 1).repeat(4, 0)
    found = Summary.from_bytes(run(ops.image_summary("i", pictures, max_images=2))).value
    assert [v.tag for v in found] == ["i/image/0", "i/image/1"]
    assert (found[0].image.height, found[0].image.width, found[0].image.colorspace) == (2, 2, 1)
    assert png.decode(found[0].image.encoded_image_string).pixels.reshape(-1).tolist() == [1, 128, 255, 255]


def test_sound_and_tensors_are_read_again():
    clip = np.linspace(-1, 1, 20, dtype=np.float32).reshape(1, 10, 2)
    audio = Summary.from_bytes(run(ops.AUDIO_V2("s", clip, 8000.0))).value[0].audio
    assert (audio.sample_rate, audio.num_channels, audio.length_frames) == (8000, 2, 10)
    assert audio.content_type == "audio/wav"
    assert audio.encoded_audio_string[:4] == b"RIFF" and len(audio.encoded_audio_string) == 44 + 40
    value = Summary.from_bytes(run(ops.TENSOR([1.0, 2.0], name="mine"))).value[0]
    assert value.node_name == "mine" and value.tensor == summaries.tensor_proto(np.array([1, 2], np.float32))


def test_all_summaries_of_a_graph_in_one():
    assert ops.merge_all_summaries() is None
    ops.scalar_summary("a", 1.0)
    ops.scalar_summary(["b", "c"], [2.0, 3.0])
    ops.scalar_summary("hidden", 4.0, collections=[])
    merged = Summary.from_bytes(run(ops.merge_all_summaries()))
    assert [(v.tag, v.simple_value) for v in merged.value] == [("a", 1), ("b", 2), ("c", 3)]


def test_events_are_read_as_they_were_written(tmp_path, graph):
    loss = tf.placeholder(tf.float32, [])
    node = ops.scalar_summary("loss", loss)
    writer = SummaryWriter(str(tmp_path / "log"), graph.as_graph_def(), max_queue=2)
    with tf.Session() as session:
        for step in range(20):
            writer.add_summary(session.run(node, {loss: step / 2}), step)
    writer.flush()
    events = list(summary_iterator(writer.path))
    assert os.path.basename(writer.path).startswith("events.out.tfevents.")
    assert events[0].file_version == "brain.Event:1"
    assert events[1].graph_def == graph_wire.graph_bytes(graph.as_graph_def())
    assert [(e.step, v.tag, v.simple_value) for e in events[2:] for v in e.values()] == [
        (step, "loss", step / 2) for step in range(20)
    ]
    assert all(a.wall_time <= b.wall_time for a, b in itertools.pairwise(events))
    writer.add_event(Event(wall_time=3.0, step=-1))
    writer.close()
    writer.close()
    assert list(summary_iterator(writer.path))[-1] == Event(wall_time=3.0, step=-1)
    with pytest.raises(RuntimeError, match="closed"):
        writer.add_summary(b"", 1)


def test_what_is_no_message_is_an_error(tmp_path):
    writer = SummaryWriter(str(tmp_path))
    with pytest.raises(TypeError, match="a summary must be given as bytes"):
        writer.add_summary("text")
    writer.close()


def test_a_damaged_file_is_a_data_loss(tmp_path):
    writer = SummaryWriter(str(tmp_path))
    writer.add_summary(summaries.scalar("a", 1.0), 1)
    writer.close()
    with open(writer.path, "r+b") as file:
        file.seek(-6, os.SEEK_END)
        file.write(b"!")
    with pytest.raises(tf.errors.DataLossError):
        list(summary_iterator(writer.path))


def test_a_graph_in_bytes_is_the_one_that_protobuf_reads():
    pytest.importorskip("google.protobuf")
    from refflow.interop import protos

    x = tf.placeholder(tf.float32, [None, 3], name="x")
    y = tf.reshape(tf.matmul(x, tf.constant(np.eye(3, dtype=np.float32))), [-1], name="y")
    tf.nn.max_pool(tf.reshape(y, [1, 3, -1, 1]), [1, 2, 2, 1], [1, 1, 1, 1], "SAME")
    tf.constant("text")
    plain = tf.get_default_graph().as_graph_def()
    again = protos.as_graph_def(graph_wire.graph_bytes(plain))
    assert str(again) == str(plain)


def test_a_graph_with_functions_in_bytes_is_the_one_that_protobuf_reads():
    pytest.importorskip("google.protobuf")
    import refflow.compat.v1 as v1
    from refflow.interop import protos

    with v1.Graph().as_default() as graph:
        scale = v1.constant([2.0, 3.0])
        doubled = v1.data.Dataset.from_tensor_slices([1.0, 2.0]).map(lambda x: x * scale)
        v1.data.make_one_shot_iterator(doubled.filter(lambda x: x[0] > 1.0)).get_next()
    plain = graph.definition()
    again = protos.as_graph_def(graph_wire.graph_bytes(plain))
    assert len(again.library) == len(plain.library) >= 2
    assert protos.to_text(again) == protos.to_text(plain)
