"""Other backends beside the examples: right ones pass, and each fault is found and told."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import refflow as tf
from refflow.cli import main
from refflow.conformance import check, examples, judged, read_case, write_cases
from refflow.conformance.compare import UNITS, difference
from refflow.core.bfloat16 import rounded
from refflow.core.registry import op_def, registered_ops

OPS = [
    "Add", "Cast", "Conv2D", "Exp", "MatMul", "Max", "MaxPool", "Maximum", "Round", "Split", "Sum", "StringJoin", "FFT"
]  # fmt: skip


def session_backend(op_type, inputs, attrs):
    """refflow itself, with its fast kernels."""
    with tf.Graph().as_default(), tf.Session() as session:
        found = op_def(op_type)(*inputs.values(), **attrs)
        parts = found if isinstance(found, (list, tuple)) else [found]
        values = session.run([t for part in parts for t in (part if isinstance(part, list) else [part])])
        return values if op_def(op_type).outputs else []


def test_a_right_backend_passes():
    report = check(session_backend, OPS)
    assert report.is_right and not report.faults, str(report)
    assert {v.op_type for v in report.verdicts} == set(OPS) and {v.kind for v in report.verdicts} == {"right"}


@pytest.mark.deep
def test_the_fast_kernels_give_all_that_needs_no_variable():
    ops = [op.name for op in registered_ops() if op.make_state is None and not op.ref_inputs]
    report = check(session_backend, ops)
    assert report.is_right and not report.faults, str(report)


def same_type(function):
    return lambda x, attrs: function(*x.values()).astype(next(iter(x.values())).dtype)


def summed(x, kind, axes, keep):
    return x.astype(kind).sum(tuple(axes.reshape(-1)), dtype=kind, keepdims=keep).astype(x.dtype)


def pooled(x, attrs, first):
    """The largest of each window along the third axis, where padding that cannot be split goes first or last."""
    image, (size, step) = x["input"], (attrs["ksize"][2], attrs["strides"][2])
    if attrs["padding"] != "SAME" or image.shape[1] > 1:
        raise NotImplementedError
    width = image.shape[2]
    count = -(-width // step)
    pad = max(0, (count - 1) * step + size - width)
    before = pad - pad // 2 if first else pad // 2
    cut = [(max(0, i * step - before), i * step - before + size) for i in range(count)]
    return np.stack([image[:, :, a:b].max(axis=2) for a, b in cut], axis=2)


FAULTS = {
    "halves are rounded up": ("Round", same_type(lambda x: np.floor(x + 0.5)), r"y\[0\] is 1.0, expected 0.0"),
    "NaN loses": ("Maximum", same_type(np.fmax), r"the larger of two.* z\[2\] is 0.0, expected nan"),
    "NaN loses where no page says so": ("Minimum", same_type(np.fmin), r"awkward numbers.*expected nan"),
    "a column is not stretched": (
        "Add", lambda x, attrs: x["x"] + x["y"].reshape(-1)[: x["x"].shape[-1]], r"a column is added.*of 4 values are"
    ),
    "sums have too few digits": (
        "Sum", lambda x, attrs: summed(x["input"], "f2", x["reduction_indices"], attrs["keep_dims"]),
        r"drawn numbers.* units in the last place, 16 are allowed"
    ),
    "the last bits are wrong": (
        "Exp", same_type(lambda x: np.exp(x * 1.000001)), r"units in the last place, 4 are allowed"
    ),
    "results are of another type": (
        "Sqrt", lambda x, attrs: np.sqrt(x["x"].astype("f8")), "y is float64, expected float32"
    ),
    "results are of another shape": ("Neg", lambda x, attrs: -x["x"].reshape(-1, 1), r"y has shape \[\d, 1\], exp"),
    "padding goes to the other end": (
        "MaxPool", lambda x, attrs: pooled(x, attrs, True), r"\[0, 0, 1, 0\] is 3.0, expected 2.0"
    ),
    "a transposed operand is taken as it is": (
        "MatMul", lambda x, attrs: x["a"] @ x["b"], r"a is transposed first.*product"
    ),
    "a wrong call is accepted": (
        "Mod", same_type(np.fmod), "it is accepted, expected an error: Integer division by zero"
    ),
    "a right call is refused": ("Neg", lambda x, attrs: x["nothing"], "raised KeyError: 'nothing'"),
    "an output is missing": ("Split", lambda x, attrs: [x["value"]], r"1 outputs, expected \d"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_fault_is_found_and_told(fault):
    op_type, function, text = FAULTS[fault]
    report = check(lambda name, x, attrs: function(x, attrs), [op_type])
    assert not report.is_right
    assert re.search(text, str(report)), str(report)


def test_what_a_backend_does_to_arrays_is_found():
    def overwrites(op_type, x, attrs):
        x["x"][...] = -x["x"]
        return x["x"].copy()

    assert "input x is overwritten" in str(check(overwrites, ["Neg"]))
    kept = {}

    def reuses(op_type, x, attrs):
        place = kept.setdefault((x["x"].shape, x["x"].dtype), np.empty_like(x["x"]))
        return np.negative(x["x"], out=place)

    assert "it overwrites what 'awkward numbers' gave" in str(check(reuses, ["Neg"]))


def test_an_update_gives_all_that_it_updates():
    def alone(op_type, x, attrs):
        return x["var"] - x["lr"] * x["grad"]

    text = str(check(alone, ["ApplyMomentum"]))
    assert "1 outputs, expected 2: the new values of what it updates, then what it gives: out, accum" in text


def test_a_type_that_a_backend_does_not_know_is_not_there():
    report = check(lambda name, x, attrs: np.negative(x["x"]), ["Neg"])  # NumPy has no bfloat16
    assert {v.title for v in report.verdicts if v.kind == "absent"} == {"awkward numbers of type bfloat16"}
    assert report.is_right


def test_a_pool_that_pads_as_it_should_passes():
    report = check(lambda name, x, attrs: pooled(x, attrs, False), ["MaxPool"])
    assert report.is_right and not report.faults, str(report)


def test_what_is_not_there_is_not_wrong_but_nothing_at_all_is_not_right():
    def absent(op_type, inputs, attrs):
        raise NotImplementedError

    report = check(absent, ["Neg"])
    assert not report.faults and not report.is_right and {v.kind for v in report.verdicts} == {"absent"}


def test_drawn_examples_are_those_of_a_page_with_other_numbers():
    found = list(examples(op_def("Maximum")))
    awkward = next(e for e in found if e.title == "awkward numbers")
    assert awkward.inputs["x"].shape == (23, 1, 1, 1, 1) and awkward.outputs["z"].shape == (23, 1, 1, 1, 23)
    assert np.isnan(awkward.outputs["z"]).sum() == 45
    again = next(e for e in examples(op_def("Maximum")) if e.title == "drawn numbers")
    drawn = next(e for e in found if e.title == "drawn numbers")
    np.testing.assert_array_equal(again.inputs["x"], drawn.inputs["x"])
    assert [e.title for e in examples(op_def("Maximum"), quick=True)][-1] == "awkward numbers"
    of_pool = next(e for e in examples(op_def("MaxPoolGrad")) if e.title == "drawn numbers in long rows")
    attrs = of_pool.attrs | {"explicit_paddings": []}
    pool = op_def("MaxPool")
    forward = pool.reference(of_pool.inputs["orig_input"], **pool.kernels["cpu"].arguments(attrs))
    np.testing.assert_array_equal(of_pool.inputs["orig_output"], forward)  # its inputs belong together


LINE = np.arange(1, 64).astype(np.float16)


@pytest.mark.parametrize(
    ("got", "wanted", "accuracy", "text"),
    [
        (np.float32(1), np.float32(1), "exact", ""),
        (np.float32(-0.0), np.float32(0), "exact", ""),
        (np.nextafter(np.float32(1), np.float32(2)), np.float32(1), "rounded", ""),
        (np.float32(1 + 3e-7), np.float32(1), "rounded", "is 1.0000004, expected 1.0: off by 3 units"),
        (np.float32([1, 1e-9]), np.float32([1, 0]), "dot", ""),
        (np.float32([1, 1e-9]), np.float32([1, 0]), "transcendental", "[1] is 1e-09, expected 0.0: off by"),
        (np.complex64(1 + 2j), np.complex64(1 + 1j), "exact", "in its imaginary part is 2.0, expected 1.0"),
        (np.array([b"a"], object), np.array([b"b"], object), "exact", "[0] is b'a', expected b'b'"),
        (b"a", np.array(b"a", object), "exact", ""),
        (np.float32(0), np.float32(1e-39), "rounded", ""),
        (rounded(np.float32(-0.0)), rounded(np.float32(0)), "exact", ""),
        (rounded(np.float32(2)), rounded(np.float32(1)), "dot", "is 2.0, expected 1.0: off by 128 units"),
        (np.nextafter(LINE, np.float16(0)), LINE, "rounded", "leans to 0: 63 of 63 values are too near to it, 0 too"),
        (np.float32(7), np.float32(1), "random", ""),
        (np.finfo("f2").max, np.finfo("f2").max, "rounded", ""),
    ],
)
def test_a_difference_is_told(got, wanted, accuracy, text):
    found = difference(got, np.asarray(wanted), accuracy)
    assert found.startswith(text) and bool(found) == bool(text)


def test_the_manual_has_the_units_that_are_allowed():
    manual = (Path(__file__).parents[2] / "docs/backends.rst").read_text(encoding="utf-8")
    told = dict(re.findall(r"^(\w+) +within (\d+) unit", manual, re.MULTILINE))
    assert told == {name: str(count) for name, count in UNITS.items() if count}


def test_a_fault_can_be_repeated_from_what_is_told():
    report = check(lambda name, x, attrs: x["a"] @ x["b"], ["MatMul"])
    told = "MatMul(a: float32[2,2] [[1.0, 2.0], [3.0, 4.0]], b: float32[2,1] [[1.0], [0.0]], transpose_a=True)"
    assert f"\n  in {told}\n" in str(report)
    assert "`refflow cases --drawn MatMul` has all numbers of these calls of MatMul" in str(report)
    fault = report.faults[-1]
    lines = [read_case(line) for line in write_cases(["MatMul"], drawn=True)]
    (again,) = [e for e in lines if e.title == fault.title]
    for name, value in fault.example.inputs.items():
        np.testing.assert_array_equal(again.inputs[name], value)


def test_the_first_of_what_is_not_there_are_named():
    def backend(op_type, x, attrs):
        if op_type != "Neg":
            raise NotImplementedError
        return np.negative(x["x"])

    told = str(check(backend, ["Neg", "Abs"]))
    assert told.endswith("\nnot there: Neg, awkward numbers of type bfloat16; Abs")


@pytest.mark.filterwarnings("error")
def test_awkward_numbers_warn_nobody():
    assert check(lambda name, x, attrs: np.exp(x["x"]).astype(x["x"].dtype), ["Exp"]).is_right


def titles_taken_twice(ops):
    found = Counter((op.name, example.title) for op in ops for example in examples(op))
    return [name for name, count in found.items() if count > 1]


def test_a_title_names_one_example_of_an_op():
    assert not titles_taken_twice([op_def(name) for name in (*OPS, "Reshape")])


@pytest.mark.deep
def test_every_title_names_one_example_of_an_op():
    assert not titles_taken_twice([op for op in registered_ops() if op.make_state is None])


def results(op_type, change=lambda result: result, drawn=False):
    lines = map(json.loads, write_cases([op_type], drawn))
    kept = [{k: c[k] for k in ("op", "title", "outputs", "error") if k in c} for c in lines]
    return [json.dumps(change(line)) for line in kept]


def test_results_in_lines_are_judged():
    assert judged([*results("MatMul"), ""]).is_right
    assert {v.kind for v in judged(results("MatMul")[1:]).verdicts} == {"right", "absent"}
    assert len(judged(results("MatMul"), ["Neg"]).verdicts) == len(op_def("Neg").cases)
    for op_type in ("MatMul", "Concat", "ApplyMomentum"):  # what no page shows, too
        assert judged(lines := results(op_type, drawn=True)).is_right and len(lines) > len(op_def(op_type).cases)
        assert len(judged(lines[:-1]).verdicts) == len(lines)

    def wrong(result):
        if "outputs" in result:
            result["outputs"]["product"]["data"] = [7.0] * len(result["outputs"]["product"]["data"])
        return result

    report = judged(results("MatMul", wrong))
    assert not report.is_right and "rows times columns [S16]: product[1, 1] is 7.0, expected 50.0" in str(report)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("bad", "line 1 is no result: JSONDecodeError"),
        ("{}", "line 1 is no result: KeyError: 'op'"),
        ('{"op": "MatMul", "title": "no"}', "no example called 'no': `refflow cases --drawn MatMul` has them"),
        ('{"op": "MatMul", "title": "rows times columns"}', "no outputs: KeyError: 'outputs'"),
        (
            '{"op": "MatMul", "title": "rows times columns", "outputs": {"product": {"dtype": "float32", '
            '"shape": [2, 2], "data": [19, 22, 43]}}}',
            "data has 3 numbers, but shape [2, 2] takes 4",
        ),
    ],
)
def test_lines_that_are_no_results_are_said(line, text):
    with pytest.raises(tf.GraphError) as caught:
        judged([line])
    assert text in str(caught.value)


def test_the_command_takes_functions_and_files(tmp_path, capsys, monkeypatch):
    (tmp_path / "some_backend.py").write_text("def right(op_type, x, attrs):\n    return -x['x']\n")
    monkeypatch.chdir(tmp_path)
    assert main(["check", "some_backend:right", "Neg"]) == 0
    assert "examples of 1 op types are right, 0 are wrong" in capsys.readouterr().out
    assert main(["check", "some_backend:right", "Abs"]) == 1
    assert "Abs, " in capsys.readouterr().out
    (tmp_path / "results.jsonl").write_text("\n".join(results("Neg")))
    assert main(["check", "results.jsonl"]) == 0
    for name, text in (("some_backend:left", "no attribute 'left'"), ("nowhere", "expected MODULE:FUNCTION")):
        capsys.readouterr()
        assert main(["check", name]) == 1 and text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("backend", "said"),
    [(lambda op_type: [], "cannot be called with (op_type, inputs, attrs): too many positional arguments"),
     (3, "3 is no function: expected one of (op_type, inputs, attrs)")],
)  # fmt: skip
def test_what_cannot_be_called_as_a_backend_is_told_once(backend, said):
    with pytest.raises(TypeError, match=re.escape(said)):
        check(backend, ["Add"])
