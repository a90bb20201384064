"""From a table and the options of `fit` to numbers: roles of columns, missing rows, categories."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.command_line.encoding import (
    find_levels,
    first_text,
    indicators,
    is_category,
    level_texts,
    numbers,
)
from bayesglm.command_line.errors import InputError, listing
from bayesglm.command_line.tables import require_column
from bayesglm.exceptions import DataWarning


@dataclass(frozen=True)
class Prepared:
    """Numbers to fit, and how they came from the columns of the file.

    Parameters
    ----------
    X
        DataFrame of encoded features, shape (n, p), with the offset as its last column if any.
    y
        Responses: a Series of n, a DataFrame of shape (n, K), or an array of n labels.
    weights
        Shape (n,), or None.
    offset
        Name of the column of X that holds the offset, or None.
    encoding
        ``response``: names; ``levels``: those of each categorical feature; ``outcomes``: the two
        texts of each response that stand for 0 and 1.
    """

    X: Any
    y: Any
    weights: np.ndarray | None
    offset: str | None
    encoding: dict[str, Any]


def prepare(given: Any, table: Any) -> Prepared:
    """Read the columns that the options name.

    Raises
    ------
    InputError
        Naming the column that cannot be used, and what to do.
    """
    import pandas as pd

    features = _feature_names(given, table)
    known = [name for name in (given.offset, given.exposure, given.weights) if name]
    table = table[[*given.response, *known, *features]]
    if given.intercept:
        features = _without_constants(table, features)
    table = _complete_rows(table, features + known, given.response)
    if given.intercept:
        features = _without_constants(table, features)
    X, levels = _encode(table, features, given.categories, given.intercept)
    offset = _offset(given, table)
    if offset is not None:
        X[offset.name] = offset
    outcomes: dict[str, list[str]] = {}
    y = [_response(table[name], given.family, outcomes) for name in given.response]
    encoding = {"response": list(given.response), "levels": levels, "outcomes": outcomes}
    return Prepared(
        X=X,
        y=y[0] if len(y) == 1 else pd.concat(y, axis=1),
        weights=None if given.weights is None else _weights(table[given.weights]),
        offset=None if offset is None else offset.name,
        encoding=encoding,
    )


def _feature_names(given: Any, table: Any) -> list[str]:
    """Features, all roles checked against the table and each other."""
    roles = {
        "--response": given.response,
        "--features": given.features or [],
        "--exclude": given.exclude,
        "--offset": [given.offset],
        "--exposure": [given.exposure],
        "--weights": [given.weights],
    }
    named = [name for names in roles.values() for name in names if name is not None]
    for name in [*named, *given.categories]:
        require_column(table, name, given.data)
    repeated = [name for name, count in Counter(named).items() if count > 1]
    if repeated:
        where = [role for role, names in roles.items() if repeated[0] in names]
        raise InputError(f"column {repeated[0]!r} is named twice, in {' and '.join(where)}.")
    features = given.features or [name for name in table.columns if name not in named]
    stray = [name for name in given.categories if name not in features]
    if stray:
        raise InputError(f"column {stray[0]!r} is in --categories but is no feature.")
    if not features:
        raise InputError(f"{given.data} has no column left that could be a feature.")
    return features


def _without_constants(table: Any, features: list[str]) -> list[str]:
    """Leave out columns that the intercept stands for already."""
    constant = [name for name in features if _is_constant(table[name])]
    if constant:
        warn_user(f"left out, as they never vary: {listing(constant)}.", DataWarning)
    if len(constant) == len(features):
        raise InputError("no feature varies: there is nothing to fit.")
    return [name for name in features if name not in constant]


def _is_constant(column: Any) -> bool:
    try:
        return column.nunique() <= 1
    except TypeError:  # entries that cannot be compared, of which more is said later
        return False


def _complete_rows(table: Any, needed: list[str], responses: list[str]) -> Any:
    """Leave out and count rows in which something needed, or every response, is missing."""
    lost = table[needed].isna().any(axis=1) | table[responses].isna().all(axis=1)
    if not lost.any():
        return table
    missing = table[needed + responses].isna().sum()
    counts = listing(f"{name} {count}" for name, count in missing.items() if count)
    if lost.all():
        raise InputError(f"every row has missing values, by column: {counts}.")
    warn_user(
        f"rows left out for missing values: {int(lost.sum()):,} of {len(table):,}, by column: "
        f"{counts}.",
        DataWarning,
    )
    return table[~lost]


def _encode(
    table: Any, features: list[str], categories: list[str], intercept: bool
) -> tuple[Any, dict[str, list[str]]]:
    """Encode the features; also return the levels of those that are categories.

    Without an intercept the first of these keeps its first level too, as in R.
    """
    import pandas as pd

    parts, levels = [], {}
    for name in features:
        column = table[name]
        if name in categories or is_category(column):
            found = find_levels(column)
            skip = 1 if intercept or levels else 0
            parts.append(indicators(column, found).iloc[:, skip:])
            levels[name] = found
        else:
            parts.append(numbers(column).to_frame())
    return pd.concat(parts, axis=1), levels


def _offset(given: Any, table: Any) -> Any:
    """Offset as a Series under the name that the model remembers; None without."""
    if given.offset:
        return _known(table[given.offset])
    if given.exposure:
        return log_of(_known(table[given.exposure]))
    return None


def _weights(column: Any) -> np.ndarray:
    """Weights of the rows, which must not be negative, nor all zero."""
    values = _known(column)
    bad = values < 0
    if bad.any():
        raise InputError(
            f"column {column.name!r} cannot be weights: it must not be negative, and is "
            f"{values[bad.idxmax()]:g} in row {bad.idxmax() + 1}."
        )
    if not values.any():
        raise InputError(f"column {column.name!r} cannot be weights: all are zero.")
    return values.to_numpy()


def log_of(column: Any) -> Any:
    """Log of an exposure, named ``log(column)``."""
    bad = column <= 0
    if bad.any():
        raise InputError(
            f"column {column.name!r} cannot be an exposure: it must be above 0, and is "
            f"{column[bad.idxmax()]:g} in row {bad.idxmax() + 1}."
        )
    return np.log(column).rename(f"log({column.name})")


def _known(column: Any) -> Any:
    """Numbers of a column that must hold numbers."""
    if is_category(column):
        raise InputError(
            f"column {column.name!r} must hold numbers; it holds text ({first_text(column)})."
        )
    return numbers(column)


def _whole(labels: Any) -> np.ndarray:
    """Labels as integers if they are."""
    is_whole = (labels == labels.round()).all()
    return labels.to_numpy(int if is_whole else float)


def _response(column: Any, family: str, outcomes: dict[str, list[str]]) -> Any:
    """Responses as the family wants them; the two texts of an outcome go into ``outcomes``."""
    text = is_category(column)
    if family == "Categorical":
        return np.array(level_texts(column).tolist()) if text else _whole(numbers(column))
    if not text:
        return numbers(column)
    if family != "Bernoulli":
        raise InputError(
            f"the response {column.name!r} must hold numbers; it holds text "
            f"({first_text(column)}). For yes or no use --family bernoulli, for classes --family "
            "categorical."
        )
    levels = find_levels(column)
    if len(levels) != 2:
        raise InputError(
            f"the response {column.name!r} has {len(levels)} levels ({listing(levels)}); "
            "--family bernoulli takes two. For more use --family categorical."
        )
    outcomes[column.name] = levels
    return indicators(column, levels).iloc[:, 1].rename(column.name)
