"""The expected response over the draws: its mean, standard deviation and quantiles at each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from bayesglm.glm import domain
from bayesglm.posterior.blocks import Cells, Drawn, blocks


@dataclass(frozen=True)
class ExpectedResponse:
    """What the draws say of the expected response, or of the probabilities of classes.

    Parameters
    ----------
    mean, std
        Mean and standard deviation over the draws, shape (n, K[, C]).
    bounds
        Quantiles, shape (n, K[, C], quantiles); None if none were asked for.
    impossible
        Whether a draw has a mean there that is infinite, or that the observation model cannot
        have, shape (n, K).
    """

    mean: np.ndarray
    std: np.ndarray
    bounds: np.ndarray | None
    impossible: np.ndarray


def _moments(cells: Cells, with_draws: bool = False) -> Any:
    """Mean, standard deviation, whether a mean is impossible, and perhaps the values themselves."""
    observations = cells.observations

    def of_draw(eta, _):
        mean = observations.mean(eta, cells.link)
        bad = False if observations.event_ndim else domain.impossible_means(observations, mean)
        return observations.expectation(mean), jnp.broadcast_to(bad, mean.shape[:2])

    value, bad = cells.by_draw(of_draw)
    found = value.mean(axis=1), value.std(axis=1, ddof=1), bad.any(axis=1)
    return (*found, value) if with_draws else found


def _moments_and_draws(cells):
    return _moments(cells, with_draws=True)


def expected_response(
    drawn: Drawn,
    X: np.ndarray,
    offset: np.ndarray | None = None,
    tails: tuple[float, ...] = (),
    **how: Any,
) -> ExpectedResponse:
    """Reduce the expected response at each row to its moments and quantiles over the draws.

    Parameters
    ----------
    drawn, X, offset, how
        As in `bayesglm.posterior.blocks.blocks`.
    tails
        Probabilities of the quantiles.
    """
    shape = (len(X), *drawn.coef.shape[2:])
    mean, std = np.empty((2, *shape))
    bounds = np.empty((*shape, len(tails))) if tails else None
    bad = np.empty(shape[:2], bool)
    how = {"description": "expected response", **how}
    for rows, found in blocks(_moments_and_draws if tails else _moments, drawn, X, offset, **how):
        mean[rows], std[rows], bad[rows], *draws = found
        if tails:  # NumPy selects; JAX would sort, some ten times as slow on a CPU
            bounds[rows] = np.moveaxis(np.quantile(draws[0], tails, axis=1), 0, -1)
    return ExpectedResponse(mean, std, bounds, bad)
