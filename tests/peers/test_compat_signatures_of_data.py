"""Functions of sparse and ragged tensors, strings, records, sets and structures take TensorFlow's arguments."""

import inspect
import os

import pytest

import refflow.compat.v1 as ours

pytestmark = pytest.mark.peers
os.environ["TF_USE_LEGACY_KERAS"] = "1"

MODULES = ["sparse", "strings", "io", "sets", "nest", "ragged", "python_io"]
TOP = """
FixedLenFeature FixedLenSequenceFeature SparseFeature VarLenFeature decode_base64 decode_compressed decode_csv
decode_json_example decode_raw deserialize_many_sparse encode_base64 fingerprint initialize_all_tables matching_files
parse_example parse_single_example parse_single_sequence_example parse_tensor read_file reduce_join regex_replace
serialize_many_sparse serialize_sparse serialize_tensor sparse_add sparse_concat sparse_fill_empty_rows sparse_mask
sparse_matmul sparse_maximum sparse_merge sparse_minimum sparse_placeholder sparse_reduce_max sparse_reduce_max_sparse
sparse_reduce_sum sparse_reduce_sum_sparse sparse_reorder sparse_reset_shape sparse_reshape sparse_retain
sparse_segment_mean sparse_segment_sqrt_n sparse_segment_sum sparse_slice sparse_softmax sparse_split
sparse_tensor_dense_matmul sparse_tensor_to_dense sparse_to_dense sparse_to_indicator sparse_transpose string_join
string_split string_strip string_to_hash_bucket string_to_hash_bucket_fast string_to_hash_bucket_strong
string_to_number substr tables_initializer write_file as_string SparseTensor SparseTensorValue
convert_to_tensor_or_sparse_tensor edit_distance
""".split()  # noqa: SIM905  (a list to read)
# Pictures are another area's; a queue's class and a class of constants have no arguments of interest.
ELSEWHERE = {"decode_jpeg", "decode_png", "decode_image", "decode_jxl", "decode_webp", "is_jpeg", "encode_png",
             "encode_jpeg", "decode_and_crop_jpeg", "write_graph", "gfile"}  # fmt: skip


@pytest.fixture(scope="module")
def tensorflow():
    module = pytest.importorskip("tensorflow", reason="the oracle is TensorFlow: pip install '.[peers]'")
    return module.compat.v1


def arguments(function):
    """Names and defaults, types by their names."""
    found = inspect.signature(function).parameters.values()
    return [(p.name, plain(p.default)) for p in found if p.name != "internal"]


def plain(default):
    if default is inspect.Parameter.empty:
        return "needed"
    if type(default).__name__ == "KeywordRequired":
        return None
    return getattr(default, "name", default)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_the_functions_and_arguments_of_tensorflow_s(tensorflow, module):
    theirs, mine = getattr(tensorflow, module), getattr(ours, module)
    for name in dir(theirs):
        if name.startswith("_") or name in ELSEWHERE:
            continue
        assert hasattr(mine, name), name
        if callable(getattr(theirs, name)):
            assert arguments(getattr(mine, name)) == arguments(getattr(theirs, name)), name


@pytest.mark.parametrize("name", TOP)
def test_a_function_takes_the_arguments_that_tensorflow_s_takes(tensorflow, name):
    assert arguments(getattr(ours, name)) == arguments(getattr(tensorflow, name))
