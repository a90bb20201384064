"""The posteriors of one model given many data sets, sampled in one program.

The data sets differ in their responses alone: design, weights, offset and priors are shared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bayesglm._compiled import compiled
from bayesglm.glm.likelihood import weigh_cells
from bayesglm.glm.log_posterior import LogPosterior, expansion
from bayesglm.glm.params import GLMParams
from bayesglm.inference import laplace
from bayesglm.inference.target import AbstractTarget, columns_of_hessian
from bayesglm.posterior import draws
from bayesglm.posterior.build import Posterior
from bayesglm.regularizer.conditional import QuadraticLikelihood


class DataSets(AbstractTarget):
    """Log posterior densities given S data sets of K responses: P = S K problems.

    Parameters
    ----------
    one
        Log-density of a single data set, its rows in memory.
    y
        Responses of all data sets, padded as the rows are: shape (S, n, K) or (S, n, K, C).
    index
        Which of the S K problems these are, shape (P,).
    expansions
        Of the likelihoods, one more axis of length S in front, for priors without a mode.
    """

    one: LogPosterior
    y: Any
    index: Any
    expansions: QuadraticLikelihood | None = None

    def _each(self, function: Any, theta: Any) -> Any:
        """``function(density, theta)`` of every data set, for vectors (P, D) of problems."""
        S, K, D = len(self.y), self.one.num_problems, theta.shape[1]
        wide = jnp.zeros((S * K, D)).at[self.index].set(theta).reshape(S, K, D)
        found = jax.vmap(lambda y, own, t: function(_given(self.one, y, own), t))(
            self.y, self.expansions, wide
        )
        return jax.tree.map(lambda a: a.reshape(S * K, *a.shape[2:])[self.index], found)

    def value_and_gradient(self, theta: Any) -> tuple[Any, Any]:
        """Log posterior densities (P,) and their gradients (P, D)."""
        return self._each(lambda density, t: density.value_and_gradient(t), theta)

    def value(self, theta: Any) -> Any:
        """Log posterior densities (P,) alone."""
        return self._each(lambda density, t: density.value(t), theta)

    def kinked_gradient(self, theta: Any) -> Any:
        """Gradient (P, D) of the log prior in the coefficients if that has kinks, else None."""
        if self.prior.smooth:
            return None
        return self._each(lambda density, t: density.kinked_gradient(t), theta)

    def precision(self, theta: Any) -> Any:
        """Minus the Hessians (P, D, D); kinks are smoothed."""
        return columns_of_hessian(self, theta)

    def take(self, index: Any) -> DataSets:
        """Return some of the problems; only their data sets are evaluated."""
        problems, K = np.asarray(self.index)[index], self.one.num_problems
        sets, place = np.unique(problems // K, return_inverse=True)
        own = jax.tree.map(lambda leaf: leaf[sets], self.expansions)
        return DataSets(self.one, self.y[sets], jnp.asarray(place * K + problems % K), own)

    # What samplers ask of a density

    @property
    def likelihood(self) -> Any:
        """The model."""
        return self.one.likelihood

    @property
    def prior(self) -> Any:
        """What is known of the coefficients."""
        return self.one.prior

    @property
    def num_main(self) -> int:
        """Number of coefficients and intercepts of one response."""
        return self.one.num_main

    @property
    def num_problems(self) -> int:
        """Number of problems P."""
        return len(self.index)

    @property
    def free(self) -> Any:
        """True where a coordinate means something, shape (P, D)."""
        return self.one.free[self.index % self.one.num_problems]


def _given(one: LogPosterior, y: Any, own: QuadraticLikelihood | None) -> LogPosterior:
    """Log-density given one of the data sets, and the expansion of its likelihood."""
    density = eqx.tree_at(lambda density: density.rows.y, one, y)
    return density if own is None else density.expanded(own)


@compiled
def _expansions(one: LogPosterior, y: Any, start: GLMParams) -> QuadraticLikelihood:
    return jax.vmap(lambda y, at: expansion(_given(one, y, None), at))(y, start)


@dataclass(frozen=True)
class PosteriorOfEach(Posterior):
    """Posteriors given many data sets: what `bayesglm.posterior.draw` samples."""

    def take(self, index: np.ndarray) -> PosteriorOfEach:
        """Return some of the problems."""
        return replace(
            self,
            density=self.density.take(index),
            start=self.start[index],
            responses=self.responses[index],
            around=self.around and self.around.take(index),
        )

    @property
    def joint(self) -> bool:
        """False: the problems are independent."""
        return False


def posterior_of_each(one: LogPosterior, y: np.ndarray, start: GLMParams, scale: Any) -> Posterior:
    """Posteriors of a model given each of many data sets.

    Parameters
    ----------
    one
        Log-density given some data set, whose responses are not used.
    y
        Responses as the kernel wants them, shape (S, n, K) or (S, n, K, C).
    start, scale
        Rough parameters of the user's columns, (S, p, K[, C]) and (S, K[, C]), and dispersions
        (S, K), to look for the modes from.
    """
    padding = [(0, 0)] * y.ndim
    padding[1] = (0, one.rows.X.shape[0] - y.shape[1])
    y = jnp.asarray(np.pad(y, padding, mode="edge"))
    expansions = None if one.prior.has_mode else _expansions(one, y, start)
    theta = jax.vmap(one.vector)(start, jnp.asarray(scale))
    theta = theta.reshape(-1, theta.shape[-1])
    problems = np.arange(len(theta))
    density = DataSets(one, y, jnp.asarray(problems), expansions)
    around = None
    if expansions is not None:
        around = laplace.Gaussian(theta, jnp.tile(one.spread, (len(y), 1, 1)))
    return PosteriorOfEach(density, theta, False, problems, around)


def place(density: DataSets, theta: np.ndarray) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Parameters of the user's columns, as `bayesglm.posterior.draws.place` has them.

    Parameters
    ----------
    density
        All problems.
    theta
        Their vectors, shape (chains, draws, S K, D).

    Returns
    -------
    Arrays with the axes chains, draws, S, and those of one data set.
    """
    chains, count, _, D = theta.shape
    S, K = len(density.y), density.one.num_problems
    sets = np.moveaxis(theta.reshape(-1, S, K, D), 1, 0)
    found = _placed(density.one, density.y, density.expansions, jnp.asarray(sets))
    in_rows = lambda a: np.moveaxis(np.array(a), 0, 1).reshape(chains, count * S, *a.shape[2:])
    known = draws.without_unknown(density.one, *jax.tree.map(in_rows, found))
    return jax.tree.map(lambda a: a.reshape(chains, count, S, *a.shape[2:]), known)


@compiled
def _placed(one: LogPosterior, y: Any, expansions: Any, theta: Any) -> Any:
    of_set = lambda y, own, theta: draws.placed(_given(one, y, own), theta)
    return jax.vmap(of_set)(y, expansions, theta)


@compiled
def log_likelihood(density: DataSets, params: GLMParams, scale: Any) -> Any:
    """Log-likelihood of each data set at R sets of parameters, shape (R, S).

    Parameters
    ----------
    density
        All problems.
    params, scale
        Parameters of the user's columns, (R, S, p, K[, C]) and (R, S, K[, C]), and dispersions
        (R, S, K).
    """
    likelihood = density.likelihood

    def of_set(y, params, scale):
        rows = eqx.tree_at(lambda rows: rows.y, density.one.rows, y)

        def of_block(block):
            eta = likelihood.linear_predictor(params, block.X, block.offset)
            cells = likelihood.observations.log_density(block.y, eta, likelihood.link, scale)
            return jnp.sum(weigh_cells(block.weight, cells), axis=0)

        return jnp.sum(density.one.num_rows * rows.sum(of_block))

    return lax.map(lambda at: jax.vmap(of_set)(density.y, *at), (params, scale))
