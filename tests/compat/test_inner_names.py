"""What only TensorFlow's inner modules name, as unit tests of that time import it."""

import importlib
import subprocess
import sys
import threading

import pytest

from refflow.compat import as_tensorflow


@pytest.fixture(autouse=True)
def finder():
    with as_tensorflow() as found:
        yield found


MODULES = """
client.session client.pywrap_tf_session eager.context eager.test framework.composite_tensor framework.config
framework.device framework.func_graph framework.stack framework.tensor framework.tensor_conversion
framework.tensor_conversion_registry framework.test_combinations framework.test_ops framework.traceable_stack
ops.control_flow_grad ops.control_flow_util_v2 ops.gen_sync_ops ops.gradient_checker_v2 ops.init_ops_v2
ops.linalg.linalg_impl ops.parsing_config ops.ragged.ragged_factory_ops ops.ragged.ragged_tensor ops.signal.dct_ops
ops.unconnected_gradients ops.variable_v1 compat.compat module.module types.core
training.saving.saveable_object util.dispatch util.tf_stack
"""


@pytest.mark.parametrize("name", MODULES.split())
def test_a_module_of_the_library_is_there(name):
    assert importlib.import_module(f"tensorflow.python.{name}").__name__ == f"tensorflow.python.{name}"


def test_error_codes_are_those_of_the_protocol():
    from tensorflow.core.lib.core import error_codes_pb2

    assert (error_codes_pb2.INVALID_ARGUMENT, error_codes_pb2.DATA_LOSS) == (3, 15)


def test_inner_names_of_what_is_exported_under_another():
    import tensorflow as tf
    from tensorflow.python.framework import dtypes, test_util
    from tensorflow.python.ops import init_ops, math_ops, resource_variable_ops, variable_v1

    assert variable_v1.VariableV1 is tf.Variable and test_util.TensorFlowTestCase is tf.test.TestCase
    assert init_ops.Zeros is tf.zeros_initializer and math_ops.reduce_sum_v1 is tf.reduce_sum
    assert dtypes.float32_ref.base_dtype is tf.float32
    v = resource_variable_ops.ResourceVariable(1.0)
    assert resource_variable_ops.is_resource_variable(v) and not resource_variable_ops.is_resource_variable(1.0)


def test_names_enter_and_leave_scopes_with_their_marks():
    from tensorflow.python.framework import ops

    assert [ops.strip_name_scope(n, "a") for n in ("a/b", "^a/b", "loc:@a/b", "c")] == ["b", "^b", "loc:@b", "c"]
    assert [ops.prepend_name_scope(n, "a") for n in ("b", "^b", "loc:@b")] == ["a/b", "^a/b", "loc:@a/b"]
    with ops.Graph().as_default(), ops.name_scope_v2("in") as scope, ops.name_scope_v2(scope) as again:
        assert scope == again == "in/"


def test_a_specification_of_the_second_kind_stays_as_it_is():
    from tensorflow.python.framework import device

    spec = device.DeviceSpecV2.from_string("/job:ps/gpu:1")
    assert spec.replace(task=2).to_string() == "/job:ps/task:2/device:GPU:1"
    assert spec.make_merged_spec(device.DeviceSpecV2(job="worker")).job == "worker"
    with pytest.raises(AttributeError, match="replace"):
        spec.job = "worker"
    assert device.canonical_name("/gpu:0") == "/device:GPU:0" and device.canonical_name(None) == ""


def test_what_is_asked_for_inside_holds_before_a_merging_function():
    from tensorflow.python.framework import device, ops
    from tensorflow.python.ops import control_flow_ops

    outer, inner = device.merge_device("/job:ps/cpu:0"), device.merge_device("/job:worker")
    with ops.Graph().as_default() as graph, graph.device(outer), graph.device(inner):
        assert control_flow_ops.no_op().device == "/job:worker/device:CPU:0"


def test_inputs_of_two_graphs_are_told():
    from tensorflow.python.framework import constant_op, ops

    with ops.Graph().as_default():
        a = constant_op.constant(1.0)
    with ops.Graph().as_default() as graph:
        b = constant_op.constant(1.0)
        assert ops._get_graph_from_inputs([3.0, b]) is ops._get_graph_from_inputs([]) is graph
        with pytest.raises(ValueError, match="must be from the same graph"):
            ops._get_graph_from_inputs([a, b])
        with pytest.raises(ValueError, match="not from the passed-in graph"):
            ops._get_graph_from_inputs([a], graph)


def test_resources_are_made_and_told_of():
    import tensorflow as tf
    from tensorflow.python.ops import resources

    with tf.Graph().as_default(), tf.Session() as session:
        made = tf.no_op(name="make")
        resources.register_resource(tf.constant("a", name="a"), made, tf.constant(True))
        resources.register_resource(tf.constant("b", name="b"), made, tf.constant(False), is_shared=False)
        assert [len(resources.shared_resources()), len(resources.local_resources())] == [1, 1]
        assert session.run(resources.report_uninitialized_resources()).tolist() == [b"b:0"]
        assert resources.initialize_resources(resources.shared_resources()).control_inputs == [made]


def test_a_test_runs_for_every_choice_of_its_arguments():
    import unittest

    from tensorflow.python.framework import combinations, test_util

    seen = []

    class Case(test_util.TensorFlowTestCase):
        @combinations.generate(
            combinations.times(combinations.combine(mode=["graph", "eager"]), combinations.combine(a=[1, 2], b="x"))
        )
        @test_util.run_in_v1_v2
        def testAll(self, a, b):
            seen.append((a, b))

        def testSkipped(self):
            with test_util.skip_if_error(self, ValueError, "fits not"):
                raise ValueError("this fits not")

    result = unittest.TestResult()
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Case)
    thread = threading.Thread(target=suite.run, args=(result,))  # where no graph is the default one yet
    thread.start()
    thread.join()
    assert not result.errors and not result.failures
    assert seen == [(1, "x"), (2, "x")]
    assert any("fits not" in reason for _, reason in result.skipped)
    with pytest.raises(ValueError, match="Keys need to not overlap"):
        combinations.times(combinations.combine(a=1), combinations.combine(a=2))


def test_op_types_for_tests_are_built_and_have_no_kernels():
    program = """
import tensorflow as tf
from tensorflow.python.framework import dtypes, ops, test_ops
with ops.Graph().as_default(), tf.Session() as session:
    a, b = test_ops.float_output_string_output()
    assert (a.op.type, b.dtype, test_ops.none().type) == ("FloatOutputStringOutput", tf.string, "None")
    assert [t.dtype for t in test_ops.list_output(T=[dtypes.int32, dtypes.float32])] == [tf.int32, tf.float32]
    assert len(test_ops.n_ints_out(3)) == 3
    ref = test_ops.ref_output()
    assert ref.dtype == dtypes.int32_ref
    test_ops.ref_input_int_input(ref, test_ops.int_output())
    try:
        session.run(a)
    except tf.errors.InvalidArgumentError as error:
        print(error.message)
"""
    # In a process of its own: what is registered here would be there for every test after this one.
    command = [sys.executable, "-c", f"import refflow.compat\nrefflow.compat.as_tensorflow()\n{program}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0 and "kernel" in result.stdout, result.stderr


def test_registries_know_names_and_stacks_their_lines():
    from tensorflow.python.framework import registry, traceable_stack

    things = registry.Registry("things")
    things.register(3, "three")
    assert things.lookup("three") == 3 and list(things.list()) == ["three"]
    with pytest.raises(KeyError, match="already been registered"):
        things.register(4, "three")
    with pytest.raises(LookupError, match="no entry for: four"):
        things.lookup("four")
    stack = traceable_stack.TraceableStack()
    stack.push_obj("a")
    stack.push_obj("b")
    top = next(stack.peek_traceable_objs())
    assert (top.obj, top.filename, len(stack)) == ("b", __file__, 2) and top.lineno > 0
    assert list(stack.copy().peek_objs()) == ["b", "a"] and stack.pop_obj() == "b"
    assert stack.pop_obj() == "a"


def test_maps_and_sets_go_by_what_objects_are():
    from tensorflow.python.util import object_identity

    a, b = [1], [1]
    held = object_identity.ObjectIdentityDictionary()
    held[a], held[b] = "a", "b"
    assert (held[a], held[b], len(held)) == ("a", "b", 2)
    del held[a]
    with pytest.raises(KeyError):
        held[a]
    several = object_identity.ObjectIdentitySet([a, b, a])
    assert len(several) == 2 and a in several and [1] not in several

    class Thing:
        pass

    thing = Thing()
    weak = object_identity.ObjectIdentityWeakSet([thing])
    assert list(weak) == [thing]
    del thing
    assert list(weak) == []
    assert object_identity.Reference(a) == object_identity.Reference(a) != object_identity.Reference(b)
