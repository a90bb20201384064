"""Newton's method and proximal Newton behind the solver protocol."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from bayesglm.solvers import composite, newton
from bayesglm.solvers.base import (
    AbstractSolver,
    OptimizationInfo,
    SolverState,
)


class _CallableProblem(composite.AbstractProblem):
    """Any differentiable loss of a pytree as one problem, its curvature found by JAX."""

    solver: Any
    like: Any
    args: tuple

    def _tree(self, theta):
        return ravel_pytree(self.like)[1](theta[0])

    def evaluate(self, theta):
        """Value, gradient and Hessian."""
        f = lambda t: self.solver.value(self._tree(t[None]), *self.args)
        value, gradient = jax.value_and_grad(f)(theta[0])
        one = jnp.ones(1, value.dtype)
        hessian = jax.hessian(f)(theta[0])
        return composite.Evaluation(value[None], gradient[None], hessian[None], one, 0 * one)

    def penalty(self, theta):
        """Penalty, shape (1,)."""
        zero = lambda params, *args: jnp.zeros((), theta.dtype)
        penalised = self.solver.regularizer.penalized_loss(zero, self.like, self.solver.strength)
        return penalised(self._tree(theta), *self.args)[None]

    def prox(self, theta, step):
        """Proximal operator with one step for all parameters, the smallest."""
        operator = self.solver.regularizer.get_proximal_operator(self.like, self.solver.strength)
        return ravel_pytree(operator(self._tree(theta), None, jnp.min(step)))[0][None]

    def common_scale(self, scale):
        """One scale for all."""
        return jnp.full_like(scale, jnp.min(scale))

    @property
    def free(self):
        """Every parameter is free."""
        return jnp.ones((1, ravel_pytree(self.like)[0].size), bool)

    @property
    def traits(self):
        """Assume nothing but what the solver's name says."""
        return composite.Traits(not self.solver.proximal, False, False)


def _problem(solver, params, args):
    """Return the problem, how to pack parameters into it, and how to unpack them."""
    if hasattr(solver.loss, "problem"):
        problem = solver.loss.problem(solver.regularizer, params, *args)
        return problem, problem.pack, problem.unpack
    problem = _CallableProblem(solver, params, args)
    return problem, lambda p: ravel_pytree(p)[0][None], problem._tree


class AbstractNewton(AbstractSolver):
    """Shared by `Newton` and `ProximalNewton`."""

    @classmethod
    def settings(cls):
        """Return the settings and their defaults."""
        return {"tol": 1e-10, "maxiter": 100}

    def init_state(self, init_params, *args):
        """State before the first evaluation."""
        _, pack, _ = _problem(self, init_params, args)
        return self._state(newton.start(pack(init_params), self.maxiter))

    def step(self, params, state, *args):
        """One accepted Newton step from ``params`` on the data given."""
        params, after = self._minimize(params, args, 1)
        total = state.stats.num_steps + after.stats.num_steps
        return params, eqx.tree_at(lambda s: s.stats.num_steps, after, total)

    def iterate(self, params, *args):
        """Step until every problem has converged."""
        return self._minimize(params, args, self.maxiter)

    def _minimize(self, params, args, max_steps):
        problem, pack, unpack = _problem(self, params, args)
        inner = newton.minimize(problem, pack(params), tol=self.tol, max_steps=max_steps)
        return unpack(inner.theta), self._state(inner)

    def _state(self, inner):
        stats = OptimizationInfo(
            jnp.sum(inner.objective),
            jnp.maximum(jnp.max(inner.num_steps), 0),
            jnp.all(inner.converged),
            jnp.any(~inner.converged & (inner.num_steps >= self.maxiter)),
        )
        return SolverState(inner, stats)


class Newton(AbstractNewton):
    """Damped Fisher scoring for smooth penalties; see `bayesglm.solvers.newton`.

    Parameters
    ----------
    unregularized_loss, regularizer, regularizer_strength, has_aux, init_params
        See `bayesglm.solvers.base.AbstractSolver`.
    tol
        Largest scaled gradient of a converged fit.
    maxiter
        Largest number of steps.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm.solvers import Newton
    >>> from bayesglm.solvers.quadratic import ridge_case
    >>> loss, regularizer, start, data, solution = ridge_case(has_aux=False)
    >>> params, state, _ = Newton(loss, regularizer, 0.5).run(start, *data)
    >>> np.allclose(params, solution, atol=1e-4)
    True

    References
    ----------
    McCullagh and Nelder (1989), *Generalized Linear Models*, 2nd ed., section 2.5.
    """

    proximal = False


class ProximalNewton(AbstractNewton):
    """Newton's model of the loss with the penalty kept exact: lasso, elastic net, group lasso.

    Parameters
    ----------
    unregularized_loss, regularizer, regularizer_strength, has_aux, init_params
        See `bayesglm.solvers.base.AbstractSolver`.
    tol
        Largest scaled Karush-Kuhn-Tucker residual of a converged fit.
    maxiter
        Largest number of steps.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm.solvers import ProximalNewton
    >>> from bayesglm.solvers.quadratic import ridge_case
    >>> loss, regularizer, start, data, solution = ridge_case(has_aux=False)
    >>> params, state, _ = ProximalNewton(loss, regularizer, 0.5).run(start, *data)
    >>> np.allclose(params, solution, atol=1e-4)
    True

    References
    ----------
    Lee, Sun and Saunders (2014), Proximal Newton-type methods for minimizing composite functions.
    """

    proximal = True
