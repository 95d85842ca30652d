"""TensorFlow's files: graphs, checkpoints, collections. Needs the extra `interop` for what protobuf has to read."""

from refflow.interop import python_functions
from refflow.interop.freeze import convert_variables_to_constants
from refflow.interop.importer import extract_sub_graph, import_graph_def, write_graph
