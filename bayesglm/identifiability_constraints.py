"""Drop columns of a design until its coefficients are identified.

Splines that sum to one beside an intercept, one-hot columns and copies leave a design rank
deficient: infinitely many coefficients then give the same predictions. These functions drop
redundant columns, always the leftmost ones that can go.
"""

from __future__ import annotations

import warnings
from typing import Any

import jax.tree_util as jtu
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

__all__ = [
    "apply_identifiability_constraints",
    "apply_identifiability_constraints_by_basis_component",
]

_ROWS_PER_BLOCK = 4096


def apply_identifiability_constraints(
    feature_matrix: Any, add_intercept: bool = True, warn_if_float32: bool = True
) -> tuple[Any, NDArray[np.intp]]:
    r"""Drop the leftmost redundant columns of a design.

    A column goes if it is a linear combination of the intercept, the columns to its right and the
    kept ones to its left. Since the kept columns on its right span whatever all of them do, this
    is one pass from right to left: column $j$ stays if it is no combination of the intercept and
    of columns $j+1,\dots,p$.

    Parameters
    ----------
    feature_matrix
        Design, shape (n, p): array, data frame or pynapple ``TsdFrame``, any units.
    add_intercept
        Whether the model has an intercept.
    warn_if_float32
        Whether to warn of a floating type narrower than float64.

    Returns
    -------
    constrained_x
        Kept columns, shape (n, number kept). Rows with a NaN or an infinity are NaN throughout.
        NumPy array, or a ``TsdFrame`` if it was given one.
    kept_columns
        Their indices, ascending; to be applied to other data, such as a test set, too.

    Raises
    ------
    ValueError
        If the design is not 2-dimensional, or no row of it is finite.

    Warns
    -----
    UserWarning
        If the design has less than float64 precision, which blurs what is redundant.

    Notes
    -----
    Redundant means: changing every column by a relative $\epsilon=10(p+\sqrt n)$ machine
    precisions could make it an exact combination. The rule does not depend on the columns' units.

    References
    ----------
    Golub and Van Loan (2013), *Matrix Computations*, 4th ed., section 5.4; Oxley (2011),
    *Matroid Theory*, 2nd ed., section 1.8 (why greedy from the right finds these columns).

    Examples
    --------
    >>> import numpy as np
    >>> one_hot = np.eye(3)[[0, 1, 2, 0, 1]]
    >>> constrained, kept = apply_identifiability_constraints(one_hot)
    >>> kept
    array([1, 2])
    >>> apply_identifiability_constraints(one_hot, add_intercept=False)[1]
    array([0, 1, 2])
    """
    values = _as_design(feature_matrix)
    if warn_if_float32:
        _warn_if_not_float64(values)
    constrained, kept = _constrain(values, add_intercept)
    return _in_the_type_of(feature_matrix, constrained, kept), kept


def apply_identifiability_constraints_by_basis_component(
    basis: Any, feature_matrix: Any, add_intercept: bool = True
) -> tuple[Any, NDArray[np.intp]]:
    """Drop redundant columns of each additive component of a basis by itself.

    Cheaper than ``apply_identifiability_constraints`` for a sum of many components, and blind to
    redundancy between components other than through the intercept.

    Parameters
    ----------
    basis
        Object whose ``split_by_feature(array)`` cuts the columns of an array into a pytree, one
        leaf per component, shape (n, columns) or (n, inputs, columns): a NeMoS basis, say. The
        inputs of a component are treated one by one.
    feature_matrix
        Design, shape (n, p), in the basis's column order.
    add_intercept
        Whether the model has an intercept.

    Returns
    -------
    constrained_x
        Kept columns in their old order. Where a component has a NaN or an infinity in some row,
        its columns are NaN there.
    kept_columns
        Their indices, ascending.

    Raises
    ------
    ValueError
        If the design is not 2-dimensional, or some component has no finite row.

    Warns
    -----
    UserWarning
        If the design has less than float64 precision.

    Examples
    --------
    >>> import numpy as np
    >>> class TwoFactors:
    ...     def split_by_feature(self, x):
    ...         return {"day": x[:, :2], "animal": x[:, 2:]}
    >>> day, animal = np.array([0, 0, 1, 1, 0]), np.array([0, 1, 2, 1, 2])
    >>> design = np.hstack([np.eye(2)[day], np.eye(3)[animal]])
    >>> apply_identifiability_constraints_by_basis_component(TwoFactors(), design)[1]
    array([1, 3, 4])
    """
    values = _as_design(feature_matrix)
    _warn_if_not_float64(values)
    components = _component_columns(basis, values.shape[1])
    results = [_constrain(values[:, columns], add_intercept) for columns in components]
    kept = np.concatenate(
        [columns[local] for columns, (_, local) in zip(components, results, strict=True)]
    )
    order = np.argsort(kept)
    constrained = np.hstack([part for part, _ in results])[:, order]
    return _in_the_type_of(feature_matrix, constrained, kept[order]), kept[order]


def _constrain(values: NDArray, add_intercept: bool) -> tuple[NDArray, NDArray[np.intp]]:
    """Reduce an array of shape (n, p) to its kept columns, and say which these are."""
    valid = np.isfinite(values).all(axis=1)
    if not valid.any():
        raise ValueError("At least a NaN or an Inf at all sample points of the feature matrix.")
    factor = _triangular_factor(values, valid, add_intercept)
    num_rows, num_columns = int(valid.sum()), values.shape[1]
    tol = 10 * (num_columns + np.sqrt(num_rows)) * np.finfo(values.dtype).eps
    kept = num_columns - _independent_columns(factor, tol)[::-1]
    kept = kept[kept < num_columns] if add_intercept else kept - 1
    constrained = values[:, kept]
    constrained[~valid] = np.nan
    return constrained, kept


def _triangular_factor(
    values: NDArray, valid: NDArray[np.bool_], add_intercept: bool
) -> NDArray[np.float64]:
    """R of a QR factorisation of ``[1, last column, …, first column]``, block of rows by block.

    R has the columns' norms and linear dependences, and at most as many rows as columns.
    """
    width = values.shape[1] + int(add_intercept)
    factor = np.zeros((0, width))
    num_rows = max(_ROWS_PER_BLOCK, 2 * width)
    for start in range(0, len(values), num_rows):
        rows = slice(start, start + num_rows)
        block = values[rows][valid[rows]].astype(np.float64)[:, ::-1]
        if add_intercept:
            block = np.hstack([np.ones((len(block), 1)), block])
        factor = np.linalg.qr(np.vstack([factor, block]), mode="r")
    return factor


def _independent_columns(matrix: NDArray[np.float64], tol: float) -> NDArray[np.intp]:
    """Find the columns that are no linear combination of the columns before them.

    Gram-Schmidt with one reorthogonalisation on unit columns. A column is dependent if its residual
    is within the rounding error `tol` of itself and of the combination closest to it.
    """
    norms = np.linalg.norm(matrix, axis=0)
    size = min(matrix.shape)
    basis, triangle = np.zeros((matrix.shape[0], size)), np.zeros((size, size))
    kept: list[int] = []
    for index in np.flatnonzero(norms):
        count = len(kept)
        residual, projection = _orthogonalise(matrix[:, index] / norms[index], basis[:, :count])
        combination = solve_triangular(triangle[:count, :count], projection)
        distance = np.linalg.norm(residual)
        if count == size or distance <= tol * (1 + np.abs(combination).sum()):
            continue
        basis[:, count] = residual / distance
        triangle[:count, count], triangle[count, count] = projection, distance
        kept.append(index)
    return np.array(kept, dtype=np.intp)


def _orthogonalise(
    vector: NDArray[np.float64], basis: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split a vector into its residual and its coordinates in an orthonormal basis."""
    first = vector @ basis
    residual = vector - basis @ first
    second = residual @ basis
    return residual - basis @ second, first + second


def _component_columns(basis: Any, num_columns: int) -> list[NDArray[np.intp]]:
    """List the columns of each component and input of an additive basis, by splitting indices."""
    split = basis.split_by_feature(np.arange(num_columns)[np.newaxis])
    leaves = [np.asarray(leaf) for leaf in jtu.tree_leaves(split)]
    return [columns for leaf in leaves for columns in leaf.reshape(-1, leaf.shape[-1])]


def _as_design(feature_matrix: Any) -> NDArray:
    """View a design as an array of floats, in its own precision if it has one."""
    values = np.asarray(feature_matrix)
    if values.ndim != 2:
        raise ValueError(f"The feature matrix must be 2-dimensional; got shape {values.shape}.")
    return values if np.issubdtype(values.dtype, np.floating) else values.astype(np.float64)


def _warn_if_not_float64(values: NDArray) -> None:
    """Warn of narrow floats, in which a redundant column is redundant only to a few digits."""
    if np.finfo(values.dtype).eps > np.finfo(np.float64).eps:
        warnings.warn(
            f"The feature matrix is not of dtype `float64` but `{values.dtype}`, which tells "
            "redundant columns from others only roughly. Compute the features in float64, or "
            "convert them with `np.asarray(X, dtype=float)` if all their digits are good.",
            UserWarning,
            stacklevel=3,
        )


def _in_the_type_of(original: Any, values: NDArray, kept: NDArray[np.intp]) -> Any:
    """Give back a pynapple frame with its time axis where one came in, else the array."""
    if not all(hasattr(original, name) for name in ("t", "d", "time_support", "columns")):
        return values
    return type(original)(
        t=original.t,
        d=values,
        time_support=original.time_support,
        columns=np.asarray(original.columns)[kept],
    )
