"""What a family says of a mean that it cannot have, where the inverse link may give one."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from bayesglm.links import InverseLink

POSSIBLE = 0.5  # a mean that every family with a range can have


def always_possible(observations: Any, link: InverseLink) -> bool:
    """Whether a link gives means only that the observation model can have."""
    low, high = observations.mean_range
    return bool(low <= link.mean_range[0] and link.mean_range[1] <= high)


def outside_is(value: float) -> Callable:
    """Decorate `log_density` or `kernel`: ``value`` where the mean is out of the family's range.

    Derivatives there are zero, in either direction of differentiation, and never NaN. Nothing is
    added where the inverse link gives means in the range only. A mean at an end of the range is
    left to the decorated function, and also gets ``value`` if that has none for it.
    """

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def guarded(self: Any, y: Any, eta: Any, link: InverseLink, scale: Any) -> Any:
            if always_possible(self, link):
                return function(self, y, eta, link, scale)
            (low, high), mean = self.mean_range, link(eta)
            outside = (mean < low) | (mean > high) | (jnp.isnan(mean) & ~jnp.isnan(eta))
            inner = jnp.where(outside, _possible_predictor(link), eta)
            result = function(self, y, inner, link, scale)
            at_end = (mean == low) | (mean == high)
            return jnp.where(outside | (at_end & jnp.isnan(result)), value, result)

        return guarded

    return decorate


@functools.lru_cache(maxsize=64)
def _possible_predictor(link: InverseLink) -> float:
    """Linear predictor of a possible mean; zero if there is none."""
    with jax.ensure_compile_time_eval():
        try:
            eta = float(link.inverse(POSSIBLE))
        except ValueError:
            return 0.0
    return eta if math.isfinite(eta) else 0.0
