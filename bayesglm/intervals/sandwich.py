r"""Covariance that holds when the variance of the responses is not the model's: the sandwich.

:math:`H^{-1} (\sum_i w_i s_i s_i') H^{-1}` with the observed information H of the (penalised)
likelihood and the scores s. A weight of two is a row twice, as everywhere in this package.

References
----------
White (1980), *Econometrica* 48, 817-838. MacKinnon and White (1985), *J. Econometrics* 29,
305-325. Cameron and Miller (2015), *J. Human Resources* 50, 317-372.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bayesglm._compiled import compiled
from bayesglm.glm.assemble import bucket
from bayesglm.glm.likelihood import design_block, weigh_cells, weighted_grams
from bayesglm.glm.params import GLMParams
from bayesglm.glm.problem import GLMProblem
from bayesglm.intervals.covariance import covariance, to_user
from bayesglm.intervals.fitted_data import FittedData, refuse_other_data
from bayesglm.solvers.curvature import penalty_derivatives, restrict

KINDS = ("HC0", "HC1", "HC2", "HC3")
LEVERAGE_POWER = {"HC0": 0, "HC1": 0, "HC2": 1, "HC3": 2}


def sandwich(fitted: FittedData, kind: str) -> np.ndarray:
    """Covariance robust to the variance of independent rows, shape (K, D, D).

    Parameters
    ----------
    fitted
        A fit with its data.
    kind
        ``"HC0"``; ``"HC1"``, with n / dof; ``"HC2"`` and ``"HC3"``, with squared residuals over
        one minus the leverage, or its square.
    """
    power, num_rows = LEVERAGE_POWER[kind], _column(fitted.data.num_rows)
    if power and fitted.classes:
        raise NotImplementedError(
            f"{kind!r} needs the leverage of a row, which classes have several of: use 'HC0' or "
            "'HC1'."
        )

    def meat(problem, params):
        leverage = None
        if power:
            leverage = np.nan_to_num(_inverse(fitted, _information(problem, params))) / num_rows
        return _meat(problem, params, leverage, power) / num_rows

    return _sandwich(fitted, kind, meat)


def cluster(fitted: FittedData, kind: str, groups: np.ndarray) -> np.ndarray:
    """Covariance robust to dependence within groups of rows, shape (K, D, D).

    Parameters
    ----------
    fitted
        A fit with its data.
    kind
        ``"HC0"``, or ``"HC1"`` with the factor G / (G - 1) (n - 1) / dof.
    groups
        Number of the group of each row, shape (n,).
    """

    def meat(problem, params):
        codes = np.zeros(problem.rows.X.shape[0], int)
        codes[: len(groups)] = groups
        factors = _score_factors(problem, params)
        return _cluster_meat(problem, factors, jnp.asarray(codes), bucket(int(groups.max()) + 1))

    return _sandwich(fitted, kind, meat, count_groups(fitted, groups))


def count_groups(fitted: FittedData, groups: np.ndarray) -> np.ndarray:
    """Count the groups with a row in each response, shape (K,)."""
    weight = np.broadcast_to(fitted.data.weight, fitted.data.y.shape)
    return np.array([np.unique(groups[column > 0]).size for column in weight.T])


def _sandwich(fitted, kind, meat_of, num_groups=None):
    model = fitted.assemble()
    problem = model.loss.problem(model.penalty, fitted.params, model.rows)
    params = jax.tree.map(jnp.asarray, model.host.to_standard(fitted.params))
    hessian, gradient = _bread(problem, params)
    bread = _inverse(fitted, hessian)
    known = np.isnan(bread)
    bread = np.where(known, 0.0, bread)
    robust = bread @ np.asarray(meat_of(problem, params)) @ bread
    robust *= _column(_correction(kind, fitted, num_groups))
    if problem.traits.smooth:
        step = np.einsum("kij,kj->ki", bread, np.asarray(gradient))
        spread = np.sqrt(np.diagonal(robust, axis1=1, axis2=2))
        refuse_other_data(step / np.where(spread > 0, spread, np.nan))
    back = to_user(model.host, fitted.classes)
    return np.where(known, np.nan, back @ robust @ back.T)


def _inverse(fitted: FittedData, matrix: Any) -> np.ndarray:
    """Inverse of each matrix; NaN for parameters that are held or not identified."""
    return covariance(np.asarray(matrix), np.eye(matrix.shape[-1]), 1.0, bool(fitted.classes))


def _column(values: np.ndarray) -> np.ndarray:
    return values[:, None, None]


def _correction(kind: str, fitted: FittedData, num_groups: np.ndarray | None) -> np.ndarray:
    """Factor for few rows, or few groups, shape (K,)."""
    num_rows, dof = fitted.data.num_rows, fitted.dof
    if kind != "HC1":
        return np.ones_like(num_rows)
    few = np.where(dof > 0, dof, np.nan)
    if num_groups is None:
        return num_rows / few
    return num_groups / np.where(num_groups > 1, num_groups - 1, np.nan) * (num_rows - 1) / few


@compiled
def _bread(problem: GLMProblem, params: GLMParams) -> tuple[Any, Any]:
    """Hessian (K, D, D), NaN for held parameters, and gradient (K, D) of the objective."""
    likelihood = problem.likelihood

    def of_block(block):
        Z = design_block(problem.standardization, block.X)
        eta = likelihood.linear_predictor(params, Z[:, :-1], block.offset)
        first, second = _derivatives(likelihood, block.y, eta)
        weight = weigh_cells(block.weight, second).reshape(Z.shape[0], -1)
        gradient = jnp.tensordot(Z, weigh_cells(block.weight, first), axes=((0,), (0,)))
        return weighted_grams(Z, weight), gradient

    packed, gradient = problem.rows.sum(of_block)
    theta = problem.pack(params)
    slope, bend = penalty_derivatives(problem, theta)
    slope += jax.grad(lambda t: jnp.sum(problem.intercept_prior(t)))(theta)
    hessian = problem.information(packed) + problem.intercept_prior_curvature(theta) + bend
    gradient = problem.pack(GLMParams(gradient[:-1], gradient[-1])) + slope
    free = _free(problem, theta)
    return restrict(hessian, free, jnp.nan), jnp.where(free, gradient, 0.0)


@compiled
def _information(problem: GLMProblem, params: GLMParams) -> Any:
    """Return expected information plus curvature of the penalty, as `_bread`."""
    likelihood = problem.likelihood

    def of_block(block):
        Z = design_block(problem.standardization, block.X)
        eta = likelihood.linear_predictor(params, Z[:, :-1], block.offset)
        weight = weigh_cells(block.weight, likelihood.expected_curvature(eta))
        return weighted_grams(Z, weight.reshape(Z.shape[0], -1))

    theta = problem.pack(params)
    hessian = problem.information(problem.rows.sum(of_block))
    hessian += problem.intercept_prior_curvature(theta) + penalty_derivatives(problem, theta)[1]
    return restrict(hessian, _free(problem, theta), jnp.nan)


def _free(problem, theta):
    """Parameters that may move: a penalty's kink holds those at zero."""
    return problem.free if problem.traits.smooth else problem.free & (theta != 0)


def _derivatives(likelihood, y, eta):
    """First and second derivative of the kernel in the linear predictor."""
    if likelihood.observations.event_ndim:
        return likelihood.eta_derivatives(y, eta)[1:]
    ones = jnp.ones_like(eta)
    first = lambda e: jax.jvp(lambda t: likelihood.kernel(y, t), (e,), (ones,))[1]
    return jax.jvp(first, (eta,), (ones,))


@compiled
def _meat(problem: GLMProblem, params: GLMParams, leverage: Any, power: int) -> Any:
    """Weighted mean of the outer products of scores, shape (K, D, D)."""
    likelihood = problem.likelihood

    def of_block(block):
        Z = design_block(problem.standardization, block.X)
        eta = likelihood.linear_predictor(params, Z[:, :-1], block.offset)
        first, _ = _derivatives(likelihood, block.y, eta)
        if likelihood.observations.event_ndim:
            square = first[..., :, None] * first[..., None, :]
        else:
            square = first**2
        if power:
            form = lax.map(lambda V: jnp.sum((Z @ V) * Z, axis=1), leverage).T
            square /= (1.0 - likelihood.expected_curvature(eta) * form) ** power
        return weighted_grams(Z, weigh_cells(block.weight, square).reshape(Z.shape[0], -1))

    return problem.information(problem.rows.sum(of_block))


@compiled
def _score_factors(problem: GLMProblem, params: GLMParams) -> Any:
    """Weighted derivative of the kernel in the linear predictor of every cell, (K, n, C or 1)."""
    likelihood, rows = problem.likelihood, problem.rows

    def of_block(index):
        block = rows.slice(index)
        X = problem.standardization.apply(block.X)
        eta = likelihood.linear_predictor(params, X, block.offset)
        first, _ = _derivatives(likelihood, block.y, eta)
        return weigh_cells(block.weight, first)

    blocks = lax.map(of_block, jnp.arange(rows.X.shape[0] // rows.block))
    K = problem.trailing[0]
    return jnp.moveaxis(blocks.reshape(rows.X.shape[0], K, -1), 0, 1)


@compiled
def _cluster_meat(problem: GLMProblem, factors: Any, codes: Any, num_groups: int) -> Any:
    """Sum over groups of outer products of their scores, shape (K, D, D)."""
    rows, width = problem.rows, problem.free.shape[1]

    def of_response(factor):
        def add(index, sums):
            first = index * rows.block
            cut = lambda a: lax.dynamic_slice_in_dim(a, first, rows.block)
            Z = design_block(problem.standardization, rows.slice(index).X)
            scores = (Z[:, :, None] * cut(factor)[:, None, :]).reshape(rows.block, width)
            return sums.at[cut(codes)].add(scores)

        blocks = rows.X.shape[0] // rows.block
        sums = lax.fori_loop(0, blocks, add, jnp.zeros((num_groups, width)))
        return sums.T @ sums

    return lax.map(of_response, factors)
