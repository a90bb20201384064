"""Read a user's features, in whatever container, as one array; and give results back in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import jax.tree_util as jtu
import numpy as np

from bayesglm._tree import FeatureLayout
from bayesglm.exceptions import TextError


@dataclass(frozen=True)
class Design:
    """Features as one array, with all that is needed to speak of them in the user's terms.

    Parameters
    ----------
    array
        Shape (n, p), float32 or float64.
    layout
        How its columns come from the user's container.
    names
        Column labels of a DataFrame (or of a time-series frame); None otherwise.
    times
        Time series object whose time axis results are given on; None otherwise.
    """

    array: np.ndarray
    layout: FeatureLayout
    names: tuple[Any, ...] | None = None
    times: Any = None

    @property
    def labels(self) -> list[str]:
        """Name of each column."""
        if self.names is not None and len(self.names) == self.layout.num_features:
            return [str(name) for name in self.names]
        return self.layout.default_names()

    def on_time_axis(self, values: np.ndarray, columns: Any = None, metadata: Any = None) -> Any:
        """Put ``values`` on the time axis of the features, if they had one.

        Parameters
        ----------
        values
            Shape (n,) or (n, K).
        columns, metadata
            Labels of the K responses, if known.
        """
        if self.times is None:
            return values
        import pynapple as nap

        axis = {"t": self.times.t, "time_support": self.times.time_support}
        if values.ndim == 1:
            return nap.Tsd(d=values, **axis)
        if values.ndim == 2:
            return nap.TsdFrame(d=values, columns=columns, metadata=metadata, **axis)
        return nap.TsdTensor(d=values, **axis)


def take_column(X: Any, column: Any) -> tuple[Any, np.ndarray]:
    """Take the column that holds the offset out of ``X``.

    Parameters
    ----------
    X
        DataFrame, dict, or array.
    column
        Label, key or index.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    if is_frame(X) and column in X.columns:
        rest = X.drop(columns=[column]) if hasattr(X, "iloc") else X.drop(column)
        return rest, to_float(np.asarray(X[column]), f"column {column!r} of X")
    if isinstance(X, dict) and column in X:
        rest = {key: leaf for key, leaf in X.items() if key != column}
        return rest, to_float(X[column], f"X[{column!r}]").ravel()
    if isinstance(column, int) and not is_frame(X) and not is_tree(X):
        array = to_matrix(X, "X")
        if column < array.shape[1]:
            return np.delete(array, column, axis=1), array[:, column]
    raise ValueError(f"`offset_column` {column!r} is not a column of X.")


def is_time_series(obj: Any) -> bool:
    """Whether ``obj`` is a pynapple object with a time axis."""
    return type(obj).__module__.split(".")[0] == "pynapple" and hasattr(obj, "t")


def is_frame(obj: Any) -> bool:
    """Whether ``obj`` is a pandas or polars DataFrame."""
    return type(obj).__module__.split(".")[0] in ("pandas", "polars") and hasattr(obj, "columns")


def response_labels(y: Any) -> tuple[list | None, Any]:
    """Names of responses, and what else a pynapple frame says of them; None without any."""
    if is_time_series(y):
        return list(getattr(y, "columns", ())) or None, getattr(y, "metadata", None)
    return (list(y.columns) or None, None) if is_frame(y) else (None, None)


def is_tree(obj: Any) -> bool:
    """Whether ``obj`` is a container of feature arrays rather than one array."""
    if isinstance(obj, dict):
        return True
    if isinstance(obj, list | tuple):
        return any(np.ndim(item) == 2 or is_tree(item) for item in obj if not _is_row(item))
    return not jtu.all_leaves([obj]) and not hasattr(obj, "__array__")


def _is_row(item: Any) -> bool:
    return np.isscalar(item) or (isinstance(item, list | tuple) and all(map(np.isscalar, item)))


def read_design(X: Any) -> Design:
    """Convert features to one array.

    Parameters
    ----------
    X
        Array-like of shape (n, p), DataFrame, pynapple frame, or a pytree of these whose leaves
        have the same number of rows.

    Raises
    ------
    TypeError
        For sparse matrices and columns that hold no numbers.
    ValueError
        For wrong shapes, no rows or columns, complex numbers, text, or masked entries.
    """
    if is_frame(X):
        array = frame_values(X, "X")
        layout = FeatureLayout.of(np.broadcast_to(0.0, array.shape))
        return Design(array, layout, tuple(X.columns))
    if is_time_series(X):
        array = to_matrix(X.values, "X")
        layout = FeatureLayout.of(np.broadcast_to(0.0, array.shape))
        return Design(array, layout, tuple(getattr(X, "columns", ())) or None, X)
    if is_tree(X):
        return _read_tree(X)
    array = to_matrix(X, "X")
    return Design(array, FeatureLayout.of(np.broadcast_to(0.0, array.shape)))


def _read_tree(X: Any) -> Design:
    labelled = lambda leaf: is_frame(leaf) or is_time_series(leaf)
    leaves, treedef = jtu.tree_flatten(X, is_leaf=labelled)
    if not leaves:
        raise ValueError("X must hold at least one array of features; got an empty container.")
    times = next((leaf for leaf in leaves if is_time_series(leaf)), None)
    arrays = [_leaf_matrix(leaf) for leaf in leaves]
    rows = {len(array) for array in arrays}
    if len(rows) > 1:
        raise ValueError(
            "All leaves of X must have the same number of samples; got "
            f"{[len(array) for array in arrays]}."
        )
    layout = FeatureLayout.of(treedef.unflatten(arrays))
    return Design(layout.join(arrays, axis=1), layout, None, times)


def _leaf_matrix(leaf: Any) -> np.ndarray:
    if is_frame(leaf):
        return frame_values(leaf, "X")
    return to_matrix(leaf.values if is_time_series(leaf) else leaf, "X")


def refuse_duplicate_columns(frame: Any) -> None:
    """Raise ValueError if two columns of a DataFrame have the same name."""
    label, count = max(Counter(frame.columns).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise ValueError(
            f"Columns of X must have different names; {label!r} occurs {count} times. Rename or "
            "drop them."
        )


def frame_values(frame: Any, name: str) -> np.ndarray:
    """Numbers of a DataFrame; nullable entries become NaN."""
    is_polars = type(frame).__module__.split(".")[0] == "polars"
    columns = []
    for index, label in enumerate(frame.columns):
        column = frame[label] if is_polars else frame.iloc[:, index]
        columns.append(_column_values(column, label, name, is_polars))
    if not columns:
        return to_matrix(np.empty((len(frame), 0)), name)
    dtype = np.result_type(*columns)
    return to_matrix(np.stack(columns, axis=1).astype(dtype, copy=False), name)


def _column_values(column: Any, label: Any, name: str, is_polars: bool) -> np.ndarray:
    """Numbers of one column of a DataFrame."""
    kind = str(column.dtype)
    if is_polars:
        numeric = column.dtype.is_numeric() or kind == "Boolean"
        values = column.to_numpy() if numeric else column.to_list()
    else:
        import pandas as pd

        numeric = pd.api.types.is_numeric_dtype(column.dtype) or kind == "object"
        values = column
        if numeric and pd.api.types.is_extension_array_dtype(column.dtype):
            values = column.to_numpy(dtype=float, na_value=np.nan)
    if not numeric:
        first = next(iter(values), None)
        text = isinstance(first, str) and not kind.lower().startswith(("cat", "enum"))
        raise (TextError if text else TypeError)(
            f"`{name}` must hold numbers; column {label!r} has dtype {kind} (first value "
            f"{first!r}). Encode it, for example with scikit-learn's OneHotEncoder."
        )
    return to_float(np.asarray(values), f"column {label!r} of {name}")


def to_matrix(values: Any, name: str) -> np.ndarray:
    """Convert an array-like to a float array of shape (n, columns), with columns."""
    array = to_float(values, name)
    if array.ndim != 2:
        hint = " Reshape your data with X.reshape(-1, 1) if it has one feature." * (array.ndim < 2)
        raise ValueError(f"{name} must be 2-dimensional; got shape {array.shape}.{hint}")
    if array.shape[1] == 0 and len(array):
        raise ValueError(
            f"Found array with 0 feature(s) (shape={array.shape}) while a minimum of 1 is "
            "required. For an intercept alone, pass one column of zeros."
        )
    return array


def to_float(values: Any, name: str) -> np.ndarray:
    """Convert an array-like to float32 or float64, refusing what holds no real numbers."""
    if hasattr(values, "toarray") or type(values).__module__.startswith("scipy.sparse"):
        raise TypeError(
            f"X and y should be array-like objects; sparse {name} is not supported: "
            "pass `.toarray()`."
        )
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        count = int(np.ma.getmaskarray(values).sum())
        raise ValueError(f"{name} has {count} masked entries; fill them, with NaN if missing.")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must have rows of one length; {error}") from error
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {array.dtype}.")
    if array.dtype.kind in "USMmV":
        text = array.dtype.kind in "US"
        hint = " Convert them with `.astype(float)`; labels are for `ClassifierGLM`." * text
        raise (TextError if text else TypeError)(
            "X and y should be array-like objects of numbers; "
            f"{name} has dtype {array.dtype}.{hint}"
        )
    if array.dtype.kind == "O":
        return _from_objects(array, name)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _from_objects(array: np.ndarray, name: str) -> np.ndarray:
    """Convert an array of Python objects that are numbers; pandas's NA becomes NaN."""
    flat = array.ravel()
    for index, item in enumerate(flat):
        if isinstance(item, str | bytes):
            where = tuple(int(i) for i in np.unravel_index(index, array.shape))
            raise TextError(
                f"{name} must hold numbers; entry {where} is the text {item!r}. Encode it; labels "
                "are for `ClassifierGLM`."
            )
        if isinstance(item, complex | np.complexfloating):
            raise ValueError(f"Complex data not supported: {name} holds {item!r}.")
    missing = [item is None or type(item).__name__ in ("NAType", "NaTType") for item in flat]
    if any(missing):
        array = np.where(np.reshape(missing, array.shape), np.nan, array)
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{name}: argument must be a string or a number that reads as one; {error}"
        ) from error
