"""Refits to resampled rows: a resample is a set of integer weights, so one program fits them all.

References
----------
Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, chapters 13 and 14.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.exceptions import ConvergenceWarning, DataWarning
from bayesglm.glm import fitting
from bayesglm.glm.validation import Data
from bayesglm.intervals.fitted_data import FittedData, pack

MOST_CELLS = 2**22  # of the responses of one batch
VANISHED = 1e-12  # information about a feature of unit variance, relative to the intercept's
MOST_FAILURES = 0.01  # share of refits that may fail without a warning


def bootstrap_estimates(
    fitted: FittedData,
    spec: Any,
    settings: dict[str, Any],
    num_resamples: int,
    random_state: Any,
    groups: np.ndarray | None,
) -> np.ndarray:
    """Estimates from resampled rows, or groups of rows, shape (num_resamples, K, D).

    Parameters
    ----------
    fitted
        A fit with its data. Resamples of an unpenalised one are fitted together, as responses.
    spec, settings
        The solver and its keyword arguments.
    num_resamples
        Number of refits.
    random_state
        Seed or `numpy.random.Generator`.
    groups
        Number of the group of each row, shape (n,), to resample groups; None resamples rows.

    Returns
    -------
    NaN for features that do not vary in a resample.
    """
    from tqdm import tqdm

    n, K = fitted.target.shape[:2]
    together = 1
    if fitted.choices.regularizer.is_zero and not fitted.classes:
        together = max(1, MOST_CELLS // (n * K))
    rounds = -(-num_resamples // min(together, num_resamples))
    together = -(-num_resamples // rounds)
    rng, found, failures = np.random.default_rng(random_state), [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # said when the model was fitted
        with tqdm(total=num_resamples, desc="bootstrap", unit="fit", disable=None) as bar:
            for _ in range(rounds):
                counts = _counts(fitted.data.weight, groups, together, rng)
                estimates, failed = _refit(fitted, spec, settings, counts)
                found.append(estimates)
                failures += failed
                bar.update(together)
    total = rounds * together * K
    if failures > MOST_FAILURES * total:
        warn_user(
            f"{failures} of {total} refits did not converge: the intervals rest on estimates that "
            "are not optima. Raise `maxiter` in `solver_kwargs`, or use a regularizer.",
            ConvergenceWarning,
        )
    return np.concatenate(found)[:num_resamples]


def _counts(
    weight: np.ndarray, groups: np.ndarray | None, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Weights of ``size`` resamples, shape (n, size, 1 or K); a weight of two is two rows."""
    if groups is not None:
        number = groups.max() + 1
        drawn = rng.multinomial(number, np.full(number, 1 / number), size)[:, groups]
        return drawn.T[:, :, None] * weight[:, None, :]
    rows = weight.max(axis=1)
    drawn = rng.multinomial(round(float(rows.sum())), rows / rows.sum(), size)
    share = weight / np.where(rows > 0, rows, 1.0)[:, None]
    return drawn.T[:, :, None] * share[:, None, :]


def _refit(
    fitted: FittedData, spec: Any, settings: dict[str, Any], counts: np.ndarray
) -> tuple[np.ndarray, int]:
    """Estimates (resamples, K, D) at each set of weights, and how many did not converge."""
    size, K = counts.shape[1], fitted.target.shape[1]
    if size > 1:
        fitted = fitted.take(np.tile(np.arange(K), size))
        weight = np.broadcast_to(counts, (*counts.shape[:2], K)).reshape(len(counts), -1)
    else:
        weight = counts[:, 0]
    data = fitted.data
    data = Data(data.design, data.y, weight.astype(float), data.offset)
    empty = ~(data.num_rows > 0)
    if empty.any():
        data = Data(data.design, data.y, np.where(empty, 1.0, data.weight), data.offset)
    fit, _ = fitting.fit_data(
        fitted.choices, data, fitted.target, fitted.trailing, fitted.params, spec, settings
    )
    theta = pack(fit.params)
    size_of = np.abs(np.diagonal(fit.precision, axis1=1, axis2=2))
    lost = empty[:, None] | (size_of <= VANISHED * size_of.max(axis=1, keepdims=True))
    if fitted.choices.regularizer.is_zero and not fitted.classes:
        theta = np.where(lost, np.nan, theta)
    return theta.reshape(size, K, -1), int((~fit.converged).sum())


def percentile_bounds(estimates: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles over the first axis that leave out equal shares on both sides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN where a parameter is held
        low, high = np.nanquantile(estimates, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return low, high
