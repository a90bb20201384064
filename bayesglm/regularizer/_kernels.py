"""Pure functions of arrays that penalties are made of."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax.scipy.special import gammaln, log_ndtr

Array = Any


def per_response(values: Array) -> Array:
    """Sum over features (and classes): one value per response, shape (K,)."""
    return jnp.sum(values, axis=(0, *range(2, values.ndim)))


def by_response(values: Array) -> Array:
    """Move the responses first and flatten the rest, feature by feature: shape (K, m)."""
    return jnp.moveaxis(values, 1, 0).reshape(values.shape[1], -1)


def over_responses(values: Array, coef: Array) -> Array:
    """One value per response, or one for all, shaped to broadcast to the coefficients."""
    return jnp.reshape(values, (1, -1, *(1,) * (coef.ndim - 2)))


def soft_threshold(coef: Array, threshold: Array) -> Array:
    r"""Move each coefficient towards zero by ``threshold``, and no further than zero."""
    return jnp.sign(coef) * jnp.maximum(jnp.abs(coef) - threshold, 0.0)


def log_elastic_net_normalizer(l1: Array, l2: Array) -> Array:
    r"""Log of $\int \exp(-\tfrac12 l_2 w^2 - l_1 |w|)\,dw$, elementwise, in nats.

    With $t = l_1/\sqrt{l_2}$ the integral is $2 M(t)/\sqrt{l_2}$, where $M$ is the Mills ratio of
    the normal distribution: from the log of the distribution function where $t < 18$, beyond from
    its asymptotic series, in which the Laplace distribution ($l_2 = 0$) is no special case.

    Returns
    -------
    Relative error below 1e-13 in double precision; zero where both are zero (a flat prior).

    References
    ----------
    Abramowitz and Stegun (1964), *Handbook of Mathematical Functions*, 26.2.12.
    """
    l1, l2 = jnp.broadcast_arrays(l1, l2)
    heavy = l1 * l1 > 324.0 * l2
    flat = (l1 == 0) & (l2 == 0)
    safe_l2 = jnp.where(heavy | flat, 1.0, l2)
    t = jnp.where(heavy | flat, 0.0, l1) / jnp.sqrt(safe_l2)
    log_mills = log_ndtr(-t) + 0.5 * t * t + 0.5 * math.log(2.0 * math.pi)
    normal = math.log(2.0) - 0.5 * jnp.log(safe_l2) + log_mills
    safe_l1 = jnp.where(heavy, l1, 1.0)
    inverse = jnp.where(heavy, l2, 0.0) / safe_l1**2
    series = 0.0
    for odd in (13, 11, 9, 7, 5, 3, 1):
        series = -odd * inverse * (1.0 + series)
    laplace = math.log(2.0) - jnp.log(safe_l1) + jnp.log1p(series)
    return jnp.where(flat, 0.0, jnp.where(heavy, laplace, normal))


def log_group_normalizer(rate: Array, size: Array) -> Array:
    r"""Log of $\int_{R^d} \exp(-\lambda\lVert w\rVert_2)\,dw$, elementwise, in nats.

    It is $2\pi^{d/2}\,\Gamma(d) / (\Gamma(d/2)\,\lambda^d)$, by integration over spheres.

    Parameters
    ----------
    rate
        $\lambda$, not negative.
    size
        Number of dimensions $d \ge 1$.

    Returns
    -------
    Zero where the rate is zero (a flat prior).
    """
    flat = rate == 0
    log_rate = jnp.log(jnp.where(flat, 1.0, rate))
    sphere = math.log(2.0) + 0.5 * size * math.log(math.pi) - gammaln(0.5 * size)
    return jnp.where(flat, 0.0, sphere + gammaln(size) - size * log_rate)
