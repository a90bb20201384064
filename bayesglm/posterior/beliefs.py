"""Draws from the priors of a model, and responses from these, before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from bayesglm._compiled import compiled
from bayesglm._warnings import warn_user
from bayesglm.exceptions import DataWarning
from bayesglm.glm.assemble import Assembled
from bayesglm.glm.params import GLMParams
from bayesglm.glm.validation import Data
from bayesglm.regularizer import prior_draws
from bayesglm.regularizer.shrinkage_priors import ShrinkagePrior

BLOCK_BYTES = 2**25  # of responses that are drawn at once
LARGEST_COUNT = 2.0**31  # mean of counts that are drawn


@dataclass(frozen=True)
class Beliefs:
    """The priors of a model, with the features and, if need be, the responses they depend on.

    Parameters
    ----------
    model, data
        The model, not fitted, and the observations.
    coefficients
        Prior of coefficients and intercepts: a `CoefficientPrior`.
    scale
        Prior of the dispersion, or None where it is fixed.
    """

    model: Assembled
    data: Data
    coefficients: Any
    scale: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the coefficients, (p, K[, C])."""
        return self.model.loss.movable.coef.shape


def draw_parameters(
    beliefs: Beliefs, rng: np.random.Generator, count: int, intercept_prior: Any = None
) -> tuple[GLMParams, np.ndarray, dict[str, np.ndarray]]:
    """Draw coefficients, intercepts, dispersions and what the priors of these depend on.

    Parameters
    ----------
    beliefs
        The priors.
    rng
        Source of random numbers.
    count
        Number of draws S.
    intercept_prior
        Prior of the centred intercept where the regularizer has none.

    Returns
    -------
    Parameters of the user's columns, (S, p, K[, C]) and (S, K[, C]); dispersions (S, K); and the
    rest by name, (S, K) or (S, K, p[, C]).
    """
    model, K = beliefs.model, beliefs.shape[1]
    likelihood, host = model.loss.likelihood, model.host
    scale = np.broadcast_to(np.asarray(likelihood.scale), (count, K))
    if beliefs.scale is not None:
        scale = prior_draws.sample(beliefs.scale.distribution, rng, count, (K,)) ** 2
    kappa = np.asarray(likelihood.observations.kernel_factor(jnp.asarray(scale)))
    prior, own = beliefs.coefficients, {}
    width = host.column(np.zeros(beliefs.shape))
    if isinstance(prior, ShrinkagePrior):
        standard, own = prior.draw(prior_draws.random_key(rng), jnp.asarray(kappa))
        coef = np.asarray(standard) / width
        part = prior.setting.intercept
    else:
        factor = model.num_rows / kappa
        if prior.strength is not None:
            strength = prior_draws.sample(prior.strength, rng, count, (K,))
            factor, own = factor * strength, {"regularizer_strength": strength}
        coef = prior_draws.draw(prior.penalty, rng, factor, beliefs.shape)
        coef = np.where(np.asarray(model.loss.movable.coef), coef, 0.0)
        part = prior_draws.intercept_part(prior.penalty)
    intercept = _draw_intercept(part, intercept_prior, rng, coef)
    if part is None or part.intercept_centered:
        shift = np.tensordot(coef, np.asarray(host.center), axes=((1,), (0,)))
        intercept = intercept - shift
    movable = np.asarray(model.loss.movable.intercept)
    own = {name: np.asarray(value) for name, value in own.items()}
    return GLMParams(coef, np.where(movable, intercept, 0.0)), scale, own


def _draw_intercept(part: Any, given: Any, rng: np.random.Generator, coef: np.ndarray) -> Any:
    """Draws of intercepts, (S, K[, C]); zero where there is no prior."""
    count, shape = len(coef), coef.shape[2:]
    if part is not None:
        drawn = prior_draws.sample(part.distribution, rng, count, part.user_shape)
    elif given is not None:
        drawn = prior_draws.sample(given, rng, count, shape)
    else:
        return np.zeros((count, *shape))
    return drawn.reshape(count, *shape)


@compiled
def _drawn(observations, link, key, eta, scale):
    """Responses and whether their means are possible, for linear predictors (B, n, K[, C])."""
    mean = observations.mean(eta, link)
    low, high = observations.mean_range
    fine = jnp.isfinite(eta) if observations.event_ndim else (mean >= low) & (mean <= high)
    fine &= jnp.isfinite(mean) | bool(observations.event_ndim)
    if observations.is_count:
        fine &= mean < LARGEST_COUNT
    safe = jnp.where(fine, mean, observations.average_to_mean(0.5 * jnp.ones_like(mean)))
    y = observations.sample(key, safe, scale)
    if observations.event_ndim:
        return jnp.argmax(y, axis=-1), jnp.all(fine, axis=-1)
    return y, fine


def draw_responses(
    beliefs: Beliefs, params: GLMParams, scale: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw responses at every row for draws of the parameters, a block of draws at a time.

    Parameters
    ----------
    beliefs
        The model and its features.
    params, scale
        Parameters (S, p, K[, C]) and (S, K[, C]), and dispersions (S, K).
    rng
        Source of random numbers.

    Returns
    -------
    Shape (S, n, K), codes for classes; NaN where a mean is one that cannot be drawn from.
    """
    likelihood, data = beliefs.model.loss.likelihood, beliefs.data
    X, count = data.design.array.astype(float, copy=False), len(scale)
    cells = len(X) * int(np.prod(beliefs.shape[1:]))
    size = min(count, max(1, BLOCK_BYTES // (8 * cells)))
    drawn = np.empty((count, len(X), beliefs.shape[1]))
    for first in range(0, count, size):
        chosen = np.arange(first, first + size) % count  # the last block is as long as the others
        coef = params.coef[chosen].reshape(size, len(params.coef[0]), -1)
        eta = (X @ coef).reshape(size, len(X), *beliefs.shape[1:]) + params.intercept[chosen, None]
        if data.offset is not None:
            eta = eta + data.offset
        key = prior_draws.random_key(rng)
        y, fine = _drawn(likelihood.observations, likelihood.link, key, eta, scale[chosen][:, None])
        kept = min(size, count - first)
        drawn[first : first + kept] = np.where(fine, y, np.nan)[:kept]
    lost = np.isnan(drawn).mean()
    if lost:
        warn_user(
            f"{lost:.2%} of the responses could not be drawn and are NaN: this prior gives means "
            "that are infinite, impossible or larger than any count. Choose a narrower one.",
            DataWarning,
        )
    return drawn
