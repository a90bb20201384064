r"""How the uncertainty of parameters reaches a function of them: by draws, or by the delta method.

Both see parameters as an axis of "draws", so that the same code sums over the same rows. For the
delta method the first of them is the mode and each other is the mode plus a column of a root R of
the covariance :math:`V = RR'`: derivatives along these columns are what its variance
:math:`\nabla f' V \nabla f` is the sum of squares of.

References
----------
Gelman et al. (2013), *Bayesian Data Analysis*, 3rd ed., section 2.3. Oehlert (1992), A note on the
delta method, *American Statistician* 46, 27-29.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayesglm.intervals.credible import credible_bounds
from bayesglm.intervals.fitted_data import unpack
from bayesglm.posterior.blocks import Cells, Drawn

SUMMARY = ("estimate", "std_error", "lower", "upper")


def at_draws(function: Callable[..., Any], cells: Cells) -> Any:
    """Evaluate a function of linear predictors at every draw, shape (B, S, ...).

    Parameters
    ----------
    function
        Of (observations, link, eta), elementwise in the axes rows and draws of eta (B, S, K[, C]).
    cells
        A block of rows.
    """
    return function(cells.observations, cells.link, cells.eta)


def along_columns(function: Callable[..., Any], cells: Cells) -> Any:
    """Evaluate a function at the mode and its derivatives along all columns, shape (B, 1 + D, ...).

    Parameters
    ----------
    function, cells
        As in `at_draws`.
    """
    mode, rest = cells.eta[:, :1], cells.eta[:, 1:]
    of_eta = lambda eta: function(cells.observations, cells.link, eta)
    value, slope = jax.jvp(of_eta, (jnp.broadcast_to(mode, rest.shape),), (rest - mode,))
    return jnp.concatenate([value[:, :1], slope], axis=1)


@dataclass(frozen=True)
class ByDraws:
    """Values at equally likely draws: a function of the parameters is distributed as its values.

    Parameters
    ----------
    drawn
        S draws.
    level
        Probability of intervals, with equal tails.
    """

    drawn: Drawn
    level: float
    evaluate = staticmethod(at_draws)

    @property
    def coef(self) -> np.ndarray:
        """Coefficients at all draws, shape (S, p, K[, C])."""
        return self.drawn.coef

    @property
    def note(self) -> str:
        """What the numbers are."""
        return (
            f"Posterior of {len(self.drawn):,} draws: means, standard deviations and equal-tailed "
            f"bounds that hold {100 * self.level:g}%."
        )

    def combine(self, function: Callable[..., Any], *arrays: Any) -> np.ndarray:
        """Apply a function of what there is at one draw to arrays with a first axis of draws."""
        return np.asarray(jax.vmap(function)(*arrays))

    def summarize(self, values: np.ndarray) -> np.ndarray:
        """Rows of `SUMMARY`, shape (4, ...), of values (S, ...)."""
        bounds = credible_bounds(values, self.level)
        return np.stack([values.mean(axis=0), values.std(axis=0, ddof=1), *bounds])


@dataclass(frozen=True)
class ByDeltaMethod:
    """The value at the mode and its derivatives along the columns of a root of the covariance.

    Parameters
    ----------
    drawn
        The mode, and the mode plus each of D columns; made by `around_mode`.
    level
        Coverage of intervals.
    dof
        Degrees of freedom of Student's t, shape (K,); infinite for the normal distribution.
    meaning
        What the numbers are.
    """

    drawn: Drawn
    level: float
    dof: np.ndarray
    meaning: str
    evaluate = staticmethod(along_columns)

    @property
    def coef(self) -> np.ndarray:
        """Coefficients and their changes along the columns, shape (1 + D, p, K[, C])."""
        coef = self.drawn.coef
        return np.concatenate([coef[:1], coef[1:] - coef[:1]])

    @property
    def note(self) -> str:
        """What the numbers are."""
        return f"At the mode, standard errors by the delta method. {self.meaning}"

    def combine(self, function: Callable[..., Any], *arrays: Any) -> np.ndarray:
        """Apply a function to values and derivatives along the first axis of arrays."""
        mode = tuple(jnp.asarray(a[0]) for a in arrays)
        along = lambda *change: jax.jvp(function, mode, change)
        value, slope = jax.vmap(along, out_axes=(None, 0))(*(jnp.asarray(a[1:]) for a in arrays))
        return np.concatenate([np.asarray(value)[None], np.asarray(slope)])

    def summarize(self, values: np.ndarray) -> np.ndarray:
        """Rows of `SUMMARY`, shape (4, ..., K[, C]), of values and derivatives (1 + D, ...)."""
        from scipy import stats

        estimate, std_error = values[0], np.sqrt(np.sum(values[1:] ** 2, axis=0))
        quantile = stats.t.ppf(0.5 + self.level / 2, self.dof)
        trailing = self.drawn.coef.ndim - 3  # an axis of classes
        reach = quantile.reshape(-1, *(1,) * trailing) * std_error
        return np.stack([estimate, std_error, estimate - reach, estimate + reach])


def around_mode(mode: Drawn, covariance: np.ndarray) -> Drawn:
    """Return the mode, and the mode plus each column of a root of its covariance.

    Parameters
    ----------
    mode
        The parameters, as a single draw.
    covariance
        Shape (K, D, D); NaN for parameters that are held, which are known, and throughout where
        nothing is identified.
    """
    classes = mode.coef.shape[3:]
    columns = np.moveaxis(root(covariance), 2, 0)
    steps = [unpack(column, classes) for column in columns]
    coef = np.stack([step.coef for step in steps])
    intercept = np.stack([step.intercept for step in steps])
    count = 1 + len(columns)
    return replace(
        mode,
        coef=np.concatenate([mode.coef, mode.coef + coef]),
        intercept=np.concatenate([mode.intercept, mode.intercept + intercept]),
        scale=np.broadcast_to(mode.scale, (count, *mode.scale.shape[1:])),
    )


def root(covariance: np.ndarray) -> np.ndarray:
    """R with ``R R'`` each matrix of shape (D, D), zero for what is known; NaN if nothing is."""
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    unknown = np.isnan(variance).all(axis=1)
    spread = np.sqrt(np.nan_to_num(variance))
    unit = np.where(spread > 0, spread, 1.0)
    scaled = np.nan_to_num(covariance) / unit[:, :, None] / unit[:, None, :]
    values, vectors = np.linalg.eigh(scaled)
    found = unit[:, :, None] * vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return np.where(unknown[:, None, None], np.nan, found)
