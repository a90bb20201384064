"""Pictures of ranks, with bands that show whether they are uniform."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from bayesglm.diagnostics.calibration import BINS, RANKS

SIMULATED = 1000  # uniform samples that tell how far a distribution function strays
LEVEL = 0.95
BAND, INK = "#9ecae1", "#08519c"
PANEL = (3.6, 1.9)  # inches


def draw(ranks: Any) -> Any:
    """Draw the ranks of each column of a DataFrame, as `CalibrationResult.plot` has it."""
    from matplotlib import pyplot as plt

    count, S = ranks.shape[1], len(ranks)
    size = (2 * PANEL[0], max(1, count) * PANEL[1])
    _, axes = plt.subplots(count, 2, figsize=size, squeeze=False, layout="constrained")
    share = np.arange(1, RANKS + 2) / (RANKS + 1)
    low, high = band(S)
    bars = stats.binom.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], S, 1 / BINS)
    for (left, right), name in zip(axes, ranks.columns, strict=True):
        values = ranks[name].to_numpy()
        cumulative = np.bincount(values, minlength=RANKS + 1).cumsum() / S
        left.fill_between(share, low - share, high - share, color=BAND, step="mid", lw=0)
        left.plot(share, cumulative - share, color=INK, drawstyle="steps-mid")
        left.axhline(0, color="grey", lw=0.8)
        left.set(ylabel="ECDF difference", xlim=(0, 1))
        right.axhspan(*bars, color=BAND, lw=0)
        right.axhline(S / BINS, color="grey", lw=0.8)
        edges = np.linspace(0, RANKS + 1, BINS + 1)
        right.hist(values + 0.5, edges, color=INK, alpha=0.75, rwidth=0.92)
        right.set(ylabel="simulations", xlim=(0, RANKS + 1))
        left.set_title(name, loc="left", fontsize="medium")
    axes[-1, 0].set_xlabel("rank of the true value / 100")
    axes[-1, 1].set_xlabel("rank of the true value")
    return axes


def band(num_simulations: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a band that holds all of the distribution function of uniform ranks in 95 % of cases.

    Parameters
    ----------
    num_simulations
        Number of ranks.

    Returns
    -------
    Shape (100,) each, at the ranks 0 to 99.
    """
    rng = np.random.default_rng(0)
    share = np.arange(1, RANKS + 2) / (RANKS + 1)
    counts = rng.multinomial(num_simulations, np.full(RANKS + 1, 1 / (RANKS + 1)), SIMULATED)
    below = counts.cumsum(axis=1)[:, :-1]
    at = share[:-1]
    tail = np.minimum(
        stats.binom.cdf(below, num_simulations, at),
        stats.binom.sf(below - 1, num_simulations, at),
    )
    pointwise = np.quantile(tail.min(axis=1), 1 - LEVEL)
    low, high = stats.binom.ppf([[pointwise], [1 - pointwise]], num_simulations, share)
    return low / num_simulations, high / num_simulations
