"""Positive continuous responses with heavy right tails."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from typing_extensions import override

from bayesglm import _log_densities, links
from bayesglm.observation_models._range import outside_is
from bayesglm.observation_models.base import Observations


class InverseGaussianObservations(Observations):
    r"""Positive responses with variance $\phi\mu^3$; by default $\mu=1/\sqrt\eta$.

    The scale $\phi$ is estimated by Pearson's statistic; its unit is one over that of ``y``.

    Examples
    --------
    >>> from bayesglm.observation_models import InverseGaussianObservations
    >>> print(InverseGaussianObservations().variance(2.0, 0.5))
    4.0
    """

    mean_range = (0.0, jnp.inf)
    scale_estimator = "moments"
    support = "positive numbers"
    remedy = "For exact zeros use 'Tweedie' or model the zeros separately."

    @property
    @override
    def default_inverse_link_function(self):
        return links.inverse_squared

    @override
    @outside_is(-jnp.inf)
    def log_density(self, y, eta, link, scale):
        return _log_densities.inverse_gaussian(y, link.reciprocal(eta), scale)

    @override
    @outside_is(jnp.inf)
    def kernel(self, y, eta, link, scale):
        reciprocal = link.reciprocal(eta)
        return 0.5 * y * jnp.square(reciprocal) - reciprocal

    @override
    def kernel_factor(self, scale):
        return scale

    @override
    def variance(self, mean, scale):
        return scale * mean**3

    @override
    def unit_deviance(self, y, mean, scale):
        return jnp.square(y / mean - 1.0) / (y * scale)

    @override
    def sample(self, key, mean, scale):
        shape = jnp.broadcast_shapes(jnp.shape(mean), jnp.shape(scale))
        return jax.random.wald(key, jnp.broadcast_to(mean * scale, shape)) / scale

    @override
    def in_support(self, y):
        return np.isfinite(y) & (y > 0)
