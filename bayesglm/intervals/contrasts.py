"""Counterfactual rows: features set to values, or changed by a step, all else as observed."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Changed:
    """Rows whose columns are ``kept * x + shift``, made when they are asked for.

    Parameters
    ----------
    X
        Rows as observed, shape (n, p).
    columns
        The columns that change.
    kept, shift
        What becomes of each.
    """

    X: np.ndarray
    columns: tuple[int, ...]
    kept: tuple[float, ...]
    shift: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: Any) -> np.ndarray:
        rows = np.array(self.X[index], float)
        columns = list(self.columns)
        rows[:, columns] = rows[:, columns] * self.kept + np.array(self.shift)
        return rows


@dataclass(frozen=True)
class Contrast:
    """Two counterfactuals of some columns.

    Parameters
    ----------
    term, label
        What changes, and from where to where.
    columns
        The columns.
    kept
        1 where a column is changed by a step, 0 where it is set, for each.
    low, high
        Values, or steps, of each column.
    """

    term: str
    label: str
    columns: tuple[int, ...]
    kept: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def of(self, X: np.ndarray) -> tuple[Changed, Changed]:
        """Rows at the low and at the high values."""
        low, high = (Changed(X, self.columns, self.kept, shift) for shift in (self.low, self.high))
        return low, high

    def with_(self, other: Contrast) -> Contrast:
        """Contrast of the columns of both, changed at once."""
        return Contrast(
            f"{self.term}, {other.term}",
            f"{self.label}, {other.label}",
            self.columns + other.columns,
            self.kept + other.kept,
            self.low + other.low,
            self.high + other.high,
        )


def position_of(variable: Any, labels: Sequence[str]) -> int:
    """Column of a feature by its name, or its number.

    Raises
    ------
    ValueError
        If there is no such feature.
    """
    if str(variable) in labels:
        return list(labels).index(str(variable))
    whole = isinstance(variable, (int, np.integer)) and not isinstance(variable, bool)
    if whole and 0 <= variable < len(labels):
        return int(variable)
    shown = ", ".join(map(str, labels[:10])) + ", ..." * (len(labels) > 10)
    raise ValueError(f"`variables` names no feature {variable!r}; there are {shown}.")


def positions_of(variables: Any, labels: Sequence[str]) -> list[int]:
    """Columns of features by name or number; of all of them where None."""
    if variables is None:
        return list(range(len(labels)))
    one = isinstance(variables, str) or not np.iterable(variables)
    positions = [position_of(v, labels) for v in ([variables] if one else variables)]
    if not positions or len(set(positions)) < len(positions):
        raise ValueError(f"`variables` must name features, each once; got {variables!r}.")
    return positions


def read_contrasts(
    variables: Any, together: bool, labels: Sequence[str], X: np.ndarray
) -> list[Contrast]:
    """Contrasts that a user asks for.

    Parameters
    ----------
    variables
        Names or numbers of features, to be changed as is usual; or a mapping from these to a pair
        of values or a step. None is all features.
    together
        Whether they change at once rather than one by one.
    labels
        Names of the features.
    X
        The rows: features that are 0 or 1 there change from 0 to 1, others by a step of 1.
    """
    positions = positions_of(variables, labels)
    changes = (
        list(variables.values()) if isinstance(variables, Mapping) else [None] * len(positions)
    )
    contrasts = [
        _contrast(labels[position], position, change, X[:, position])
        for position, change in zip(positions, changes, strict=True)
    ]
    if not together:
        return contrasts
    first, *others = contrasts
    for other in others:
        first = first.with_(other)
    return [first]


def _contrast(label: str, position: int, change: Any, x: np.ndarray) -> Contrast:
    """Contrast of one feature."""
    if change is None:
        change = (0, 1) if np.isin(x, (0, 1)).all() else 1
    if _is_number(change):
        return Contrast(label, f"{change:+g}", (position,), (1.0,), (0.0,), (float(change),))
    if not np.iterable(change) or len(change) != 2 or not all(map(_is_number, change)):
        raise ValueError(
            f"`variables[{label!r}]` must be a pair of numbers (low, high) or a step; got "
            f"{change!r}."
        )
    low, high = map(float, change)
    return Contrast(label, f"{low:g} to {high:g}", (position,), (0.0,), (low,), (high,))


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and bool(np.isfinite(value))
