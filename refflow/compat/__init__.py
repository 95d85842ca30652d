"""Other years' spellings of the same operations, and programs that import TensorFlow by its own name."""

from refflow.compat.shadow import as_tensorflow
