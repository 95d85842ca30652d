"""Losses that are sums over examples, with known gradients."""

import numpy as np


class Logistic:
    """Logistic regression of signs y on x, with a ridge, as a mean over N examples."""

    def __init__(self, examples=120, parameters=6, ridge=0.05, seed=0):
        chance = np.random.default_rng(seed)
        self.x = chance.normal(size=(examples, parameters)) * np.linspace(0.5, 2.0, parameters)
        noise = chance.normal(size=examples)
        self.y = np.sign(self.x @ chance.normal(size=parameters) + noise)
        self.ridge = ridge

    def __len__(self):
        return len(self.x)

    def part(self, w, start, stop):
        x, y, n = self.x[start:stop], self.y[start:stop], len(self.x)
        margins = y * (x @ w)
        share = self.ridge * (stop - start) / n
        loss = np.logaddexp(0, -margins).sum() / n + share * (w @ w) / 2
        return float(loss), -(x.T @ (y / (1 + np.exp(margins)))) / n + share * w

    def whole(self, w):
        return self.part(w, 0, len(self))


class Bowl:
    """|w - 1|^2 / 2, as a mean over N examples that are all alike: the gradient of a portion is its share of w - 1."""

    def __init__(self, examples):
        self.examples = examples

    def __len__(self):
        return self.examples

    def part(self, w, start, stop):
        share = (stop - start) / self.examples
        return float(share * np.square(w - 1).sum() / 2), share * (w - 1)
