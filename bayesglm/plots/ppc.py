"""Observed responses against responses that the posterior would have: a predictive check."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from bayesglm._sampling import check_counts, read_seed
from bayesglm.plots.figure import (
    COLORS,
    PANEL,
    SMALL,
    add_key,
    bare,
    label,
    label_outer,
    label_width,
    one_or_all,
    panels,
)
from bayesglm.plots.histograms import Bins, bins_of, counted, smoothed
from bayesglm.plots.responses import cell_weights, of_responses, response_title, shown_responses
from bayesglm.posterior import proportions
from bayesglm.posterior.replicates import response_blocks

KINDS = ("bars", "density", "ecdf")
LEVEL = 0.9  # of the intervals of bars
OBSERVED, BARS, REPLICATED = "black", "#BDBDBD", COLORS[0]
WIDEST_BAR = 14  # characters of the label of a bar in a line


def plot_ppc(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    num_draws: int = 100,
    kind: str | None = None,
    responses: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    random_state: Any = 0,
    progress_bar: bool = True,
    ax: Any = None,
) -> Any:
    """Draw what `bayesglm._plots.Plots.ppc` describes."""
    model._require_posterior()
    check_counts(num_draws=num_draws)
    if kind is not None and kind not in KINDS:
        raise ValueError(f"`kind` must be one of {KINDS} or None; got {kind!r}.")
    seed = read_seed(random_state)
    chosen, headline = shown_responses(model, responses)
    with jax.enable_x64(True):
        data = model._posterior_data(X, y, sample_weight, offset)
        bins = [bins_of(model, data, k, kind) for k in chosen]
        observed, replicated = _histograms(model, data, chosen, bins, num_draws, seed, progress_bar)
    axes = panels(len(chosen), ax)
    for panel, k, of, seen, drawn in zip(axes, chosen, bins, observed, replicated, strict=True):
        bare(panel)
        PAINTERS[of.kind](panel, of, seen, drawn)
        panel.set_title(label(response_title(model, k)), fontsize=SMALL)
    label_outer(axes)
    handles, names = _legend(bins[0].kind, num_draws)
    add_key(axes[0], handles, names, own=ax is None, title=headline)
    return one_or_all(axes)


def _histograms(model, data, chosen, bins, num_draws, seed, progress_bar) -> tuple[list, list]:
    """Weight in each bin, observed (bins,) and of each replicate (draws, bins), per response."""
    y, weight, offset = data.y[:, chosen], cell_weights(data)[:, chosen], data.offset
    drawn = of_responses(model._drawn(num_draws), chosen)
    drawn, _, _, trials = proportions.counted(drawn, y, weight)
    if offset is not None and offset.shape[1] > 1:
        offset = offset[:, chosen]
    how = {"trials": trials, "progress_bar": progress_bar, "description": "replicates"}
    observed = [counted(of, y[:, [i]], weight[:, i])[0] for i, of in enumerate(bins)]
    replicated = [np.zeros((len(drawn), of.count)) for of in bins]
    for rows, response in response_blocks(drawn, data.design.array, offset, seed=seed, **how):
        for i, of in enumerate(bins):
            replicated[i] += counted(of, response[:, :, i], weight[rows, i])
    return observed, replicated


def _bars(ax: Any, bins: Bins, observed: np.ndarray, replicated: np.ndarray) -> None:
    """Bars of what was observed, and dots with intervals of what the model expects."""
    place = np.arange(bins.count)
    ax.bar(place, observed, width=0.85, color=BARS, gid="observed")
    tails = (0.5 - LEVEL / 2, 0.5, 0.5 + LEVEL / 2)
    lower, middle, upper = np.quantile(replicated, tails, axis=0)
    ax.errorbar(
        place,
        middle,
        [middle - lower, upper - middle],
        fmt="o",
        color=REPLICATED,
        markersize=3.5,
        linewidth=1.3,
        gid="replicated",
    )
    if bins.root:
        ax.set_yscale("function", functions=(np.sqrt, np.square))
    ax.set_ylim(0, 1.05 * max(observed.max(), upper.max()))
    names = [label(name, WIDEST_BAR) for name in bins.labels]
    shown = _spread_out(names) if bins.root else place
    ax.set_xticks(shown, [names[i] for i in shown])
    ax.set_ylabel("rows (square-root scale)" if bins.root else "rows", fontsize=SMALL)
    ax.set_xlabel("response", fontsize=SMALL)


def _spread_out(names: list[str]) -> list[int]:
    """Positions of labels that have room beside one another, the last one among them."""
    last = len(names) - 1
    step = -(-len(names) // max(2, int(0.8 * PANEL[0] / (label_width(names) + 0.15))))
    return [i for i in range(0, last, step) if i <= last - step] + [last]


def _density(ax: Any, bins: Bins, observed: np.ndarray, replicated: np.ndarray) -> None:
    """Draw densities, smoothed alike."""
    _lines(ax, bins.centers, smoothed(bins, observed), smoothed(bins, replicated))
    ax.set(yticks=[], xlim=bins.limits, ylim=(0, None))
    ax.spines["left"].set_visible(False)
    ax.set_ylabel("density", fontsize=SMALL)


def _ecdf(ax: Any, bins: Bins, observed: np.ndarray, replicated: np.ndarray) -> None:
    """Draw distribution functions: the share of responses up to each edge of a bin."""
    share = lambda weight: np.cumsum(weight, axis=-1)[..., :-1] / weight.sum(axis=-1, keepdims=True)
    _lines(ax, bins.edges, share(observed), share(replicated))
    ax.set(xlim=bins.limits, ylim=(0, 1))
    ax.set_ylabel("distribution function", fontsize=SMALL)


def _lines(ax: Any, at: np.ndarray, observed: np.ndarray, replicated: np.ndarray) -> None:
    ax.plot(at, replicated.T, color=REPLICATED, linewidth=0.6, alpha=0.25, gid="replicated")
    ax.plot(at, observed, color=OBSERVED, linewidth=1.6, gid="observed")
    ax.set_xlabel("response", fontsize=SMALL)


def _legend(kind: str, num_draws: int) -> tuple[list[Any], list[str]]:
    """Return marks of what is observed and what is not, and their names."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if kind == "bars":
        handles = [Patch(color=BARS), Line2D([], [], color=REPLICATED, marker="o", markersize=3.5)]
        return handles, ["observed", f"replicated: median, {LEVEL:.0%} interval"]
    handles = [Line2D([], [], color=shade) for shade in (OBSERVED, REPLICATED)]
    return handles, ["observed", f"replicated ({num_draws} draws)"]


PAINTERS = {"bars": _bars, "density": _density, "ecdf": _ecdf}
