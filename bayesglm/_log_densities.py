"""Pointwise log-densities, in nats, in coordinates that keep their digits.

Each takes the response and the log of its mean (or what else is exact), broadcasts, is twice
differentiable and has no clip. Large responses go through deviances from the saturated model
(saddle-point form), because differences of log-gammas of size 1e7 leave no digits.

References
----------
Loader (2000), *Fast and accurate computation of binomial probabilities*;
McCullagh and Nelder (1989), *Generalized Linear Models*, 2nd ed., Table 2.1.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import gammaln

from bayesglm._special import (
    LOG_SQRT_2PI,
    expm1,
    ratio_gap,
    softplus,
    stirling_error,
    times_log,
)

_FAR = 30.0  # |log(mean / y)| beyond which expm1 is replaced by log-sum-exp forms


def poisson(y: Array, log_mean: Array, mean: Array) -> Array:
    r"""Poisson log mass $y\log\mu-\mu-\log\Gamma(y+1)$, in nats.

    Parameters
    ----------
    y
        Counts per bin; a non-integer gives the continuous extension.
    log_mean
        Log of the expected count; not used where ``y`` is 0.
    mean
        The expected count.

    Returns
    -------
    One value per element; ``-inf`` where ``mean`` overflows. Never raises.
    """
    small = y < 10
    few = jnp.where(small, y, 0.0)
    direct = times_log(few, log_mean) - jnp.where(small, mean, 0.0) - gammaln(few + 1.0)
    many = jnp.where(small, 10.0, y)
    u = log_mean - jnp.log(many)
    saddle = -many * (expm1(u) - u) - stirling_error(many) - LOG_SQRT_2PI - 0.5 * jnp.log(many)
    return jnp.where(small, direct, saddle)


def gamma(y: Array, log_mean: Array, scale: Array) -> Array:
    r"""Gamma log-density with shape $k=1/\phi$ and mean $\mu$, in nats.

    $(k-1)\log y+k\log k-\log\Gamma(k)-k(y/\mu+\log\mu)$, with $v=\log(y/\mu)$ written as
    $-\log y-k(e^v-1-v)-\delta(k)+\frac12\log(k/2\pi)$, $\delta$ the `stirling_error`.

    Parameters
    ----------
    y
        Positive.
    log_mean
        Log of the mean, in the log of the unit of ``y``.
    scale
        Dispersion $\phi$, the squared coefficient of variation.
    """
    shape, log_y = 1.0 / scale, jnp.log(y)
    v = log_y - log_mean
    constant = 0.5 * jnp.log(shape) - LOG_SQRT_2PI - stirling_error(shape)
    return constant - log_y - shape * (expm1(v) - v)


def gaussian(y: Array, mean: Array, variance: Array) -> Array:
    """Log-density of a normal variable, in nats; ``variance`` in squared units of ``y``."""
    return -0.5 * jnp.log(variance) - LOG_SQRT_2PI - 0.5 * jnp.square(y - mean) / variance


def negative_binomial(y: Array, log_mean: Array, dispersion: Array) -> Array:
    r"""Negative binomial log mass with mean $\mu$ and variance $\mu+\phi\mu^2$, in nats.

    Tends to the Poisson's as $\phi\to0$ without losing digits: with $r=1/\phi$ it is
    $\delta(y+r)-\delta(r)-\delta(y)-\frac12\log 2\pi y-\frac12\log(1+y/r)-D/2$, where $D$ is
    the unit deviance and $\delta$ the `stirling_error`.

    Parameters
    ----------
    y
        Counts per bin.
    log_mean
        Log of the expected count.
    dispersion
        $\phi>0$, dimensionless.
    """
    size = 1.0 / dispersion
    none = y == 0
    zero = -size * softplus(log_mean + jnp.log(dispersion))
    some = jnp.where(none, 1.0, y)
    constant = stirling_error(some + size) - stirling_error(size) - stirling_error(some)
    constant = constant - LOG_SQRT_2PI - 0.5 * (jnp.log(some) + jnp.log1p(some * dispersion))
    inner = jnp.where(none, 0.0, log_mean) + jnp.log(dispersion)
    return jnp.where(none, zero, constant - _binomial_gap(some, size, inner))


def binomial(y: Array, trials: Array, log_odds: Array, extreme: Array) -> Array:
    """Binomial log mass of ``y`` successes, in nats.

    Parameters
    ----------
    y, trials
        Successes and trials, ``0 <= y <= trials``.
    log_odds
        Log-odds of a success.
    extreme
        The answer where ``y`` is 0 or ``trials``.
    """
    all_same = (y == 0) | (y == trials)
    some = jnp.where(all_same, 1.0, y)
    rest = jnp.where(all_same, 1.0, trials - y)
    total = some + rest
    constant = stirling_error(total) - stirling_error(some) - stirling_error(rest) - LOG_SQRT_2PI
    constant = constant + 0.5 * (jnp.log(total) - jnp.log(some) - jnp.log(rest))
    return jnp.where(all_same, extreme, constant - _binomial_gap(some, rest, log_odds))


def inverse_gaussian(y: Array, reciprocal: Array, scale: Array) -> Array:
    r"""Inverse Gaussian log-density with variance $\phi\mu^3$, in nats.

    Parameters
    ----------
    y
        Positive.
    reciprocal
        One over the mean.
    scale
        Dispersion $\phi$, in the inverse of the unit of ``y``.
    """
    gap = jnp.square(y * reciprocal - 1.0) / (2.0 * scale * y)
    return -0.5 * jnp.log(scale) - LOG_SQRT_2PI - 1.5 * jnp.log(y) - gap


def student_t(y: Array, mean: Array, scale: Array, df: Array) -> Array:
    r"""Student's t log-density with location ``mean``, in nats.

    Parameters
    ----------
    y, mean
        Any numbers.
    scale
        Squared scale parameter, in squared units of ``y``; the variance is
        ``scale * df / (df - 2)``.
    df
        Degrees of freedom; the density tends to the normal's without losing digits.
    """
    half = 0.5 * df
    # log Gamma(half + 1/2) - log Gamma(half) - log(half) / 2, by Stirling's formula for both
    ratio = half * jnp.log1p(0.5 / half) - 0.5 + stirling_error(half + 0.5) - stirling_error(half)
    kernel = (half + 0.5) * jnp.log1p(jnp.square(y - mean) / (scale * df))
    return ratio - LOG_SQRT_2PI - 0.5 * jnp.log(scale) - kernel


def beta(y: Array, log_mean: Array, log_complement: Array, log_odds: Array, scale: Array) -> Array:
    r"""Beta log-density with mean $\mu$ and precision $1/\phi$, in nats.

    The shapes are $a=\mu/\phi$ and $b=(1-\mu)/\phi$; the variance is
    $\mu(1-\mu)\phi/(1+\phi)$.

    Parameters
    ----------
    y
        Strictly between 0 and 1.
    log_mean, log_complement
        Logs of the mean and of one minus it.
    log_odds
        Their difference.
    scale
        Dispersion $\phi>0$, dimensionless.
    """
    log_y, log_rest, log_scale = jnp.log(y), jnp.log1p(-y), jnp.log(scale)
    log_a, log_b = log_mean - log_scale, log_complement - log_scale
    gap = _binomial_gap(jnp.exp(log_a), jnp.exp(log_b), log_y - log_rest, log_odds)
    constant = stirling_error(1.0 / scale) + 0.5 * log_scale - LOG_SQRT_2PI
    return constant + _log_weight(log_a) + _log_weight(log_b) - log_y - log_rest - gap


def _log_weight(log_x: Array) -> Array:
    """``log(x) / 2`` minus the `stirling_error` of ``x``, also where ``x`` underflows."""
    tiny = log_x < -80.0
    inner = jnp.where(tiny, 0.0, log_x)
    exact = 0.5 * inner - stirling_error(jnp.exp(inner))
    return jnp.where(tiny, log_x + LOG_SQRT_2PI, exact)


def _binomial_gap(
    successes: Array, failures: Array, log_odds: Array, own_log_odds: Array | None = None
) -> Array:
    r"""Half the deviance of positive ``successes`` and ``failures`` from given odds.

    $s\log\frac{s}{(s+f)p}+f\log\frac{f}{(s+f)(1-p)}$ with $\log\frac{p}{1-p}$ the
    ``log_odds``; at least 0. ``own_log_odds`` is $\log(s/f)$, if it is known better.
    """
    total = successes + failures
    own = jnp.log(successes) - jnp.log(failures) if own_log_odds is None else own_log_odds
    u = log_odds - own
    far = jnp.abs(u) > _FAR
    near = jnp.where(far, 0.0, u)
    hits = jnp.log1p(failures / total * expm1(-near))
    hits = jnp.where(far, softplus(-log_odds) - softplus(-own), hits)
    misses = jnp.log1p(successes / total * expm1(near))
    misses = jnp.where(far, softplus(log_odds) - softplus(own), misses)
    return successes * hits + failures * misses


def binomial_deviance(y: Array, trials: Array, mean: Array) -> Array:
    """Binomial deviance of ``y`` successes at probability ``mean``."""
    return trials * bernoulli_deviance(y / trials, mean)


def poisson_deviance(y: Array, mean: Array) -> Array:
    """Poisson unit deviance ``2 (y log(y / mean) - y + mean)``; finite at ``y = 0``."""
    some = jnp.where(y == 0, 1.0, y)
    return 2.0 * jnp.where(y == 0, mean, some * ratio_gap(mean, some))


def gamma_deviance(y: Array, mean: Array) -> Array:
    """Gamma unit deviance ``2 (y / mean - 1 - log(y / mean))``, before division by the scale."""
    return 2.0 * ratio_gap(y, mean)


def bernoulli_deviance(y: Array, mean: Array) -> Array:
    """Bernoulli unit deviance; finite at ``y`` 0 and 1, and for fractions."""
    fraction = poisson_deviance(y, mean) + poisson_deviance(1.0 - y, 1.0 - mean)
    certain = -2.0 * jnp.where(y == 0, jnp.log1p(-mean), jnp.log(mean))
    return jnp.where((y == 0) | (y == 1), certain, fraction)


def negative_binomial_deviance(y: Array, mean: Array, dispersion: Array) -> Array:
    """Negative binomial unit deviance; finite at ``y = 0``."""
    size = 1.0 / dispersion
    some = jnp.where(y == 0, 1.0, y)
    gap = _binomial_gap(some, size, jnp.log(mean) + jnp.log(dispersion))
    return 2.0 * jnp.where(y == 0, size * jnp.log1p(dispersion * mean), gap)
