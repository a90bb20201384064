"""Parameters of a GLM as one value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from bayesglm._module import Module


class GLMParams(Module):
    """Coefficients and intercept.

    Parameters
    ----------
    coef
        Coefficients, shape (p, K), or (p, K, C) for classifiers; link units per feature unit.
    intercept
        Linear predictor at zero features, shape (K,) or (K, C); link units.
    """

    coef: Any
    intercept: Any

    @staticmethod
    def regularizable_subtrees() -> list[Callable[[GLMParams], Any]]:
        """Return accessors of what a regularizer acts on: coefficients, never the intercept."""
        return [lambda params: params.coef]


def pack(params: GLMParams, xp: Any = jnp) -> Any:
    """Parameters as an array (K, D), the intercept last; D = p + 1, times C classes.

    Parameters
    ----------
    params
        The parameters.
    xp
        Module that makes the array, `jax.numpy` or `numpy`.
    """
    stacked = xp.concatenate([params.coef, params.intercept[None]])
    return xp.moveaxis(stacked, 1, 0).reshape(stacked.shape[1], -1)


def unpack(theta: Any, classes: Sequence[int] = (), xp: Any = jnp) -> GLMParams:
    """Invert `pack`; ``classes`` holds the number of classes, where there are any."""
    stacked = xp.moveaxis(theta.reshape(len(theta), -1, *classes), 0, 1)
    return GLMParams(stacked[:-1], stacked[-1])
