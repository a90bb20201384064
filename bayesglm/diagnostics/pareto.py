r"""Pareto-smoothed importance weights of many cells at once.

The definitions are ArviZ's, whose function takes cells one by one, at thirty times the cost. The
largest ratios of each cell are replaced by quantiles of the generalised Pareto distribution that
fits them, with shape k: mean and variance of the weights are finite for k below 1 and 1/2.

References
----------
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, *Journal of
Machine Learning Research* 25(72). Zhang and Stephens (2009), A new and efficient estimation method
for the generalized Pareto distribution, *Technometrics* 51, 316-325.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayesglm._compiled import compiled

SHORTEST_TAIL = 5
PRIOR_SHAPE, PRIOR_SIZE = 0.5, 10  # of k: as if so many ratios had shown it
NEGLIGIBLE = 10 * float(np.finfo(float).eps)  # weight of a grid point
FACTORS = 8  # of which one logarithm is taken: the largest product stays far below overflow


def tail_length(num_draws: int, relative_efficiency: float = 1.0) -> int:
    """Count the ratios that are smoothed.

    Parameters
    ----------
    num_draws
        Number of draws S.
    relative_efficiency
        Effective sample size over S.

    Examples
    --------
    >>> tail_length(4000)
    189
    """
    if num_draws * relative_efficiency > 225:
        return int(3 * np.sqrt(num_draws / relative_efficiency))
    return num_draws // 5


def good_shape(num_draws: int) -> float:
    """Largest shape k with which this many draws give a useful estimate.

    Examples
    --------
    >>> print(good_shape(100), good_shape(4000))
    0.5 0.7
    """
    return min(1 - 1 / np.log10(num_draws), 0.7) if num_draws > 1 else 0.7


def smooth(log_ratio: Any, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth the largest importance ratios of each cell.

    Parameters
    ----------
    log_ratio
        Logs of ratios, up to a constant, shape (N, S).
    length
        Number of them in the tail, see `tail_length`.

    Returns
    -------
    Log weights, shape (N, S), whose largest is at most zero, and k, shape (N,). Where no Pareto
    distribution fits (fewer than 5 ratios in the tail, or equal ones) weights are not smoothed and
    k is infinite; ratios that are all equal need none, and have a k of zero. Infinite ratios share
    all the weight.

    Examples
    --------
    >>> import numpy as np
    >>> ratio = np.random.default_rng(0).pareto(1 / 0.8, size=(100, 4000))  # k is 0.8
    >>> with jax.enable_x64(True):
    ...     log_weight, k = smooth(np.log(ratio), tail_length(4000))
    >>> print(k.mean().round(1))
    0.8
    """
    largest = np.max(log_ratio, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        log_weight = log_ratio - largest
        infinite = np.isinf(largest[:, 0])
        log_weight[infinite] = np.where(log_ratio[infinite] == np.inf, 0.0, -np.inf)
        equal = np.ptp(log_weight, axis=1) < np.finfo(float).eps
    if length < SHORTEST_TAIL:
        return log_weight, np.where(equal, 0.0, np.inf)
    # XLA sorts a hundred times slower, NumPy's partial sort is vectorised.
    order = np.argpartition(log_weight, -length - 1, axis=1)[:, -length - 1 :]
    tail = np.take_along_axis(log_weight, order, axis=1)
    rank = np.argsort(tail, axis=1)
    order, tail = (np.take_along_axis(a, rank, axis=1) for a in (order, tail))
    smoothed, k = _smoothed_tail(tail)
    np.put_along_axis(log_weight, order[:, 1:], np.asarray(smoothed), axis=1)
    return log_weight, np.where(equal, 0.0, k)


@compiled
def _smoothed_tail(ordered):
    """Smoothed log ratios (N, M) and k (N,), from sorted ones (N, M + 1), the first a cutoff."""
    cutoff, tail = jnp.exp(ordered[:, :1]), ordered[:, 1:]
    k, sigma = fit(jnp.exp(tail) - cutoff)
    M = tail.shape[1]
    survival = jnp.log1p(-(jnp.arange(M) + 0.5) / M)
    excess = sigma[:, None] * jnp.expm1(-k[:, None] * survival) / k[:, None]
    smoothed = jnp.minimum(jnp.log(cutoff + excess), tail[:, -1:])
    fits = jnp.isfinite(k) & (sigma > 0)
    return jnp.where(fits[:, None], smoothed, tail), jnp.where(fits, k, jnp.inf)


def fit(excess: Any) -> tuple[Any, Any]:
    """Shape k and scale of generalised Pareto distributions, by Zhang and Stephens's estimator.

    Parameters
    ----------
    excess
        Sorted excesses over a threshold, shape (N, M).

    Returns
    -------
    k, shrunk to 0.5 as if that had been seen ten times, and the scale, both (N,).
    """
    M = excess.shape[1]
    size = 30 + int(M**0.5)
    quartile, largest = excess[:, int(M / 4 + 0.5) - 1, None], excess[:, -1:]
    grid = (1 - jnp.sqrt(size / (jnp.arange(1, size + 1) - 0.5))) / (3 * quartile) + 1 / largest
    k = _mean_log(grid, excess)
    log_likelihood = M * (jnp.log(-grid / k) - k - 1)
    weight = jax.nn.softmax(log_likelihood, axis=1)
    weight = jnp.where(weight >= NEGLIGIBLE, weight, 0.0)
    theta = jnp.sum(weight * grid, axis=1) / jnp.sum(weight, axis=1)
    k = jnp.mean(jnp.log1p(-theta[:, None] * excess), axis=1)
    return (M * k + PRIOR_SIZE * PRIOR_SHAPE) / (M + PRIOR_SIZE), -k / theta


def _mean_log(grid, excess):
    """Means over excesses of ``log(1 - grid * excess)``, shape (N, size); products are cheaper."""
    N, M = excess.shape
    x = jnp.pad(excess, ((0, 0), (0, -M % FACTORS))).reshape(N, 1, -1, FACTORS)
    products = jnp.prod(1 - grid[:, :, None, None] * x, axis=-1)
    return jnp.sum(jnp.log(products), axis=-1) / M
