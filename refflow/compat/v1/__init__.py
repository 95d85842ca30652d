"""TensorFlow 1.x spellings of what is here, so that programs of 2016 to 2018 run unchanged.

    import refflow.compat.v1 as tf

docs/compat.rst lists what is there, and what differs. tf.estimator and tf.contrib are not there.
"""

from typing import Any as _Any

from refflow import (
    AggregationMethod,
    Dimension,
    DType,
    GPUOptions,
    IndexedSlices,
    NoGradient,
    Operation,
    OpError,
    Print,
    RegisterGradient,
    Tensor,
    TensorShape,
    accumulate_n,
    add,
    add_check_numerics_ops,
    add_n,
    add_to_collection,
    app,
    as_dtype,
    bfloat16,
    bool,
    ceil,
    check_numerics,
    cholesky,
    clip_by_average_norm,
    complex,
    complex64,
    complex128,
    control_dependencies,
    cos,
    diag,
    double,
    dynamic_partition,
    dynamic_stitch,
    edit_distance,
    equal,
    errors,
    exp,
    flags,
    float16,
    float32,
    float64,
    floor,
    floordiv,
    foldl,
    foldr,
    get_collection,
    get_default_graph,
    get_default_session,
    get_seed,
    global_norm,
    greater,
    greater_equal,
    group,
    half,
    identity,
    import_graph_def,
    int8,
    int16,
    int32,
    int64,
    invert_permutation,
    is_finite,
    is_inf,
    is_nan,
    less,
    less_equal,
    log,
    logging,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    matrix_determinant,
    maximum,
    minimum,
    no_op,
    not_equal,
    placeholder,
    pow,
    qint8,
    qint16,
    qint32,
    quint8,
    quint16,
    random_normal,
    random_shuffle,
    rank,
    register_tensor_conversion_function,
    reset_default_graph,
    reshape,
    resource,
    rsqrt,
    scan,
    segment_max,
    segment_mean,
    segment_min,
    segment_prod,
    segment_sum,
    set_random_seed,
    sin,
    slice,
    sqrt,
    square,
    stop_gradient,
    string,
    tile,
    truediv,
    truncated_normal,
    tuple,
    uint8,
    uint16,
    uint32,
    uint64,
    unsorted_segment_sum,
    user_ops,
    variant,
)
from refflow.compat.v1 import (
    audio,
    bitwise,
    compat,
    data,
    debugging,
    dtypes,
    gfile,
    graph_util,
    image,
    initializers,
    io,
    layers,
    linalg,
    lookup,
    losses,
    manip,
    math,
    metrics,
    nest,
    nn,
    python_io,
    quantization,
    queue,
    ragged,
    ragged_dispatch,
    random,
    raw_ops,
    resource_loader,
    saved_model,
    sets,
    signal,
    sparse,
    sparse_dispatch,
    spectral,
    strings,
    summary,
    sysconfig,
    test,
    train,
    version,
)
from refflow.compat.v1.accumulators import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.arrays import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.blocks import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.checks import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.control_flow import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.critical_section import CriticalSection
from refflow.compat.v1.device_spec import DeviceSpec
from refflow.compat.v1.dtypes import QUANTIZED_DTYPES
from refflow.compat.v1.features import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.freer import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.function import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.gradients import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.graph import Graph
from refflow.compat.v1.image import extract_image_patches
from refflow.compat.v1.initializers import (
    constant_initializer,
    glorot_normal_initializer,
    glorot_uniform_initializer,
    ones_initializer,
    orthogonal_initializer,
    random_normal_initializer,
    random_uniform_initializer,
    truncated_normal_initializer,
    uniform_unit_scaling_initializer,
    variance_scaling_initializer,
    zeros_initializer,
)
from refflow.compat.v1.math import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.matrices import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.messages import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.more import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.names import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.numbers import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.parsing import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.partitioned import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.plain import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.printing import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.python_functions import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.quantization import dequantize, quantize, quantize_v2
from refflow.compat.v1.queue import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.ragged_tensor import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.random import random_poisson, random_uniform
from refflow.compat.v1.readers import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.serializing import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.sessions import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.shape_checks import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.solutions import norm
from refflow.compat.v1.sparse_arrays import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.sparse_math import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.sparse_tensor import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.state import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.string_functions import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.summary import Event, Summary
from refflow.compat.v1.template import make_template
from refflow.compat.v1.tensor_array import TensorArray
from refflow.compat.v1.tensor_messages import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.type_specs import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.variable_scope import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.variables import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.variables import global_variables, global_variables_initializer
from refflow.compat.v1.version import *  # noqa: F403  (its __all__ says which)
from refflow.compat.v1.wider import *  # noqa: F403  (its __all__ says which)
from refflow.core.graph import colocate_with, container
from refflow.core.missing import GRAPHS_OF_1_X as _GRAPHS_OF_1_X
from refflow.core.missing import no_attribute as _no_attribute
from refflow.files.events import Histogram as HistogramProto
from refflow.files.step_stats import RunMetadata
from refflow.nn import sigmoid, tanh
from refflow.ops.py_func import py_func
from refflow.runtime.config import ConfigProto, GraphOptions, OptimizerOptions, RunOptions

_LATER = ("distributions",)  # libraries that are loaded when they are first asked for: few programs use them
_MESSAGES = ("AttrValue", "GraphDef", "MetaGraphDef", "NameAttrList", "NodeDef", "TensorInfo")


def __getattr__(name: str) -> _Any:
    """Libraries and protobuf's classes that are made when they are first asked for."""
    if name in _LATER:
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    if name in _MESSAGES:
        from refflow.interop.schema import message

        return message(name)
    raise _no_attribute(__name__, name, _GRAPHS_OF_1_X)


newaxis = None
all_variables, initialize_all_variables = global_variables, global_variables_initializer


def disable_v2_behavior() -> None:
    """Nothing to do: graphs are built and sessions run them."""


disable_eager_execution = disable_v2_behavior

for _names in (globals(), vars(math), vars(dtypes)):
    sparse_dispatch.install(_names)
    ragged_dispatch.install(_names)
