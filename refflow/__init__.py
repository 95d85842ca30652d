"""refflow: TensorFlow as its authors first showed it, readable from the sentence to the code.

    import refflow as tf

Building never computes; a Session runs what was built. The reading path is in docs/reading.rst.

What builds graphs is loaded at once; what runs them, and the libraries on top, when their names are first asked for.
"""

import gc as _gc
import importlib as _importlib
import typing as _typing

_collects = _gc.isenabled()
_gc.disable()  # what an import makes stays; to look for garbage in it, time and again, would be a fifth of the time

from refflow import ops
from refflow.core import errors
from refflow.core.control import group, no_op, with_dependencies
from refflow.core.control import tuple_ as tuple
from refflow.core.convert import (
    convert_to_tensor,
    convert_to_tensor_or_indexed_slices,
    op_scope,
    register_tensor_conversion_function,
)
from refflow.core.dtypes import (
    DType,
    as_dtype,
    bfloat16,
    complex64,
    complex128,
    double,
    float16,
    float32,
    float64,
    half,
    int8,
    int16,
    int32,
    int64,
    qint8,
    qint16,
    qint32,
    quint8,
    quint16,
    resource,
    string,
    uint8,
    uint16,
    uint32,
    uint64,
    variant,
)
from refflow.core.dtypes import bool_ as bool
from refflow.core.errors import GraphError, OpError
from refflow.core.gradients import AggregationMethod, NoGradient, RegisterGradient, gradients
from refflow.core.graph import (
    Graph,
    GraphKeys,
    Operation,
    Tensor,
    add_to_collection,
    container,
    control_dependencies,
    device,
    get_collection,
    get_default_graph,
    name_scope,
    reset_default_graph,
)
from refflow.core.graphdef import GraphDef, NodeDef
from refflow.core.indexed_slices import IndexedSlices, IndexedSlicesValue
from refflow.core.missing import no_attribute as _no_attribute
from refflow.core.opdef import define_op
from refflow.core.shape_rules import RegisterShape
from refflow.core.shapes import Dimension, TensorShape
from refflow.core.sparse_tensor import SparseTensor, SparseTensorValue
from refflow.core.tensor import get_default_session
from refflow.ops.add_n import add_n
from refflow.ops.arithmetic import pow
from refflow.ops.array import expand_dims, fill, identity, rank, reshape, shape, size, squeeze, stop_gradient, tile
from refflow.ops.batch_matmul import batch_matmul
from refflow.ops.cast import cast
from refflow.ops.checks import check_numerics
from refflow.ops.complex import complex, complex_abs, conj, imag, real
from refflow.ops.conditionals import case, cond, switch_case
from refflow.ops.constant import constant, ones, ones_like, placeholder, zeros, zeros_like
from refflow.ops.data_flow import FIFOQueue, QueueBase, RandomShuffleQueue
from refflow.ops.decode import decode_raw, string_to_number
from refflow.ops.decode_csv import decode_csv
from refflow.ops.decompositions import batch_self_adjoint_eig, self_adjoint_eig
from refflow.ops.diag import diag
from refflow.ops.dynamic_stitch import dynamic_stitch
from refflow.ops.elementwise_functions import (
    abs,
    add,
    ceil,
    cos,
    div,
    equal,
    exp,
    floor,
    greater,
    greater_equal,
    inv,
    invert_permutation,
    is_finite,
    is_inf,
    is_nan,
    less,
    less_equal,
    log,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    mod,
    mul,
    neg,
    not_equal,
    rsqrt,
    select,
    sigmoid,
    sign,
    sin,
    sqrt,
    square,
    sub,
    tanh,
    unsorted_segment_sum,
)
from refflow.ops.functional_loops import foldl, foldr, map_fn, scan
from refflow.ops.gather import gather
from refflow.ops.histogram import linspace
from refflow.ops.io_functions import matching_files, read_file
from refflow.ops.joining import concat, pack, split, unpack
from refflow.ops.linalg import (
    batch_cholesky,
    batch_matrix_determinant,
    batch_matrix_inverse,
    cholesky,
    matrix_determinant,
    matrix_inverse,
)
from refflow.ops.logic import logical_xor
from refflow.ops.loops import while_loop
from refflow.ops.math_functions import (
    accumulate_n,
    clip_by_average_norm,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    edit_distance,
    floordiv,
    global_norm,
    sparse_segment_mean,
    sparse_segment_sum,
    to_bfloat16,
    to_double,
    to_float,
    to_int32,
    to_int64,
    truediv,
)
from refflow.ops.math_functions import round_ as round
from refflow.ops.matmul import matmul
from refflow.ops.messages import Assert, Print, add_check_numerics_ops, verify_tensor_all_finite
from refflow.ops.parse_example import parse_example, parse_single_example
from refflow.ops.py_func import py_func
from refflow.ops.random import (
    get_seed,
    random_normal,
    random_shuffle,
    random_uniform,
    set_random_seed,
    truncated_normal,
)
from refflow.ops.range import range_ as range
from refflow.ops.readers import (
    FixedLengthRecordReader,
    IdentityReader,
    ReaderBase,
    TextLineReader,
    TFRecordReader,
    WholeFileReader,
)
from refflow.ops.reductions import (
    argmax,
    argmin,
    reduce_all,
    reduce_any,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
)
from refflow.ops.reverse import reverse, reverse_sequence
from refflow.ops.scatter import scatter_add, scatter_sub, scatter_update
from refflow.ops.segments import segment_max, segment_mean, segment_min, segment_prod, segment_sum
from refflow.ops.slicing import pad
from refflow.ops.slicing import slice_ as slice
from refflow.ops.sparse import sparse_to_dense
from refflow.ops.sparse_functions import (
    sparse_concat,
    sparse_fill_empty_rows,
    sparse_mask,
    sparse_reorder,
    sparse_retain,
    sparse_tensor_to_dense,
    sparse_to_indicator,
)
from refflow.ops.summary import histogram_summary, image_summary, merge_all_summaries, merge_summary, scalar_summary
from refflow.ops.tensor_array_class import TensorArray
from refflow.ops.transpose import transpose
from refflow.ops.unique import dynamic_partition, listdiff, unique, where
from refflow.ops.variable import (
    Variable,
    all_variables,
    assert_variables_initialized,
    assign,
    assign_add,
    assign_sub,
    count_up_to,
    initialize_all_variables,
    initialize_variables,
    trainable_variables,
)
from refflow.ops.variable_scope import (
    constant_initializer,
    get_variable,
    get_variable_scope,
    random_normal_initializer,
    random_uniform_initializer,
    truncated_normal_initializer,
    uniform_unit_scaling_initializer,
    variable_op_scope,
    variable_scope,
    zeros_initializer,
)

if _typing.TYPE_CHECKING:
    from refflow import control_flow_ops, image, models, nn, python_io, test, train, user_ops
    from refflow.files.step_stats import RunMetadata
    from refflow.interop.importer import import_graph_def
    from refflow.platform import app, flags, logging
    from refflow.runtime.config import ConfigProto, GPUOptions, GraphOptions, OptimizerOptions, RunOptions
    from refflow.runtime.session import InteractiveSession, Session

__version__ = "0.1.0"
# Modules, and names in modules, that are imported when they are first asked for.
_LIBRARIES = {
    "app": "refflow.platform.app",
    "control_flow_ops": "refflow.control_flow_ops",
    "flags": "refflow.platform.flags",
    "image": "refflow.image",
    "logging": "refflow.platform.logging",
    "models": "refflow.models",
    "nn": "refflow.nn",
    "python_io": "refflow.python_io",
    "test": "refflow.test",
    "train": "refflow.train",
    "user_ops": "refflow.user_ops",
}
_LATER = {
    "ConfigProto": "refflow.runtime.config",
    "GPUOptions": "refflow.runtime.config",
    "GraphOptions": "refflow.runtime.config",
    "InteractiveSession": "refflow.runtime.session",
    "OptimizerOptions": "refflow.runtime.config",
    "RunMetadata": "refflow.files.step_stats",
    "RunOptions": "refflow.runtime.config",
    "Session": "refflow.runtime.session",
    "import_graph_def": "refflow.interop.importer",
}
__all__ = [name for name in (*globals(), *_LIBRARIES, *_LATER) if not name.startswith("_")]


def __getattr__(name: str) -> object:
    if name in _LIBRARIES:
        found: object = _importlib.import_module(_LIBRARIES[name])
    elif name in _LATER:
        found = getattr(_importlib.import_module(_LATER[name]), name)
    else:
        raise _no_attribute(__name__, name)
    globals()[name] = found  # from now on it is found without asking here
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if _collects:
    if not _gc.get_freeze_count():  # what others froze is to stay frozen
        _gc.freeze()
        _gc.unfreeze()  # the two together: all that is there counts as old, and nobody looked at it
    _gc.enable()
