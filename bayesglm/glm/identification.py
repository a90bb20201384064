"""Whether the data identify the coefficients, and how many degrees of freedom they leave."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.exceptions import DataWarning
from bayesglm.glm.checks import SMALLEST
from bayesglm.glm.validation import Data

CHUNK_ROWS = 65536
RANK_TOLERANCE = 1e-10  # on columns of unit norm
CLEAR_RANK = 1e-4  # smallest pivot of a Gram matrix that leaves no doubt of its rank
NEGLIGIBLE = 1e-16  # weight, of the largest: it changes no digit of a sum
WIDEST_CHECK = 2000  # columns; a wider design is left to the solver


def refuse_unidentified(data: Data, mask: np.ndarray | None, fit_intercept: bool) -> None:
    """Raise if a flat prior leaves some combination of coefficients undetermined.

    Parameters
    ----------
    data
        The observations.
    mask
        Features in use, booleans (p, K), or None for all.
    fit_intercept
        Whether there is an intercept, of which a constant column is an alias.

    Raises
    ------
    ValueError
        If columns are combinations of others, naming them.

    Warns
    -----
    DataWarning
        If columns are constant: their coefficients stay zero.
    """
    labels, kept = data.design.labels, counted_rows(data.weight)
    refuse_vanishing_columns(data.design.array, kept, labels)
    constant, aliased, excess = _undetermined(data, kept, mask, fit_intercept)
    rows = int(kept.sum())
    if constant.size and rows == 1 and fit_intercept:
        raise ValueError(
            f"X does not identify the coefficients: n_samples = 1, that is one sample, leaves "
            f"{len(labels)} features and an intercept undetermined. Use a prior or a regularizer."
        )
    if constant.size:
        what = "constant and so aliased with the intercept" if fit_intercept else "zero"
        warn_user(
            f"Columns {_names(labels, constant)} of X are {what}: their coefficients stay zero.",
            DataWarning,
        )
    if aliased.size or excess:
        which = f"at least {excess} columns" if excess else f"columns {_names(labels, aliased)}"
        raise ValueError(
            f"X does not identify the coefficients: with {rows} sample(s) and {len(labels)} "
            f"features, {which} are linear combinations of others (and of the intercept). Drop "
            "them, or use a regularizer such as 'Ridge'."
        )


def report_undetermined(data: Data, mask: np.ndarray | None, fit_intercept: bool) -> None:
    """Warn of columns of which a penalised fit learns nothing that the penalty does not say.

    Parameters
    ----------
    data, mask, fit_intercept
        As in `refuse_unidentified`.

    Warns
    -----
    DataWarning
        If there is only one row, or columns are constant or combinations of others.
    """
    labels, kept = data.design.labels, counted_rows(data.weight)
    constant, aliased, excess = _undetermined(data, kept, mask, fit_intercept)
    rows = int(kept.sum())
    if rows == 1:
        warn_user("There is only 1 sample: the regularizer decides the coefficients.", DataWarning)
    elif constant.size or aliased.size or excess:
        parts = [(constant, "constant"), (aliased, "linear combinations of others")]
        say = lambda which, what: f"columns {_names(labels, which)} are {what}"
        found = [say(which, what) for which, what in parts if which.size]
        if excess:
            found.append(f"at least {excess} columns are linear combinations of others")
        warn_user(
            f"X does not identify all coefficients: with {rows} sample(s) and {len(labels)} "
            f"features, {' and '.join(found)}. The regularizer decides between them.",
            DataWarning,
        )


def refuse_vanishing_columns(X: np.ndarray, kept: np.ndarray, labels: list[str]) -> None:
    """Raise ValueError for columns so small that their squares vanish."""
    part = _part(X, _few_rows(kept, X.shape[1]))
    suspects = np.flatnonzero((part.max(axis=0) < SMALLEST) & (part.min(axis=0) > -SMALLEST))
    if not suspects.size:
        return
    size = np.abs(X[:, suspects]).max(axis=0)
    tiny = suspects[(size > 0) & (size < SMALLEST)]
    if tiny.size:
        raise ValueError(
            f"Columns {_names(labels, tiny)} of X have no entry larger than {SMALLEST:g} in size, "
            "and their squares vanish: rescale them."
        )


def _names(labels: list[str], which: np.ndarray) -> str:
    """First ten labels, as a list."""
    return f"{[labels[i] for i in which[:10]]}{' and more' * (len(which) > 10)}"


def _undetermined(
    data: Data, kept: np.ndarray, mask: np.ndarray | None, fit_intercept: bool
) -> tuple[np.ndarray, np.ndarray, int]:
    """Columns that do not vary, columns that depend on others, and how many more must do so.

    The last is for more columns than rows, of which no decomposition is made.
    """
    X, none = data.design.array, np.array([], int)
    varies = varying_columns(X, kept, fit_intercept)
    excess = int(varies.sum() + fit_intercept - kept.sum()) if mask is None else 0
    if excess > 0 or X.shape[1] > WIDEST_CHECK:
        return np.flatnonzero(~varies), none, max(excess, 0)
    return np.flatnonzero(~varies), _aliased(X, kept, varies, mask, fit_intercept), 0


def counted_rows(weight: np.ndarray) -> np.ndarray:
    """Rows whose weight is not nothing beside the largest, booleans (n,)."""
    return (weight > NEGLIGIBLE * weight.max(axis=0)).any(axis=1)


def varying_columns(X: np.ndarray, kept: np.ndarray, fit_intercept: bool) -> np.ndarray:
    """Return whether each column varies (without an intercept: is not zero), booleans (p,)."""
    some = _few_rows(kept, X.shape[1])
    varies = _varies(_part(X, some), fit_intercept)
    suspects = np.flatnonzero(~varies)
    if suspects.size and some.size < kept.sum():
        varies[suspects] = _varies(X[:, suspects][kept], fit_intercept)
    return varies


def _varies(X: np.ndarray, fit_intercept: bool) -> np.ndarray:
    return (np.ptp(X, axis=0) > 0) if fit_intercept else (X != 0).any(axis=0)


def _part(X: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows of X, without a copy if they are all."""
    return X if len(rows) == len(X) else X[rows]


def _few_rows(kept: np.ndarray, num_features: int) -> np.ndarray:
    """Return indices of evenly spaced rows: enough to show a full rank, where there is one."""
    rows = np.flatnonzero(kept)
    count = min(len(rows), 4 * num_features + 50)
    return rows[np.arange(count) * (len(rows) - 1) // max(count - 1, 1)]


def _aliased(X, kept, varies, mask, fit_intercept) -> np.ndarray:
    """Columns that depend on others, judged from a few rows unless those leave a doubt."""
    columns = np.flatnonzero(varies)
    if not columns.size:
        return columns
    some = _few_rows(kept, X.shape[1])
    if _clearly_independent(X[some][:, columns], fit_intercept):
        return np.array([], int)
    triangle = _triangle(X, some, columns, fit_intercept)
    if not _dependent(triangle).size:
        return np.array([], int)
    if some.size < kept.sum():
        triangle = _triangle(X, np.flatnonzero(kept), columns, fit_intercept)
    patterns = np.ones((1, columns.size), bool)
    if mask is not None:
        patterns = np.unique(mask.reshape(len(mask), -1)[columns].T, axis=0)
    found = [np.flatnonzero(used)[_dependent(triangle[:, used])] for used in patterns]
    return columns[np.unique(np.concatenate(found))]


def _clearly_independent(X: np.ndarray, fit_intercept: bool) -> bool:
    """Whether a Gram matrix shows that columns are independent: cheap, and often enough."""
    Z = X.astype(float) - (X.mean(axis=0, dtype=float) if fit_intercept else 0.0)
    norms = np.linalg.norm(Z, axis=0)
    if len(Z) <= Z.shape[1] or not (norms > 0).all():
        return False
    Z /= norms
    try:
        pivots = np.diagonal(np.linalg.cholesky(Z.T @ Z))
    except np.linalg.LinAlgError:
        return False
    return bool(pivots.min() > CLEAR_RANK)


def _triangle(X, rows, columns, fit_intercept) -> np.ndarray:
    """Triangular factor of the centred columns of unit norm, a chunk of rows at a time."""
    triangle = np.empty((0, columns.size))
    total = sum(
        X[rows[i : i + CHUNK_ROWS]][:, columns].sum(axis=0, dtype=float)
        for i in range(0, len(rows), CHUNK_ROWS)
    )
    center = total / len(rows) if fit_intercept else 0.0
    for first in range(0, len(rows), CHUNK_ROWS):
        chunk = X[rows[first : first + CHUNK_ROWS]][:, columns].astype(float) - center
        triangle = np.linalg.qr(np.vstack([triangle, chunk]), mode="r")
    norms = np.linalg.norm(triangle, axis=0)
    return triangle / np.where(norms > 0, norms, 1.0)


def _dependent(triangle: np.ndarray) -> np.ndarray:
    """Columns beyond the rank, by QR with pivoting."""
    from scipy.linalg import qr

    if triangle.shape[1] == 0:
        return np.array([], int)
    factor, order = qr(triangle, mode="r", pivoting=True)
    size = np.abs(np.diagonal(factor))
    rank = int((size > RANK_TOLERANCE * max(size.max(initial=0.0), 1.0)).sum())
    return np.sort(order[rank:])


def residual_dof(choices: Any, data: Data, params: Any, penalty: Any) -> np.ndarray:
    """Residual degrees of freedom of each response, shape (K,): rows less what was estimated.

    Counted are coefficients in use: all of them under a smooth penalty, those that are not zero
    under one with kinks, and the intercept; for C classes, C - 1 of each.
    """
    coef = params.coef
    K = coef.shape[1]
    free_classes = coef.shape[2] - 1 if coef.ndim == 3 else 1
    flat = coef.reshape(len(coef), K, -1)
    if penalty.smooth:
        used = np.ones(flat.shape[:2])
        if choices.feature_mask is not None:
            used = choices.feature_mask.reshape(flat.shape).any(axis=2) * 1.0
        if penalty.is_zero:
            kept = counted_rows(data.weight)
            varies = varying_columns(data.design.array, kept, choices.fit_intercept)
            used = used * varies[:, None]
        count = used.sum(axis=0) * free_classes
    else:
        count = (flat != 0).sum(axis=(0, 2))
    return data.num_rows - count - free_classes * choices.fit_intercept
