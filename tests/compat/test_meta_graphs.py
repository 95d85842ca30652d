"""MetaGraphs of 1.x: scopes out of one graph and into another, without devices and defaults."""

import pytest

import refflow.compat.v1 as tf
from refflow.compat.v1 import meta_graphs


@pytest.fixture
def net(graph):
    outside = tf.constant(3.0, name="outside")
    with tf.name_scope("net"), tf.device("/cpu:0"):
        v = tf.Variable(2.0, name="v", use_resource=False)
        tf.multiply(v, outside, name="y")
        with tf.colocate_with(v):
            tf.square(v, name="square")
    graph.add_to_collection("words", "hello")
    return graph


def test_a_scope_goes_from_one_graph_into_another(net):
    meta, variables = meta_graphs.export_scoped_meta_graph(export_scope="net")
    assert list(variables) == ["v:0"] and "words" not in meta.collection_def
    assert {"v", "y", "square"} <= {n.name for n in meta.graph_def.node}
    with tf.Graph().as_default() as other, tf.Session() as session:
        x = tf.constant(5.0)
        with pytest.raises(ValueError, match=r"unbound inputs: \$unbound_inputs_outside"):
            meta_graphs.import_scoped_meta_graph(meta, import_scope="in")
        made = meta_graphs.import_scoped_meta_graph(meta, import_scope="in", input_map={"$unbound_inputs_outside": x})
        assert made["v:0"].name == "in/v:0" and other.get_operation_by_name("in/square").colocation_groups() == [
            b"loc:@in/v"]  # fmt: skip
        session.run(tf.global_variables_initializer())
        assert session.run(["in/y:0", "in/square:0"]) == [10, 4]


def test_devices_and_defaults_are_left_out_where_that_is_asked_for(net):
    tf.matmul([[1.0]], [[1.0]], name="m")
    plain = tf.train.export_meta_graph()
    bare = tf.train.Saver().export_meta_graph(clear_devices=True, strip_default_attrs=True, collection_list=["words"])
    assert any(n.device for n in plain.graph_def.node) and not any(n.device for n in bare.graph_def.node)
    assert list(bare.collection_def) == ["words"] and bare.meta_info_def.stripped_default_attrs
    attrs = [next(n.attr for n in m.graph_def.node if n.name == "m") for m in (plain, bare)]
    assert "transpose_a" in attrs[0] and "transpose_a" not in attrs[1] and "T" in attrs[1]
    assert plain.meta_info_def.tensorflow_version == tf.VERSION
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(bare)
        assert session.run("m:0").tolist() == [[1]]


def test_a_saver_that_keeps_all_counts_none(graph, tmp_path):
    v = tf.Variable(1.0, name="v")
    with tf.Session() as session:
        session.run(v.initializer)
        saver = tf.train.Saver(max_to_keep=0)
        assert saver.save(session, str(tmp_path / "m"), 7) == str(tmp_path / "m-7") and saver.last_checkpoints == []
        with pytest.raises(TypeError, match="'sess' must be a Session"):
            saver.save(3, str(tmp_path / "m"))
    assert saver.saver_def.version == tf.train.SaverDef.V2
