"""Candidate sampling: a few classes stand for all in the loss of a net with very many [W73].

    sampled_candidates [num_sampled]          classes from a distribution (ops/distributions.py)
    expected count of a class of probability p
        num_sampled * p                       where classes may repeat
        1 - (1 - p)**tries                    unique: how many draws there were until all were different

The losses of `nn` divide by these counts, by taking their logarithms off the scores. A class that is sampled though it
is a true one is an accidental hit; `ComputeAccidentalHits` lists those as a sparse matrix of -max.

Jean, Cho, Memisevic and Bengio, "On using very large target vocabulary for neural machine translation", 2014.

Next: nn/candidates.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.errors import NotFoundError, ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.distributions import FixedUnigram, LogUniform, Uniform, Unigram, Words, first_distinct
from refflow.ops.philox import PhiloxStream

_COUNT = Attr("int", minimum=1)
_SIGNATURE = (
    "true_classes: int64 -> sampled_candidates: int64, true_expected_count: float32, sampled_expected_count: float32"
)
_LIMIT = 2**27  # draws, after which a set of different classes is given up


class Sampler:
    """A session's state of one node: its stream and its distribution, which may learn."""

    def __init__(self, seed: int, seed2: int, distribution: Uniform):
        self.stream, self.distribution = PhiloxStream(seed, seed2), distribution

    def run(self, true_classes: np.ndarray, count: int, unique: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The op's three outputs."""
        known = self.distribution
        if unique and count > known.range:
            raise ValueError("Sampler's range is too small.")
        if true_classes.size and not 0 <= true_classes.min() <= true_classes.max() < known.range:
            bad = true_classes[(true_classes < 0) | (true_classes >= known.range)][0]
            raise ValueError(f"`true_candidate` out of range [0, {known.range}), received {bad}")
        words = Words(self.stream, self.stream.reserve(2 * count))  # 512 blocks of words for each class
        tries = count
        if unique:
            candidates, tries = first_distinct(lambda n: known.draw(words, n), count, _LIMIT)
        else:
            candidates = known.draw(words, count)
        all_of_them = np.concatenate([true_classes.reshape(-1), candidates])
        expected = _expected(known.probability(all_of_them), count, tries)
        known.update(true_classes)
        of_true = expected[: true_classes.size].reshape(true_classes.shape)
        return candidates.astype(np.int64), of_true, expected[true_classes.size :].copy()


def _expected(p: np.ndarray, count: int, tries: int) -> np.ndarray:
    if tries == count:
        return (p * np.float32(count)).astype(np.float32)
    return (-np.expm1(tries * np.log1p(-p.astype(np.float64)))).astype(np.float32)


def _sampler_shapes(context: ShapeContext) -> list[shapes.Shape]:
    attrs, dims = context.attrs, context.dims("true_classes")
    need_rank(dims, 2, "true_classes must be a matrix, got shape {0}")
    if dims is not None and dims[1] not in (None, attrs["num_true"]):
        raise ShapeError(f"true_classes must have num_true columns, expected: {dims[1]} was: {attrs['num_true']}")
    sampled = (attrs["num_sampled"],)
    return [sampled, (None if dims is None else dims[0], attrs["num_true"]), sampled]


def _define(name: str, make: Any, **attrs: Any) -> OpDef:
    op_def = define_op(
        name, _SIGNATURE, num_true=_COUNT, num_sampled=_COUNT, unique=Attr("bool"), **attrs, seed=0, seed2=0,
        stateful=True, accuracy="random", source=("W73",),
    )  # fmt: skip
    op_def.no_gradient()
    op_def.state(make)
    op_def.shape(_sampler_shapes)

    @op_def.kernel
    def kernel(true_classes, num_sampled, unique, state):
        return state.run(true_classes, num_sampled, unique)

    return op_def


def _by_range(distribution: type[Uniform]) -> Any:
    def make(seed, seed2, range_max):
        return Sampler(seed, seed2, distribution(range_max))

    return make


def _fixed(seed, seed2, range_max, vocab_file, distortion, num_reserved_ids, num_shards, shard, unigrams):
    """Weights are frequencies to the power of `distortion`; of several shards each takes every num_shards-th."""
    if not vocab_file and not unigrams:
        raise ValueError("Must provide either vocab_file or unigrams.")
    if vocab_file and unigrams:
        raise ValueError("Must only provide one of vocab_file and unigrams.")
    weights: list[Any] = [0.0 for i in range(num_reserved_ids) if i % num_shards == shard]
    given = [np.float32(w) ** np.float32(distortion) for w in unigrams or _frequencies(vocab_file)]
    weights += [w for i, w in enumerate(given, len(weights)) if i % num_shards == shard]
    if len(weights) != range_max:
        raise ValueError(f"range is {range_max} must be equal to weights size  {len(weights)}")
    return Sampler(seed, seed2, FixedUnigram(weights))


def _frequencies(path: str) -> list[float]:
    """The last field of each line of a file of comma-separated values."""
    found = []
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        raise NotFoundError(None, None, f"{path}; No such file or directory") from None
    for line in lines:
        try:
            found.append(float(line.rsplit(",", 1)[-1]))
        except ValueError:
            raise ValueError(f"Wrong vocabulary format at line: {line}") from None
    return found


UNIFORM = _define("UniformCandidateSampler", _by_range(Uniform), range_max=_COUNT)
LOG_UNIFORM = _define("LogUniformCandidateSampler", _by_range(LogUniform), range_max=_COUNT)
LEARNED_UNIGRAM = _define("LearnedUnigramCandidateSampler", _by_range(Unigram), range_max=_COUNT)
UNSAFE_UNIGRAM = _define("ThreadUnsafeUnigramCandidateSampler", _by_range(Unigram), range_max=_COUNT)
FIXED_UNIGRAM = _define(
    "FixedUnigramCandidateSampler", _fixed, range_max=_COUNT, vocab_file="", distortion=1.0, num_reserved_ids=0,
    num_shards=Attr("int", default=1, minimum=1), shard=Attr("int", default=0, minimum=0),
    unigrams=Attr("list(float)", default=[]),
)  # fmt: skip
ALL = define_op("AllCandidateSampler", _SIGNATURE, num_true=_COUNT, num_sampled=_COUNT, unique=Attr("bool"), seed=0,
                seed2=0, stateful=True, source=("W73",))  # fmt: skip
ALL.no_gradient()
ALL.shape(_sampler_shapes)


@ALL.kernel
def all_candidates_kernel(true_classes, num_sampled):
    """Every class once, each expected once."""
    beyond = true_classes[(true_classes < 0) | (true_classes >= num_sampled)]
    if beyond.size:
        raise ValueError(f"`true_candidate` out of range [0, {num_sampled}), received {beyond[0]}")
    return np.arange(num_sampled), np.ones(true_classes.shape, np.float32), np.ones(num_sampled, np.float32)


# -- accidental hits --------------------------------------------------------------------------------------------

HITS = define_op(
    "ComputeAccidentalHits",
    "true_classes: int64, sampled_candidates: int64 -> indices: int32[H], ids: int64[H], weights: float32[H]",
    num_true=Attr("int"), seed=0, seed2=0, source=("W73",),
)  # fmt: skip
HITS.no_gradient()


@HITS.kernel
def accidental_hits_kernel(true_classes, sampled_candidates):
    place = {c: i for i, c in enumerate(sampled_candidates.tolist())}  # the last of equals
    hits = [(row, place[c]) for row, classes in enumerate(true_classes.tolist()) for c in classes if c in place]
    rows, ids = np.array(hits, np.int64).reshape(-1, 2).T
    return rows.astype(np.int32), ids.copy(), np.full(len(ids), np.finfo(np.float32).min, np.float32)


@HITS.shape
def _hits_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims, sampled, wanted = context.dims("true_classes"), context.dims("sampled_candidates"), context.attrs["num_true"]
    if dims is not None and (len(dims) != 2 or dims[1] not in (None, wanted)):
        raise ShapeError(f"true_candidates must be a batch_size * num_true matrix, got {shapes.text(dims)}")
    need_rank(sampled, 1, "sampled_candidates must be a vector, which is typically an output from CandidateSampler")
    return [(None,), (None,), (None,)]


ALL.case("W73", "each class once", true_classes=[[2], [0]], num_true=1, num_sampled=3, unique=True,
         sampled_candidates=[0, 1, 2], true_expected_count=[[1], [1]], sampled_expected_count=[1, 1, 1])  # fmt: skip
ALL.case("W73", "as many columns as num_true", true_classes=[[2, 1]], num_true=1, num_sampled=3, unique=True,
         error="true_classes must have num_true columns")  # fmt: skip
HITS.case("W73", "sampled though true", true_classes=[[1, 2], [0, 9], [3, 3]], sampled_candidates=[0, 2, 3], num_true=2,
          indices=[0, 1, 2, 2], ids=[1, 0, 2, 2], weights=[np.finfo(np.float32).min] * 4)  # fmt: skip
HITS.case("W73", "a matrix of true classes", true_classes=[1, 2], sampled_candidates=[0], num_true=2,
          error="true_candidates must be a batch_size * num_true matrix")  # fmt: skip
ALL.case("W73", "classes lie below num_sampled", true_classes=[[2]], num_true=1, num_sampled=2, unique=True,
         error=r"`true_candidate` out of range [0, 2), received 2")  # fmt: skip
