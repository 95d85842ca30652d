"""tf.distributions: draws, densities, moments and divergences of the usual families.

    Normal(loc, scale)    batch shape: that of loc and scale together    event shape: []
    sample([S])           shape [S, batch, event];  log_prob(x) broadcasts x against [batch, event], gives [batch]

Next: compat/v1/distributions/distribution.py.
"""

from refflow.compat.v1.distributions.counts import Bernoulli, Categorical, Multinomial
from refflow.compat.v1.distributions.distribution import (
    FULLY_REPARAMETERIZED,
    NOT_REPARAMETERIZED,
    Distribution,
    ReparameterizationType,
)
from refflow.compat.v1.distributions.divergences import RegisterKL, kl_divergence
from refflow.compat.v1.distributions.gammas import Beta, Exponential, Gamma
from refflow.compat.v1.distributions.scalar import Laplace, Normal, StudentT, Uniform
from refflow.compat.v1.distributions.simplex import Dirichlet, DirichletMultinomial

__all__ = [
    "FULLY_REPARAMETERIZED", "NOT_REPARAMETERIZED", "Bernoulli", "Beta", "Categorical", "Dirichlet",
    "DirichletMultinomial", "Distribution", "Exponential", "Gamma", "Laplace", "Multinomial", "Normal", "RegisterKL",
    "ReparameterizationType", "StudentT", "Uniform", "kl_divergence",
]  # fmt: skip
