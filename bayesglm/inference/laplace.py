r"""Laplace's approximation: a normal distribution at the mode, with the curvature there.

References
----------
Tierney and Kadane (1986), Accurate approximations for posterior moments and marginal densities.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax.lax import linalg

from bayesglm.inference.target import AbstractTarget, Whitened
from bayesglm.solvers import composite, newton

TOLERANCE = 1e-6  # of the mode, in standard deviations
MAX_STEPS = 100
SMALLEST_EIGENVALUE = 1e-10  # of a precision of unit diagonal


class Gaussian(eqx.Module):
    r"""Normal distributions :math:`\theta=\text{center}+\text{factor}\,z` of B problems.

    Parameters
    ----------
    center, factor
        Shapes (B, D) and (B, D, D); the covariance is ``factor @ factor.T``.
    distance
        Size of the gradient at the center in standard deviations, shape (B,).
    """

    center: Any
    factor: Any
    distance: Any

    def whiten(self, target: AbstractTarget) -> Whitened:
        """``target`` in coordinates in which this distribution is standard normal."""
        return Whitened(target, self.center, self.factor)


class _Problem(composite.AbstractProblem):
    """Minus the log-density, in whitened coordinates, where a gradient is in units of one."""

    target: Any
    size: int = eqx.field(static=True)

    def evaluate(self, theta):
        """Value, gradient and curvature."""
        value, gradient = self.target.value_and_gradient(theta)
        one = jnp.ones_like(value)
        precision = self.target.precision(theta)
        return composite.Evaluation(-value, -gradient, precision, one, 0 * one)

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


@eqx.filter_jit
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
    factor = inverse_root(target.precision(start))
    around = Whitened(target, start, factor)
    zero = jnp.zeros_like(start)
    if not find_mode:
        distance = jnp.max(jnp.abs(around.value_and_gradient(zero)[1]), axis=-1)
        return Gaussian(start, factor, distance)
    problem = _Problem(around, start.shape[1])
    found = newton.minimize(problem, zero, tol=TOLERANCE, max_steps=MAX_STEPS)
    return Gaussian(
        around.theta(found.theta), factor @ inverse_root(found.precision), found.residual
    )


def inverse_root(precision: Any) -> Any:
    """Matrices R with ``R R'`` the inverse of each matrix (B, D, D), or of its absolute value.

    Lower-triangular factors, transposed, for positive definite matrices; where one is not, its
    eigenvalues are replaced by their size, and small ones raised.
    """
    diagonal = jnp.abs(jnp.diagonal(precision, axis1=-2, axis2=-1))
    spread = jnp.where(diagonal > 0, diagonal, 1.0) ** -0.5
    scaled = precision * spread[:, :, None] * spread[:, None, :]
    vectors, values = linalg.eigh(scaled, symmetrize_input=True)
    size = jnp.maximum(jnp.abs(values), SMALLEST_EIGENVALUE)
    return spread[:, :, None] * vectors * size[:, None, :] ** -0.5
