"""Yes-or-no responses."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from typing_extensions import override

from bayesglm import _log_densities, links
from bayesglm.observation_models._range import outside_is
from bayesglm.observation_models.base import Observations

WHOLE = 1e-9  # relative error of a proportion times its number of trials


class BernoulliObservations(Observations):
    r"""Responses 0 or 1 with $P(y=1)=\mu$; by default $\mu=1/(1+e^{-\eta})$.

    Responses may also be proportions of successes, with the numbers of trials as
    ``sample_weight``: the binomial distribution, with trials that differ between rows.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from bayesglm import links
    >>> from bayesglm.observation_models import BernoulliObservations
    >>> family = BernoulliObservations()
    >>> print(family.log_density(jnp.array(1.0), jnp.array(-90.0), links.logistic, 1.0))
    -90.0
    """

    mean_range = (0.0, 1.0)
    support = "0 or 1"
    remedy = "Code the two outcomes as 0 and 1; for labels use `ClassifierGLM`."
    is_count = True

    @property
    @override
    def default_inverse_link_function(self):
        return links.logistic

    @override
    @outside_is(-jnp.inf)
    def log_density(self, y, eta, link, scale):
        return link.log_binomial(y, 1.0 - y, eta)

    @override
    def variance(self, mean, scale):
        return mean * (1.0 - mean) * jnp.ones_like(scale)

    @override
    def unit_deviance(self, y, mean, scale):
        return _log_densities.bernoulli_deviance(y, mean)

    @override
    def distribution(self, eta, link, scale):
        from numpyro import distributions as dist

        return dist.Bernoulli(logits=link.log_mean(eta) - link.log_complement(eta))

    @override
    def sample(self, key, mean, scale):
        return jax.random.bernoulli(key, mean)

    @override
    def likelihood(self, y, predicted_rate, scale=None, aggregate_sample_scores=None):
        """Geometric mean of the probabilities, or another aggregate of them."""
        if aggregate_sample_scores is None:
            return jnp.exp(self.log_likelihood(y, predicted_rate, scale))
        scores = self.log_likelihood(y, predicted_rate, scale, lambda x: x)
        return aggregate_sample_scores(jnp.exp(scores))

    @override
    def starting_mean(self, y, average):
        return 0.5 * (y + 0.5)

    @override
    def in_support(self, y):
        return (y >= 0) & (y <= 1)

    @override
    def has_probability(self, y, weight):
        is_whole = lambda a: np.abs(a - np.round(a)) <= WHOLE * np.maximum(np.abs(a), 1.0)
        return (y == np.round(y)) | (is_whole(weight) & is_whole(weight * y))
