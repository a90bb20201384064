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
    check_level(level)
    covariance = require_covariance(model)
    estimate = np.concatenate([model._coef, model._intercept[None]])
    errors = term_array(np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)), model)
    dof = term_array(inference_dof(model), model)
    table = coefficient_table(
        estimate.ravel(), errors.ravel(), dof.ravel(), term_index(model), level
    )
    table.attrs |= {"level": level, "note": note(model)}
    return table


def interval_table(model: Any, lower: np.ndarray, upper: np.ndarray, level: float) -> Any:
    """Estimates and bounds as a DataFrame.

    Parameters
    ----------
    model
        A fitted estimator.
    lower, upper
        Bounds of its parameters, shape (K, D).
    level
        Coverage, kept as an attribute of the table.
    """
    import pandas as pd

    estimate = np.concatenate([model._coef, model._intercept[None]])
    lower, upper = (term_array(bound, model) for bound in (lower, upper))
    columns = {"estimate": estimate.ravel(), "lower": lower.ravel(), "upper": upper.ravel()}
    table = pd.DataFrame(columns, index=term_index(model))
    table.attrs |= {"level": level, "note": note(model)}
    return table


def check_level(level: float, name: str = "level") -> None:
    """Raise ValueError unless ``level``, an argument of that name, is a probability."""
    if not 0 < level < 1:
        raise ValueError(f"`{name}` must lie between 0 and 1; got {level!r}.")


def require_covariance(model: Any) -> np.ndarray:
    """Covariance (K, D, D) of a fitted estimator.

    Raises
    ------
    ValueError
        If it has none.
    """
    if model._covariance is None:
        raise ValueError(
            f"This {type(model).__name__} has no covariance: its coefficients were set by hand or "
            "by `update` or `partial_fit`, or there are too many of them to keep one. Call `fit`; "
            "or, once they have converged, `robust_covariance(X, y)`."
        )
    return model._covariance


def inference_dof(model: Any) -> np.ndarray:
    """Degrees of freedom of Student's t, shape (K, 1): infinite for the normal distribution."""
    moments = model.observation_model.scale_estimator == "moments"
    known = moments and model._dof_resid is not None  # not for coefficients set by hand
    return np.reshape(model._dof_resid if known else np.inf, (-1, 1))


def note(model: Any) -> str:
    """Say what the intervals of a model mean."""
    if model.regularizer.is_zero:
        return "Maximum likelihood: intervals cover the true coefficients in repeated samples."
    return (
        "Penalised fit: intervals describe the penalised likelihood, read as a posterior, near its "
        "mode. They have no coverage in repeated samples, and p-values are no tests."
    )


def term_array(values: np.ndarray, model: Any) -> np.ndarray:
    """Values of all parameters, (K, D) or one per response (K, 1), as (p + 1, K[, C])."""
    K, *classes = model._intercept.shape
    D = (len(model._coef) + 1) * int(np.prod(classes))
    return np.moveaxis(np.broadcast_to(values, (K, D)).reshape(K, -1, *classes), 0, 1)


def term_index(model: Any) -> Any:
    """Labels of the raveled array (p + 1, K[, C])."""
    import pandas as pd

    levels, names = [[*model._labels, "intercept"]], ["term"]
    for labels, name in (
        (model._response_labels(), "response"),
        (model._class_labels(), "class"),
    ):
        if labels is not None:
            levels, names = [*levels, labels], [*names, name]
    if len(levels) == 1:
        return pd.Index(levels[0], name="term")
    return pd.MultiIndex.from_product(levels, names=names)
