"""Columns of a table as numbers: categories become one 0/1 column per level but the first."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from bayesglm.command_line.errors import InputError, listing

MOST_LEVELS = 100
DATE = re.compile(r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([ T].*)?$")
CATEGORY_KINDS = ("string", "boolean", "mixed-integer")
DATE_KINDS = ("date", "datetime", "datetime64", "timedelta", "timedelta64", "time", "period")


def is_category(column: Any) -> bool:
    """Whether a column names categories (text, True and False) rather than holding numbers.

    Raises
    ------
    InputError
        Naming the column, if it holds neither: dates, a mixture of numbers and text, lists.
    """
    import pandas as pd

    types = pd.api.types
    if isinstance(column.dtype, pd.CategoricalDtype):
        return True
    kind = types.infer_dtype(column, skipna=True)
    if kind in DATE_KINDS:
        raise InputError(_date_message(column.name, column.dropna().iloc[0]))
    if kind in CATEGORY_KINDS:
        _refuse_text_of_other_things(column, level_texts(column))
        return True
    if kind not in ("integer", "floating", "decimal", "mixed-integer-float", "empty"):
        raise InputError(f"column {column.name!r} holds {kind} values, not numbers or text.")
    return False


def level_texts(column: Any) -> Any:
    """Levels of a column as text, 2 for 2.0; missing ones are None."""
    values = column.astype(object)
    texts = {value: _text(value) for value in values.dropna().unique()}
    return values.map(texts).where(column.notna(), None)


def find_levels(column: Any) -> list[str]:
    """Levels that occur, in the order of the file's own type or sorted.

    Raises
    ------
    InputError
        If there are so many that the column must be something else.
    """
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        levels = column.cat.remove_unused_categories().cat.categories
    else:
        levels = sorted(column.dropna().unique(), key=lambda v: (isinstance(v, str), v))
    levels = list(dict.fromkeys(map(_text, levels)))
    if len(levels) > MOST_LEVELS or 2 < len(column) < 2 * len(levels):
        raise InputError(
            f"column {column.name!r} has {len(levels)} different texts in {len(column)} rows "
            f"({listing(levels[:3])}, ...): too many for categories. Leave it out with --exclude, "
            "or make numbers of it."
        )
    return levels


def indicators(column: Any, levels: list[str]) -> Any:
    """One column per level, 1 where a row has it and 0 elsewhere; NaN where it is missing.

    Parameters
    ----------
    column
        Series of n rows.
    levels
        All levels, as text.

    Returns
    -------
    DataFrame of shape (n, number of levels) with columns ``name[level]``.

    Raises
    ------
    InputError
        Naming levels that are not among them.
    """
    import pandas as pd

    texts = level_texts(column)
    unknown = dict.fromkeys(texts[texts.notna() & ~texts.isin(levels)])
    if unknown:
        raise InputError(
            f"column {column.name!r} has levels that the model does not know: "
            f"{listing(map(repr, unknown))}. It was fitted on {listing(levels)}."
        )
    missing = texts.isna().to_numpy()
    return pd.DataFrame(
        {
            f"{column.name}[{level}]": np.where(missing, np.nan, (texts == level).astype(float))
            for level in levels
        },
        index=column.index,
    )


def numbers(column: Any) -> Any:
    """Values of a column of numbers as floats, missing ones NaN; infinite ones are refused."""
    values = column.astype(object).where(column.notna(), np.nan).astype(float)
    infinite = np.isinf(values)
    if infinite.any():
        raise InputError(
            f"column {column.name!r} has {int(infinite.sum())} infinite entries, the first in row "
            f"{infinite.idxmax() + 1}: correct them, or leave them empty if they are missing."
        )
    return values


def first_text(column: Any) -> str:
    """First entry that is not missing, and its row of the file, the names not counted."""
    row = column.first_valid_index()
    return f"{_text(column[row])!r} in row {row + 1}"


def _text(value: Any) -> str:
    """Text of a level; a whole number has no decimals."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _refuse_text_of_other_things(column: Any, texts: Any) -> None:
    """Raise InputError if texts are dates, or numbers with a few exceptions."""
    import pandas as pd

    texts = texts.dropna()
    distinct = texts.drop_duplicates()
    if len(distinct) and all(DATE.match(text) for text in distinct):
        raise InputError(_date_message(column.name, distinct.iloc[0]))
    is_number = pd.to_numeric(distinct.astype(object), errors="coerce").notna()
    if is_number.any() and not is_number.all():
        odd = distinct[~is_number]
        raise InputError(
            f"column {column.name!r} mixes numbers and text: {odd.iloc[0]!r} in row "
            f"{odd.index[0] + 1}; entries that are no numbers: {int(texts.isin(odd).sum())}. "
            "Correct them, leave them empty if they are missing, or use --exclude, or "
            "--categories if the numbers name categories."
        )


def _date_message(name: str, example: Any) -> str:
    return (
        f"column {name!r} holds dates or times ({str(example)!r}): leave it out with --exclude, or "
        "make a number of it, such as days since the first."
    )
