"""Deviance, information criteria and tests of hypotheses.

References
----------
McCullagh and Nelder (1989), *Generalized Linear Models*, 2nd ed., sections 2.3 and 4.7.
Akaike (1974), *IEEE Trans. Automatic Control* 19, 716-723. Schwarz (1978), *Annals of Statistics*
6, 461-464. Zou, Hastie and Tibshirani (2007), *Annals of Statistics* 35, 2173-2192.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from bayesglm.glm import identification, scoring
from bayesglm.intervals.fitted_data import FittedData

RANK_TOLERANCE = 1e-10
ROUNDING = 1e-8  # of a log-likelihood or deviance


def deviance(fitted: FittedData, eta: np.ndarray) -> np.ndarray:
    """Sum of weighted unit deviances at unit dispersion, shape (K,).

    Parameters
    ----------
    fitted
        A fit, with any data.
    eta
        Linear predictors of the data, shape (n, K[, C]).
    """
    observations = fitted.choices.observations
    mean = scoring.mean_response(observations, fitted.choices.link, eta)
    return _total(fitted, scoring.deviance(observations, fitted.scale, fitted.target, mean))


def log_likelihood(fitted: FittedData, eta: np.ndarray) -> np.ndarray:
    """Sum of weighted log-densities, shape (K,); a Gaussian's variance is RSS / n, not RSS / dof.

    Parameters
    ----------
    fitted, eta
        As in `deviance`.
    """
    observations, link, scale = fitted.choices.observations, fitted.choices.link, fitted.scale
    if type(observations).__name__ == "GaussianObservations":
        scale = scale * fitted.dof / (fitted.dof + num_coefficients(fitted))
    return _total(fitted, scoring.log_density(observations, link, scale, fitted.target, eta))


def _total(fitted: FittedData, cells: np.ndarray) -> np.ndarray:
    weight = fitted.data.weight
    return np.sum(np.where(weight > 0, weight * cells, 0.0), axis=0)


def num_coefficients(fitted: FittedData) -> np.ndarray:
    """Count the coefficients that were estimated, the intercept included, shape (K,).

    Raises
    ------
    ValueError
        After a fit with a smooth penalty.
    """
    penalty = fitted.assemble().penalty.penalty
    if penalty.smooth and not penalty.is_zero:
        raise ValueError(
            f"A fit with {fitted.choices.regularizer!r} has no number of parameters to count: "
            "compare such fits by `score` on other data (cross-validation)."
        )
    dof = identification.residual_dof(fitted.choices, fitted.data, fitted.params, penalty)
    return fitted.data.num_rows - dof


def num_parameters(fitted: FittedData) -> np.ndarray:
    """Count coefficients, and a dispersion that is estimated by maximum likelihood, shape (K,)."""
    with_scale = fitted.choices.observations.scale_estimator == "likelihood"
    return num_coefficients(fitted) + with_scale


def wald(
    restriction: np.ndarray,
    value: np.ndarray,
    estimate: np.ndarray,
    covariance: np.ndarray,
    dof: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Wald statistic of ``restriction @ estimate = value`` and its rank, both (K,).

    Parameters
    ----------
    restriction, value
        Shapes (q, D) and (q,).
    estimate, covariance
        Shapes (K, D) and (K, D, D); parameters without a variance are known.
    dof
        Degrees of freedom of the dispersion, shape (K,); infinite where it is known.

    Returns
    -------
    A chi-square statistic, divided by its rank (an F statistic) where ``dof`` is finite.
    """
    difference = estimate @ restriction.T - value
    spread = restriction @ np.nan_to_num(covariance) @ restriction.T
    size = np.sqrt(np.diagonal(spread, axis1=1, axis2=2))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(spread / size[:, :, None] / size[:, None, :])
    kept = values > RANK_TOLERANCE * np.maximum(values[:, -1:], 1.0)
    turned = np.einsum("kij,ki->kj", vectors, difference / size)
    squares = np.where(kept, turned**2 / np.where(kept, values, 1.0), 0.0)
    rank = kept.sum(axis=1)
    statistic = np.where(rank > 0, squares.sum(axis=1), np.nan)
    return np.where(np.isfinite(dof), statistic / np.maximum(rank, 1), statistic), rank


def likelihood_ratio(
    large: tuple[FittedData, np.ndarray], small: tuple[FittedData, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Likelihood-ratio statistic, its degrees of freedom and those of the dispersion, all (K,).

    Parameters
    ----------
    large, small
        Fits and linear predictors of the same responses.

    Returns
    -------
    Where the dispersion is estimated by moments, the F statistic of the analysis of deviance;
    elsewhere a chi-square statistic, with infinite degrees of freedom of the dispersion.

    Raises
    ------
    ValueError
        If the second model is not within the first.
    """
    fitted, _ = large
    df = num_parameters(fitted) - num_parameters(small[0])
    estimator, dof = fitted.choices.observations.scale_estimator, np.full(df.shape, np.inf)
    measure = deviance if estimator != "likelihood" else lambda *at: -2 * log_likelihood(*at)
    most, least = measure(*small), measure(*large)
    gain = most - least
    if (df <= 0).any() or (gain < -ROUNDING * (1 + np.abs(most))).any():
        raise ValueError(
            "`smaller` must be this model with fewer coefficients, fitted to the same responses: "
            f"it has {(-df).max():g} more, or its likelihood is the higher one."
        )
    gain = np.maximum(gain, 0.0)
    if estimator == "moments":
        gain, dof = gain / df / fitted.scale, fitted.dof
    return gain, df, dof


def tests_table(statistic: np.ndarray, df: np.ndarray, dof: np.ndarray, index: Any) -> Any:
    """Tests as a DataFrame.

    Parameters
    ----------
    statistic, df
        F or chi-square statistic and its degrees of freedom, shape (K,).
    dof
        Degrees of freedom of the dispersion: finite for F, infinite for chi-square, shape (K,).
    index
        Labels of the responses.

    Returns
    -------
    DataFrame with columns statistic, distribution, df, dof_resid, p_value.
    """
    import pandas as pd

    is_f = np.isfinite(dof)
    with np.errstate(invalid="ignore"):
        chi2 = stats.chi2.sf(statistic, df)
        p_value = np.where(is_f, stats.f.sf(statistic, df, np.where(is_f, dof, 1.0)), chi2)
    return pd.DataFrame(
        {
            "statistic": statistic,
            "distribution": np.where(is_f, "F", "chi-square"),
            "df": df,
            "dof_resid": dof,
            "p_value": p_value,
        },
        index=index,
    )
