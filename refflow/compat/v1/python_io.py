"""tf.python_io: record files without a graph.

Next: compat/v1/records.py.
"""

from refflow.compat.v1.records import (
    TFRecordCompressionType,
    TFRecordOptions,
    TFRecordWriter,
    tf_record_iterator,
)

__all__ = ["TFRecordCompressionType", "TFRecordOptions", "TFRecordWriter", "tf_record_iterator"]
