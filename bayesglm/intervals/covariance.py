r"""Covariance of the estimates from the information at the mode.

The posterior is :math:`\exp(-N(\text{loss} + \text{penalty})/\kappa)` near its mode, so the
covariance is :math:`(\kappa/N) (I + P'')^{-1}` with the Fisher information I of the mean kernel
and the curvature P'' of the penalty; without a penalty it is the classical one.

References
----------
McCullagh and Nelder (1989), *Generalized Linear Models*, 2nd ed., section 2.5.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from bayesglm.glm import fitting
from bayesglm.glm.assemble import Assembled
from bayesglm.solvers.newton import SMALLEST_PIVOT

LARGEST = 2**26  # numbers in the covariances of all responses, half a gigabyte


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
    (p, K, *classes) = fit.params.coef.shape
    if K * ((p + 1) * int(np.prod(classes))) ** 2 > LARGEST:
        return None
    precision = fitting.posterior_precision(model, fit)
    factor = model.loss.likelihood.observations.kernel_factor(jnp.asarray(scale)) / num_rows
    coordinates = model.standardization
    return np.asarray(
        _covariance(precision, coordinates.center, coordinates.scale, factor, *classes)
    )


@eqx.filter_jit
def _covariance(precision, center, scale, factor, num_classes: int = 1) -> Any:
    back = jnp.diag(jnp.append(1 / scale, 1.0)).at[-1, :-1].set(-center / scale)
    back = jnp.kron(back, jnp.eye(num_classes))
    free = jnp.isfinite(jnp.diagonal(precision, axis1=-2, axis2=-1))
    both = free[:, :, None] & free[:, None, :]
    matrix = jnp.where(both, precision, jnp.eye(precision.shape[-1]))
    spread = jnp.sqrt(jnp.abs(jnp.diagonal(matrix, axis1=-2, axis2=-1)))
    spread = jnp.where(spread > 0, spread, 1.0)
    matrix = matrix / spread[:, :, None] / spread[:, None, :]
    # Held parameters are known: they add nothing to the variance of the intercept.
    back = jnp.where(free[:, None, :], back, 0.0) / spread[:, None, :]
    invert = _inverse_root if num_classes == 1 else _pseudo_inverse_root
    root = jnp.einsum("kij,klj->kil", invert(matrix), back)
    result = jnp.einsum("kij,kil->kjl", root, root)
    return jnp.where(both, result, jnp.nan) * factor[:, None, None]


def _inverse_root(matrix: Any) -> Any:
    """R with R' R the inverse of each matrix; NaN where that is not positive definite."""
    factor = jnp.linalg.cholesky(matrix)
    pivot = jnp.diagonal(factor, axis1=-2, axis2=-1)
    definite = jnp.all(pivot**2 > SMALLEST_PIVOT, axis=-1)[:, None, None]
    eye = jnp.broadcast_to(jnp.eye(matrix.shape[-1]), matrix.shape)
    root = jax.scipy.linalg.solve_triangular(factor, eye, lower=True)
    return jnp.where(definite, root, jnp.nan)


def _pseudo_inverse_root(matrix: Any) -> Any:
    """As `_inverse_root` without the null space: shifts of all classes change nothing."""
    values, vectors = jnp.linalg.eigh(matrix)
    kept = values > 1e-12 * values[:, -1:]
    size = jnp.where(kept, jnp.where(kept, values, 1.0) ** -0.5, 0.0)
    return size[:, :, None] * jnp.swapaxes(vectors, -1, -2)
