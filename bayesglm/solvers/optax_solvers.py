"""Smooth solvers: any optax gradient transformation, run to a small scaled gradient."""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache
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
)


class _Inner(Module):
    """State of the transformation and the unit of the gradient."""

    opt_state: Any
    unit: Any


class AbstractOptaxSolver(AbstractSolver):
    """Runs an optax transformation until the scaled gradient is small.

    A concrete solver names its settings and builds its transformation; transformations are
    cached by their settings, so that equal settings share one compiled program.
    """

    transformation: Any = eqx.field(static=True)

    def configure(self, **settings):
        """Build the transformation."""
        self.transformation = self.build(**settings)

    @staticmethod
    @abstractmethod
    def build(**settings: Any) -> optax.GradientTransformationExtraArgs:
        """Return the transformation for these settings; cached, settings hashable."""

    def init_state(self, init_params, *args):
        """State of the transformation at ``init_params``."""
        inner = _Inner(self.transformation.init(init_params), self.unit(init_params, *args))
        return SolverState(inner, nothing_done())

    def step(self, params, state, *args):
        """One update of the transformation; none where the gradient is already small."""
        objective = self.penalized(params)
        f = lambda p: objective(p, *args)
        inner, stats = state.solver_state, state.stats
        value, gradient = self._value_and_gradient(f, params, inner.opt_state)
        converged = largest_ratio(gradient, inner.unit) <= self.tol
        updates, opt_state = self.transformation.update(
            gradient, inner.opt_state, params, value=value, grad=gradient, value_fn=f
        )
        keep = lambda new, old: jax.tree.map(lambda n, o: jnp.where(converged, o, n), new, old)
        params = keep(optax.apply_updates(params, updates), params)
        taken = stats.num_steps + ~converged
        info = OptimizationInfo(value, taken, converged, ~converged & (taken >= self.maxiter))
        return params, SolverState(_Inner(keep(opt_state, inner.opt_state), inner.unit), info)

    def _value_and_gradient(self, f, params, opt_state):
        if optax.tree.get(opt_state, "grad") is None:
            return jax.value_and_grad(f)(params)
        return optax.value_and_grad_from_state(f)(params, state=opt_state)


def _first_order_settings(**more):
    return {"tol": 1e-9, "maxiter": 1000, **more}


class LBFGS(AbstractOptaxSolver):
    """Limited-memory BFGS with a zoom line search, from optax.

    Parameters
    ----------
    unregularized_loss, regularizer, regularizer_strength, has_aux, init_params
        See `bayesglm.solvers.base.AbstractSolver`.
    tol, maxiter
        Largest scaled gradient of a converged fit, and largest number of steps.
    stepsize
        Fixed step; None or a number that is not positive searches.
    memory_size
        Pairs of steps and gradients that are kept.
    scale_init_precond
        Whether the initial inverse Hessian is scaled.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm.solvers import LBFGS
    >>> from bayesglm.solvers.quadratic import ridge_case
    >>> loss, regularizer, start, data, solution = ridge_case(has_aux=False)
    >>> params, state, _ = LBFGS(loss, regularizer, 0.5).run(start, *data)
    >>> np.allclose(params, solution, atol=1e-4)
    True

    References
    ----------
    Nocedal and Wright (2006), *Numerical Optimization*, 2nd ed., algorithm 7.5.
    """

    @classmethod
    def settings(cls):
        """Return the settings and their defaults."""
        return _first_order_settings(stepsize=None, memory_size=10, scale_init_precond=True)

    @staticmethod
    @lru_cache
    def build(stepsize, memory_size, scale_init_precond):
        """`optax.lbfgs`, with its line search unless a step is given."""
        return _quasi_newton(stepsize, memory_size, scale_init_precond)


class BFGS(AbstractOptaxSolver):
    """BFGS: limited-memory BFGS that keeps every pair of a run of ordinary length.

    Parameters
    ----------
    unregularized_loss, regularizer, regularizer_strength, has_aux, init_params
        See `bayesglm.solvers.base.AbstractSolver`.
    tol, maxiter
        Largest scaled gradient of a converged fit, and largest number of steps.
    stepsize
        Fixed step; None or a number that is not positive searches.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm.solvers import BFGS
    >>> from bayesglm.solvers.quadratic import ridge_case
    >>> loss, regularizer, start, data, solution = ridge_case(has_aux=False)
    >>> params, state, _ = BFGS(loss, regularizer, 0.5).run(start, *data)
    >>> np.allclose(params, solution, atol=1e-4)
    True

    References
    ----------
    Nocedal and Wright (2006), *Numerical Optimization*, 2nd ed., section 6.1.
    """

    @classmethod
    def settings(cls):
        """Return the settings and their defaults."""
        return _first_order_settings(stepsize=None)

    @staticmethod
    @lru_cache
    def build(stepsize):
        """`optax.lbfgs` with a long memory."""
        return _quasi_newton(stepsize, 100, True)


class NonlinearCG(AbstractOptaxSolver):
    """Nonlinear conjugate gradients (Polak-Ribiere, restarted) with a zoom line search.

    Parameters
    ----------
    unregularized_loss, regularizer, regularizer_strength, has_aux, init_params
        See `bayesglm.solvers.base.AbstractSolver`.
    tol, maxiter
        Largest scaled gradient of a converged fit, and largest number of steps.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm.solvers import NonlinearCG
    >>> from bayesglm.solvers.quadratic import ridge_case
    >>> loss, regularizer, start, data, solution = ridge_case(has_aux=False)
    >>> params, state, _ = NonlinearCG(loss, regularizer, 0.5).run(start, *data)
    >>> np.allclose(params, solution, atol=1e-4)
    True

    References
    ----------
    Nocedal and Wright (2006), *Numerical Optimization*, 2nd ed., equation 5.45.
    """

    @classmethod
    def settings(cls):
        """Return the settings and their defaults."""
        return _first_order_settings()

    @staticmethod
    @lru_cache
    def build():
        """Conjugate directions, then a line search."""
        return optax.chain(_conjugate_directions(), _zoom())


class CustomOptax(AbstractOptaxSolver):
    """Any optax optimizer that a user passes as ``solver_name``.

    Parameters
    ----------
    unregularized_loss, regularizer, regularizer_strength, has_aux, init_params
        See `bayesglm.solvers.base.AbstractSolver`.
    tol, maxiter
        Largest scaled gradient of a converged fit, and largest number of steps.
    optimizer
        The optax gradient transformation.
    """

    @classmethod
    def settings(cls):
        """Return the settings and their defaults."""
        return {"tol": 1e-9, "maxiter": 10_000, "optimizer": None}

    @staticmethod
    def build(optimizer):
        """Return the user's optimizer."""
        return optax.with_extra_args_support(optimizer)


def _is_fixed(stepsize: float | None) -> bool:
    return stepsize is not None and stepsize > 0


def _zoom() -> optax.GradientTransformationExtraArgs:
    return optax.scale_by_zoom_linesearch(30, initial_guess_strategy="one")


def _quasi_newton(stepsize, memory_size, scale_init_precond):
    step = stepsize if _is_fixed(stepsize) else None
    search = optax.identity() if step else _zoom()
    return optax.lbfgs(step, memory_size, scale_init_precond, optax.with_extra_args_support(search))


class _ConjugateState(Module):
    """Previous gradient and direction."""

    gradient: Any
    direction: Any


def _conjugate_directions() -> optax.GradientTransformation:
    """Polak-Ribiere-plus directions, reset to steepest descent where they do not descend."""

    def init(params):
        zeros = optax.tree.zeros_like(params)
        return _ConjugateState(zeros, zeros)

    def update(gradient, state, params=None):
        old = optax.tree.vdot(state.gradient, state.gradient)
        change = optax.tree.vdot(gradient, optax.tree.sub(gradient, state.gradient))
        beta = jnp.where(old > 0, jnp.maximum(change / jnp.where(old > 0, old, 1.0), 0.0), 0.0)
        direction = jax.tree.map(lambda g, d: beta * d - g, gradient, state.direction)
        descends = optax.tree.vdot(direction, gradient) < 0
        direction = jax.tree.map(lambda d, g: jnp.where(descends, d, -g), direction, gradient)
        return direction, _ConjugateState(gradient, direction)

    return optax.GradientTransformation(init, update)
