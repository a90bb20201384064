"""A DataFrame that shows its numbers to the digits that their uncertainty leaves meaningful."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd
from typing_extensions import override

SPREADS = ("sd", "std_error")  # columns that say how uncertain a row is
DECIMALS = {"ess_bulk": 0, "ess_tail": 0, "r_hat": 3}
MOST_DECIMALS = 8  # beyond, numbers are shown in powers of ten


class Table(pd.DataFrame):
    """DataFrame of estimates and their uncertainty; what is derived of it is a plain one.

    Shown are two digits of a row's standard deviation, and as many decimals of all else. The
    attribute ``attrs["note"]`` is shown below.

    Examples
    --------
    >>> Table({"mean": [0.123456], "sd": [0.0123456]}, index=["age"])
          mean     sd
    age  0.123  0.012
    """

    @property
    @override
    def _constructor(self):
        return pd.DataFrame

    def __repr__(self) -> str:
        most, fewest = (pd.get_option(f"display.{name}_rows") for name in ("max", "min"))
        text = self._as_text().to_string(max_rows=most, min_rows=fewest, show_dimensions="truncate")
        return "\n".join([text, *self._notes()])

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_columns", None):
            table = self._as_text()._repr_html_()
        return "".join([table, *(f"<p>{escape(note)}</p>" for note in self._notes())])

    def _notes(self) -> list[str]:
        return [self.attrs["note"]] if "note" in self.attrs else []

    def _as_text(self) -> Any:
        """Return a plain DataFrame of the texts of all numbers."""
        decimals = self._decimals()
        columns = {
            name: [
                _text(v, DECIMALS.get(name, d)) for v, d in zip(self[name], decimals, strict=True)
            ]
            for name in self.columns
        }
        return pd.DataFrame(columns, index=self.index)

    def _decimals(self) -> np.ndarray:
        """Decimals of each row."""
        known = [self[name].to_numpy() for name in SPREADS if name in self]
        if {"lower", "upper"} <= set(self.columns):
            known.append((self["upper"] - self["lower"]).to_numpy() / 4)
        spread = np.full(len(self), np.nan)
        for column in known:
            spread = np.where(spread > 0, spread, column)
        with np.errstate(divide="ignore"):
            decimals = 1 - np.floor(np.log10(spread))
        return np.where(np.isfinite(decimals), np.maximum(decimals, 0), 3).astype(int)


def _text(value: float, decimals: int) -> str:
    """Return a number as text."""
    if np.isnan(value):
        return "NaN"
    return f"{value:.{decimals}f}" if decimals <= MOST_DECIMALS else f"{value:.3g}"
