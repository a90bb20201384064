"""Every check of what a user passes, before anything is compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.exceptions import DataWarning
from bayesglm.glm.checks import refuse_extreme, refuse_tiny
from bayesglm.glm.design import Design, is_frame, is_time_series, read_design, to_float


@dataclass(frozen=True)
class Data:
    """Checked observations, rows with missing features left out.

    Parameters
    ----------
    design
        Features.
    y
        Responses, shape (n, K); class codes for classifiers. Missing cells hold the mean.
    weight
        Case weights, shape (n, 1), or (n, K) where cells are missing; zero there.
    offset
        Shape (n, 1) or (n, K), for classifiers (n, 1, 1) or (n, K, C); None without.
    """

    design: Design
    y: np.ndarray
    weight: np.ndarray
    offset: np.ndarray | None

    @cached_property
    def num_rows(self) -> np.ndarray:
        """Sum of weights of each response, shape (K,)."""
        return np.broadcast_to(self.weight.sum(axis=0), self.y.shape[1]).astype(float)

    @property
    def response_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each response, weighted, shapes (K,)."""
        weight = self.weight / self.weight.sum(axis=0)
        mean = (weight * self.y).sum(axis=0)
        return mean, np.sqrt((weight * (self.y - mean) ** 2).sum(axis=0))


@dataclass(frozen=True)
class GLMValidator:
    """Checks for one kind of estimator.

    Parameters
    ----------
    y_ndim
        1 for a single response, 2 for a population.
    other
        Name of the estimator for the other kind of response, for messages.
    """

    y_ndim: int
    other: str

    def read(
        self,
        X: Any,
        y: Any,
        trailing: Callable[[int], tuple[int, ...]],
        sample_weight: Any = None,
        offset: Any = None,
        missing: str = "drop",
    ) -> Data:
        """Convert and check observations; see `Data`.

        ``trailing`` gives the shape of one row of offsets for a number of responses.
        """
        design = read_design(X)
        if not len(design.array):
            raise ValueError(
                f"Found array with 0 sample(s) (shape={design.array.shape}) while a minimum of 1 "
                "is required."
            )
        y = self.read_response(y, X)
        if len(y) != len(design.array):
            raise ValueError(
                "X and y must have the same number of samples; got "
                f"{len(design.array)} and {len(y)}."
            )
        lost_rows = np.zeros(len(y), bool)
        if refuse_extreme(design.array, "X", design.labels):
            lost_rows = np.isnan(design.array).any(axis=1)
        refuse_extreme(y, "y")
        refuse_tiny(y, "y")
        weight = read_weight(sample_weight, y.shape)
        if offset is not None:
            offset = self.read_offset(offset, len(y), trailing(y.shape[1]))
        lost_cells = np.isnan(y)
        report_missing(lost_rows, lost_cells, missing)
        data = _without_missing(design, y, weight, offset, lost_rows, lost_cells)
        refuse_empty_responses(data)
        return data

    def read_features(
        self, X: Any, offset: Any, trailing: tuple[int, ...]
    ) -> tuple[Design, np.ndarray | None]:
        """Convert and check features and offset; NaN in X is let through."""
        design = read_design(X)
        refuse_extreme(design.array, "X", design.labels)
        if offset is not None:
            offset = self.read_offset(offset, len(design.array), trailing)
        return design, offset

    def read_offset(self, offset: Any, num_rows: int, trailing: tuple[int, ...]) -> np.ndarray:
        """Offsets of the linear predictors, one per row or for each of their entries.

        Parameters
        ----------
        offset
            Shape (n,) or (n, *trailing).
        num_rows, trailing
            What the linear predictor's shape is for the user: (n, *trailing).

        Returns
        -------
        Shape (n, 1) or (n, K), for classifiers (n, 1, 1) or (n, K, C).
        """
        array = to_float(offset, "offset").astype(float, copy=False)
        internal = (num_rows, 1, *trailing) if self.y_ndim == 1 else (num_rows, *trailing)
        alike = (num_rows, *(1,) * (len(internal) - 1))
        allowed = {(num_rows,): alike, alike: alike, (num_rows, *trailing): internal}
        if array.shape not in allowed:
            shapes = " or ".join(map(str, dict.fromkeys([(num_rows,), (num_rows, *trailing)])))
            raise ValueError(
                f"`offset` must have one entry per row, shape {shapes}; got shape {array.shape}."
            )
        refuse_extreme(array, "offset", missing=False)
        return array.reshape(allowed[array.shape])

    def read_response(self, y: Any, X: Any = None) -> np.ndarray:
        """Responses as floats, shape (n, K); NaN marks a missing cell."""
        if y is None:
            raise ValueError("This estimator requires y to be passed, but the target y is None.")
        self._check_time_axes(X, y)
        if is_time_series(y):
            y = y.values
        elif is_frame(y):
            y = y.to_numpy()
        array = to_float(y, "y").astype(float, copy=False)
        return self.check_response_shape(array)

    def check_response_shape(self, array: np.ndarray) -> np.ndarray:
        """``array`` with a response axis; complains of the wrong number of axes."""
        if array.ndim == self.y_ndim:
            return array[:, None] if self.y_ndim == 1 else array
        if self.y_ndim == 1 and array.ndim == 2 and array.shape[1] == 1:
            from sklearn.exceptions import DataConversionWarning

            warn_user(
                f"A column-vector y was passed when a 1d array was expected: shape {array.shape}. "
                "Pass y.ravel().",
                DataConversionWarning,
            )
            return array
        raise ValueError(
            f"y must be {self.y_ndim}-dimensional; got shape {array.shape}. "
            f"For {'several responses' if self.y_ndim == 1 else 'one response'} use {self.other}."
        )

    @staticmethod
    def _check_time_axes(X: Any, y: Any) -> None:
        if not (is_time_series(X) and is_time_series(y)):
            return
        if len(X.t) != len(y.t) or not np.allclose(X.t, y.t):
            raise ValueError(
                f"Time axis mismatch: X has {len(X.t)} time points and y {len(y.t)}, or they "
                "differ."
            )


def read_weight(sample_weight: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Case weights, shape (n, 1) or (n, K), from either or (n,); ones by default."""
    if sample_weight is None:
        return np.ones((shape[0], 1))
    array = to_float(sample_weight, "sample_weight").astype(float)
    if array.shape not in (shape[:1], (shape[0], 1), shape):
        each = f" or {shape}, one per entry of y" * (shape[1] > 1)
        raise ValueError(
            f"`sample_weight` must have shape {shape[:1]}, one weight per row{each}; got "
            f"{array.shape}."
        )
    refuse_extreme(array, "sample_weight", missing=False)
    refuse_tiny(array, "sample_weight")
    if (array < 0).any():
        first = int(np.argmax((array < 0).reshape(len(array), -1).any(axis=1)))
        raise ValueError(
            f"`sample_weight` must not be negative; {int((array < 0).sum())} weights are, "
            f"the first in row {first}."
        )
    array = array.reshape(len(array), -1)
    if not (array.sum(axis=0) > 0).all():
        raise ValueError("`sample_weight` must not be zero for all rows: nothing is left to fit.")
    return array


def refuse_empty_responses(data: Data) -> None:
    """Raise ValueError naming responses that no row is left of."""
    empty = np.flatnonzero(~(data.num_rows > 0))
    if empty.size:
        which = f" of responses {empty[:10].tolist()}" if data.y.shape[1] > 1 else ""
        raise ValueError(
            f"No entry of y{which} is observed with a weight above zero: nothing is left to fit. "
            "Leave them out."
        )


def report_missing(rows: np.ndarray, cells: np.ndarray, missing: str) -> None:
    """Warn of, or refuse, rows with missing features and cells with missing responses."""
    if missing not in ("drop", "raise"):
        raise ValueError(f"`missing` must be 'drop' or 'raise'; got {missing!r}.")
    counted = []
    if rows.any():
        counted.append(f"{int(rows.sum())} rows of X have NaN (first: row {int(np.argmax(rows))})")
    if cells.any():
        first = int(np.argmax(cells.any(axis=1)))
        counted.append(f"{int(cells.sum())} entries of y are NaN (first in row {first})")
    if not counted:
        return
    if (rows | cells.all(axis=1)).all():
        raise ValueError("At least a NaN or an Inf at all sample points: nothing is left to fit.")
    if missing == "raise":
        raise ValueError(f"{'; '.join(counted)}. Remove them or use missing='drop'.")
    warn_user(f"{'; '.join(counted)}; they are left out.", DataWarning)


def _without_missing(design, y, weight, offset, lost_rows, lost_cells):
    """Cut rows with missing features; give missing cells weight zero."""
    if lost_cells.any():
        weight = np.where(lost_cells, 0.0, np.broadcast_to(weight, y.shape))
        counts = np.maximum((~lost_cells).sum(axis=0), 1)
        means = np.where(lost_cells, 0.0, y).sum(axis=0) / counts
        y = np.where(lost_cells, means, y)
    if lost_rows.any():
        kept = ~lost_rows
        design = Design(design.array[kept], design.layout, design.names, None)
        y, weight = y[kept], weight[kept]
        offset = None if offset is None else offset[kept]
    return Data(design, y, weight, offset)


def check_support(observations: Any, y: np.ndarray, weight: np.ndarray) -> None:
    """Refuse responses that the observation model cannot produce; warn of broken counts."""
    for setting in observations.settings_of_rows:
        if np.ndim(observations.get_params()[setting]):
            raise ValueError(
                f"`{setting}` of the observation model must be one number for all rows, which may "
                "be dropped or split; got one for each. Fit BernoulliObservations() to the "
                f"proportions `y / {setting}` with `sample_weight={setting}`: it is the same model."
            )
    counted = np.broadcast_to(weight > 0, y.shape)
    bad = counted & ~np.asarray(observations.in_support(y))
    name = type(observations).__name__.removesuffix("Observations")
    if bad.any():
        row, column = np.unravel_index(np.argmax(bad), y.shape)
        where = f"row {row}" + (f", response {column}" if y.shape[1] > 1 else "")
        raise ValueError(
            f"Some value(s) of y are out of the valid range of the {name} model: y must be "
            f"{observations.support}; {int(bad.sum())} entries are not, the first is "
            f"{y[row, column]:g} in {where}. {observations.remedy}"
        )
    broken = counted & ~observations.has_probability(y, weight)
    if broken.any():
        row = int(np.argmax(broken.any(axis=1)))
        warn_user(
            f"{int(broken.sum())} entries of y are not integers (first in row {row}): the "
            f"{name} likelihood is used as a quasi-likelihood.",
            DataWarning,
        )


def read_params(params: Any, trailing: tuple[int, ...], layout: Any) -> tuple:
    """User parameters ``(coef, intercept)`` as float arrays joined over leaves."""
    if not isinstance(params, tuple | list):
        raise TypeError("GLM params must be a tuple/list of length two, (coef, intercept).")
    if len(params) != 2:
        raise ValueError(f"Params must have length two, (coef, intercept); got {len(params)}.")
    coef, intercept = params
    leaves = _param_leaves(coef, layout)
    intercept = _numeric(intercept)
    if not all(np.isfinite(part).all() for part in (*leaves, intercept)):
        raise ValueError("Params must be finite; some coefficients or intercepts are NaN or inf.")
    expected = trailing or (1,)
    if intercept.shape != expected:
        raise ValueError(
            "Intercept term should be a one-dimensional array"
            f" of shape {expected}; got shape {intercept.shape}."
        )
    for leaf, width in zip(leaves, layout.widths, strict=True):
        if leaf.ndim != 1 + len(trailing) or leaf.size == 0:
            raise ValueError(
                f"Invalid parameter dimensionality: coefficients must have {1 + len(trailing)} "
                f"axes and not be empty; got shape {leaf.shape}."
            )
        if len(leaf) != width:
            raise ValueError(
                f"Inconsistent number of features: coefficients have {len(leaf)}, X has {width}."
            )
        if leaf.shape[1:] != trailing:
            raise ValueError(
                f"Inconsistent number of neurons or classes: coefficients have shape {leaf.shape}, "
                f"expected {(width, *trailing)}."
            )
    return layout.join(leaves), intercept


def _param_leaves(coef: Any, layout: Any) -> list[np.ndarray]:
    import jax.tree_util as jtu

    if layout.is_array:
        return [_numeric(coef)]
    leaves, treedef = jtu.tree_flatten(coef)
    if treedef != layout.treedef:
        raise TypeError(f"X and coef have mismatched structure: {layout.treedef} and {treedef}.")
    return [_numeric(leaf) for leaf in leaves]


def _numeric(value: Any) -> np.ndarray:
    try:
        return np.asarray(value, float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"Failed to convert parameters to JAX arrays: {error}") from error


def read_feature_mask(mask: Any, layout: Any, trailing: tuple[int, ...]) -> np.ndarray | None:
    """Feature mask as booleans of shape (p, *trailing), from an array or a pytree.

    A leaf of a pytree may have the shape of its coefficients, or one entry per response.
    """
    if mask is None:
        return None
    import jax.tree_util as jtu

    if layout.is_array:
        leaves = [_mask_values(mask)]
        expected = (layout.num_features, *trailing)
        if leaves[0].shape != expected:
            raise ValueError(
                "The shape of the ``feature_mask`` array must match that of the ``coef``, "
                f"{expected}; got {leaves[0].shape}."
            )
        return leaves[0]
    leaves, treedef = jtu.tree_flatten(mask)
    if treedef != layout.treedef:
        raise TypeError(
            f"feature_mask and X must have the same structure; got {treedef} and {layout.treedef}."
        )
    wide = []
    for leaf, width in zip(map(_mask_values, leaves), layout.widths, strict=True):
        if leaf.shape not in ((width, *trailing), trailing):
            raise ValueError(
                f"Inconsistent number of neurons. feature_mask has a leaf of shape {leaf.shape}; "
                f"expected {(width, *trailing)} or {trailing}."
            )
        wide.append(np.broadcast_to(leaf, (width, *trailing)))
    return layout.join(wide)


def _mask_values(mask: Any) -> np.ndarray:
    array = to_float(mask, "feature_mask")
    if not np.isin(array, (0, 1)).all():
        raise ValueError("'feature_mask' must contain only 0s and 1s.")
    return array.astype(bool)
