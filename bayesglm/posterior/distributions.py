"""The distribution of each family's responses in SciPy; responses drawn with NumPy."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

# Distributions of SciPy, and their parameters from the mean, the dispersion, and the number of
# trials or the degrees of freedom.
DISTRIBUTIONS = {
    "PoissonObservations": (stats.poisson, lambda m, s, n: [m]),
    "BernoulliObservations": (stats.binom, lambda m, s, n: [np.asarray(n, int), m]),
    "BinomialObservations": (stats.binom, lambda m, s, n: [np.asarray(n, int), m]),
    "NegativeBinomialObservations": (stats.nbinom, lambda m, s, n: [1 / s, 1 / (1 + s * m)]),
    "GammaObservations": (stats.gamma, lambda m, s, n: [1 / s, 0 * m, m * s]),
    "GaussianObservations": (stats.norm, lambda m, s, n: [m, np.sqrt(s)]),
    "InverseGaussianObservations": (stats.invgauss, lambda m, s, n: [m * s, 0 * m, 1 / s]),
    "BetaObservations": (stats.beta, lambda m, s, n: [m / s, (1 - m) / s]),
    "StudentTObservations": (stats.t, lambda m, s, n: [n, m, np.sqrt(s)]),
}


def has_distribution(observations: Any) -> bool:
    """Whether SciPy has the distribution of a family's responses."""
    return type(observations).__name__ in DISTRIBUTIONS


def setting_of_rows(observations: Any, rows: slice) -> np.ndarray:
    """Trials or degrees of freedom of some rows, broadcastable to (n, K)."""
    trials = np.asarray(getattr(observations, "trials", 1))
    degrees = np.asarray(getattr(observations, "df", 1.0))
    return np.atleast_2d(trials[rows] if trials.ndim else degrees * trials)


def shapes_of(
    observations: Any, mean: np.ndarray, scale: np.ndarray, setting: np.ndarray
) -> tuple[Any, list[np.ndarray]]:
    """Return SciPy's distribution of a family and its parameters.

    Parameters
    ----------
    observations
        The family.
    mean, scale, setting
        Means, dispersions and what `setting_of_rows` gives; they broadcast.
    """
    kind, of_family = DISTRIBUTIONS[type(observations).__name__]
    return kind, of_family(mean, scale, setting)


def draw_responses(
    observations: Any,
    mean: np.ndarray,
    scale: np.ndarray,
    setting: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """One response for each mean, of its shape; numbers of classes, without their axis.

    NumPy's generators are some ten times as fast on a CPU as those of JAX, which draw for families
    that SciPy does not have.

    Parameters
    ----------
    observations, mean, scale, setting
        As in `shapes_of`; log-probabilities (..., C) for classes.
    rng
        Generator.
    """
    if observations.event_ndim:
        cumulative = np.cumsum(np.exp(mean), axis=-1)
        uniform = rng.uniform(size=(*mean.shape[:-1], 1)) * cumulative[..., -1:]
        return np.sum(uniform > cumulative, axis=-1)
    if type(observations).__name__ == "TweedieObservations":
        return _draw_tweedie(rng, mean, scale, np.asarray(observations.power))
    if has_distribution(observations):
        kind, shapes = shapes_of(observations, mean, scale, setting)
        return kind.rvs(*shapes, size=mean.shape, random_state=rng)
    key = jax.random.key(rng.integers(2**31))
    return np.asarray(observations.sample(key, jnp.asarray(mean), jnp.asarray(scale)))


def _draw_tweedie(
    rng: np.random.Generator, mean: np.ndarray, scale: np.ndarray, power: np.ndarray
) -> np.ndarray:
    """Draw sums of a Poisson number of gamma amounts."""
    a, b = 2.0 - power, power - 1.0
    return rng.gamma(rng.poisson(mean**a / (a * scale)) * a / b, scale * b * mean**b)
