"""Whether numbers in [0, 1] are uniform: differences of distribution functions and their bands.

References
----------
Säilynoja, Bürkner and Vehtari (2022), Graphical test for discrete uniformity and its applications
in goodness-of-fit evaluation and multiple sample comparison, *Statistics and Computing* 32, 32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NUM_SIMULATIONS = 2000  # of the largest deviation: its 95 % quantile is good to 1 % of itself
FEWEST_POINTS, MOST_POINTS = 10, 100  # of the grid
IN_A_STEP = 5  # numbers between two points: fewer would make the ends of the band coarse


def grid(size: int, total: int | None = None) -> np.ndarray:
    """Points in [0, 1], ends included, at which ``size`` numbers are compared.

    Those of ranks among ``total`` numbers, divided by it, are some of the ranks.
    """
    steps = int(np.clip(size // IN_A_STEP, FEWEST_POINTS, MOST_POINTS))
    points = np.linspace(0.0, 1.0, steps + 1)
    return points if total is None else np.round(points * total) / total


def differences(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Empirical distribution function of some numbers minus the uniform one."""
    return np.searchsorted(np.sort(values), points, side="right") / len(values) - points


def band(size: int, points: np.ndarray, level: float = 0.95) -> np.ndarray:
    """Half-width at each point that holds whole curves of uniform numbers.

    Parameters
    ----------
    size
        How many independent numbers there are.
    points
        From `grid`.
    level
        Probability that a curve is within the band everywhere.
    """
    steps = np.random.default_rng(0).multinomial(size, np.diff(points), NUM_SIMULATIONS)
    curves = np.cumsum(steps, axis=1)[:, :-1] / size - points[1:-1]
    spread = np.sqrt(points * (1 - points) / size)
    return spread * np.quantile(np.abs(curves / spread[1:-1]).max(axis=1), level)


def band_of_ranks(chains: int, size: int, points: np.ndarray, level: float = 0.95) -> np.ndarray:
    """Half-width that holds the curves of all chains: ranks among the draws of all together.

    Parameters
    ----------
    chains, size
        Number of chains, and of independent draws of each.
    points
        From `grid`.
    level
        Probability that the curves of all chains are within the band everywhere.
    """
    from scipy import stats

    edges = np.round(points * chains * size).astype(int)
    table = stats.random_table([size] * chains, np.diff(edges), seed=0)
    curves = np.cumsum(table.rvs(NUM_SIMULATIONS), axis=2)[..., :-1] / size - points[1:-1]
    share = (chains - 1) / (chains - 1 / size)  # a sample without replacement varies less
    spread = np.sqrt(points * (1 - points) / size * share)
    return spread * np.quantile(np.abs(curves / spread[1:-1]).max(axis=(1, 2)), level)


def draw_band(ax: Any, points: np.ndarray, half_width: np.ndarray) -> None:
    """Fill a band around zero."""
    from bayesglm.plots.figure import LIGHT

    ax.fill_between(points, -half_width, half_width, color=LIGHT, linewidth=0, gid="band")
    ax.axhline(0.0, color="white", linewidth=1)
    ax.set_xlim(0, 1)
