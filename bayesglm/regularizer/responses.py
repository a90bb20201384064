"""Priors and penalties on some of the responses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from bayesglm.regularizer._kernels import Array
from bayesglm.regularizer.penalties import (
    CompositePenalty,
    ElasticNetPenalty,
    GroupPenalty,
    Penalty,
)
from bayesglm.regularizer.prior_penalties import InterceptPenalty, VectorPriorPenalty


def take_entries(tree: Any, index: Array, num_responses: int) -> Any:
    """Entries ``index`` of the last axis of arrays that have one entry there for each response."""

    def take(leaf):
        own = num_responses > 1 and jnp.ndim(leaf) > 0 and leaf.shape[-1] == num_responses
        return leaf[..., index] if own else leaf

    return jax.tree.map(take, tree)


def take_responses(penalty: Penalty, index: Array, num_responses: int) -> Penalty:
    """Return the penalty on some responses, for penalties that do not tie them together.

    Parameters
    ----------
    penalty
        Resolved penalty on coefficients (p, K[, C]).
    index
        Responses, whole numbers.
    num_responses
        Their number K.
    """
    wide = lambda a: jnp.ndim(a) > 1 and a.shape[1] == num_responses > 1
    take = lambda a: a[:, index] if wide(a) else a
    if isinstance(penalty, CompositePenalty):
        parts = (take_responses(part, index, num_responses) for part in penalty.parts)
        return CompositePenalty(tuple(parts), penalty.widths)
    if isinstance(penalty, GroupPenalty):
        place = jnp.zeros(num_responses, int).at[index].set(jnp.arange(len(index)))
        kept = jnp.zeros(num_responses, bool).at[index].set(True)[penalty.first_response]
        fields = (
            penalty.group_ids[:, index],
            jnp.where(kept, penalty.weights, 0.0),
            place[penalty.first_response],
        )
        where = lambda p: (p.group_ids, p.weights, p.first_response)
        return eqx.tree_at(where, penalty, fields)
    if isinstance(penalty, ElasticNetPenalty):
        return jax.tree.map(take, penalty)
    return _take_prior(penalty, index, num_responses)


def _take_prior(penalty: Any, index: Array, num_responses: int) -> Any:
    """As `take_responses`, for a prior: its distribution follows the user's shape."""
    if num_responses == 1:
        return penalty
    shape = list(penalty.user_shape)
    axis = 0 if isinstance(penalty, InterceptPenalty) else 1  # coefficients begin with features
    place = axis - len(shape)
    shape[axis] = len(index)
    if isinstance(penalty, VectorPriorPenalty):  # of all features: its batch begins with responses
        batch, place = penalty.distribution.batch_shape, 0
        axes = len(shape) if len(batch) == len(shape) - 1 else jnp.inf
    else:
        axes = -place

    def take(leaf):
        own = jnp.ndim(leaf) >= axes and leaf.shape[place] == num_responses
        return jnp.take(leaf, index, axis=place) if own else leaf

    num_rows = take_entries(penalty.num_rows, index, num_responses)
    return replace(jax.tree.map(take, penalty), num_rows=num_rows, user_shape=tuple(shape))
