"""Checks and forms of the numbers given to an observation model."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array


def positive_array(name: str, value: Any) -> np.ndarray:
    """Check positive numbers; a NumPy leaf in float64, so that new values recompile nothing."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The `{name}` parameter must be of numeric type; got {value!r}."
        ) from error
    if not np.all(np.isfinite(array) & (array > 0)):
        raise ValueError(f"The `{name}` parameter must be positive and finite; got {value!r}.")
    return array


def plain(value: Any) -> Any:
    """Return a float where the array is 0-d, so that representations read well."""
    return float(value) if np.ndim(value) == 0 and value is not None else value


def cast(value: Any, *like: Any) -> Array:
    """Give a setting the precision of the arrays it meets."""
    return jnp.asarray(value, jnp.result_type(0.5, *like))
