"""Bins that responses are counted in, draw by draw, so that no picture needs all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglm.plots.responses import cell_weights, is_binary

MOST_BARS = 30
FINE = 400  # bins under a smooth line
TAILS = (0.005, 0.995)  # quantiles that a picture reaches beyond by a margin
MARGIN = 0.3  # of their distance
FEW_ZEROS = 0.05  # share of exact zeros that a density can hide
BANDWIDTH = 0.9  # Silverman's rule: times the spread, divided by the fifth root of n


@dataclass(frozen=True)
class Bins:
    """Bins of a response, and how they are drawn.

    Parameters
    ----------
    kind
        ``"bars"``, ``"density"`` or ``"ecdf"``.
    count
        Number of bins, those beyond the ends included.
    labels
        Of bars.
    root
        Whether bars are of counts, on the scale of a square root.
    edges
        Inner edges, shape (count - 1,); None for yes and no, whose shares are counted.
    limits
        Of the picture.
    bandwidth
        Of densities.
    mirrored
        Whether densities end at the lower, and at the upper limit.
    """

    kind: str
    count: int
    labels: list[str] | None = None
    root: bool = False
    edges: np.ndarray | None = None
    limits: tuple[float, float] = (0.0, 1.0)
    bandwidth: float = 0.0
    mirrored: tuple[bool, bool] = (False, False)

    @property
    def centers(self) -> np.ndarray:
        """Middles of the bins between the edges."""
        return (self.edges[1:] + self.edges[:-1]) / 2


def counted(bins: Bins, values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Sum the weights of the rows in each bin.

    Parameters
    ----------
    bins
        The bins.
    values
        Responses of some rows at all draws, numbers of classes for classifiers, shape (B, S).
    weight
        Weights of the rows, shape (B,).

    Returns
    -------
    Shape (S, bins).
    """
    if bins.edges is None:  # successes, or shares of them
        success = values.T @ weight
        return np.stack([weight.sum() - success, success], axis=-1)
    S = values.shape[1]
    index = np.searchsorted(bins.edges, values, side="left") + bins.count * np.arange(S)
    weights = np.repeat(weight, S)
    return np.bincount(index.ravel(), weights, S * bins.count).reshape(S, bins.count)


def bins_of(model: Any, data: Any, k: int, kind: str | None) -> Bins:
    """Bins for a response of a model, by what it is and what values it has."""
    observations = model.observation_model
    if observations.event_ndim:
        classes = model._class_labels()
        _refuse_lines(kind, "classes")
        return Bins("bars", len(classes), list(map(str, classes)), False, _between(len(classes)))
    y = data.y[cell_weights(data)[:, k] > 0, k]
    if is_binary(observations):
        _refuse_lines(kind, "yes/no responses")
        return Bins("bars", 2, ["0", "1"])
    if kind is None:
        kind = "bars" if observations.is_count else _kind_of_line(y)
    return _bars_of(y, bool(observations.is_count)) if kind == "bars" else _lines_of(model, y, kind)


def _between(count: int) -> np.ndarray:
    """Edges between the numbers of classes."""
    return np.arange(count - 1) + 0.5


def _refuse_lines(kind: str | None, what: str) -> None:
    if kind not in (None, "bars"):
        raise ValueError(f"`kind` must be 'bars' for {what}; got {kind!r}.")


def _kind_of_line(y: np.ndarray) -> str:
    """``"ecdf"`` where a density would smear zeros out."""
    return "ecdf" if np.mean(y == 0) > FEW_ZEROS else "density"


def _bars_of(y: np.ndarray, whole: bool) -> Bins:
    """Bars of whole numbers, or of equal steps; the last holds all that is beyond."""
    if not whole:
        lower, upper = np.quantile(y, TAILS)
        inner = np.linspace(lower, upper, MOST_BARS - 1)
        labels = [f"≤{edge:.3g}" for edge in inner] + [f">{upper:.3g}"]
        return Bins("bars", len(labels), labels, True, inner)
    last = int(max(np.quantile(y, TAILS[1]), y.min() + 1))
    first = 0 if last < MOST_BARS else int(y.min())
    step = -(-(last - first + 1) // MOST_BARS)
    starts = np.arange(first, last + 1, step)
    ends = starts + step - 1
    names = [f"{a}" if step == 1 else f"{a}–{b}" for a, b in zip(starts, ends, strict=True)]
    if first > 0:
        names[0] = f"≤{ends[0]}"
    return Bins("bars", len(starts) + 1, [*names, f">{ends[-1]}"], True, ends + 0.5)


def _lines_of(model: Any, y: np.ndarray, kind: str) -> Bins:
    """Fine bins under a smooth line."""
    low, high = np.quantile(y, TAILS)
    spread = min(y.std(), np.subtract(*np.quantile(y, [0.75, 0.25])) / 1.34) or y.std() or 1.0
    margin = MARGIN * ((high - low) or 1.0)
    possible = lambda value: bool(np.all(model.observation_model.in_support(np.array([[value]]))))
    bounded = (not possible(-1.0), not possible(-1.0) and not possible(2.0))
    low, high = max(low - margin, y.min() - margin / 2), min(high + margin, y.max() + margin / 2)
    limits = (max(low, 0.0) if bounded[0] else low, min(high, 1.0) if bounded[1] else high)
    mirrored = (bounded[0] and limits[0] == 0.0, bounded[1] and limits[1] == 1.0)
    bandwidth = BANDWIDTH * spread * len(y) ** -0.2
    edges = np.linspace(
        limits[0] - 4 * bandwidth * (not mirrored[0]),
        limits[1] + 4 * bandwidth * (not mirrored[1]),
        FINE + 1,
    )
    return Bins(kind, FINE + 2, None, False, edges, limits, bandwidth, mirrored)


def smoothed(bins: Bins, weight: np.ndarray) -> np.ndarray:
    """Density at the middles of the bins, from the weight in each bin, shape (..., bins)."""
    from scipy.ndimage import gaussian_filter1d

    width = bins.edges[1] - bins.edges[0]
    density = weight / (weight.sum(axis=-1, keepdims=True) * width)
    padded = density[..., 1:-1]
    pad = [(0, 0)] * (padded.ndim - 1)
    reach = min(FINE, int(np.ceil(4 * bins.bandwidth / width)))
    for end, mirrored in enumerate(bins.mirrored):
        where = (reach, 0) if end == 0 else (0, reach)
        padded = np.pad(padded, [*pad, where], mode="symmetric" if mirrored else "constant")
    return gaussian_filter1d(padded, bins.bandwidth / width, axis=-1)[..., reach:-reach]
