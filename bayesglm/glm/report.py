"""What is odd about a finished fit, said once, in words that help."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.exceptions import DataWarning
from bayesglm.glm import domain, scoring
from bayesglm.glm.identification import report_undetermined
from bayesglm.glm.params import GLMParams
from bayesglm.glm.separation import report_separation
from bayesglm.glm.validation import Data

ROUNDING = 1e-13  # of residuals, relative to the response


def report_fit(
    choices: Any,
    data: Data,
    params: GLMParams,
    model: Any,
    scale: np.ndarray,
    covariance: np.ndarray | None,
) -> None:
    """Warn of what makes an estimate less than it seems, and refuse impossible ones.

    Parameters
    ----------
    choices, data
        The model's parts and the observations.
    params
        Where the fit stopped.
    model
        The assembled model.
    scale
        Dispersion, shape (K,).
    covariance
        Covariance of the parameters, shape (K, D, D), if known.

    Raises
    ------
    ValueError
        If means are impossible under the observation model.

    Warns
    -----
    PerfectSeparationWarning
        If estimates are infinite.
    DataWarning
        If the dispersion means nothing, or a penalty alone decides some coefficients.
    """
    refuse_impossible_fit(choices, data, params)
    report_dispersion(choices.observations, data, scale)
    if model.penalty.penalty.is_zero:
        scale = model.host.scale
        report_separation(choices, data, params, covariance, scale)
    else:
        report_undetermined(data, choices.feature_mask, choices.fit_intercept)


def refuse_impossible_fit(choices: Any, data: Data, params: GLMParams) -> None:
    """Raise ValueError if a fit left the domain of a link that has more values than the means."""
    observations, link = choices.observations, choices.link
    if observations.event_ndim:
        return
    limits = np.array([domain.link_limits(link)])
    finite = np.where(np.isinf(limits), 1.0, limits)
    if not domain.impossible_means(observations, finite).any():
        return
    coef = params.coef
    if choices.feature_mask is not None:
        coef = coef * choices.feature_mask.reshape(coef.shape)
    eta = scoring.linear_predictor(data.design.array, coef, params.intercept, data.offset)
    bad = domain.impossible_means(observations, np.asarray(link(eta))) & (data.weight > 0)
    if bad.any():
        raise ValueError(
            f"{domain.describe_impossible(observations, bad)}: the fit left the domain of the "
            f"inverse link {link.__name__}. Choose one that gives possible means only, or other "
            "features."
        )


def report_dispersion(observations: Any, data: Data, scale: np.ndarray) -> None:
    """Warn of dispersions that residuals do not give: none left, or no degrees of freedom.

    Parameters
    ----------
    observations, data
        The observation model and the observations.
    scale
        Dispersion, shape (K,); NaN without degrees of freedom.

    Warns
    -----
    DataWarning
        Naming the responses.
    """
    if observations.scale_estimator != "moments":
        return
    weight = data.weight / data.weight.sum(axis=0)
    mean, square = (weight * data.y).sum(axis=0), (weight * data.y**2).sum(axis=0)
    unit = np.asarray(observations.variance(mean, np.ones_like(mean)))
    exact = scale * unit <= ROUNDING**2 * square
    cases = {
        "has no degrees of freedom left: it is NaN, as are standard errors": np.isnan(scale),
        "is zero but for rounding, since y is constant or fitted exactly: standard errors and "
        "likelihoods mean nothing": exact,
    }
    for what, which in cases.items():
        if which.any():
            where = f" of responses {np.flatnonzero(which)[:10].tolist()}" * (len(scale) > 1)
            warn_user(f"The dispersion{where} {what}.", DataWarning)
