"""Whether responses are predicted perfectly, so that the likelihood has no maximum.

Responses at an edge of their range (counts of zero, probabilities' zeros and ones) want linear
predictors without bound. If some direction of the coefficients moves none of them the wrong way,
and no response inside the range at all, the likelihood rises along it for ever. A fit that met one
has huge linear predictors that are hardly determined; only then is a linear program solved.

References
----------
Albert and Anderson (1984), *Biometrika* 71, 1-10; Konis (2007), *Linear programming algorithms for
detecting separated data in binary logistic regression models*, University of Oxford.
Correia, Guimaraes and Zylkin (2019), *Verifying the existence of maximum likelihood estimates for
generalized linear models*, arXiv:1903.01633.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.exceptions import PerfectSeparationWarning
from bayesglm.glm import scoring
from bayesglm.glm.domain import response_edges
from bayesglm.glm.identification import WIDEST_CHECK
from bayesglm.glm.params import GLMParams
from bayesglm.glm.validation import Data

NEAR = 0.01  # of the edge, relative to the mean distance from it
FAR_CLASS = 10.0  # difference of the linear predictors of two classes
DETERMINED = 4.0  # standard errors from the mean of a linear predictor so near the edge, if finite
LARGE_ERROR = 0.5  # standard error of a coefficient of a column of unit variance
TOLERANCE = 1e-7  # of the linear program, on columns of unit variance
FIRST_ROWS = 100


def report_separation(
    choices: Any,
    data: Data,
    params: GLMParams,
    covariance: np.ndarray | None,
    column_scale: np.ndarray,
) -> list[int]:
    """Warn of responses that the features separate; of very many features it is not known.

    Parameters
    ----------
    choices, data
        The model and the observations.
    params
        Where an unpenalised fit stopped.
    covariance
        Covariance of the parameters there, shape (K, D, D), if known.
    column_scale
        Spread of each column, shape (p,).

    Returns
    -------
    The responses.

    Warns
    -----
    PerfectSeparationWarning
        If the estimates are infinite, naming the columns.
    """
    if len(params.coef) > WIDEST_CHECK:
        return []
    mask = np.ones(params.coef.shape, bool)
    if choices.feature_mask is not None:
        mask = choices.feature_mask.reshape(mask.shape)
    if choices.observations.event_ndim:
        found = _separated_classes(choices, data, params, mask)
    else:
        unsure = _unsure_responses(covariance, mask, column_scale)
        found = _separated_responses(choices, data, params, covariance, mask & unsure)
    directions = {k: d for k, d in found if d is not None and np.any(d)}
    if not directions:
        return []
    strength = np.max([np.abs(d) / np.abs(d).max() for d in directions.values()], axis=0)
    names = [name for name, s in zip(data.design.labels, strength, strict=True) if s > 1e-6]
    which = f" of responses {list(directions)[:10]}" if data.y.shape[1] > 1 else ""
    warn_user(
        f"Columns {names[:10]}{' and more' * (len(names) > 10)} of X separate values of y{which} "
        "perfectly: their estimates are infinite, and stand where the solver stopped; their "
        "standard errors mean nothing. Use a regularizer such as 'Ridge', a prior "
        "such as Prior(), or leave the columns out.",
        PerfectSeparationWarning,
    )
    return list(directions)


def _unsure_responses(
    covariance: np.ndarray | None, mask: np.ndarray, column_scale: np.ndarray
) -> np.ndarray:
    """Whether a coefficient of a response, per spread of its column, has a large standard error."""
    if covariance is None:
        return np.ones(mask.shape[1], bool)
    variance = np.diagonal(covariance, axis1=1, axis2=2)[:, :-1].T * column_scale[:, None] ** 2
    return (mask & ~(variance < LARGE_ERROR**2)).any(axis=0)  # NaN is no answer


def _separated_responses(
    choices: Any, data: Data, params: GLMParams, covariance: Any, mask: np.ndarray
) -> Iterator[tuple[int, np.ndarray | None]]:
    """Direction of infinite coefficients (p,), or None, for each response that needs a look."""
    X, coef = data.design.array, params.coef * mask
    for k in np.flatnonzero(coef.any(axis=0)):
        counted = np.broadcast_to(data.weight > 0, data.y.shape)[:, k]
        edge = response_edges(choices.observations, choices.link, data.y[:, k : k + 1])[:, 0]
        if not edge.any():
            continue
        eta = scoring.linear_predictor(X, coef[:, k], params.intercept[k], None)
        far = counted & _near_edge(np.asarray(choices.link(eta)), edge)
        if choices.fit_intercept:
            eta = eta - eta.mean()
        spread = None if covariance is None else covariance[k]
        if not _is_determined(X[far], eta[far], spread, mask[:, k]):
            Z = _standard_columns(X[counted], mask[:, k], choices.fit_intercept)
            yield int(k), _direction(Z, edge[counted], (edge * eta)[counted])


def _near_edge(mean: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """Where means have all but reached the edge that their responses are at; booleans (n,)."""
    distance = np.where(edge > 0, 1.0 - mean, mean)
    typical = np.where(edge > 0, (1.0 - mean).mean(), mean.mean())
    return (edge != 0) & (distance < NEAR * typical)


def _direction(Z: np.ndarray, edge: np.ndarray, margin: np.ndarray) -> np.ndarray | None:
    """Direction of infinite coefficients of one response, shape (p,), or None.

    Parameters
    ----------
    Z
        Standardised columns and the intercept's, shape (n, p + 1).
    edge, margin
        Signs of infinite linear predictors, and how far they are on their way, shape (n,).
    """
    alive = Z.any(axis=0)
    Z = Z[:, alive]
    basis = _null_space(Z[edge == 0], Z.shape[1])
    if not basis.shape[1]:
        return None
    rows = (edge[:, None] * Z)[edge != 0] @ basis
    found = recession_direction(rows, margin[edge != 0])
    if found is None:
        return None
    direction = np.zeros(len(alive))
    direction[alive] = basis @ found
    return direction[:-1]


def _is_determined(
    X: np.ndarray, eta: np.ndarray, covariance: np.ndarray | None, used: np.ndarray
) -> bool:
    """Whether linear predictors far out, if any, are known well enough to be finite."""
    if covariance is None or not len(X):
        return not len(X)
    design = np.column_stack([X, np.ones(len(X))])
    free = np.append(used, np.isfinite(covariance[-1, -1]))
    block = covariance[np.ix_(free, free)]
    variance = np.sum((design[:, free] @ block) * design[:, free], axis=1)
    return bool(np.all(eta**2 > DETERMINED**2 * variance))  # NaN says no


def _standard_columns(X: np.ndarray, used: np.ndarray, fit_intercept: bool) -> np.ndarray:
    """Columns of mean zero and unit spread (zero if not used), and one of the intercept."""
    Z = np.where(used, X, 0.0)
    Z -= Z.mean(axis=0) if fit_intercept else 0.0
    scale = np.sqrt((Z**2).mean(axis=0))
    Z /= np.where(scale > 0, scale, 1.0)
    return np.column_stack([Z, np.full(len(Z), float(fit_intercept))])


def _null_space(rows: np.ndarray, width: int) -> np.ndarray:
    """Directions that change none of ``rows``, shape (width, d)."""
    if not len(rows):
        return np.eye(width)
    triangle = np.linalg.qr(rows, mode="r")
    _, size, vectors = np.linalg.svd(triangle, full_matrices=True)
    rank = int((size > TOLERANCE * max(size.max(initial=0.0), 1.0)).sum())
    return vectors[rank:].T


def recession_direction(rows: np.ndarray, margin: np.ndarray) -> np.ndarray | None:
    """Return z with ``rows @ z >= 0``, not all zero; None if there is none.

    Parameters
    ----------
    rows
        Shape (m, d), entries of order one.
    margin
        How well each row is satisfied where the fit stopped, shape (m,): the worst go first.

    Notes
    -----
    Rows are added to the linear program while its solution violates others.
    """
    from scipy.optimize import linprog

    order = np.argsort(margin)
    active = order[: FIRST_ROWS + 20 * rows.shape[1]]
    while True:
        total = rows[active].mean(axis=0)
        result = linprog(
            -total, A_ub=-rows[active], b_ub=np.zeros(len(active)), bounds=(-1, 1), method="highs"
        )
        if result.x is None:
            return None
        value = rows @ result.x
        if value[active].max() <= 100 * TOLERANCE:
            return None
        broken = np.flatnonzero(value < -10 * TOLERANCE)
        new = np.setdiff1d(broken[np.argsort(value[broken])][: len(active)], active)
        if not new.size:
            return result.x
        active = np.concatenate([active, new])


def _separated_classes(
    choices: Any, data: Data, params: GLMParams, mask: np.ndarray
) -> Iterator[tuple[int, np.ndarray | None]]:
    """As `_separated_responses` for classes: no other class may gain on the one observed."""
    X, C = data.design.array, params.coef.shape[-1]
    every_eta = scoring.linear_predictor(X, params.coef * mask, params.intercept, None)
    for k in range(params.coef.shape[1]):
        used = np.broadcast_to(data.weight > 0, data.y.shape)[:, k]
        label, eta = data.y[used, k].round().astype(int), every_eta[used, k]
        margin = np.take_along_axis(eta, label[:, None], axis=1) - eta
        others = np.arange(C) != label[:, None]
        if not (margin[others] > FAR_CLASS).any():
            continue
        Z = _standard_columns(X[used], mask[:, k].any(axis=1), choices.fit_intercept)
        gain = np.eye(C)[label][:, None] - np.eye(C)  # (n, C, C): own class less each class
        wide = np.append(mask[:, k], np.ones((1, C)), axis=0)
        rows = (Z[:, None, :, None] * gain[:, :, None, :] * wide)[others]
        direction = recession_direction(rows.reshape(len(rows), -1), margin[others])
        if direction is not None:
            direction = direction.reshape(-1, C)[:-1]
            direction = np.abs(direction - direction.mean(axis=1, keepdims=True)).max(axis=1)
        yield k, direction
