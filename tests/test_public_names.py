"""The first release's public names: every one is there, of its kind, with its arguments in their order [E22]."""

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import refflow as tf

TABLE = Path(__file__).resolve().parents[1] / "spec" / "api_r05.tsv"
ROWS = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]]

OPERATORS = "add sub mul truediv mod lt le gt ge and or xor invert neg abs getitem radd rsub rmul rtruediv".split()  # noqa: SIM905
SEVERAL = {
    "tf.Tensor operators": [f"tf.Tensor.__{name}__" for name in OPERATORS],
    "tf.Session.__enter__/__exit__": ["tf.Session.__enter__", "tf.Session.__exit__"],
}


def names(symbol):
    """A row's names: nearly always one."""
    return SEVERAL.get(symbol) or [symbol.split(" ")[0]]


def find(name):
    found = tf
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found


def arguments(signature):
    """The argument names of a signature in text, without defaults, up to what it leaves out."""
    inside, depth, parts = signature.strip()[1:-1], 0, [""]
    for sign in inside:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    found = [p.partition("=")[0].strip() for p in parts if p.strip()]
    return [p for p in found if p not in ("self", "...") and not p.startswith("**")]


EXAMPLES = {
    "Session": lambda: tf.Session(), "OpError": lambda: tf.OpError(None, None, "said", 3),
    "Graph": tf.Graph, "Operation": lambda: tf.constant(1.0).op, "Tensor": lambda: tf.constant(1.0),
    "DType": lambda: tf.float32, "Dimension": lambda: tf.Dimension(3), "TensorShape": lambda: tf.TensorShape([2]),
    "GraphKeys": tf.GraphKeys, "QueueBase": lambda: tf.FIFOQueue(1, tf.float32),
    "Variable": lambda: tf.Variable(1.0),
    "IndexedSlices": lambda: tf.IndexedSlices(tf.constant([1.0]), tf.constant([0])),
    "SparseTensor": lambda: tf.SparseTensor([[0]], [1.0], [1]),
    "SparseTensorValue": lambda: tf.SparseTensorValue(np.zeros((1, 1)), np.ones(1), np.ones(1)),
    "ReaderBase": tf.IdentityReader, "IdentityReader": tf.IdentityReader, "TextLineReader": tf.TextLineReader,
    "TFRecordReader": tf.TFRecordReader, "WholeFileReader": tf.WholeFileReader,
    "FixedLengthRecordReader": lambda: tf.FixedLengthRecordReader(4),
    "train.Saver": lambda: tf.train.Saver([tf.Variable(1.0)]),
    "train.QueueRunner": lambda: _runner(),
}  # fmt: skip


def _runner():
    queue = tf.FIFOQueue(1, tf.float32)
    return tf.train.QueueRunner(queue, [queue.enqueue([1.0])])


def test_the_table_has_629_rows():
    assert len(ROWS) == len({row[0] for row in ROWS}) == 629


@pytest.mark.parametrize(("symbol", "kind", "signature", "since"), ROWS, ids=[row[0] for row in ROWS])
def test_a_name_of_the_first_release_is_there(symbol, kind, signature, since):  # [E22]
    if kind == "attr":
        owner, _, attribute = symbol.removeprefix("tf.").rpartition(".")
        getattr(EXAMPLES[owner](), attribute)
        return
    for found in map(find, names(symbol)):
        if kind == "class":
            assert isinstance(found, type) and found.__doc__
        elif kind in ("func", "operator"):
            assert inspect.isroutine(found)
        elif signature.startswith("("):
            assert callable(found)
        if signature.startswith("(") and kind != "operator":
            wanted = arguments(signature)
            starred = {inspect.Parameter.VAR_POSITIONAL: "*"}
            have = [starred.get(p.kind, "") + p.name for p in inspect.signature(found).parameters.values()]
            assert [h for h in have if h != "self"][: len(wanted)] == wanted


def test_constants_are_element_types():
    for symbol, kind, *_ in ROWS:
        name = symbol.removeprefix("tf.")
        if kind == "symbol" and re.fullmatch(r"(float|int|uint|bfloat|complex)\d+|bool|string", name):
            assert isinstance(find(symbol), tf.DType) and find(symbol).name == name


def test_names_that_wait_are_listed_as_those_that_are_there():
    assert {row[0].split(".")[1].split(" ")[0] for row in ROWS} <= set(tf.__all__) <= set(dir(tf))
    given = {}
    exec("from refflow import *", given)
    assert set(tf.__all__) <= set(given)


def test_a_name_that_is_not_there_is_an_attribute_error():
    import refflow.compat.v1 as v1

    with pytest.raises(AttributeError, match="'refflow.compat.v1' has no attribute 'keras'. It has 1.x's .* Keras"):
        v1.keras  # noqa: B018
    for module in (tf.nn, tf.train, tf.image):
        with pytest.raises(AttributeError, match=f"'{module.__name__}' has no attribute 'nothing'.*compat.v1 as tf"):
            module.nothing  # noqa: B018
    with pytest.raises(AttributeError, match="'refflow' has no attribute 'placeholders'.* refflow.compat.v1 as tf"):
        tf.placeholders  # noqa: B018


def test_type_checkers_are_told_where_names_are_that_wait():
    tree = ast.parse(Path(tf.__file__).read_text(encoding="utf-8"))
    (told,) = [n for n in tree.body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    places = {a.name: n.module for n in told.body for a in n.names}
    assert places == {n: at.rpartition(".")[0] for n, at in tf._LIBRARIES.items()} | tf._LATER
