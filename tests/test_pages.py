"""Pages of the manual with programs on them: what a page says that they print, they print."""

import re
from pathlib import Path

import pytest

import refflow as tf
from refflow import distbelief, train

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"^\.\. code-block:: (python|text)\n\n((?:   .*\n|\n)+)", re.MULTILINE)


def blocks(page):
    """(language, text) of each block of a page, without its indentation."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [(kind, re.sub(r"^   ", "", body, flags=re.MULTILINE).strip()) for kind, body in BLOCK.findall(text)]


@pytest.mark.parametrize("page", ["no_parameter_server.rst"])
def test_a_page_s_programs_print_what_stands_below_them(page, capsys):  # [D14]
    names, found = {}, blocks(page)
    assert [kind for kind, _ in found] == ["python", "text"] * (len(found) // 2) and found
    with tf.Graph().as_default():
        for (_, program), (_, printed) in zip(found[::2], found[1::2], strict=True):
            exec(compile(program, page, "exec"), names)
            assert capsys.readouterr().out.strip() == printed


def test_the_loop_stands_beside_the_graph_with_names_that_are_there(capsys):  # [D14, D06, S53]
    """Each row of the table: what it calls methods and nodes."""
    text = (DOCS / "no_parameter_server.rst").read_text(encoding="utf-8")
    rows = re.findall(r"^   \* - (.*?)\n     - (.*?)(?=^   \* -|\n\n)", text, re.MULTILINE | re.DOTALL)
    assert len(rows) == 10
    left = {name for row, _ in rows[1:] for name in re.findall(r"``([A-Z]\w+\.\w+|_\w+)``", row)}
    assert left == {
        "Shard.slots", "Replica._fetch", "Shard.read", "_batches", "Replica._differentiate", "Replica._push",
        "Shard.apply", "Sgd.apply",
    }  # fmt: skip
    for name in left - {"Shard.slots", "_batches"}:
        owner, _, method = name.partition(".")
        assert callable(getattr(getattr(distbelief, owner), method))
    assert hasattr(distbelief.downpour, "_batches") and "slots" in distbelief.Shard.__dataclass_fields__
    names = {}
    with tf.Graph().as_default() as graph:
        for kind, program in blocks("no_parameter_server.rst"):
            if kind == "python":
                exec(program, names)
    nodes = [op.name for op in graph.get_operations()]
    right = {name for _, row in rows[1:] for name in re.findall(r"``((?:tower|combine|Gradient)[\w/.]*)``", row)}
    assert len(right) == 5
    assert all(name.removesuffix("...") in nodes or any(n.startswith(name[:-3]) for n in nodes) for name in right)
    assert train.build_towers.__module__ == "refflow.train.towers"


def test_a_third_replica_adds_what_the_page_says():  # [D14, S53]
    text = (DOCS / "no_parameter_server.rst").read_text(encoding="utf-8")
    each = int(re.search(r"A third replica is (\d+) nodes more, two constants and an ``Add``", text)[1])

    def nodes(replicas):
        with tf.Graph().as_default() as graph:
            w = tf.Variable(tf.zeros([3, 2]))
            shards = [[tf.zeros([4, 3]), tf.ones([4, 2])] for _ in range(replicas)]

            def loss_of(x, y):
                return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(tf.matmul(x, w), y))

            pairs = tf.train.combine_gradients(tf.train.build_towers(loss_of, shards))
            tf.train.GradientDescentOptimizer(0.5).apply_gradients(pairs)
            return len(graph.get_operations())

    assert nodes(3) - nodes(2) == each + 3
