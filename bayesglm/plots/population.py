"""Many responses at a glance: a map of their coefficients, intercepts, and how well they fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglm.intervals import check_level
from bayesglm.plots.estimates import Estimates, estimates, positions
from bayesglm.plots.figure import (
    GRAY,
    LIGHT,
    SMALL,
    add_legend,
    bare,
    colors,
    label,
    label_lines,
    label_width,
    new_axes,
)

CELL = (0.125, 0.32)  # height and width of a cell of the map, in inches
SMALLEST_MAP, LARGEST_MAP = (1.8, 2.0), (12.5, 9.0)
SIDE = 1.6  # width of a panel at the side
BAR = 0.12  # thickness of the bar of colours
TINY = 7.0  # size of the labels of rows, in points
LARGEST_SHARE = 0.99  # of the coefficients that the colours tell apart
FAR_OUT = 3.0  # ranges of the middle half beyond it
OUTLIER = 1.5  # times this quantile, if any is larger


@dataclass(frozen=True)
class Side:
    """A panel at the side: one value per response (and class), with bounds or without.

    Parameters
    ----------
    title
        What it shows.
    values, bounds
        Shape (K, C), and (2, K, C) or None.
    """

    title: str
    values: np.ndarray
    bounds: np.ndarray | None = None


def plot_population(
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    level: float = 0.95,
    terms: Any = None,
    responses: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
) -> np.ndarray:
    """Draw what `bayesglm._plots.Plots.population` describes."""
    check_level(level)
    model._require_fitted()
    if model._response_labels() is None:
        raise ValueError(
            f"{type(model).__name__} has one response: use `plot.coefficients()`; "
            "`plot.population()` is for `PopulationGLM` and `ClassifierPopulationGLM`."
        )
    found = estimates(model, level)
    rows = positions(found.responses, responses, "responses")
    explained = _explained(model, X, y, sample_weight, offset)
    found = found.take("responses", rows)
    features = found.take("terms", range(len(found.terms) - 1))
    features = features.take("terms", positions(features.terms, terms, "terms"))
    sides = list(_sides(model, found, rows, explained))
    maps = len(found.classes)
    cell = _cell(features)
    axes = _axes(features, cell, len(sides))
    limit = _limit(features.center)
    for i, ax in enumerate(axes[:maps]):
        image = _map(ax, features.take("classes", [i]), limit, cell, with_names=i == 0)
        ax.set_title(label(found.classes[i]) if maps > 1 else "", fontsize=SMALL)
    beyond = np.nanmax(np.abs(features.center), initial=0.0) > limit
    bar = axes[0].figure.colorbar(
        image,
        ax=list(axes[:maps]),
        location="top",
        extend="both" if beyond else "neither",
        **_size_of_bar(cell[0] * len(rows), cell[1] * len(features.terms) * maps),
    )
    bar.ax.tick_params(labelsize=TINY)
    axes[0].figure.suptitle(_meaning(features), fontsize=SMALL)
    for ax, side in zip(axes[maps:], sides, strict=True):
        _side(ax, side, found.classes)
    return axes


def _size_of_bar(height: float, width: float) -> dict[str, float]:
    """Thickness of a bar of colours over maps of a size, and its distance, in units of theirs."""
    return {"fraction": 0.25 / height, "pad": 0.08 / height, "aspect": width / BAR}


def _meaning(found: Estimates) -> str:
    held = "; hatched: not in the model" if found.held.any() else ""
    return f"coefficient; dot: {found.level:.0%} interval without zero{held}"


def _cell(found: Estimates) -> tuple[float, float]:
    """Height and width of the cells of the maps, in inches."""
    rows, columns, maps = found.center.shape[1], found.center.shape[0], found.center.shape[2]
    height = np.clip(CELL[0] * rows, SMALLEST_MAP[0], LARGEST_MAP[0])
    width = np.clip(CELL[1] * columns, SMALLEST_MAP[1], LARGEST_MAP[1] / maps)
    return float(height / rows), float(width / columns)


def _axes(found: Estimates, cell: tuple[float, float], sides: int) -> np.ndarray:
    """Axes of the maps and the panels at their side, which share their rows."""
    maps, terms = len(found.classes), list(map(label, found.terms))
    width, height = cell[1] * len(terms), cell[0] * len(found.responses)
    names = label_width(list(map(label, found.responses)), TINY)
    size = (
        width * maps + SIDE * sides + names + 0.6,
        height + 1.2 + label_width(terms, TINY) + 0.3 * (maps > 1),
    )
    ratios = [width] * maps + [SIDE] * sides
    return new_axes(*size, 1, maps + sides, sharey=True, width_ratios=ratios)[0]


def _limit(values: np.ndarray) -> float:
    """Largest coefficient that the colours show: a few huge ones are not to pale all others."""
    size = np.abs(values[np.isfinite(values)])
    if not size.any():
        return 1.0
    most, largest = float(np.quantile(size, LARGEST_SHARE)), float(size.max())
    return most if largest > OUTLIER * most > 0 else largest


def _map(
    ax: Any, found: Estimates, limit: float, cell: tuple[float, float], with_names: bool
) -> Any:
    """Map of the coefficients of all responses, with dots where the interval leaves zero out."""
    values, (lower, upper) = found.center[..., 0].T, np.swapaxes(found.bounds[..., 0], 1, 2)
    ax.set_facecolor(LIGHT)
    ax.patch.set(hatch="////", edgecolor="white")
    image = ax.imshow(
        np.ma.masked_invalid(values),
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        aspect="auto",
        interpolation="nearest",
    )
    at = np.argwhere((lower > 0) | (upper < 0))
    dark = np.abs(values[tuple(at.T)]) > 0.6 * limit
    shades = np.where(dark, "white", "black")
    dot = np.clip(0.4 * 72 * min(cell), 0.5, 4.0)
    ax.scatter(at[:, 1], at[:, 0], s=dot**2, c=shades, linewidths=0, gid="marks")
    _label_some(ax.yaxis, [label(name) for name in found.responses], cell[0])
    _label_some(ax.xaxis, [label(term) for term in found.terms], cell[1])
    ax.tick_params(axis="x", labelrotation=90)
    ax.tick_params(axis="y", labelleft=with_names)
    ax.tick_params(length=0)
    return image


def _label_some(axis: Any, names: list[str], cell: float) -> None:
    """Label every row or column, or every few if they are too narrow for a line each."""
    line = TINY * 1.2 / 72 * label_lines(names)
    index = np.arange(0, len(names), max(1, int(np.ceil(line / cell))))
    axis.set_ticks(index, [names[i] for i in index], fontsize=TINY)


def _sides(model: Any, found: Estimates, rows: list[int], explained: np.ndarray | None) -> Any:
    """Panels at the side: intercept, dispersion where it is estimated, deviance explained."""
    last = found.take("terms", [len(found.terms) - 1])
    if not last.held.all():
        yield Side("intercept", last.center[0], last.bounds[:, 0])
    if model.observation_model.scale_estimator in ("moments", "likelihood"):
        yield Side("scale", model._dispersion[rows, None])
    if explained is not None:
        yield Side("deviance explained", explained[rows, None])


def _side(ax: Any, side: Side, classes: list) -> None:
    """Values of all responses, row by row."""
    bare(ax)
    count, groups = side.values.shape
    limits = _limits(side.values if side.bounds is None else side.bounds)
    rows = np.arange(count)
    ax.hlines(rows, 0, 1, LIGHT, linewidth=0.4, transform=ax.get_yaxis_transform(), zorder=0)
    lines = []
    for i, shade in enumerate(colors(groups)):
        y = rows + 0.6 / groups * (i - (groups - 1) / 2)
        if side.bounds is not None:
            ax.hlines(y, *side.bounds[..., i], shade, linewidth=0.8)
        lines += ax.plot(side.values[:, i], y, "o", color=shade, markersize=2.5)
        if limits is not None:
            _point_outside(ax, side.values[:, i], y, limits, shade)
    if groups > 1:
        place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "ncols": 2}
        add_legend(ax, lines, [label(name) for name in classes], **place)
    if limits is not None:
        ax.set_xlim(*limits)
    if np.nanmin(side.values) <= 0 <= np.nanmax(side.values):
        ax.axvline(0.0, color=GRAY, linewidth=0.6, zorder=0)
    ax.set_xlabel(side.title, fontsize=SMALL)
    ax.tick_params(axis="y", length=0, labelleft=False)


def _limits(values: np.ndarray) -> tuple[float, float] | None:
    """Where to end an axis that a few responses, far out by Tukey's rule, would stretch."""
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    lower, upper = np.quantile(values, [0.25, 0.75])
    fences = lower - FAR_OUT * (upper - lower), upper + FAR_OUT * (upper - lower)
    if lower == upper or (values.min() >= fences[0] and values.max() <= fences[1]):
        return None
    return max(float(values.min()), fences[0]), min(float(values.max()), fences[1])


def _point_outside(ax: Any, values: np.ndarray, y: np.ndarray, limits: Any, shade: Any) -> None:
    """Arrows at the ends of the axis to values beyond them."""
    for mark, end, beyond in zip(
        "<>", limits, (values < limits[0], values > limits[1]), strict=True
    ):
        at = np.full(beyond.sum(), end)
        style = {"color": shade, "markersize": 3.5, "clip_on": False, "in_layout": False}
        ax.plot(at, y[beyond], mark, gid="outside", **style)


def _explained(model: Any, X: Any, y: Any, sample_weight: Any, offset: Any) -> np.ndarray | None:
    """Share of each response's deviance that the model explains; None without data."""
    import jax

    tree = model.posterior_
    kept = tree is not None and "constant_data" in tree.children and "X" in tree["constant_data"]
    if X is None and not kept:
        return None
    with jax.enable_x64(True):
        data = model._posterior_data(X, y, sample_weight, offset)
        target, eta = model._kernel_response(data.y), model._eta(data.design, data.offset)
        cells, null = model._cell_scores("pseudo-r2-Cohen", data, target, eta)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - (data.weight * cells).sum(axis=0) / (data.weight * null).sum(axis=0)
