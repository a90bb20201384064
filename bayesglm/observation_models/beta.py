"""Fractions strictly between 0 and 1."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.special import polygamma
from typing_extensions import override

from bayesglm import _log_densities, links
from bayesglm.observation_models._range import outside_is
from bayesglm.observation_models.base import Observations, derivative


class BetaObservations(Observations):
    r"""Fractions with mean $\mu$ and precision $1/\phi$; by default $\mu=1/(1+e^{-\eta})$.

    The variance is $\mu(1-\mu)\phi/(1+\phi)$. The scale $\phi$, one over the precision of the
    literature, is estimated by maximum likelihood together with the coefficients.

    References
    ----------
    Ferrari and Cribari-Neto (2004), *Beta regression for modelling rates and proportions*.

    Examples
    --------
    >>> from bayesglm.observation_models import BetaObservations
    >>> print(BetaObservations().variance(0.5, 0.25))
    0.05
    """

    mean_range = (0.0, 1.0)
    scale_estimator = "likelihood"
    scale = None
    support = "numbers strictly between 0 and 1"
    remedy = "For exact zeros and ones use 'Bernoulli' or 'Binomial'."

    @property
    @override
    def default_inverse_link_function(self):
        return links.logistic

    @override
    @outside_is(-jnp.inf)
    def log_density(self, y, eta, link, scale):
        return _log_densities.beta(
            y, link.log_mean(eta), link.log_complement(eta), link.log_odds(eta), scale
        )

    @override
    def fisher_weight(self, eta, link, scale):
        a, b = self._shapes(eta, link, scale)
        slope = derivative(link, eta) / scale
        return jnp.square(slope) * (polygamma(1, a) + polygamma(1, b))

    @override
    def variance(self, mean, scale):
        return mean * (1.0 - mean) * scale / (1.0 + scale)

    @override
    def distribution(self, eta, link, scale):
        from numpyro import distributions as dist

        return dist.Beta(*self._shapes(eta, link, scale))

    @override
    def sample(self, key, mean, scale):
        return jax.random.beta(key, mean / scale, (1.0 - mean) / scale)

    @override
    def starting_mean(self, y, average):
        return y

    @override
    def in_support(self, y):
        return (y > 0) & (y < 1)

    def _shapes(self, eta, link, scale):
        return jnp.exp(link.log_mean(eta)) / scale, jnp.exp(link.log_complement(eta)) / scale
