"""``python -m bayesglm predict``: means, or classes, for the rows of another file."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.command_line.encoding import first_text, indicators, is_category, numbers
from bayesglm.command_line.errors import InputError
from bayesglm.command_line.prepare import log_of
from bayesglm.command_line.tables import (
    check_is_file,
    check_output,
    read_table,
    require_column,
    write_table,
)
from bayesglm.exceptions import DataWarning


def predict(given: Any) -> None:
    """Print or write one row of predictions for each row of the file.

    Raises
    ------
    InputError
        If the model or the file cannot be used.
    """
    check_output(given.output, given.model, given.data)
    model = _load(given.model)
    result = predictions(model, read_table(given.data), given.data)
    if given.output is None:
        result.to_csv(sys.stdout, index=False)
        return
    write_table(result, given.output)
    print(f"{len(result):,} predictions written to {given.output}.")


def predictions(model: Any, table: Any, path: str) -> Any:
    """DataFrame with ``predicted_<response>``, and ``probability_<class>`` of a classifier."""
    import pandas as pd

    X = encode(model, table, path)
    missing = int(X.isna().any(axis=1).sum())
    if missing:
        warn_user(f"{missing:,} rows with missing values have no prediction.", DataWarning)
    try:
        values = model.predict(X)
        encoding = getattr(model, "encoding_", {})
        responses = encoding.get("response") or getattr(model, "_response_names", None) or [""]
        names = [f"predicted_{name}".rstrip("_") for name in responses]
        frame = pd.DataFrame(values.reshape(len(X), -1), columns=names)
        if hasattr(model, "predict_proba"):
            classes = [f"probability_{label}" for label in model.classes_]
            frame[classes] = model.predict_proba(X, "proba")
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from error
    for name, (_, second) in encoding.get("outcomes", {}).items():
        print(f"predicted_{name} is the probability of {second!r}.", file=sys.stderr)
    return frame


def encode(model: Any, table: Any, path: str) -> Any:
    """Columns of a table as the model was fitted on them, the offset's included.

    Parameters
    ----------
    model
        Fitted on a DataFrame.
    table
        DataFrame of the file.
    path
        Name of the file, for messages.
    """
    import pandas as pd

    names = list(model.feature_names_in_)
    categories = getattr(model, "encoding_", {}).get("levels", {})
    dummies: dict[str, Any] = {}
    for category, levels in categories.items():
        require_column(table, category, path)
        dummies |= dict(indicators(table[category], levels).items())
    columns = [
        dummies[name] if name in dummies else _number_column(model, table, name, path)
        for name in names
    ]
    return pd.concat(columns, axis=1)


def _number_column(model: Any, table: Any, name: str, path: str) -> Any:
    """Column of numbers, or the log of the exposure that a model was fitted with."""
    exposure = re.fullmatch(r"log\((.*)\)", name)
    if name not in table.columns and exposure and name == model.offset_column:
        return log_of(_number_column(model, table, exposure[1], path))
    require_column(table, name, path)
    if is_category(table[name]):
        raise InputError(
            f"column {name!r} held numbers when the model was fitted; it holds "
            f"{first_text(table[name])}."
        )
    return numbers(table[name])


def _load(path: str) -> Any:
    """Fitted model of a file, which must know the names of its features."""
    from bayesglm import ModelFileError, load

    check_is_file(Path(path))
    try:
        model = load(path)
    except ModelFileError as error:
        raise InputError(str(error)) from error
    if model.coef_ is None:
        raise InputError(f"the model in {path} has not been fitted.")
    if not hasattr(model, "feature_names_in_") or not np.ndim(model.feature_names_in_):
        raise InputError(
            f"the model in {path} was fitted on arrays, not on named columns: use it in Python."
        )
    return model
