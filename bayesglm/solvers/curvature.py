"""Dense algebra with curvature matrices, for many problems at once."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.lax import linalg

from bayesglm.solvers.composite import AbstractProblem

SMALLEST_PIVOT = 1e-13  # of a matrix with unit diagonal: one minus the multiple correlation squared
SMALLEST_EIGENVALUE = 1e-12  # of the largest in size


def positive_solve(matrix: Any, vector: Any) -> tuple[Any, Any]:
    """Solve symmetric systems by Cholesky; minimum-norm where one is not positive definite.

    Parameters
    ----------
    matrix
        Symmetric matrices, shape (K, D, D).
    vector
        Right-hand sides, shape (K, D).

    Returns
    -------
    Solutions (K, D), and where the matrix was positive definite (K,). A matrix that is not is
    replaced by its absolute value, its null space left out.
    """
    diagonal = jnp.diagonal(matrix, axis1=-2, axis2=-1)
    scale = jnp.where(diagonal > 0, diagonal, 1.0) ** -0.5
    scaled = matrix * scale[:, :, None] * scale[:, None, :]
    rhs = (vector * scale)[..., None]
    # The primitives themselves: NumPy's wrappers around them take longer to compile than they do.
    factor = linalg.cholesky(scaled, symmetrize_input=False)
    pivot = jnp.diagonal(factor, axis1=-2, axis2=-1)
    definite = jnp.all(pivot**2 > SMALLEST_PIVOT, axis=-1)
    half = linalg.triangular_solve(factor, rhs, left_side=True, lower=True)
    solution = linalg.triangular_solve(factor, half, left_side=True, lower=True, transpose_a=True)

    def where_indefinite():
        finite = jnp.isfinite(scaled).all(axis=(-2, -1), keepdims=True)
        vectors, values = linalg.eigh(jnp.where(finite, scaled, 0.0), symmetrize_input=False)
        size = jnp.abs(values)
        kept = size > SMALLEST_EIGENVALUE * size.max(axis=-1, keepdims=True)
        inverse = jnp.where(kept, 1 / jnp.where(kept, size, 1.0), 0.0)
        least = vectors @ (inverse[..., None] * (jnp.swapaxes(vectors, -1, -2) @ rhs))
        return jnp.where(definite[:, None, None], solution, least)

    solution = lax.cond(jnp.all(definite), lambda: solution, where_indefinite)
    return solution[..., 0] * scale, definite


def penalty_derivatives(problem: AbstractProblem, theta: Any) -> tuple[Any, Any]:
    """Gradient (K, D) and Hessian (K, D, D) of each penalty."""
    gradient = jax.grad(lambda t: jnp.sum(problem.penalty(t)))
    along = lambda v: jax.jvp(gradient, (theta,), (jnp.broadcast_to(v, theta.shape),))[1]
    eye = jnp.eye(theta.shape[-1])
    if problem.traits.separable:
        return gradient(theta), along(jnp.ones(theta.shape[-1]))[..., None] * eye
    return gradient(theta), jax.vmap(along, out_axes=-1)(eye)


def restrict(matrix: Any, free: Any, held: float = 1.0) -> Any:
    """Cut out rows and columns of parameters that are not free; ``held`` stays on the diagonal."""
    inside = free[:, :, None] & free[:, None, :]
    eye = jnp.eye(matrix.shape[-1])
    return jnp.where(inside, matrix, jnp.where(eye > 0, held, 0.0 * held))
