"""Positive continuous responses with a constant coefficient of variation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from typing_extensions import override

from bayesglm import _log_densities, links
from bayesglm.observation_models._range import outside_is
from bayesglm.observation_models.base import Observations


class GammaObservations(Observations):
    r"""Positive responses with variance $\phi\mu^2$; by default $\mu=1/\eta$.

    The scale $\phi$, the squared coefficient of variation, is estimated by Pearson's statistic.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from bayesglm.observation_models import GammaObservations
    >>> y, mean = jnp.array([1.0, 2.0, 3.0, 4.0]), jnp.array([0.5, 1.5, 2.0, 2.5])
    >>> print(GammaObservations().log_likelihood(y, mean, scale=0.5).round(4))
    -1.6967
    """

    mean_range = (0.0, jnp.inf)
    scale_estimator = "moments"
    support = "positive numbers"
    remedy = "For exact zeros use 'Tweedie' or model the zeros separately."

    @property
    @override
    def default_inverse_link_function(self):
        return links.one_over_x

    @override
    @outside_is(-jnp.inf)
    def log_density(self, y, eta, link, scale):
        return _log_densities.gamma(y, link.log_mean(eta), scale)

    @override
    @outside_is(jnp.inf)
    def kernel(self, y, eta, link, scale):
        return y * link.reciprocal(eta) + link.log_mean(eta)

    @override
    def kernel_factor(self, scale):
        return scale

    @override
    def variance(self, mean, scale):
        return scale * jnp.square(mean)

    @override
    def unit_deviance(self, y, mean, scale):
        return _log_densities.gamma_deviance(y, mean) / scale

    @override
    def distribution(self, eta, link, scale):
        from numpyro import distributions as dist

        return dist.Gamma(1.0 / scale, link.reciprocal(eta) / scale)

    @override
    def sample(self, key, mean, scale):
        return jax.random.gamma(key, 1.0 / scale, _shape(mean, scale)) * scale * mean

    @override
    def in_support(self, y):
        return np.isfinite(y) & (y > 0)


def _shape(*arrays):
    return jnp.broadcast_shapes(*map(jnp.shape, arrays))
