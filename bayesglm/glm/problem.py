"""A penalised GLM as the K independent problems that Newton's method solves."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayesglm.glm.likelihood import (
    Likelihood,
    Standardization,
    information_matrices,
    row_sums,
    starting_sums,
    unpack_grams,
    values,
)
from bayesglm.glm.params import GLMParams, pack, unpack
from bayesglm.glm.rows import Rows, StreamedRows
from bayesglm.solvers.composite import AbstractProblem, Evaluation, Traits
from bayesglm.solvers.curvature import positive_solve, restrict

NOISE = 8.0  # rounding errors of a linear predictor, in units of the last place


class GLMProblem(AbstractProblem):
    """Loss plus penalty over standardised columns, parameters packed as (K, (p + 1) [* C]).

    Parameters
    ----------
    likelihood, standardization, rows
        The smooth part.
    regularization
        Resolved penalty; it acts on coefficients of the user's columns.
    movable
        True where a parameter may move.
    """

    likelihood: Likelihood
    standardization: Standardization
    rows: Rows | StreamedRows
    regularization: Any
    movable: GLMParams

    @property
    def trailing(self) -> tuple[int, ...]:
        """Shape of the intercept, (K,) or (K, C)."""
        return self.movable.intercept.shape

    def pack(self, params: GLMParams) -> Any:
        """Parameters as an array (K, D); NumPy's stay so."""
        return pack(params, jnp if isinstance(params.coef, jax.Array) else np)

    def unpack(self, theta: Any) -> GLMParams:
        """Invert `pack`."""
        return unpack(theta, self.trailing[1:])

    @property
    def free(self) -> Any:
        """True where a parameter may move, shape (K, D)."""
        return self.pack(self.movable)

    @property
    def traits(self) -> Traits:
        """What kind of penalty it is."""
        penalty = self.regularization
        return Traits(penalty.smooth, penalty.separable, penalty.couples_responses)

    def intercept_prior(self, theta: Any) -> Any:
        """Minus the log prior of each response's intercept per row, shape (K,)."""
        params = self.unpack(theta)
        if not self.regularization.intercept_centered:
            params = self.standardization.from_standard(params)
        return self.regularization.intercept_value(params.intercept)

    def intercept_prior_curvature(self, theta: Any) -> Any:
        """Hessian of `intercept_prior`, shape (K, D, D), zero without one."""
        K, D = theta.shape
        if not self.regularization.penalizes_intercept:
            return jnp.zeros((K, D, D))
        gradient = jax.grad(lambda t: jnp.sum(self.intercept_prior(t)))
        along = lambda v: jax.jvp(gradient, (theta,), (jnp.broadcast_to(v, theta.shape),))[1]
        return jax.vmap(along, out_axes=-1)(jnp.eye(D))

    def evaluate(self, theta: Any) -> Evaluation:
        """Loss, gradient and curvature in one pass over the rows."""
        at, packed = self._evaluate(theta, "newton")
        information = self.information(packed)
        if len(self.trailing) > 1:
            information += self._softmax_null_space(information)
        if self.regularization.penalizes_intercept:
            information += self.intercept_prior_curvature(theta)
        return Evaluation(at.value, at.gradient, information, at.unit, at.noise)

    def evaluate_gradient(self, theta: Any) -> Evaluation:
        """As `evaluate`, without the curvature."""
        return self._evaluate(theta, None)[0]

    def _evaluate(self, theta: Any, curvature: str | None) -> tuple[Evaluation, Any]:
        """Loss and gradient, and the packed curvature of the likelihood."""
        sums = row_sums(
            self.likelihood,
            self.standardization,
            self.unpack(theta),
            self.rows,
            curvature=curvature,
        )
        noise = NOISE * jnp.finfo(theta.dtype).eps * jnp.sqrt(sums.noise_square)
        value, gradient = sums.value, self.pack(GLMParams(sums.gradient[:-1], sums.gradient[-1]))
        if self.regularization.penalizes_intercept:
            value += self.intercept_prior(theta)
            gradient += jax.grad(lambda t: jnp.sum(self.intercept_prior(t)))(theta)
        at = Evaluation(value, gradient, None, jnp.sqrt(sums.score_square), noise)
        return at, sums.information

    def information(self, packed: Any) -> Any:
        """Matrices (K, D, D) from packed Gram matrices."""
        return information_matrices(packed, self.movable.coef.shape[0], self.trailing)

    def _softmax_null_space(self, matrices: Any) -> Any:
        """Curvature along equal shifts of all classes, where the penalty gives none.

        The gradient there is zero, so the added curvature changes no step: it holds the sum over
        classes where the start put it.
        """
        width, C = self.movable.coef.shape[0] + 1, self.trailing[-1]
        shifted = jnp.full((width,), self.regularization.is_zero).at[-1].set(True)
        size = jnp.mean(jnp.diagonal(matrices, axis1=-2, axis2=-1), axis=-1)
        return size[:, None, None] * jnp.kron(jnp.diag(shifted * 1.0), jnp.full((C, C), 1 / C))

    def penalty(self, theta: Any) -> Any:
        """Penalty of each response, shape (K,)."""
        return self.regularization.value(self._user_coef(theta))

    def prox(self, theta: Any, step: Any) -> Any:
        """Proximal operator in standardised coordinates."""
        scale = self._column_scale
        coef = self.regularization.prox(self._user_coef(theta), self.unpack(step).coef / scale**2)
        return self.pack(GLMParams(coef * scale, self.unpack(theta).intercept))

    def common_scale(self, scale: Any) -> Any:
        """``scale`` made constant, on the user's columns, within each group."""
        params = self.unpack(scale)
        common = self.regularization.common_scale(params.coef / self._column_scale)
        common = jnp.broadcast_to(common, params.coef.shape)
        return self.pack(GLMParams(common * self._column_scale, params.intercept))

    @property
    def _column_scale(self) -> Any:
        return self.standardization.scale.reshape(-1, *(1,) * len(self.trailing))

    def _user_coef(self, theta: Any) -> Any:
        return self.unpack(theta).coef / self._column_scale

    def start_from_data(self, params: GLMParams, mean_response: Any) -> GLMParams:
        """First step of Fisher scoring, where it lowers the objective below that of ``params``."""
        packed, working = starting_sums(
            self.likelihood, self.standardization, self.rows, mean_response
        )
        theta, free = self.pack(params), self.free
        gram = unpack_grams(packed, theta.shape[1])
        bend = self._penalty_curvature(theta)[..., None] * jnp.eye(theta.shape[1])
        matrix = restrict(gram + bend, free)
        guess, _ = positive_solve(matrix, jnp.where(free, working.T, theta))
        guess = jnp.where(free, guess, theta)
        losses = values(
            self.likelihood, self.standardization, [params, self.unpack(guess)], self.rows
        )
        old, new = (
            loss + self.penalty(t) + self.intercept_prior(t)
            for loss, t in zip(losses, (theta, guess), strict=True)
        )
        return self.unpack(jnp.where((new < old)[:, None], guess, theta))

    def _penalty_curvature(self, theta: Any) -> Any:
        gradient = jax.grad(lambda t: jnp.sum(self.penalty(t)))
        return jnp.maximum(jax.jvp(gradient, (theta,), (jnp.ones_like(theta),))[1], 0.0)
