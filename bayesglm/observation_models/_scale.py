"""Estimates of a dispersion at given means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from bayesglm import links

_LOG_SCALE_RANGE = (-20.0, 20.0)
_GOLDEN = 0.5 * (5.0**0.5 - 1.0)


def estimate(family: Any, y: Array, mean: Array, dof_resid: Array) -> Array:
    """Dispersion by the family's own estimator, shape (1,) or (K,)."""
    responses = y.shape[1 : y.ndim - family.event_ndim]
    if family.scale_estimator == "moments":
        value = pearson(family, y, mean, dof_resid)
    elif family.scale_estimator == "likelihood":
        value = maximum_likelihood(
            lambda scale: family.log_density(y, mean, links.identity, scale), y.shape[1:]
        )
    else:
        value = jnp.asarray(family.scale, float)
    return jnp.broadcast_to(value, responses or (1,))


def pearson(family: Any, y: Array, mean: Array, dof_resid: Array) -> Array:
    """Sum over rows of squared residuals over unit variances, by degrees of freedom."""
    squares = jnp.square(y - mean) / family.variance(mean, jnp.ones_like(mean))
    return jnp.sum(squares, axis=0) / dof_resid


def maximum_likelihood(log_density: Callable[[Array], Array], shape: tuple[int, ...]) -> Array:
    """Scale of highest likelihood, one per response, by golden section on its log.

    Kept within ``exp(-20)`` and ``exp(20)``: counts with no over-dispersion end at the floor.

    Parameters
    ----------
    log_density
        From scales of shape ``shape`` to log-densities with one more axis, rows, in front.
    shape
        () or (K,).
    """
    low, high = (jnp.full(shape, bound) for bound in _LOG_SCALE_RANGE)
    score = jax.jit(lambda log_scale: jnp.sum(log_density(jnp.exp(log_scale)), axis=0))
    return jnp.exp(golden_section(score, low, high))


def golden_section(
    score: Callable[[Array], Array], low: Array, high: Array, steps: int = 80
) -> Array:
    """Where a unimodal function is highest, elementwise, to ``0.618**steps`` of the range."""

    def shrink(_, bracket):
        low, high = bracket
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        better = score(left) >= score(right)
        return jnp.where(better, low, left), jnp.where(better, right, high)

    low, high = jax.lax.fori_loop(0, steps, shrink, (low, high))
    return 0.5 * (low + high)
