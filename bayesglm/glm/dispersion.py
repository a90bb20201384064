"""Estimates of the dispersion at given coefficients, as sums over rows."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from bayesglm.glm.likelihood import Likelihood, Rows, Standardization, weigh_cells
from bayesglm.glm.params import GLMParams

LOG_SCALE_LIMIT = 20.0  # beyond exp(-20) a negative binomial is Poisson to every digit
LARGEST_MOVE = 2.0


@eqx.filter_jit
def pearson_mean(
    likelihood: Likelihood, standardization: Standardization, params: GLMParams, rows: Rows
) -> Any:
    """Weighted mean of Pearson's squared residuals over unit variance, shape (K,)."""

    def of_block(block):
        X = standardization.apply(block.X)
        eta = likelihood.linear_predictor(params, X, block.offset)
        mean = likelihood.observations.mean(eta, likelihood.link)
        variance = likelihood.observations.variance(mean, jnp.ones_like(likelihood.scale))
        return jnp.sum(weigh_cells(block.weight, (block.y - mean) ** 2 / variance), axis=0)

    return rows.sum(of_block)


@eqx.filter_jit
def maximum_likelihood(
    likelihood: Likelihood,
    standardization: Standardization,
    params: GLMParams,
    rows: Rows,
    start: Any,
) -> Any:
    """Dispersion (K,) of highest likelihood at fixed coefficients: Newton's method on its log."""

    def derivatives(log_scale):
        def of_block(block):
            X = standardization.apply(block.X)
            eta = likelihood.linear_predictor(params, X, block.offset)

            def density(log_scale):
                scale = jnp.exp(log_scale)
                return likelihood.observations.log_density(block.y, eta, likelihood.link, scale)

            at = jnp.broadcast_to(log_scale, eta.shape)
            slope = lambda s: jax.jvp(density, (s,), (jnp.ones_like(s),))[1]
            first, second = jax.jvp(slope, (at,), (jnp.ones_like(at),))
            total = lambda a: jnp.sum(weigh_cells(block.weight, a), axis=0)
            return total(first), total(second)

        return rows.sum(of_block)

    def body(carry):
        log_scale, _, i = carry
        first, second = derivatives(log_scale)
        newton = first / jnp.where(second < 0, -second, 1.0)
        uphill = jnp.sign(first) * LARGEST_MOVE
        move = jnp.where(second < 0, jnp.clip(newton, -LARGEST_MOVE, LARGEST_MOVE), uphill)
        new = jnp.clip(log_scale + move, -LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)
        return new, jnp.max(jnp.abs(new - log_scale)), i + 1

    unfinished = lambda carry: (carry[1] > 1e-12) & (carry[2] < 60)
    return jnp.exp(lax.while_loop(unfinished, body, (jnp.log(start), jnp.inf, 0))[0])
