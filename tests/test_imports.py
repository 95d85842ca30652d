"""Who may import whom: read from the sources, so that the layers stay layers [S39]."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STANDARD = sys.stdlib_module_names

# The first rule whose folder or file fits says what a file may import, beside the standard library.
RULES = {
    "refflow/core/": ("numpy", "refflow.core"),
    "refflow/files/": ("numpy", "refflow.core", "refflow.files"),
    "refflow/ops/image_formats.py": ("numpy", "refflow.core", "refflow.files", "refflow.ops", "PIL"),
    "refflow/ops/": ("numpy", "refflow.core", "refflow.files", "refflow.ops"),
    "refflow/train/__init__.py": (
        "refflow.core.missing", "refflow.interop", "refflow.runtime.cluster", "refflow.train",
    ),
    "refflow/train/meta_graph.py": (
        "refflow.core", "refflow.interop", "refflow.ops", "refflow.train", "google.protobuf",
    ),
    "refflow/train/": ("numpy", "refflow.core", "refflow.files", "refflow.ops", "refflow.train"),
    "refflow/interop/": ("numpy", "refflow.core", "refflow.files", "refflow.interop", "google.protobuf"),
    "refflow/image/": ("numpy", "refflow.core", "refflow.ops", "refflow.image"),
    "refflow/nn/": ("numpy", "refflow.core", "refflow.ops", "refflow.nn"),
    "refflow/data/": ("numpy", "refflow.data"),
    "refflow/distbelief/": ("numpy", "refflow.distbelief"),
    "refflow/lisp/": ("numpy", "refflow.core.dtypes", "refflow.core.graphdef", "refflow.core.registry", "refflow.lisp"),
    "refflow/runtime/gpu.py": ("numpy", "refflow.core", "refflow.runtime", "torch"),
    "refflow/runtime/gpu_kernels.py": ("numpy", "refflow.core", "refflow.runtime", "refflow_kernels.gpu"),
    "refflow/runtime/gpu_updates.py": ("numpy", "refflow.core", "refflow_kernels.gpu", "refflow_kernels.notes"),
    "refflow/runtime/cores.py": ("refflow.core", "refflow.runtime", "refflow_kernels.cpu"),
    "refflow/runtime/device.py": ("numpy", "refflow.core", "refflow.runtime", "refflow_kernels.cpu"),
    "refflow/runtime/metadata.py": ("refflow.core", "refflow.files", "refflow.runtime"),
    "refflow/runtime/": ("numpy", "refflow.core", "refflow.runtime", "refflow_kernels.aligned"),
    "refflow/bench/gpu.py": ("numpy", "refflow", "refflow_kernels.simulated"),
    "refflow/bench/gpu_rows.py": ("numpy", "refflow", "torch", "refflow_kernels.ahead", "refflow_kernels.paper"),
    "refflow/test/case.py": ("numpy", "refflow", "google.protobuf"),
    "refflow/": ("numpy", "refflow"),
    "refflow_kernels/cpu/threads.py": ("numpy", "threadpoolctl"),
    "refflow_kernels/cpu/": (
        "numpy", "refflow_kernels.aligned", "refflow_kernels.cpu", "refflow_kernels.kernel", "refflow_kernels.notes",
    ),
    "refflow_kernels/aligned.py": ("numpy",),
    "refflow_kernels/notes.py": ("numpy",),
    "refflow_kernels/gpu/": ("triton", "refflow_kernels.gpu", "refflow_kernels.kernel"),
}
FILES = [p for folder in ("refflow", "refflow_kernels") for p in sorted((ROOT / folder).rglob("*.py"))]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_file_imports_only_what_its_layer_may(path):  # [S39]
    name = path.relative_to(ROOT).as_posix()
    allowed = next((modules for start, modules in RULES.items() if name.startswith(start)), None)
    if allowed is None:
        assert name.startswith("refflow_kernels/")  # the package's own two files and its benchmark
        return
    for module in imported(path):
        fits = any(module == a or module.startswith(a + ".") for a in allowed)
        assert fits or module.split(".")[0] in STANDARD, f"{name} imports {module}"


MEMORY_STREAMS_CAPTURE = {
    # memory, and how it is looked at
    "device", "cuda", "uint8", "empty", "OutOfMemoryError", "mem_get_info", "from_numpy", "view", "reshape", "numpy",
    # copies
    "copy_", "cpu",
    # streams and captures
    "current_stream", "set_stream", "synchronize", "Stream", "CUDAGraph", "graph", "replay", "device_count",
}  # fmt: skip


def test_torch_gives_memory_streams_and_captures_and_computes_nothing():
    """What runtime/gpu.py asks of torch's module, and of the tensors that come from it."""
    tree = ast.parse((ROOT / "refflow/runtime/gpu.py").read_text(encoding="utf-8"))
    card = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Card")
    asked = {n.attr for n in ast.walk(card) if isinstance(n, ast.Attribute)}
    of_numpy = {"ndarray", "ascontiguousarray", "flags", "writeable", "copy", "size", "name"}
    own = {n.name for n in card.body if isinstance(n, ast.FunctionDef)} | {"_torch", "_where"}
    of_python = {"isenabled", "disable", "enable"}
    assert asked - of_numpy - own - of_python <= MEMORY_STREAMS_CAPTURE
    operators = [n for n in ast.walk(card) if isinstance(n, (ast.BinOp, ast.AugAssign))]
    assert {ast.unparse(n) for n in operators} == {
        "offset + prod(shape) * dtype.size", "prod(shape) * dtype.size",
    }, "numbers of bytes, no tensors"  # fmt: skip
    rest = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and ast.unparse(n.value).startswith("torch")}
    assert rest <= MEMORY_STREAMS_CAPTURE | {"version", "__version__"}  # said where there is no card


def loaded_by(code):
    """The modules that are there in a new Python after `code`."""
    code += "\nimport sys\nprint(*sys.modules, sep='\\n')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(result.stdout.split())


def own(modules):
    """How many of each of refflow's folders, and of its own files."""
    return Counter(module.split(".")[1] for module in modules if module.startswith("refflow."))


SLOW = {"argparse", "decimal", "difflib", "gzip", "json", "logging", "random", "socket", "statistics", "unittest"}
RARE = {f"refflow.ops.{page}" for page in ("audio", "csr", "datasets", "fft", "quantize", "ragged", "training")}


def test_importing_refflow_loads_what_builds_graphs_and_no_more():
    loaded = loaded_by("import refflow")
    assert set(own(loaded)) == {"core", "files", "ops"}
    assert not loaded & RARE
    assert not (loaded - loaded_by("import numpy")) & (SLOW | {"torch", "triton", "refflow_kernels"})


@pytest.mark.parametrize("before", ["gc.enable()", "gc.disable()", "gc.freeze()"])
def test_importing_refflow_leaves_the_garbage_collector_as_it_was(before):
    code = f"import gc; {before}; state = gc.isenabled(), gc.get_freeze_count() > 0\nimport refflow\n"
    loaded_by(code + "assert state == (gc.isenabled(), gc.get_freeze_count() > 0)")


FIRST_STEP = """
import numpy as np
import refflow as tf
w = tf.Variable(np.zeros((2, 3), np.float32))
scores = tf.matmul(tf.constant([[1.0, 2.0]]), w)
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(scores, tf.constant([[0.0, 1.0, 0.0]])))
step = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
with tf.Session() as session:
    session.run(tf.initialize_all_variables())
    session.run(step)
"""


def test_a_first_step_does_without_the_pages_that_it_has_no_node_of():
    loaded = loaded_by(FIRST_STEP)
    assert loaded & RARE == {"refflow.ops.training"}
    assert not own(loaded).keys() & {"bench", "compat", "conformance", "data", "image", "models", "platform", "test"}


def test_importing_the_kernels_loads_nothing():
    assert not loaded_by("import refflow_kernels") & {"numpy", "triton"}
