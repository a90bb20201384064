r"""Laplace's approximation: a normal distribution at the mode, with the curvature there.

References
----------
Tierney and Kadane (1986), Accurate approximations for posterior moments and marginal densities.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from bayesglm._compiled import compiled
from bayesglm._module import Module
from bayesglm.inference.target import AbstractTarget, Whitened
from bayesglm.solvers import composite, newton

TOLERANCE = 1e-6  # of the mode, in standard deviations
MAX_STEPS = 100
SMALLEST_EIGENVALUE = 1e-10  # of a precision of unit diagonal


class Gaussian(Module):
    r"""Normal distributions :math:`\theta=\text{center}+\text{factor}\,z` of B problems.

    Parameters
    ----------
    center, factor
        Shapes (B, D) and (B, D, D); the covariance is ``factor @ factor.T``.
    """

    center: Any
    factor: Any

    def theta(self, z: Any) -> np.ndarray:
        """Where whitened draws (..., B, D) are, in the target's own coordinates; NumPy."""
        return np.asarray(self.center) + times(np.asarray(self.factor), z)

    def take(self, index: Any) -> Gaussian:
        """Return the distributions of some problems."""
        return Gaussian(self.center[index], self.factor[index])

    def whiten(self, target: AbstractTarget) -> Whitened:
        """``target`` in coordinates in which this distribution is standard normal."""
        return Whitened(target, self.center, self.factor)


class _Problem(composite.AbstractProblem):
    """Minus the log-density; gradients are judged by the standard deviation of the score."""

    target: Any
    size: int = eqx.field(static=True)

    def evaluate(self, theta):
        """Value, gradient and curvature."""
        value, gradient = self.target.value_and_gradient(theta)
        precision = self.target.precision(theta)
        diagonal = jnp.abs(jnp.diagonal(precision, axis1=-2, axis2=-1))
        unit = jnp.sqrt(jnp.max(diagonal, axis=-1))
        return composite.Evaluation(-value, -gradient, precision, unit, jnp.zeros_like(unit))

    def penalty(self, theta):
        """None."""
        return jnp.zeros_like(theta[:, 0])

    def prox(self, theta, step):
        """Nothing to be done."""
        del step
        return theta

    def common_scale(self, scale):
        """Each its own."""
        return scale

    @property
    def free(self):
        """All of them."""
        return jnp.ones((1, self.size), bool)

    @property
    def traits(self):
        """Smooth, each parameter and problem alone."""
        return composite.Traits(smooth=True, separable=True, coupled=False)


@compiled
def approximate(target: AbstractTarget, start: Any, *, find_mode: bool = True) -> Gaussian:
    """Approximate every problem by a normal distribution.

    Parameters
    ----------
    target
        Log-densities of B problems.
    start
        Where to look for the modes, shape (B, D); near them, or at them.
    find_mode
        Whether to look; else the center is ``start``, as for densities with a kink at their mode.
    """
    if not find_mode:
        return Gaussian(start, inverse_root(target.precision(start)))
    problem = _Problem(target, start.shape[1])
    found = newton.minimize(problem, start, tol=TOLERANCE, max_steps=MAX_STEPS)
    return Gaussian(found.theta, inverse_root(found.precision))


def times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Products of matrices (B, D, D) with many vectors each, shape (..., B, D)."""
    rows = np.moveaxis(vectors, -2, 0).reshape(*matrices.shape[:1], -1, matrices.shape[2])
    products = rows @ np.swapaxes(matrices, 1, 2)  # BLAS, which `einsum` does without
    return np.moveaxis(products.reshape(-1, *vectors.shape[:-2], matrices.shape[1]), 0, -2)


def inverse_root(precision: Any) -> Any:
    """Matrices R with ``R R'`` the inverse of each matrix (B, D, D), or of its absolute value.

    Eigenvalues of a matrix that is not positive definite are replaced by their size, and small
    ones raised. NumPy arrays give NumPy arrays.
    """
    xp = np if isinstance(precision, np.ndarray) else jnp
    diagonal = xp.abs(xp.diagonal(precision, axis1=-2, axis2=-1))
    spread = xp.where(diagonal > 0, diagonal, 1.0) ** -0.5
    scaled = precision * spread[:, :, None] * spread[:, None, :]
    values, vectors = xp.linalg.eigh(scaled)
    size = xp.maximum(xp.abs(values), SMALLEST_EIGENVALUE)
    return spread[:, :, None] * vectors * size[:, None, :] ** -0.5
