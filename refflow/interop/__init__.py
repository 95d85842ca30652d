"""TensorFlow's files: graphs, checkpoints, collections. Needs the extra `interop` for what protobuf has to read."""

from refflow.interop import python_functions
from refflow.interop.importer import convert_variables_to_constants, extract_sub_graph, import_graph_def, write_graph
