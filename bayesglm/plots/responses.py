"""Which responses a picture shows, and the data that it compares with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bayesglm.observation_models import BernoulliObservations
from bayesglm.plots.estimates import positions
from bayesglm.plots.figure import left_out
from bayesglm.posterior.blocks import Drawn

MOST_PANELS = 9


def shown_responses(model: Any, responses: Any) -> tuple[list[int], str]:
    """Numbers of the responses that get a panel, and a sentence on those that do not.

    Parameters
    ----------
    model
        A fitted estimator.
    responses
        Labels asked for; None is all, or the first nine of more.

    Raises
    ------
    ValueError
        For labels that there are not, or more than nine.
    """
    labels = model._response_labels() or [None]
    chosen = positions(labels, responses, "responses")
    if responses is None:
        kept = chosen[:MOST_PANELS]
        return kept, left_out(len(kept), len(labels), "responses")
    if len(chosen) > MOST_PANELS:
        raise ValueError(
            f"`responses` names {len(chosen)} responses; a picture has room for {MOST_PANELS}."
        )
    return chosen, ""


def response_title(model: Any, index: int) -> str:
    """Label of a response; empty for a model of one."""
    labels = model._response_labels()
    return "" if labels is None else str(labels[index])


def is_binary(observations: Any) -> bool:
    """Whether responses are yes or no."""
    return isinstance(observations, BernoulliObservations)


def kept_data(model: Any) -> bool:
    """Whether `sample` kept the data that the posterior is of."""
    tree = model.posterior_
    return tree is not None and "constant_data" in tree.children and "X" in tree["constant_data"]


def of_responses(drawn: Drawn, index: list[int]) -> Drawn:
    """Return the draws of some responses, by number."""
    return replace(
        drawn,
        observations=drawn.observations.for_responses(np.array(index), drawn.scale.shape[1]),
        coef=drawn.coef[:, :, index],
        intercept=drawn.intercept[:, index],
        scale=drawn.scale[:, index],
    )


def cell_weights(data: Any) -> np.ndarray:
    """Weights of all cells, shape (n, K); zero where a response is missing."""
    return np.broadcast_to(data.weight, data.y.shape).astype(float)
