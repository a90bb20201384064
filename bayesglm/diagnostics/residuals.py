r"""Residuals: how far each response is from what the model expects.

A quantile residual is :math:`\Phi^{-1}(F(y))`, standard normal if the model is right whatever the
family. A discrete response gets a uniform number between the probabilities below it and up to it.
With draws, :math:`F` is the mean of the distribution functions at each of them.

References
----------
McCullagh and Nelder (1989), *Generalized Linear Models*, 2nd ed., section 2.4. Dunn and Smyth
(1996), Randomized quantile residuals, *Journal of Computational and Graphical Statistics* 5,
236-244.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from bayesglm.diagnostics.leave_one_out import Rows
from bayesglm.posterior.blocks import Cells, Drawn, blocks, by_rows
from bayesglm.posterior.distributions import has_distribution, setting_of_rows, shapes_of
from bayesglm.posterior.replicates import response_blocks

NUM_DRAWS = 1000  # of responses, where a family has no distribution function


def residuals(kind: str, drawn: Drawn, rows: Rows, *, seed: int = 0, **how: Any) -> np.ndarray:
    """Residuals, shape (n, K); NaN where a response is missing.

    Parameters
    ----------
    kind
        One of `KINDS`.
    drawn
        The draws: one, for residuals at a fit.
    rows
        The observations.
    seed
        Of the uniform numbers that discrete responses get.
    how
        As in `bayesglm.posterior.blocks.blocks`.
    """
    how = {"description": "residuals", **how}
    if kind == "quantile":
        found = _quantile_residuals(drawn, rows, seed, how)
    else:
        found = by_rows(MEASURES[kind], drawn, rows.X, rows.offset, rows.y, **how)
    return np.where(rows.missing, np.nan, found)


def _mean_and_scale(cells: Cells) -> tuple[Any, Any]:
    """Mean over the draws, and dispersion: one where it is a mere factor of the variance."""
    mean, scale = cells.mean.mean(axis=1), cells.scale.mean(axis=0)
    is_factor = cells.observations.scale_estimator in ("none", "moments")
    return mean, jnp.ones_like(scale) if is_factor else scale


def _response(cells):
    mean, _ = _mean_and_scale(cells)
    return cells.y - cells.observations.expectation(mean)


def _pearson(cells):
    return _response(cells) / jnp.sqrt(cells.observations.variance(*_mean_and_scale(cells)))


def _deviance(cells):
    deviance = cells.observations.unit_deviance(cells.y, *_mean_and_scale(cells))
    return jnp.sign(_response(cells)) * jnp.sqrt(jnp.maximum(deviance, 0.0))


MEASURES = {"response": _response, "pearson": _pearson, "deviance": _deviance}
KINDS = ("pearson", "deviance", "quantile", "response")


def _quantile_residuals(drawn, rows, seed, how):
    own_seed = np.random.SeedSequence(seed, spawn_key=(1,))  # not that of new responses
    uniform = np.random.default_rng(own_seed).uniform(size=rows.y.shape[:2])
    found = np.empty_like(uniform)
    observations = drawn.observations
    if observations.event_ndim:
        parts = blocks(_class_probabilities, drawn, rows.X, rows.offset, rows.y, **how)
    elif has_distribution(observations):
        parts = _probabilities(drawn, rows, how)
    else:
        parts = _shares_of_draws(drawn, rows, seed, how)
    for index, (below, equal, above) in parts:
        at = uniform[index]
        lower, upper = below + at * equal, above + (1.0 - at) * equal
        found[index] = np.where(lower < upper, ndtri(lower), -ndtri(upper))
    return found


def _class_probabilities(cells):
    """Probabilities of the classes before, of and after the one observed, in their order."""
    probability = jnp.exp(cells.mean).mean(axis=1)
    at = jnp.argmax(cells.y, axis=-1, keepdims=True)
    place = jnp.arange(probability.shape[-1])
    total = lambda which: jnp.sum(jnp.where(which, probability, 0.0), axis=-1)
    return total(place < at), total(place == at), total(place > at)


def _means(cells):
    return cells.mean


def _probabilities(drawn: Drawn, rows: Rows, how: dict) -> Iterator[tuple[slice, Any]]:
    """Probabilities of a smaller, an equal and a larger response, averaged over the draws."""
    for index, mean in blocks(_means, drawn, rows.X, rows.offset, **how):
        setting = setting_of_rows(drawn.observations, index)[:, None]
        kind, shapes = shapes_of(drawn.observations, mean, drawn.scale, setting)
        y = rows.y[index][:, None]
        discrete = hasattr(kind, "pmf")
        smaller = kind.cdf(np.ceil(y) - 1.0 if discrete else y, *shapes)
        equal = kind.pmf(y, *shapes) if discrete else np.zeros((1, 1, 1))
        yield index, [a.mean(axis=1) for a in (smaller, equal, kind.sf(y, *shapes))]


def _shares_of_draws(drawn: Drawn, rows: Rows, seed: int, how: dict) -> Iterator:
    """As `_probabilities`, from responses that are drawn; the observed one is one of them."""
    if len(drawn) < NUM_DRAWS:
        drawn = drawn.taken(np.resize(np.arange(len(drawn)), NUM_DRAWS))
    total = 1.0 + len(drawn)
    for index, new in response_blocks(drawn, rows.X, rows.offset, seed=seed, **how):
        y = rows.y[index][:, None]
        smaller, larger = np.sum(new < y, axis=1), np.sum(new > y, axis=1)
        yield index, [a / total for a in (smaller, total - smaller - larger, larger)]
