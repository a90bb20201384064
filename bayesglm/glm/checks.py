"""Checks of the size of numbers, before anything is computed with them."""

from __future__ import annotations

import numpy as np

LARGEST = 1e100  # beyond, squares and their sums may overflow
SMALLEST = 1e-100  # below, squares may vanish


def sum_of_squares(array: np.ndarray) -> float:
    """Sum of squares in one pass, without a copy; not finite if an entry is not."""
    axes = list(range(array.ndim))
    with np.errstate(all="ignore"):
        return float(np.einsum(array, axes, array, axes, []))


def refuse_extreme(
    array: np.ndarray, name: str, labels: list[str] | None = None, missing: bool = True
) -> bool:
    """Raise ValueError naming the first entry that is infinite or too large.

    Parameters
    ----------
    array, name, labels
        Numbers, the argument they were given as, and the names of its columns.
    missing
        Whether NaN is allowed.

    Returns
    -------
    Whether there is any NaN.
    """
    if sum_of_squares(array) < LARGEST**2:
        return False
    absent = np.isnan(array)
    if not missing:
        _refuse(absent, array, f"`{name}` must not have NaN", labels)
    _refuse(np.isinf(array), array, f"`{name}` must be finite, without inf", labels)
    if np.finfo(array.dtype).max > LARGEST:
        rule = f"`{name}` must be at most {LARGEST:g} in size, or squares overflow: rescale it"
        _refuse(np.abs(array) > LARGEST, array, rule, labels)
    return bool(absent.any())


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
