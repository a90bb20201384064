"""Proportions of so many trials as their weight says: binomial counts.

In a fit the two have the same likelihood but for a constant (McCullagh and Nelder 1989, section
4.4). Distributions of new responses, and of what is as large or larger, need the counts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bayesglm.observation_models import BernoulliObservations, BinomialObservations
from bayesglm.posterior.blocks import Drawn


class Counted(NamedTuple):
    """Draws and observations, whose distribution is that of the responses.

    Parameters
    ----------
    drawn
        The draws.
    y, weight
        Responses and weights, as in `bayesglm.glm.validation.Data`.
    trials
        What counts are divided by to have the responses of the user; None where they are these.
    """

    drawn: Drawn
    y: np.ndarray
    weight: np.ndarray
    trials: np.ndarray | None


def counted(drawn: Drawn, y: np.ndarray, weight: np.ndarray) -> Counted:
    """Turn proportions into counts, weights into numbers of trials; else change nothing.

    Parameters
    ----------
    drawn
        The draws.
    y, weight
        Responses (n, K[, C]) and weights (n, 1) or (n, K).
    """
    unchanged = Counted(drawn, y, weight, None)
    if not isinstance(drawn.observations, BernoulliObservations):
        return unchanged
    observed = weight > 0
    fractions = observed & (y != np.round(y))
    impossible = observed & ~drawn.observations.has_probability(y, weight)
    if impossible.any() or not fractions.any():
        return unchanged
    trials = np.maximum(np.round(weight), 1.0)
    binomial = replace(drawn, observations=BinomialObservations(trials))
    return Counted(binomial, np.round(trials * y), 1.0 * observed, trials)
