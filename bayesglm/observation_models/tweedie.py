"""Non-negative amounts with exact zeros."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from typing_extensions import override

from bayesglm import _tweedie, links
from bayesglm.observation_models._range import outside_is
from bayesglm.observation_models._settings import cast, plain, positive_array
from bayesglm.observation_models.base import Observations


class TweedieObservations(Observations):
    r"""Sums of a Poisson number of gamma amounts: variance $\phi\mu^p$; by default $\mu=e^\eta$.

    The scale $\phi$ is estimated by Pearson's statistic.

    Parameters
    ----------
    power
        $p$, strictly between 1 and 2. The ends and the rest are other families: 0 'Gaussian',
        1 'Poisson', 2 'Gamma', 3 'InverseGaussian'.

    Raises
    ------
    ValueError
        If ``power`` is not strictly between 1 and 2.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from bayesglm import links
    >>> from bayesglm.observation_models import TweedieObservations
    >>> family = TweedieObservations(power=1.5)
    >>> print(jnp.exp(family.log_density(0.0, 0.0, links.exp, 2.0)).round(4))
    0.3679
    """

    power: Any
    polynomial: bool = eqx.field(static=True, default=False)  # the series of the density

    mean_range = (0.0, jnp.inf)
    scale_estimator = "moments"
    support = "non-negative numbers"
    remedy = "Amounts cannot be negative; for real numbers use 'Gaussian'."

    def __init__(self, power: Any = 1.5):
        self.power = positive_array("power", power)
        if not (np.all(self.power > 1) and np.all(self.power < 2)):
            raise ValueError(
                f"`power` must be strictly between 1 and 2; got {power!r}. For 0, 1, 2 and 3 use "
                "'Gaussian', 'Poisson', 'Gamma' and 'InverseGaussian'."
            )
        spread = self.power - 1
        self.polynomial = bool(np.all((spread >= _tweedie.NARROW) & (spread <= _tweedie.WIDE)))

    @property
    @override
    def default_inverse_link_function(self):
        return links.exp

    @override
    @outside_is(-jnp.inf)
    def log_density(self, y, eta, link, scale):
        log_mean, power = link.log_mean(eta), cast(self.power, y, eta)
        return _tweedie.log_density(y, log_mean, scale, power, polynomial=self.polynomial)

    @override
    @outside_is(jnp.inf)
    def kernel(self, y, eta, link, scale):
        log_mean, power = link.log_mean(eta), cast(self.power, y, eta)
        a, b = 2.0 - power, power - 1.0
        return y * jnp.exp(-b * log_mean) / b + jnp.exp(a * log_mean) / a

    @override
    def kernel_factor(self, scale):
        return scale

    @override
    def variance(self, mean, scale):
        return scale * mean**self.power

    @override
    def unit_deviance(self, y, mean, scale):
        return 2.0 * _tweedie.half_deviance(y, jnp.log(mean), cast(self.power, y, mean)) / scale

    @override
    def sample(self, key, mean, scale):
        a, b = 2.0 - self.power, self.power - 1.0
        shape = jnp.broadcast_shapes(jnp.shape(mean), jnp.shape(scale))
        number_key, amount_key = jax.random.split(key)
        number = jax.random.poisson(number_key, mean**a / (a * scale), shape)
        amounts = jax.random.gamma(amount_key, jnp.maximum(number, 1) * a / b, shape)
        return jnp.where(number == 0, 0.0, amounts * scale * b * mean**b)

    @override
    def in_support(self, y):
        return np.isfinite(y) & (y >= 0)

    @override
    def get_params(self, deep=True):
        return {"power": plain(self.power)}
