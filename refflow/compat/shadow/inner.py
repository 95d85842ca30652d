"""The modules of `tensorflow.python`: never a public interface, but programs and libraries import them all the same.

Each looks into a page of names that only inner modules had, where there is one; then into the library that made its
names public; then at the top; and last among the op types, each of which is a function (compat/shadow/raw.py).

Next: compat/shadow/raw.py.
"""

from __future__ import annotations

HERE = "refflow.compat.shadow"
OPS = f"{HERE}.raw"

# A folder, and in it for each library the modules that look into it.
_LIBRARIES: dict[str, dict[str, str]] = {
    "": {"": "tf2 debug", ".train": "pywrap_tensorflow"},
    "client": {"": "device_lib session", "refflow.timeline": "timeline"},
    "eager": {"": "backprop context def_function function"},
    "framework": {
        "": "c_api_util common_shapes constant_op device device_spec dtypes function importer indexed_slices "
        "load_library op_def_registry ops random_seed registry smart_cond sparse_tensor subscribe tensor_shape "
        "tensor_spec tensor_util type_spec versions",
        ".errors": "errors errors_impl",
        ".graph_util": "graph_util graph_util_impl",
        ".train": "meta_graph",
        ".test": "test_util",
    },
    "layers": {".layers": "base convolutional core layers normalization pooling utils"},
    "keras.engine": {".layers": "base_layer input_spec"},
    "lib.io": {".gfile": "file_io", ".python_io": "python_io tf_record"},
    "ops": {
        "": "array_grad array_ops array_ops_stack clip_ops cond cond_v2 control_flow_assert control_flow_case "
        "control_flow_ops control_flow_switch_case control_flow_util control_flow_v2_toggles custom_gradient "
        "functional_ops gradients gradients_impl gradients_util histogram_ops image_grad inplace_ops linalg_grad "
        "list_ops map_fn math_grad nn_grad op_selector random_grad ref_variable "
        "resource_variable_ops resources script_ops session_ops sort_ops sparse_grad standard_ops state_grad state_ops "
        "template tensor_array_grad tensor_array_ops tensor_getitem_override variable_scope variable_v1 "
        "while_loop while_v2",
        "refflow.compat.v1.partitioned": "partitioned_variables variables",
        ".bitwise": "bitwise_ops",
        ".debugging": "check_ops numerics",
        ".image": "image_ops image_ops_impl",
        ".initializers": "init_ops",
        ".io": "io_ops parsing_ops",
        ".linalg": "linalg_impl linalg_ops linalg.linalg",
        ".lookup": "lookup_ops",
        ".losses": "losses.losses losses.losses_impl losses.util weights_broadcast_ops",
        ".manip": "manip_ops",
        ".math": "confusion_matrix math_ops special_math_ops",
        ".metrics": "metrics metrics_impl",
        ".nn": "candidate_sampling_ops clustering_ops ctc_ops embedding_ops nn nn_impl nn_ops rnn",
        ".nn.rnn_cell": "rnn.rnn_cell_impl rnn_cell rnn_cell_impl",
        ".distributions": "distributions.bernoulli distributions.categorical distributions.distribution "
        "distributions.distributions distributions.kullback_leibler distributions.normal",
        ".queue": "data_flow_ops",
        ".random": "random_ops stateful_random_ops stateless_random_ops",
        ".sets": "sets sets_impl",
        ".signal": "spectral_ops",
        ".sparse": "sparse_ops",
        ".strings": "string_ops",
        ".summary": "logging_ops summary_op_util summary_ops",
        ".test": "gradient_checker",
    },
    "platform": {
        "": "build_info resource_loader sysconfig",
        ".app": "app",
        ".flags": "flags",
        ".gfile": "gfile",
        ".logging": "logging tf_logging",
        ".test": "benchmark googletest test",
    },
    "saved_model": {
        ".saved_model": "builder constants loader main_op saved_model signature_constants signature_def_utils "
        "simple_save tag_constants utils",
    },
    "summary": {".summary": "summary writer.writer writer.writer_cache", ".train": "summary_iterator"},
    "training": {
        ".train": "adadelta adagrad adagrad_da adam basic_loops basic_session_run_hooks checkpoint_management "
        "checkpoint_ops checkpoint_state_pb2 checkpoint_utils coordinator device_setter evaluation ftrl "
        "gradient_descent input learning_rate_decay momentum monitored_session moving_averages optimizer "
        "proximal_adagrad proximal_gradient_descent py_checkpoint_reader queue_runner queue_runner_impl rmsprop saver "
        "server_lib session_manager session_run_hook slot_creator summary_io supervisor sync_replicas_optimizer "
        "training training_ops training_util warm_starting_util",
    },
    "util": {
        "": "all_util compat deprecation function_utils keyword_args lazy_loader nest object_identity tf_decorator "
        "tf_export tf_should_use",
        "inspect": "tf_inspect",
        "contextlib": "tf_contextlib",
    },
}
# The pages of names that only inner modules had, and which those are.
_PAGES = {
    "evaluation": "training.evaluation",
    "file_io": "lib.io.file_io",
    "framework": "client.device_lib client.session framework.common_shapes framework.dtypes framework.errors "
    "framework.op_def_registry framework.ops framework.random_seed framework.smart_cond framework.tensor_shape "
    "framework.tensor_util layers.utils ops.array_ops ops.control_flow_ops ops.control_flow_util ops.resources",
    "functions": "eager.def_function eager.function framework.function ops.functional_ops",
    "graph_mode": "eager.context tf2",
    "layers_names": "keras.engine.base_layer keras.engine.input_spec layers.base layers.convolutional layers.pooling",
    "nest": "util.nest",
    "test_util": "framework.test_util platform.googletest platform.test",
    "training": "ops.variable_scope training.moving_averages",
    "util": "platform.resource_loader util.all_util util.compat util.deprecation util.function_utils "
    "util.keyword_args util.lazy_loader util.tf_contextlib util.tf_decorator util.tf_export util.tf_inspect "
    "util.tf_should_use",
}
# Generated modules had one function for each op type; which op type stood on which is not kept here.
_GENERATED = (
    "array audio batch bitwise boosted_trees candidate_sampling clustering control_flow count ctc data_flow dataset "
    "debug decode encode_proto functional image io linalg list logging lookup manip map math nn parsing ragged_array "
    "ragged_conversion ragged_math random resource_variable script sdca sendrecv set sparse special_math spectral "
    "state stateful_random stateless_random string summary tensor_forest training user word2vec"
)


def _inner() -> dict[str, tuple[str, ...]]:
    page_of = {name: (f"{HERE}.{page}",) for page, names in _PAGES.items() for name in names.split()}
    found: dict[str, tuple[str, ...]] = {"python": (".",)}
    for folder, libraries in _LIBRARIES.items():
        for library, names in libraries.items():
            for name in names.split():
                inner = f"{folder}.{name}".strip(".")
                named = (library,) if library else ()
                found[f"python.{inner}"] = (*page_of.get(inner, ()), *named, ".", OPS)
    return found | {f"python.ops.gen_{name}_ops": (OPS,) for name in _GENERATED.split()}


INNER = _inner()
