"""Checks of the size of numbers, before anything is computed with them."""

from __future__ import annotations

import numpy as np

LARGEST = 1e100  # beyond, squares and their sums may overflow
SMALLEST = 1e-100  # below, squares may vanish
CHUNK_ROWS = 65536


def missing_rows(array: np.ndarray) -> np.ndarray:
    """Rows with a NaN, shape (n,); cheap where there is none."""
    if sum_of_squares(array) < LARGEST**2:
        return np.zeros(len(array), bool)
    return np.isnan(array).any(axis=1)


def sum_of_squares(array: np.ndarray) -> float:
    """Sum of squares, cheap; infinite or NaN if an entry is so, or is larger than it can hold."""
    total = 0.0
    with np.errstate(all="ignore"):
        for first in range(0, len(array), CHUNK_ROWS):
            flat = array[first : first + CHUNK_ROWS].ravel(order="K")
            total += float(np.dot(flat, flat))
    return total


def refuse_extreme(
    array: np.ndarray, name: str, labels: list[str] | None = None, missing: bool = True
) -> None:
    """Raise ValueError naming the first entry that is infinite, too large, or (optionally) NaN."""
    if sum_of_squares(array) < LARGEST**2:
        return
    if not missing:
        _refuse(np.isnan(array), array, f"`{name}` must not have NaN", labels)
    _refuse(np.isinf(array), array, f"`{name}` must be finite, without inf", labels)
    if np.finfo(array.dtype).max > LARGEST:
        rule = f"`{name}` must be at most {LARGEST:g} in size, or squares overflow: rescale it"
        _refuse(np.abs(array) > LARGEST, array, rule, labels)


def refuse_tiny(array: np.ndarray, name: str) -> None:
    """Raise ValueError if the largest entry is so small that squares vanish."""
    if sum_of_squares(array) >= SMALLEST:
        return
    largest = np.nanmax(np.abs(array), initial=0.0)
    if 0 < largest < SMALLEST:
        raise ValueError(
            f"`{name}` has no entry larger than {largest:g} in size, so that squares vanish: "
            "rescale it."
        )


def _refuse(bad: np.ndarray, array: np.ndarray, rule: str, labels: list[str] | None) -> None:
    """Raise ValueError with the number of bad entries, and the place and value of the first."""
    if not bad.any():
        return
    where = np.unravel_index(np.argmax(bad), array.shape)
    place = ", ".join(
        f"{axis} {index}"
        for axis, index, size in zip(("row", "column", "class"), where, array.shape, strict=False)
        if axis == "row" or size > 1
    )
    column = f" ({labels[where[1]]!r})" if labels is not None else ""
    raise ValueError(
        f"{rule}; {int(bad.sum())} entries are not so, the first is {array[where]:g} in "
        f"{place}{column}. Remove or correct them."
    )
