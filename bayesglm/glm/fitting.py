"""Optimise an assembled model and judge the result: pure functions between arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayesglm._compiled import compiled
from bayesglm._module import Module
from bayesglm.glm import dispersion, identification, initialize, memory
from bayesglm.glm.assemble import Assembled, Choices, assemble
from bayesglm.glm.likelihood import row_sums
from bayesglm.glm.params import GLMParams, pack
from bayesglm.glm.problem import GLMProblem
from bayesglm.glm.stream import finite
from bayesglm.glm.validation import Data
from bayesglm.solvers import curvature, newton
from bayesglm.solvers.base import SolverState

CANONICAL = frozenset(
    {
        ("PoissonObservations", "exp"),
        ("BernoulliObservations", "logistic"),
        ("BinomialObservations", "logistic"),
        ("GaussianObservations", "identity"),
        ("GammaObservations", "one_over_x"),
    }
)
MOST_ROUNDS = 100  # of coefficients and dispersion in turn
MOST_STARTS = 10  # of a solver, each from where the last one stopped
MARGIN = 30.0  # a solver's own test uses the score at its start, the verdict that at the end
FOREIGN_TOLERANCE = 1e-4  # scaled gradient asked of a solver that names no tolerance of its own
SHORT_STEP = 0.01  # of a spread of the linear predictor
SCALE_TOLERANCE = 1e-9  # on the log of the dispersion, where its likelihood is flat to 1e-18


@dataclass(frozen=True)
class Fit:
    """An optimum and what is known about it.

    Parameters
    ----------
    params
        Parameters of the user's columns, float64 NumPy: coef (p, K[, C]), intercept (K[, C]).
    scale
        Dispersion the kernel was evaluated with, shape (K,).
    state, aux
        The solver's final state, and the auxiliary output of the loss.
    residual, threshold, unit
        Gradient or KKT residual, what it had to reach, and the size of a score, shape (K,).
    precision
        Curvature at the optimum as Newton's method has it, shape (K, D, D); None if too large.
    silent
        Responses that never vary and were held at the edge of their range, booleans (K,).
    """

    params: GLMParams
    scale: np.ndarray
    state: Any
    aux: Any
    residual: np.ndarray
    threshold: np.ndarray
    unit: np.ndarray
    precision: Any
    silent: np.ndarray

    @property
    def converged(self) -> np.ndarray:
        """Whether each response has converged, shape (K,); never where the score overflowed."""
        return np.isfinite(self.threshold) & (self.residual <= self.threshold)

    @property
    def num_steps(self) -> int:
        """Steps that the solver took."""
        stats = getattr(self.state, "stats", None)
        return int(getattr(stats, "num_steps", 0))


def fit_data(
    choices: Choices,
    data: Data,
    target: np.ndarray,
    trailing: tuple[int, ...],
    start: GLMParams | None,
    spec: Any,
    settings: dict[str, Any],
) -> tuple[Fit, Assembled]:
    """Fit a model to checked data.

    Parameters
    ----------
    choices, data
        The model and the observations.
    target
        Responses as the kernel wants them, shape (n, K) or (n, K, C).
    trailing
        Shape that users see after the feature axis.
    start
        Starting values in internal shapes; None derives them from the data.
    spec, settings
        The solver and its keyword arguments.

    Returns
    -------
    The optimum, and the model in standardised coordinates.
    """
    shape = (data.design.array.shape[1], *target.shape[1:])
    memory.refuse_large_fit(data.design.array, _matrix_size(spec.algo_name, shape))
    if choices.regularizer.is_zero:
        identification.refuse_unidentified(data, choices.feature_mask, choices.fit_intercept)
    held, average = None, initialize.average_response(data, target)
    derived = start is None
    if derived:
        start, held = initialize.null_params(choices, data, target.shape, average)
    model = assemble(choices, data, target, trailing, coordinates="columns", held_responses=held)
    solved = model
    coordinates = _coordinates(spec, model.penalty.penalty)
    if coordinates != "columns":
        solved = assemble(
            choices, data, target, trailing, coordinates=coordinates, held_responses=held
        )

    def run(model, params):
        penalty = model.penalty
        solver = spec.implementation(model.loss, penalty, None, False, params, **settings)
        for _ in range(MOST_STARTS):
            params, state, aux = solver.run(params, model.rows)
            if not _judged_by_its_start(state):
                break
        return params, state, aux

    tolerance = settings.get("tol", _default_tolerance(spec.implementation))
    silent = np.zeros(target.shape[1], bool) if held is None else held
    return _optimize(solved, model, start, run, tolerance, average if derived else None, silent)


def _judged_by_its_start(state: Any) -> bool:
    """Whether Newton's method stopped on a score that is small beside that of a bad start only.

    So does a perfect fit, with no score left at all; started again there, it stays.
    """
    inner = getattr(state, "solver_state", None)
    if not isinstance(inner, newton.NewtonState):
        return False
    unit, first_unit = np.asarray(inner.unit), np.asarray(inner.first_unit)
    by_start = unit <= newton.UNIT_FLOOR * first_unit
    converged = np.asarray(inner.residual) <= np.asarray(inner.threshold)
    return bool(np.any(by_start & converged & (np.asarray(inner.num_steps) > 0)))


def _matrix_size(algorithm: str, shape: tuple[int, ...]) -> int:
    """Numbers in the matrices that a solver has for coefficients of a shape."""
    if algorithm == "BFGS":  # one matrix for the parameters of all responses
        return ((shape[0] + 1) * math.prod(shape[1:])) ** 2
    return memory.curvature_size(shape) if algorithm in ("Newton", "ProximalNewton") else 0


def _default_tolerance(implementation: Any) -> float:
    """Scaled gradient asked of a solver: a little more than where its own test stops."""
    if not hasattr(implementation, "settings"):
        return FOREIGN_TOLERANCE
    return implementation.settings()["tol"]


def _coordinates(spec: Any, penalty: Any) -> str:
    """Coordinates for a solver: Newton's and smooth ones take any, a foreign one the user's."""
    if spec.backend not in ("bayesglm", "user"):
        return "user"
    if penalty.separable or penalty.smooth or spec.algo_name in ("Newton", "ProximalNewton"):
        return "columns"
    return "groups"


def _optimize(solved, model, start, run, tolerance, average, silent) -> tuple[Fit, Assembled]:
    params = solved.host.to_standard(start)
    if average is not None and not _is_wide(model):
        params = initialize.first_step(solved, params, average)
    if _depends_on_scale(model):
        solved, model, (params, state, aux) = _alternate(solved, model, params, run)
    else:
        params, state, aux = run(solved, params)
    found = GLMParams(np.asarray(params.coef), np.asarray(params.intercept))
    user = solved.host.from_standard(found)
    free_level = not model.penalty.penalty.penalizes_intercept
    if average is not None and user.intercept.ndim == 2 and free_level:
        user = GLMParams(user.coef, user.intercept - user.intercept.mean(axis=1, keepdims=True))
    params = finite(user)
    at = _judge(model, user, state, tolerance, solved is model)
    return (
        Fit(
            params,
            np.asarray(model.loss.likelihood.scale),
            state,
            aux,
            np.asarray(at.residual),
            np.asarray(at.threshold),
            np.asarray(at.unit),
            at.precision,
            silent,
        ),
        model,
    )


def _depends_on_scale(model: Assembled) -> bool:
    """Whether the coefficients' optimum depends on a dispersion that has to be estimated."""
    estimator = model.loss.likelihood.observations.scale_estimator
    prior = model.penalty.penalty
    return estimator == "likelihood" or (estimator == "moments" and prior.depends_on_rows)


def _alternate(solved, model, params, run):
    """Optimise coefficients and dispersion in turn until neither moves.

    Their Fisher information is zero across, so few rounds do. A prior of its own scale weighs
    against N / kappa rows, with kappa from the dispersion.
    """
    scale, same = model.loss.likelihood.scale, solved is model
    for _ in range(MOST_ROUNDS):
        params, *_ = run(solved, params)
        new = _next_scale(solved, params, scale)
        moved = np.abs(np.log(np.asarray(new)) - np.log(np.asarray(scale))).max()
        scale = new
        solved = solved.with_scale(scale)
        model = solved if same else model.with_scale(scale)
        if moved < SCALE_TOLERANCE:
            break
    return solved, model, run(solved, params)


def _next_scale(model: Assembled, params: GLMParams, scale: Any) -> Any:
    """Dispersion at given standardised coefficients."""
    loss, rows = model.loss, model.rows
    at = loss.likelihood, loss.standardization, params, rows
    if loss.likelihood.observations.scale_estimator == "likelihood":
        return dispersion.maximum_likelihood(*at, scale)
    total, dof = dispersion.pearson_mean(*at) * model.num_rows, model.prior_dof
    counted = total / np.where(dof > 0, dof, 1.0)
    if np.all(dof > 0):
        return counted
    undecided = dispersion.undecided(total, scale, _effective_dof(model, params))
    return np.where(dof > 0, counted, undecided)


def _effective_dof(model: Assembled, params: GLMParams) -> np.ndarray:
    """Rows less the parameters (K,) that the data decide and not the prior."""
    problem = model.loss.problem(model.penalty, params, model.rows)
    decided = np.asarray(dispersion.effective_parameters(problem, params))
    return np.maximum(model.num_rows - decided, dispersion.SMALLEST_DOF)


def _judge(model, user, state, tolerance, same) -> newton.NewtonState | Verdict:
    """State of Newton's method at the solution, or as much of it as does not fill the memory."""
    inner = getattr(state, "solver_state", None)
    own = same and isinstance(state, SolverState) and isinstance(inner, newton.NewtonState)
    if own and not _judged_by_its_start(state):
        return inner
    problem = model.loss.problem(model.penalty, user, model.rows)
    inspect = _inspect_gradient if _is_wide(model) else _inspect
    return inspect(problem, model.host.to_standard(user), np.asarray(MARGIN * tolerance))


def _is_wide(model: Assembled) -> bool:
    """Whether curvature matrices of all responses would be too large to form in passing."""
    return memory.curvature_size(model.loss.movable.coef.shape) > memory.LARGEST_CURVATURE


class Verdict(Module):
    """What `Fit` has of a `newton.NewtonState`, without a matrix."""

    residual: Any
    threshold: Any
    unit: Any
    precision: None = None


@compiled
def _inspect_gradient(problem: GLMProblem, params: GLMParams, tolerance: Any) -> Verdict:
    """Gradient or KKT residual, without any curvature."""
    theta, free = problem.pack(params), problem.free
    at = problem.evaluate_gradient(theta)
    gradient = jnp.where(free, at.gradient, 0.0)
    if problem.traits.smooth:
        slope = jax.grad(lambda t: jnp.sum(problem.penalty(t)))(theta)
        residual = jnp.max(jnp.abs(gradient + jnp.where(free, slope, 0.0)), axis=-1)
    else:  # the same for every step that is not too long for the parameters that moved
        step = SHORT_STEP / jnp.where(at.unit > 0, at.unit, 1.0)
        steps = problem.common_scale(jnp.broadcast_to(step[:, None], theta.shape) ** 0.5) ** 2
        moved = theta - problem.prox(theta - steps * gradient, steps)
        residual = jnp.max(jnp.abs(jnp.where(free, moved, 0.0)) / steps, axis=-1)
    return Verdict(residual, jnp.maximum(tolerance * at.unit, at.noise), at.unit)


@compiled
def _inspect(problem: GLMProblem, params: GLMParams, tolerance: Any) -> newton.NewtonState:
    return newton.minimize(problem, problem.pack(params), tol=tolerance, max_steps=0)


def residual_dof_and_scale(
    choices: Choices, data: Data, model: Assembled, fit: Fit
) -> tuple[np.ndarray, np.ndarray]:
    """Residual degrees of freedom and dispersion of a fit, shapes (K,).

    The dispersion is NaN for silent responses, of which the data say nothing. Where a prior of its
    own scale leaves no degrees of freedom to count, both are those of `dispersion.undecided`.
    """
    dof = identification.residual_dof(choices, data, fit.params, model.penalty.penalty)
    scale = scale_at(model, fit.params, data.num_rows, dof)
    estimator = model.loss.likelihood.observations.scale_estimator
    undecided = model.outnumbered
    if estimator == "moments" and undecided.any():
        effective = _effective_dof(model, model.host.to_standard(fit.params))
        dof = np.where(undecided, effective, dof)
        scale = np.where(undecided, model.loss.likelihood.scale, scale)
    silent = fit.silent & (estimator in ("moments", "likelihood"))
    return dof, np.where(silent, np.nan, scale)


def scale_at(
    model: Assembled, params: GLMParams, num_rows: np.ndarray, dof_resid: np.ndarray
) -> np.ndarray:
    """Dispersion that goes with parameters of the user's columns, shape (K,).

    That of the kernel where it has one (given, or estimated by likelihood), Pearson's statistic
    over ``dof_resid`` where it is estimated by moments (NaN without degrees of freedom), else one.
    """
    likelihood, rows = model.loss.likelihood, model.rows
    if likelihood.observations.scale_estimator == "none":
        return np.ones_like(dof_resid)
    if likelihood.observations.scale_estimator != "moments":
        return np.asarray(likelihood.scale)
    params = model.host.to_standard(params)
    mean = dispersion.pearson_mean(likelihood, model.standardization, params, rows)
    return np.asarray(mean) * num_rows / np.where(dof_resid > 0, dof_resid, np.nan)


def is_canonical(model: Assembled) -> bool:
    """Whether the observed information is Fisher's."""
    likelihood = model.loss.likelihood
    return (type(likelihood.observations).__name__, likelihood.link.__name__) in CANONICAL


def posterior_precision(model: Assembled, fit: Fit) -> np.ndarray:
    """Fisher information of the mean kernel plus the penalty's curvature, shape (K, D, D).

    In standardised coordinates. Parameters that a mask, a kink or a missing intercept holds in
    place have rows and columns of NaN.
    """
    if is_canonical(model) and model.penalty.penalty.smooth:
        held = ~pack(model.loss.movable, np)
        outside = held[:, :, None] | held[:, None, :]
        return np.where(outside, np.nan, fit.precision)
    problem = model.loss.problem(model.penalty, fit.params, model.rows)
    return np.asarray(_precision(problem, model.host.to_standard(fit.params)))


@compiled
def _precision(problem: GLMProblem, params: GLMParams) -> Any:
    theta = problem.pack(params)
    sums = row_sums(
        problem.likelihood, problem.standardization, params, problem.rows, curvature="expected"
    )
    _, bend = curvature.penalty_derivatives(problem, theta)
    information = problem.information(sums.information) + problem.intercept_prior_curvature(theta)
    free = problem.free if problem.traits.smooth else problem.free & (theta != 0)
    return curvature.restrict(information + bend, free, jnp.nan)


def without_matrices(state: Any) -> Any:
    """Return the state that an estimator keeps, without the curvature that it stores elsewhere."""
    inner = getattr(state, "solver_state", None)
    if not isinstance(inner, newton.NewtonState):
        return state
    return jax.tree.map(lambda leaf: None if leaf is inner.precision else leaf, state)
