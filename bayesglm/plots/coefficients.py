"""The forest of coefficients: mode and posterior of every term in one row."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayesglm.intervals import check_level
from bayesglm.plots.estimates import INNER, Estimates, estimates, positions
from bayesglm.plots.figure import (
    COLORS,
    GRAY,
    LIGHT,
    MOST_GROUPS,
    SMALL,
    add_key,
    bare,
    colors,
    label,
    label_lines,
    label_width,
    left_out,
    legend_beside,
    new_axes,
    one_or_all,
)

MOST_LINES = 250  # of one picture
MANY_ROWS = 40  # from which on rows are narrow, and the scale is at the top as well
WIDTH = 5.0  # of an axes, in inches


def plot_coefficients(
    model: Any,
    level: float = 0.95,
    *,
    terms: Any = None,
    intercept: bool = False,
    responses: Any = None,
    sort: bool = False,
    max_terms: int | None = None,
    ax: Any = None,
) -> Any:
    """Draw what `bayesglm._plots.Plots.coefficients` describes."""
    check_level(level)
    found = estimates(model, level)
    found = found.take("responses", positions(found.responses, responses, "responses"))
    names = found.terms if intercept else found.terms[:-1]
    found = found.take("terms", positions(found.terms, names if terms is None else terms, "terms"))
    classes = found.classes != [None]
    groups = found.classes if classes else found.responses
    _refuse_many(len(groups), len(found.responses) if classes else 1)
    total = len(found.terms)
    found = _largest(found, MOST_LINES // len(groups) if max_terms is None else max_terms)
    if sort:
        order = np.argsort(-np.nan_to_num(found.center).mean(axis=(1, 2)), kind="stable")
        found = found.take("terms", order)
    axes = _axes(found, groups, len(found.responses) if classes else 1, ax)
    for i, panel in enumerate(axes):
        part = found.take("responses", [i]) if classes else found
        _forest(panel, part, groups, with_names=i == 0)
        panel.set_title(_title(part, classes, total), fontsize=SMALL + 1, loc="left")
    add_key(axes[0], *_marks(found, groups), own=ax is None)
    if len(groups) > 1:
        lines = [axes[-1].plot([], [], color=c, linewidth=4)[0] for c in colors(len(groups))]
        legend_beside(axes[-1], lines, [label(group) for group in groups])
    return one_or_all(axes)


def _refuse_many(groups: int, panels: int) -> None:
    if max(groups, panels) > MOST_GROUPS:
        raise ValueError(
            f"{max(groups, panels)} responses are more than colours can tell apart: name up to "
            f"{MOST_GROUPS} in `responses`, or draw them all with `plot.population()`."
        )


def _largest(found: Estimates, most: int) -> Estimates:
    """Return no more than so many terms: those that are farthest from zero for their interval."""
    if len(found.terms) <= most:
        return found
    lower, upper = found.bounds
    width = np.where(upper > lower, upper - lower, 1.0)
    size = np.nan_to_num(np.abs(found.center) / width).max(axis=(1, 2))
    return found.take("terms", np.sort(np.argsort(-size, kind="stable")[:most]))


def _axes(found: Estimates, groups: list, panels: int, ax: Any) -> np.ndarray:
    if ax is not None:
        if panels > 1:
            raise ValueError(
                f"`ax` is one axes, and {panels} responses with classes need one each: name one "
                "of them in `responses`, or leave `ax`."
            )
        return np.array([ax], dtype=object)
    names = [label(term) for term in found.terms]
    rows = len(names)
    lines = 2 if _has(found.mode) and _has(found.mean) and len(groups) > 1 else 1
    least = 0.15 if rows > MANY_ROWS else 0.34
    line = 0.06 if rows > MANY_ROWS else 0.085
    row = max(least, 0.14 * label_lines(names), line * len(groups) * lines)
    beside = label_width([label(g) for g in groups]) + 0.6 if len(groups) > 1 else 0.0
    width = label_width(names) + 0.5 + WIDTH * (1 if panels == 1 else 0.6 * panels) + beside
    return new_axes(width, row * rows + 1.3, 1, panels, sharex=True, sharey=True)[0]


def _has(values: np.ndarray) -> bool:
    return not np.isnan(values).all()


def _title(found: Estimates, classes: bool, total: int) -> str:
    shown = left_out(len(found.terms), total, "terms, those farthest from zero")
    response = str(found.responses[0]) if classes and found.responses != [None] else ""
    return "\n".join(text for text in (label(response), shown) if text)


def _forest(ax: Any, found: Estimates, groups: list, with_names: bool) -> None:
    """Draw all terms of up to a few groups."""
    bare(ax)
    rows = np.arange(len(found.terms))
    crowded = len(rows) > MANY_ROWS
    size = 3.0 if crowded else 4.5
    if len(groups) > 1:
        ax.barh(
            rows[::2], 1, 1, 0, color=LIGHT, alpha=0.5, transform=ax.get_yaxis_transform(), zorder=0
        )
    else:
        ax.hlines(rows, 0, 1, LIGHT, linewidth=0.6, transform=ax.get_yaxis_transform(), zorder=0)
    ax.axvline(0.0, color=GRAY, linewidth=0.8, zorder=1)
    both = _has(found.mode) and _has(found.mean)
    gap = 0.7 / len(groups)
    for i, shade in enumerate(colors(len(groups))):
        of = lambda values, i=i: values.reshape(*values.shape[:-2], -1)[..., i]
        y = rows + gap * (i - (len(groups) - 1) / 2)
        above, below = (y - gap / 5, y + gap / 5) if both else (y, y)
        _posterior(ax, above, of(found.mean), of(found.inner), of(found.outer), shade, size)
        _mode(ax, below, of(found.mode), of(found.wald), _shade_of_mode(shade, groups), size)
        held = of(found.held)
        ax.plot(0 * y[held], y[held], "x", color=GRAY, markersize=size, gid="held")
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_yticks(rows, list(map(label, found.terms)), fontsize=7.0 if crowded else SMALL)
    ax.tick_params(axis="y", length=0, labelleft=with_names)
    ax.tick_params(axis="x", top=crowded, labeltop=crowded)
    ax.set_xlabel("coefficient", fontsize=SMALL)


def _shade_of_mode(shade: Any, groups: list) -> Any:
    """Colour of the fit: that of its group, or one of its own where there is a single group."""
    return shade if len(groups) > 1 else COLORS[1]


def _posterior(ax, y, mean, inner, outer, shade, size) -> None:
    ax.hlines(y, *outer, shade, linewidth=1.0, gid="outer")
    ax.hlines(y, *inner, shade, linewidth=2.0 + (size > 4), gid="inner")
    ax.plot(
        mean, y, "o", color=shade, markersize=size, markeredgecolor="white", mew=0.4, gid="mean"
    )


def _mode(ax, y, mode, wald, shade, size) -> None:
    ax.hlines(y, *wald, shade, linewidth=0.8, linestyle=(0, (3, 1.5)), gid="wald")
    ax.plot(
        mode, y, "D", color=shade, markersize=size - 1, markerfacecolor="white", mew=0.9, gid="mode"
    )


def _marks(found: Estimates, groups: list) -> tuple[list[Any], list[str]]:
    """Return marks that are drawn, and what they mean."""
    from matplotlib.lines import Line2D

    handles, names = [], []
    shade = COLORS[0] if len(groups) == 1 else GRAY
    if _has(found.mean):
        handles.append(Line2D([], [], color=shade, marker="o", linewidth=2.0, markersize=4.5))
        names.append(f"posterior mean, {INNER:.0%} and {found.level:.0%} interval")
    if _has(found.mode):
        shade, wald = _shade_of_mode(shade, groups), _has(found.wald)
        style = {"linestyle": (0, (3, 1.5)) if wald else "none", "linewidth": 0.8, "mew": 0.9}
        handles.append(
            Line2D(
                [], [], color=shade, marker="D", markerfacecolor="white", markersize=3.5, **style
            )
        )
        names.append("mode" + f", {found.level:.0%} Wald interval" * wald)
    if found.held.any():
        handles.append(Line2D([], [], color=GRAY, marker="x", linestyle="none", markersize=4.5))
        names.append("not in the model")
    return handles, names
