"""Programs need not name a device: none of the examples does, unless devices are what it is about [S42]."""

import ast
import re
from pathlib import Path

import pytest

import refflow as tf
from refflow import deck
from refflow.runtime.device import local_devices
from refflow.runtime.gpu import planning_device

ROOT = Path(__file__).resolve().parents[1]
# A page whose title says so is about devices: what it shows cannot be shown without naming some.
_SUBJECT = re.compile("device|machine|process|replica|server|cluster|parallel|where nodes go", re.IGNORECASE)
_DEVICE = re.compile(r"/(job|task|device|cpu|gpu):[\w*]", re.IGNORECASE)
_CALLS = {"device", "replica_device_setter"}
_ARGUMENTS = {"device_count", "devices"}


def named(text):
    """The devices that a Python program names: by `device(...)`, in a string, or by how many it asks for."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in _CALLS:
            found.append(ast.unparse(node))
        if isinstance(node, ast.keyword) and node.arg in _ARGUMENTS:
            found.append(f"{node.arg}={ast.unparse(node.value)}")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _DEVICE.search(node.value):
            found.append(repr(node.value))
    return found


def blocks(path):
    """The Python of a page: all of it, or what stands in its blocks of code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return [text]
    if path.suffix == ".md":
        return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    # What stands in a section that is about devices may name some.
    sections = re.split(r"^(?=.+\n(?:---+|~~~+)\n)", text, flags=re.MULTILINE)
    others = "".join(s for s in sections if not _SUBJECT.search(s.partition("\n")[0]))
    found = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", others)
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in found]


def title(path):
    """The first heading, of a page of any kind."""
    text = path.read_text(encoding="utf-8").removeprefix("# %% [markdown]\n").lstrip("#\"' ")
    return text.partition("\n")[0]


EXAMPLES = [*sorted((ROOT / "tutorials").rglob("*.py")), ROOT / "README.md", *sorted((ROOT / "docs").glob("*.rst"))]
EXAMPLES = [path for path in EXAMPLES if blocks(path)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_an_example_names_a_device_only_if_it_is_about_devices(path):  # [S42]
    if not _SUBJECT.search(title(path)):
        assert [name for block in blocks(path) for name in named(block)] == []


def test_few_examples_are_about_devices():  # [S42]
    about = [path.name for path in EXAMPLES if _SUBJECT.search(title(path))]
    assert {"03_devices_and_sends.py", "06_where_nodes_go.py"} <= set(about) and len(about) < len(EXAMPLES) / 3
    assert title(ROOT / "tutorials/03_devices_and_sends.py") == "Devices, sends and receives"


def test_the_deck_s_program_names_none():  # [S42]
    for spelling in deck.SPELLINGS:
        assert named(deck.to_python3(deck.program_text(spelling))) == []
    graph = deck.run(num_steps=0, say=lambda *words: None).graph
    assert {op.device for op in graph.get_operations()} == {""}


def test_a_name_of_a_device_is_found():
    for text in ("with tf.device(f()): x = 1", "s = Session(device_count={'CPU': 2})", "where = '/cpu:0'",
                 "d = tf.train.replica_device_setter(cluster=c)", "x = '/job:ps/task:1'"):  # fmt: skip
        assert named(text)
    assert named("path = '/tmp/cpu'; a = b / 2; device = 'Device: none'") == []


@pytest.mark.parametrize("more", [[], [planning_device()]], ids=["processor", "card"])
def test_nodes_find_devices_without_being_told(graph, more):  # [S35, S42]
    w = tf.Variable(tf.zeros([64, 64]))
    y = tf.nn.softmax(tf.matmul(tf.placeholder(tf.float32, [8, 64], name="x"), w))
    with tf.Session(graph=graph, devices=[*local_devices(), *more]) as session:
        placed = {row.op_type: row.device for row in session.stages(session.signature(y, ["x:0"])).placement}
    kind = "gpu:0" if more else "cpu:0"
    assert placed["MatMul"].endswith(kind) and placed["Softmax"].endswith(kind)
