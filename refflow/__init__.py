"""refflow: TensorFlow as its authors first showed it, readable from the sentence to the code.

    import refflow as tf

Building never computes; a Session runs what was built. The reading path is in docs/reading.rst.
"""

from refflow import nn, train
from refflow.core import errors
from refflow.core.control import group, no_op, with_dependencies
from refflow.core.control import tuple_ as tuple
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
from refflow.core.dtypes import bool_ as bool
from refflow.core.errors import GraphError, OpError
from refflow.core.gradients import AggregationMethod, NoGradient, RegisterGradient, gradients
from refflow.core.graph import Graph, GraphKeys, Operation, Tensor, get_default_graph, reset_default_graph
from refflow.core.graphdef import GraphDef, NodeDef
from refflow.core.indexed_slices import IndexedSlices, IndexedSlicesValue
from refflow.core.opdef import define_op
from refflow.core.shapes import Dimension, TensorShape
from refflow.ops.array import expand_dims, fill, identity, rank, reshape, shape, size, squeeze, stop_gradient, tile
from refflow.ops.constant import constant, ones, ones_like, placeholder, zeros, zeros_like
from refflow.ops.dynamic_stitch import dynamic_stitch
from refflow.ops.elementwise import ABS as abs
from refflow.ops.elementwise import ADD as add
from refflow.ops.elementwise import CEIL as ceil
from refflow.ops.elementwise import COS as cos
from refflow.ops.elementwise import DIV as div
from refflow.ops.elementwise import EXP as exp
from refflow.ops.elementwise import FLOOR as floor
from refflow.ops.elementwise import INV as inv
from refflow.ops.elementwise import LOG as log
from refflow.ops.elementwise import MAXIMUM as maximum
from refflow.ops.elementwise import MINIMUM as minimum
from refflow.ops.elementwise import MOD as mod
from refflow.ops.elementwise import MUL as mul
from refflow.ops.elementwise import NEG as neg
from refflow.ops.elementwise import RSQRT as rsqrt
from refflow.ops.elementwise import SIGMOID as sigmoid
from refflow.ops.elementwise import SIGN as sign
from refflow.ops.elementwise import SIN as sin
from refflow.ops.elementwise import SQRT as sqrt
from refflow.ops.elementwise import SQUARE as square
from refflow.ops.elementwise import SUB as sub
from refflow.ops.elementwise import TANH as tanh
from refflow.ops.elementwise import add_n, cast
from refflow.ops.gather import gather, scatter_add, scatter_sub, scatter_update
from refflow.ops.joining import concat, pack, pad, split, transpose, unpack
from refflow.ops.joining import slice_ as slice
from refflow.ops.logic import EQUAL as equal
from refflow.ops.logic import GREATER as greater
from refflow.ops.logic import GREATER_EQUAL as greater_equal
from refflow.ops.logic import LESS as less
from refflow.ops.logic import LESS_EQUAL as less_equal
from refflow.ops.logic import LOGICAL_AND as logical_and
from refflow.ops.logic import LOGICAL_NOT as logical_not
from refflow.ops.logic import LOGICAL_OR as logical_or
from refflow.ops.logic import NOT_EQUAL as not_equal
from refflow.ops.logic import SELECT as select
from refflow.ops.logic import logical_xor
from refflow.ops.matmul import matmul
from refflow.ops.random import random_normal, random_uniform, set_random_seed, truncated_normal
from refflow.ops.messages import Assert, Print, add_check_numerics_ops, verify_tensor_all_finite
from refflow.ops.range import range_ as range
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
