"""Tweedie log-density for powers between 1 and 2: a Poisson number of gamma amounts.

References
----------
Dunn and Smyth (2005), *Series evaluation of Tweedie exponential dispersion model densities*.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from bayesglm._special import LOG_SQRT_2PI, expm1, ratio_gap, stirling_error

_MANY = 100.0  # peaks beyond it are summed in steps of half a standard deviation
_NUM_TERMS = 220  # terms up to it hold the whole series whose peak is at most `_MANY`
_HALF_WIDTH = 12.0  # standard deviations on each side of a far peak


def log_density(y: Array, log_mean: Array, scale: Array, power: Array) -> Array:
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
    """
    some = jnp.where(y == 0, 1.0, y)
    peak = jnp.exp((2.0 - power) * jnp.log(some)) / ((2.0 - power) * scale)
    constant = jnp.where(y == 0, 0.0, _log_series(peak, power) - jnp.log(some))
    return constant - half_deviance(y, log_mean, power) / scale


def half_deviance(y: Array, log_mean: Array, power: Array) -> Array:
    """Half the unit deviance, before division by the scale; finite at ``y = 0``."""
    a, b = 2.0 - power, power - 1.0
    log_y = jnp.log(jnp.where(y == 0, 1.0, y))
    u = jnp.where(y == 0, 0.0, log_mean) - log_y
    positive = jnp.exp(a * log_y) * (expm1(a * u) / a + expm1(-b * u) / b)
    return jnp.where(y == 0, jnp.exp(a * log_mean) / a, positive)


def _log_series(peak: Array, power: Array) -> Array:
    """Log of the sum over the number of amounts, whose largest term is near ``peak``.

    Around a far peak the sum is a trapezoid rule over the same smooth terms, whose error,
    ``exp(-2 (pi / step)**2)`` with the step in standard deviations, is below rounding.
    """
    power = jnp.asarray(power, peak.dtype)
    beta = (2.0 - power) / (power - 1.0)
    far = peak > _MANY
    center = jax.lax.stop_gradient(jnp.where(far, jnp.round(peak), 1.0))
    spread = jnp.sqrt(center * (power - 1.0))
    step = jnp.where(far & (spread > 2.0), 0.5 * spread, 1.0)
    step = jax.lax.stop_gradient(step)
    width = jnp.floor(_HALF_WIDTH * spread / step)
    first = jnp.where(far, center - width * step, 1.0)
    last = jnp.where(far, center + width * step, float(_NUM_TERMS))

    def log_term(j):
        smooth = -stirling_error(j) - stirling_error(beta * j)
        return smooth - j * ratio_gap(peak, j) / (power - 1.0)

    reference = jax.lax.stop_gradient(log_term(jnp.maximum(1.0, jnp.round(peak))))

    def add(total, k):
        j = first + k * step
        term = jnp.exp(log_term(jnp.maximum(j, 1.0)) - reference)
        return total + jnp.where((j >= 1.0) & (j <= last), term, 0.0), None

    total, _ = jax.lax.scan(add, jnp.zeros_like(peak), jnp.arange(_NUM_TERMS, dtype=peak.dtype))
    constant = 0.5 * jnp.log(beta) - 2.0 * LOG_SQRT_2PI
    return jnp.log(step) + jnp.log(total) + reference + constant
