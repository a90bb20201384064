"""The numbers behind the pictures of coefficients: mode and posterior of every term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bayesglm import intervals

INNER = 0.5  # level of the thick interval
OF_THE_MODEL = {"coef", "intercept", "scale"}  # other draws are of a prior's own parameters


@dataclass(frozen=True)
class Estimates:
    """Estimates of some terms, responses and classes; NaN where there is none.

    Parameters
    ----------
    mode, wald
        The fit, shape (T, K, C), and its bounds, shape (2, T, K, C).
    mean, inner, outer
        The posterior mean, and the bounds of its 50 % interval and of the one asked for.
    held
        Whether a mask holds the coefficient at zero, shape (T, K, C).
    terms, responses, classes
        Labels of the axes; ``[None]`` where a model has one response, or no classes.
    level
        Coverage of ``wald`` and ``outer``.
    """

    mode: np.ndarray
    wald: np.ndarray
    mean: np.ndarray
    inner: np.ndarray
    outer: np.ndarray
    held: np.ndarray
    terms: list
    responses: list
    classes: list
    level: float

    @property
    def center(self) -> np.ndarray:
        """Posterior means, or the mode without a posterior."""
        return np.where(np.isnan(self.mean), self.mode, self.mean)

    @property
    def bounds(self) -> np.ndarray:
        """Bounds that belong to `center`, shape (2, T, K, C)."""
        return np.where(np.isnan(self.mean), self.wald, self.outer)

    def take(self, axis: str, index: Sequence[int]) -> Estimates:
        """Return those of some terms, responses or classes, by number."""
        at = ("terms", "responses", "classes").index(axis) - 3
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                values[name] = np.take(value, index, axis=at)
        values[axis] = [values[axis][i] for i in index]
        return Estimates(**values)


def estimates(model: Any, level: float) -> Estimates:
    """All that a model knows of its coefficients and intercepts, the intercept last.

    Parameters
    ----------
    model
        A fitted estimator.
    level
        Coverage of the Wald and of the outer interval, in (0, 1).
    """
    model._require_fitted()
    terms = [*model._labels, "intercept"]
    classes = model._class_labels() or [None]
    shape = (len(terms), model._coef.shape[1], len(classes))
    unknown, no_bounds = np.full(shape, np.nan), np.full((2, *shape), np.nan)
    mode, wald, mean, inner, outer = unknown, no_bounds, unknown, no_bounds, no_bounds
    tree = model.posterior_
    if tree is None or set(map(str, tree["posterior"].data_vars)) <= OF_THE_MODEL:
        mode = np.concatenate([model._coef, model._intercept[None]]).reshape(shape)
        if model._covariance is not None:
            wald = _bounds(intervals.summarize(model, level), shape)
    if tree is not None:
        table = model.credible_interval(level)
        mean, outer = table["mean"].to_numpy().reshape(shape), _bounds(table, shape)
        inner = _bounds(model.credible_interval(INNER), shape)
    held = _held(model, shape)
    values = [np.where(held, np.nan, value) for value in (mode, wald, mean, inner, outer)]
    responses = model._response_labels() or [None]
    return Estimates(*values, held, terms, responses, classes, level)


def _bounds(table: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Bounds of a table, shape (2, *shape)."""
    return table[["lower", "upper"]].to_numpy().T.reshape(2, *shape)


def _held(model: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Whether a parameter is not in the model: masked, or the intercept of a model without."""
    held = np.zeros(shape, bool)
    mask = model._feature_mask(model._layout, model._trailing(shape[1]))
    if mask is not None:
        held[:-1] = np.asarray(mask).reshape(shape[0] - 1, *shape[1:]) == 0
    held[-1] = not model.fit_intercept
    return held


def positions(labels: Sequence[Any], wanted: Any, argument: str) -> list[int]:
    """Positions of the labels wanted, in the order of the wish; all where None.

    Raises
    ------
    ValueError
        If there is no such label.
    """
    if wanted is None:
        return list(range(len(labels)))
    single = isinstance(wanted, str) or not hasattr(wanted, "__iter__")
    wanted = [wanted] if single else list(wanted)
    unknown = [name for name in wanted if name not in labels]
    if unknown or not wanted:
        shown = ", ".join(map(str, labels[:8])) + ", ..." * (len(labels) > 8)
        raise ValueError(f"`{argument}` must name some of {shown}; got {unknown or wanted}.")
    return [list(labels).index(name) for name in wanted]
