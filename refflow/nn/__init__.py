"""Neural nets: a library on top of the operations; the core knows nothing of it [S39, S45, S46]."""

from __future__ import annotations

from typing import Any

from refflow.core.graph import Tensor
from refflow.core.missing import no_attribute
from refflow.nn.candidates import (
    all_candidate_sampler,
    compute_accidental_hits,
    fixed_unigram_candidate_sampler,
    learned_unigram_candidate_sampler,
    log_uniform_candidate_sampler,
    nce_loss,
    sampled_softmax_loss,
    uniform_candidate_sampler,
)
from refflow.nn.functions import (
    avg_pool,
    avg_pool3d,
    bias_add,
    conv2d,
    conv3d,
    deconv2d,
    depthwise_conv2d,
    dropout,
    elu,
    embedding_lookup,
    in_top_k,
    l1_loss,
    l2_loss,
    l2_normalize,
    local_response_normalization,
    lrn,
    max_pool,
    max_pool3d,
    max_pool_with_argmax,
    moments,
    relu6,
    relu_layer,
    separable_conv2d,
    sigmoid_cross_entropy_with_logits,
    softplus,
    softsign,
    top_k,
    xw_plus_b,
    zero_fraction,
)
from refflow.ops.elementwise import RELU, SIGMOID, TANH
from refflow.ops.softmax import softmax
from refflow.ops.softmax_xent import softmax_cross_entropy_with_logits

__all__ = [
    "all_candidate_sampler",
    "avg_pool",
    "avg_pool3d",
    "bias_add",
    "compute_accidental_hits",
    "conv2d",
    "conv3d",
    "deconv2d",
    "depthwise_conv2d",
    "dropout",
    "elu",
    "embedding_lookup",
    "fixed_unigram_candidate_sampler",
    "in_top_k",
    "l1_loss",
    "l2_loss",
    "l2_normalize",
    "learned_unigram_candidate_sampler",
    "local_response_normalization",
    "log_uniform_candidate_sampler",
    "lrn",
    "max_pool",
    "max_pool3d",
    "max_pool_with_argmax",
    "moments",
    "nce_loss",
    "relu",
    "relu6",
    "relu_layer",
    "sampled_softmax_loss",
    "separable_conv2d",
    "sigmoid",
    "sigmoid_cross_entropy_with_logits",
    "softmax",
    "softmax_cross_entropy_with_logits",
    "softplus",
    "softsign",
    "tanh",
    "top_k",
    "uniform_candidate_sampler",
    "xw_plus_b",
    "zero_fraction",
]


def relu(features: Any, name: str | None = None) -> Tensor:
    """max(features, 0), elementwise [S30]."""
    return RELU(features, name=name)


def sigmoid(x: Any, name: str | None = None) -> Tensor:
    """1 / (1 + exp(-x)), elementwise."""
    return SIGMOID(x, name=name)


def tanh(x: Any, name: str | None = None) -> Tensor:
    """The hyperbolic tangent, elementwise."""
    return TANH(x, name=name)


def __getattr__(name: str) -> None:
    raise no_attribute(__name__, name)
