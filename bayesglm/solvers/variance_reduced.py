"""Stochastic variance-reduced gradient, plain and proximal, for mini-batches."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from bayesglm._module import Module
from bayesglm.solvers.base import (
    AbstractSolver,
    OptimizationInfo,
    SolverState,
    largest_ratio,
    nothing_done,
    number,
)


class SVRGState(Module):
    """Reference point, full gradient there, random key and unit of the gradient."""

    reference_point: Any
    full_grad_at_reference_point: Any
    key: Any
    unit: Any


class AbstractSVRG(AbstractSolver):
    """Shared by `SVRG` and `ProxSVRG`.

    A step is an epoch: the full gradient at a reference point, then as many mini-batch steps as
    cover the data once, each corrected by the reference so that its variance vanishes at the
    optimum. The loss must offer ``num_samples(*args)`` and ``subset(indices, *args)``; any loss of
    arrays with rows first does without.
    """

    stepsize: Any
    seed: Any
    batch_size: int = eqx.field(static=True)

    def configure(self, stepsize, batch_size, key):
        """Keep the settings of the mini-batches."""
        self.stepsize, self.batch_size = number(stepsize), int(batch_size)
        self.seed = key if key is not None else jax.random.PRNGKey(123)

    @classmethod
    def settings(cls):
        """Return the settings and their defaults."""
        return {"tol": 1e-6, "maxiter": 1000, "stepsize": 1e-2, "batch_size": 64, "key": None}

    def init_state(self, init_params, *args):
        """Full gradient at ``init_params``."""
        gradient = self._gradient(init_params, *args)
        inner = SVRGState(init_params, gradient, self.seed, self.unit(init_params, *args))
        return SolverState(inner, nothing_done())

    def step(self, params, state, *args):
        """One epoch from ``params``."""
        inner, stats = state.solver_state, state.stats
        reference, full = params, self._gradient(params, *args)
        residual = self._residual(params, full)
        converged = largest_ratio(residual, inner.unit) <= self.tol
        key, batches = jax.random.split(inner.key)
        num_samples = self._num_samples(args)
        steps = jnp.where(converged, 0, jnp.maximum(1, num_samples // self.batch_size))

        def inner_step(i, current):
            draw = jax.random.fold_in(batches, i)
            indices = jax.random.randint(draw, (self.batch_size,), 0, num_samples)
            batch = self._subset(indices, args)
            correction = jax.tree.map(
                lambda new, old, mean: new - old + mean,
                self._gradient(current, *batch),
                self._gradient(reference, *batch),
                full,
            )
            moved = jax.tree.map(lambda p, g: p - self.stepsize * g, current, correction)
            return self._prox(moved)

        new = jax.lax.fori_loop(0, steps, inner_step, params)
        taken = stats.num_steps + ~converged
        value = self.penalized(params)(new, *args)
        info = OptimizationInfo(value, taken, converged, ~converged & (taken >= self.maxiter))
        return new, SolverState(SVRGState(reference, full, key, inner.unit), info)

    def _residual(self, params, gradient):
        """Gradient, or KKT residual at a unit step."""
        moved = self._prox(jax.tree.map(lambda p, g: p - self.stepsize * g, params, gradient))
        return jax.tree.map(lambda p, m: (p - m) / self.stepsize, params, moved)

    def _gradient(self, params, *args):
        """Gradient of the part that is not handled by the proximal operator."""
        return jax.grad(self._smooth(params))(params, *args)

    def _smooth(self, params):
        return self.penalized(params)

    def _prox(self, params):
        return params

    def _num_samples(self, args):
        if hasattr(self.loss, "num_samples"):
            return self.loss.num_samples(*args)
        return jax.tree.leaves(args)[0].shape[0]

    def _subset(self, indices, args):
        if hasattr(self.loss, "subset"):
            return self.loss.subset(indices, *args)
        return jax.tree.map(lambda a: a[indices], args)


class SVRG(AbstractSVRG):
    """Stochastic variance-reduced gradient for smooth penalties.

    Parameters
    ----------
    unregularized_loss, regularizer, regularizer_strength, has_aux, init_params
        See `bayesglm.solvers.base.AbstractSolver`.
    tol, maxiter
        Largest scaled gradient of a converged fit, and largest number of epochs.
    stepsize, batch_size
        Step, on standardised columns in `fit`, and rows in a mini-batch.
    key
        Random key of the mini-batches; None for a fixed one.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm.solvers import SVRG
    >>> from bayesglm.solvers.quadratic import ridge_case
    >>> loss, regularizer, start, data, solution = ridge_case(has_aux=False)
    >>> params, state, _ = SVRG(loss, regularizer, 0.5).run(start, *data)
    >>> np.allclose(params, solution, atol=1e-4)
    True

    References
    ----------
    Johnson and Zhang (2013), Accelerating stochastic gradient descent using predictive variance
    reduction.
    """


class ProxSVRG(AbstractSVRG):
    """Stochastic variance-reduced gradient followed by the penalty's proximal operator.

    Parameters
    ----------
    unregularized_loss, regularizer, regularizer_strength, has_aux, init_params
        See `bayesglm.solvers.base.AbstractSolver`.
    tol, maxiter
        Largest scaled KKT residual of a converged fit, and largest number of epochs.
    stepsize, batch_size
        Step, on standardised columns in `fit`, and rows in a mini-batch.
    key
        Random key of the mini-batches; None for a fixed one.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm.solvers import ProxSVRG
    >>> from bayesglm.solvers.quadratic import ridge_case
    >>> loss, regularizer, start, data, solution = ridge_case(has_aux=False)
    >>> params, state, _ = ProxSVRG(loss, regularizer, 0.5).run(start, *data)
    >>> np.allclose(params, solution, atol=1e-4)
    True

    References
    ----------
    Xiao and Zhang (2014), A proximal stochastic gradient method with progressive variance
    reduction.
    """

    def _smooth(self, params):
        return self.value

    def _prox(self, params):
        operator = self.regularizer.get_proximal_operator(params, self.strength)
        return operator(params, None, self.stepsize)
