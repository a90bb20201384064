"""Special functions that stay exact where the textbook form loses its digits.

All are pure, elementwise, twice differentiable, and follow the dtype of their argument.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erfc

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_MILLS_SWITCH = 5.0  # beyond it 28 terms of the continued fraction are exact to 1e-16
_STIRLING_SWITCH = 10.0  # beyond it 7 terms of Stirling's series are exact to 1e-16
_STIRLING_SHIFT = 10
_SERIES_SWITCH = -4.0  # below it ten terms in exp(x) are exact to 1e-17
_LOG1P_TERMS = tuple((-1.0) ** k / (k + 1) for k in range(1, 11))
_EXPM1_TERMS = tuple((-1.0) ** k / math.factorial(k + 1) for k in range(1, 11))
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


@jax.custom_jvp
def expm1(x: Array) -> Array:
    """``exp(x) - 1``; unlike JAX's its derivative, ``exp(x)``, is exact for ``x`` below -36."""
    return jnp.expm1(x)


@expm1.defjvp
def _expm1_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    return jnp.expm1(x), jnp.exp(x) * dx


def times_log(y: Array, log_x: Array) -> Array:
    """Return ``y * log_x``, and 0 with a zero gradient where ``y`` is 0, whatever ``log_x``."""
    return jnp.where(y == 0, 0.0, y * jnp.where(y == 0, 0.0, log_x))


def softplus(x: Array) -> Array:
    """``log(1 + exp(x))``; exact to rounding, and so are its derivatives, for every ``x``."""
    return jnp.where(x >= 0, x, 0.0) + jnp.log1p(jnp.exp(jnp.where(x >= 0, -x, x)))


def log_sigmoid_sum(successes: Array, failures: Array, z: Array) -> Array:
    r"""``successes * log(s) + failures * log(1 - s)`` with $s=1/(1+e^{-z})$, one exponential."""
    tail = jnp.log1p(jnp.exp(jnp.where(z >= 0, -z, z)))
    return jnp.where(z >= 0, -failures, successes) * z - (successes + failures) * tail


def log_softplus(x: Array) -> Array:
    """``log(log(1 + exp(x)))``, with every derivative's digits kept for very negative ``x``."""
    low = x < _SERIES_SWITCH
    near = jnp.where(low, x, _SERIES_SWITCH)
    far = jnp.where(low, 0.0, x)
    return jnp.where(low, _plus_log_series(near, _LOG1P_TERMS), jnp.log(softplus(far)))


def log_cloglog(x: Array) -> Array:
    """``log(1 - exp(-exp(x)))``, the log of a complementary log-log probability."""
    low, one = x < _SERIES_SWITCH, x > 7.0  # beyond, 1 - exp(-exp(7)) is 1 to rounding
    near = jnp.where(low, x, _SERIES_SWITCH)
    far = log1mexp(jnp.exp(jnp.where(low | one, 0.0, x)))
    return jnp.where(low, _plus_log_series(near, _EXPM1_TERMS), jnp.where(one, 0.0, far))


def _plus_log_series(x: Array, terms: tuple[float, ...]) -> Array:
    """``x + log(1 + t1 z + t2 z**2 + ...)`` with ``z = exp(x)``."""
    z = jnp.exp(x)
    series = jnp.zeros_like(z)
    for term in reversed(terms):
        series = (series + term) * z
    return x + jnp.log1p(series)


def log1mexp(a: Array) -> Array:
    """``log(1 - exp(-a))`` for ``a > 0``; -inf at 0 and NaN below.

    References
    ----------
    Mächler (2012), *Accurately computing log(1 - exp(-|a|))*, equation 7.
    """
    near = a < math.log(2.0)
    small = jnp.log(-jnp.expm1(-jnp.where(near, a, 1.0)))
    return jnp.where(near, small, jnp.log1p(-jnp.exp(-jnp.where(near, 1.0, a))))


def ratio_gap(a: Array, b: Array) -> Array:
    """Return ``a / b - 1 - log(a / b)`` for positive arguments; keeps its digits near 0."""
    x = (a - b) / b
    near = jnp.abs(x) < 0.02
    s = jnp.where(near, x, 0.0)
    series = jnp.zeros_like(s)
    for k in range(10, 1, -1):
        series = series * s + (-1) ** k / k
    return jnp.where(near, series * s * s, x - jnp.log(jnp.where(near, 1.0, a / b)))


def stirling_error(x: Array) -> Array:
    r"""Error of Stirling's formula, $\log\Gamma(x+1)-(x+\frac12)\log x+x-\frac12\log 2\pi$.

    Densities written with it need no difference of huge log-gammas.

    Parameters
    ----------
    x
        Positive.

    Returns
    -------
    About ``1 / (12 x)`` for large ``x``; absolute error below 1e-14 in float64.

    Notes
    -----
    A small ``x`` is moved up by ten with $\Gamma(x+1)=\Gamma(x+11)/((x+1)\cdots(x+10))$, so that
    no derivative needs a polygamma function.

    References
    ----------
    Loader (2000), *Fast and accurate computation of binomial probabilities*.
    """
    small = x < _STIRLING_SWITCH
    big = jnp.where(small, x + _STIRLING_SHIFT, x)
    inverse_square = 1.0 / (big * big)
    series = jnp.zeros_like(big)
    for coefficient in reversed(_STIRLING):
        series = series * inverse_square + coefficient
    low = jnp.where(small, x, 1.0)
    high, product = low + _STIRLING_SHIFT, jnp.ones_like(low)
    for i in range(1, _STIRLING_SHIFT):
        product = product * (low + i)
    logs = (low + 0.5) * jnp.log1p(_STIRLING_SHIFT / low) - jnp.log(product)
    shift = logs + (_STIRLING_SHIFT - 1) * jnp.log(high) - _STIRLING_SHIFT
    return series / big + jnp.where(small, shift, 0.0)


@jax.custom_jvp
def log_ndtr(x: Array) -> Array:
    r"""Log of the standard normal distribution function $\log\Phi(x)$, in nats.

    Relative error about 1e-15 in float64 for every ``x``, and the derivatives follow
    ($\lambda=\varphi/\Phi$, then $-\lambda(x+\lambda)$), with no difference of large numbers.

    References
    ----------
    Abramowitz and Stegun (1964), *Handbook of Mathematical Functions*, 26.2.14.
    """
    tail = x < -_MILLS_SWITCH
    t = jnp.where(tail, -x, _MILLS_SWITCH)
    far = -0.5 * t * t - jnp.log(t + _mills_excess(t)) - LOG_SQRT_2PI
    z = jnp.where(tail, -_MILLS_SWITCH, x)
    upper = 0.5 * erfc(jnp.abs(z) * math.sqrt(0.5))
    return jnp.where(tail, far, jnp.where(z > 0, jnp.log1p(-upper), jnp.log(upper)))


@log_ndtr.defjvp
def _log_ndtr_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    return log_ndtr(x), _inverse_mills(x)[0] * dx


@jax.custom_jvp
def _inverse_mills(x: Array) -> tuple[Array, Array]:
    r"""$\lambda=\varphi(x)/\Phi(x)$ and $x+\lambda$, each exact to rounding."""
    tail = x < -_MILLS_SWITCH
    t = jnp.where(tail, -x, _MILLS_SWITCH)
    excess = _mills_excess(t)
    z = jnp.where(tail, -_MILLS_SWITCH, x)
    ratio = jnp.exp(-0.5 * z * z - LOG_SQRT_2PI - log_ndtr(z))
    return jnp.where(tail, t + excess, ratio), jnp.where(tail, excess, z + ratio)


@_inverse_mills.defjvp
def _inverse_mills_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    ratio, excess = _inverse_mills(x)
    return (ratio, excess), (-ratio * excess * dx, (1.0 - ratio * excess) * dx)


def _mills_excess(t: Array) -> Array:
    r"""$\varphi(t)/\Phi(-t)-t=1/(t+2/(t+3/(t+\dots)))$ for ``t >= 5``."""
    fraction = t
    for k in range(28, 1, -1):
        fraction = t + k / fraction
    return 1.0 / fraction
