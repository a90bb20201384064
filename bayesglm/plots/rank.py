"""Ranks of the draws of every chain among those of all: uniform if the chains agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayesglm.plots import uniformity
from bayesglm.plots.figure import SMALL, add_legend, bare, colors, label, left_out, new_axes
from bayesglm.plots.parameters import Parameters, select

COLUMNS = 4


def plot_rank(
    model: Any,
    parameters: Sequence[str] | str | None = None,
    *,
    max_parameters: int = 12,
    level: float = 0.95,
) -> np.ndarray:
    """Draw what `bayesglm._plots.Plots.rank` describes."""
    chosen = select(model, parameters, max_parameters)
    if chosen.draws.shape[1] < 2:
        raise ValueError("Ranks compare chains with one another, and this posterior has one.")
    count = len(chosen.names)
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    axes = new_axes(2.9 * columns + 0.6, 2.2 * rows + 0.7, rows, columns, sharex=True)
    for ax in axes.ravel()[count:]:
        ax.set_visible(False)
    for i, ax in enumerate(axes.ravel()[:count]):
        _ranks(ax, chosen, i, level)
    figure = axes[0, 0].figure
    figure.supxlabel("share of the draws of all chains", fontsize=SMALL)
    figure.supylabel("difference of distribution functions", fontsize=SMALL)
    parts = [
        f"{level:.0%} of posteriors whose chains agree have all lines in the band",
        left_out(count, chosen.total, "parameters, worst R-hat first"),
    ]
    figure.suptitle("\n".join(part for part in parts if part), fontsize=SMALL + 1)
    return axes.ravel()[:count]


def thinned(draws: np.ndarray, ess: float) -> np.ndarray:
    """Draws (chain, draw), evenly spaced, that are about as many as independent ones would be."""
    step = 1 if np.isnan(ess) else max(1, round(draws.size / max(ess, 1.0)))
    return draws[:, :: min(step, draws.shape[1])]


def _ranks(ax: Any, chosen: Parameters, index: int, level: float) -> None:
    """Curves of all chains of a parameter over their band."""
    from scipy import stats

    bare(ax)
    draws = thinned(chosen.draws[index], chosen.ess[index])
    chains, size = draws.shape
    points = uniformity.grid(size, draws.size)
    uniformity.draw_band(ax, points, uniformity.band_of_ranks(chains, size, points, level))
    ranks = stats.rankdata(draws, method="ordinal").reshape(draws.shape) / draws.size
    lines = [
        ax.step(points, uniformity.differences(rank, points), where="post", color=shade, lw=1.2)[0]
        for rank, shade in zip(ranks, colors(chains), strict=False)
    ]
    title = label(chosen.names[index], 30)
    ax.set_title(title, fontsize=SMALL)
    if index == 0 and chains <= 8:
        add_legend(ax, lines, [f"chain {c}" for c in range(chains)], loc="best", fontsize=7)
