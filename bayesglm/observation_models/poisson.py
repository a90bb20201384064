"""Poisson counts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from typing_extensions import override

from bayesglm import _log_densities, _special, links
from bayesglm.observation_models._range import outside_is
from bayesglm.observation_models.base import Observations


class PoissonObservations(Observations):
    r"""Counts with variance equal to their mean; by default $\mu=e^\eta$.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from bayesglm.observation_models import PoissonObservations
    >>> counts, rate = jnp.array([0.0, 1.0, 2.0, 3.0]), jnp.array([0.5, 1.5, 2.0, 2.5])
    >>> print(PoissonObservations().log_likelihood(counts, rate).round(4))
    -1.1111
    """

    mean_range = (0.0, jnp.inf)
    support = "non-negative counts"
    remedy = "Counts cannot be negative; for real numbers use 'Gaussian'."
    is_count = True

    @property
    @override
    def default_inverse_link_function(self):
        return links.exp

    @override
    @outside_is(-jnp.inf)
    def log_density(self, y, eta, link, scale):
        return _log_densities.poisson(y, _log_mean(y, eta, link), link(eta))

    @override
    @outside_is(jnp.inf)
    def kernel(self, y, eta, link, scale):
        return link(eta) - _special.times_log(y, _log_mean(y, eta, link))

    @override
    def variance(self, mean, scale):
        return jnp.broadcast_to(mean, jnp.broadcast_shapes(jnp.shape(mean), jnp.shape(scale)))

    @override
    def unit_deviance(self, y, mean, scale):
        return _log_densities.poisson_deviance(y, mean)

    @override
    def distribution(self, eta, link, scale):
        from numpyro import distributions as dist

        return dist.Poisson(link(eta))

    @override
    def sample(self, key, mean, scale):
        return jax.random.poisson(key, mean)

    @override
    def in_support(self, y):
        return np.isfinite(y) & (y >= 0)


def _log_mean(y, eta, link):
    """Log of the mean, away from a mean of 0 (and its infinite slope) where ``y`` is 0."""
    return link.log_mean(jnp.where(y == 0, 1.0, eta))
