r"""Gaussian models with normal priors, in closed form but for one integral.

Given the dispersion :math:`\phi`, coefficients and intercept are normal, with precision
:math:`A/\phi+B`; what is left is the posterior of :math:`\log\phi`, one-dimensional and tabulated.

References
----------
Gelman et al. (2013), *Bayesian Data Analysis*, 3rd ed., section 14.2.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from bayesglm._compiled import compiled, in_batches
from bayesglm._module import Module
from bayesglm.glm.log_posterior import LogPosterior
from bayesglm.inference.laplace import times

GRID = 401  # values of the log dispersion
REACH = 24.0  # of the first table, to either side of the start
NEGLIGIBLE = 40.0  # below the largest log density
ZOOMS = 4  # tables, each of where the one before it was not negligible
PROBES = (-1.0, 1.0)  # log dispersions, about the start, that tell A from B


def applies(density: LogPosterior) -> bool:
    """Whether the posterior given the dispersion is normal."""
    likelihood, prior = density.likelihood, density.prior
    gaussian = type(likelihood.observations).__name__ == "GaussianObservations"
    return gaussian and likelihood.link.__name__ == "identity" and prior.normal


@compiled
def _quadratic(density: LogPosterior, start: Any) -> tuple[Any, Any, Any, Any]:
    """Precisions A, B and slopes a, b of ``A / phi + B`` at ``start``, per response."""
    main = density.num_main

    def at(shift):
        theta = start.at[:, main].add(shift)
        precision = density.precision(theta)[:, :main, :main]
        return precision, density.value_and_gradient(theta)[1][:, :main]

    (first, slope_first), (second, slope_second) = map(at, PROBES)
    inverse = [jnp.exp(-(start[:, main] + shift)) for shift in PROBES]
    gap = inverse[0] - inverse[1]
    A, a = (first - second) / gap[:, None, None], (slope_first - slope_second) / gap[:, None]
    return A, first - inverse[0][:, None, None] * A, a, slope_first - inverse[0][:, None] * a


class Conditional(Module):
    r"""The normal posterior given the dispersion, in coordinates in which it is independent.

    At the dispersion :math:`\phi_0` all precisions are one, of which the data give a ``share``; at
    another they are :math:`(\phi_0/\phi)\,\text{share}+1-\text{share}`.

    Parameters
    ----------
    share, data_slope, prior_slope
        Shapes (K, d).
    back
        Matrices (K, d, d) from these coordinates to parameters, less ``start``.
    middle
        Log of :math:`\phi_0`, shape (K,).
    """

    share: Any
    data_slope: Any
    prior_slope: Any
    back: Any
    middle: Any

    def given(self, log_scale: Any) -> tuple[Any, Any]:
        """Means and precisions (..., K, d) at log dispersions (..., K)."""
        ratio = jnp.exp(self.middle - log_scale)[..., None]
        precision = ratio * self.share + (1.0 - self.share)
        return (ratio * self.data_slope + self.prior_slope) / precision, precision


def _conditional(density: LogPosterior, start: Any) -> Conditional:
    A, B, a, b = map(np.asarray, _quadratic(density, start))
    middle = np.asarray(start)[:, density.num_main]
    weight = np.exp(-middle)
    A, a = A * weight[:, None, None], a * weight[:, None]
    root = np.linalg.inv(np.linalg.cholesky(A + B))
    share, vectors = np.linalg.eigh(root @ A @ root.mT)
    back = root.mT @ vectors
    slope = lambda s: np.einsum("kij,ki->kj", back, s)
    return Conditional(np.clip(share, 0.0, 1.0), slope(a), slope(b), back, middle)


@compiled
def _log_marginal(
    density: LogPosterior, conditional: Conditional, start: Any, log_scale: Any
) -> Any:
    """Log densities (grid, K) of log dispersions, up to a constant."""

    def at(log_scale):
        value = density.value(start.at[:, density.num_main].set(log_scale))
        mean, precision = conditional.given(log_scale)
        return value + 0.5 * jnp.sum(precision * mean**2 - jnp.log(precision), axis=-1)

    return in_batches(at, log_scale, 16)


def _grid(density, conditional, start) -> tuple[np.ndarray, np.ndarray]:
    """Log dispersions (grid, K) wherever their density is not negligible, and its logarithm."""
    lower, upper = conditional.middle - REACH, conditional.middle + REACH
    for _ in range(ZOOMS):
        grid = lower + (upper - lower) * np.linspace(0, 1, GRID)[:, None]
        values = np.asarray(_log_marginal(density, conditional, start, jnp.asarray(grid)))
        seen = values > values.max(axis=0) - NEGLIGIBLE
        step = grid[1] - grid[0]
        lower = np.where(seen, grid, np.inf).min(axis=0) - step
        upper = np.where(seen, grid, -np.inf).max(axis=0) + step
    return grid, values


def sample(density: LogPosterior, start: Any, rng: np.random.Generator, count: int) -> Any:
    """Independent draws.

    Parameters
    ----------
    density
        The log-density of a model that `applies`.
    start
        Vectors near the modes, shape (K, D).
    rng
        Source of random numbers.
    count
        How many.

    Returns
    -------
    Vectors, shape (count, K, D).
    """
    start = jnp.asarray(start)
    conditional = _conditional(density, start)
    grid, values = _grid(density, conditional, start)
    weight = np.exp(values - values.max(axis=0))
    cumulative = np.cumsum(0.5 * (weight[1:] + weight[:-1]), axis=0)
    cumulative = np.concatenate([np.zeros_like(cumulative[:1]), cumulative / cumulative[-1]])
    uniform = rng.uniform(size=(count, len(start)))
    log_scale = np.stack(list(map(np.interp, uniform.T, cumulative.T, grid.T)), axis=-1)
    mean, precision = map(np.asarray, conditional.given(log_scale))
    coordinates = mean + rng.standard_normal(mean.shape) / np.sqrt(precision)
    moved = times(np.asarray(conditional.back), coordinates)
    main = np.asarray(start)[:, : density.num_main] + moved
    return np.concatenate([main, log_scale[:, :, None]], axis=2)
