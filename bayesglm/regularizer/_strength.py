"""Regularizer strengths: from what a user may write to one checked array."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayesglm.regularizer._distributions import (
    check_positive_distribution,
    describe,
    is_distribution,
)
from bayesglm.regularizer._shape import CoefShape


def as_floats(value: Any, name: str = "regularizer strength") -> np.ndarray:
    """Numbers, booleans or arrays of them as float64; a list or tuple is read as an array.

    Raises
    ------
    TypeError
        If ``value`` holds anything but real numbers.
    """
    if is_distribution(value):
        raise TypeError(
            f"The {name} must be numbers; got {describe(value)}. `sample` takes one distribution "
            "as the strength of all coefficients, `fit` none."
        )
    message = f"Could not convert {name} to floats: {value!r}"
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise TypeError(message) from error
    if array.dtype.kind not in "biuf" and not _is_float_extension(array.dtype):
        raise TypeError(message)
    return array.astype(np.float64)


def check_strength(array: np.ndarray) -> np.ndarray:
    """Return ``array`` if every strength is finite and not negative.

    Raises
    ------
    ValueError
        Otherwise, with the first culprit.
    """
    bad = ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        raise ValueError(
            "`regularizer_strength` must be finite and not negative (0 means no penalty); "
            f"got {array[bad].flat[0]}."
        )
    return array


def coef_strength(value: Any, shape: CoefShape, default: float = 1.0) -> np.ndarray:
    """One number per coefficient, of shape ``shape.internal``, from a scalar, an array or a pytree.

    Parameters
    ----------
    value
        None (``default``), a scalar, an array of the coefficients' shape, or a pytree like the
        coefficients whose leaves are any of these. Where there is more than one response, an axis
        may have length 1: ``(1, K)`` gives one strength per response.

    Raises
    ------
    TypeError
        If it is not numeric.
    ValueError
        If structure or shape do not match the coefficients.
    """
    if value is None or _is_scalar(value):
        return np.full(shape.internal, default if value is None else float(as_floats(value)))
    leaves = shape.leaves_of(value, "`regularizer_strength`")
    filled = [
        _fill(default if leaf is None else leaf, leaf_shape)
        for leaf, leaf_shape in zip(leaves, shape.shapes, strict=True)
    ]
    return shape.join(filled)


def split_strength(regularizer: Any, strength: Any) -> tuple[Any, Any]:
    """Take a strength that has a prior apart.

    Parameters
    ----------
    regularizer
        A `bayesglm.regularizer.Regularizer`.
    strength
        As the user gave it; a NumPyro distribution, or for an elastic net a pair of that and a
        ratio, is a strength that is sampled.

    Returns
    -------
    The strength to fit with, and the distribution of what multiplies it, or None.

    Raises
    ------
    ValueError
        If the regularizer takes no strength, or the distribution is not one of a positive number.
    """
    pair = isinstance(strength, tuple) and len(strength) == 2
    distribution = strength[0] if pair else strength
    if not is_distribution(distribution):
        return strength, None
    parts = getattr(regularizer, "parts", {"": regularizer}).values()
    if all(part.default_strength is None for part in parts):
        raise ValueError(
            f"{type(regularizer).__name__} has no strength: leave `regularizer_strength` None; got "
            f"{describe(distribution)}."
        )
    check_positive_distribution("`regularizer_strength`", distribution)
    return ((1.0, strength[1]) if pair else 1.0), distribution


def _fill(value: Any, leaf_shape: tuple[int, ...]) -> np.ndarray:
    """One leaf's strengths as an array of the leaf's shape."""
    array = as_floats(value)
    matches = array.shape == leaf_shape or array.ndim == 0
    if not matches and array.ndim == len(leaf_shape) >= 2:
        matches = all(got in (1, want) for got, want in zip(array.shape, leaf_shape, strict=True))
    if not matches:
        raise ValueError(
            f"Strength shape {array.shape} does not match parameter shape {leaf_shape}: "
            "`regularizer_strength` must be a scalar or have one entry per coefficient."
        )
    return np.broadcast_to(array, leaf_shape)


def _is_scalar(value: Any) -> bool:
    """Whether ``value`` is a number or an array without axes."""
    return isinstance(value, (bool, int, float)) or getattr(value, "shape", None) == ()


def _is_float_extension(dtype: np.dtype) -> bool:
    """Whether ``dtype`` is a floating type NumPy does not know itself, such as bfloat16."""
    return dtype.kind == "V" and "float" in dtype.name
