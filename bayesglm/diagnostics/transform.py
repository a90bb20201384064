r"""Probability integral transform of each response under the model that has not seen it.

:math:`\sum_s w_s F(y_i\mid\theta_s)`, with the weights of leave-one-out cross-validation: uniform
if the model is right. A discrete response gets a uniform number between the probabilities below
it and up to it.

References
----------
Gelfand, Dey and Chang (1992), Model determination using predictive distributions, *Bayesian
Statistics* 4. Czado, Gneiting and Held (2009), Predictive model assessment for count data,
*Biometrics* 65, 1254-1261.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from bayesglm.diagnostics.leave_one_out import Rows, log_likelihood, smoothed_blocks
from bayesglm.intervals import prediction
from bayesglm.posterior.blocks import Cells, Drawn


def _mean_and_mass(cells: Cells) -> Any:
    """Log-likelihoods, means and probabilities of the responses themselves, all (B, K, S)."""
    mass = jnp.exp(cells.log_density)
    return log_likelihood(cells), jnp.swapaxes(cells.mean, 1, 2), jnp.swapaxes(mass, 1, 2)


def _share_of_draws(cells: Cells) -> Any:
    """Log-likelihoods, whether a new response is smaller, and whether it is equal."""
    new, y = cells.response, cells.y[:, None]
    return log_likelihood(cells), *(jnp.swapaxes(1.0 * a, 1, 2) for a in (new < y, new == y))


def _share_of_classes(cells: Cells) -> Any:
    """Log-likelihoods, and the probabilities of the classes before and of the class observed."""
    y, probability = cells.y[:, None], jnp.exp(cells.mean)
    before = jnp.sum(probability * (jnp.cumsum(y, axis=-1) == 0), axis=-1)
    equal = jnp.sum(probability * y, axis=-1)
    return log_likelihood(cells), *(jnp.swapaxes(a, 1, 2) for a in (before, equal))


def leave_one_out_pit(
    drawn: Drawn, rows: Rows, efficiency: float, seed: int, **how: Any
) -> np.ndarray:
    """Transform of each response, shape (n, K); NaN where it is missing.

    Parameters
    ----------
    drawn, rows, efficiency, how
        As in `bayesglm.diagnostics.leave_one_out.smoothed_blocks`.
    seed
        Of the uniform numbers, and of new responses where a family has no distribution function.
    """
    observations = drawn.observations
    known = type(observations).__name__ in prediction.DISTRIBUTIONS
    measure = _mean_and_mass if known else _share_of_draws
    if observations.event_ndim:
        measure = _share_of_classes
    uniform = np.random.default_rng(seed).uniform(size=rows.y.shape[:2])
    found = np.full_like(uniform, np.nan)
    how = {"description": "PIT", "seed": seed, **how}
    for index, rest, _, log_weight, _ in smoothed_blocks(measure, drawn, rows, efficiency, **how):
        below, equal = _shares(drawn, rows, index, *rest) if known else rest
        weight = np.exp(log_weight)[: below[..., 0].size].reshape(below.shape)
        share = below + uniform[index][..., None] * equal
        found[index] = np.sum(weight * share, axis=-1) / np.sum(weight, axis=-1)
    return np.where(rows.missing, np.nan, found)


def _shares(drawn, rows, index, mean, mass):
    """Probabilities of a smaller and of an equal response, shapes (B, K, S)."""
    kind, of_family = prediction.DISTRIBUTIONS[type(drawn.observations).__name__]
    setting = prediction.setting_of_rows(drawn.observations, index)[..., None]
    cumulative = kind.cdf(rows.y[index][..., None], *of_family(mean, drawn.scale.T, setting))
    if not hasattr(kind, "pmf"):
        return cumulative, np.zeros(())
    return np.maximum(cumulative - mass, 0.0), mass
