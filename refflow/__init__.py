"""refflow: TensorFlow as its authors first showed it, readable from the sentence to the code.

    import refflow as tf

Building never computes; a Session runs what was built. The reading path is in docs/reading.md.
"""

from refflow import nn, train
from refflow.core import errors
from refflow.core.control import group, no_op, with_dependencies
from refflow.core.control import tuple_ as tuple  # noqa: A004  (the release's name)
from refflow.core.convert import convert_to_tensor, op_scope, register_tensor_conversion_function
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
from refflow.core.dtypes import bool_ as bool  # noqa: A004  (the release's name)
from refflow.core.errors import GraphError, OpError
from refflow.core.gradients import AggregationMethod, NoGradient, RegisterGradient, gradients
from refflow.core.graph import Graph, GraphKeys, Operation, Tensor, get_default_graph, reset_default_graph
from refflow.core.graphdef import GraphDef, NodeDef
from refflow.core.indexed_slices import IndexedSlices, IndexedSlicesValue
from refflow.core.opdef import define_op
from refflow.core.shapes import Dimension, TensorShape
from refflow.ops.array import concat, expand_dims, fill, identity, pack, pad, rank, reshape, shape, size
from refflow.ops.array import slice_ as slice  # noqa: A004  (the release's name)
from refflow.ops.array import split, squeeze, stop_gradient, tile, transpose, unpack
from refflow.ops.constant import constant, ones, ones_like, placeholder, zeros, zeros_like
from refflow.ops.dynamic_stitch import dynamic_stitch
from refflow.ops.elementwise import (
    ABS,
    ADD,
    DIV,
    EQUAL,
    EXP,
    GREATER,
    GREATER_EQUAL,
    LESS,
    LESS_EQUAL,
    LOG,
    MAXIMUM,
    MINIMUM,
    MUL,
    NEG,
    SELECT,
    SIGMOID,
    SQRT,
    SQUARE,
    SUB,
    TANH,
    add_n,
    cast,
)
from refflow.ops.gather import gather, scatter_add, scatter_sub, scatter_update
from refflow.ops.matmul import matmul
from refflow.ops.random import random_normal, random_uniform, set_random_seed, truncated_normal
from refflow.ops.range import range_ as range  # noqa: A004  (the release's name)
from refflow.ops.reductions import argmax, reduce_max, reduce_mean, reduce_min, reduce_prod, reduce_sum
from refflow.ops.variable import (
    Variable,
    all_variables,
    assign,
    assign_add,
    assign_sub,
    initialize_all_variables,
    initialize_variables,
    trainable_variables,
)
from refflow.runtime.config import ConfigProto
from refflow.runtime.session import InteractiveSession, Session

__version__ = "0.1.0"
