"""Predictions and scores of cells, on linear predictors of any length without recompiling."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from bayesglm import links
from bayesglm._compiled import compiled
from bayesglm.glm.assemble import padded_rows

CHUNK_ROWS = 65536


def linear_predictor(
    X: np.ndarray, coef: np.ndarray, intercept: np.ndarray, offset: np.ndarray | None
) -> np.ndarray:
    """`X @ coef + intercept + offset` in float64, a chunk of rows at a time; (n, K[, C])."""
    flat = coef.reshape(len(coef), -1)
    eta = np.empty((len(X), flat.shape[1]))
    for first in range(0, len(X), CHUNK_ROWS):
        rows = slice(first, first + CHUNK_ROWS)
        eta[rows] = X[rows].astype(float, copy=False) @ flat
    eta = eta.reshape(len(X), *coef.shape[1:]) + intercept
    return eta if offset is None else eta + offset


def by_rows(function: Any, *arrays: np.ndarray) -> np.ndarray:
    """Apply a compiled function of equally long arrays, padded so that it compiles seldom."""
    n = len(arrays[0])
    if n == 0:
        return np.asarray(function(*arrays))
    extra = padded_rows(n) - n
    padded = [np.concatenate([a, np.repeat(a[-1:], extra, axis=0)]) if extra else a for a in arrays]
    return np.asarray(function(*padded))[:n]


@compiled
def _mean(observations, link, eta):
    return observations.mean(eta, link)


@compiled
def _log_density(observations, link, scale, y, eta):
    return observations.log_density(y, eta, link, scale)


@compiled
def _deviance(observations, scale, y, mean):
    return observations.unit_deviance(y, mean, scale)


def mean_response(observations: Any, link: Any, eta: np.ndarray) -> np.ndarray:
    """Return the expected response (log-probabilities for classes) at each linear predictor."""
    return by_rows(lambda e: _mean(observations, link, e), eta)


def log_density(
    observations: Any, link: Any, scale: np.ndarray, y: np.ndarray, eta: np.ndarray
) -> np.ndarray:
    """Log-density of each cell, shape (n, K), in nats."""
    return by_rows(lambda a, e: _log_density(observations, link, jnp.asarray(scale), a, e), y, eta)


def deviance(observations: Any, scale: np.ndarray, y: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return each cell's unit deviance (n, K), at unit dispersion where that is a mere divisor."""
    if observations.scale_estimator in ("none", "moments"):
        scale = np.ones(mean.shape[1:2])
    return by_rows(lambda a, m: _deviance(observations, jnp.asarray(scale), a, m), y, mean)


def null_mean(observations: Any, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean of a model without features at every cell, in the shape of ``y``."""
    weight = weight.reshape(*weight.shape, *(1,) * (y.ndim - weight.ndim))
    average = (weight * y).sum(axis=0) / weight.sum(axis=0)
    return np.broadcast_to(np.asarray(observations.average_to_mean(jnp.asarray(average))), y.shape)


def null_log_density(
    observations: Any, scale: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Log-density of each cell under a constant mean."""
    mean = np.array(null_mean(observations, y, weight))
    link = links.log_softmax if observations.event_ndim else links.identity
    return log_density(observations, link, scale, y, mean)
