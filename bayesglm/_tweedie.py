"""Tweedie log-density for powers between 1 and 2: a Poisson number of gamma amounts.

References
----------
Dunn and Smyth (2005), *Series evaluation of Tweedie exponential dispersion model densities*.
Trefethen and Weideman (2014), *The exponentially convergent trapezoidal rule*.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from bayesglm._special import LOG_SQRT_2PI, expm1, ratio_gap, stirling_error

NARROW, WIDE = 0.1, 0.99  # ends of ``power - 1`` within which polynomials have all digits
_NUM_TERMS = 110  # hold all of the series up to the largest limit, 40
_NUM_NODES = 24
_HALF_WIDTH = 12  # points on each side of the peak, 8.5 standard deviations
_UNROLL = 5


def log_density(
    y: Array, log_mean: Array, scale: Array, power: Array, *, polynomial: bool
) -> Array:
    r"""Tweedie log-density, in nats; a log-probability where ``y`` is 0.

    The terms of the series are taken relative to the saturated model, so that nothing cancels:
    $-D/2\phi-\log y+\log\sum_j\frac{\sqrt\beta}{2\pi}e^{-jg_j/(p-1)-\delta(j)-\delta(\beta j)}$
    with $g_j=j^*/j-1-\log(j^*/j)$, the peak $j^*=y^{2-p}/((2-p)\phi)$,
    $\beta=(2-p)/(p-1)$, $\delta$ the error of Stirling's formula and $D$ the unit deviance.

    Parameters
    ----------
    y
        Zero or positive.
    log_mean
        Log of the mean, in the log of the unit of ``y``.
    scale
        Dispersion $\phi$; the variance is $\phi\mu^p$.
    power
        $p$, strictly between 1 and 2.
    polynomial
        Whether the series is taken from polynomials, which a power within `NARROW` and `WIDE` of 1
        allows, and which takes a tenth of the time.
    """
    some = jnp.where(y == 0, 1.0, y)
    peak = jnp.exp((2.0 - power) * jnp.log(some)) / ((2.0 - power) * scale)
    constant = jnp.where(
        y == 0, 0.0, _log_series(peak, power, polynomial=polynomial) - jnp.log(some)
    )
    return constant - half_deviance(y, log_mean, power) / scale


def half_deviance(y: Array, log_mean: Array, power: Array) -> Array:
    """Half the unit deviance, before division by the scale; finite at ``y = 0``."""
    a, b = 2.0 - power, power - 1.0
    log_y = jnp.log(jnp.where(y == 0, 1.0, y))
    u = jnp.where(y == 0, 0.0, log_mean) - log_y
    positive = jnp.exp(a * log_y) * (expm1(a * u) / a + expm1(-b * u) / b)
    return jnp.where(y == 0, jnp.exp(a * log_mean) / a, positive)


def _log_series(peak: Array, power: Array, *, polynomial: bool) -> Array:
    """Log of the sum over the number of amounts, whose largest term is near ``peak``.

    It depends on the response and the dispersion by ``peak`` alone. Up to a limit it is a
    polynomial in a power of ``peak``, by Horner's rule; beyond, what the logarithm leaves over is
    all but a polynomial in ``1 / peak``, found from sums at the nodes of Chebyshev's. Where
    ``polynomial`` is False it is summed anew for every ``peak``.
    """
    power = jnp.asarray(power, peak.dtype)
    spread = power - 1.0  # variance of the number of amounts, per unit of the peak
    narrow = spread < NARROW
    limit = jnp.where(narrow, 1.0, jnp.maximum(40.0 * spread, 2.0 / spread))
    low = jnp.minimum(peak, limit)
    high = jnp.where(narrow, peak, jnp.maximum(peak, limit))
    log_high = _log_tail(high, limit, power) if polynomial else _log_sum(high, power)
    log_low = _log_powers(low, limit, power)
    constant = 0.5 * jnp.log((2.0 - power) / spread) - 2.0 * LOG_SQRT_2PI
    return jnp.where(narrow | (peak > limit), log_high, log_low) + constant


def _log_powers(peak: Array, limit: Array, power: Array) -> Array:
    """Log of the series for a ``peak`` up to ``limit``, where its coefficients are the terms."""
    number = _column(jnp.arange(1, _NUM_TERMS + 1), power)
    coefficients = jnp.exp(_log_term(number, limit, power))
    log_base = jnp.log(peak / limit) / (power - 1.0)
    base = jnp.exp(log_base)
    horner = lambda total, coefficient: (total * base + coefficient, None)
    total, _ = lax.scan(horner, jnp.zeros_like(base), coefficients, reverse=True, unroll=_UNROLL)
    return jnp.log(total) + log_base - (peak - limit) / (power - 1.0)


def _log_tail(peak: Array, limit: Array, power: Array) -> Array:
    """Log of the series for a ``peak`` of at least ``limit``, by Clenshaw's recurrence."""
    leading = lambda peak: 0.5 * jnp.log(2.0 * jnp.pi * (power - 1.0) * peak)
    angle = np.pi * (np.arange(_NUM_NODES) + 0.5) / _NUM_NODES
    nodes = limit / _column(0.5 + 0.5 * np.cos(angle), power)
    transform = np.cos(np.arange(_NUM_NODES)[:, None] * angle) * 2.0 / _NUM_NODES
    left_over = _log_sum(nodes, power) - leading(nodes)
    coefficients = jnp.tensordot(jnp.asarray(transform, peak.dtype), left_over, 1)
    x = 2.0 * limit / peak - 1.0

    def clenshaw(last, coefficient):
        return (coefficient + 2.0 * x * last[0] - last[1], last[0]), None

    zeros = jnp.zeros_like(x)
    (first, second), _ = lax.scan(
        clenshaw, (zeros, zeros), coefficients[1:], reverse=True, unroll=_UNROLL
    )
    return leading(peak) + 0.5 * coefficients[0] + x * first - second


def _log_sum(peak: Array, power: Array) -> Array:
    """Log of the series, from the terms around its peak.

    Where those are many, from fewer points: a trapezoid rule over the same smooth terms, whose
    error, ``exp(-2 (pi / step)**2)`` with the step in standard deviations, is below rounding.
    That needs a ``peak`` far from zero in standard deviations, or a power near 1.
    """
    spread = power - 1.0
    center = lax.stop_gradient(jnp.maximum(jnp.round(peak), 1.0))
    step = jnp.maximum(1.0, jnp.sqrt(0.5 * center * spread))
    first = jnp.maximum(center - _HALF_WIDTH * step, 1.0)
    reference = lax.stop_gradient(-center * ratio_gap(peak, center) / spread)

    def add(total, i):
        return total + jnp.exp(_log_term(first + i * step, peak, power) - reference), None

    points = jnp.arange(2 * _HALF_WIDTH + 1, dtype=peak.dtype)
    total, _ = lax.scan(add, jnp.zeros_like(reference), points)
    return jnp.log(step * total) + reference


def _log_term(number: Array, peak: Array, power: Array) -> Array:
    """Log of the term of ``number`` amounts, or of the smooth function through all terms."""
    beta = (2.0 - power) / (power - 1.0)
    smooth = -stirling_error(number) - stirling_error(beta * number)
    return smooth - number * ratio_gap(peak, number) / (power - 1.0)


def _column(values: Array, power: Array) -> Array:
    """Values along a new first axis of what has the shape of ``power``."""
    return jnp.asarray(values, power.dtype).reshape(-1, *(1,) * power.ndim)
