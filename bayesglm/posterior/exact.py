r"""Gaussian models with normal priors, in closed form but for one integral.

Given the dispersion :math:`\phi`, coefficients and intercept are normal, with precision
:math:`A/\phi+B`; what is left is the posterior of :math:`\log\phi`, one-dimensional and tabulated.

References
----------
Gelman et al. (2013), *Bayesian Data Analysis*, 3rd ed., section 14.2.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from bayesglm.glm.log_posterior import LogPosterior
from bayesglm.inference import laplace

GRID = 2001  # values of the log dispersion
WIDTH = 12.0  # of the table, in standard deviations to either side of the mode
PROBES = (-1.0, 1.0)  # log dispersions, about the start, that tell A from B


def applies(density: LogPosterior) -> bool:
    """Whether the posterior given the dispersion is normal."""
    likelihood, prior = density.likelihood, density.prior
    gaussian = type(likelihood.observations).__name__ == "GaussianObservations"
    return gaussian and likelihood.link.__name__ == "identity" and prior.normal


@eqx.filter_jit
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


@eqx.filter_jit
def _values(density: LogPosterior, start: Any, log_scale: Any) -> Any:
    """Log-densities (grid, K) at the coefficients of ``start`` and each log dispersion."""
    at = lambda s: density.value(start.at[:, density.num_main].set(s))
    return jax.lax.map(at, log_scale, batch_size=16)


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
    A, B, a, b = map(np.asarray, _quadratic(density, start))
    around = laplace.approximate(density, start)
    center = np.asarray(around.center)[:, density.num_main]
    spread = np.sqrt(np.sum(np.asarray(around.factor)[:, density.num_main] ** 2, axis=-1))
    grid = center + spread * np.linspace(-WIDTH, WIDTH, GRID)[:, None]
    values = np.asarray(_values(density, jnp.asarray(start), jnp.asarray(grid)))
    theta = np.empty((count, *start.shape))
    for k in range(len(center)):
        theta[:, k] = _sample_one(
            A[k], B[k], a[k], b[k], grid[:, k], values[:, k], start[k], rng, count
        )
    return theta


def _sample_one(A, B, a, b, grid, values, start, rng, count):
    root = np.linalg.inv(np.linalg.cholesky(A))
    size, vectors = np.linalg.eigh(root @ B @ root.T)
    back = root.T @ vectors  # in these coordinates the precision is diagonal: 1/phi + size
    size, a, b = np.maximum(size, 0.0), back.T @ a, back.T @ b
    inverse = np.exp(-grid)[:, None]
    precision, slope = inverse + size, inverse * a + b
    density = values + 0.5 * np.sum(slope**2 / precision - np.log(precision), axis=1)
    weight = np.exp(density - density.max())
    steps = np.append(0.0, np.cumsum(0.5 * (weight[1:] + weight[:-1])))
    log_scale = np.interp(rng.uniform(size=count) * steps[-1], steps, grid)
    inverse = np.exp(-log_scale)[:, None]
    precision, slope = inverse + size, inverse * a + b
    normal = rng.standard_normal(precision.shape)
    moved = (slope / precision + normal / np.sqrt(precision)) @ back.T
    return np.column_stack([np.asarray(start)[: len(A)] + moved, log_scale])
