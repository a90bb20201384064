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

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

SUFFICIENT_DECREASE = 1e-4
SMALLEST_STEP = 2.0**-40
SMALLEST_PIVOT = 1e-13  # of a matrix with unit diagonal: one minus the multiple correlation squared
UNIT_FLOOR = 1e-3  # a perfect fit has no score left: then the score at the start is the unit
PROXIMAL_ROUNDS = 60
PROXIMAL_STEPS = 8


class Evaluation(eqx.Module):
    """One evaluation of the smooth parts, per problem.

    Parameters
    ----------
    value
        Shape (K,).
    gradient
        Shape (K, D).
    information
        Positive semi-definite curvature, shape (K, D, D).
    unit, noise
        Size of a score and of what rounding may change in it, shape (K,): a gradient is small
        relative to the one and never smaller than the other.
    """

    value: Any
    gradient: Any
    information: Any
    unit: Any
    noise: Any


class AbstractProblem(eqx.Module):
    """K independent composite problems over parameters of shape (K, D)."""

    @abstractmethod
    def evaluate(self, theta: Any) -> Evaluation:
        """Evaluate the smooth parts at ``theta``."""

    @abstractmethod
    def penalty(self, theta: Any) -> Any:
        """Penalties, shape (K,)."""

    @abstractmethod
    def prox(self, theta: Any, step: Any) -> Any:
        """Proximal operator of the penalties with elementwise steps."""

    @abstractmethod
    def common_scale(self, scale: Any) -> Any:
        """``scale`` (K, D) made constant where `prox` needs one step for several parameters."""

    @property
    @abstractmethod
    def free(self) -> Any:
        """True where a parameter may move, shape (K, D)."""

    @property
    @abstractmethod
    def traits(self) -> Traits:
        """What kind of penalty it is."""


class Traits(eqx.Module):
    """Static properties of a penalty: whether it has no kinks, acts on each parameter alone, ties problems."""

    smooth: bool = eqx.field(static=True)
    separable: bool = eqx.field(static=True)
    coupled: bool = eqx.field(static=True)


class NewtonState(eqx.Module):
    """Everything a step needs.

    Parameters
    ----------
    theta
        Accepted parameters, shape (K, D).
    objective
        Smooth part plus penalty there, shape (K,).
    information
        Curvature of the smooth part there, shape (K, D, D).
    direction, decrease, step
        Proposed direction (K, D), the decrease it predicts and its length (K,).
    residual, threshold, unit
        Size of the gradient or KKT residual, what it has to reach, and the size of a score, (K,).
    first_objective, first_unit
        At the start: they set the scale of rounding.
    num_steps, limit
        Accepted steps and how many there may be, shape (K,).
    stalled
        True where no shorter step lowers the objective, shape (K,).
    num_evaluations
        Passes over the data so far.
    """

    theta: Any
    objective: Any
    information: Any
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


def start(problem: AbstractProblem, theta: Any, tol: Any, limit: Any = 1) -> NewtonState:
    """State at ``theta``, with the first direction, before at most ``limit`` steps."""
    found = problem.evaluate(theta)
    objective = found.value + problem.penalty(theta)
    direction, decrease, residual, threshold, unit = _propose(
        problem, theta, found, found.unit, tol
    )
    ones = jnp.ones_like(objective)
    return NewtonState(
        theta=theta,
        objective=objective,
        information=found.information,
        direction=direction,
        decrease=decrease,
        step=ones,
        residual=residual,
        threshold=threshold,
        unit=unit,
        first_objective=jnp.abs(objective),
        first_unit=found.unit,
        num_steps=jnp.zeros(ones.shape, int),
        limit=jnp.full(ones.shape, limit, int),
        stalled=jnp.zeros(ones.shape, bool),
        num_evaluations=jnp.ones((), int),
    )


def advance(problem: AbstractProblem, state: NewtonState, tol: Any) -> NewtonState:
    """Try the proposed step: accept it and propose the next, or halve it."""
    trial = state.theta + jnp.where(state.done, 0.0, state.step)[:, None] * state.direction
    found = problem.evaluate(trial)
    objective = found.value + problem.penalty(trial)
    rounding = 8 * jnp.finfo(objective.dtype).eps
    rounding *= jnp.maximum(jnp.abs(state.objective), state.first_objective)
    gain, bound, rounding = (
        _combine(problem, v)
        for v in (
            objective - state.objective,
            SUFFICIENT_DECREASE * state.step * state.decrease,
            rounding,
        )
    )
    accepted = ~state.done & (gain <= bound + rounding)
    direction, decrease, residual, threshold, unit = _propose(
        problem, trial, found, state.first_unit, tol
    )
    ones = jnp.ones_like(objective)
    after = NewtonState(
        theta=trial,
        objective=objective,
        information=found.information,
        direction=direction,
        decrease=decrease,
        step=ones,
        residual=residual,
        threshold=threshold,
        unit=unit,
        first_objective=state.first_objective,
        first_unit=state.first_unit,
        num_steps=state.num_steps + 1,
        limit=state.limit,
        stalled=state.stalled,
        num_evaluations=state.num_evaluations + 1,
    )
    shorter = eqx.tree_at(
        lambda s: (s.step, s.stalled, s.num_evaluations),
        state,
        (state.step / 2, state.step < SMALLEST_STEP, after.num_evaluations),
    )
    return _select(accepted, after, shorter, state.done, state)


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
        A problem has converged when its residual is this small in units of its score.
    max_steps
        Largest number of accepted steps of a problem.
    """
    first = start(problem, theta, tol, max_steps)
    return lax.while_loop(
        lambda s: ~jnp.all(s.done), lambda s: advance(problem, s, tol), first
    )


def positive_solve(matrix: Any, vector: Any) -> tuple[Any, Any]:
    """Solve symmetric systems by Cholesky; minimum-norm where one is not positive definite.

    Parameters
    ----------
    matrix
        Symmetric matrices, shape (K, D, D).
    vector
        Right-hand sides, shape (K, D).

    Returns
    -------
    Solutions (K, D), and where the matrix was positive definite (K,). A matrix that is not is
    replaced by its absolute value, its null space left out.
    """
    diagonal = jnp.diagonal(matrix, axis1=-2, axis2=-1)
    scale = jnp.where(diagonal > 0, diagonal, 1.0) ** -0.5
    scaled = matrix * scale[:, :, None] * scale[:, None, :]
    rhs = (vector * scale)[..., None]
    factor = jnp.linalg.cholesky(scaled)
    pivot = jnp.diagonal(factor, axis1=-2, axis2=-1)
    definite = jnp.all(pivot**2 > SMALLEST_PIVOT, axis=-1)

    def by_factor():
        return jax.scipy.linalg.cho_solve((factor, True), rhs)

    def by_spectrum():
        finite = jnp.isfinite(scaled).all(axis=(-2, -1), keepdims=True)
        values, vectors = jnp.linalg.eigh(jnp.where(finite, scaled, jnp.eye(scaled.shape[-1])))
        size = jnp.abs(values)
        kept = size > 1e-12 * size.max(axis=-1, keepdims=True)
        inverse = jnp.where(kept, 1 / jnp.where(kept, size, 1.0), 0.0)
        least = vectors @ (inverse[..., None] * (jnp.swapaxes(vectors, -1, -2) @ rhs))
        return jnp.where(definite[:, None, None], by_factor(), least)

    solution = lax.cond(jnp.all(definite), by_factor, by_spectrum)
    return solution[..., 0] * scale, definite


def _propose(problem, theta, found, first_unit, tol):
    """Direction, predicted decrease, residual and its threshold at ``theta``."""
    unit = jnp.maximum(found.unit, UNIT_FLOOR * first_unit)
    threshold = jnp.maximum(tol * unit, found.noise)
    free = problem.free
    gradient = jnp.where(free, found.gradient, 0.0)
    information = _restrict(found.information, free)
    if problem.traits.smooth:
        slope, bend = penalty_derivatives(problem, theta)
        gradient = gradient + jnp.where(free, slope, 0.0)
        direction = _newton_direction(information, _restrict(bend, free, 0.0), gradient)
        decrease = jnp.sum(gradient * direction, axis=-1)
        residual = jnp.max(jnp.abs(gradient), axis=-1)
    else:
        model = _Model(problem, theta, gradient, information)
        residual = model.residual(theta)
        goal = jnp.maximum(1e-4 * residual, 0.1 * threshold)
        target = model.minimum(goal)
        direction = jnp.where(free, target - theta, 0.0)
        decrease = jnp.sum(gradient * direction, axis=-1)
        decrease += problem.penalty(theta + direction) - problem.penalty(theta)
    return direction, jnp.minimum(decrease, 0.0), residual, threshold, unit


def _newton_direction(information, bend, gradient):
    """Minus the inverse curvature times the gradient; a penalty that is not convex counts as flat."""
    direction, definite = positive_solve(information + bend, -gradient)
    diagonal = jnp.maximum(jnp.diagonal(bend, axis1=-2, axis2=-1), 0.0)
    convex = lambda: positive_solve(
        information + diagonal[..., None] * jnp.eye(bend.shape[-1]), -gradient
    )[0]
    safe = lax.cond(jnp.all(definite), lambda: direction, convex)
    return jnp.where(definite[:, None], direction, safe)


def penalty_derivatives(problem, theta):
    """Gradient (K, D) and Hessian (K, D, D) of each penalty."""
    gradient = jax.grad(lambda t: jnp.sum(problem.penalty(t)))
    along = lambda v: jax.jvp(gradient, (theta,), (jnp.broadcast_to(v, theta.shape),))[1]
    eye = jnp.eye(theta.shape[-1])
    if problem.traits.separable:
        return gradient(theta), along(jnp.ones(theta.shape[-1]))[..., None] * eye
    return gradient(theta), jax.vmap(along, out_axes=-1)(eye)


def _restrict(matrix, free, held=1.0):
    """Cut rows and columns of held parameters out of ``matrix``, leaving ``held`` on the diagonal."""
    inside = free[:, :, None] & free[:, None, :]
    return jnp.where(inside, matrix, held * jnp.eye(matrix.shape[-1]))


def _combine(problem, per_problem):
    """Sum over problems if their penalty ties them together."""
    if problem.traits.coupled:
        return jnp.broadcast_to(jnp.sum(per_problem), per_problem.shape)
    return per_problem


def _select(accepted, after, shorter, done, state):
    """``after`` where accepted, ``state`` where done before, ``shorter`` elsewhere."""

    def pick(a, s, d):
        if jnp.ndim(a) == 0:
            return a
        wide = lambda mask: mask.reshape(-1, *(1,) * (a.ndim - 1))
        return jnp.where(wide(accepted), a, jnp.where(wide(done), d, s))

    return jax.tree.map(pick, after, shorter, state)


class _Model(eqx.Module):
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
        diagonal = jnp.maximum(diagonal, 1e-12 * jnp.where(largest > 0, largest, 1.0))
        scale = self.problem.common_scale(diagonal**-0.5)
        rows = jnp.abs(self.information * scale[:, :, None] * scale[:, None, :]).sum(axis=-1)
        bound = rows.max(axis=-1, keepdims=True)
        if self.problem.traits.coupled:
            bound = jnp.full_like(bound, bound.max())
        return scale**2 / bound

    def descend(self, x, steps):
        """One proximal gradient step."""
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
        """A few accelerated proximal gradient steps (Beck and Teboulle 2009, FISTA)."""

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
        matrix = _restrict(self.information + _restrict(bend, active, 0.0), active)
        better = x - positive_solve(matrix, total)[0]
        better = self.descend(jnp.where(jnp.isfinite(better), better, x), steps)
        improved = _combine(self.problem, self.residual(better) - self.residual(x)) < 0
        return jnp.where(improved[:, None], better, x)
