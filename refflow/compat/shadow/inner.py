"""The modules of `tensorflow.python`: never a public interface, but programs and libraries import them all the same.

Each looks into a page of names that only inner modules had, where there is one; then into the library that made its
names public; then at the top, and among the inner names of what is there (compat/shadow/aliases.py); and last among
the op types, each of which is a function (compat/shadow/raw.py).

Next: compat/shadow/raw.py.
"""

from __future__ import annotations

HERE = "refflow.compat.shadow"
OPS, ALIASES = f"{HERE}.raw", f"{HERE}.aliases"

# A folder, and in it for each library the modules that look into it.
_LIBRARIES: dict[str, dict[str, str]] = {
    "": {"": "tf2 debug", ".train": "pywrap_tensorflow"},
    "autograph.core": {"": "ag_ctx"},
    "autograph.impl": {"": "api"},
    "checkpoint": {"": "checkpoint_options", ".object_checkpoints": "checkpoint", ".train": "checkpoint_management"},
    "client": {"": "client_lib device_lib pywrap_tf_session session", "refflow.timeline": "timeline"},
    "compat": {"": "v2_compat", ".compat": "compat"},
    "data.ops": {".data": "dataset_ops iterator_ops multi_device_iterator_ops options optional_ops readers"},
    "data.util": {f"{HERE}.nest": "nest", ".data": "options sparse structure"},
    "distribute": {"": "distribute_lib distribution_strategy_context"},
    "eager": {
        "": "backprop cancellation context core def_function execute executor forwardprop function monitoring record "
        "remote tape test wrap_function polymorphic_function.polymorphic_function",
    },
    "framework": {
        "": "auto_control_deps c_api_util combinations common_shapes composite_tensor constant_op convert_to_constants "
        "cpp_shape_inference_pb2 device device_spec dtypes error_interpolation extension_type func_graph function "
        "flexible_dtypes function_def_to_graph gpu_util graph_to_function_def immutable_dict importer indexed_slices "
        "kernels load_library memory_checker none_tensor override_binary_operator weak_tensor "
        "op_callbacks op_def_library op_def_registry ops python_memory_checker random_seed registry smart_cond "
        "sparse_tensor stack strict_mode subscribe tensor tensor_conversion tensor_conversion_registry tensor_shape "
        "tensor_spec tensor_util test_ops traceable_stack type_spec type_spec_registry type_utils versions",
        ".config": "config",
        ".errors": "errors errors_impl",
        ".graph_util": "graph_util graph_util_impl",
        ".io": "graph_io",
        "refflow.compat.v1.meta_graphs": "meta_graph",
        ".test": "test_combinations test_util",
    },
    "layers": {".layers": "base convolutional core layers normalization pooling utils"},
    "keras.engine": {".layers": "base_layer input_spec"},
    "lib.io": {".gfile": "file_io", ".python_io": "python_io tf_record"},
    "ops": {
        "": "array_grad array_ops array_ops_stack batch_ops bincount_ops clip_ops "
        "composite_tensor_ops cond cond_v2 control_flow_assert control_flow_case control_flow_grad control_flow_ops "
        "control_flow_state control_flow_switch_case control_flow_util control_flow_util_v2 control_flow_v2_toggles "
        "critical_section_ops custom_gradient data_flow_grad default_gradient functional_ops gradients gradients_impl "
        "gradients_util handle_data_util histogram_ops image_grad inplace_ops linalg_grad list_ops lookup_grad "
        "manip_grad map_fn map_ops math_grad nn_grad op_selector optional_grad parsing_grad proto_ops random_grad "
        "ref_variable resource_variable_ops resource_variables_toggle resources rnn_grad script_ops session_ops "
        "shape_util sort_ops sparse_grad standard_ops state_grad state_ops template tensor_array_grad "
        "tensor_array_ops tensor_getitem_override unconnected_gradients variable_scope variable_v1 while_loop "
        "while_v2",
        "refflow.compat.v1.partitioned": "partitioned_variables variables",
        ".bitwise": "bitwise_ops",
        ".debugging": "check_ops numerics",
        ".image": "image_ops image_ops_impl",
        ".initializers": "init_ops init_ops_v2",
        ".io": "io_ops parsing_config parsing_ops",
        ".linalg": "linalg_impl linalg_ops linalg_ops_impl linalg.linalg linalg.linalg_impl",
        "refflow.compat.v1.linear_operators": "linalg.linear_operator linalg.linear_operator_addition "
        "linalg.linear_operator_adjoint linalg.linear_operator_block_diag linalg.linear_operator_composition "
        "linalg.linear_operator_diag linalg.linear_operator_full_matrix linalg.linear_operator_householder "
        "linalg.linear_operator_identity linalg.linear_operator_inversion linalg.linear_operator_kronecker "
        "linalg.linear_operator_low_rank_update linalg.linear_operator_lower_triangular linalg.linear_operator_util "
        "linalg.linear_operator_zeros",
        ".lookup": "lookup_ops",
        ".losses": "losses.losses losses.losses_impl losses.util weights_broadcast_ops",
        ".manip": "manip_ops",
        ".math": "confusion_matrix math_ops special_math_ops",
        ".metrics": "metrics metrics_impl",
        ".nn": "candidate_sampling_ops clustering_ops ctc_ops embedding_ops nn nn_impl nn_ops rnn",
        ".nn.rnn_cell": "rnn.rnn_cell_impl rnn_cell rnn_cell_impl",
        ".distributions": "distributions.bernoulli distributions.beta distributions.categorical "
        "distributions.dirichlet distributions.dirichlet_multinomial distributions.distribution "
        "distributions.distributions distributions.exponential distributions.gamma distributions.kullback_leibler "
        "distributions.laplace distributions.multinomial distributions.normal distributions.special_math "
        "distributions.student_t distributions.uniform distributions.util",
        ".queue": "data_flow_ops",
        ".ragged": "ragged.dynamic_ragged_shape ragged.ragged_array_ops ragged.ragged_batch_gather_ops "
        "ragged.ragged_bincount_ops ragged.ragged_concat_ops ragged.ragged_conversion_ops ragged.ragged_dispatch "
        "ragged.ragged_factory_ops ragged.ragged_functional_ops ragged.ragged_gather_ops ragged.ragged_getitem "
        "ragged.ragged_map_ops ragged.ragged_math_ops ragged.ragged_operators ragged.ragged_ops "
        "ragged.ragged_squeeze_op ragged.ragged_string_ops ragged.ragged_tensor ragged.ragged_tensor_shape "
        "ragged.ragged_tensor_value ragged.ragged_util ragged.ragged_where_op ragged.row_partition "
        "ragged.segment_id_ops",
        ".random": "random_crop_ops random_ops stateful_random_ops stateless_random_ops",
        ".sets": "sets sets_impl",
        ".signal": "spectral_ops signal.dct_ops signal.fft_ops signal.mel_ops signal.mfcc_ops "
        "signal.reconstruction_ops signal.shape_ops signal.signal signal.spectral_ops signal.util_ops "
        "signal.window_ops",
        ".sparse": "sparse_ops",
        ".strings": "string_ops",
        ".summary": "logging_ops summary_op_util summary_ops summary_ops_v2",
        ".test": "gradient_checker gradient_checker_v2",
    },
    "platform": {
        "": "analytics build_info device_context remote_utils resource_loader self_check sysconfig",
        ".app": "app",
        ".flags": "flags",
        ".gfile": "gfile",
        ".logging": "logging tf_logging",
        ".test": "benchmark googletest test",
    },
    "saved_model": {
        ".saved_model": "builder builder_impl constants loader loader_impl main_op main_op_impl method_name_updater "
        "saved_model signature_constants signature_def_utils signature_def_utils_impl simple_save tag_constants utils "
        "utils_impl",
    },
    "summary": {".summary": "summary writer.writer writer.writer_cache", ".train": "summary_iterator"},
    "training": {
        ".train": "adadelta adagrad adagrad_da adam basic_loops basic_session_run_hooks checkpoint_management "
        "checkpoint_ops checkpoint_state_pb2 checkpoint_utils coordinator device_setter evaluation ftrl "
        "gradient_descent input learning_rate_decay momentum monitored_session moving_averages optimizer "
        "proximal_adagrad proximal_gradient_descent py_checkpoint_reader queue_runner queue_runner_impl rmsprop saver "
        "server_lib session_manager session_run_hook slot_creator summary_io supervisor sync_replicas_optimizer "
        "saver_test_utils saving.saveable_object saving.saveable_object_util training training_ops training_util "
        "warm_starting_util",
    },
    "module": {"": "module"},
    "trackable": {
        "": "asset base constants data_structures python_state resource trackable_utils",
        ".object_checkpoints": "autotrackable",
    },
    "types": {"": "core data distribute internal trace"},
    "util": {
        "": "all_util compat custom_nest_protocol decorator_utils deprecation dispatch function_utils "
        "is_in_graph_mode keyword_args lazy_loader lock_util nest numpy_compat object_identity tf_decorator tf_export "
        "tf_should_use tf_stack traceback_utils variable_utils",
        "inspect": "tf_inspect",
        "contextlib": "tf_contextlib",
    },
}
# The pages of names that only inner modules had, and which those are.
_PAGES = {
    "control_flow": "ops.control_flow_ops ops.control_flow_util",
    "control_flow_v2": "ops.cond_v2 ops.control_flow_util_v2 ops.while_v2",
    "data_flow": "ops.data_flow_ops",
    "combinations": "framework.combinations framework.test_combinations",
    "evaluation": "training.evaluation",
    "distribution_names": "ops.distributions.beta ops.distributions.exponential ops.distributions.gamma "
    "ops.distributions.laplace ops.distributions.normal ops.distributions.special_math ops.distributions.student_t "
    "ops.distributions.util",
    "devices": "framework.config framework.device framework.device_spec",
    "file_io": "lib.io.file_io lib.io.tf_record",
    "framework": "client.device_lib client.session framework.common_shapes framework.dtypes framework.errors "
    "framework.op_def_registry framework.ops framework.random_seed framework.smart_cond framework.tensor_shape "
    "framework.tensor_util layers.utils ops.array_ops ops.control_flow_ops",
    "functions": "eager.def_function eager.function framework.function ops.functional_ops",
    "graph_mode": "eager.context tf2",
    "graphs": "client.session framework.composite_tensor framework.errors framework.errors_impl "
    "framework.indexed_slices framework.ops framework.stack "
    "framework.tensor framework.tensor_conversion framework.tensor_conversion_registry",
    "layers_names": "keras.engine.base_layer keras.engine.input_spec layers.base layers.convolutional layers.pooling",
    "library_names": "framework.constant_op framework.ops framework.smart_cond framework.tensor_shape layers.utils "
    "ops.control_flow_ops ops.control_flow_util ops.linalg.linear_operator_util ops.nn_ops ops.rnn ops.rnn_cell_impl "
    "ops.variable_scope util.deprecation util.tf_inspect",
    "list_ops": "ops.list_ops",
    "holders": "framework.registry framework.traceable_stack util.object_identity",
    "nest": "util.nest",
    "saving": "training.saver training.saving.saveable_object",
    "state": "ops.ref_variable ops.resource_variable_ops ops.resources ops.session_ops ops.state_ops ops.variable_v1 "
    "ops.variables",
    "test_ops": "framework.test_ops",
    "test_util": "framework.test_util platform.googletest platform.test",
    "training": "ops.variable_scope training.checkpoint_management training.input training.moving_averages",
    "util": "platform.resource_loader util.all_util util.compat util.deprecation util.function_utils "
    "util.keyword_args util.lazy_loader util.tf_contextlib util.tf_decorator util.tf_export util.tf_inspect "
    "util.tf_should_use",
}
# Generated modules had one function for each op type; which op type stood on which is not kept here.
_GENERATED = (
    "array audio batch bitwise boosted_trees candidate_sampling checkpoint clustering collective composite_tensor "
    "control_flow count ctc cudnn_rnn data_flow dataset debug decode decode_proto encode_proto "
    "experimental_dataset filesystem functional image io linalg list logging lookup manip map math nccl nn optional "
    "parsing ragged ragged_array ragged_conversion ragged_math random random_index_shuffle resource_variable rnn "
    "script sdca sendrecv set sparse special_math spectral state stateful_random stateless_random "
    "stateless_random_v2 string summary sync tensor_forest training uniform_quant user word2vec"
)


def _inner() -> dict[str, tuple[str, ...]]:
    page_of: dict[str, tuple[str, ...]] = {}
    for page, modules in _PAGES.items():
        for name in modules.split():
            page_of[name] = (*page_of.get(name, ()), f"{HERE}.{page}")
    found: dict[str, tuple[str, ...]] = {"python": (".",)}
    for folder, libraries in _LIBRARIES.items():
        for library, names in libraries.items():
            for name in names.split():
                inner = f"{folder}.{name}".strip(".")
                named = (library,) if library else ()
                found[f"python.{inner}"] = (*page_of.get(inner, ()), *named, ".", ALIASES, OPS)
    return found | {f"python.ops.gen_{name}_ops": (OPS,) for name in _GENERATED.split()}


INNER = _inner()
