"""Estimates of the dispersion at given coefficients, as sums over rows."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bayesglm._compiled import compiled
from bayesglm.glm.likelihood import Likelihood, Rows, Standardization, weigh_cells
from bayesglm.glm.params import GLMParams
from bayesglm.solvers import curvature
from bayesglm.solvers.composite import AbstractProblem

LOG_SCALE_LIMIT = 20.0  # beyond exp(-20) a negative binomial is Poisson to every digit
LARGEST_MOVE = 2.0
SMALLEST_DOF = 1e-3  # on the way to the dispersion; there it is more than one


@compiled
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


@compiled
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


def undecided(pearson: Any, scale: Any, effective_dof: np.ndarray) -> Any:
    r"""One round towards the dispersion where there are as many coefficients as rows.

    The mode of :math:`\log\phi` under a uniform prior of :math:`\sqrt\phi`, coefficients
    integrated out, has :math:`\text{Pearson}/\phi+1` equal to the effective degrees of freedom. The
    likelihood alone may have its mode at no dispersion and a perfect fit.

    References
    ----------
    MacKay (1992), Bayesian interpolation, Neural Computation 4.
    """
    return (pearson + scale) / effective_dof


@compiled
def effective_parameters(problem: AbstractProblem, params: GLMParams) -> Any:
    r"""Trace of :math:`F(F+P)^{-1}`, shape (K,); beside a kink, coefficients that are not zero.

    References
    ----------
    Zou, Hastie and Tibshirani (2007), On the "degrees of freedom" of the lasso, Annals of
    Statistics 35.
    """
    theta, free = problem.pack(params), problem.free
    if not problem.traits.smooth:
        return jnp.sum(free & (theta != 0), axis=-1)
    information = curvature.restrict(problem.evaluate(theta).information, free, 0.0)
    bend = curvature.restrict(curvature.penalty_derivatives(problem, theta)[1], free)
    return jnp.trace(jnp.linalg.solve(information + bend, information), axis1=-2, axis2=-1)
