"""The coefficient table."""

from __future__ import annotations

from typing import Any

import numpy as np


def coefficient_table(
    estimate: np.ndarray, std_error: np.ndarray, dof: np.ndarray, index: Any, level: float
) -> Any:
    """Estimates with standard errors, tests against zero and Wald intervals.

    Parameters
    ----------
    estimate, std_error
        One entry per term, shape (m,).
    dof
        Degrees of freedom of Student's t, shape (m,); infinite for the normal distribution.
    index
        Labels of the terms.
    level
        Coverage of the intervals, in (0, 1).

    Returns
    -------
    DataFrame with columns estimate, std_error, statistic, p_value, lower, upper.
    """
    import pandas as pd
    from scipy import stats

    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / std_error
    quantile = stats.t.ppf(0.5 + level / 2, dof)
    return pd.DataFrame(
        {
            "estimate": estimate,
            "std_error": std_error,
            "statistic": statistic,
            "p_value": 2 * stats.t.sf(np.abs(statistic), dof),
            "lower": estimate - quantile * std_error,
            "upper": estimate + quantile * std_error,
        },
        index=index,
    )


def summarize(model: Any, level: float) -> Any:
    """Coefficient table of a fitted estimator; see `coefficient_table`."""
    import pandas as pd

    if not 0 < level < 1:
        raise ValueError(f"`level` must lie between 0 and 1; got {level!r}.")
    observations = model.observation_model
    stack = lambda coef, intercept: np.concatenate([coef, intercept[None]])
    estimate = stack(model._coef, model._intercept)
    errors = np.sqrt(np.diagonal(np.atleast_3d(model._covariance), axis1=-2, axis2=-1))
    K, *classes = model._intercept.shape
    errors = np.moveaxis(errors.reshape(K, -1, *classes), 0, 1)
    from_residuals = observations.scale_estimator == "moments"
    dof = np.where(from_residuals, model._dof_resid, np.inf)
    dof = np.broadcast_to(dof.reshape(1, K, *(1,) * len(classes)), estimate.shape)
    terms = [*model._labels, "intercept"]
    index = _index(pd, terms, estimate.shape, model._response_labels(), model._class_labels())
    return coefficient_table(estimate.ravel(), errors.ravel(), dof.ravel(), index, level)


def _index(pd: Any, terms: list[str], shape: tuple, responses: list | None, classes: list | None):
    """Labels of the raveled array (terms, K[, C])."""
    levels, names = [terms], ["term"]
    if responses is not None:
        levels, names = [*levels, responses], [*names, "response"]
    if classes is not None:
        levels, names = [*levels, classes], [*names, "class"]
    if len(levels) == 1:
        return pd.Index(terms, name="term")
    return pd.MultiIndex.from_product(levels, names=names)
