"""What penalties are as priors, in words and numbers."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglm.regularizer._distributions import describe
from bayesglm.regularizer.penalties import (
    CompositePenalty,
    ElasticNetPenalty,
    GroupPenalty,
    Penalty,
)
from bayesglm.regularizer.prior_draws import flat
from bayesglm.regularizer.prior_penalties import PriorPenalty, VectorPriorPenalty


@dataclass(frozen=True)
class Units:
    """What the size of a prior is counted in.

    Parameters
    ----------
    factor
        Rows over the known part of the dispersion factor, shape (K,).
    by_scale
        Whether the dispersion factor is proportional to the dispersion, which is not known.
    by_strength
        Whether the strength is not known.
    """

    factor: np.ndarray
    by_scale: bool
    by_strength: bool

    def linear(self, size: float) -> str:
        """Text of a size that grows like the dispersion, and falls like the strength."""
        by_scale, by_strength = " * scale" * self.by_scale, " / strength" * self.by_strength
        return f"{size:.4g}{by_scale}{by_strength}"

    def divisor(self, size: float) -> str:
        """Text of the same below a fraction bar."""
        text = self.linear(size)
        return f"({text})" if " " in text else text

    def root(self, size: float) -> str:
        """Text of a size that grows like the root of the dispersion."""
        if not self.by_scale and not self.by_strength:
            return f"{size:.4g}"
        above, below = "scale" if self.by_scale else "1", " / strength" * self.by_strength
        return f"{size:.4g} * sqrt({above}{below})"


@functools.singledispatch
def texts(penalty: Penalty, units: Units, shape: tuple[int, ...]) -> np.ndarray:
    """Text of the prior of each coefficient.

    Parameters
    ----------
    penalty
        Resolved penalty.
    units
        What its sizes are counted in.
    shape
        Shape of the coefficients, (p, K[, C]).

    Returns
    -------
    Array of text of that shape.
    """
    del units
    return np.full(shape, type(penalty).__name__, object)


@texts.register
def _(penalty: ElasticNetPenalty, units, shape):
    factor = units.factor.reshape(1, -1, *(1,) * (len(shape) - 2))
    l1, l2 = (
        np.broadcast_to(factor * np.asarray(weight), shape) for weight in (penalty.l1, penalty.l2)
    )

    def text(l1: float, l2: float) -> str:
        if l1 == 0 and l2 == 0:
            return "flat"
        laplace = l1 and units.linear(1 / l1)
        normal = l2 and units.root(l2**-0.5)
        if l2 == 0:
            return f"Laplace(loc=0, scale={laplace})"
        if l1 == 0:
            return f"Normal(loc=0, scale={normal})"
        return f"Laplace(loc=0, scale={laplace}) times Normal(loc=0, scale={normal})"

    return np.vectorize(text, otypes=[object])(l1, l2)


@texts.register
def _(penalty: GroupPenalty, units, shape):
    ids, first = np.asarray(penalty.group_ids), np.asarray(penalty.first_response)
    rates = np.asarray(penalty.weights) * units.factor[first]
    words = [
        f"exp(-norm(group {group}) / {units.divisor(1 / rate)})" if rate else "flat"
        for group, rate in enumerate(rates)
    ]
    return np.array([*words, "flat"], object)[ids].reshape(shape)


@texts.register
def _(penalty: PriorPenalty, units, shape):
    del units
    if flat(penalty, shape).all():
        return np.full(shape, "flat", object)
    return by_entry(penalty.distribution, penalty.user_shape).reshape(shape)


@texts.register
def _(penalty: VectorPriorPenalty, units, shape):
    del units
    return np.full(shape, f"{describe(penalty.distribution)} of all features", object)


@texts.register
def _(penalty: CompositePenalty, units, shape):
    pieces = zip(penalty.parts, penalty.widths, strict=True)
    return np.concatenate([texts(part, units, (width, *shape[1:])) for part, width in pieces])


def by_entry(distribution: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Text of a distribution of single numbers at each entry of a shape, numbers resolved."""
    values = {
        name: np.broadcast_to(np.asarray(vars(distribution)[name], float), shape)
        for name in distribution.arg_constraints
        if name in vars(distribution)
    }
    if not values:  # a distribution made of another one
        return np.full(shape, describe(distribution), object)
    kind = type(distribution).__name__
    words = np.empty(shape, object)
    for index in np.ndindex(shape):
        numbers = ", ".join(f"{name}={value[index]:.4g}" for name, value in values.items())
        words[index] = f"{kind}({numbers})"
    return words
