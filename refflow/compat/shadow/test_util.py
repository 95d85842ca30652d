"""Names that only `framework.test_util` and `platform.test` had: which tests run where, and what graphs hold.

Graphs are built and sessions run them, on CPUs: decorators that choose this leave a test as it is, those that choose
anything else skip it. What asserts about results is TestCase's own, in refflow/test/case.py.

Next: compat/shadow/test_ops.py.
"""

from __future__ import annotations

import functools
import socket
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from refflow.core.graph import Graph, device, get_default_graph

# -- decorators ----------------------------------------------------------------------------------------------------


def _as_it_is(function: Any = None, *unused: Any, **also_unused: Any) -> Any:
    """A decorator, with arguments or without, that leaves its test as it is."""
    return function if callable(function) else lambda decorated: decorated


run_v1_only = run_deprecated_v1 = deprecated_graph_mode_only = run_in_graph_and_eager_modes = _as_it_is
run_all_in_graph_and_eager_modes = run_all_in_deprecated_graph_mode_only = run_without_tensor_float_32 = _as_it_is
enable_c_shapes = with_c_shapes = enable_control_flow_v2 = disable_control_flow_v2 = with_control_flow_v2 = _as_it_is
disable_xla = no_xla_auto_jit = xla_allow_fallback = disable_tfrt = disable_mlir_bridge = _as_it_is
enable_output_all_intermediates = assert_no_garbage_created = also_run_as_tf_function = _as_it_is
run_all_without_tensor_float_32 = disable_eager_op_as_function = with_eager_op_as_function = _as_it_is
assert_no_new_pyobjects_executing_eagerly = enable_nested_function_shape_inference = _as_it_is
run_in_async_and_sync_mode = run_in_v1_v2 = run_class_in_v1_v2 = disable_cudnn_autotune = _as_it_is
build_as_function_and_v1_graph = deterministic_ops = py_func_if_in_function = matmul_without_tf32 = _as_it_is
disable_asan = disable_msan = disable_tsan = disable_ubsan = _as_it_is
enable_graph_building_optimization = add_graph_building_optimization_tests = enable_eager_op_as_function = _as_it_is
enable_quantized_dtypes_training = enable_tf_xla_constant_folding = set_xla_env_flag = _as_it_is


def _skipped(reason: str) -> Callable[..., Any]:
    def decorator(function: Any = None, *unused: Any, **also_unused: Any) -> Any:
        return unittest.skip(reason)(function) if callable(function) else unittest.skip(reason)

    return decorator


run_v2_only = _skipped("graphs are built and sessions run them")
run_gpu_only = run_cuda_only = run_gpu_or_tpu = _skipped("sessions are on CPUs")


def with_forward_compatibility_horizons(*horizons: Any) -> Callable[..., Any]:
    """A decorator that leaves a test as it is: what graphs are made of does not change with the day."""
    return _as_it_is


@contextmanager
def skip_if_error(test_obj: unittest.TestCase, error_type: Any, messages: Any = None) -> Iterator[None]:
    """Leaves the test out where the block raises such an error, with one of these texts in it if there are any."""
    wanted = [messages] if isinstance(messages, str) else list(messages or ())
    try:
        yield
    except error_type as error:
        if wanted and not any(text in str(error) for text in wanted):
            raise
        test_obj.skipTest(f"Skipping error: {type(error)}: {error}")


def for_all_test_methods(decorator: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[[type], type]:
    """A class's decorator that puts `decorator` around each of its tests."""

    def decorated(cls: type) -> type:
        for name in dir(cls):
            if name.startswith("test") and name != "test_session" and callable(getattr(cls, name)):
                setattr(cls, name, decorator(*args, **kwargs)(getattr(cls, name)))
        return cls

    return decorated


def skip_if(condition: Any) -> Callable[..., Any]:
    """A decorator that leaves a test out where a condition, or what a function returns, is true."""

    def decorator(function: Any) -> Any:
        @functools.wraps(function)
        def test(*args: Any, **kwargs: Any) -> Any:
            skipped = condition() if callable(condition) else condition
            return None if skipped else function(*args, **kwargs)

        return test

    return decorator


# -- the machine -----------------------------------------------------------------------------------------------------


@contextmanager
def use_gpu() -> Iterator[None]:
    """A block whose nodes go where the session puts them."""
    yield


force_gpu = use_gpu


@contextmanager
def force_cpu() -> Iterator[None]:
    """A block whose nodes go on the first CPU."""
    with device("/cpu:0"):
        yield


device_for_tests = use_gpu


def _no(*unused: Any, **also_unused: Any) -> bool:
    return False


is_gpu_available = IsGoogleCudaEnabled = IsBuiltWithROCm = IsBuiltWithNvcc = IsBuiltWithXLA = IsMklEnabled = _no
is_xla_enabled = is_mlir_bridge_enabled = is_asan_enabled = is_msan_enabled = is_tsan_enabled = is_ubsan_enabled = _no
GpuSupportsHalfMatMulAndConv = CudaSupportsHalfMatMulAndConv = is_built_with_cuda = _no
is_built_with_rocm = is_built_with_xla = is_built_with_gpu_support = _no


def gpu_device_name() -> str:
    """Nothing: there is no GPU among a session's own devices."""
    return ""


def IsCPUTargetAvailable(target: str) -> bool:
    """Whether code for a kind of processor can be made: that of this machine."""
    from refflow.compat.v1.test import is_cpu_target_available

    return is_cpu_target_available(target)


def InstallStackTraceHandler() -> None:
    """Python's tracebacks for what kills the process."""
    import faulthandler

    faulthandler.enable()


def pick_unused_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return int(found.getsockname()[1])


# -- graphs ------------------------------------------------------------------------------------------------------------


def assert_equal_graph_def(expected: Any, actual: Any, *unused: Any, **also_unused: Any) -> None:
    """An AssertionError where two graphs' messages have other nodes, in whatever order."""
    one, other = ({node.name: node for node in graph.node} for graph in (expected, actual))
    if one.keys() != other.keys():
        raise AssertionError(f"Found unexpected nodes {sorted(one.keys() ^ other.keys())}")
    for name, node in one.items():
        if str(node) != str(other[name]):
            raise AssertionError(f"node {name}: expected {node}, got {other[name]}")


assert_equal_graph_def_v1 = assert_equal_graph_def_v2 = assert_equal_graph_def


def assert_meta_graph_protos_equal(tester: Any, a: Any, b: Any) -> None:
    """Fails the test where two MetaGraphDefs differ; what is in collections is compared as messages."""
    from refflow.compat.shadow.graphs import get_collection_proto_type

    tester.assertEqual(set(a.collection_def), set(b.collection_def))
    for key in a.collection_def:
        kind, one, other = get_collection_proto_type(key), a.collection_def[key], b.collection_def[key]
        if kind is None:
            tester.assertEqual(one, other)
            continue
        tester.assertEqual(len(one.bytes_list.value), len(other.bytes_list.value))
        for first, second in zip(one.bytes_list.value, other.bytes_list.value, strict=True):
            tester.assertProtoEquals(kind.FromString(first), kind.FromString(second))
    assert_equal_graph_def(a.graph_def, b.graph_def)
    bare = [type(m).FromString(m.SerializeToString()) for m in (a, b)]
    for meta in bare:
        meta.ClearField("collection_def")
        meta.ClearField("graph_def")
    tester.assertProtoEquals(*bare)


def assert_ops_in_graph(expected_ops: dict[str, str], graph: Graph) -> dict[str, Any]:
    """The named nodes' messages; a ValueError where one is not there, or is of another type."""
    found = {n.name: n for n in graph.as_graph_def().node if n.name in expected_ops}
    for name, kind in expected_ops.items():
        if name not in found:
            there = f"Expected {sorted(expected_ops)}, found {sorted(found)}"
            raise ValueError(f"Not all expected ops are present. {there}")
        if found[name].op != kind:
            raise ValueError(f"Expected op for node {name} is different. Expected {kind}, got {found[name].op}")
    return found


def get_node_def_from_graph(node_name: str, graph_def: Any) -> Any:
    """The message of the node with that name, or None."""
    return next((n for n in graph_def.node if n.name == node_name), None)


def assert_no_new_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: the test's default graph has no more nodes after it than before."""

    @functools.wraps(function)
    def test(*args: Any, **kwargs: Any) -> Any:
        before = len(get_default_graph().get_operations())
        result = function(*args, **kwargs)
        assert len(get_default_graph().get_operations()) <= before, "the test left nodes in the default graph"
        return result

    return test


def _moved(order: list[int]) -> Callable[[Any], Any]:
    """Sizes, or a tensor of rank 4 or 5, with its channels moved."""

    def moved(value: Any) -> Any:
        from refflow.ops.transpose import transpose

        sizes = isinstance(value, (list, tuple))
        rank = len(value) if sizes else value.get_shape().ndims
        axes = {1: [0, rank - 1, *range(1, rank - 1)], -1: [0, *range(2, rank), 1]}[order[0]]
        return [value[i] for i in axes] if sizes else transpose(value, axes)

    return moved


NHWCToNCHW, NCHWToNHWC = _moved([1]), _moved([-1])
