"""`refflow audit parameters`: what a program's variables are, and whether they are what they should be [W54]."""

import pytest

import refflow as tf
from refflow.audit import parameters
from refflow.cli import main


def test_the_table_has_each_variable_and_what_an_optimizer_keeps_beside_it(program):
    found = {p.name: p for p in parameters.of_program(program)}
    w = found["hidden/weights"]
    assert (w.dtype, w.shape, w.elements, w.nbytes, w.role) == ("float32", (8, 16), 128, 512, "trainable")
    assert found["hidden/weights/Adam"].role == "m of hidden/weights"
    assert found["hidden/weights/Adam_1"].role == "v of hidden/weights"
    assert found["beta1_power"].role == "beta1_power of 4 variables"
    assert (found["global_step"].dtype, found["global_step"].role) == ("int64", "not trainable")
    assert sum(p.elements for p in parameters.trained(found.values())) == 8 * 16 + 16 + 16 * 3 + 3


def test_sums_are_by_scope_and_over_all(program, capsys):
    assert main(["audit", "parameters", program]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["hidden/", "2", "144", "576", "trained"] in rows and ["out/", "2", "51", "204", "trained"] in rows
    assert ["trainable", "4", "195", "780"] in rows and ["slots", "10", "392", "1,568"] in rows
    assert ["the", "end"] not in rows  # the program ended at its first step


def test_a_count_that_is_off_says_what_has_as_many(program, capsys):
    assert main(["audit", "parameters", program, "--expect", "195"]) == 0
    assert main(["audit", "parameters", program, "--expect", "1_79"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "195 elements are trained, expected 179: 16 too many; as many as hidden/biases has"
    assert main(["audit", "parameters", program, "--expect", "246"]) == 1
    assert "51 too few; as many as out/ has" in capsys.readouterr().out


def test_a_checkpoint_has_the_same_parameters_as_its_program(program, write, tmp_path, capsys):
    path = str(tmp_path / "model")
    assert main(["profile", program, "--args", path]) == 0
    assert main(["audit", "parameters", program, "--against", path]) == 0
    wider = write("wider.py", a=('("hidden", 16)', '("hidden", 20)'), b=('("out", 3)', '("logits", 3)'))
    capsys.readouterr()
    assert main(["audit", "parameters", wider, "--against", path, "--trained"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert "hidden/weights is float32[8,20] here, float32[8,16] there" in out
    assert "logits/biases float32[3] is only here" in out and "out/biases float32[3] is only there" in out
    renamed = write("renamed.py", a=('("out", 3)', '("logits", 3)'))
    against = ["audit", "parameters", renamed, "--against", path, "--trained"]
    assert main(against) == 1
    assert "name them alike with --map, as in --map '^logits/biases$=out/biases'" in capsys.readouterr().out
    assert main([*against, "--map", "^logits=out"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "as expected"


def test_variables_behind_handles_and_graphs_in_files_are_seen(graph, tmp_path):
    pytest.importorskip("google.protobuf")
    from refflow.compat import v1
    from refflow.interop import write_graph

    loss = tf.reduce_sum(tf.square(v1.get_variable("w", [2, 3], use_resource=True)))
    v1.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
    assert [(p.name, p.shape, p.role) for p in parameters.of_graph(graph)] == [
        ("w", (2, 3), "trainable"), ("w/Momentum", (2, 3), "accum of w"),
    ]  # fmt: skip
    path = write_graph(graph.as_graph_def(), str(tmp_path), "graph.pbtxt")
    assert [p.role for p in parameters.of_program(path)] == ["", "accum of w"]


def test_mistakes_are_told(write, tmp_path, capsys):
    assert main(["audit", "parameters", str(tmp_path / "nothing")]) == 1
    assert "Expected: NAME.py" in capsys.readouterr().err
    assert main(["audit", "parameters", str(tmp_path / "none.py")]) == 1
    assert "there is no program" in capsys.readouterr().err
    empty = write("empty.py", "import tensorflow as tf\ntf.Session().run(tf.constant(1.0))\n")
    assert main(["audit", "parameters", empty]) == 1
    assert "has no variables in any graph that it runs a step of" in capsys.readouterr().err
    with pytest.raises(ValueError, match="expected OLD=NEW"):
        parameters.renaming("a", ["b"])
    with pytest.raises(ValueError, match=r"--map .*: "):
        parameters.renaming("a", ["[=b"])


def test_a_program_that_only_builds_has_parameters_too(write):
    path = write("builds.py", "import tensorflow as tf\nw = tf.Variable(tf.zeros([4]), name='w')\n")
    assert [p.name for p in parameters.of_program(path)] == ["w"]


def test_what_an_update_of_rows_keeps_is_a_slot_by_its_name(graph):
    w = tf.Variable(tf.zeros([5, 2]), name="w")
    tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(tf.gather(w, [1, 3])))
    roles = {p.name: p.role for p in parameters.of_graph(graph)}
    assert roles["w"] == "trainable" and roles["w/Adam"] == roles["w/Adam_1"] == "slot of w"
