"""Accelerated proximal gradient with backtracking, for any penalty with a proximal operator."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from bayesglm.solvers.base import (
    AbstractSolver,
    OptimizationInfo,
    SolverState,
    largest_ratio,
    number,
    take_settings,
)


class _Inner(eqx.Module):
    """Extrapolated point, momentum, step size and unit of the gradient."""

    point: Any
    momentum: Any
    stepsize: Any
    unit: Any


class ProximalGradient(AbstractSolver):
    """FISTA with backtracking and restarts.

    Parameters
    ----------
    unregularized_loss, regularizer, regularizer_strength, has_aux, init_params
        See `bayesglm.solvers.base.AbstractSolver`.
    tol
        Largest scaled Karush-Kuhn-Tucker residual of a converged fit.
    maxiter
        Largest number of steps.
    stepsize
        Fixed step; None or a number that is not positive searches.
    maxls, decrease_factor, max_stepsize
        Largest number of backtracking steps, the factor of each, and the longest step.
    acceleration
        Whether to extrapolate.

    References
    ----------
    Beck and Teboulle (2009), A fast iterative shrinkage-thresholding algorithm.
    O'Donoghue and Candes (2015), Adaptive restart for accelerated gradient schemes.
    """

    tol: Any
    maxiter: Any
    stepsize: Any
    decrease_factor: Any
    max_stepsize: Any
    maxls: int = eqx.field(static=True)
    searches: bool = eqx.field(static=True)
    acceleration: bool = eqx.field(static=True)

    def __init__(
        self,
        unregularized_loss,
        regularizer,
        regularizer_strength,
        has_aux=False,
        init_params=None,
        **settings,
    ):
        given = take_settings(type(self), settings)
        self.loss, self.regularizer, self.strength = (
            unregularized_loss,
            regularizer,
            regularizer_strength,
        )
        self.has_aux = has_aux
        self.tol, self.maxiter = number(given["tol"]), number(given["maxiter"])
        self.searches = given["stepsize"] is None or given["stepsize"] <= 0
        self.stepsize = number(1.0 if self.searches else given["stepsize"])
        self.decrease_factor = number(given["decrease_factor"])
        self.max_stepsize = number(given["max_stepsize"])
        self.maxls, self.acceleration = given["maxls"], given["acceleration"]

    @classmethod
    def settings(cls):
        """Settings and their defaults."""
        return {
            "tol": 1e-9,
            "maxiter": 10_000,
            "stepsize": None,
            "maxls": 30,
            "decrease_factor": 0.5,
            "max_stepsize": 1e6,
            "acceleration": True,
        }

    def init_state(self, init_params, *args):
        """State at ``init_params``."""
        unit = self.unit(init_params, *args)
        inner = _Inner(init_params, jnp.ones(()), jnp.asarray(self.stepsize), unit)
        info = OptimizationInfo(
            jnp.asarray(jnp.inf), jnp.zeros((), int), jnp.asarray(False), jnp.asarray(False)
        )
        return SolverState(inner, info)

    def step(self, params, state, *args):
        """One extrapolated proximal gradient step."""
        inner, stats = state.solver_state, state.stats
        f = lambda p: self.value(p, *args)
        value, gradient = jax.value_and_grad(f)(inner.point)
        prox = self.regularizer.get_proximal_operator(params, self.strength)
        new, step = self._search(f, prox, inner, value, gradient)
        residual = jax.tree.map(lambda a, b: (a - b) / step, inner.point, new)
        converged = largest_ratio(residual, inner.unit) <= self.tol
        point, momentum = self._extrapolate(params, new, inner)
        taken = stats.num_steps + 1
        info = OptimizationInfo(
            self.penalized(params)(new, *args),
            taken,
            converged,
            ~converged & (taken >= self.maxiter),
        )
        return new, SolverState(_Inner(point, momentum, step, inner.unit), info)

    def _search(self, f, prox, inner, value, gradient):
        """Longest step, of those tried, for which the quadratic bound holds."""

        def candidate(step):
            moved = jax.tree.map(lambda p, g: p - step * g, inner.point, gradient)
            return prox(moved, None, step)

        if not self.searches:
            return candidate(self.stepsize), jnp.asarray(self.stepsize)

        def too_long(carry):
            step, tries = carry
            new = candidate(step)
            change = optax.tree.sub(new, inner.point)
            square = optax.tree.vdot(change, change)
            bound = value + optax.tree.vdot(gradient, change) + square / (2 * step)
            noise = 1e-14 * jnp.abs(value)
            return ~(f(new) <= bound + noise) & (tries < self.maxls)

        shorten = lambda carry: (carry[0] * self.decrease_factor, carry[1] + 1)
        longest = jnp.minimum(inner.stepsize * 1.5, self.max_stepsize)
        step, _ = jax.lax.while_loop(too_long, shorten, (longest, 0))
        return candidate(step), step

    def _extrapolate(self, params, new, inner):
        """Nesterov's momentum, restarted where it points uphill."""
        if not self.acceleration:
            return new, inner.momentum
        change = optax.tree.sub(new, params)
        uphill = optax.tree.vdot(optax.tree.sub(inner.point, new), change) > 0
        momentum = jnp.where(uphill, 1.0, inner.momentum)
        following = (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2
        factor = (momentum - 1) / following
        point = jax.tree.map(lambda n, c: n + factor * c, new, change)
        return point, following
