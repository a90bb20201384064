"""Whether predictions have the right spread: leave-one-out probability integral transforms."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayesglm.intervals import check_level
from bayesglm.plots import uniformity
from bayesglm.plots.figure import COLORS, SMALL, bare, label, label_outer, one_or_all, panels
from bayesglm.plots.responses import response_title, shown_responses


def plot_pit(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    level: float = 0.95,
    num_draws: int | None = None,
    responses: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    random_state: Any = 0,
    progress_bar: bool = True,
    ax: Any = None,
) -> Any:
    """Draw what `bayesglm._plots.Plots.pit` describes."""
    check_level(level)
    model._require_posterior()
    chosen, headline = shown_responses(model, responses)
    transforms = model.loo_pit(
        X,
        y,
        sample_weight=sample_weight,
        offset=offset,
        num_draws=num_draws,
        random_state=random_state,
        progress_bar=progress_bar,
    )
    columns = np.asarray(transforms).reshape(len(transforms), -1)
    axes = panels(len(chosen), ax)
    for panel, k in zip(axes, chosen, strict=True):
        values = columns[~np.isnan(columns[:, k]), k]
        _curve(panel, values, level)
        panel.set_title(label(response_title(model, k)), fontsize=SMALL)
    label_outer(axes)
    if ax is None:
        said = f"a right model's line is in the band with probability {level:.0%}"
        axes[0].figure.suptitle("\n".join(filter(None, [said, headline])), fontsize=SMALL + 1)
    return one_or_all(axes)


def _curve(ax: Any, values: np.ndarray, level: float) -> None:
    """Distribution function of some transforms, less the uniform one, over its band."""
    bare(ax)
    points = uniformity.grid(len(values))
    uniformity.draw_band(ax, points, uniformity.band(len(values), points, level))
    curve = uniformity.differences(values, points)
    ax.step(points, curve, where="post", color=COLORS[0], linewidth=1.5, gid="curve")
    ax.set_xlabel("LOO-PIT", fontsize=SMALL)
    ax.set_ylabel("ECDF difference", fontsize=SMALL)
