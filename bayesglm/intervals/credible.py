"""Credible intervals of many quantities at once, from equally likely draws.

References
----------
Gelman et al. (2013), *Bayesian Data Analysis*, 3rd ed., section 2.3. Chen and Shao (1999), Monte
Carlo estimation of Bayesian credible and HPD intervals, *J. Comp. Graph. Statistics* 8, 69-92.
"""

from __future__ import annotations

import numpy as np


def equal_tailed(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles that leave the same probability on both sides.

    Parameters
    ----------
    draws
        Shape (draws, ...); NaN gives NaN.
    level
        Probability of the interval, in (0, 1).
    """
    lower, upper = np.quantile(draws, (0.5 - level / 2, 0.5 + level / 2), axis=0)
    return lower, upper


def highest_density(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the shortest interval between draws that holds the probability.

    As ArviZ's, which takes one quantity at a time.

    Parameters
    ----------
    draws
        Shape (draws, ...); NaN gives NaN.
    level
        Probability of the interval, in (0, 1).
    """
    ordered = np.sort(draws, axis=0)
    inside = min(int(np.floor(level * len(ordered))), len(ordered) - 1)
    width = ordered[inside:] - ordered[: len(ordered) - inside]
    first = np.argmin(width, axis=0, keepdims=True)
    lower, upper = (np.take_along_axis(ordered, first + step, axis=0)[0] for step in (0, inside))
    unknown = np.isnan(ordered[-1])  # NaN comes last
    return np.where(unknown, np.nan, lower), np.where(unknown, np.nan, upper)


CREDIBLE = {"eti": equal_tailed, "hdi": highest_density}


def credible_bounds(
    draws: np.ndarray, level: float, kind: str = "eti"
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of a credible interval of each quantity.

    Parameters
    ----------
    draws
        Shape (draws, ...).
    level
        Probability of the interval, in (0, 1).
    kind
        ``"eti"``, equal tails, or ``"hdi"``, highest density.

    Raises
    ------
    ValueError
        For any other kind.
    """
    if kind not in CREDIBLE:
        raise ValueError(f"`kind` must be one of {list(CREDIBLE)}; got {kind!r}.")
    return CREDIBLE[kind](draws, level)
