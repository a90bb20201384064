"""A DataFrame that shows its numbers to the digits that their uncertainty leaves meaningful."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
from typing_extensions import override

SPREADS = ("sd", "std_error")  # columns that say how uncertain a row is
DECIMALS = {"ess_bulk": 0, "ess_tail": 0, "r_hat": 3}
MOST_DECIMALS = 8  # beyond, numbers are shown in powers of ten


class Table(pd.DataFrame):
    """DataFrame of estimates and their uncertainty, and so are its parts.

    Shown are two digits of a row's standard deviation, as many decimals of all else, and the
    attribute ``attrs["note"]`` below. Without a column of uncertainty it shows itself as any other.

    Examples
    --------
    >>> Table({"mean": [0.123456], "sd": [0.0123456]}, index=["age"])
          mean     sd
    age  0.123  0.012
    """

    @property
    @override
    def _constructor(self):
        return Table

    def __repr__(self) -> str:
        spread = self._spread()
        if spread is None:
            return super().__repr__()
        most, fewest = (pd.get_option(f"display.{name}_rows") for name in ("max", "min"))
        text = _as_text(self, spread)
        shown = text.to_string(max_rows=most, min_rows=fewest, show_dimensions="truncate")
        return "\n".join([shown, *self._notes()])

    def _repr_html_(self) -> str:
        spread = self._spread()
        if spread is None:
            return super()._repr_html_()
        with pd.option_context("display.max_columns", None):
            table = _as_text(self, spread)._repr_html_()
        return "".join([table, *(f"<p>{escape(note)}</p>" for note in self._notes())])

    def _notes(self) -> list[str]:
        return [self.attrs["note"]] if "note" in self.attrs else []

    def _spread(self) -> np.ndarray | None:
        """Return the uncertainty of each row, or None where no column says."""
        known = [self[name].to_numpy(float) for name in SPREADS if name in self.columns]
        if {"lower", "upper"} <= set(self.columns):
            known.append((self["upper"] - self["lower"]).to_numpy(float) / 4)
        spread = known[0] if known else None
        for column in known[1:]:
            spread = np.where(spread > 0, spread, column)
        return spread


def _as_text(table: Table, spread: np.ndarray) -> pd.DataFrame:
    """Return a plain DataFrame of the texts of all numbers."""
    text = pd.DataFrame(table, copy=True)
    numbers = text.select_dtypes("float").columns
    decimals = _decimals(spread, text[numbers.difference(DECIMALS)].to_numpy())
    for name in numbers:
        digits = np.broadcast_to(DECIMALS.get(name, decimals), len(text))
        text[name] = [_text(v, d) for v, d in zip(text[name], digits, strict=True)]
    return text


def _decimals(spread: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Decimals of each row: two digits of the spread, fewer where values were rounded to them."""
    with np.errstate(divide="ignore"):
        wanted = 1 - np.floor(np.log10(spread))
    wanted = np.where(np.isfinite(wanted), np.maximum(wanted, 0), 3).astype(int)
    for count in range(min(MOST_DECIMALS, wanted.max(initial=0))):
        rounded = (np.isnan(values) | (np.round(values, count) == values)).all(axis=1)
        wanted = np.where(rounded, np.minimum(wanted, count), wanted)
    return wanted


def _text(value: float, decimals: int) -> str:
    """Return a number as text."""
    if np.isnan(value):
        return "NaN"
    value = value + 0.0  # no minus before zero
    return f"{value:.{decimals}f}" if decimals <= MOST_DECIMALS else f"{value:.3g}"
