"""Workloads are small programs; here smaller still, on the sides that are always there."""

import json

import numpy as np
import pytest

from refflow.bench import cpu, measure, sides, startup, svg, table
from refflow.bench.workload import Bar, Workload
from refflow.bench.workloads import (
    WORKLOADS,
    attention,
    convolution,
    convolution3d,
    elementwise,
    inception,
    lenet,
    loops,
    lstm,
    matmul,
    moves,
    normalisation,
    overhead,
    perceptron,
    pipelines,
    pooling,
    queues,
    reductions,
    rows,
)
from refflow.cli import main


class SmallLeNet(lenet.LeNet):
    batch = 3


SMALL: list[Workload] = [
    matmul.Product(5, 7, 3),
    matmul.Product(5, 7, 3, transposed=True),
    matmul.BatchedProduct(),
    *(
        kind(*shape)
        for kind in (convolution.Forward, convolution.FilterGradient, convolution.InputGradient)
        for shape in (("same", 3, 1, 2, 6, 3, 4), ("valid", 3, 2, 2, 9, 2, 3, "VALID"), ("point", 1, 1, 2, 4, 3, 2))
    ),
    perceptron.DeckStep(rows=40),
    perceptron.PerceptronDescent(),
    perceptron.PerceptronAdam(),
    SmallLeNet(),
    inception.Inception(batch=1, size=6),
    lstm.Lstm(cells=6, steps=3, batch=2, vocabulary=30),
    attention.Attention(2, 2, 5, 3),
    *overhead.WORKLOADS,
    loops.Loop(7),
    loops.LoopGradient(7),
    queues.Pairs(150),
    *(kind(64) for kind in map(type, pipelines.WORKLOADS)),
    elementwise.Function("tanh", "", Bar(), 50_000),
    elementwise.TenOps(50_000),
    elementwise.BiasRelu(),
    normalisation.BatchNorm(2, 3, 5),
    normalisation.ResponseNorm(2, 3, 13),
    normalisation.Depthwise(2, 5, 6),
    *(kind(axis, Bar(), 70) for kind in (reductions.Sum, reductions.CumSum) for axis in (0, 1)),
    *(kind(axis, Bar(), 128) for kind in (reductions.Max, reductions.ArgMax) for axis in (0, 1)),
    reductions.ImageSum(),
    *(kind(9, 40, Bar()) for kind in (rows.Softmax, rows.SparseCrossEntropy, rows.CrossEntropy)),
    moves.Gather(9, 20),
    moves.ScatterAdd(30, 20),
    moves.Transpose(512),
    *(
        kind(*window, Bar())
        for kind in (pooling.Pooling, pooling.PoolingWithGradient)
        for window in (("max", 2, 2, 2, 6, 3, "VALID"), ("max", 3, 2, 2, 7, 3, "VALID"), ("max", 3, 1, 2, 5, 3, "SAME"))
    ),
    pooling.Pooling("avg", 2, 2, 2, 6, 3, "VALID", Bar()),
    *(
        kind("small", 3, 2, 3, 4, 2, 3)
        for kind in (convolution3d.Forward3D, convolution3d.FilterGradient3D, convolution3d.InputGradient3D)
    ),
]


@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.name)
def test_refflow_and_numpy_give_the_answers_of_float64(workload):
    data = workload.data(np.random.default_rng(1))
    truth = sides.judged(workload, data)
    for peer in ("refflow", "numpy"):
        assert measure.disagreement(sides.make(workload, peer, data, 1).answers(), truth, workload.tolerance) == ""


def test_names_are_single_and_every_text_is_there():
    assert len({w.name for w in WORKLOADS}) == len(WORKLOADS)
    for workload in WORKLOADS:
        assert workload.title
        assert sides.runs(workload, "refflow") and sides.runs(workload, "tensorflow")


def test_a_wrong_answer_is_an_error_and_never_a_time(monkeypatch):
    workload = matmul.Product(4, 4, 4)
    make = sides.make

    def twisted(workload, peer, data, threads):
        side = make(workload, peer, data, threads)
        return side if peer == "refflow" else side._replace(answers=lambda: [1.001 * a for a in side.answers()])

    monkeypatch.setattr(sides, "make", twisted)
    row = table.as_data(measure.measure(workload, ["refflow", "numpy"], 1, measure.Effort(rounds=3, turn=1e-3)))
    assert set(row["times"]) == {"refflow"} and "off by 1.0e-03" in row["errors"]["numpy"]
    assert "numpy: not timed" in "\n".join(table.lines(row, "cpu"))


def test_ratios_are_of_medians_and_the_best_peer_is_not_tensorflow():
    times = {
        peer: {"cpu": {"median": m, "minimum": m / 2}}
        for peer, m in (("refflow", 2.0), ("tensorflow", 1.0), ("numpy", 4.0), ("torch", 8.0))
    }
    ratios = {"tensorflow": 2.0, "best": 0.5, "library": 0.25}
    assert table.ratios(times, "cpu") == ratios | {"numpy": 0.5, "torch": 0.25}
    row = {"times": times, "ratios": {"cpu": table.ratios(times, "cpu")}, "group": "training"}
    assert table.best(row, "cpu") == "numpy"
    (mean,) = table.groups([row, row], "cpu")
    assert mean["ratios"] == pytest.approx(ratios) and mean["rows"] == 2
    said = table.verdict(mean["ratios"], mean["bar"])
    assert " ".join(said.split()) == "TF 2.00*<= 0.78 best 0.50 <= 0.95 library 0.25"


def test_sides_take_turns_and_both_clocks_are_read():
    order = []
    ready = {n: sides.Side(lambda n=n: order.append(n), list) for n in "ab"}
    times = measure.take_turns(ready, 2, 1, measure.Effort(rounds=3, turn=1e-6))
    assert [len(t[c]) for t in times.values() for c in ("cpu", "wall")] == [3] * 4
    tail = "".join(order)
    assert tail.rfind("a") > tail.find("b") and tail.rfind("b") > tail.find("a")


def report_of(rows):
    ratios = {clock: table.groups(rows, clock) for clock in measure.CLOCKS}
    return {"threads": 1, "machine": {"processor": "a < b", "versions": {"numpy": "2"}}, "rows": rows, "groups": ratios}


def test_the_picture_is_xml_and_shows_every_row():
    from xml.etree import ElementTree

    times = {
        peer: {clock: {"median": m, "minimum": m} for clock in measure.CLOCKS}
        for peer, m in (("refflow", 0.5), ("tensorflow", 1.0), ("numpy", 0.4))
    }
    rows = [table.as_row(name, f"the row {name}", "training", Bar(0.4, 2.0), times, {}) for name in "xy"]
    root = ElementTree.fromstring(svg.draw(report_of(rows), "cpu"))
    said = ["".join(e.itertext()) for e in root.iter() if e.tag.endswith("text")]
    assert {"the row x", "the row y", "500 ms", "0.50", "1.25"} <= set(said) and any("a < b" in s for s in said)
    red, green = (sum(svg_colour in str(e.attrib) for e in root.iter()) for svg_colour in (svg.BAD, svg.GOOD))
    assert red == 2 * 2 + 2 and green == 2 * (2 + 1) + 2 + 1  # TensorFlow's bar is missed, the best peer's is met
    assert svg.place(svg.LEAST / 9) == svg.SCALE and svg.place(1.0) < svg.place(2.0)


def test_a_process_tells_what_it_used():
    code = "x = bytearray(64 * 2**20)\nfor _ in range(10**5): pass\nprint(0.25)"
    used = startup.run(code)
    assert used.words == "0.25" and used.cpu > 0 and 64 * 2**20 < used.peak < 4 * 64 * 2**20
    with pytest.raises(RuntimeError, match="ValueError: so"):
        startup.run("raise ValueError('so')")


def test_the_first_step_of_every_side_is_the_same_step(monkeypatch):
    monkeypatch.setattr(startup, "DeckStep", lambda: perceptron.DeckStep(rows=20))
    rows = startup.measure(["refflow", "numpy"], 1, measure.Effort(starts=1))
    assert [row["name"] for row in rows] == ["import", "first_step", "first_step_memory"]
    for row in rows:
        assert set(row["times"]) == {"refflow", "numpy"} and "errors" not in row
        assert table.lines(row, "cpu")[1].count("MiB") == (2 if row.get("unit") else 0)


def test_the_command_measures_in_a_process_of_its_own(tmp_path, capfd):
    path, picture = tmp_path / "found.json", tmp_path / "table.svg"
    more = ["--only", "matmul_256x256x256", "--peers", "numpy", "--quick", "--json", str(path), "--svg", str(picture)]
    assert main(["bench", "cpu", *more]) == 0
    found = json.loads(path.read_text())
    assert "1 thread each" in capfd.readouterr().out and picture.read_text().startswith("<svg")
    (row,) = found["rows"]
    assert set(row["times"]) == {"refflow", "numpy"} and found["threads"] == 1 and found["machine"]["versions"]["numpy"]
    ours, theirs = (row["times"][peer]["cpu"]["median"] for peer in ("refflow", "numpy"))
    assert row["ratios"]["cpu"]["numpy"] == ours / theirs


def test_what_nobody_knows_is_one_line(capsys):
    for more, message in ((["--peers", "mxnet"], "peer 'mxnet' is none of"), (["--only", "lenett"], "called 'lenett'")):
        assert main(["bench", "cpu", *more]) == 1
        assert message in capsys.readouterr().err
    assert main(["bench", "cpu", "--list", "--only", "training"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_libraries_are_told_their_threads():
    told = cpu.environment(3)
    assert {told[n] for n in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC")} == {"3"}
