"""Draws from what penalties are as priors, in closed form, and where these are flat."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np
from scipy import special

from bayesglm.regularizer.penalties import (
    CompositePenalty,
    ElasticNetPenalty,
    GroupPenalty,
    Penalty,
)
from bayesglm.regularizer.prior_penalties import (
    InterceptPenalty,
    PriorPenalty,
    VectorPriorPenalty,
)

LARGEST_RATIO = 1e5  # of a lasso to the root of a ridge, beyond which the ridge does not matter


@functools.singledispatch
def flat(penalty: Penalty, shape: tuple[int, ...]) -> np.ndarray:
    """Return where the prior of a coefficient is flat, booleans of the coefficients' shape.

    Parameters
    ----------
    penalty
        Resolved penalty.
    shape
        Shape of the coefficients, (p, K[, C]).
    """
    del penalty
    return np.zeros(shape, bool)


@functools.singledispatch
def draw(
    penalty: Penalty, rng: np.random.Generator, factor: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Draw coefficients; those whose prior is flat are zero.

    Parameters
    ----------
    penalty
        Resolved penalty.
    rng
        Source of random numbers.
    factor
        Rows over the dispersion factor, for each draw and response, shape (S, K).
    shape
        Shape of the coefficients, (p, K[, C]).

    Returns
    -------
    Shape (S, p, K[, C]).

    Raises
    ------
    NotImplementedError
        For a kind of penalty that is not of this package.
    """
    raise NotImplementedError(
        f"Nothing is known of how to draw from {type(penalty).__name__}; register a function with "
        "`bayesglm.regularizer.prior_draws.draw.register`."
    )


def random_key(rng: np.random.Generator) -> Any:
    """Return a new JAX key."""
    return jax.random.PRNGKey(int(rng.integers(2**31)))


def sample(distribution: Any, rng: np.random.Generator, count: int, shape: tuple) -> np.ndarray:
    """Draw from a NumPyro distribution as if its batch shape were ``shape``."""
    wide = distribution.expand(shape) if shape else distribution
    return np.asarray(wide.sample(random_key(rng), (count,)))


def intercept_part(penalty: Penalty) -> InterceptPenalty | None:
    """Return the part of a penalty that is on the intercept."""
    if isinstance(penalty, InterceptPenalty):
        return penalty
    parts = getattr(penalty, "parts", ())
    return next((found for part in parts if (found := intercept_part(part)) is not None), None)


@flat.register
def _(penalty: ElasticNetPenalty, shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to((penalty.l1 == 0) & (penalty.l2 == 0), shape)


@draw.register
def _(penalty: ElasticNetPenalty, rng, factor, shape):
    factor = factor.reshape(len(factor), 1, -1, *(1,) * (len(shape) - 2))
    l1, l2 = (
        np.broadcast_to(factor * np.asarray(weight), (len(factor), *shape))
        for weight in (penalty.l1, penalty.l2)
    )
    root = np.sqrt(l2)
    laplace = l1 > LARGEST_RATIO * root
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(laplace, 0.0, l1 / root)
        tail = special.log_ndtr(-ratio) + np.log(rng.uniform(size=ratio.shape))
        normal = (-special.ndtri_exp(tail) - ratio) / root  # beyond the ratio, less the ratio
        size = np.where(laplace, rng.exponential(size=ratio.shape) / l1, normal)
    sign = rng.choice([-1.0, 1.0], size=size.shape)
    return np.where((l1 == 0) & (l2 == 0), 0.0, sign * size)


@flat.register
def _(penalty: GroupPenalty, shape: tuple[int, ...]) -> np.ndarray:
    del shape
    weights = np.append(np.asarray(penalty.weights), 0.0)
    return weights[np.asarray(penalty.group_ids)] == 0


@draw.register
def _(penalty: GroupPenalty, rng, factor, shape):
    ids, count = np.asarray(penalty.group_ids), penalty.num_groups
    rates = np.asarray(penalty.weights) * factor[:, np.asarray(penalty.first_response)]
    sizes = np.bincount(ids.ravel(), minlength=count + 1)[:count]
    radius = rng.gamma(sizes, size=rates.shape) / np.where(rates > 0, rates, np.inf)
    direction = rng.standard_normal((len(factor), *shape))
    membership = (ids.ravel() == np.arange(count)[:, None]).astype(float)
    norms = np.sqrt(direction.reshape(len(factor), -1) ** 2 @ membership.T)
    stretch = np.append(radius / np.where(norms > 0, norms, 1.0), np.zeros((len(factor), 1)), 1)
    return direction * stretch[:, ids]


@flat.register
def _(penalty: PriorPenalty, shape: tuple[int, ...]) -> np.ndarray:
    from numpyro import distributions as dist

    base = penalty.distribution
    while isinstance(base, (dist.ExpandedDistribution, dist.Independent)):
        base = base.base_dist
    return np.full(shape, isinstance(base, dist.ImproperUniform))


@draw.register
def _(penalty: PriorPenalty, rng, factor, shape):
    if flat(penalty, shape).any():
        return np.zeros((len(factor), *shape))
    return sample(penalty.distribution, rng, len(factor), penalty.user_shape).reshape(-1, *shape)


@draw.register
def _(penalty: VectorPriorPenalty, rng, factor, shape):
    if penalty.whole:
        return sample(penalty.distribution, rng, len(factor), ()).reshape(-1, *shape)
    vectors = sample(penalty.distribution, rng, len(factor), penalty.user_shape[1:])
    return np.moveaxis(vectors, -1, 1).reshape(-1, *shape)


@draw.register
def _(penalty: InterceptPenalty, rng, factor, shape):
    del penalty, rng
    return np.zeros((len(factor), *shape))


@flat.register
def _(penalty: CompositePenalty, shape: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([flat(part, own) for part, own in _parts(penalty, shape)])


@draw.register
def _(penalty: CompositePenalty, rng, factor, shape):
    pieces = [draw(part, rng, factor, own) for part, own in _parts(penalty, shape)]
    return np.concatenate(pieces, axis=1)


def _parts(penalty: CompositePenalty, shape: tuple[int, ...]) -> list[tuple[Penalty, tuple]]:
    """Return the parts of a penalty with the shapes of their coefficients."""
    widths = zip(penalty.parts, penalty.widths, strict=True)
    return [(part, (width, *shape[1:])) for part, width in widths]
