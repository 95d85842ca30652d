"""Where a program's `tensorflow` modules find their names.

A *source* is a place, `module` or `module:attribute`. One that starts with a dot is in the spelling's own libraries:
`.nn` is refflow.compat.v1's nn, and in 0.x first refflow's. `.` alone is the top. What is not installed is left out.

Next: compat/shadow/inner.py.
"""

from __future__ import annotations

from typing import NamedTuple

from refflow.compat.shadow.inner import HERE, INNER

Sources = tuple[str, ...]


class Spelling(NamedTuple):
    """A way to write programs: its version, and the modules that have its names, in order."""

    version: str
    tops: tuple[str, ...]

    def places(self, source: str) -> list[str]:
        """A source as places to look at."""
        if not source.startswith("."):
            return [source]
        return [f"{top}:{source[1:]}" if source[1:] else top for top in self.tops]


SPELLINGS = {
    "1.x": Spelling("1.15.0", ("refflow.compat.v1",)),
    "0.x": Spelling("0.5.0", (f"{HERE}.between", "refflow", "refflow.compat.v1")),
}


def _each(folder: str, names: str, *sources: str) -> dict[str, Sources]:
    """The same sources for several modules of a folder; NAME in a source is the module's name."""
    return {f"{folder}.{name}": tuple(s.replace("NAME", name) for s in sources) for name in names.split()}


# Messages: the classes that 1.x exports of them, and those that are made of refflow's table of fields.
_MESSAGES = {
    "example": "example_pb2 example_parser_configuration_pb2 feature_pb2",
    "framework": "allocation_description_pb2 api_def_pb2 attr_value_pb2 cost_graph_pb2 cpp_shape_inference_pb2 "
    "device_attributes_pb2 full_type_pb2 function_pb2 graph_debug_info_pb2 graph_pb2 kernel_def_pb2 log_memory_pb2 "
    "node_def_pb2 op_def_pb2 reader_base_pb2 resource_handle_pb2 step_stats_pb2 summary_pb2 tensor_description_pb2 "
    "tensor_pb2 tensor_shape_pb2 tensor_slice_pb2 types_pb2 variable_pb2 versions_pb2",
    "protobuf": "cluster_pb2 config_pb2 control_flow_pb2 debug_pb2 device_properties_pb2 meta_graph_pb2 "
    "named_tensor_pb2 queue_runner_pb2 rewriter_config_pb2 saved_model_pb2 saved_object_graph_pb2 saver_pb2 "
    "struct_pb2 tensor_bundle_pb2 tensorflow_server_pb2 trackable_object_graph_pb2",
    "util": "event_pb2 saved_tensor_slice_pb2 test_log_pb2",
}
_CORE = {
    place: sources
    for folder, names in _MESSAGES.items()
    for place, sources in _each(f"core.{folder}", names, ".", ".train", ".summary", f"{HERE}.messages").items()
}

# tf.contrib. The package tf_slim is what became of its layers, arg_scope, metrics and nets; where that is not
# installed, contrib_layers has what most programs used of them.
_LAYERS = ("tf_slim.layers", f"{HERE}.contrib_layers")
_FRAMEWORK = (
    "tf_slim.ops.arg_scope", "tf_slim.ops.variables", "tf_slim.ops.framework_ops", f"{HERE}.contrib_layers",
    f"{HERE}.framework", ".train", ".",
)  # fmt: skip
_CELLS = (f"{HERE}.contrib_rnn", f"{HERE}.contrib_cells", ".nn.rnn_cell", ".nn", "refflow.models.rnn.rnn_cell", ".")
_NETS = "alexnet inception inception_v1 inception_v2 inception_v3 overfeat resnet_utils resnet_v1 resnet_v2 vgg"
_CONTRIB = {
    "contrib.slim": ("tf_slim", f"{HERE}.contrib_layers"),
    **_each("contrib.slim", "evaluation learning losses metrics nets queues", "tf_slim.NAME"),
    **_each("contrib.slim.nets", _NETS, "tf_slim.nets.NAME"),
    **_each("contrib.slim.python.slim.nets", _NETS, "tf_slim.nets.NAME"),
    "contrib.layers": _LAYERS,
    **_each("contrib.layers.python.layers", "initializers layers normalization optimizers regularizers summaries utils",
            "tf_slim.layers.NAME", *_LAYERS),
    **_each("contrib", "losses metrics training", "tf_slim.NAME", f"{HERE}.hparams", ".NAME", ".train"),
    "contrib.training.python.training.hparam": (f"{HERE}.hparams",),
    "contrib.framework": _FRAMEWORK,
    "contrib.framework.nest": (f"{HERE}.nest",),
    **_each("contrib.framework.python", "ops", *_FRAMEWORK),
    **_each("contrib.framework.python.ops", "arg_scope variables", *_FRAMEWORK),
    "contrib.eager": (f"{HERE}.graph_mode", "."),
    "contrib.rnn": _CELLS,
    **_each("contrib.rnn.python.ops", "core_rnn core_rnn_cell core_rnn_cell_impl gru_ops lstm_ops rnn rnn_cell",
            *_CELLS),
    "contrib.legacy_seq2seq": (f"{HERE}.legacy_seq2seq",),
    "contrib.legacy_seq2seq.python.ops.seq2seq": (f"{HERE}.legacy_seq2seq",),
    **_each("contrib.seq2seq.python.ops", "attention_wrapper basic_decoder decoder helper loss", f"{HERE}.seq2seq"),
    "contrib.seq2seq": (f"{HERE}.seq2seq",),
    "contrib.learn.datasets": (f"{HERE}.examples",),
    "contrib.learn.datasets.mnist": (f"{HERE}.examples",),
    **_each("contrib.learn.python.learn.datasets", "base mnist", f"{HERE}.examples"),
    **_each("contrib", "image lookup nn summary", ".NAME"),
    "contrib.distributions": ("tensorflow_probability:distributions", ".distributions",
                              "refflow.compat.v1.distributions.softplus"),
    "contrib.distributions.bijectors": ("tensorflow_probability:bijectors",),
    "contrib.crf": (f"{HERE}.crf",),
    "contrib.crf.python.ops.crf": (f"{HERE}.crf",),
    "contrib.data": (f"{HERE}.contrib_data", ".data.experimental", ".data"),
    "contrib.opt": (".train",),
    "contrib.tensorboard.plugins": (),
    "contrib.util": (f"{HERE}.framework", "."),
}  # fmt: skip


def _with_folders(table: dict[str, Sources]) -> dict[str, Sources]:
    """The same and, for each module in folders, those folders, empty."""
    for name in list(table):
        while "." in name:
            name = name.rpartition(".")[0]
            table.setdefault(name, ())
    return table


# Packages that became of modules of TensorFlow, or that these are copies of; how the version begins that fits.
PACKAGES = {"tf_slim": "", "keras": "2.2.", "tensorflow_probability": "0.5."}
# Modules that are not there at all without them.
OPTIONAL = {"tensorflow.contrib.distributions.bijectors": "tensorflow_probability", "tensorflow.keras": "keras"}
TABLE = _with_folders(
    {
        "tensorflow": (".",),
        **{
            f"tensorflow.{name}": sources
            for name, sources in {
                **_CORE,
                "compat": (f"{HERE}.util",),
                "compat.v1": (".",),
                "core.protobuf.config_pb2": ("refflow.runtime.config", ".", f"{HERE}.messages"),
                "core.protobuf.rewriter_config_pb2": ("refflow.runtime.rewrites", f"{HERE}.messages"),
                "keras": ("keras",),
                "python.keras": ("keras",),
                **_each("core", "lib.core.error_codes_pb2 protobuf.error_codes_pb2", ".errors"),
                "examples.tutorials.mnist.input_data": (f"{HERE}.examples",),
                "models": ("refflow.models",),
                "models.rnn.rnn": (f"{HERE}.contrib_rnn",),
                "types": (".",),
                **INNER,
                **_CONTRIB,
            }.items()
        },
    }
)
