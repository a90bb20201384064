"""Ranks of the draws of every chain among those of all: uniform if the chains agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayesglm import diagnostics
from bayesglm.plots import uniformity
from bayesglm.plots.figure import (
    MOST_GROUPS,
    SMALL,
    bare,
    colors,
    label,
    left_out,
    legend_beside,
    new_axes,
)
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
    axes = new_axes(2.8 * columns + 1.2, 2.2 * rows + 0.7, rows, columns, sharex=True)
    for ax in axes.ravel()[count:]:
        ax.set_visible(False)
    for ax in axes.ravel()[max(0, count - columns) : count]:  # with nothing below
        ax.tick_params(labelbottom=True)
    for i, ax in enumerate(axes.ravel()[:count]):
        lines = _ranks(ax, chosen, i, level)
    if len(lines) <= MOST_GROUPS:
        names = [f"chain {chain}" for chain in range(len(lines))]
        legend_beside(axes[0, -1], lines, names)
    figure = axes[0, 0].figure
    figure.supxlabel("fractional rank", fontsize=SMALL)
    figure.supylabel("ECDF difference", fontsize=SMALL)
    parts = [
        f"if chains agree, all lines are in the band with probability {level:.0%}",
        left_out(count, chosen.total, "parameters, worst R-hat first"),
    ]
    figure.suptitle("\n".join(part for part in parts if part), fontsize=SMALL + 1)
    return axes.ravel()[:count]


def thinned(draws: np.ndarray) -> np.ndarray:
    """Draws (chain, draw), evenly spaced, that are about as many as independent ones would be.

    The effective sample size is that of single chains: of all together it falls where they
    disagree, and a few draws would hide it.
    """
    ess = diagnostics.ess_bulk(draws.T[None])
    known = ess[~np.isnan(ess)]
    size = np.median(known) if known.size else draws.shape[1]
    return draws[:, :: max(1, round(draws.shape[1] / size))]


def _ranks(ax: Any, chosen: Parameters, index: int, level: float) -> list[Any]:
    """Draw curves of all chains of a parameter over their band."""
    from scipy import stats

    bare(ax)
    draws = thinned(chosen.draws[index])
    chains, size = draws.shape
    points = uniformity.grid(size, draws.size)
    uniformity.draw_band(ax, points, uniformity.band_of_ranks(chains, size, points, level))
    ranks = stats.rankdata(draws, method="ordinal").reshape(draws.shape) / draws.size
    ax.set_title(label(chosen.names[index], 30), fontsize=SMALL)
    return [
        ax.step(points, uniformity.differences(rank, points), where="post", color=shade, lw=1.2)[0]
        for rank, shade in zip(ranks, colors(chains), strict=False)
    ]
