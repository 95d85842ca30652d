"""tf.io: values as strings, records, files and pictures.

Next: compat/v1/parsing.py.
"""

from refflow.compat.v1 import gfile
from refflow.compat.v1.derived import derived
from refflow.compat.v1.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    SparseFeature,
    VarLenFeature,
)
from refflow.compat.v1.image import (
    decode_and_crop_jpeg,
    decode_bmp,
    decode_gif,
    decode_jpeg,
    decode_png,
    encode_jpeg,
    encode_png,
    extract_jpeg_shape,
)
from refflow.compat.v1.parsing import (
    parse_example,
    parse_sequence_example,
    parse_single_example,
    parse_single_sequence_example,
)
from refflow.compat.v1.queue import PaddingFIFOQueue, PriorityQueue, QueueBase, RandomShuffleQueue
from refflow.compat.v1.records import (
    TFRecordCompressionType,
    TFRecordOptions,
    TFRecordWriter,
    tf_record_iterator,
)
from refflow.compat.v1.serializing import (
    decode_base64,
    decode_compressed,
    decode_csv,
    decode_json_example,
    decode_raw,
    deserialize_many_sparse,
    encode_base64,
    matching_files,
    parse_tensor,
    read_file,
    serialize_many_sparse,
    serialize_sparse,
    serialize_tensor,
    write_file,
)
from refflow.compat.v1.train import match_filenames_once, write_graph

decode_proto, encode_proto = derived("DecodeProtoV2", "decode_proto"), derived("EncodeProto", "encode_proto")

__all__ = [
    "FixedLenFeature", "FixedLenSequenceFeature", "PaddingFIFOQueue", "PriorityQueue", "QueueBase", "RaggedFeature",
    "RandomShuffleQueue", "SparseFeature", "TFRecordCompressionType", "TFRecordOptions", "TFRecordWriter",
    "VarLenFeature", "decode_and_crop_jpeg", "decode_base64", "decode_bmp", "decode_compressed", "decode_csv",
    "decode_gif", "decode_jpeg", "decode_json_example", "decode_png", "decode_proto", "decode_raw",
    "deserialize_many_sparse", "encode_base64", "encode_jpeg", "encode_png", "encode_proto", "extract_jpeg_shape",
    "gfile", "match_filenames_once", "matching_files", "parse_example", "parse_sequence_example",
    "parse_single_example", "parse_single_sequence_example", "parse_tensor", "read_file", "serialize_many_sparse",
    "serialize_sparse", "serialize_tensor", "tf_record_iterator", "write_file", "write_graph",
]  # fmt: skip
