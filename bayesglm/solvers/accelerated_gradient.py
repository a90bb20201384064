"""Accelerated gradient descent with backtracking, plain and proximal."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from bayesglm._module import Module
from bayesglm.solvers.base import (
    AbstractSolver,
    OptimizationInfo,
    SolverState,
    largest_ratio,
    nothing_done,
    number,
)

GROWTH = 1.1  # of the step between searches


class _Inner(Module):
    """Extrapolated point, momentum, step size and unit of the gradient."""

    point: Any
    momentum: Any
    stepsize: Any
    unit: Any


class AbstractAcceleratedGradient(AbstractSolver):
    """Shared by `GradientDescent` and `ProximalGradient`: FISTA with backtracking and restarts.

    A step is short enough when the gradient changes along it by no more than its inverse length
    times the step: unlike a test on values, that holds to the last digits.
    """

    stepsize: Any
    decrease_factor: Any
    max_stepsize: Any
    maxls: int = eqx.field(static=True)
    searches: bool = eqx.field(static=True)
    acceleration: bool = eqx.field(static=True)

    def configure(self, stepsize, maxls, decrease_factor, max_stepsize, acceleration):
        """Keep the settings of the step and its search."""
        self.searches = stepsize is None or stepsize <= 0
        self.stepsize = number(1.0 if self.searches else stepsize)
        self.decrease_factor, self.max_stepsize = number(decrease_factor), number(max_stepsize)
        self.maxls, self.acceleration = maxls, acceleration

    @classmethod
    def settings(cls):
        """Return the settings and their defaults."""
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
        return SolverState(inner, nothing_done())

    def step(self, params, state, *args):
        """One extrapolated proximal gradient step."""
        inner, stats = state.solver_state, state.stats
        slope = lambda p: jax.grad(self._smooth(params))(p, *args)
        new, step = self._search(slope, self._operator(params), inner, slope(inner.point))
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

    def _search(self, slope, operator, inner, gradient):
        """Longest step, of those tried, along which the gradient changes little."""

        def candidate(step):
            return operator(jax.tree.map(lambda p, g: p - step * g, inner.point, gradient), step)

        if not self.searches:
            return candidate(self.stepsize), jnp.asarray(self.stepsize)

        def too_long(carry):
            step, tries = carry
            new = candidate(step)
            change = optax.tree.sub(new, inner.point)
            bend = optax.tree.vdot(optax.tree.sub(slope(new), gradient), change)
            return ~(bend <= optax.tree.vdot(change, change) / step) & (tries < self.maxls)

        shorten = lambda carry: (carry[0] * self.decrease_factor, carry[1] + 1)
        longest = jnp.minimum(inner.stepsize * GROWTH, self.max_stepsize)
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

    def _smooth(self, params):
        """Return the part that is followed by its gradient."""
        return self.penalized(params)

    def _operator(self, params):
        """Return what is done after a gradient step of a given length."""
        return lambda moved, step: moved


class GradientDescent(AbstractAcceleratedGradient):
    """Accelerated gradient descent for smooth penalties.

    Parameters
    ----------
    unregularized_loss, regularizer, regularizer_strength, has_aux, init_params
        See `bayesglm.solvers.base.AbstractSolver`.
    tol, maxiter
        Largest scaled gradient of a converged fit, and largest number of steps.
    stepsize
        Fixed step; None or a number that is not positive searches.
    maxls, decrease_factor, max_stepsize
        Largest number of backtracking steps, the factor of each, and the longest step.
    acceleration
        Whether to extrapolate.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm.solvers import GradientDescent
    >>> from bayesglm.solvers.quadratic import ridge_case
    >>> loss, regularizer, start, data, solution = ridge_case(has_aux=False)
    >>> params, state, _ = GradientDescent(loss, regularizer, 0.5).run(start, *data)
    >>> np.allclose(params, solution, atol=1e-4)
    True

    References
    ----------
    Nesterov (2004), *Introductory Lectures on Convex Optimization*, section 2.2.
    O'Donoghue and Candes (2015), Adaptive restart for accelerated gradient schemes.
    """


class ProximalGradient(AbstractAcceleratedGradient):
    """Accelerated gradient descent on the loss, each step followed by the proximal operator.

    Parameters
    ----------
    unregularized_loss, regularizer, regularizer_strength, has_aux, init_params
        See `bayesglm.solvers.base.AbstractSolver`.
    tol, maxiter
        Largest scaled Karush-Kuhn-Tucker residual of a converged fit, and largest number of steps.
    stepsize
        Fixed step; None or a number that is not positive searches.
    maxls, decrease_factor, max_stepsize
        Largest number of backtracking steps, the factor of each, and the longest step.
    acceleration
        Whether to extrapolate.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm.solvers import ProximalGradient
    >>> from bayesglm.solvers.quadratic import ridge_case
    >>> loss, regularizer, start, data, solution = ridge_case(has_aux=False)
    >>> params, state, _ = ProximalGradient(loss, regularizer, 0.5).run(start, *data)
    >>> np.allclose(params, solution, atol=1e-4)
    True

    References
    ----------
    Beck and Teboulle (2009), A fast iterative shrinkage-thresholding algorithm.
    O'Donoghue and Candes (2015), Adaptive restart for accelerated gradient schemes.
    """

    def _smooth(self, params):
        return self.value

    def _operator(self, params):
        prox = self.regularizer.get_proximal_operator(params, self.strength)
        return lambda moved, step: prox(moved, None, step)
