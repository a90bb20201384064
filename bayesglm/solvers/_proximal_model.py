"""The model that a step of proximal Newton minimises: a quadratic plus penalties."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from bayesglm._module import Module
from bayesglm.solvers.composite import AbstractProblem, combine
from bayesglm.solvers.curvature import penalty_derivatives, positive_solve, restrict

PROXIMAL_ROUNDS = 60
PROXIMAL_STEPS = 8
SMALLEST_CURVATURE = 1e-12  # of the largest on the diagonal


class ProximalModel(Module):
    """Quadratic model of the smooth parts around ``theta`` plus the penalties."""

    problem: AbstractProblem
    theta: Any
    gradient: Any
    information: Any

    def slope(self, x):
        """Gradient of the quadratic at ``x``."""
        return self.gradient + jnp.einsum("kij,kj->ki", self.information, x - self.theta)

    @property
    def steps(self):
        """Elementwise step lengths for which a proximal gradient step decreases the model."""
        diagonal = jnp.diagonal(self.information, axis1=-2, axis2=-1)
        largest = jnp.max(diagonal, axis=-1, keepdims=True)
        diagonal = jnp.maximum(diagonal, SMALLEST_CURVATURE * jnp.where(largest > 0, largest, 1.0))
        scale = self.problem.common_scale(diagonal**-0.5)
        rows = jnp.abs(self.information * scale[:, :, None] * scale[:, None, :]).sum(axis=-1)
        bound = rows.max(axis=-1, keepdims=True)
        if self.problem.traits.coupled:
            bound = jnp.full_like(bound, bound.max())
        return scale**2 / bound

    def descend(self, x, steps):
        """Take one proximal gradient step."""
        return self.problem.prox(x - steps * self.slope(x), steps)

    def residual(self, x):
        """KKT residual at ``x`` in units of the gradient, shape (K,)."""
        steps = self.steps
        moved = jnp.where(self.problem.free, x - self.descend(x, steps), 0.0)
        return jnp.max(jnp.abs(moved) / steps, axis=-1)

    def minimum(self, goal):
        """Minimise the model until the residual is at most ``goal`` (K,)."""
        steps = self.steps

        def proceed(carry):
            _, residual, i = carry
            return jnp.any(residual > goal) & (i < PROXIMAL_ROUNDS)

        def round_(carry):
            x, _, i = carry
            x = self.polish(self.accelerate(x, steps), steps)
            return x, self.residual(x), i + 1

        return lax.while_loop(proceed, round_, (self.theta, jnp.full_like(goal, jnp.inf), 0))[0]

    def accelerate(self, x, steps):
        """Take a few accelerated proximal gradient steps (Beck and Teboulle 2009, FISTA)."""

        def body(i, carry):
            x, y = carry
            new = self.descend(y, steps)
            return new, new + i / (i + 3.0) * (new - x)

        return lax.fori_loop(0, PROXIMAL_STEPS, body, (x, x))[0]

    def polish(self, x, steps):
        """Newton's step among the parameters that the penalty leaves free, where it helps."""
        prox = lambda v: self.problem.prox(v, steps)
        x, tangent = jax.jvp(prox, (x - steps * self.slope(x),), (jnp.ones_like(x),))
        active = self.problem.free & (tangent != 0)
        slope, bend = penalty_derivatives(self.problem, x)
        total = jnp.where(active, self.slope(x) + slope, 0.0)
        matrix = restrict(self.information + restrict(bend, active, 0.0), active)
        better = x - positive_solve(matrix, total)[0]
        better = self.descend(jnp.where(jnp.isfinite(better), better, x), steps)
        improved = combine(self.problem, self.residual(better) - self.residual(x)) < 0
        return jnp.where(improved[:, None], better, x)
