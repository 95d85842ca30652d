"""What is told of a run, read by TensorFlow's own tools, and TensorFlow's by ours [W61]."""

import json

import numpy as np
import pytest

import refflow as tf
import refflow.compat.v1 as v1
from refflow.files.step_stats import RunMetadata
from refflow.timeline import Timeline

pytestmark = pytest.mark.peers
FULL = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE, output_partition_graphs=True)


def bars(trace):
    return sorted((e["name"], e["args"]["name"], e["ts"], e["dur"]) for e in json.loads(trace)["traceEvents"]
                  if e["ph"] == "X")  # fmt: skip


@pytest.fixture
def ours(graph):
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    y = tf.while_loop(lambda a: tf.reduce_sum(a) < 100.0, lambda a: a * 2.0, [x])
    metadata = tf.RunMetadata()
    with tf.Session(graph_options=tf.GraphOptions(build_cost_model=1)) as session:
        session.run([y, tf.constant([b"ab", b"c"])], {x: np.ones((2, 3))}, options=FULL, run_metadata=metadata)
    return metadata


def test_tensorflow_reads_our_metadata(ours):
    config = pytest.importorskip("tensorflow.core.protobuf.config_pb2")
    theirs = config.RunMetadata.FromString(ours.SerializeToString())
    assert RunMetadata.FromString(theirs.SerializeToString()).step_stats == ours.step_stats
    assert [n.name for n in theirs.cost_graph.node] == [n.name for n in ours.cost_graph.node]
    assert [n.name for n in theirs.partition_graphs[0].node] == [n.name for n in ours.partition_graphs[0].node]
    text = next(n for n in theirs.step_stats.dev_stats[0].node_stats if n.node_name == "Const")
    assert text.output[0].tensor_description.allocation_description.requested_bytes == 3


def test_a_session_fills_tensorflow_s_own_messages(graph):
    config = pytest.importorskip("tensorflow.core.protobuf.config_pb2")
    options, metadata = config.RunOptions(trace_level=3, timeout_in_ms=60_000), config.RunMetadata()
    with tf.Session() as session:
        session.run(tf.constant(1.0, name="one"), options=options, run_metadata=metadata)
    assert "one" in [n.node_name for n in metadata.step_stats.dev_stats[0].node_stats]


def test_both_timelines_draw_the_same(ours):
    client = pytest.importorskip("tensorflow.python.client.timeline")
    config = pytest.importorskip("tensorflow.core.protobuf.config_pb2")
    message = config.RunMetadata.FromString(ours.SerializeToString()).step_stats
    theirs = client.Timeline(message)
    assert bars(theirs.generate_chrome_trace_format()) == bars(Timeline(message).generate_chrome_trace_format())
    assert bars(Timeline(ours.step_stats).generate_chrome_trace_format()) == bars(
        client.Timeline(message).generate_chrome_trace_format()
    )


def test_our_timeline_reads_a_run_of_tensorflow_s():
    tensorflow = pytest.importorskip("tensorflow")
    client = pytest.importorskip("tensorflow.python.client.timeline")
    old = tensorflow.compat.v1
    with tensorflow.Graph().as_default(), old.Session() as session:
        x = old.placeholder(tensorflow.float32, [None])
        metadata = old.RunMetadata()
        session.run(tensorflow.tanh(x) + 1.0, {x: [1.0, 2.0]}, options=old.RunOptions(trace_level=3),
                    run_metadata=metadata)  # fmt: skip
    ours, theirs = Timeline(metadata.step_stats), client.Timeline(metadata.step_stats)
    assert bars(ours.generate_chrome_trace_format()) == bars(theirs.generate_chrome_trace_format())
    mine, other = (t.analyze_step_stats().allocator_maximums for t in (Timeline(metadata.step_stats), theirs))
    assert set(mine) == set(other)


def test_tensorboard_reads_the_metadata_of_a_log(ours, tmp_path):  # [W60]
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with v1.summary.FileWriter(str(tmp_path)) as writer:
        writer.add_run_metadata(ours, "step 1", 1)
        writer.add_run_metadata(ours.SerializeToString(), "step 2", 2)
        with pytest.raises(ValueError, match="The provided tag was already used for this event type"):
            writer.add_run_metadata(ours, "step 2", 3)
    found = reader.EventAccumulator(str(tmp_path)).Reload()
    assert found.Tags()["run_metadata"] == ["step 1", "step 2"]
    assert len(found.RunMetadata("step 1").step_stats.dev_stats[0].node_stats) == len(
        ours.step_stats.dev_stats[0].node_stats
    )
