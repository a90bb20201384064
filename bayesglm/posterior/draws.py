"""Draws from a posterior, on the coordinates that were sampled and on those that users know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayesglm._compiled import compiled
from bayesglm.glm.log_posterior import LogPosterior


@dataclass(frozen=True)
class Options:
    """What a user may ask of a sampler.

    Parameters
    ----------
    num_samples, num_chains
        Draws of each chain, and chains.
    num_warmup
        Transitions before them; None is 150 where the preconditioner is all but exact, else 1,000.
    seed
        Of the random numbers.
    resample
        Whether importance weights become draws.
    target_accept, max_tree_depth
        The No-U-Turn sampler's.
    checkpoint
        Folder for the pieces of a run, or None.
    state
        State of an earlier run to go on from, or None.
    progress
        Called with the transitions of a chain that are forgotten and that are kept; returns a
        context manager with ``show``.
    """

    num_samples: int
    num_chains: int
    num_warmup: int | None
    seed: int
    resample: bool
    target_accept: float | None
    max_tree_depth: int
    checkpoint: Any
    state: Any
    progress: Callable[..., Any]


@dataclass(frozen=True)
class Draws:
    """What a method has drawn.

    Parameters
    ----------
    theta
        Vectors of the log-density, shape (chains, draws, K, D).
    stats
        What is known of each draw, by ArviZ's names, shape (chains, draws, B).
    method, reason
        Which method it was, and why if it was chosen automatically.
    pareto_k
        Shape of the tail of the importance weights, shape (B,), where there are any.
    complete
        Whether all draws asked for were made.
    state
        Where a continuation begins, or None.
    """

    theta: np.ndarray
    stats: dict[str, np.ndarray]
    method: str
    reason: str = ""
    pareto_k: np.ndarray | None = None
    complete: bool = True
    state: Any = field(default=None, repr=False)


@compiled
def placed(density: LogPosterior, theta: Any) -> tuple[Any, Any, Any, Any]:
    """As `place`, for vectors of shape (draws, K, D), and whatever is known of them."""

    def one(theta):
        position = density.position(theta)
        params = density.standardization.from_standard(position.params)
        params = density.without_shifts(params)
        kappa = density.likelihood.observations.kernel_factor(position.scale)
        own = density.prior.constrained(position.hyperparameters, kappa)
        return params.coef, params.intercept, position.scale, own

    return jax.vmap(one)(theta)


def place(density: LogPosterior, theta: np.ndarray) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Parameters of the user's columns.

    Parameters
    ----------
    density
        The log-density.
    theta
        Its vectors, shape (chains, draws, K, D).

    Returns
    -------
    Coefficients (chains, draws, p, K[, C]), intercepts (chains, draws, K[, C]), dispersions
    (chains, draws, K), and the prior's own parameters (chains, draws, K[, size]) by name.
    """
    chains, draws = theta.shape[:2]
    found = placed(density, jnp.asarray(theta.reshape(-1, *theta.shape[2:])))
    apart = lambda a: np.array(a).reshape(chains, draws, *a.shape[1:])
    return without_unknown(density, *jax.tree.map(apart, found))


def without_unknown(
    density: LogPosterior, coef: np.ndarray, intercept: np.ndarray, scale: np.ndarray, own: Any
) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Return what `place` does, NaN where there is neither prior nor data; changes its arrays."""
    mask = density.likelihood.feature_mask
    if mask is not None:
        coef = coef * np.asarray(mask)
    silent = ~np.asarray(density.free)[:, : density.num_main].any(axis=1)
    if silent.any():
        coef[:, :, :, silent] = intercept[:, :, silent] = np.nan
    return coef, intercept, scale, own


def named(
    density: LogPosterior, theta: np.ndarray, trailing: tuple[int, ...], single: bool
) -> dict[str, np.ndarray]:
    """Parameters by the names and in the shapes that users know.

    Parameters
    ----------
    density, theta
        As in `place`.
    trailing
        Shape that users see after the feature axis.
    single
        Whether there is one response, whose axis is left out.
    """
    coef, intercept, scale, own = place(density, theta)
    sampled = None if density.scale_prior is None else scale
    return in_user_shapes(coef, intercept, sampled, own, trailing, single)


def in_user_shapes(
    coef: np.ndarray,
    intercept: np.ndarray,
    scale: np.ndarray | None,
    own: dict[str, np.ndarray],
    trailing: tuple[int, ...],
    single: bool,
) -> dict[str, np.ndarray]:
    """Arrays as `place` returns them, by name and in the shapes that users know.

    Parameters
    ----------
    coef, intercept, scale, own
        As `place` returns them; no scale where it is not sampled.
    trailing, single
        As in `named`.
    """
    sample_axes = coef.shape[:2]
    by_response = lambda a: a[:, :, 0] if single else a
    arrays = {
        "coef": coef.reshape(*sample_axes, coef.shape[2], *trailing),
        "intercept": intercept.reshape(*sample_axes, *trailing),
    }
    if scale is not None:
        arrays["scale"] = by_response(scale)
    return arrays | {name: by_response(value) for name, value in own.items()}
