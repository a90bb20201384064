r"""Leave-one-out cross-validation without refits, and without an array of draws x rows.

A posterior that has not seen :math:`y_i` is the posterior weighted by :math:`1/p(y_i\mid\theta)`.
Blocks of a few rows are evaluated at all draws, weights are Pareto-smoothed, summed and forgotten.

References
----------
Vehtari, Gelman and Gabry (2017), Practical Bayesian model evaluation using leave-one-out
cross-validation and WAIC, *Statistics and Computing* 27, 1413-1432.
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, *Journal of
Machine Learning Research* 25(72).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from bayesglm._compiled import compiled
from bayesglm.diagnostics import convergence, pareto
from bayesglm.posterior.blocks import Cells, Drawn, block_size, blocks


@dataclass(frozen=True)
class Rows:
    """Observations as `bayesglm.posterior.blocks.blocks` takes them.

    Parameters
    ----------
    X, offset, y, weight
        Features (n, p), offsets or None, responses as the kernel wants them, and weights (n, 1)
        or (n, K).
    """

    X: np.ndarray
    offset: np.ndarray | None
    y: np.ndarray
    weight: np.ndarray

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The four, in that order."""
        return self.X, self.offset, self.y, self.weight

    @property
    def missing(self) -> np.ndarray:
        """Whether each cell does not count, shape (n, K)."""
        return np.broadcast_to(self.weight == 0, self.y.shape[:2])


@dataclass(frozen=True, repr=False)
class LeaveOneOut:
    """How well a model predicts each response from all the others.

    Arrays have the shape of the responses, (n,) or (n, K), with NaN where these are missing.

    Parameters
    ----------
    elpd_i
        Expected log predictive density of each response, in nats.
    p_loo_i
        How much higher it is with the response than without it.
    pareto_k
        Shape of the tail of the importance weights; above ``good_k``, ``elpd_i`` is too high.
    num_draws
        Draws of the posterior.
    y, weight
        The responses and their weights.
    labels
        Names of the responses of a population.
    """

    elpd_i: np.ndarray
    p_loo_i: np.ndarray
    pareto_k: np.ndarray
    num_draws: int
    y: np.ndarray
    weight: np.ndarray
    labels: tuple[Any, ...] | None = None

    @property
    def n(self) -> int:
        """Number of responses, missing ones left out."""
        return int(np.sum(~np.isnan(self.y)))

    @property
    def elpd(self) -> float:
        """Expected log predictive density of all responses, in nats; larger is better."""
        return float(np.nansum(self.elpd_i))

    @property
    def se(self) -> float:
        """Standard error of ``elpd``, responses being independent."""
        return float(standard_error(self.elpd_i.ravel()))

    @property
    def p_loo(self) -> float:
        """Effective number of parameters."""
        return float(np.nansum(self.p_loo_i))

    @property
    def good_k(self) -> float:
        """Largest Pareto k with which this many draws give a useful ``elpd_i``."""
        return float(pareto.good_shape(self.num_draws))

    @property
    def num_bad(self) -> int:
        """Number of responses whose Pareto k is larger than that."""
        return int(np.sum(self.pareto_k > self.good_k))

    @property
    def per_response(self) -> Any:
        """DataFrame with columns n, elpd, se, p_loo and num_bad, a row for each response."""
        import pandas as pd

        table = lambda array: array.reshape(len(array), -1)
        elpd_i = table(self.elpd_i)
        columns = {
            "n": np.sum(~np.isnan(table(self.y)), axis=0),
            "elpd": np.nansum(elpd_i, axis=0),
            "se": standard_error(elpd_i),
            "p_loo": np.nansum(table(self.p_loo_i), axis=0),
            "num_bad": np.sum(table(self.pareto_k) > self.good_k, axis=0),
        }
        return pd.DataFrame(columns, index=pd.Index(self.labels or ["y"], name="response"))

    def __repr__(self) -> str:
        good = f"{self.n - self.num_bad} of {self.n} responses with Pareto k <= {self.good_k:.2f}"
        return (
            f"Leave-one-out cross-validation, {self.num_draws} draws\n"
            f"elpd   {self.elpd:12.2f}  se {self.se:.2f}\n"
            f"p_loo  {self.p_loo:12.2f}\n"
            f"{good}"
        )


def standard_error(values: np.ndarray) -> np.ndarray:
    """Return the standard error of the sum over the first axis, of what is not NaN."""
    count = np.sum(~np.isnan(values), axis=0)
    with np.errstate(invalid="ignore"):  # an impossible response has a density of zero
        away = values - np.nansum(values, axis=0) / np.maximum(count, 1)
    return np.sqrt(count * np.nansum(away**2, axis=0) / np.maximum(count - 1, 1))


def relative_efficiency(posterior: dict[str, np.ndarray]) -> float:
    """Effective sample size of a mean over the number of draws, averaged over all parameters.

    Parameters
    ----------
    posterior
        Draws (chain, draw, ...) by name. Those of one chain count as independent, as in ArviZ.
    """
    chains, count = next(iter(posterior.values())).shape[:2]
    if chains == 1:
        return 1.0
    ess = np.concatenate([convergence.ess_mean(draws).ravel() for draws in posterior.values()])
    return float(ess.mean() / (chains * count))


def log_likelihood(cells: Cells) -> Any:
    """Weighted log-likelihoods of a block, shape (B, K, S); NaN where a response is missing."""
    weight = cells.weight[:, None]
    weighted = jnp.where(weight > 0, weight * cells.log_density, jnp.nan)
    return jnp.swapaxes(weighted, 1, 2)


def stored(drawn: Drawn, rows: Rows, **how: Any) -> np.ndarray:
    """Log-likelihoods of all rows at all draws, shape (S, n, K).

    Parameters
    ----------
    drawn, rows, how
        As in `smoothed_blocks`.
    """
    values = np.empty((len(drawn), *rows.y.shape[:2]))
    how = {"description": "log-likelihood", **how}
    for index, found in blocks(log_likelihood, drawn, *rows.arrays, **how):
        values[:, index] = np.moveaxis(found, 2, 0)
    return values


@compiled
def _log_predictive(log_likelihood, log_weight):
    """Log predictive densities without the response and with it, both (N,)."""
    without = logsumexp(log_weight + log_likelihood, axis=1) - logsumexp(log_weight, axis=1)
    return without, logsumexp(log_likelihood, axis=1) - jnp.log(log_likelihood.shape[1])


def smoothed_blocks(
    measure: Callable[[Cells], Any], drawn: Drawn, rows: Rows, efficiency: float, **how: Any
) -> Iterator[tuple[slice, Any, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield slices of the rows with weights of the draws that leave each response out.

    Parameters
    ----------
    measure
        Of a block: `log_likelihood`, and what else is wanted.
    drawn, rows
        The draws and observations.
    efficiency
        See `relative_efficiency`.
    how
        As in `bayesglm.posterior.blocks.blocks`.

    Yields
    ------
    Slice, the rest of what was measured, log-likelihoods and log weights (N, S) and Pareto k (N,).
    N counts the cells of a block; a last one with fewer is filled up, so as to compile once.
    """
    n, K = rows.y.shape[:2]
    N = K * block_size(n, drawn.coef[:, 0].size)
    length = pareto.tail_length(len(drawn), efficiency)
    for index, (found, *rest) in blocks(measure, drawn, *rows.arrays, **how):
        cells = found.reshape(-1, len(drawn))
        if len(cells) < N:
            cells = np.pad(cells, ((0, N - len(cells)), (0, 0)), mode="edge")
        yield index, rest, cells, *pareto.smooth(-cells, length)


def leave_one_out(
    drawn: Drawn, rows: Rows, efficiency: float, **how: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return expected log predictive densities, what a response adds to its own, and Pareto k.

    Parameters
    ----------
    drawn, rows, efficiency, how
        As in `smoothed_blocks`.

    Returns
    -------
    Three arrays (n, K), NaN where a response is missing.
    """
    n, K = rows.y.shape[:2]
    elpd, with_response, k = np.empty((3, n * K))
    how = {"description": "leave-one-out", **how}
    for index, _, cells, log_weight, tail in smoothed_blocks(
        _only_log_likelihood, drawn, rows, efficiency, **how
    ):
        at = slice(index.start * K, index.stop * K)
        count = at.stop - at.start
        without, within = _log_predictive(cells, log_weight)
        elpd[at], with_response[at], k[at] = without[:count], within[:count], tail[:count]
    found = elpd, with_response - elpd, k
    return tuple(np.where(rows.missing, np.nan, array.reshape(n, K)) for array in found)


def _only_log_likelihood(cells):
    return (log_likelihood(cells),)
