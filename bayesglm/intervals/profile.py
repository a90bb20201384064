r"""Profile likelihood: where each parameter, with all others at their best, has cost too much.

A bound is where the signed root of the likelihood ratio reaches a quantile. All bounds of all
parameters and responses are one batch: each is a response of its own, with one parameter held.

References
----------
Venables and Ripley (2002), *Modern Applied Statistics with S*, 4th ed., section 8.4.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from scipy import stats

from bayesglm._compiled import compiled
from bayesglm._module import Module
from bayesglm.glm.assemble import standardize
from bayesglm.glm.likelihood import row_sums
from bayesglm.glm.problem import GLMProblem
from bayesglm.intervals.fitted_data import FittedData, hold, pack, refuse_other_data, unpack
from bayesglm.solvers import newton

MOST_CELLS = 2**22  # of the responses of one batch
MOST_STEPS = 60
FARTHEST = 1e3  # standard errors, in units of the quantile: beyond, a bound is infinite
ROOT_TOLERANCE = 1e-9
SCORE_TOLERANCE = 1e-9


class Search(Module):
    """State of the search for one bound per problem; distances are in standard errors, (K,).

    Parameters
    ----------
    distance, theta
        Where the likelihood is evaluated next: distance of the held parameter from its estimate,
        and starting values of all, shape (K, D).
    inner, inner_theta, outer
        Farthest distance known to be inside the bound, its parameters, and nearest known outside.
    base
        Loss at the estimate.
    misfit
        How far the optimum is from the estimate.
    done, num_steps
        Whether the bound is found, and evaluations so far.
    """

    distance: Any
    theta: Any
    inner: Any
    inner_theta: Any
    outer: Any
    base: Any
    misfit: Any
    done: Any
    num_steps: Any


def profile_bounds(fitted: FittedData, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds of every parameter, both (K, D); NaN for those that are held.

    Parameters
    ----------
    fitted
        An unpenalised fit of numeric responses with its data. The dispersion is held at its
        estimate.
    level
        Coverage; the quantile is Student's t where the dispersion is estimated by moments.
    """
    spread = np.sqrt(np.diagonal(fitted.covariance, axis1=1, axis2=2))
    bounds = np.full((2, *spread.shape), np.nan)
    moments = fitted.choices.observations.scale_estimator == "moments"
    quantile = stats.t.ppf(0.5 + level / 2, fitted.dof if moments else np.inf)
    quantile = np.broadcast_to(quantile, len(spread))
    side, response, parameter = np.indices(bounds.shape).reshape(3, -1)
    wanted = np.isfinite(spread)[response, parameter]
    size = min(int(wanted.sum()), max(2, MOST_CELLS // len(fitted.target)))
    level_last = parameter == spread.shape[1] - 1  # intercepts have coordinates of their own
    for chosen in (wanted & ~level_last, wanted & level_last):
        index = np.flatnonzero(chosen)
        for first in range(0, len(index), max(size, 1)):
            part = index[first : first + size]
            padded = np.resize(part, size)  # one size, one program
            k, j = response[padded], parameter[padded]
            sign = 2.0 * side[padded] - 1.0
            found = _bounds(fitted.take(k), j, sign, quantile[k])[: len(part)]
            bounds[side[part], response[part], parameter[part]] = found
    return bounds[0], bounds[1]


def _bounds(
    fitted: FittedData, parameter: np.ndarray, sign: np.ndarray, quantile: np.ndarray
) -> np.ndarray:
    """Bound of one parameter of each response, on the side of ``sign``, shape (K,)."""
    model, each = fitted.assemble(), np.arange(len(parameter))
    coordinates = model.standardization
    if parameter[0] == len(fitted.params.coef):  # held at zero features, not at their mean
        coordinates = standardize(model.rows, fit_intercept=False)
    problem = model.loss.problem(model.penalty, fitted.params, model.rows)
    problem = hold(problem, coordinates, parameter)
    covariance = np.nan_to_num(fitted.covariance)[each, :, parameter]
    spread = np.sqrt(covariance[each, parameter])
    toward = sign[:, None] * covariance / spread[:, None]  # where the others follow, to first order
    standard = lambda theta: jnp.asarray(pack(coordinates.to_standard(unpack(theta, []))))
    estimate = pack(fitted.params)
    observations = model.loss.likelihood.observations
    kappa = np.asarray(observations.kernel_factor(jnp.asarray(fitted.scale)))
    factor = np.broadcast_to(2.0 * fitted.data.num_rows / kappa, len(parameter))
    distance, misfit = _search(problem, standard(estimate), standard(toward), factor, quantile)
    refuse_other_data(np.asarray(misfit))
    return estimate[each, parameter] + sign * spread * np.asarray(distance)


@compiled
def _search(
    problem: GLMProblem, theta: Any, toward: Any, factor: Any, quantile: Any
) -> tuple[Any, Any]:
    """Distance in standard errors of each bound, infinite without one, and the misfit, (K,)."""
    zeros = jnp.zeros_like(quantile)
    infinite = jnp.full_like(quantile, jnp.inf)
    start = Search(
        zeros, theta, zeros, theta, infinite, zeros, zeros, zeros > 0, jnp.zeros((), int)
    )
    body = lambda search: _evaluate(problem, search, toward, factor, quantile)
    more = lambda search: ~jnp.all(search.done) & (search.num_steps < MOST_STEPS)
    end = lax.while_loop(more, body, start)
    found = jnp.where(end.distance > FARTHEST * quantile, jnp.inf, end.distance)
    return found, end.misfit


def _evaluate(problem, search, toward, factor, quantile):
    """Best parameters at the held value, and a better guess of the bound."""
    fit = newton.minimize(problem, search.theta, tol=SCORE_TOLERANCE)
    theta, distance = fit.theta, search.distance
    sums = row_sums(
        problem.likelihood,
        problem.standardization,
        problem.unpack(theta),
        problem.rows,
        curvature=None,
    )
    gradient = problem.pack(type(problem.movable)(sums.gradient[:-1], sums.gradient[-1]))
    slope = factor * jnp.sum(gradient * toward, axis=1)  # of the deviance in the distance
    first = search.num_steps == 0
    base = jnp.where(first, sums.value, search.base)
    root = jnp.sqrt(jnp.maximum(factor * (sums.value - base), 0.0))
    inside = root < quantile  # False where the likelihood is not finite
    inner = jnp.where(inside, distance, search.inner)
    outer = jnp.where(inside, search.outer, distance)
    inner_theta = jnp.where(inside[:, None], theta, search.inner_theta)
    target = distance - (root - quantile) * 2.0 * root / slope  # Newton's method on the root
    target = jnp.where(first, quantile, target)
    bounded = jnp.isfinite(outer)
    beyond = 4.0 * jnp.maximum(inner, quantile)
    allowed = (target > inner) & (target < jnp.where(bounded, outer, beyond))
    middle = jnp.where(bounded, 0.5 * (inner + outer), beyond / 2.0)
    target = jnp.where(allowed, target, middle)
    hit = jnp.abs(root - quantile) <= ROOT_TOLERANCE * quantile
    narrow = outer - inner <= ROOT_TOLERANCE * inner
    done = search.done | hit | narrow | (inner > FARTHEST * quantile)
    usable = jnp.isfinite(sums.value)
    origin = jnp.where(usable[:, None], theta, inner_theta)
    travelled = target - jnp.where(usable, distance, inner)
    return Search(
        distance=jnp.where(done, distance, target),
        theta=jnp.where(done[:, None], search.theta, origin + travelled[:, None] * toward),
        inner=inner,
        inner_theta=inner_theta,
        outer=outer,
        base=base,
        misfit=jnp.where(first, -0.5 * slope, search.misfit),
        done=done,
        num_steps=search.num_steps + 1,
    )
