r"""Bounds of a new response from the draws: quantiles of a mixture with a part for every draw.

The distribution function of a new response is :math:`\frac1S\sum_s F(y\mid\mu_s,\phi_s)`. A hundred
parts, evenly spread, are as good as thousands. The draws are put in strata by their dispersion, the
same for all rows; at every row each stratum gives evenly spaced quantiles of its means. The strata
give different ones, which together are spread as evenly as all draws. Probabilities are good to 0.1
percentage points where the mean is less uncertain than a response is spread, as a rule to 0.03:
four thousand draws know no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.exceptions import DataWarning
from bayesglm.glm import domain
from bayesglm.intervals.prediction import quantile_between
from bayesglm.posterior.blocks import Cells, Drawn, blocks
from bayesglm.posterior.distributions import has_distribution, setting_of_rows, shapes_of
from bayesglm.posterior.replicates import response_blocks

NUM_PARTS = 100  # of a mixture
NUM_STRATA = 10  # of the dispersion, where it is not the same at all draws
GOLDEN = 0.5 * (5**0.5 - 1.0)  # multiples of it, whole parts left out, are evenly spread


def posterior_bounds(
    drawn: Drawn,
    X: np.ndarray,
    offset: np.ndarray | None,
    level: float,
    *,
    seed: int = 0,
    **how: Any,
) -> np.ndarray:
    """Bounds of a new response at each row, shape (n, K, 2); NaN where features are missing.

    Parameters
    ----------
    drawn, X, offset, how
        As in `bayesglm.posterior.blocks.blocks`.
    level
        Probability between the bounds; at least that for counts.
    seed
        Of the responses that are drawn where a family has no distribution function.

    Warns
    -----
    DataWarning
        If draws were left out because their means are infinite or impossible.
    """
    tails = np.array([0.5 - level / 2, 0.5 + level / 2])
    bounds = np.empty((len(X), drawn.scale.shape[1], 2))
    how = {"description": "prediction intervals", **how}
    if not has_distribution(drawn.observations):
        for rows, new in response_blocks(drawn, X, offset, seed=seed, **how):
            bounds[rows] = _sample_quantiles(drawn.observations, new, tails)
        return bounds
    strata, num_left_out = Strata.of(drawn), 0
    for rows, (*found, left_out) in blocks(_mixture, strata.drawn, X, offset, **how):
        bounds[rows] = _quantiles_of_parts(strata, rows, *found, tails)
        num_left_out += int(left_out.sum())
    if num_left_out:
        warn_user(
            f"{num_left_out} means at draws of the parameters are infinite or impossible: they are "
            "left out of the intervals.",
            DataWarning,
        )
    return bounds


def _sample_quantiles(observations: Any, new: np.ndarray, tails: np.ndarray) -> np.ndarray:
    """Quantiles (B, K, 2) of responses (B, S, K)."""
    method = "inverted_cdf" if observations.is_count else "linear"
    return np.moveaxis(np.quantile(new, tails, axis=1, method=method), 0, -1)


@dataclass(frozen=True)
class Strata:
    """Draws in order of their dispersion, which is about the same in each of some strata.

    Parameters
    ----------
    drawn
        The draws, one stratum after the other.
    scale
        Mean dispersion in each stratum, shape (strata, K).
    share
        Which quantiles of the means represent each stratum, shape (strata, parts).
    """

    drawn: Drawn
    scale: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, drawn: Drawn) -> Strata:
        """Sort the draws of each response."""
        S, K = drawn.scale.shape
        strata = NUM_STRATA if np.ptp(drawn.scale, axis=0).any() else 1
        count, parts = (strata, NUM_PARTS // strata) if S > NUM_PARTS else (S, 1)
        kept = np.linspace(0, S - 1, S // count * count).round().astype(int)
        index, response = np.argsort(drawn.scale, axis=0)[kept], np.arange(K)
        scale = drawn.scale[index, response]
        coef = np.swapaxes(drawn.coef, 1, 2)[index, response].swapaxes(1, 2)
        intercept = drawn.intercept[index, response]
        start = np.mod((np.arange(count) + 0.5) * GOLDEN, 1.0) if count > 1 else np.array([0.5])
        return cls(
            replace(drawn, coef=coef, intercept=intercept, scale=scale, num_chains=1),
            scale.reshape(count, -1, K).mean(axis=1),
            (np.arange(parts) + start[:, None]) / parts,
        )


def _mixture(cells: Cells) -> Any:
    """Means (B, K, S), NaN where impossible, and mean and spread of the mixture, (B, K)."""
    observations = cells.observations

    def of_draw(eta, scale):
        mean = observations.mean(eta, cells.link)
        return mean, observations.expectation(mean), observations.variance(mean, scale)

    mean, *moments = cells.by_draw(of_draw)
    bad = domain.impossible_means(observations, mean)
    mean, expected, variance = (jnp.where(bad, jnp.nan, a) for a in (mean, *moments))
    center = jnp.nanmean(expected, axis=1)
    spread = jnp.sqrt(jnp.nanvar(expected, axis=1) + jnp.nanmean(variance, axis=1))
    return jnp.swapaxes(mean, 1, 2), center, spread, bad.sum(axis=1)


def _quantiles_of_parts(strata, rows, mean, center, spread, tails):
    """Quantiles (B, K, 2) of the mixtures with means (B, K, S)."""
    observations, share = strata.drawn.observations, strata.share
    mean = np.sort(mean.reshape(*center.shape, len(share), -1), axis=-1)  # NaN comes last
    valid = np.sum(~np.isnan(mean), axis=-1, keepdims=True)
    mean = np.take_along_axis(mean, (share * valid).astype(int), axis=-1)
    flat = lambda a: np.broadcast_to(a, mean.shape).reshape(center.size, -1)
    setting = setting_of_rows(observations, rows)[..., None, None]
    with np.errstate(all="ignore"):
        kind, shapes = shapes_of(
            observations, flat(mean), flat(strata.scale.T[..., None]), flat(setting)
        )
        found = [
            quantile_between(
                kind, shapes, flat(valid), tail, *_cantelli(kind, shapes, center, spread, tail)
            )
            for tail in tails
        ]
    return np.stack(found, axis=-1).reshape(*center.shape, 2)


def _cantelli(kind, shapes, center, spread, tail):
    """Bounds (N,) of a quantile, from the mean and the standard deviation or from the parts."""
    if np.isinf(spread).any():
        parts = kind.ppf(tail, *shapes)
        return np.nanmin(parts, axis=1), np.nanmax(parts, axis=1)
    odds = np.sqrt(tail / (1 - tail))
    low, high = (center - spread / odds).ravel(), (center + spread * odds).ravel()
    if hasattr(kind, "pmf"):
        return np.maximum(np.floor(low), 0.0), np.ceil(high)
    return low, high
