r"""The log posterior density of a GLM's parameters, on unconstrained coordinates.

.. math:: \log p(\theta\mid y)=\sum_i w_i\log p(y_i\mid\eta_i,\phi)
          +\log p(\beta\mid\phi,\lambda)+\log p(\alpha)+\log p(\phi)+\log p(\lambda)

A vector holds, for each response, the coefficients and intercept of the standardised columns, the
log of the dispersion where it is not known, and the prior's own parameters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from bayesglm._compiled import compiled
from bayesglm._module import Module
from bayesglm.glm.likelihood import (
    Likelihood,
    Rows,
    Standardization,
    information_matrices,
    row_sums,
    weigh_cells,
)
from bayesglm.glm.params import GLMParams, pack, unpack
from bayesglm.inference.target import AbstractTarget, columns_of_hessian
from bayesglm.regularizer._kernels import by_response
from bayesglm.regularizer.conditional import QuadraticLikelihood, expand
from bayesglm.regularizer.responses import take_entries


class Position(Module):
    """Parameters of the density, by name.

    Parameters
    ----------
    params
        Coefficients and intercepts of the standardised columns.
    scale
        Dispersion, shape (K,).
    hyperparameters
        The prior's own parameters on unconstrained scales, each of shape (K, size).
    """

    params: GLMParams
    scale: Any
    hyperparameters: dict[str, Any]


class LogPosterior(AbstractTarget):
    """Log posterior densities of K responses.

    Parameters
    ----------
    likelihood, standardization, rows
        The model and its data.
    num_rows
        Sums of the weights, shape (K,).
    prior
        What is known of the coefficients: `bayesglm.regularizer.sampled.CoefficientPrior`.
    scale_prior
        What is known of the dispersion; None where it is fixed.
    movable
        True where a parameter may move; the others have standard normal densities of their own.
    """

    likelihood: Likelihood
    standardization: Standardization
    rows: Rows
    num_rows: Any
    prior: Any
    scale_prior: Any
    movable: GLMParams

    # Layout

    @property
    def num_problems(self) -> int:
        """Number of responses K."""
        return self.movable.intercept.shape[0]

    @property
    def num_main(self) -> int:
        """Number of coefficients and intercepts of one response."""
        return pack(self.movable).shape[1]

    @property
    def size(self) -> int:
        """Length D of a vector."""
        return self.num_main + (self.scale_prior is not None) + sum(self._sizes.values())

    @property
    def _sizes(self) -> dict[str, int]:
        return self.prior.sizes(self.movable.coef.shape)

    @property
    def free(self) -> Any:
        """True where a coordinate means something, shape (K, D)."""
        own = pack(self.movable)
        return jnp.pad(own, ((0, 0), (0, self.size - own.shape[1])), constant_values=True)

    @compiled
    def vector(self, params: GLMParams, scale: Any) -> Any:
        """Coordinates (K, D) of parameters of the user's columns and a dispersion (K,)."""
        user = GLMParams(jnp.asarray(params.coef), jnp.asarray(params.intercept))
        raw = self.prior.raw(user, self.standardization)
        parts = [pack(raw)]
        if self.scale_prior is not None:
            parts.append(jnp.log(jnp.asarray(scale))[:, None])
        start = self.prior.start(self.movable.coef.shape)
        parts += [
            jnp.broadcast_to(start[name], (self.num_problems, n)) for name, n in self._sizes.items()
        ]
        return jnp.where(self.free, jnp.concatenate(parts, axis=1), 0.0)

    def _split(self, theta: Any) -> tuple[GLMParams, Any, dict[str, Any]]:
        """Raw coefficients, log dispersion (K,) or None, and the prior's parameters."""
        main = unpack(theta[:, : self.num_main], self.movable.intercept.shape[1:])
        at, log_scale, own = self.num_main, None, {}
        if self.scale_prior is not None:
            log_scale, at = theta[:, at], at + 1
        for name, size in self._sizes.items():
            own[name], at = theta[:, at : at + size], at + size
        return main, log_scale, own

    def position(self, theta: Any) -> Position:
        """Parameters by name, those of the GLM on standardised columns."""
        return self._locate(theta)[0]

    def _locate(self, theta: Any) -> tuple[Position, Any]:
        """Parameters, and the log density (K,) of the prior in the coordinates of ``theta``."""
        raw, log_scale, own = self._split(theta)
        scale = self.likelihood.scale if log_scale is None else jnp.exp(log_scale)
        kappa = self.likelihood.observations.kernel_factor(scale)
        density = -0.5 * jnp.sum(jnp.where(self.free, 0.0, theta**2), axis=1)
        density -= 0.5 * self._sum_of_squared_shifts(raw)
        if log_scale is not None:
            density += self.scale_prior.log_density(log_scale)
        free = jax.tree.map(lambda value, move: jnp.where(move, value, 0.0), raw, self.movable)
        params, log_prior = self.prior.place(free, own, kappa, self.num_rows, self.standardization)
        return Position(params, scale, own), density + log_prior

    def take(self, index: Any) -> LogPosterior:
        """Return the densities of the responses ``index``, for priors that do not tie them."""
        K, index = self.num_problems, jnp.asarray(index)
        column = lambda a: a if a is None or a.shape[1] != K else a[:, index]
        rows, likelihood = self.rows.gathered(), self.likelihood
        entries = lambda tree: take_entries(tree, index, K)
        return LogPosterior(
            Likelihood(
                likelihood.observations.for_responses(index, K),
                likelihood.link,
                likelihood.scale[index],
                column(likelihood.feature_mask),
            ),
            self.standardization,
            Rows(
                rows.X,
                rows.y[:, index],
                column(rows.weight),
                column(rows.offset),
                rows.num_rows,
                rows.block,
            ),
            self.num_rows[index],
            self.prior.take(index, K),
            entries(self.scale_prior),
            GLMParams(self.movable.coef[:, index], self.movable.intercept[index]),
        )

    def expanded(self, likelihood: QuadraticLikelihood) -> LogPosterior:
        """Return the densities in the coordinates that an expansion of the likelihood makes."""
        return replace(self, prior=self.prior.informed(likelihood))

    @property
    def spread(self) -> Any:
        """Rough standard deviations in these coordinates, matrices (K, D, D).

        Of one; the log of a dispersion has that of the log of a variance, the square root of 2 / n.
        """
        size = jnp.ones((self.num_problems, self.size))
        if self.scale_prior is not None:
            size = size.at[:, self.num_main].set((1.0 + 0.5 * self.num_rows) ** -0.5)
        return size[:, :, None] * jnp.eye(self.size)

    # Equal shifts of all classes, which change no probability

    @property
    def shifts(self) -> GLMParams:
        """True where adding a number to all classes changes nothing: shapes (p, K), (K,)."""
        classes = bool(self.likelihood.observations.event_ndim)
        undecided = GLMParams(self.prior.flat, not self.prior.penalizes_intercept)
        return jax.tree.map(
            lambda move, free: jnp.all(move, axis=-1) & classes & free, self.movable, undecided
        )

    def _sum_of_squared_shifts(self, raw: GLMParams) -> Any:
        """Of each response (K,): given a normal density, shifts are decided and change nothing."""
        if not self.likelihood.observations.event_ndim:
            return 0.0
        squares = jax.tree.map(
            lambda value, shift: jnp.where(shift, jnp.mean(value, axis=-1), 0.0) ** 2,
            raw,
            self.shifts,
        )
        return jnp.sum(squares.coef, axis=0) + squares.intercept

    def without_shifts(self, params: GLMParams) -> GLMParams:
        """Return parameters whose undecided sums over classes are zero."""
        if not self.likelihood.observations.event_ndim:
            return params
        center = lambda value, shift: (
            value - jnp.where(shift[..., None], jnp.mean(value, axis=-1, keepdims=True), 0.0)
        )
        return jax.tree.map(center, params, self.shifts)

    # Densities

    def log_prior(self, theta: Any) -> Any:
        """Log density (K,) of the prior in these coordinates, dispersions included."""
        return self._locate(theta)[1]

    def value_and_gradient(self, theta: Any) -> tuple[Any, Any]:
        """Log posterior densities (K,) and their gradients (K, D)."""

        def locate(theta):
            position, log_prior = self._locate(theta)
            return position.params, position.scale, log_prior

        (params, scale, log_prior), pull_back = jax.vjp(locate, theta)
        value, slope, scale_slope = self._likelihood(params, scale)
        (gradient,) = pull_back((slope, scale_slope, jnp.ones_like(log_prior)))
        return value + log_prior, gradient

    def value(self, theta: Any) -> Any:
        """Log posterior densities (K,) alone."""
        position, log_prior = self._locate(theta)

        def of_block(block):
            X = self.standardization.apply(block.X)
            eta = self.likelihood.linear_predictor(position.params, X, block.offset)
            cells = self._cells(block.y, eta, position.scale)
            return jnp.sum(weigh_cells(block.weight, cells), axis=0)

        return self._total(self.rows.sum(of_block), log_prior)

    def mirrored_values(self, center: Any, theta: Any) -> Any:
        """Log posterior densities (2, K) at ``theta`` and at its mirror image.

        Linear predictors of mirror images are equally far from that of the center, to either side:
        the product with the design is shared between them, and that of the center by all draws.
        """
        if not self.prior.linear:
            return super().mirrored_values(center, theta)
        (here, prior_here), (there, prior_there) = map(self._locate, (theta, 2 * center - theta))
        middle = self._locate(center)[0].params
        away = jax.tree.map(jnp.subtract, here.params, middle)

        def of_block(block):
            X = self.standardization.apply(block.X)
            level = self.likelihood.linear_predictor(middle, X, block.offset)
            step = self.likelihood.linear_predictor(away, X)
            of = lambda eta, at: weigh_cells(block.weight, self._cells(block.y, eta, at.scale))
            sides = of(level + step, here), of(level - step, there)
            return jnp.stack([jnp.sum(side, axis=0) for side in sides])

        return self._total(self.rows.sum(of_block), jnp.stack([prior_here, prior_there]))

    def _total(self, mean: Any, log_prior: Any) -> Any:
        """Log posterior density from the mean log-density of cells; none where it overflows."""
        total = self.num_rows * mean + log_prior
        return jnp.where(jnp.isnan(total), -jnp.inf, total)

    def _cells(self, y: Any, eta: Any, scale: Any) -> Any:
        """Log-density of each cell, shape (n, K), up to terms free of all parameters."""
        observations, link = self.likelihood.observations, self.likelihood.link
        if self.scale_prior is not None:
            return observations.log_density(y, eta, link, scale)
        return -observations.kernel(y, eta, link, scale) / observations.kernel_factor(scale)

    def _likelihood(self, params: GLMParams, scale: Any) -> tuple[Any, GLMParams, Any]:
        """Log-likelihoods (K,) and their gradients, in one pass over the rows."""

        def of_block(block):
            X = self.standardization.apply(block.X)
            eta = self.likelihood.linear_predictor(params, X, block.offset)
            value, pull = jax.vjp(lambda e: self._cells(block.y, e, scale), eta)
            by_scale = lambda s: self._cells(block.y, eta, s)
            _, scale_slope = jax.jvp(by_scale, (scale,), (jnp.ones_like(scale),))
            weigh = lambda a: weigh_cells(block.weight, a)
            (slope,), scale_slope = map(weigh, pull(jnp.ones_like(value))), weigh(scale_slope)
            in_coef = jnp.tensordot(X, slope, axes=((0,), (0,)))
            sums = (weigh(value), slope, scale_slope)
            return in_coef, *(jnp.sum(a, axis=0) for a in sums)

        in_coef, value, in_intercept, in_scale = self.rows.sum(of_block)
        if self.likelihood.feature_mask is not None:
            in_coef = in_coef * self.likelihood.feature_mask
        wide = lambda a: self.num_rows.reshape(-1, *(1,) * (a.ndim - 1)) * a
        by_coef = self.num_rows.reshape(-1, *(1,) * (in_coef.ndim - 2)) * in_coef
        return wide(value), GLMParams(by_coef, wide(in_intercept)), wide(in_scale)

    def kinked_gradient(self, theta: Any) -> Any:
        """Gradient (K, D) of the log prior in the coefficients if that has kinks, else None."""
        if self.prior.smooth:
            return None
        gradient = jax.grad(lambda t: jnp.sum(self.log_prior(t)))(theta)
        return jnp.where(jnp.arange(self.size) < self.num_main, gradient, 0.0)

    def precision(self, theta: Any) -> Any:
        """Minus the Hessians (K, D, D); kinks of the prior are smoothed over a posterior width."""
        return columns_of_hessian(self, theta)


@compiled
def expansion(density: LogPosterior, params: GLMParams) -> QuadraticLikelihood:
    """Second-order expansion of the log-likelihoods.

    Parameters
    ----------
    density
        Posterior densities, whose priors play no part.
    params
        Where, in the user's columns.
    """
    params = density.standardization.to_standard(jax.tree.map(jnp.asarray, params))
    sums = row_sums(density.likelihood, density.standardization, params, density.rows)
    p, *trailing = params.coef.shape
    information = information_matrices(sums.information, p, tuple(trailing))
    return expand(
        density.num_rows[:, None, None] * information,
        -density.num_rows[:, None] * by_response(sums.gradient),
        params,
        density.movable,
    )
