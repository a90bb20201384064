"""Effects as a DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayesglm.intervals.propagation import SUMMARY


def effects_table(
    values: np.ndarray,
    names: dict[str, Sequence[Any]],
    responses: Sequence[Any] | None,
    classes: Sequence[Any] | None,
    by_row: bool,
    **attributes: Any,
) -> Any:
    """Arrange effects in rows with names.

    Parameters
    ----------
    values
        Rows of `SUMMARY`, shape (4[, n], V, K[, C]).
    names
        Levels of the index that name the V effects, such as term and contrast.
    responses, classes
        Labels of the K responses and C classes; None without any.
    by_row
        Whether there is an axis of n rows, which are numbered as ``obs_id``.
    attributes
        Of the table.

    Returns
    -------
    DataFrame with columns estimate, std_error, lower, upper.
    """
    import pandas as pd

    from bayesglm.intervals.display import Table

    axes = iter(np.indices(values.shape[1:]).reshape(values.ndim - 1, -1))
    levels = {"obs_id": next(axes)} if by_row else {}
    effect, response = next(axes), next(axes)
    levels |= {name: np.asarray(labels, object)[effect] for name, labels in names.items()}
    if responses is not None:
        levels["response"] = pd.Index(responses).take(response)
    if classes is not None:
        levels["class"] = pd.Index(classes).take(next(axes))
    if len(levels) == 1:
        index = pd.Index(levels["term"], name="term")
    else:
        index = pd.MultiIndex.from_arrays(list(levels.values()), names=list(levels))
    columns = dict(zip(SUMMARY, values.reshape(len(SUMMARY), -1), strict=True))
    table = Table(columns, index=index)
    table.attrs |= attributes
    return table
