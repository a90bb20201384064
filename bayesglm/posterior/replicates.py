"""New responses, one at every draw of the parameters: block by block, or all in one array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.exceptions import DataWarning
from bayesglm.glm import domain
from bayesglm.posterior.blocks import Cells, Drawn, blocks
from bayesglm.posterior.distributions import draw_responses, setting_of_rows


def _means(cells: Cells) -> Any:
    return cells.mean


def response_blocks(
    drawn: Drawn,
    X: np.ndarray,
    offset: np.ndarray | None = None,
    *,
    seed: int = 0,
    trials: np.ndarray | None = None,
    **how: Any,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of the rows and new responses there, shape (B, S, K).

    Parameters
    ----------
    drawn, X, offset, how
        As in `bayesglm.posterior.blocks.blocks`.
    seed
        Of the responses, which also depend on the size of a block.
    trials
        What responses are divided by, shape (n, 1) or (n, K), to make counts proportions.

    Yields
    ------
    Numbers; those of classes for classifiers. NaN where features are missing, and where the mean is
    infinite or one that the observation model cannot have.

    Warns
    -----
    DataWarning
        After the last block, if there were such means.
    """
    observations, num_impossible = drawn.observations, 0
    how = {"description": "new responses", **how}
    for rows, mean in blocks(_means, drawn, X, offset, **how):
        impossible = _impossible(observations, mean)
        num_impossible += impossible.sum()
        missing = impossible | np.isnan(mean).any(axis=tuple(range(3, mean.ndim)))
        if missing.any():
            mean = np.where(missing.reshape(*missing.shape, *(1,) * (mean.ndim - 3)), 0.5, mean)
        setting = setting_of_rows(observations, rows)[:, None]
        rng = np.random.default_rng((seed, rows.start))
        found = draw_responses(observations, mean, drawn.scale, setting, rng)
        if trials is not None:
            found = found / trials[rows][:, None]
        yield rows, np.where(missing, np.nan, found) if missing.any() else found
    if num_impossible:
        family = type(observations).__name__.removesuffix("Observations")
        warn_user(
            f"{num_impossible} means at draws of the parameters are infinite or impossible under "
            f"the {family} model: the responses there are NaN.",
            DataWarning,
        )


def _impossible(observations: Any, mean: np.ndarray) -> np.ndarray:
    """Where nothing can be drawn, shape (B, S, K)."""
    if observations.event_ndim:
        return np.zeros(mean.shape[:3], bool)
    bad = domain.impossible_means(observations, mean)
    return bad | (mean > domain.LARGEST_COUNT) if observations.is_count else bad


def stacked_responses(
    drawn: Drawn, X: np.ndarray, offset: np.ndarray | None = None, **how: Any
) -> np.ndarray:
    """Return new responses of all rows at all draws, shape (S, n, K).

    Parameters
    ----------
    drawn, X, offset, how
        As in `response_blocks`.
    """
    values = np.empty((len(drawn), len(X), drawn.scale.shape[1]))
    for rows, found in response_blocks(drawn, X, offset, **how):
        values[:, rows] = np.swapaxes(found, 0, 1)
    return values
