"""Starting values."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayesglm import links
from bayesglm._compiled import compiled, is_large
from bayesglm._warnings import warn_user
from bayesglm.exceptions import DataWarning
from bayesglm.glm.assemble import Assembled, Choices
from bayesglm.glm.params import GLMParams
from bayesglm.glm.problem import GLMProblem
from bayesglm.glm.validation import Data

SILENT_MEAN = 1e-10  # mean given to a response without variation, whose estimate is infinite


def null_intercept(
    observations: Any, link: Any, average: np.ndarray, name: str = "y"
) -> tuple[np.ndarray, np.ndarray]:
    """Intercept of a model without features, and where it is not finite.

    Parameters
    ----------
    observations, link
        The model.
    average
        Mean response, shape (K,) or (K, C).

    Returns
    -------
    Intercept of the shape of ``average``, and booleans (K,).

    Raises
    ------
    ValueError
        If the link has no value at a mean.
    """
    with np.errstate(all="ignore"):
        mean = observations.average_to_mean(average)
        intercept = np.array(link.inverse(mean), float)
    if np.isnan(intercept).any():
        raise ValueError(
            f"Failed to initialize the model intercept: the inverse link {link.__name__} never "
            f"gives the mean of {name}, {average[np.isnan(intercept)][0]:g}. Choose another "
            "inverse link, or pass `init_params`."
        )
    infinite = ~np.isfinite(intercept)
    return intercept, infinite.reshape(len(infinite), -1).any(axis=1)


def silent_intercept(observations: Any, link: Any, average: np.ndarray) -> np.ndarray:
    """Finite stand-in for the infinite intercept of a response that never varies."""
    edge = np.clip(average, SILENT_MEAN, 1 - SILENT_MEAN)
    return np.array(link.inverse(edge), float)


def average_response(data: Data, target: np.ndarray) -> np.ndarray:
    """Weighted mean response, shape (K,) or (K, C)."""
    weight = data.weight.reshape(*data.weight.shape, *(1,) * (target.ndim - 2))
    return (weight * target).sum(axis=0) / weight.sum(axis=0)


def null_params(
    choices: Choices, data: Data, shape: tuple[int, ...], average: np.ndarray
) -> tuple[GLMParams, np.ndarray | None]:
    """Coefficients zero and the intercept of the mean response.

    Returns
    -------
    Starting values, and which responses never vary, booleans (K,), or None: their estimates are
    infinite, so they are held at a mean of almost none (or all).

    Raises
    ------
    ValueError
        If a single response never varies.

    Warns
    -----
    DataWarning
        If some of several responses never vary.
    """
    coef = np.zeros((data.design.array.shape[1], *shape[1:]))
    if not choices.fit_intercept:
        return GLMParams(coef, np.zeros(shape[1:])), None
    intercept, silent = null_intercept(choices.observations, choices.link, average)
    if choices.observations.event_ndim:
        silent = (average > 0).sum(axis=-1) < 2  # one class only
    if not silent.any():
        return GLMParams(coef, intercept), None
    edge = silent_intercept(choices.observations, choices.link, average)
    params = GLMParams(coef, np.where(np.isfinite(intercept), intercept, edge))
    which = f"{np.flatnonzero(silent)[:10].tolist()} ({int(silent.sum())} in all)"
    if has_intercept_prior(choices.regularizer):
        warn_user(
            f"Responses {which} never vary: the likelihood has no maximum, and the prior alone "
            "keeps their intercept finite.",
            DataWarning,
        )
        return params, None
    if silent.all():
        only = "one class alone has a weight above zero"
        mean = only if average.ndim > 1 else f"its mean is {average[0]:g} throughout"
        raise ValueError(
            f"y has no variation: {mean}, at which the intercept is infinite. Pass `init_params`, "
            "or a prior on the intercept, regularizer=Prior(..., intercept=...)."
        )
    warn_user(
        f"Responses {which} never vary: their intercept is infinite. They are held at a mean of "
        f"{SILENT_MEAN:g} from the edge, with coefficients zero.",
        DataWarning,
    )
    return params, silent


def has_intercept_prior(regularizer: Any) -> bool:
    """Whether the regularizer keeps the intercept finite."""
    automatic = getattr(regularizer, "distribution", regularizer) is None
    return automatic or getattr(regularizer, "intercept", None) is not None


def first_step(model: Assembled, params: GLMParams, mean_response: np.ndarray) -> GLMParams:
    """Coefficients after one step of Fisher scoring from the data, where that is possible.

    It saves a pass or two over the data, and is a program of its own: few data go without, unless
    there is an offset, of which a model without features knows nothing.
    """
    loss, penalty = model.loss, model.penalty.penalty
    possible = not loss.likelihood.observations.event_ndim and penalty.smooth
    streamed = model.source is not None
    worthwhile = streamed or model.rows.offset is not None or is_large(model.rows)
    if not (possible and worthwhile) or type(loss.likelihood.link) is links.Custom:
        return params
    problem = loss.problem(model.penalty, params, model.rows)
    return _first_step(problem, params, mean_response)


@compiled
def _first_step(problem: GLMProblem, params: GLMParams, mean_response: Any) -> GLMParams:
    return problem.start_from_data(params, mean_response)
