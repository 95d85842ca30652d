"""Inner names of what 1.x exports under another name: `variable_v1.VariableV1` is tf.Variable.

    VariableV1                tf.Variable
    float32_ref               the reference counterpart of tf.float32

Next: compat/shadow/graphs.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.dtypes import as_dtype

# Inner name, then where refflow.compat.v1 has it.
_TABLE = """
Constant initializers.constant             DatasetV1 data.Dataset
DeviceSpecV1 DeviceSpec                    FixedLengthRecordDatasetV1 data.FixedLengthRecordDataset
GlorotNormal glorot_normal_initializer     GlorotUniform glorot_uniform_initializer
Identity initializers.identity             MakeNdarray make_ndarray
Ones initializers.ones                     OptionalSpec data.experimental.OptionalStructure
Orthogonal initializers.orthogonal         RandomNormal initializers.random_normal
RandomUniform initializers.random_uniform  StaticHashTableV1 lookup.StaticHashTable
ResizeMethodV1 image.ResizeMethod          StaticVocabularyTableV1 lookup.StaticVocabularyTable
TFRecordDatasetV1 data.TFRecordDataset     TensorFlowBenchmark test.Benchmark
TensorFlowTestCase test.TestCase           TextLineDatasetV1 data.TextLineDataset
TruncatedNormal initializers.truncated_normal  UniformUnitScaling initializers.uniform_unit_scaling
VariableV1 Variable                        VarianceScaling initializers.variance_scaling
Zeros initializers.zeros                   _colocate_with colocate_with
bincount_v1 math.bincount                  confusion_matrix_v1 math.confusion_matrix
constant_v1 constant                       constant_value get_static_value
conv3d_v1 nn.conv3d                        convert_to_tensor_v1 convert_to_tensor
convert_to_tensor_v1_with_dispatch convert_to_tensor  crop_and_resize_v1 image.crop_and_resize
decode_raw_v1 decode_raw                   dilation2d_v1 nn.dilation2d
eager_py_func py_function                  executing_eagerly_v1 executing_eagerly
extract_image_patches_v2 image.extract_patches  gradients_v2 gradients
get_legacy_output_classes data.get_output_classes  get_legacy_output_shapes data.get_output_shapes
get_legacy_output_types data.get_output_types  linspace_nd lin_space
is_tf_type is_tensor                       matrix_exponential linalg.expm
matvec linalg.matvec                       max_pool_with_argmax_v1 nn.max_pool_with_argmax
name_scope_v1 name_scope                   internal_name_scope_v1 name_scope
non_max_suppression_with_overlaps image.non_max_suppression_overlaps
print_v2 print                             reduce_all_v1 math.reduce_all
reduce_any_v1 math.reduce_any              reduce_logsumexp_v1 math.reduce_logsumexp
reduce_max_v1 math.reduce_max              reduce_mean_v1 math.reduce_mean
reduce_min_v1 math.reduce_min              reduce_prod_v1 math.reduce_prod
reduce_sum_v1 math.reduce_sum              resize_image_with_pad_v1 image.resize_image_with_pad
softmax_cross_entropy_with_logits_v2_helper nn.softmax_cross_entropy_with_logits_v2
sparse_bincount sparse.bincount            sparse_cross sparse.cross
sparse_cross_hashed sparse.cross_hashed    sparse_expand_dims sparse.expand_dims
sparse_eye sparse.eye                      stateless_random_normal random.stateless_normal
stateless_random_uniform random.stateless_uniform  string_bytes_split strings.bytes_split
string_format strings.format               string_length strings.length
string_to_hash_bucket_v1 strings.to_hash_bucket  string_to_number_v1 strings.to_number
strings_split_v1 strings.split             substr_deprecated substr
variable_creator_scope_v1 variable_creator_scope  tensor_diag_part diag_part
transpose_v2 transpose                     zeros_like_impl zeros_like
register_tensor_conversion_function_internal register_tensor_conversion_function
"""
_WORDS = _TABLE.split()
ALIASES = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))


def __getattr__(name: str) -> Any:
    if name.endswith("_ref"):
        try:
            return as_dtype(name)
        except TypeError:
            pass  # not a type's name
    if name not in ALIASES:
        raise AttributeError(f"1.x exports no other name of {name!r}", name=name)
    import refflow.compat.v1

    found: Any = refflow.compat.v1
    for part in ALIASES[name].split("."):
        found = getattr(found, part)
    return found
