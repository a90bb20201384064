"""Normal responses."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from typing_extensions import override

from bayesglm import _log_densities, links
from bayesglm.observation_models.base import Observations


class GaussianObservations(Observations):
    r"""Normal responses with variance $\sigma^2$, called the scale; by default $\mu=\eta$.

    The kernel is the bare squared residual, so that $\kappa=2\sigma^2$.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from bayesglm.observation_models import GaussianObservations
    >>> y, mean = jnp.array([0.0, 1.0, 2.0, 3.0]), jnp.array([0.5, 1.5, 2.0, 2.5])
    >>> print(GaussianObservations().estimate_scale(y, mean, dof_resid=2))
    [0.375]
    """

    scale_estimator = "moments"

    @property
    @override
    def default_inverse_link_function(self):
        return links.identity

    @override
    def log_density(self, y, eta, link, scale):
        return _log_densities.gaussian(y, link(eta), scale)

    @override
    def kernel(self, y, eta, link, scale):
        return jnp.square(y - link(eta))

    @override
    def kernel_factor(self, scale):
        return 2.0 * scale

    @override
    def variance(self, mean, scale):
        return jnp.broadcast_to(scale, jnp.broadcast_shapes(jnp.shape(mean), jnp.shape(scale)))

    @override
    def unit_deviance(self, y, mean, scale):
        return jnp.square(y - mean) / scale

    @override
    def distribution(self, eta, link, scale):
        from numpyro import distributions as dist

        return dist.Normal(link(eta), jnp.sqrt(scale))

    @override
    def sample(self, key, mean, scale):
        shape = jnp.broadcast_shapes(jnp.shape(mean), jnp.shape(scale))
        return jax.random.normal(key, shape) * jnp.sqrt(scale) + mean

    @override
    def starting_mean(self, y, average):
        return y
