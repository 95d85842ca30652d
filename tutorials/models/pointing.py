# %% [markdown]
# # Learning an algorithm by pointing
#
# Time: 45 s on the reference CPU.
# With --quick it takes 5 s and learns less.
#
# To sort numbers is to name their places in order; a convex hull is a round of places, too. A net that answers with
# places of its input can learn both from examples alone: each step of its decoder looks at all elements, and where it
# looks most is the answer (`refflow/models/pointer.py`) [S79].
#
#     0.7 0.1 0.4          ->  2 3 1 end
#
# The same weights serve for any number of elements.

# %%
import sys

import numpy as np

import refflow as tf
from refflow.models import decoding
from refflow.models.pointer import END, PointerNetwork
from refflow.models.training import clipped_adam
from refflow.models.words import padded

QUICK = "--quick" in sys.argv

# %% [markdown]
# ## Examples
# An input is an array [elements, numbers of each]; an answer lists places, the first of which is 1.


# %%
def numbers(rng):
    """Two to eight numbers, and their places from the smallest to the largest."""
    x = rng.random((rng.integers(2, 9), 1))
    return x, np.argsort(x[:, 0]) + 1


def points(rng):
    """Three to seven points of a plane, and the places of their convex hull's corners, from the leftmost around."""
    x = rng.random((rng.integers(3, 8), 2))
    return x, np.array(hull(x)) + 1


def hull(x):
    """The rows of x [n, 2] that are corners, counterclockwise from the leftmost: below from left to right, and back."""
    order = np.lexsort(x.T[::-1])
    return half_hull(x, order) + half_hull(x, order[::-1])


def half_hull(x, order):
    """The corners on one side, without the last: where the way would not turn left, its middle is no corner."""
    corners = []
    for i in order:
        while len(corners) > 1 and turn(x[corners[-2]], x[corners[-1]], x[i]) <= 0:
            corners.pop()
        corners.append(i)
    return corners[:-1]


def turn(a, b, c):
    """Above 0 where the way from a over b to c turns left."""
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])


assert hull(np.array([[1, 1], [0, 0], [0.5, 0.4], [1, 0], [0, 1]])) == [1, 3, 0, 4]


def batch(examples):
    """Arrays of several inputs and answers, filled up to eight places, and their lengths."""
    lengths = np.array([len(x) for x, _ in examples], np.int32)
    inputs = np.zeros((len(examples), 8, examples[0][0].shape[1]), np.float32)
    for filled, (x, _) in zip(inputs, examples, strict=True):
        filled[: len(x)] = x
    return inputs, lengths, *padded([[*answer, END] for _, answer in examples], 9)


# %% [markdown]
# ## The net
# The loss is that of any decoder, with places for symbols; so is the loop that answers.


# %%
class Pointing:
    """A net that learns from a function which draws examples."""

    def __init__(self, draw, width, units):
        self.draw = draw
        with tf.Graph().as_default():
            tf.set_random_seed(1)
            self.feeds = (tf.placeholder(tf.float32, [None, None, width]), tf.placeholder(tf.int32, [None]),
                          tf.placeholder(tf.int32, [None, None]), tf.placeholder(tf.int32, [None]))  # fmt: skip
            inputs, lengths, answers, answer_lengths = self.feeds
            start, decoder = PointerNetwork(units).read(inputs, lengths)
            self.loss = decoding.loss(decoder, start, answers, answer_lengths, END)
            self.answers = decoding.greedy(decoder, start, END, END, most=20)
            self.update, self.rate = clipped_adam(self.loss, most=2.0)
            self.session = tf.Session()
            self.session.run(tf.initialize_all_variables())

    def train(self, steps, rate):
        rng, losses = np.random.default_rng(1), []
        for i in range(1, steps + 1):
            feeds = dict(zip(self.feeds, batch([self.draw(rng) for _ in range(64)]), strict=True))
            losses.append(self.session.run([self.loss, self.update], {**feeds, self.rate: rate * (1 - i / steps)})[0])
            if i % (steps // 5) == 0:
                print(f"  step {i}: loss {np.mean(losses[-steps // 5 :]):.4f}")

    def right(self, examples):
        """The share of examples whose whole answer is right."""
        inputs, lengths, *_ = batch(examples)
        found = self.session.run(self.answers, dict(zip(self.feeds[:2], (inputs, lengths), strict=True)))
        rows = zip(found.tolist(), examples, strict=True)
        return np.mean([row[: len(answer) + 1] == [*answer, END] for row, (_, answer) in rows])


# %% [markdown]
# ## Sorting
# Two of eight numbers are often less than a hundredth apart, so this asks for sharp eyes. Drawn at random, an order of
# eight is right once in 40,320 times.

# %%
rng = np.random.default_rng(2)
print("Sorting")
sorter = Pointing(numbers, 1, 32)
sorter.train(*(300, 0.01) if QUICK else (3000, 0.01))
share = sorter.right([numbers(rng) for _ in range(1000)])
print(f"  {share:.1%} of 1000 lists of two to eight numbers are sorted without a fault")
assert share > (0.15 if QUICK else 0.85)

# %% [markdown]
# ## The convex hull
# Which points are corners, and in which order one meets them on a walk around.

# %%
print("The convex hull")
surveyor = Pointing(points, 2, 32 if QUICK else 64)
surveyor.train(*(200, 0.01) if QUICK else (3000, 0.007))
share = surveyor.right([points(rng) for _ in range(1000)])
print(f"  {share:.1%} of 1000 hulls of three to seven points are right")
assert share > (0.02 if QUICK else 0.8)
