r"""Coordinates in which coefficients and the scales of their prior are all but independent.

Given the scales :math:`s` of a normal prior, and a log-likelihood that is quadratic with
information :math:`I/\kappa` and slope :math:`h/\kappa` at zero, coefficients are
:math:`\beta=s\,u` with :math:`u\sim N(B^{-1}S h/\kappa,\,B^{-1})`, :math:`B=1+S(I/\kappa)S` and
:math:`S=\text{diag}(s)`. With :math:`B=CC'` the coordinates :math:`z=C'u-C^{-1}Sh/\kappa` are
standard normal whatever the scales are. Where the data say nothing :math:`z=u`, the non-centred
coefficients; where they say much, :math:`z` is centred; for Gaussian data there is no error at all.

References
----------
Papaspiliopoulos, Roberts and Sköld (2007), A general framework for the parametrization of
hierarchical models, *Stat. Sci.* 22, 59. Gelman et al. (2013), *Bayesian Data Analysis*, 3rd ed.,
section 15.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from bayesglm._module import Module
from bayesglm.regularizer._kernels import Array, by_response

FULL_WIDTH = 32  # parameters of a response up to which their correlations are worth their cost
STANDARD_ERRORS = 10.0  # in the scale of an intercept: wide enough to leave it to the data


class QuadraticLikelihood(Module):
    """Second-order expansion of a log-likelihood times its dispersion factor, by response.

    Parameters
    ----------
    information
        Shape (K, D, D), or its diagonal (K, D): coefficients, then intercepts.
    slope
        Gradient at coefficients of zero and intercepts of ``intercept``, shape (K, D).
    intercept, intercept_scale
        What intercepts are counted from, and in units of; shape (K[, C]).
    """

    information: Array
    slope: Array
    intercept: Array
    intercept_scale: Array

    def take(self, index: Array) -> QuadraticLikelihood:
        """Return that of the responses ``index``."""
        return jax.tree.map(lambda leaf: leaf[index], self)

    def place(self, raw: Any, scales: Array, kappa: Array) -> tuple[Any, Array]:
        """Coefficients over their scales, and intercepts, of coordinates z.

        Parameters
        ----------
        raw
            Coordinates of coefficients (p, K[, C]) and intercepts (K[, C]).
        scales
            Of the coefficients, shape (K, m) with m = p [* C].
        kappa
            Dispersion factor, shape (K,).

        Returns
        -------
        Both in the same structure, and the log determinants (K,) of the map.
        """
        K = len(kappa)
        z = jnp.concatenate([by_response(raw.coef), raw.intercept.reshape(K, -1)], axis=1)
        widths = jnp.concatenate([scales, self.intercept_scale.reshape(K, -1)], axis=1)
        u, log_volume = self._place(z, widths, kappa[:, None])
        coef, intercept = jnp.split(u, [scales.shape[1]], axis=1)
        p, _, *classes = raw.coef.shape
        coef = jnp.moveaxis(coef.reshape(K, p, *classes), 0, 1)
        moved = self.intercept_scale * intercept.reshape(raw.intercept.shape)
        log_volume += jnp.sum(jnp.log(self.intercept_scale).reshape(K, -1), axis=1)
        return type(raw)(coef, self.intercept + moved), log_volume

    def _place(self, z: Array, widths: Array, kappa: Array) -> tuple[Array, Array]:
        """Return u (K, D), and the log determinants (K,) of its map from z."""
        pull = widths * self.slope / kappa
        if self.information.ndim == 2:
            root = jnp.sqrt(1.0 + widths**2 * self.information / kappa)
            return (pull / root + z) / root, -jnp.sum(jnp.log(root), axis=1)
        outer = widths[:, :, None] * widths[:, None, :] / kappa[:, None]
        root = jnp.linalg.cholesky(jnp.eye(z.shape[1]) + outer * self.information)
        solve = lambda b, trans: solve_triangular(root, b[..., None], trans, lower=True)[..., 0]
        u = solve(solve(pull, 0) + z, 1)
        return u, -jnp.sum(jnp.log(jnp.diagonal(root, axis1=1, axis2=2)), axis=1)


def expand(information: Array, gradient: Array, params: Any, movable: Any) -> QuadraticLikelihood:
    """Expansion of a log-likelihood from its derivatives at one point.

    Parameters
    ----------
    information, gradient
        Times the dispersion factor, shapes (K, D, D) and (K, D).
    params
        Where: coefficients (p, K[, C]) and intercepts (K[, C]).
    movable
        Whether each of these is in use, in the same structure.
    """
    coef, free = by_response(params.coef), by_response(movable.coef)
    K, num_coef = coef.shape
    free = jnp.concatenate([free, jnp.reshape(movable.intercept, (K, -1))], axis=1)
    information = jnp.where(free[:, :, None] & free[:, None, :], information, 0.0)
    diagonal = jnp.diagonal(information, axis1=1, axis2=2)
    if free.shape[1] > FULL_WIDTH:
        information, pull = diagonal, diagonal[:, :num_coef] * coef
        pull = jnp.pad(pull, ((0, 0), (0, free.shape[1] - num_coef)))
    else:
        pull = jnp.einsum("kij,kj->ki", information[:, :, :num_coef], coef)
    own = diagonal[:, num_coef:].reshape(params.intercept.shape)
    width = STANDARD_ERRORS / jnp.sqrt(jnp.where(own > 0, own, 1.0))
    at = jnp.where(movable.intercept, params.intercept, 0.0)
    return QuadraticLikelihood(
        information,
        jnp.where(free, gradient, 0.0) + pull,
        at,
        jnp.where(movable.intercept, width, 1.0),
    )
