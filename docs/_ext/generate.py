"""Writes the pages that come from the op definitions, the clauses and the running system itself."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import numpy as np

import refflow as tf
from refflow import ledger
from refflow.core.opdef import OpDef
from refflow.core.paper_names import FIGURES, paper_name
from refflow.core.registry import registered_ops
from refflow.core.shapes import TensorShape
from refflow_kernels.cpu import KERNELS as CPU


def setup(app: Any) -> dict[str, Any]:
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "generated"))
    return {"version": "1", "parallel_read_safe": True}


def write(folder: Path) -> None:
    """Writes every generated page, and takes away those of ops pages that are gone."""
    (folder / "ops").mkdir(parents=True, exist_ok=True)
    pages = {"ops": ops_index(), "kernels": kernels_page(), "clauses": clauses_page(), "errors": errors_page()}
    pages |= {f"ops/{name}": ops_page(module, ops) for name, (module, ops) in ops_by_page().items()}
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in (folder / "ops").glob("*.rst"):
        if f"ops/{path.stem}" not in pages:
            path.unlink()


def title(text: str, sign: str) -> str:
    return f"{text}\n{sign * len(text)}\n"


def block(text: str) -> str:
    return "::\n\n" + "\n".join("   " + line for line in text.splitlines()) + "\n"


# -- operations ------------------------------------------------------------------------------------------


def ops_by_page() -> dict[str, tuple[str, list[OpDef]]]:
    """(module, its op types) for each page of refflow/ops, by the page's short name."""
    found: dict[str, tuple[str, list[OpDef]]] = {}
    for op in registered_ops():
        if op.page.startswith("refflow.ops."):
            found.setdefault(op.page.rpartition(".")[2], (op.page, []))[1].append(op)
    return dict(sorted(found.items()))


def ops_index() -> str:
    head = (
        "A page here is a page of ``refflow/ops``: its mathematics, then each of its op types from its definition,\n"
        "with signature, attributes, the sentences of the documents that name it, how near a kernel must come to the\n"
        "exact value, and examples, which are also the tests.\n"
    )
    tree = [".. toctree::", "   :maxdepth: 1", "", *(f"   ops/{name}" for name in ops_by_page())]
    rows = [".. list-table::", "   :header-rows: 1", "", "   * - op type", "     - page", "     - gradient"]
    for op in registered_ops():
        if op.page.startswith("refflow.ops."):
            slope = "yes" if op.gradient_function else "nothing flows back" if op.has_gradient_rule else "none"
            rows += [f"   * - {op.name}", f"     - :doc:`ops/{op.page.rpartition('.')[2]}`", f"     - {slope}"]
    return "\n".join([title("Operations", "="), head, *tree, "", title("By name", "-"), *rows, ""])


def ops_page(module: str, ops: list[OpDef]) -> str:
    first, _, rest = (inspect.getdoc(importlib.import_module(module)) or module).partition("\n\n")
    head = [title(module.removeprefix("refflow.").replace(".", "/"), "="), escaped(" ".join(first.split())) + "\n"]
    return "\n".join([*head, prose(rest), *(op_section(op) for op in ops)])


def prose(text: str) -> str:
    """A docstring as the manual shows it: what stands indented stays as it is, the way to the next page is left out."""
    parts = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith(" "):
            parts.append(block(inspect.cleandoc(paragraph)))
        elif not paragraph.startswith("Next:"):
            parts.append(escaped(paragraph) + "\n")
    return "\n".join(parts)


def op_section(op: OpDef) -> str:
    parts = [title(op.name, "-"), block(op.signature)]
    if op.formula is not None:
        parts.append(f".. math:: {op.formula.latex()}\n")
    doc = inspect.getdoc(op.kernels["cpu"].function) if "cpu" in op.kernels and op.formula is None else None
    if doc:
        parts.append(escaped(doc) + "\n")
    facts = [f"* attribute ``{name}``: ``{attr}``" for name, attr in op.attrs.items()]
    if paper_name(op.name):
        facts.append(f"* called {paper_name(op.name)} in the whitepaper's Table 1")  # [E05, E18]
    if op.name in FIGURES:
        facts.append(f"* drawn as {FIGURES[op.name]} in the deck's figures")  # [E28]
    facts.append(f"* accuracy: {op.accuracy}")
    if op.source:
        facts.append(f"* named by {', '.join(op.source)}")
    facts.append(f"* gradient: {escaped(gradient_text(op))}")
    parts.append("\n".join(facts) + "\n")
    parts += [block(example(case)) for case in op.cases]
    return "\n".join(parts)


def gradient_text(op: OpDef) -> str:
    if op.gradient_function is not None:
        return " ".join((inspect.getdoc(op.gradient_function) or "registered").split())
    return "nothing flows back" if op.has_gradient_rule else "none"


def example(case: Any) -> str:
    given = [f"{key} = {short(value)}" for key, value in (case.inputs | case.attrs).items()]
    result = [f"{key} = {short(value)}" for key, value in case.outputs.items()] or [f"error: {case.error}"]
    return f"{case.title}  [{case.clause}]\n" + "\n".join(f"    {line}" for line in [*given, "->", *result])


def short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)} {value.tolist()}"
    return str(value) if isinstance(value, TensorShape) else repr(value)


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("|", "\\|").replace("`", "'").replace("_", "\\_")


# -- kernels ---------------------------------------------------------------------------------------------


def kernels_page() -> str:
    rows = [".. list-table::", "   :header-rows: 1", ""]
    rows += ["   * - op", "     - reference", "     - fast CPU", "     - GPU"]
    gpu = gpu_ops()
    for op in registered_ops():
        cells = [op.name, "yes" if "cpu" in op.kernels else "the runtime"]
        cells.append("yes" if op.name in CPU else "NumPy's ufuncs" if op.formula is not None else "")
        cells.append(gpu.get(op.name, "generated from its formula" if op.formula is not None else ""))
        rows += [f"   * - {cells[0]}"] + [f"     - {cell}" for cell in cells[1:]]
    head = "Which kernels there are. An op without a kernel for a GPU runs on a CPU, with a transfer on either side.\n"
    return title("Kernels", "=") + "\n" + head + "\n" + "\n".join(rows) + "\n"


def gpu_ops() -> dict[str, str]:
    """The ops with a Triton kernel, read from the tables' source, since Triton may not be installed here."""
    pages = (Path(__file__).parents[2] / "refflow_kernels" / "gpu").glob("*.py")
    source = "".join(page.read_text(encoding="utf-8") for page in pages)
    return {op.name: "Triton" for op in registered_ops() if f'"{op.name}": Kernel(' in source}


# -- clauses ---------------------------------------------------------------------------------------------


def clauses_page() -> str:
    lines = [title("Clauses", "="), "What the documents say, and whether refflow holds it.\n"]
    document = ""
    for clause in ledger.clauses().values():
        if clause.document != document:
            document = clause.document
            lines.append(title(document, "-"))
        where = f" ({clause.section})" if clause.section else ""
        lines.append(f"**{clause.id}** *{clause.status}*{where}: {escaped(clause.text)}\n")
    return "\n".join(lines)


# -- errors ----------------------------------------------------------------------------------------------


def errors_page() -> str:
    """Real messages, made while the manual is built."""
    lines = [
        title("Errors", "="),
        "There are three families. A wrong graph is found while it is built, a wrong run names the node and the line\n"
        "of the program that built it, and a bug is refflow's own. These messages were made by running the code.\n",
    ]
    for name, make in (("A wrong graph", wrong_graph), ("A wrong run", wrong_run), ("A missing value", no_value)):
        with tf.Graph().as_default():
            try:
                make()
            except (tf.GraphError, tf.OpError) as error:
                text = str(error).replace(str(Path(__file__).parents[2]) + "/", "")
                lines += [title(name, "-"), block(inspect.getsource(make)), block(f"{type(error).__name__}: {text}")]
    return "\n".join(lines)


def wrong_graph() -> None:
    a, b = tf.zeros([64, 784]), tf.zeros([500, 10])
    tf.matmul(a, b, name="layer1")


def wrong_run() -> None:
    rows = tf.placeholder(tf.int32, [None])
    picked = tf.gather(tf.constant([1.0, 2.0]), rows, name="picked")
    with tf.Session() as session:
        session.run(picked, {rows: [0, 7]})


def no_value() -> None:
    weights = tf.Variable(1.0, name="weights")
    with tf.Session() as session:
        session.run(weights + 1.0)
