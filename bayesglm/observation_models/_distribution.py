"""A NumPyro distribution made of a family's own log-density and sampler."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from bayesglm.links import InverseLink

with warnings.catch_warnings():  # of missing widgets for progress bars, in notebooks
    warnings.simplefilter("ignore")
    from numpyro.distributions import Distribution, constraints


class FamilyDistribution(Distribution):
    """Distribution of the response of a family that NumPyro does not have.

    Parameters
    ----------
    family
        The `Observations`; its ``log_density`` and ``sample`` are used.
    eta
        Linear predictor.
    link
        Inverse link.
    scale
        Dispersion, broadcasting against ``eta``.
    """

    support = constraints.real

    def __init__(self, family: Any, eta: Array, link: InverseLink, scale: Array):
        self.family, self.eta, self.link, self.scale = family, jnp.asarray(eta), link, scale
        shape = jnp.broadcast_shapes(self.eta.shape, jnp.shape(scale))
        event = shape[len(shape) - family.event_ndim :]
        super().__init__(shape[: len(shape) - family.event_ndim], event, validate_args=False)

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Array:
        """Draw responses, shape ``sample_shape + batch_shape + event_shape``."""
        mean = self.family.mean(self.eta, self.link)
        mean = jnp.broadcast_to(mean, self.batch_shape + self.event_shape)
        if not sample_shape:
            return self.family.sample(key, mean, self.scale)
        count = int(jnp.prod(jnp.asarray(sample_shape)))
        draws = jax.vmap(lambda k: self.family.sample(k, mean, self.scale))(
            jax.random.split(key, count)
        )
        return draws.reshape(*sample_shape, *mean.shape)

    def log_prob(self, value: Array) -> Array:
        """Log-density, in nats."""
        return self.family.log_density(value, self.eta, self.link, self.scale)

    @property
    def mean(self) -> Array:
        """Expected response."""
        return self.family.expectation(self.family.mean(self.eta, self.link))

    @property
    def variance(self) -> Array:
        """Variance of the response."""
        return self.family.variance(self.family.mean(self.eta, self.link), self.scale)
