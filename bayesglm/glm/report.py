"""What is odd about a finished fit, said once, in words that help."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.exceptions import ConvergenceWarning, DataWarning
from bayesglm.glm import domain, initialize, scoring
from bayesglm.glm.fitting import Fit
from bayesglm.glm.identification import report_undetermined
from bayesglm.glm.separation import report_separation
from bayesglm.glm.validation import Data
from bayesglm.observation_models._range import always_possible

ROUNDING = 1e-13  # of residuals, relative to the response


def report_fit(
    choices: Any,
    data: Data,
    fit: Fit,
    model: Any,
    scale: np.ndarray,
    covariance: np.ndarray | None,
) -> None:
    """Warn of what makes an estimate less than it seems.

    Parameters
    ----------
    choices, data
        The model's parts and the observations.
    fit
        Where the solver stopped.
    model
        The assembled model.
    scale
        Dispersion, shape (K,).
    covariance
        Covariance of the parameters, shape (K, D, D), if known.

    Warns
    -----
    PerfectSeparationWarning
        If estimates are infinite.
    ConvergenceWarning
        If others stopped short of their optimum.
    DataWarning
        If the dispersion means nothing, or a penalty alone decides some coefficients.
    """
    report_dispersion(choices.observations, data, scale, ~fit.silent)
    separated: list[int] = []
    if model.penalty.penalty.is_zero:
        scale = model.host.scale
        separated = report_separation(choices, data, fit.params, covariance, scale)
    else:
        report_undetermined(data, choices.feature_mask, choices.fit_intercept)
    report_convergence(fit, separated)


def report_convergence(fit: Fit, separated: list[int]) -> None:
    """Warn of responses that stopped short of their optimum, unless that is at infinity.

    Parameters
    ----------
    fit
        Where the solver stopped.
    separated
        Responses whose optimum is at infinity.

    Warns
    -----
    ConvergenceWarning
        With the largest gradient, in units of the score.
    """
    if fit.converged.all():
        return
    failed = np.setdiff1d(np.flatnonzero(~fit.converged), separated)
    if not failed.size:
        return
    which = "" if fit.converged.size == 1 else f" for responses {failed[:10].tolist()}"
    scaled = fit.residual[failed] / np.where(np.isfinite(fit.unit), fit.unit, np.nan)[failed]
    size = "not finite" if np.isnan(scaled).any() else f"{scaled.max():.1e}"
    warn_user(
        f"The fit did not converge{which}: after {max(1, fit.num_steps)} steps the scaled "
        f"gradient is {size}. Raise `maxiter` in `solver_kwargs`, rescale the features, choose "
        "solver_name='Newton', or strengthen the regularizer.",
        ConvergenceWarning,
    )


def refuse_impossible_fit(choices: Any, data: Data, fit: Fit) -> None:
    """Refuse or report responses whose fit left the means that the observation model can have.

    Parameters
    ----------
    choices, data
        The model's parts and the observations.
    fit
        Where the solver stopped.

    Raises
    ------
    ValueError
        If no response has possible means.

    Warns
    -----
    DataWarning
        If some of several have none.
    """
    observations, link = choices.observations, choices.link
    if observations.event_ndim or always_possible(observations, link):
        return
    coef = fit.params.coef
    if choices.feature_mask is not None:
        coef = coef * choices.feature_mask.reshape(coef.shape)
    eta = scoring.linear_predictor(data.design.array, coef, fit.params.intercept, data.offset)
    typical = np.abs(initialize.average_response(data, data.y))
    bad = domain.means_out_of_reach(observations, link, eta, typical, fit.converged)
    bad &= data.weight > 0
    if not bad.any():
        return
    lost = bad.any(axis=0)
    which = f" of responses {np.flatnonzero(lost)[:10].tolist()}" * (len(lost) > 1)
    message = (
        f"{domain.describe_impossible(observations, bad)}: the fit{which} left the domain of the "
        f"inverse link {link.__name__}, or its end stopped it. Choose one that gives possible "
        "means only, other features, or `init_params` inside the domain."
    )
    if lost.all():
        raise ValueError(message)
    warn_user(message, DataWarning)


def report_dispersion(
    observations: Any, data: Data, scale: np.ndarray, estimated: np.ndarray
) -> None:
    """Warn of dispersions that residuals do not give: none left, or no degrees of freedom.

    Parameters
    ----------
    observations, data
        The observation model and the observations.
    scale
        Dispersion, shape (K,); NaN without degrees of freedom.
    estimated
        Responses that have one, booleans (K,).

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
        "is infinite, since means are far from what was observed": np.isinf(scale),
    }
    for what, which in cases.items():
        which &= estimated
        if which.any():
            where = f" of responses {np.flatnonzero(which)[:10].tolist()}" * (len(scale) > 1)
            warn_user(f"The dispersion{where} {what}.", DataWarning)
