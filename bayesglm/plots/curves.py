"""The numbers behind the pictures of effects: rows, expected responses along a feature, means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglm import intervals
from bayesglm.glm import scoring
from bayesglm.glm.design import Design
from bayesglm.plots.responses import cell_weights, kept_data
from bayesglm.posterior.expected_response import expected_response

POINTS = 100  # of a curve
NUM_BINS = 10  # that rows are averaged in


@dataclass(frozen=True)
class Rows:
    """Rows that an effect is shown at, and beside.

    Parameters
    ----------
    X
        Features, shape (n, p).
    y, weight
        What the curves are the expectation of, and its weights, shape (n, K[, C]) and (n, K); None
        where no responses were given.
    offset
        The average offset, shape (1, ...), or None.
    """

    X: np.ndarray
    y: np.ndarray | None
    weight: np.ndarray | None
    offset: np.ndarray | None

    @property
    def typical(self) -> np.ndarray:
        """Mean of each feature, or the more frequent of two values, shape (p,)."""
        X = self.X
        low, high, mean = X.min(axis=0), X.max(axis=0), X.mean(axis=0, dtype=float)
        at_high = np.equal(X, high)
        mode = np.where(at_high.mean(axis=0) > 0.5, high, low)
        return np.where((at_high | np.equal(X, low)).all(axis=0), mode, mean)


def rows_of(model: Any, X: Any, y: Any, sample_weight: Any, offset: Any) -> Rows:
    """Rows that were given, or those that `sample` kept.

    Raises
    ------
    ValueError
        If there are none.
    """
    if X is None and not kept_data(model):
        raise ValueError(
            "Pass `X` (and `y`, to show the data): a model that was fitted keeps no data, and one "
            "that was sampled only those that are not too large."
        )
    if X is None or y is not None:
        data = model._posterior_data(X, y, sample_weight, offset)
        trials = getattr(model.observation_model, "trials", 1)  # the mean is that of one
        target = model._kernel_response(data.y) / trials
        average = None if data.offset is None else data.offset.mean(axis=0, keepdims=True)
        return Rows(data.design.array, target, cell_weights(data), average)
    X, offset = model._features(X, offset, reset=False)
    trailing = model._trailing(model._coef.shape[1])
    design, offset = model._validator.read_features(X, offset, trailing)
    model._check_features(design)
    average = None if offset is None else offset.mean(axis=0, keepdims=True)
    return Rows(design.array[~np.isnan(design.array).any(axis=1)], None, None, average)


@dataclass(frozen=True)
class Curve:
    """Expected responses along a feature.

    Parameters
    ----------
    at
        Values of the feature, shape (m,).
    mean, bounds
        Shape (m, K[, C]) and (2, m, K[, C]); bounds are NaN where they are not known.
    """

    at: np.ndarray
    mean: np.ndarray
    bounds: np.ndarray


def curve_of(model: Any, rows: Rows, column: int, level: float) -> Curve:
    """Compute expected responses along one feature, all others as they are typical.

    Parameters
    ----------
    model
        A fitted estimator: its posterior is used if it has one.
    rows
        From `rows_of`.
    column
        Number of the feature.
    level
        Probability of the bounds.
    """
    seen = np.unique(rows.X[:, column])
    at = seen if len(seen) == 2 else np.linspace(seen[0], seen[-1], POINTS)
    X = np.tile(rows.typical, (len(at), 1))
    X[:, column] = at
    offset = None if rows.offset is None else np.repeat(rows.offset, len(at), axis=0)
    if model.posterior_ is None:
        return Curve(at, *_at_mode(model, X, offset, level))
    tails = (0.5 - level / 2, 0.5 + level / 2)
    found = expected_response(model._drawn(), X, offset, tails)
    return Curve(at, found.mean, np.moveaxis(found.bounds, -1, 0))


def _at_mode(model: Any, X: np.ndarray, offset: Any, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return expectations at the fit, with Wald bounds of the linear predictor; not of classes."""
    from scipy import stats

    observations, link = model.observation_model, model.inverse_link_function
    eta = model._eta(Design(X, model._layout), offset)
    respond = lambda e: np.asarray(
        observations.expectation(scoring.mean_response(observations, link, e))
    )
    mean = respond(eta)
    if observations.event_ndim or model._covariance is None:
        return mean, np.full((2, *mean.shape), np.nan)
    quantile = stats.t.ppf(0.5 + level / 2, intervals.inference_dof(model)[:, 0])
    reach = quantile * intervals.eta_std(X, model._covariance)
    return mean, np.sort([respond(eta - reach), respond(eta + reach)], axis=0)


def binned_means(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average a feature and responses in bins with about equally many rows.

    Parameters
    ----------
    x, y, weight
        One feature, responses and their weights, shape (n,) each.

    Returns
    -------
    Averages of the feature and of the responses, and standard errors of these, of each bin.
    """
    values = np.unique(x)
    if len(values) <= NUM_BINS:
        bins = np.searchsorted(values, x)
    else:
        edges = np.unique(np.quantile(x, np.linspace(0, 1, NUM_BINS + 1)[1:-1]))
        bins = np.searchsorted(edges, x)
    total = lambda v: np.bincount(bins, v, bins.max() + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        size = total(weight)
        mean = total(weight * y) / size
        variance = total(weight * (y - mean[bins]) ** 2) / (size - 1)
        return total(weight * x) / size, mean, np.sqrt(variance / size)
