"""Inverse links and log-densities in arbitrary precision: ``density(y, mean, 1 - mean, scale)``."""

import functools

import mpmath as mp

TRIALS = 1e6  # of the binomial


# Means, and one minus them, in arbitrary precision.
# Each pair is written without cancellation at 60 digits: 1 - mean would lose a tail of 1e-304.
MEANS = {
    "exp": (mp.exp, lambda e: 1 - mp.exp(e)),
    "logistic": (lambda e: 1 / (1 + mp.exp(-e)), lambda e: 1 / (1 + mp.exp(e))),
    "softplus": (lambda e: mp.log1p(mp.exp(e)), None),
    "norm_cdf": (mp.ncdf, lambda e: mp.ncdf(-e)),
    "cloglog": (lambda e: -mp.expm1(-mp.exp(e)), lambda e: mp.exp(-mp.exp(e))),
    "identity": (lambda e: e, lambda e: 1 - e),
    "one_over_x": (lambda e: 1 / e, lambda e: 1 - 1 / e),
    "inverse_squared": (lambda e: 1 / mp.sqrt(e), None),
    "square": (lambda e: e * e, None),
}


def loggamma(x):
    return _loggamma(x, mp.mp.dps)


@functools.cache
def _loggamma(x, dps):
    return mp.loggamma(x)


def poisson(y, mean, complement, scale):
    return (y * mp.log(mean) if y else 0) - mean - loggamma(y + 1)


def gamma(y, mean, complement, scale):
    k = 1 / mp.mpf(scale)
    return (k - 1) * mp.log(y) + k * mp.log(k) - loggamma(k) - k * (y / mean + mp.log(mean))


def gaussian(y, mean, complement, scale):
    return -(mp.log(2 * mp.pi * scale) + (y - mean) ** 2 / scale) / 2


def bernoulli(y, mean, complement, scale):
    return mp.log(mean) if y else mp.log(complement)


def negative_binomial(y, mean, complement, scale):
    r = 1 / mp.mpf(scale)
    rising = loggamma(y + r) - loggamma(r) - loggamma(y + 1)
    return rising - r * mp.log1p(mean / r) + (y * mp.log(mean / (mean + r)) if y else 0)


def binomial(y, mean, complement, scale):
    n = mp.mpf(TRIALS)
    choose = loggamma(n + 1) - loggamma(y + 1) - loggamma(n - y + 1)
    return choose + (y and y * mp.log(mean)) + (n - y and (n - y) * mp.log(complement))


def inverse_gaussian(y, mean, complement, scale):
    return -(mp.log(2 * mp.pi * scale * y**3) + (y / mean - 1) ** 2 / (scale * y)) / 2


def student_t(y, mean, complement, scale):
    df = mp.mpf(4)
    constant = loggamma((df + 1) / 2) - loggamma(df / 2) - mp.log(df * mp.pi * scale) / 2
    return constant - (df + 1) / 2 * mp.log1p((y - mean) ** 2 / (df * scale))


def beta(y, mean, complement, scale):
    a, b = mean / scale, complement / scale
    constant = loggamma(1 / scale) - loggamma(a) - loggamma(b)
    return constant + (a - 1) * mp.log(y) + (b - 1) * mp.log1p(-y)


def tweedie(y, mean, complement, scale, power=1.5):
    """Sum of the series outwards from its largest term, until terms stop to matter."""
    p = mp.mpf(power)
    kernel = (y * mean ** (1 - p) / (p - 1) + mean ** (2 - p) / (2 - p)) / scale
    return -kernel + (_tweedie_constant(y, scale, p) if y else 0)


@functools.cache
def _tweedie_constant(y, scale, p):
    """Free of the mean: 60 digits serve differences of any precision, as they cancel."""
    with mp.workdps(60):
        return _tweedie_series(y, scale, p)


def _tweedie_series(y, scale, p):
    alpha = (2 - p) / (1 - p)
    log_z = alpha * mp.log((p - 1) / y) - mp.log(2 - p) - (1 - alpha) * mp.log(scale)
    peak = max(1, int(y ** (2 - p) / ((2 - p) * scale)))
    term = lambda j: mp.exp(j * log_z - mp.loggamma(1 + j) - mp.loggamma(-alpha * j))
    total, tiny = term(peak), mp.mpf(10) ** -30
    for direction in (1, -1):
        j = peak + direction
        while j > 0 and (one := term(j)) > tiny * total:
            total, j = total + one, j + direction
    return mp.log(total) - mp.log(y)
