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
from jax.lax import linalg

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
    """Whether the objective fell enough; rounding is forgiven, and a first value is always lower."""
    rounding = 8 * jnp.finfo(objective.dtype).eps
    rounding *= jnp.where(
        jnp.isfinite(state.objective),
        jnp.maximum(jnp.abs(state.objective), state.first_objective),
        0.0,
    )
    gain = _combine(problem, objective - state.objective)
    bound = _combine(problem, SUFFICIENT_DECREASE * state.step * state.decrease + rounding)
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
        A problem has converged when its residual is this small in units of its score.
    max_steps
        Largest number of accepted steps of a problem; with none, ``theta`` is only evaluated.
    """
    return lax.while_loop(
        lambda s: ~jnp.all(s.done),
        lambda s: advance(problem, s, tol),
        start(theta, max_steps),
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
    # The primitives themselves: NumPy's wrappers around them take longer to compile than they do.
    factor = linalg.cholesky(scaled, symmetrize_input=False)
    pivot = jnp.diagonal(factor, axis1=-2, axis2=-1)
    definite = jnp.all(pivot**2 > SMALLEST_PIVOT, axis=-1)
    half = linalg.triangular_solve(factor, rhs, left_side=True, lower=True)
    solution = linalg.triangular_solve(factor, half, left_side=True, lower=True, transpose_a=True)

    def where_indefinite():
        finite = jnp.isfinite(scaled).all(axis=(-2, -1), keepdims=True)
        vectors, values = linalg.eigh(jnp.where(finite, scaled, 0.0), symmetrize_input=False)
        size = jnp.abs(values)
        kept = size > 1e-12 * size.max(axis=-1, keepdims=True)
        inverse = jnp.where(kept, 1 / jnp.where(kept, size, 1.0), 0.0)
        least = vectors @ (inverse[..., None] * (jnp.swapaxes(vectors, -1, -2) @ rhs))
        return jnp.where(definite[:, None, None], solution, least)

    solution = lax.cond(jnp.all(definite), lambda: solution, where_indefinite)
    return solution[..., 0] * scale, definite


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
    else:
        model = _Model(problem, theta, gradient, precision)
        residual = model.residual(theta)
        goal = jnp.maximum(1e-4 * residual, 0.1 * threshold)
        target = model.minimum(goal)
        direction = jnp.where(free, target - theta, 0.0)
        decrease = jnp.sum(gradient * direction, axis=-1)
        decrease += problem.penalty(theta + direction) - problem.penalty(theta)
    return precision, direction, jnp.minimum(decrease, 0.0), residual, threshold, unit


def penalty_derivatives(problem, theta):
    """Gradient (K, D) and Hessian (K, D, D) of each penalty."""
    gradient = jax.grad(lambda t: jnp.sum(problem.penalty(t)))
    along = lambda v: jax.jvp(gradient, (theta,), (jnp.broadcast_to(v, theta.shape),))[1]
    eye = jnp.eye(theta.shape[-1])
    if problem.traits.separable:
        return gradient(theta), along(jnp.ones(theta.shape[-1]))[..., None] * eye
    return gradient(theta), jax.vmap(along, out_axes=-1)(eye)


def restrict(matrix, free, held=1.0):
    """Cut rows and columns of held parameters out of ``matrix``, leaving ``held`` on the diagonal."""
    inside = free[:, :, None] & free[:, None, :]
    eye = jnp.eye(matrix.shape[-1])
    return jnp.where(inside, matrix, jnp.where(eye > 0, held, 0.0 * held))


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
        matrix = restrict(self.information + restrict(bend, active, 0.0), active)
        better = x - positive_solve(matrix, total)[0]
        better = self.descend(jnp.where(jnp.isfinite(better), better, x), steps)
        improved = _combine(self.problem, self.residual(better) - self.residual(x)) < 0
        return jnp.where(improved[:, None], better, x)
