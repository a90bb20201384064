r"""Covariance of the estimates from the information at the mode.

The posterior is :math:`\exp(-N(\text{loss} + \text{penalty})/\kappa)` near its mode, so the
covariance is :math:`(\kappa/N) (I + P'')^{-1}` with the Fisher information I of the mean kernel
and the curvature P'' of the penalty; without a penalty it is the classical one.

References
----------
McCullagh and Nelder (1989), *Generalized Linear Models*, 2nd ed., section 2.5.
"""

from __future__ import annotations

import numpy as np

from bayesglm.glm import fitting, memory
from bayesglm.glm.assemble import Assembled
from bayesglm.glm.likelihood import Standardization
from bayesglm.solvers.curvature import SMALLEST_PIVOT


def at_mode(
    model: Assembled, fit: fitting.Fit, scale: np.ndarray, num_rows: np.ndarray
) -> np.ndarray | None:
    """Covariance of coefficients and intercept on the user's scale.

    Parameters
    ----------
    model, fit
        The model in standardised coordinates and its optimum.
    scale
        Dispersion, shape (K,).
    num_rows
        Sum of weights, shape (K,).

    Returns
    -------
    Shape (K, D, D), the intercept last; NaN for parameters that are held or not identified.
    None if it would be too large to keep.
    """
    classes = list(fit.params.coef.shape[2:])
    if memory.curvature_size(fit.params.coef.shape) > memory.LARGEST_CURVATURE:
        return None
    precision = fitting.posterior_precision(model, fit)
    kappa = model.loss.likelihood.observations.kernel_factor(scale)
    factor = np.asarray(kappa) / num_rows
    return covariance(precision, to_user(model.host, classes), factor, bool(classes))


def to_user(coordinates: Standardization, classes: list[int]) -> np.ndarray:
    """Matrix from parameters of standardised columns to those of the user, shape (D, D)."""
    back = np.diag(np.append(1 / coordinates.scale, 1.0))
    back[-1, :-1] = -coordinates.center / coordinates.scale
    return np.kron(back, np.eye(*classes)) if classes else back


def covariance(
    precision: np.ndarray, back: np.ndarray, factor: np.ndarray | float, singular: bool = False
) -> np.ndarray:
    """Return ``factor * back precision^-1 back'`` for each response.

    Parameters
    ----------
    precision
        Shape (K, D, D); NaN for parameters that are held.
    back
        Matrix to the user's parameters, shape (D, D).
    factor
        Shape (K,), or a number.
    singular
        Whether to leave the null space out instead of calling it not identified.

    Returns
    -------
    Shape (K, D, D), NaN for parameters that are held or not identified.
    """
    free = np.isfinite(np.diagonal(precision, axis1=-2, axis2=-1))
    both = free[:, :, None] & free[:, None, :]
    matrix = np.where(both, precision, np.eye(precision.shape[-1]))
    spread = np.sqrt(np.abs(np.diagonal(matrix, axis1=-2, axis2=-1)))
    spread = np.where(spread > 0, spread, 1.0)
    matrix = matrix / spread[:, :, None] / spread[:, None, :]
    root, identified = _inverse_root(matrix, singular)
    # Held parameters are known: they add nothing to the variance of the intercept.
    root = (np.where(free[:, None, :], back, 0.0) / spread[:, None, :]) @ root
    result = root @ np.swapaxes(root, -1, -2)
    return np.where(both & identified[:, None, None], result, np.nan) * np.reshape(
        factor, (-1, 1, 1)
    )


def _inverse_root(matrix: np.ndarray, singular: bool) -> tuple[np.ndarray, np.ndarray]:
    """R with ``R R'`` the inverse of each matrix of unit diagonal, and whether it exists (K,)."""
    if not singular:
        try:
            factor = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:  # some are singular: treat all the careful way
            pass
        else:
            pivot = np.diagonal(factor, axis1=-2, axis2=-1)
            definite = (pivot**2 > SMALLEST_PIVOT).all(axis=-1)
            return np.swapaxes(np.linalg.inv(factor), -1, -2), definite
    values, vectors = np.linalg.eigh(matrix)
    kept = values > SMALLEST_PIVOT * values[:, -1:]
    size = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
    return vectors * size[:, None, :], kept.all(axis=1) | singular
