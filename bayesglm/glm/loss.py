"""The model as solvers see it: a callable loss, and a penalty in the loss's coordinates."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from bayesglm._module import Module
from bayesglm.glm.likelihood import Likelihood, Standardization, row_sums
from bayesglm.glm.params import GLMParams
from bayesglm.glm.problem import GLMProblem
from bayesglm.glm.rows import Rows


@eqx.filter_custom_jvp
def _mean_loss(params, loss, rows):
    return jnp.sum(loss.sums(params, rows).value)


@_mean_loss.def_jvp
def _mean_loss_jvp(primals, tangents):
    params, loss, rows = primals
    sums = loss.sums(params, rows)
    gradient = GLMParams(sums.gradient[:-1], sums.gradient[-1])
    held = lambda g, may_move: jnp.where(may_move, g, 0.0)
    gradient = jax.tree.map(held, gradient, loss.movable)
    tangent = tangents[0]
    parts = ((gradient.coef, tangent.coef), (gradient.intercept, tangent.intercept))
    change = sum((jnp.sum(g * t) for g, t in parts if t is not None), jnp.zeros(()))
    return jnp.sum(sums.value), change


class Loss(Module):
    """Unpenalised loss of a whole model, summed over responses.

    Its derivative comes from the same single pass over the rows as its value.

    Parameters
    ----------
    likelihood
        Observation model, link, dispersion and mask.
    standardization
        Coordinates of the parameters.
    movable
        True where a parameter may move.
    """

    likelihood: Likelihood
    standardization: Standardization
    movable: GLMParams

    def __call__(self, params: GLMParams, rows: Rows) -> Any:
        """Sum over responses of the mean kernel at ``params``."""
        return _mean_loss(params, self, rows)

    def sums(self, params: GLMParams, rows: Rows) -> Any:
        """Loss and gradient in one pass."""
        return row_sums(self.likelihood, self.standardization, params, rows, curvature=None)

    def problem(
        self, regularizer: StandardizedPenalty, params: GLMParams, rows: Rows
    ) -> GLMProblem:
        """Return the problems that Newton's method solves."""
        del params
        return GLMProblem(
            self.likelihood,
            self.standardization,
            rows,
            regularizer.penalty,
            self.movable,
        )

    def score_unit(self, params: GLMParams, rows: Rows) -> GLMParams:
        """Root mean square of the score of each response, broadcastable to the parameters."""
        unit = jnp.sqrt(self.sums(params, rows).score_square)
        unit = jnp.where(unit > 0, unit, 1.0)
        unit = unit.reshape(-1, *(1,) * (params.intercept.ndim - 1))
        return GLMParams(unit, unit)

    def num_samples(self, rows: Rows) -> Any:
        """Return the number of rows that are not padding."""
        return rows.num_rows

    def subset(self, indices: Any, rows: Rows) -> tuple[Rows]:
        """Rows ``indices`` as a mini-batch whose loss estimates that of all rows."""
        taken = rows.take(indices)
        return (
            eqx.tree_at(lambda r: r.weight, taken, taken.weight * (rows.num_rows / taken.block)),
        )


class StandardizedPenalty(Module):
    """A penalty on the user's coefficients as a function of those of the standardised columns.

    Parameters
    ----------
    penalty
        Resolved penalty.
    standardization
        Coordinates of the parameters.
    """

    penalty: Any
    standardization: Standardization

    def penalized_loss(self, loss: Any, params: Any, strength: Any = None) -> Any:
        """Loss plus penalty as a function of ``(params, *args)``."""
        del params, strength
        return lambda p, *args: loss(p, *args) + jnp.sum(self.value(p))

    def value(self, params: GLMParams) -> Any:
        """Penalty of each response, shape (K,)."""
        user = self.standardization.from_standard(params)
        at = params if self.penalty.intercept_centered else user
        return self.penalty.value(user.coef) + self.penalty.intercept_value(at.intercept)

    def get_proximal_operator(self, params: Any, strength: Any = None) -> Any:
        """Proximal operator ``prox(params, _, scaling)``; the penalty must allow the scales."""
        del strength
        scale = self.standardization.column(params.coef)

        def prox(p, _, scaling=1.0):
            step = jnp.broadcast_to(scaling / scale**2, p.coef.shape)
            return GLMParams(scale * self.penalty.prox(p.coef / scale, step), p.intercept)

        return prox
