"""tf.strings: the functions of strings under their short names.

Next: compat/v1/string_functions.py.
"""

from refflow.compat.v1.serializing import string_to_number as to_number
from refflow.compat.v1.string_functions import (
    as_string,
    bytes_split,
    ngrams,
    reduce_join,
    regex_full_match,
    regex_replace,
    substr,
    unsorted_segment_join,
)
from refflow.compat.v1.string_functions import string_format as format
from refflow.compat.v1.string_functions import string_join as join
from refflow.compat.v1.string_functions import string_length as length
from refflow.compat.v1.string_functions import string_lower as lower
from refflow.compat.v1.string_functions import string_strip as strip
from refflow.compat.v1.string_functions import string_to_hash_bucket as to_hash_bucket
from refflow.compat.v1.string_functions import string_to_hash_bucket_fast as to_hash_bucket_fast
from refflow.compat.v1.string_functions import string_to_hash_bucket_strong as to_hash_bucket_strong
from refflow.compat.v1.string_functions import string_upper as upper
from refflow.compat.v1.string_functions import strings_split as split
from refflow.compat.v1.unicode import (
    unicode_decode,
    unicode_decode_with_offsets,
    unicode_encode,
    unicode_script,
    unicode_split,
    unicode_split_with_offsets,
    unicode_transcode,
)

__all__ = [
    "as_string", "bytes_split", "format", "join", "length", "lower", "ngrams", "reduce_join", "regex_full_match",
    "regex_replace", "split", "strip", "substr", "to_hash_bucket", "to_hash_bucket_fast", "to_hash_bucket_strong",
    "to_number", "unicode_decode", "unicode_decode_with_offsets", "unicode_encode", "unicode_script", "unicode_split",
    "unicode_split_with_offsets", "unicode_transcode", "unsorted_segment_join", "upper",
]  # fmt: skip
