"""The priors of an assembled model: of coefficients, intercept, strength and dispersion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from bayesglm import regularizer as regularizers
from bayesglm.glm.assemble import Assembled, Choices, data_scales
from bayesglm.glm.scale_prior import ScalePrior, default_scale_prior
from bayesglm.glm.validation import Data
from bayesglm.regularizer import Penalty, Prior, Regularizer, Shrinkage
from bayesglm.regularizer._distributions import with_array_parameters
from bayesglm.regularizer.penalties import CompositePenalty
from bayesglm.regularizer.prior_penalties import InterceptPenalty
from bayesglm.regularizer.sampled import (
    CoefficientPrior,
    PenaltyPrior,
    bounds_of,
    scaled_by_strength,
    without_held,
)
from bayesglm.regularizer.shrinkage_priors import Setting


def coefficient_prior(
    regularizer: Regularizer, model: Assembled, data: Data, strength: Any = None
) -> CoefficientPrior:
    """Prior of the coefficients, intercepts and what these depend on.

    Parameters
    ----------
    regularizer
        The user's; `model` has its `Regularizer.surrogate`.
    model, data
        The model and the observations.
    strength
        NumPyro distribution that the strength has, or None where it is known.
    """
    movable = jnp.asarray(model.loss.movable.coef)
    penalty = model.penalty.penalty.with_rows(jnp.ones(model.num_rows.shape))
    if not isinstance(regularizer, Shrinkage):
        bounds, penalty = bounds_of(penalty, movable.shape), without_held(penalty, movable)
        if strength is None:
            return PenaltyPrior(penalty, None, bounds)
        scaled = scaled_by_strength(penalty, movable.shape)
        return PenaltyPrior(penalty, with_array_parameters(strength), bounds, scaled)
    likelihood = model.loss.likelihood
    gaussian = type(likelihood.observations).__name__ == "GaussianObservations"
    by_dispersion = gaussian and likelihood.link.__name__ == "identity"
    unit = response_spread(data) if by_dispersion else np.ones(model.num_rows.shape)
    setting = Setting(
        movable,
        jnp.asarray(model.num_rows),
        jnp.asarray(unit),
        by_dispersion,
        _intercept_penalty(regularizer.intercept, model, data),
    )
    return regularizer.coefficient_prior(setting)


def _intercept_penalty(given: Any, model: Assembled, data: Data) -> Penalty:
    """Prior of the intercept alone, as `Prior` has it, counting one row."""
    likelihood, (_, K, *classes) = model.loss.likelihood, model.loss.movable.coef.shape
    autoscaled = Prior(intercept=given)
    choices = Choices(likelihood.observations, likelihood.link, autoscaled, None, None, True)
    both = regularizers.resolve(
        autoscaled,
        None,
        data.design.layout,
        (K, *classes) if K > 1 else tuple(classes),
        event_ndim=likelihood.observations.event_ndim,
        num_rows=np.ones(K),
        **data_scales(choices, data, model.rows),
    )
    return both.parts[1]


def with_intercept_prior(
    prior: PenaltyPrior, distribution: Any, shape: tuple[int, ...]
) -> PenaltyPrior:
    """Return a prior that leaves intercepts flat, with one on the intercepts at the column means.

    Parameters
    ----------
    prior
        The prior of coefficients, with none of the intercept.
    distribution
        NumPyro distribution of single intercepts.
    shape
        Shape of the coefficients, (p, K[, C]).
    """
    one_row = jnp.ones(shape[1])
    part = InterceptPenalty(with_array_parameters(distribution), one_row, shape[1:], True)
    return replace(prior, penalty=CompositePenalty((prior.penalty, part), (shape[0], 0)))


def response_spread(data: Data) -> np.ndarray:
    """Return the standard deviation of each response, shape (K,); one where none varies."""
    _, spread = data.response_moments
    return np.where(spread > 0, spread, 1.0)


def dispersion_prior(observations: Any, data: Data, given: Any = None) -> ScalePrior | None:
    """Prior of the dispersion, or None where that is not estimated.

    Parameters
    ----------
    observations, data
        The observation model and the observations.
    given
        NumPyro distribution of the square root of the dispersion; None is
        `bayesglm.glm.scale_prior.default_scale_prior`.
    """
    if observations.scale_estimator not in ("moments", "likelihood"):
        return None
    if given is None:
        return default_scale_prior(observations, *data.response_moments)
    return ScalePrior(with_array_parameters(given))
