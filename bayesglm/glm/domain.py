"""Where a model's means lie: inside what its observation model can have, or at an edge of it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

LIMIT = 50.0  # stands for infinity in the linear predictor
NEARLY = 1e-6  # of an edge, at that limit
LARGEST_COUNT = 2.0**62  # mean of counts that are drawn
AT_END = 1e-9  # of the range of means, relative to their size


@lru_cache(maxsize=64)
def link_limits(link: Any) -> tuple[float, float]:
    """Mean at a very low and at a very high linear predictor."""
    return tuple(float(np.asarray(link(sign * LIMIT))) for sign in (-1.0, 1.0))


def response_edges(observations: Any, link: Any, y: np.ndarray) -> np.ndarray:
    """Where a response wants an infinite linear predictor: -1 below, 1 above, 0 nowhere.

    Parameters
    ----------
    observations, link
        The model; only links that rise from one edge of the means to the other count.
    y
        Responses, shape (n, K).
    """
    low, high = link_limits(link)
    edges = np.zeros(y.shape, np.int8)
    if abs(low) < NEARLY:
        edges -= (y == 0) & ~np.asarray(observations.in_support(y - 1.0))
    if abs(high - 1.0) < NEARLY:
        edges += (y == np.round(y)) & ~np.asarray(observations.in_support(y + 1.0))
    return edges


def impossible_means(observations: Any, mean: Any) -> Any:
    """Where a mean has overflowed, or the observation model cannot have it; booleans."""
    low, high = observations.mean_range
    return (abs(mean) == np.inf) | (mean < low) | (mean > high)


def means_out_of_reach(
    observations: Any, link: Any, eta: np.ndarray, typical: np.ndarray, converged: np.ndarray
) -> np.ndarray:
    """Where a fit left the means that the observation model can have, or was stopped by their end.

    Parameters
    ----------
    observations, link
        The model.
    eta
        Linear predictors, shape (n, K).
    typical
        Size of the means of each response, shape (K,): what rounding is relative to.
    converged
        Whether a response has found its optimum, shape (K,); an end is no place to stop else.

    Returns
    -------
    Booleans (n, K).
    """
    low, high = observations.mean_range
    mean = np.asarray(link(eta))
    room = np.minimum(mean - low, high - mean)  # infinite without ends, NaN outside of the link's
    return ~np.isfinite(mean) | ~(room >= np.where(converged, -AT_END, AT_END) * typical)


def describe_impossible(observations: Any, bad: np.ndarray) -> str:
    """How many means are impossible, and where the first is."""
    name = type(observations).__name__.removesuffix("Observations")
    first = int(np.argmax(bad.reshape(len(bad), -1).any(axis=1)))
    return (
        f"{int(bad.sum())} means are infinite or impossible under the {name} model, the first in "
        f"row {first}"
    )
