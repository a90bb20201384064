"""Observed responses against responses that the posterior would have: a predictive check."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from bayesglm._sampling import check_counts, read_seed
from bayesglm.plots.figure import (
    COLORS,
    GRAY,
    SMALL,
    add_legend,
    bare,
    label,
    one_or_all,
    panels,
)
from bayesglm.plots.histograms import Bins, bins_of, counted, smoothed
from bayesglm.plots.responses import cell_weights, response_title, shown_responses
from bayesglm.posterior.blocks import blocks

KINDS = ("bars", "density", "ecdf")
LEVEL = 0.9  # of the intervals of bars
OBSERVED, REPLICATED = "black", COLORS[0]


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
    progress_bar: bool = False,
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
    if headline and ax is None:
        axes[0].figure.suptitle(headline, fontsize=SMALL + 1)
    return one_or_all(axes)


def responses_of(cells: Any) -> Any:
    """Return new responses of a block of rows: a measure for `blocks`."""
    return cells.response


def _histograms(model, data, chosen, bins, num_draws, seed, progress_bar) -> tuple[list, list]:
    """Weight in each bin, observed (bins,) and of each replicate (draws, bins), per response."""
    drawn, weight = model._drawn(num_draws), cell_weights(data)
    target = model._kernel_response(data.y)
    found = blocks(
        responses_of,
        drawn,
        data.design.array,
        data.offset,
        seed=seed,
        progress_bar=progress_bar,
        description="replicates",
    )
    observed = [
        counted(of, target[:, None, k], weight[:, k])[0] for of, k in zip(bins, chosen, strict=True)
    ]
    replicated = [np.zeros((len(drawn), of.count)) for of in bins]
    for rows, response in found:
        for total, of, k in zip(replicated, bins, chosen, strict=True):
            total += counted(of, response[:, :, k], weight[rows, k])
    return observed, replicated


def _bars(ax: Any, bins: Bins, observed: np.ndarray, replicated: np.ndarray) -> None:
    """Bars of what was observed, and dots with intervals of what the model expects."""
    place = np.arange(bins.count)
    bars = ax.bar(place, observed, width=0.85, color="#BDBDBD", gid="observed")
    tails = (0.5 - LEVEL / 2, 0.5, 0.5 + LEVEL / 2)
    lower, middle, upper = np.quantile(replicated, tails, axis=0)
    dots = ax.errorbar(
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
    step = max(1, -(-bins.count // 12)) if bins.root else 1
    shown = [i for i in place if i % step == 0 and i < bins.count - 1] + [bins.count - 1]
    ax.set_xticks(shown, [label(bins.labels[i], 14) for i in shown])
    ax.set_ylabel("rows (square-root scale)" if bins.root else "rows", fontsize=SMALL)
    ax.set_xlabel("response", fontsize=SMALL)
    add_legend(ax, [bars, dots], ["observed", f"replicated, {LEVEL:.0%} interval"], loc="best")


def _density(ax: Any, bins: Bins, observed: np.ndarray, replicated: np.ndarray) -> None:
    """Densities, smoothed alike."""
    lines = ax.plot(
        bins.centers, smoothed(bins, replicated).T, color=REPLICATED, linewidth=0.6, alpha=0.25
    )
    (line,) = ax.plot(
        bins.centers, smoothed(bins, observed), color=OBSERVED, linewidth=1.6, gid="observed"
    )
    ax.set(yticks=[], xlim=bins.limits, ylim=(0, None))
    ax.spines["left"].set_visible(False)
    _explain(ax, line, lines, "density", loc="best")


def _ecdf(ax: Any, bins: Bins, observed: np.ndarray, replicated: np.ndarray) -> None:
    """Distribution functions: the share of responses up to each edge of a bin."""
    share = lambda weight: np.cumsum(weight, axis=-1)[..., :-1] / weight.sum(axis=-1, keepdims=True)
    lines = ax.plot(bins.edges, share(replicated).T, color=REPLICATED, linewidth=0.6, alpha=0.25)
    (line,) = ax.plot(bins.edges, share(observed), color=OBSERVED, linewidth=1.6, gid="observed")
    ax.set(xlim=bins.limits, ylim=(0, 1))
    _explain(ax, line, lines, "distribution function", loc="lower right")


def _explain(ax: Any, observed: Any, replicated: Any, what: str, loc: str) -> None:
    from matplotlib.lines import Line2D

    ax.set_xlabel("response", fontsize=SMALL)
    ax.set_ylabel(what, fontsize=SMALL)
    proxy = Line2D([], [], color=REPLICATED, linewidth=1.0)
    names = ["observed", f"replicated ({len(replicated)} draws)"]
    add_legend(ax, [observed, proxy], names, loc=loc, labelcolor=GRAY)


PAINTERS = {"bars": _bars, "density": _density, "ecdf": _ecdf}
