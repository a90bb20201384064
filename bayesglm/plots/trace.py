"""Densities and traces of parameters, chain by chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayesglm.plots.figure import GRAY, SMALL, bare, colors, label, left_out, new_axes
from bayesglm.plots.parameters import Parameters, select

LONGEST_TRACE = 2000  # points of a line: more cannot be seen
TAILS = (0.005, 0.995)  # quantiles that a density is drawn beyond, by a margin
MARGIN = 0.25  # of their distance
FEWEST_DISTINCT = 10  # values of a chain that has a density


def plot_trace(
    model: Any, parameters: Sequence[str] | str | None = None, *, max_parameters: int = 8
) -> np.ndarray:
    """Draw what `bayesglm._plots.Plots.trace` describes."""
    chosen = select(model, parameters, max_parameters)
    axes = new_axes(10.0, 1.45 * len(chosen.names) + 0.6, len(chosen.names), 2, width_ratios=[1, 2])
    shades = colors(chosen.draws.shape[1])
    for i, (density, trace) in enumerate(axes):
        _density(density, chosen, i, shades)
        _trace(trace, chosen, i, shades)
    axes[-1, 0].set_xlabel("value", fontsize=SMALL)
    axes[-1, 1].set_xlabel("draw", fontsize=SMALL)
    for ax in axes[:-1, 1]:
        ax.tick_params(labelbottom=False)
    axes[0, 0].figure.suptitle(_headline(chosen), fontsize=SMALL + 1)
    return axes


def _headline(chosen: Parameters) -> str:
    chains = chosen.draws.shape[1]
    parts = [
        f"{chains} chain{'s' * (chains > 1)} of {chosen.draws.shape[2]:,} draws",
        left_out(len(chosen.names), chosen.total, "parameters, worst R-hat first"),
        f"{int(chosen.diverging.any(axis=0).sum()):,} divergent transitions (black ticks)"
        if chosen.diverging.any()
        else "",
    ]
    return "; ".join(part for part in parts if part)


def _density(ax: Any, chosen: Parameters, index: int, shades: Sequence[Any]) -> None:
    """One density per chain, with ticks at draws that diverged."""
    from arviz_stats.base import array_stats

    bare(ax)
    low, high = _range(chosen.draws[index])
    for draws, shade in zip(chosen.draws[index], shades, strict=False):
        if len(np.unique(draws)) < FEWEST_DISTINCT or not np.isfinite(draws).all():
            continue
        grid, density, _ = array_stats.kde(draws)
        ax.plot(grid, density, color=shade, linewidth=1.2)
    diverged = chosen.draws[index][chosen.diverging[index]]
    _ticks(ax, diverged[(diverged >= low) & (diverged <= high)])
    ax.set(xlim=(low, high), ylim=(0, None), yticks=[])
    ax.spines["left"].set_visible(False)
    ax.set_title(label(chosen.names[index], 44), fontsize=SMALL, loc="left")


def _range(draws: np.ndarray) -> tuple[float, float]:
    """Values that a density is drawn over: of a heavy tail not all, or nothing else were seen."""
    low, high = np.quantile(draws[np.isfinite(draws)], TAILS)
    margin = MARGIN * ((high - low) or abs(low) or 1.0)
    return max(low - margin, np.nanmin(draws) - margin / 5), high + margin


def _trace(ax: Any, chosen: Parameters, index: int, shades: Sequence[Any]) -> None:
    """Draws in their order, with ticks where a transition diverged."""
    bare(ax)
    count = chosen.draws.shape[2]
    step = -(-count // LONGEST_TRACE)
    order = np.arange(0, count, step)
    for draws, shade in zip(chosen.draws[index], shades, strict=False):
        ax.plot(order, draws[::step], color=shade, linewidth=0.5, alpha=0.75)
    _ticks(ax, np.flatnonzero(chosen.diverging[index].any(axis=0)))
    ax.set_xlim(0, count - 1)
    r_hat, ess = chosen.r_hat[index], chosen.ess[index]
    known = "" if np.isnan(r_hat) else f"R-hat {r_hat:.3f}, "
    ax.set_title(f"{known}bulk ESS {ess:,.0f}", fontsize=SMALL, loc="right", color=GRAY)


def _ticks(ax: Any, positions: np.ndarray) -> None:
    """Black ticks on the lower border."""
    if positions.size:
        ax.plot(
            positions,
            np.zeros(positions.size),
            linestyle="none",
            marker="|",
            markersize=9,
            color="black",
            transform=ax.get_xaxis_transform(),
            clip_on=False,
            zorder=5,
            gid="divergences",
        )
