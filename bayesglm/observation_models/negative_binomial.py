"""Over-dispersed counts."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from typing_extensions import override

from bayesglm import _log_densities, _special, links
from bayesglm.observation_models._range import outside_is
from bayesglm.observation_models._settings import plain, positive_array
from bayesglm.observation_models.base import Observations


class NegativeBinomialObservations(Observations):
    r"""Counts with variance $\mu+\phi\mu^2$; by default $\mu=e^\eta$.

    Parameters
    ----------
    scale
        The dispersion $\phi>0$, one number or one per response; $\phi\to0$ is the Poisson.
        None estimates it by maximum likelihood together with the coefficients.

    Raises
    ------
    ValueError
        If ``scale`` is not numeric, or not positive.

    Examples
    --------
    >>> from bayesglm.observation_models import NegativeBinomialObservations
    >>> family = NegativeBinomialObservations(scale=0.5)
    >>> family, family.with_params(scale=None).scale_estimator
    (NegativeBinomialObservations(scale=0.5), 'likelihood')
    >>> print(family.variance(2.0, family.scale))
    4.0
    """

    scale: Any

    mean_range = (0.0, jnp.inf)
    support = "non-negative counts"
    remedy = "Counts cannot be negative; for real numbers use 'Gaussian'."
    is_count = True

    def __init__(self, scale: Any = 1.0):
        self.scale = None if scale is None else positive_array("scale", scale)

    @property
    @override
    def scale_estimator(self):
        return "likelihood" if self.scale is None else "fixed"

    @property
    @override
    def default_inverse_link_function(self):
        return links.exp

    @override
    @outside_is(-jnp.inf)
    def log_density(self, y, eta, link, scale):
        return _log_densities.negative_binomial(y, link.log_mean(eta), scale)

    @override
    @outside_is(jnp.inf)
    def kernel(self, y, eta, link, scale):
        log_odds = link.log_mean(eta) + jnp.log(scale)
        return -_special.log_sigmoid_sum(y, 1.0 / scale, log_odds)

    @override
    def variance(self, mean, scale):
        return mean + scale * jnp.square(mean)

    @override
    def unit_deviance(self, y, mean, scale):
        return _log_densities.negative_binomial_deviance(y, mean, scale)

    @override
    def distribution(self, eta, link, scale):
        from numpyro import distributions as dist

        return dist.NegativeBinomial2(link(eta), 1.0 / scale)

    @override
    def sample(self, key, mean, scale):
        shape = jnp.broadcast_shapes(jnp.shape(mean), jnp.shape(scale))
        gamma_key, poisson_key = jax.random.split(key)
        rate = jax.random.gamma(gamma_key, 1.0 / scale, shape) * (mean * scale)
        return jax.random.poisson(poisson_key, rate)

    @override
    def in_support(self, y):
        return np.isfinite(y) & (y >= 0)

    @override
    def get_params(self, deep=True):
        return {"scale": plain(self.scale)}
