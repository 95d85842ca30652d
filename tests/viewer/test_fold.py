"""A graph folded by scope, its bookkeeping aside, and the page that shows it [W59]."""

import json
from html.parser import HTMLParser

import refflow.compat.v1 as tf
from refflow.cli import main
from refflow.viewer.fold import data, fold
from refflow.viewer.page import page
from tests.audit.conftest import program, write  # noqa: F401  (fixtures)


def named(graph):
    return {b.name: b for b in fold(graph).blocks()}


def test_scopes_hold_what_is_called_after_them(graph):
    with tf.name_scope("a"):
        with tf.name_scope("b"):
            x = tf.placeholder(tf.float32, name="x")
        y = tf.exp(x, name="y")
    z = tf.add(y, x, name="a/y/z/")
    found = named(graph)
    assert [c.name for c in found["a"].children] == ["a/b", "a/y"]
    above = found["a"].children[1]
    assert [c.label for c in above.children] == ["(y)", "z"] and set(above.ops()) == {y.op, z.op}
    assert set(found[""].ops()) == set(graph.get_operations())


def test_a_long_row_of_siblings_that_are_alike_is_one_series(graph):
    x = tf.placeholder(tf.float32, [4])
    for _ in range(12):
        with tf.name_scope("cell"):
            x = tf.tanh(x * x)
    tf.exp(x, name="cell_other")
    (series,) = [b for b in fold(graph).blocks() if b.is_series]
    assert (series.label, len(series.children)) == ("cell x 12", 12)
    assert len({c.kind for c in series.children}) == 1
    for _ in range(8):
        with tf.name_scope("short"):
            tf.tanh(x * x)
    assert len([b for b in fold(graph).blocks() if b.is_series]) == 1


def test_bookkeeping_constants_and_what_touches_all_stand_aside(graph):
    x = tf.placeholder(tf.float32, [None, 8], name="x")
    h = x
    for i in range(10):
        with tf.name_scope(f"layer{i}"):
            h = (tf.nn.tanh, tf.nn.relu)[i % 2](tf.matmul(h, tf.Variable(tf.ones([8, 8]), name="w")))
    loss = tf.reduce_mean(h, name="loss")
    tf.train.GradientDescentOptimizer(0.1).minimize(loss, global_step=tf.train.get_or_create_global_step())
    tf.train.Saver()
    tf.global_variables_initializer()
    found = named(graph)
    aside = {c.name: c.aside for c in found[""].children if c.aside}
    assert aside["gradients"] == "high degree"
    assert aside["save"] == aside["init"] == aside["global_step"] == "bookkeeping"
    assert not {"x", "loss", *(f"layer{i}" for i in range(10))} & aside.keys()
    assert found["layer3/w"].aside == "" and found["layer3/w/Assign"].aside == "bookkeeping"


def test_the_data_say_every_edge_once(graph):
    a = tf.placeholder(tf.float32, [2, None], name="a")
    with tf.control_dependencies([tf.no_op(name="first")]):
        b = tf.multiply(a, a, name="s/b")
    found = data(graph)
    names = [row["name"] for row in found["blocks"]]
    edges = [(names[i], names[j], found["forms"][f]) for i, j, f in found["edges"]]
    assert sorted(edges) == [("a", b.op.name, "float32[2,?]")] * 2 + [("first", b.op.name, "waits")]
    row = found["blocks"][names.index(b.op.name)]
    assert (row["type"], row["outputs"], names[row["parent"]]) == ("Mul", ["float32[2,?]"], "s")
    assert all(row.get("parent", -1) < i for i, row in enumerate(found["blocks"]))  # outer ones first


class _Parts(HTMLParser):
    """The elements of a page: those that are open at the end, what they load, and the texts of scripts."""

    def __init__(self):
        super().__init__()
        self.open, self.loads, self.scripts = [], [], []

    def handle_starttag(self, tag, attrs):
        self.loads += [value for key, value in attrs if key in ("src", "href")]
        if tag == "script":
            self.scripts.append("")
        if tag not in ("meta", "input", "hr", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data


def test_the_page_is_one_file_that_loads_nothing(graph):
    tf.placeholder(tf.string, name="x", shape=[2])
    tf.constant("</script><b>", name="text")
    text = page(graph, "a < b")
    parts = _Parts()
    parts.feed(text)
    parts.close()
    assert parts.open == [] and parts.loads == [] and len(parts.scripts) == 2
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "") and "<title>a &lt; b</title>" in text
    assert json.loads(parts.scripts[0]) == json.loads(json.dumps(data(graph)))
    ids = {word.split('"')[0] for word in parts.scripts[1].split('getElementById("')[1:]}
    assert all(f'id="{name}"' in text for name in ids)


def test_the_command_writes_a_program_s_graph(program, tmp_path, capsys):  # noqa: F811
    target = tmp_path / "graph.html"
    assert main(["show", program, "--html", str(target)]) == 0
    assert capsys.readouterr().out.endswith(f" operations in {target}\n")
    assert '"name":"hidden/MatMul"' in target.read_text() and '"name":"gradients"' in target.read_text()
    assert main(["show", "deck", "--html", str(target)]) == 0
    assert main(["show", program]) == 1
    assert "say where its page goes, with --html FILE" in capsys.readouterr().err
    assert main(["show", str(tmp_path), "--html", str(target)]) == 1
    assert "is no program" in capsys.readouterr().err


def test_a_graph_of_nothing_is_refused(write, tmp_path, capsys):  # noqa: F811
    assert main(["show", write("empty.py", "x = 1\n"), "--html", str(tmp_path / "graph.html")]) == 1
    assert "has no operations to show" in capsys.readouterr().err


def test_an_unrolled_net_folds_into_a_few_boxes(graph):
    steps = 40
    cell = tf.nn.rnn_cell.BasicLSTMCell(8)
    inputs = [tf.placeholder(tf.float32, [2, 4]) for _ in range(steps)]
    tf.nn.static_rnn(cell, inputs, dtype=tf.float32)
    root = fold(graph)
    assert len(graph.get_operations()) > 15 * steps
    assert max(len(b.children) for b in root.blocks() if not (b.is_series or b.is_constants)) < 30
