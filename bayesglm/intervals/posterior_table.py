"""Tables of a posterior: mean, spread and credible interval of every parameter."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayesglm.intervals.credible import credible_bounds

KINDS = {"eti": "equal-tailed", "hdi": "highest-density"}


def credible_table(draws: np.ndarray, index: Any, level: float, kind: str) -> Any:
    """Mean and credible interval of each parameter.

    Parameters
    ----------
    draws
        Equally likely draws, shape (S, m). Parameters whose draws are all equal are held, and have
        no interval.
    index
        Labels of the m parameters.
    level, kind
        As in `credible_bounds`.

    Returns
    -------
    DataFrame with columns mean, lower, upper.
    """
    from bayesglm.intervals.display import Table

    lower, upper = (np.where(_held(draws), np.nan, b) for b in credible_bounds(draws, level, kind))
    columns = {"mean": draws.mean(axis=0), "lower": lower, "upper": upper}
    table = Table(columns, index=index)
    table.attrs |= {"level": level, "note": _note(draws, level, kind)}
    return table


def posterior_table(
    draws: np.ndarray,
    index: Any,
    level: float,
    kind: str,
    fitted: dict[str, np.ndarray],
    convergence: dict[str, np.ndarray],
) -> Any:
    """Return what a fit found beside mean, spread and credible interval of its posterior.

    Parameters
    ----------
    draws, index, level, kind
        As in `credible_table`.
    fitted, convergence
        Columns before and after these, shape (m,).

    Returns
    -------
    DataFrame with the columns of ``fitted``, mean, sd, lower, upper, and those of ``convergence``.
    """
    table = credible_table(draws, index, level, kind)
    held = _held(draws)
    table.insert(1, "sd", np.where(held, np.nan, draws.std(axis=0, ddof=1)))
    for position, (name, values) in enumerate(fitted.items()):
        table.insert(position, name, values)
    for name, values in convergence.items():
        table[name] = np.where(held, np.nan, values)
    return table


def parameter_index(arrays: dict[str, list[tuple[str, list]]], names: list[str]) -> Any:
    """Labels of the entries of some raveled arrays, one array after the other.

    Parameters
    ----------
    arrays
        For each array by its term, its axes: their dimensions and labels. A label of the dimension
        ``feature`` becomes part of the term.
    names
        Levels of the index: ``term``, and ``response`` and ``class`` where there are any.
    """
    import pandas as pd

    parts = []
    for term, axes in arrays.items():
        index = pd.MultiIndex.from_product(
            [[term], *(a for _, a in axes)], names=["term", *(d for d, _ in axes)]
        )
        frame = index.to_frame(index=False)
        if "feature" in frame:
            frame["term"] = term + "[" + frame["feature"].astype(str) + "]"
        parts.append(frame.reindex(columns=names, fill_value=""))
    frame = pd.concat(parts)
    return pd.Index(frame["term"]) if names == ["term"] else pd.MultiIndex.from_frame(frame)


def _held(draws: np.ndarray) -> np.ndarray:
    """Whether all draws of a parameter are equal, shape (m,)."""
    return (draws == draws[:1]).all(axis=0)


def _note(draws: np.ndarray, level: float, kind: str) -> str:
    return (
        f"Posterior of {len(draws):,} draws; lower and upper are {KINDS[kind]} bounds that hold "
        f"{100 * level:g}% of it."
    )
