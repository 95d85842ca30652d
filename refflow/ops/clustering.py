"""Centres of clusters: which are nearest, and which points to begin with [W06].

    NearestNeighbors                points [N, D], centers [M, D] -> the k nearest of each point, and how far, squared
    KmeansPlusPlusInitialization    points [N, D] -> a sample of rows, far from each other
    KMC2ChainInitialization         distances [N] -> one place, drawn in proportion to its distance

k-means++ draws the next row with a probability in proportion to its squared distance from the rows drawn so far; of
several tries it keeps the one that brings all points nearest. k-MC2 walks a Markov chain instead: it moves on to
distance d from distance c with probability d / c.

Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
Bachem, Lucic, Hassani and Krause, "Approximate k-means++ in sublinear time", AAAI 2016.

Next: ops/random_index_shuffle.py.
"""

from __future__ import annotations

import math

import numpy as np

from refflow.core import shapes
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.ops.philox import OneByOne

NEAREST_NEIGHBORS = define_op(
    "NearestNeighbors",
    "points: float32, centers: float32, k: int64 -> nearest_center_indices: int64, nearest_center_distances: float32",
    accuracy="composed", source=("W06",),
)
KMEANS_PLUS_PLUS = define_op(
    "KmeansPlusPlusInitialization",
    "points: float32, num_to_sample: int64, seed: int64, num_retries_per_sample: int64 -> samples: float32",
    accuracy="random", source=("W06", "W73"),
)  # fmt: skip
KMC2_CHAIN = define_op("KMC2ChainInitialization", "distances: float32, seed: int64 -> index: int64[]",
                       accuracy="random", source=("W06", "W73"))  # fmt: skip
for _op in (NEAREST_NEIGHBORS, KMEANS_PLUS_PLUS, KMC2_CHAIN):
    _op.no_gradient_registered()


def _need(context: ShapeContext, **ranks: int) -> None:
    """ShapeError unless each input has its rank."""
    kinds = ("scalar", "vector", "matrix")
    for name, rank in ranks.items():
        dims = context.dims(name)
        if dims is not None and len(dims) != rank:
            raise ShapeError(f"Input {name} should be a {kinds[rank]}.")


@NEAREST_NEIGHBORS.kernel
def nearest_neighbors_kernel(points, centers, k):
    """Ascending by distance; of equals, the first centre."""
    if not len(points):
        raise ValueError("Expected points.rows() > 0.")
    count = min(int(k), len(centers))
    squares = np.square(points[:, None, :] - centers[None]).sum(-1) if points.size else np.zeros(
        (len(points), len(centers)), np.float32)  # [N, M]
    order = np.argsort(squares, axis=1, kind="stable")[:, :count]
    return order.astype(np.int64), np.take_along_axis(squares, order, 1).astype(np.float32)


@NEAREST_NEIGHBORS.shape
def _nearest_shape(context: ShapeContext) -> list[shapes.Shape]:
    _need(context, points=2, centers=2, k=0)
    points, centers, k = context.dims("points"), context.dims("centers"), context.ints("k")
    if points is not None and centers is not None and not shapes.compatible(points[1:], centers[1:]):
        raise ShapeError(f"Expected point_dimensions == center_dimensions: {points[1]} vs {centers[1]}")
    wide = None if k is None or centers is None or centers[0] is None or k[0] < 0 else min(k[0], centers[0])
    return [(None if points is None else points[0], wide)] * 2


@KMEANS_PLUS_PLUS.kernel
def kmeans_plus_plus_kernel(points, num_to_sample, seed, num_retries_per_sample):
    count, tries = int(num_to_sample), int(num_retries_per_sample)
    if not len(points):
        raise ValueError("Expected points.rows() > 0.")
    if count <= 0:
        raise ValueError("Expected num_to_sample > 0.")
    if count > len(points):
        raise ValueError(f"Expected num_to_sample <= points.rows(). {count} vs {len(points)}.")
    tries = 2 + int(math.log(count)) if tries < 0 else tries
    draw = OneByOne(int(seed))
    chosen: list[int] = []
    nearest = np.full(len(points), np.inf, np.float32)
    for _ in range(count):
        ends = np.cumsum(nearest, dtype=np.float32)
        options = []
        for _ in range(1 + tries):
            at = int(np.searchsorted(ends, draw.float32() * ends[-1])) if chosen else draw.below(len(points))
            options.append((min(at, len(points) - 1), np.minimum(nearest, _squares(points, at))))
        best, nearest = min(options, key=lambda option: option[1].sum())
        chosen.append(best)
    return points[chosen]


def _squares(points: np.ndarray, at: int) -> np.ndarray:
    """Squared distances from one of the points."""
    return np.square(points - points[at]).sum(1)


@KMEANS_PLUS_PLUS.shape
def _kmeans_shape(context: ShapeContext) -> shapes.Shape:
    _need(context, points=2, num_to_sample=0, seed=0, num_retries_per_sample=0)
    points, count = context.dims("points"), context.ints("num_to_sample")
    return (None if count is None or count[0] < 0 else count[0], None if points is None else points[1])


@KMC2_CHAIN.kernel
def kmc2_chain_kernel(distances, seed):
    if not len(distances):
        raise ValueError("Expected distances_tensor.size() > 0.")
    draw = OneByOne(int(seed))
    at = 0
    for i in range(1, len(distances)):
        if distances[i] > distances[at] * draw.float32():
            at = i
    return np.asarray(at, np.int64)


@KMC2_CHAIN.shape
def _chain_shape(context: ShapeContext) -> shapes.Shape:
    _need(context, distances=1, seed=0)
    return ()


_CORNERS = [[0, 0], [0, 4], [3, 0]]
NEAREST_NEIGHBORS.case("W06", "the nearest first", points=[[1, 0], [0, 3]], centers=_CORNERS, k=2,
                       nearest_center_indices=np.array([[0, 2], [1, 0]]),
                       nearest_center_distances=[[1, 4], [1, 9]])  # fmt: skip
NEAREST_NEIGHBORS.case("W06", "no more than there are", points=[[0, 0]], centers=_CORNERS[:1], k=5,
                       nearest_center_indices=np.array([[0]]), nearest_center_distances=[[0]])  # fmt: skip
NEAREST_NEIGHBORS.case("W06", "some points", points=np.zeros((0, 2), np.float32), centers=_CORNERS, k=1,
                       error="Expected points.rows() > 0")  # fmt: skip
NEAREST_NEIGHBORS.case("W06", "in one space", points=[[0]], centers=_CORNERS, k=1,
                       error="Expected point_dimensions == center_dimensions: 1 vs 2")  # fmt: skip
KMEANS_PLUS_PLUS.case("W06", "of two places, both", points=[[1, 1], [1, 1], [9, 9]], num_to_sample=2, seed=1,
                      num_retries_per_sample=0, samples=[[1, 1], [9, 9]])  # fmt: skip
KMEANS_PLUS_PLUS.case("W06", "no more than there are", points=[[1, 1]], num_to_sample=2, seed=3,
                      num_retries_per_sample=0, error="Expected num_to_sample <= points.rows(). 2 vs 1")  # fmt: skip
KMC2_CHAIN.case("W06", "on to what is infinitely far", distances=[1, np.inf, 0], seed=1, index=1)
KMC2_CHAIN.case("W06", "a vector", distances=[[1]], seed=1, error="Input distances should be a vector")
