"""Losses over a few sampled classes, for nets with very many [W73].

    score of class c     x . weights[c] + biases[c] - log(expected count of c)
    nce_loss             true or sampled?  one sigmoid cross-entropy for each
    sampled_softmax_loss which of these?   one softmax cross-entropy over true and sampled classes

Taking log(expected count) off makes up for how often the sampler offers a class: without it frequent classes would
lose. A class that is sampled though it is true can be removed, by a score of minus infinity, nearly.

Gutmann and Hyvarinen, "Noise-contrastive estimation", AISTATS 2010.

Next: nn/functions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef
from refflow.nn.functions import embedding_lookup, sigmoid_cross_entropy_with_logits
from refflow.ops import candidate_sampling as samplers
from refflow.ops.array import expand_dims, reshape, shape
from refflow.ops.cast import cast
from refflow.ops.constant import ONES_LIKE, ZEROS_LIKE
from refflow.ops.elementwise import LOG
from refflow.ops.joining import concat
from refflow.ops.matmul import matmul
from refflow.ops.random import get_seed
from refflow.ops.reductions import reduce_sum
from refflow.ops.softmax_xent import softmax_cross_entropy_with_logits
from refflow.ops.sparse import SPARSE_TO_DENSE

Sampled = tuple[Tensor, Tensor, Tensor]


def _sample(op_def: OpDef, true_classes: Any, num_true: int, num_sampled: int, unique: bool, range_max: int,
            seed: int | None, name: str | None, **attrs: Any) -> Any:  # fmt: skip
    first, second = get_seed(seed)
    return op_def(true_classes, num_true=num_true, num_sampled=num_sampled, unique=unique, range_max=range_max,
                  seed=first, seed2=second, name=name, **attrs)  # fmt: skip


def uniform_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, range_max: int, seed: int | None = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """(classes [num_sampled], expected counts of the true classes, of the sampled): all classes alike."""
    return _sample(samplers.UNIFORM, true_classes, num_true, num_sampled, unique, range_max, seed, name)


def log_uniform_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, range_max: int, seed: int | None = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """As `uniform_candidate_sampler`, for classes in the order of falling frequency."""
    return _sample(samplers.LOG_UNIFORM, true_classes, num_true, num_sampled, unique, range_max, seed, name)


def learned_unigram_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, range_max: int, seed: int | None = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """As `uniform_candidate_sampler`, by how often each class was a true one in the session so far."""
    return _sample(samplers.LEARNED_UNIGRAM, true_classes, num_true, num_sampled, unique, range_max, seed, name)


def fixed_unigram_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, range_max: int, vocab_file: str = "",
    distortion: float = 1.0, num_reserved_ids: int = 0, num_shards: int = 1, shard: int = 0,
    unigrams: Sequence[float] = (), seed: int | None = None, name: str | None = None,
) -> Any:  # fmt: skip
    """As `uniform_candidate_sampler`, by given frequencies to the power of `distortion`.

    The power is 1 by default; that of the first release was 0, which made all classes equal [E23].

    Frequencies come as `unigrams` or as the last field of each line of `vocab_file`; the first `num_reserved_ids`
    classes are never sampled. Of several shards each takes every num_shards-th class.
    """
    return _sample(
        samplers.FIXED_UNIGRAM, true_classes, num_true, num_sampled, unique, range_max, seed, name,
        vocab_file=vocab_file, distortion=distortion, num_reserved_ids=num_reserved_ids, num_shards=num_shards,
        shard=shard, unigrams=list(unigrams),
    )  # fmt: skip


def all_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, seed: int | None = None, name: str | None = None
) -> Any:
    """As `uniform_candidate_sampler`, every class once: for tests."""
    first, second = get_seed(seed)
    return samplers.ALL(
        true_classes, num_true=num_true, num_sampled=num_sampled, unique=unique, seed=first, seed2=second, name=name
    )


def compute_accidental_hits(
    true_classes: Any, sampled_candidates: Any, num_true: int, seed: int | None = None, name: str | None = None
) -> Any:
    """(rows, places among the sampled, weights of -max) of classes that are sampled though true."""
    first, second = get_seed(seed)
    return samplers.HITS(true_classes, sampled_candidates, num_true=num_true, seed=first, seed2=second, name=name)


def _sampled_scores(
    weights: Any, biases: Any, inputs: Any, labels: Any, num_true: int, sampled: Sampled, remove_hits: bool
) -> tuple[Tensor, Tensor]:
    """Scores [N, num_true + num_sampled] and targets: 1 / num_true for each true class, 0 for the sampled."""
    classes, true_expected, sampled_expected = sampled
    inputs = convert_to_tensor(inputs, name="inputs")
    true_rows = reshape(embedding_lookup(weights, reshape(labels, [-1])), [-1, num_true, inputs.get_shape()[1].value])
    true_scores = reduce_sum(expand_dims(inputs, 1) * true_rows, [2])
    true_scores += reshape(embedding_lookup(biases, reshape(labels, [-1])), [-1, num_true])
    others = matmul(inputs, embedding_lookup(weights, classes), transpose_b=True) + embedding_lookup(biases, classes)
    if remove_hits:
        rows, places, lowest = compute_accidental_hits(labels, classes, num_true)
        at = concat(1, [expand_dims(rows, 1), expand_dims(cast(places, "int32"), 1)])
        others += SPARSE_TO_DENSE(at, shape(others), lowest, 0.0, validate_indices=False)
    scores = concat(1, [true_scores - LOG(true_expected), others - LOG(sampled_expected)])
    targets = concat(1, [ONES_LIKE(true_scores) / float(num_true), ZEROS_LIKE(others)])
    return scores, targets


def _given_or_sampled(sampled: Any, labels: Any, num_true: int, num_sampled: int, num_classes: int) -> Any:
    if sampled is not None:
        return sampled
    return log_uniform_candidate_sampler(labels, num_true, num_sampled, True, num_classes)


def nce_loss(
    weights: Any, biases: Any, inputs: Any, labels: Any, num_sampled: int, num_classes: int, num_true: int = 1,
    sampled_values: Any = None, remove_accidental_hits: bool = False, name: str = "nce_loss",
) -> Tensor:  # fmt: skip
    """Losses [N]: for each true and each sampled class, whether it was told apart from the other kind.

    weights [num_classes, D] (or a list of such tables), biases [num_classes], inputs [N, D], labels int64
    [N, num_true]. Classes come from a log-uniform sampler unless `sampled_values` gives them.
    """
    with op_scope([inputs, labels], name, "nce_loss") as scope:
        scores, targets = nce_scores(
            weights, biases, inputs, labels, num_sampled, num_classes, num_true, sampled_values, remove_accidental_hits
        )
        return reduce_sum(sigmoid_cross_entropy_with_logits(scores, targets), [1], name=scope)


def nce_scores(
    weights: Any, biases: Any, inputs: Any, labels: Any, num_sampled: int, num_classes: int, num_true: int,
    sampled_values: Any, remove_accidental_hits: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """What nce_loss compares: scores and targets [N, num_true + num_sampled]."""
    labels = cast(convert_to_tensor(labels, name="labels"), "int64")
    sampled = _given_or_sampled(sampled_values, labels, num_true, num_sampled, num_classes)
    return _sampled_scores(weights, biases, inputs, labels, num_true, sampled, remove_accidental_hits)


def sampled_softmax_loss(
    weights: Any, biases: Any, inputs: Any, labels: Any, num_sampled: int, num_classes: int, num_true: int = 1,
    sampled_values: Any = None, remove_accidental_hits: bool = True, name: str = "sampled_softmax_loss",
) -> Tensor:  # fmt: skip
    """Losses [N]: the true classes against the sampled, for training; arguments as of `nce_loss`."""
    with op_scope([inputs, labels], name, "sampled_softmax_loss") as scope:
        labels = cast(convert_to_tensor(labels, name="labels"), "int64")
        sampled = _given_or_sampled(sampled_values, labels, num_true, num_sampled, num_classes)
        scores, targets = _sampled_scores(weights, biases, inputs, labels, num_true, sampled, remove_accidental_hits)
        return softmax_cross_entropy_with_logits(scores, targets, name=scope)
