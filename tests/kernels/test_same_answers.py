"""The manual's table of how near a card comes to the CPU says what the tests hold."""

from tests.kernels.same_answers import FILE, SAME, UNITS, rounded_up, rows, text


def test_the_manual_s_table_is_that_of_the_tests():
    wanted = FILE.read_text(encoding="utf-8")
    assert text() == wanted, "python -m tests.kernels.same_answers writes it anew"


def test_sums_products_and_choices_are_to_the_bit():
    bounds = {(op, dtype): bound for op, dtype, bound in rows()}
    for op in ("Add", "Mul", "Less", "Select", "Gather", "Relu", "ApplyAdam", "Cast"):
        assert bounds[op, "float32"] == SAME, op
    assert bounds["Tanh", "float32"] == UNITS
    assert bounds["MatMul", "float32"].endswith("of the largest value")


def test_a_bound_is_rounded_up():
    assert [rounded_up(x) for x in (3.21e-6, 1e-3, 9.5e-7)] == ["4e-06", "1e-03", "1e-06"]
