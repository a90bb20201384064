r"""The one computation: loss, gradient and Fisher information as sums over rows.

The linear predictor is :math:`\eta = X\beta + \alpha + \text{offset}`; the loss of response k is
the weighted mean over rows of the observation model's kernel. Everything is a pure function of
(parameters, rows): solvers, standard errors and samplers all start here.

References
----------
McCullagh and Nelder (1989), *Generalized Linear Models*, 2nd ed., sections 2.2 and 2.5.
"""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bayesglm._module import Module
from bayesglm.glm.params import GLMParams
from bayesglm.glm.rows import Rows

CACHE_ELEMENTS = 2**15  # a block of so many numbers and a few copies of it stay in a 1 MB cache
PAIR_ELEMENTS = 2**19  # products of pairs of columns are read once, from a few
FEWEST_BLOCK_ROWS = 256  # fewer make products of wide blocks slow
LARGEST_PAIRED_WIDTH = 64  # products of all pairs of columns pay up to this many columns
NARROW = 40  # columns; a Gram matrix of more is computed in panels
PANEL_WIDTH = 128  # of a wide one


class Standardization(Module):
    """Centres and scales of the columns, so that solvers meet a well-conditioned problem.

    Parameters
    ----------
    center
        Subtracted from each column, shape (p,); zero without an intercept.
    scale
        Divides each column, shape (p,).
    """

    center: Any
    scale: Any

    def apply(self, X: Any) -> Any:
        """Standardised columns in float64, whatever the precision of ``X``."""
        return (X.astype(self.scale.dtype) - self.center) * (1.0 / self.scale)

    def to_standard(self, params: GLMParams) -> GLMParams:
        """Express parameters on the scale of the standardised columns."""
        coef = params.coef * self.column(params.coef)
        return GLMParams(coef, params.intercept + _shift(self.center, params.coef))

    def from_standard(self, params: GLMParams) -> GLMParams:
        """Express parameters of the standardised columns on the user's scale."""
        coef = params.coef / self.column(params.coef)
        return GLMParams(coef, params.intercept - _shift(self.center, coef))

    def column(self, coef: Any) -> Any:
        """Scales of the columns, broadcastable to the coefficients."""
        return self.scale.reshape(-1, *(1,) * (coef.ndim - 1))


def _shift(center: Any, coef: Any) -> Any:
    """Linear predictor of the centres, of the shape of the intercept."""
    return (center @ coef.reshape(len(coef), -1)).reshape(coef.shape[1:])


class Sums(Module):
    """What one pass over the data gives, per response.

    Parameters
    ----------
    value
        Weighted mean of the kernel, shape (K,).
    gradient
        Its gradient, shape (p + 1, K[, C]); the last row belongs to the intercept.
    score_square, noise_square
        Weighted mean squares, shape (K,), of the kernel's derivative in the linear predictor and
        of what rounding can change in it: the units of the convergence test.
    information
        Curvature in packed form, see `Likelihood.unpack_information`; None if not asked for.
    """

    value: Any
    gradient: Any
    score_square: Any
    noise_square: Any
    information: Any


class Likelihood(Module):
    """Observation model, link and dispersion: a value, so that two can be compared.

    Parameters
    ----------
    observations
        The conditional distribution of y.
    link
        The inverse link.
    scale
        Dispersion that the kernel needs (negative binomial, Student-t), shape (K,).
    feature_mask
        Zeros take a feature out of a response, shape (p, K[, C]); None keeps all.
    """

    observations: Any
    link: Any
    scale: Any
    feature_mask: Any = None

    def linear_predictor(self, params: GLMParams, X: Any, offset: Any = None) -> Any:
        """`X @ coef + intercept + offset`, shape (n, K[, C]), masked coefficients out."""
        coef = params.coef if self.feature_mask is None else params.coef * self.feature_mask
        eta = jnp.tensordot(X, coef, axes=1) + params.intercept
        return eta if offset is None else eta + offset

    def kernel(self, y: Any, eta: Any) -> Any:
        """Loss of each cell, shape (n, K)."""
        return self.observations.kernel(y, eta, self.link, self.scale)

    def eta_derivatives(self, y: Any, eta: Any) -> tuple[Any, Any, Any]:
        """Kernel, its first derivative and its curvature in the linear predictor.

        The curvature is the observed one where it is positive and Fisher's expected one
        elsewhere: Newton's fast convergence with Fisher scoring's safety.
        """
        if self.observations.event_ndim:
            return self._event_derivatives(y, eta)
        ones = jnp.ones_like(eta)
        value = lambda e: self.kernel(y, e)
        first = lambda e: jax.jvp(value, (e,), (ones,))[1]
        d1, d2 = jax.jvp(first, (eta,), (ones,))
        expected = self.observations.fisher_weight(eta, self.link, self.scale)
        return value(eta), d1, jnp.where(d2 > 0, d2, expected)

    def _event_derivatives(self, y: Any, eta: Any) -> tuple[Any, Any, Any]:
        """As `eta_derivatives` where a cell has C linear predictors; curvature (n, K, C, C)."""
        gradient = jax.grad(lambda e: jnp.sum(self.kernel(y, e)))
        basis = jnp.broadcast_to(
            jnp.eye(eta.shape[-1])[:, None, None, :], (eta.shape[-1], *eta.shape)
        )
        curvature = jax.vmap(lambda v: jax.jvp(gradient, (eta,), (v,))[1], out_axes=-2)(basis)
        return self.kernel(y, eta), gradient(eta), curvature

    def expected_curvature(self, eta: Any) -> Any:
        """Fisher's expected information per cell, in units of the kernel."""
        if self.observations.event_ndim:
            return self._event_derivatives(jnp.zeros_like(eta).at[..., 0].set(1.0), eta)[2]
        return self.observations.fisher_weight(eta, self.link, self.scale)


def block_rows(num_features: int, num_outputs: int) -> int:
    """Rows in a block: a power of two, as many as keep its arrays in the cache."""
    width = num_features + 1
    elements = CACHE_ELEMENTS / max(width, num_outputs)
    if uses_pairs(width, num_outputs):
        elements = min(elements, PAIR_ELEMENTS / (width * (width + 1) / 2))
    return int(np.clip(2 ** np.floor(np.log2(elements)), FEWEST_BLOCK_ROWS, 4096))


def uses_pairs(width: int, num_outputs: int) -> bool:
    """Whether the Gram matrices of many outputs come from one product of pairs of columns."""
    return num_outputs >= 4 and width <= LARGEST_PAIRED_WIDTH


def weighted_grams(Z: Any, weight: Any) -> Any:
    """`Z' diag(w) Z` for every column of weights, packed.

    Parameters
    ----------
    Z
        Columns, shape (n, d).
    weight
        Weights, shape (n, m).

    Returns
    -------
    Shape (pairs, m), pairs in the order of `numpy.triu_indices(d)`, if `uses_pairs(d, m)`:
    products of all pairs of columns are formed once and shared by the m outputs. Else (m, d, d),
    of which the lower triangle counts.
    """
    if uses_pairs(Z.shape[1], weight.shape[1]):
        first, second = np.triu_indices(Z.shape[1])
        return (Z[:, first] * Z[:, second]).T @ weight
    if weight.shape[1] == 1:
        return _lower_gram(Z, Z * weight)[None]
    return lax.map(lambda w: _lower_gram(Z, Z * w[:, None]), weight.T)


def _lower_gram(Z: Any, weighted: Any) -> Any:
    """`Z' @ weighted`, its panels right of the diagonal left out: the matrix is symmetric."""
    width = Z.shape[1]
    count = 1 if width < NARROW else max(2, round(width / PANEL_WIDTH))
    edges = np.linspace(0, width, count + 1).astype(int)
    panels = [Z[:, a:b].T @ weighted[:, :b] for a, b in itertools.pairwise(edges)]
    return jnp.concatenate([jnp.pad(p, ((0, 0), (0, width - p.shape[1]))) for p in panels])


def unpack_grams(packed: Any, width: int) -> Any:
    """Symmetric matrices, shape (m, d, d), from what `weighted_grams` returned."""
    if packed.ndim == 3:
        return jnp.tril(packed) + jnp.swapaxes(jnp.tril(packed, -1), -1, -2)
    index = np.zeros((width, width), int)
    index[np.triu_indices(width)] = np.arange(packed.shape[0])
    index = np.maximum(index, index.T)
    return packed.T[:, index]


def row_sums(
    likelihood: Likelihood,
    standardization: Standardization,
    params: GLMParams,
    rows: Rows,
    *,
    curvature: str | None = "newton",
) -> Sums:
    """Loss, gradient and information of the rows at ``params``, in one pass.

    Parameters
    ----------
    likelihood, standardization, rows
        The model, the coordinates of ``params``, and the data.
    params
        Parameters of the standardised columns: coef (p, K[, C]), intercept (K[, C]).
    curvature
        ``"newton"`` (observed where positive), ``"expected"`` (Fisher), or None for no information.
    """
    return rows.sum(
        lambda block: _block_sums(likelihood, standardization, params, block, curvature)
    )


def _block_sums(likelihood, standardization, params, block, curvature):
    Z = design_block(standardization, block.X)
    eta = likelihood.linear_predictor(params, Z[:, :-1], block.offset)
    value, d1, d2 = likelihood.eta_derivatives(block.y, eta)
    if curvature == "expected":
        d2 = likelihood.expected_curvature(eta)
    weigh = lambda a: weigh_cells(block.weight, a)
    diagonal = jnp.diagonal(d2, axis1=-2, axis2=-1) if d2.ndim > eta.ndim else d2
    square = lambda a: jnp.sum(jnp.square(a).reshape(*value.shape, -1), axis=-1)
    total = lambda a: jnp.sum(weigh(a), axis=0)
    information = None
    if curvature is not None:
        information = weighted_grams(Z, weigh(d2).reshape(Z.shape[0], -1))
    return Sums(
        total(value),
        jnp.tensordot(Z, weigh(d1), axes=((0,), (0,))),
        total(square(d1)),
        total(square(diagonal * eta)),
        information,
    )


def design_block(standardization: Standardization, X: Any) -> Any:
    """Standardised columns of a block and a column of ones, shape (n, p + 1)."""
    Z = standardization.apply(X)
    return jnp.concatenate([Z, jnp.ones((Z.shape[0], 1), Z.dtype)], axis=1)


def weigh_cells(weight: Any, a: Any) -> Any:
    """`weight * a`, zero where the weight is, even if `a` is not finite there."""
    weight = weight.reshape(*weight.shape, *(1,) * (a.ndim - weight.ndim))
    return jnp.where(weight > 0, weight * a, 0.0)


def information_matrices(packed: Any, num_features: int, trailing: tuple[int, ...]) -> Any:
    """Information per response from packed Grams, shape (K, D, D) with D = (p + 1) [* C]."""
    width = num_features + 1
    grams = unpack_grams(packed, width)
    if len(trailing) == 1:
        return grams
    K, C = trailing
    grams = grams.reshape(K, C, C, width, width).transpose(0, 3, 1, 4, 2)
    return grams.reshape(K, width * C, width * C)


def starting_sums(
    likelihood: Likelihood, standardization: Standardization, rows: Rows, mean_response: Any
) -> tuple[Any, Any]:
    """Least-squares problem whose solution is the first step of Fisher scoring from the data.

    The linear predictor starts at the link of each response moved inside its domain, so that the
    first coefficients already follow the data (McCullagh and Nelder 1989, section 2.5).

    Returns
    -------
    Packed information and right-hand side (p + 1, K).
    """

    def of_block(block):
        Z = design_block(standardization, block.X)
        observations = likelihood.observations
        eta = likelihood.link.inverse(observations.starting_mean(block.y, mean_response))
        _, d1, _ = likelihood.eta_derivatives(block.y, eta)
        d2 = likelihood.expected_curvature(eta)
        working = d2 * (eta if block.offset is None else eta - block.offset) - d1
        weigh = lambda a: weigh_cells(block.weight, a)
        return weighted_grams(Z, weigh(d2)), jnp.tensordot(Z, weigh(working), axes=((0,), (0,)))

    return rows.sum(of_block)


def values(
    likelihood: Likelihood,
    standardization: Standardization,
    candidates: list[GLMParams],
    rows: Rows,
) -> list[Any]:
    """Loss of each response, shape (K,), at several parameters in one pass."""

    def of_block(block):
        X = standardization.apply(block.X)
        etas = [likelihood.linear_predictor(params, X, block.offset) for params in candidates]
        kernels = [likelihood.kernel(block.y, eta) for eta in etas]
        return [jnp.sum(weigh_cells(block.weight, kernel), axis=0) for kernel in kernels]

    return rows.sum(of_block)
