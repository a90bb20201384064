"""What a feature does to the expected response, all others as they mostly are."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from bayesglm.intervals import check_level
from bayesglm.plots.curves import Curve, Rows, binned_means, curve_of, rows_of
from bayesglm.plots.estimates import positions
from bayesglm.plots.figure import (
    GRAY,
    MOST_GROUPS,
    SMALL,
    bare,
    colors,
    label,
    legend_beside,
    one_or_all,
    panels,
)
from bayesglm.plots.responses import is_binary

MOST_DOTS = 1000  # rows shown one by one
DATA = ("auto", "points", "means", None)
BESIDE = 0.45  # shift of the data at two values, in units of that of the groups
SLIGHTLY = 0.04  # of that shift at other values
JITTER = 0.03  # of dots at two values, as a share of their distance


def plot_effects(
    model: Any,
    feature: Any,
    X: Any = None,
    y: Any = None,
    interval: float = 0.9,
    *,
    data: str | None = "auto",
    responses: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    ax: Any = None,
) -> Any:
    """Draw what `bayesglm._plots.Plots.effects` describes."""
    check_level(interval)
    model._require_fitted()
    if data not in DATA:
        raise ValueError(f"`data` must be one of {DATA}; got {data!r}.")
    columns = positions(model._labels, feature, "feature")
    chosen, names = _groups(model, responses)
    with jax.enable_x64(True):
        rows = rows_of(model, X, y, sample_weight, offset)
        curves = [curve_of(model, rows, column, interval) for column in columns]
    how = None if rows.y is None else _shown_as(data, model, names)
    axes = panels(len(columns), ax, sharey=True)
    for panel, column, curve in zip(axes, columns, curves, strict=True):
        bare(panel)
        if how is not None:
            _data(panel, rows, column, chosen, how, interval)
        _curves(panel, curve, chosen)
        panel.set_xlabel(label(model._labels[column]), fontsize=SMALL)
    what = "probability" if model.observation_model.event_ndim else "expected response"
    axes[0].set_ylabel(what, fontsize=SMALL)
    if ax is None:
        axes[0].figure.suptitle(_headline(how, interval), fontsize=SMALL + 1)
    if names != [None]:
        handles = [
            axes[0].plot([], [], color=shade, linewidth=3)[0] for shade in colors(len(names))
        ]
        legend_beside(axes[-1], handles, [label(name) for name in names])
    return one_or_all(axes)


def _groups(model: Any, responses: Any) -> tuple[tuple[Any, Any], list]:
    """Which entries of the axes of responses and classes have a curve, and their names."""
    labels, classes = model._response_labels() or [None], model._class_labels()
    index = positions(labels, responses, "responses")
    if classes is not None:
        if len(index) > 1:
            raise ValueError(
                f"Name one response in `responses`: each of {len(index)} has a curve per class."
            )
        return (index * len(classes), list(range(len(classes)))), classes
    if len(index) > MOST_GROUPS:
        raise ValueError(
            f"{len(index)} responses are more than colours can tell apart: name up to "
            f"{MOST_GROUPS} in `responses`."
        )
    return (index, ...), [labels[k] for k in index]


def _headline(how: str | None, level: float) -> str:
    """Say what the marks mean."""
    means = f"; squares: means of rows, {level:.0%} interval"
    shown = {"means": means, "points": "; dots: rows"}.get(how, "")
    return f"line: expectation, {level:.0%} band{shown}"


def _shown_as(data: str | None, model: Any, names: list) -> str | None:
    """How data are shown: as points where they are measurements of one response."""
    observations = model.observation_model
    if data != "auto":
        return data
    discrete = observations.is_count or observations.event_ndim or is_binary(observations)
    return "means" if discrete or len(names) > 1 else "points"


def _curves(ax: Any, curve: Curve, chosen: tuple[Any, Any]) -> None:
    """Draw one curve per group with its band, or dots with intervals at two values."""
    mean = curve.mean[:, *chosen].reshape(len(curve.at), -1)
    lower, upper = curve.bounds[:, :, *chosen].reshape(2, *mean.shape)
    for i, shade in enumerate(colors(mean.shape[1])):
        if len(curve.at) > 2:
            ax.plot(curve.at, mean[:, i], color=shade, linewidth=1.8, gid="mean")
            ax.fill_between(
                curve.at, lower[:, i], upper[:, i], color=shade, alpha=0.2, linewidth=0, gid="band"
            )
            continue
        reach = [mean[:, i] - lower[:, i], upper[:, i] - mean[:, i]]
        shift = _shift(curve.at, i, mean.shape[1])
        ax.errorbar(curve.at + shift, mean[:, i], reach, fmt="o", color=shade, capsize=3, lw=1.8)
        ax.set_xticks(curve.at, [f"{value:g}" for value in curve.at])
        ax.set_xlim(*(curve.at + np.array([-0.5, 0.5]) * np.ptp(curve.at)))


def _shift(at: np.ndarray, i: float, groups: int) -> float:
    """Sideways shift of a group at two values, so that intervals do not hide one another."""
    return float(np.ptp(at)) * min(0.2, 0.8 / groups) * (i - (groups - 1) / 2)


def _data(
    ax: Any, rows: Rows, column: int, chosen: tuple[Any, Any], how: str, level: float
) -> None:
    """Rows one by one, or their means with intervals."""
    from scipy import stats

    x, y = rows.X[:, column].astype(float), rows.y[:, *chosen].reshape(len(rows.X), -1)
    weight = rows.weight[:, chosen[0]]
    quantile = stats.norm.ppf(0.5 + level / 2)
    two = len(np.unique(x)) == 2
    for i, shade in enumerate(colors(y.shape[1])):
        there = weight[:, i] > 0
        if how == "means":
            at, mean, error = binned_means(x[there], y[there, i], weight[there, i])
            at = at + _shift(x, i + BESIDE * two, y.shape[1]) * (1.0 if two else SLIGHTLY)
            tone = GRAY if y.shape[1] == 1 else shade
            ax.errorbar(
                at,
                mean,
                quantile * error,
                fmt="s",
                color=tone,
                mfc="white",
                markersize=4,
                linewidth=0.9,
                alpha=0.9,
                gid="data",
            )
            continue
        index = np.flatnonzero(there)
        index = index[:: -(-len(index) // MOST_DOTS)]
        spread = JITTER * np.ptp(x) * np.random.default_rng(0).normal(size=len(index)) * two
        tone = GRAY if y.shape[1] == 1 else shade
        ax.plot(x[index] + spread, y[index, i], ".", color=tone, alpha=0.35, mew=0, gid="data")
