"""One of several classes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from typing_extensions import override

from bayesglm import links
from bayesglm.observation_models.base import Observations


class CategoricalObservations(Observations):
    r"""One-hot classes; the last axis of ``y``, ``eta`` and the mean is the class.

    What the inverse link gives, and what plays the part of the mean, are log-probabilities.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from bayesglm import links
    >>> from bayesglm.observation_models import CategoricalObservations
    >>> y, eta = jnp.array([1.0, 0.0, 0.0]), jnp.array([-90.0, 0.0, -90.0])
    >>> print(CategoricalObservations().log_density(y, eta, links.log_softmax, 1.0))
    -90.0
    """

    event_ndim = 1
    support = "one-hot classes"
    remedy = "Use `ClassifierGLM`, which encodes labels."

    @property
    @override
    def default_inverse_link_function(self):
        return links.log_softmax

    @override
    def log_density(self, y, eta, link, scale):
        log_probability = jnp.where(y == 0, 0.0, link(eta))
        return jnp.sum(y * log_probability, axis=-1)

    @override
    def fisher_weight(self, eta, link, scale):
        """Return the expected Hessian of the kernel, shape (..., C, C)."""
        rows = jnp.exp(link(eta))[..., :, None]
        return rows * (jnp.eye(rows.shape[-2], dtype=rows.dtype) - jnp.swapaxes(rows, -1, -2))

    @override
    def variance(self, mean, scale):
        """Variance of each class indicator; ``mean`` holds log-probabilities."""
        return jnp.exp(mean) * -jnp.expm1(mean)

    @override
    def unit_deviance(self, y, mean, scale):
        return -2.0 * self.log_density(y, mean, links.identity, scale)

    @override
    def distribution(self, eta, link, scale):
        from numpyro import distributions as dist

        return dist.Multinomial(total_count=1, logits=link(eta))

    @override
    def sample(self, key, mean, scale):
        return jax.nn.one_hot(jax.random.categorical(key, mean), mean.shape[-1])

    @override
    def likelihood(self, y, predicted_rate, scale=None, aggregate_sample_scores=None):
        """Geometric mean of the probabilities, or another aggregate of them."""
        if aggregate_sample_scores is None:
            return jnp.exp(self.log_likelihood(y, predicted_rate, scale))
        scores = self.log_likelihood(y, predicted_rate, scale, lambda x: x)
        return aggregate_sample_scores(jnp.exp(scores))

    @override
    def expectation(self, mean):
        return jnp.exp(mean)

    @override
    def average_to_mean(self, average):
        return jnp.log(jnp.maximum(average, jnp.finfo(average.dtype).eps))

    @override
    def starting_mean(self, y, average):
        return jnp.log(0.5 * (y + 1.0 / y.shape[-1]))

    @override
    def in_support(self, y):
        return np.isfinite(y) & (y >= 0) & (y <= 1)
