"""Parameters of a GLM as one value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx


class GLMParams(eqx.Module):
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
