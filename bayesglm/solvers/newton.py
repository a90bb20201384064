r"""Damped Newton and proximal Newton for many independent problems at once.

Each of K problems minimises :math:`f_k(\theta_k) + P_k(\theta_k)` where one evaluation gives the
value, gradient and curvature (Fisher information) of the smooth f. A step minimises the quadratic
model of f plus P; its length is halved until the objective falls. A problem stops by itself, on
the size of its gradient or Karush-Kuhn-Tucker residual in units of the score.

References
----------
Lee, Sun and Saunders (2014), Proximal Newton-type methods for minimizing composite functions.
Nocedal and Wright (2006), *Numerical Optimization*, 2nd ed., sections 3.1 and 3.4.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from bayesglm._module import Module
from bayesglm.solvers._proximal_model import ProximalModel
from bayesglm.solvers.composite import AbstractProblem, combine
from bayesglm.solvers.curvature import penalty_derivatives, positive_solve, restrict

SUFFICIENT_DECREASE = 1e-4
SMALLEST_STEP = 2.0**-40
QUADRATIC = 1e-8  # length of a step after which the error is its square, in units of the score
UNIT_FLOOR = 1e-3  # a perfect fit has no score left: then the score at the start is the unit


class NewtonState(Module):
    """Everything a step needs.

    Parameters
    ----------
    theta
        Accepted parameters, shape (K, D).
    objective
        Smooth part plus penalty there, shape (K,); infinite before the first evaluation.
    precision
        Curvature there, with that of the penalty if it is smooth, shape (K, D, D).
    direction, decrease, step
        Proposed direction (K, D), the decrease it predicts and its length (K,).
    residual, threshold, unit
        Size of the gradient or KKT residual, what it has to reach, and the size of a score, (K,).
    first_objective, first_unit
        At the start: they set the scale of rounding.
    num_steps, limit
        Accepted steps, -1 before the first evaluation, and how many there may be, shape (K,).
    stalled
        True where no shorter step lowers the objective, shape (K,).
    num_evaluations
        Passes over the data so far.
    """

    theta: Any
    objective: Any
    precision: Any
    direction: Any
    decrease: Any
    step: Any
    residual: Any
    threshold: Any
    unit: Any
    first_objective: Any
    first_unit: Any
    num_steps: Any
    limit: Any
    stalled: Any
    num_evaluations: Any

    @property
    def converged(self) -> Any:
        """True where the residual has reached its threshold, shape (K,)."""
        return self.residual <= self.threshold

    @property
    def done(self) -> Any:
        """True where nothing more is to be done, shape (K,)."""
        return self.converged | self.stalled | (self.num_steps >= self.limit)


def start(theta: Any, limit: Any) -> NewtonState:
    """State before the first evaluation, which will be at ``theta``."""
    K, D = theta.shape
    zeros, ones = jnp.zeros(K, theta.dtype), jnp.ones(K, theta.dtype)
    return NewtonState(
        theta=theta,
        objective=jnp.inf * ones,
        precision=jnp.zeros((K, D, D), theta.dtype),
        direction=jnp.zeros_like(theta),
        decrease=zeros,
        step=ones,
        residual=jnp.inf * ones,
        threshold=zeros,
        unit=zeros,
        first_objective=zeros,
        first_unit=zeros,
        num_steps=jnp.full(K, -1),
        limit=jnp.full(K, limit, int),
        stalled=jnp.zeros(K, bool),
        num_evaluations=jnp.zeros((), int),
    )


def advance(problem: AbstractProblem, state: NewtonState, tol: Any) -> NewtonState:
    """Evaluate the proposed step: accept it and propose the next, or halve it."""
    trial = state.theta + jnp.where(state.done, 0.0, state.step)[:, None] * state.direction
    found = problem.evaluate(trial)
    objective = found.value + problem.penalty(trial)
    first = state.num_steps < 0
    first_objective = jnp.where(first, jnp.abs(objective), state.first_objective)
    first_unit = jnp.where(first, found.unit, state.first_unit)
    accepted = ~state.done & _is_lower(problem, state, objective)
    precision, direction, decrease, residual, threshold, unit = _propose(
        problem, trial, found, first_unit, tol
    )
    after = NewtonState(
        theta=trial,
        objective=objective,
        precision=precision,
        direction=direction,
        decrease=decrease,
        step=jnp.ones_like(objective),
        residual=residual,
        threshold=threshold,
        unit=unit,
        first_objective=first_objective,
        first_unit=first_unit,
        num_steps=state.num_steps + 1,
        limit=state.limit,
        stalled=state.stalled,
        num_evaluations=state.num_evaluations + 1,
    )
    shorter = eqx.tree_at(
        lambda s: (s.step, s.stalled, s.num_evaluations),
        state,
        (state.step / 2, (state.step < SMALLEST_STEP) | first, after.num_evaluations),
    )
    return _select(accepted, after, shorter, state.done, state)


def _is_lower(problem: AbstractProblem, state: NewtonState, objective: Any) -> Any:
    """Whether the objective fell enough: rounding is forgiven, and any first value will do.

    The terms of an objective may cancel; those of a score, as large as its unit, do not.
    """
    rounding = 8 * jnp.finfo(objective.dtype).eps
    rounding *= jnp.where(
        jnp.isfinite(state.objective),
        jnp.maximum(jnp.maximum(jnp.abs(state.objective), state.first_objective), state.unit),
        0.0,
    )
    gain = combine(problem, objective - state.objective)
    bound = combine(problem, SUFFICIENT_DECREASE * state.step * state.decrease + rounding)
    return gain <= bound


def minimize(
    problem: AbstractProblem, theta: Any, *, tol: Any = 1e-10, max_steps: Any = 100
) -> NewtonState:
    """Minimise all problems from ``theta``.

    Parameters
    ----------
    problem
        The problems.
    theta
        Starting values, shape (K, D), where every objective is finite.
    tol
        A problem has converged when its residual is this small in units of its score, or will be
        after a last step that is taken without another evaluation.
    max_steps
        Largest number of accepted steps of a problem; with none, ``theta`` is only evaluated.
    """
    found = lax.while_loop(
        lambda s: ~jnp.all(s.done),
        lambda s: advance(problem, s, tol),
        start(theta, max_steps),
    )
    return _with_last_step(problem, found)


def _nearly_there(precision: Any, decrease: Any, unit: Any) -> Any:
    """Whether Newton's step, in standard deviations of a mean score's unit, is short; (K,)."""
    curvature = jnp.max(jnp.diagonal(precision, axis1=-2, axis2=-1), axis=-1)
    return jnp.sqrt(jnp.abs(decrease) * curvature) <= QUADRATIC * unit


def _with_last_step(problem: AbstractProblem, state: NewtonState) -> NewtonState:
    """Take the last step of smooth problems that are near their optimum without looking.

    It squares an error of at most `QUADRATIC`, and an evaluation would only confirm it. What is
    said of the state, its residual and curvature, is what was found before it.
    """
    if not problem.traits.smooth:
        return state
    near = _nearly_there(state.precision, state.decrease, state.unit)
    last = (state.converged & near & (state.limit > 0))[:, None]
    return eqx.tree_at(
        lambda s: s.theta, state, state.theta + jnp.where(last, state.direction, 0.0)
    )


def _propose(problem, theta, found, first_unit, tol):
    """Precision, direction, predicted decrease, residual, its threshold and unit at ``theta``."""
    unit = jnp.maximum(found.unit, UNIT_FLOOR * first_unit)
    threshold = jnp.maximum(tol * unit, found.noise)
    free = problem.free
    gradient = jnp.where(free, found.gradient, 0.0)
    precision = restrict(found.information, free)
    if problem.traits.smooth:
        slope, bend = penalty_derivatives(problem, theta)
        gradient = gradient + jnp.where(free, slope, 0.0)
        precision = precision + restrict(bend, free, 0.0)
        direction, _ = positive_solve(precision, -gradient)
        decrease = jnp.sum(gradient * direction, axis=-1)
        residual = jnp.max(jnp.abs(gradient), axis=-1)
        near = _nearly_there(precision, decrease, unit)
        threshold = jnp.where(near, jnp.maximum(QUADRATIC * unit, threshold), threshold)
    else:
        model = ProximalModel(problem, theta, gradient, precision)
        residual = model.residual(theta)
        goal = jnp.maximum(1e-4 * residual, 0.1 * threshold)
        target = model.minimum(goal)
        direction = jnp.where(free, target - theta, 0.0)
        decrease = jnp.sum(gradient * direction, axis=-1)
        decrease += problem.penalty(theta + direction) - problem.penalty(theta)
    return precision, direction, jnp.minimum(decrease, 0.0), residual, threshold, unit


def _select(accepted, after, shorter, done, state):
    """``after`` where accepted, ``state`` where done before, ``shorter`` elsewhere."""

    def pick(a, s, d):
        if jnp.ndim(a) == 0:
            return a
        wide = lambda mask: mask.reshape(-1, *(1,) * (a.ndim - 1))
        return jnp.where(wide(accepted), a, jnp.where(wide(done), d, s))

    return jax.tree.map(pick, after, shorter, state)
