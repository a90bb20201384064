"""Proximal points of penalties of one variable that have no closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Array = Any
_DOUBLINGS = 30
_HALVINGS = 64


def proximal_point(
    penalty: Callable[[Array], Array], point: Array, step: Array, lower: Array, upper: Array
) -> Array:
    r"""Stationary point of $t\,h(z) + \tfrac12 (z - w)^2$ in an interval, elementwise.

    The derivative $t h'(z) + z - w$ is followed downhill from $w$ in steps that double until it
    changes sign, then halved. The stationary point is the minimum if $h$ is convex, or $t$
    less than one over its largest negative curvature; otherwise it is a local minimum.

    Parameters
    ----------
    penalty
        $h$, elementwise and differentiable inside the interval.
    point, step
        $w$ and $t$, broadcastable to each other.
    lower, upper
        Ends of the interval, which may be infinite.

    Returns
    -------
    Array of the shape of ``point``, to the precision of its type.
    """
    slope = jax.grad(lambda z: jnp.sum(penalty(z)))

    def descent(z: Array) -> Array:
        return step * slope(z) + z - point

    inner_low, inner_high = _inside(lower, upper, point.dtype)
    start = jnp.clip(point, inner_low, inner_high)
    at_start = descent(start)
    sign = jnp.sign(at_start)

    def double(_: int, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        near, far, stride = carry
        crossed = descent(far) * sign <= 0
        further = jnp.clip(far - sign * stride, inner_low, inner_high)
        near, far = jnp.where(crossed, near, far), jnp.where(crossed, far, further)
        return near, far, jnp.where(crossed, stride, 2.0 * stride)

    def halve(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        near, far = carry
        middle = 0.5 * (near + far)
        beyond = descent(middle) * sign <= 0
        return jnp.where(beyond, near, middle), jnp.where(beyond, middle, far)

    stride = jnp.minimum(jnp.abs(at_start), 1.0 + jnp.abs(point))
    far = jnp.clip(start - sign * stride, inner_low, inner_high)
    near, far, _ = jax.lax.fori_loop(0, _DOUBLINGS, double, (start, far, stride))
    near, far = jax.lax.fori_loop(0, _HALVINGS, halve, (near, far))
    found = 0.5 * (near + far)
    for end, inner in ((lower, inner_low), (upper, inner_high)):
        at_end = jnp.abs(found - end) <= jnp.abs(inner - end)
        possible = jnp.isfinite(penalty(jnp.broadcast_to(end, found.shape)))
        found = jnp.where(at_end & possible, end, found)
    return found


def _inside(lower: Array, upper: Array, dtype: Any) -> tuple[Array, Array]:
    """Return the ends of the interval moved inside by a few units of the last place, if finite."""
    margin = 4 * jnp.finfo(dtype).eps
    room = jnp.where(jnp.isfinite(upper - lower), upper - lower, 1.0)
    inner_low = lower + margin * jnp.maximum(jnp.abs(lower), room)
    inner_high = upper - margin * jnp.maximum(jnp.abs(upper), room)
    return (
        jnp.where(jnp.isfinite(lower), inner_low, lower),
        jnp.where(jnp.isfinite(upper), inner_high, upper),
    )
