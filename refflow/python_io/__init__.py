"""TFRecord files from Python, without a graph."""

from refflow.files.records import TFRecordWriter, tf_record_iterator
