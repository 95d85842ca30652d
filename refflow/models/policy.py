"""Learning by rewards: actions are drawn, and made likelier by what came of them [S50d].

A policy gives scores of K actions, p(a | s) is their softmax, and r_t is what the world pays for the t-th action. The
world has no derivative, but the expected sum of rewards has, by the chances of the actions (REINFORCE):

    G_t = r_t + g r_(t+1) + g^2 r_(t+2) + ...                            what came after, and so perhaps of it
    d E[G_0] = E[ sum over t of G_t d log p(a_t | s_t) ]                 (g = 1)
    loss = - mean of (G_t - b_t) log p(a_t | s_t)                        whose descent climbs E[G_0]

Any b_t that does not depend on a_t leaves the expectation as it is, and a good one, about the mean of G_t, makes it far
less noisy. Drawing from a softmax is adding noise of Gumbel's distribution to the scores and taking the largest:

    a = argmax_k (score_k - log(-log u_k)),  u_k uniform in (0, 1)

Williams, "Simple statistical gradient-following algorithms", 1992.

Next: train/optimizer.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Tensor
from refflow.ops.array import shape, stop_gradient
from refflow.ops.constant import zeros_like
from refflow.ops.elementwise import LOG
from refflow.ops.functional_loops import scan
from refflow.ops.log_softmax import SPARSE_XENT
from refflow.ops.random import random_uniform
from refflow.ops.reductions import argmax, reduce_mean


def sampled_actions(scores: Tensor, seed: int | None = None) -> Tensor:
    """int64 [N]: for each row of scores [N, K] an action, drawn by their softmax, anew in each run."""
    uniform = random_uniform(shape(scores), 1e-7, 1.0, dtype=scores.dtype.base_dtype, seed=seed)
    return argmax(scores - LOG(-LOG(uniform)), 1)


def returns(rewards: Any, discount: float = 1.0) -> Tensor:
    """G [T, N] of rewards [T, N]: at each step all that is still to come."""
    rewards = convert_to_tensor(rewards)
    return scan(lambda later, now: now + discount * later, rewards, zeros_like(rewards[0]), reverse=True)


def reinforce_loss(scores: Tensor, actions: Any, advantages: Any) -> Tensor:
    """The mean of -advantage log p(action) over N rows, of scores [N, K], actions [N] and advantages [N].

    Advantages are taken as they are: no slope goes into them. One of 0 takes its row out of the sum.
    An action that is none of 0 ... K - 1 fails in the run.
    """
    surprise = SPARSE_XENT(scores, actions).loss  # [N]: -log p(action)
    return reduce_mean(surprise * stop_gradient(convert_to_tensor(advantages, scores.dtype.base_dtype)))
