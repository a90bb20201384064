"""Whether the data identify the coefficients, and how many degrees of freedom they leave."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from bayesglm.exceptions import DataWarning
from bayesglm.glm.validation import Data

CHUNK_ROWS = 65536
RANK_TOLERANCE = 1e-10  # on columns of unit norm
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
    X, labels = data.design.array, data.design.labels
    if X.shape[1] > WIDEST_CHECK:
        return
    kept = (data.weight > 0).any(axis=1)
    varies = varying_columns(X, kept, fit_intercept)
    if not varies.all():
        names = [labels[i] for i in np.flatnonzero(~varies)][:10]
        what = "constant and so aliased with the intercept" if fit_intercept else "zero"
        warnings.warn(
            f"Columns {names} of X are {what}: their coefficients stay zero.",
            DataWarning,
            stacklevel=6,
        )
    aliased = _aliased(X, kept, varies, mask, fit_intercept)
    if aliased.size:
        names = [labels[i] for i in aliased[:10]]
        raise ValueError(
            f"X does not identify the coefficients: with {int(kept.sum())} sample(s) and "
            f"{X.shape[1]} features, columns {names}{' and more' * (aliased.size > 10)} are linear "
            "combinations of others (and of the intercept). Drop them, or use a regularizer such "
            "as 'Ridge'."
        )


def varying_columns(X: np.ndarray, kept: np.ndarray, fit_intercept: bool) -> np.ndarray:
    """Return whether each column varies (without an intercept: is not zero), booleans (p,)."""
    some = _few_rows(kept, X.shape[1])
    varies = _varies(X[some], fit_intercept)
    suspects = np.flatnonzero(~varies)
    if suspects.size and some.size < kept.sum():
        varies[suspects] = _varies(X[:, suspects][kept], fit_intercept)
    return varies


def _varies(X: np.ndarray, fit_intercept: bool) -> np.ndarray:
    return (np.ptp(X, axis=0) > 0) if fit_intercept else (X != 0).any(axis=0)


def _few_rows(kept: np.ndarray, num_features: int) -> np.ndarray:
    """Indices of evenly spaced rows: enough to show a full rank, where there is one."""
    rows = np.flatnonzero(kept)
    count = min(len(rows), 4 * num_features + 50)
    return rows[np.linspace(0, len(rows) - 1, count).astype(int)]


def _aliased(X, kept, varies, mask, fit_intercept) -> np.ndarray:
    """Columns that depend on others, judged from a few rows unless those leave a doubt."""
    columns = np.flatnonzero(varies)
    if not columns.size:
        return columns
    some = _few_rows(kept, X.shape[1])
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


def _triangle(X, rows, columns, fit_intercept) -> np.ndarray:
    """Triangular factor of the centred columns of unit norm, a chunk of rows at a time."""
    triangle = np.empty((0, columns.size))
    total = sum(X[rows[i : i + CHUNK_ROWS]][:, columns].sum(axis=0, dtype=float)
                for i in range(0, len(rows), CHUNK_ROWS))
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
            kept = (data.weight > 0).any(axis=1)
            varies = varying_columns(data.design.array, kept, choices.fit_intercept)
            used = used * varies[:, None]
        count = used.sum(axis=0) * free_classes
    else:
        count = (flat != 0).sum(axis=(0, 2))
    return data.num_rows - count - free_classes * choices.fit_intercept
