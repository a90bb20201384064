r"""Frequentist covariance of posterior means from one set of draws: the infinitesimal jackknife.

How far the posterior mean would move if row i had a little more weight is its posterior covariance
with that row's log-likelihood. So the covariance of posterior means over repeated data, whatever
the model's variance, is :math:`\sum_i w_i c_i c_i'` with
:math:`c_i = \mathrm{cov}(\theta, \ell_i)`: the sandwich, without a derivative.

References
----------
Giordano and Broderick (2023), The Bayesian infinitesimal jackknife for variance, arXiv:2305.06466.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from bayesglm.glm.validation import Data
from bayesglm.posterior.blocks import Cells, Drawn, blocks


def jackknife(
    drawn: Drawn, data: Data, target: np.ndarray, groups: np.ndarray | None = None, **how: Any
) -> np.ndarray:
    """Covariance of the posterior means of coefficients and intercepts, shape (K, D, D).

    Parameters
    ----------
    drawn
        Equally likely draws.
    data
        The rows that the posterior has seen.
    target
        Their responses as the kernel wants them, shape (n, K) or one-hot (n, K, C).
    groups
        Number of the group of each row, shape (n,), where rows of a group depend on one another.
    how
        As in `bayesglm.posterior.blocks.blocks`.

    Returns
    -------
    NaN for parameters that are held.
    """
    theta = np.concatenate([drawn.coef, drawn.intercept[:, None]], axis=1)
    S, _, K = theta.shape[:3]
    theta = np.moveaxis(theta, 2, 1).reshape(S, K, -1)
    held = (theta == theta[:1]).all(axis=0)
    centred = jnp.asarray((theta - theta.mean(axis=0)) / (S - 1))
    rows = data.design.array, data.offset, target, data.weight
    if groups is None:
        measure, total = eqx.Partial(_products, centred), 0.0
        for _, found in blocks(measure, drawn, *rows, **how):
            total = total + found[0]
    else:
        measure, sums = eqx.Partial(_influences, centred), np.zeros((groups.max() + 1, *held.shape))
        for part, found in blocks(measure, drawn, *rows, **how):
            np.add.at(sums, groups[part], found * data.weight[part][..., None])
        total = np.einsum("gkd,gke->kde", sums, sums)
    return np.where(held[:, :, None] | held[:, None, :], np.nan, total)


def _influences(centred: Any, cells: Cells) -> Any:
    """Posterior covariance of the parameters and the log-likelihood of each cell, (B, K, D)."""
    density = cells.log_density
    density = density - density.mean(axis=1, keepdims=True)
    return jnp.einsum("bsk,skd->bkd", density, centred)


def _products(centred: Any, cells: Cells) -> Any:
    """Weighted sum over the rows of a block of the products of influences, (1, K, D, D)."""
    influence = _influences(centred, cells)
    return jnp.einsum("bkd,bke->kde", influence * cells.weight[..., None], influence)[None]
