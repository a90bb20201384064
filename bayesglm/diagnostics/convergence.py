r"""R-hat, effective sample sizes and Monte Carlo errors of many parameters at once.

The definitions are ArviZ's, whose functions take parameters one by one and several times as long.
Draws have shape (chain, draw, ...), and results the rest of it. A result is NaN where a draw is
NaN, with fewer than four draws, and for R-hat with one chain. Where all draws are equal R-hat is
NaN and the effective sample size is the number of draws, as in ArviZ; unlike there, "equal" is
relative to their size, so that units of measurement make no difference.

References
----------
Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Rank-normalization, folding, and
localization: an improved R-hat for assessing convergence of MCMC, *Bayesian Analysis* 16, 667-718.
Geyer (1992), Practical Markov chain Monte Carlo, *Statistical Science* 7, 473-483.
Betancourt (2016), Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy import fft, special

BLOCK_BYTES = 2**23  # of draws worked on at once: they and what is made of them stay in the cache
MEASURES = ("r_hat", "ess_bulk", "ess_tail", "mcse_mean", "mcse_sd")
MIN_DRAWS = 4
TAILS = (0.05, 0.95)
EQUAL = 1e-15  # spread of equal numbers, relative to their size


def rhat(draws: Any) -> np.ndarray:
    """Rank-normalised split R-hat: the larger of those for location and for spread.

    Parameters
    ----------
    draws
        Shape (chain, draw, ...), at least two chains.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.random.default_rng(0).normal(size=(4, 1000, 2))
    >>> draws[0, :, 1] += 1.0  # one chain elsewhere
    >>> rhat(draws).round(2)
    array([1.  , 1.09])
    """
    return _in_blocks(lambda x: _rhat(_split(x)), draws)


def ess_bulk(draws: Any) -> np.ndarray:
    """Effective sample size of ranks: how many independent draws place the bulk as well.

    Parameters
    ----------
    draws
        Shape (chain, draw, ...).

    Examples
    --------
    >>> import numpy as np
    >>> float(ess_bulk(np.random.default_rng(0).normal(size=(4, 1000)))) > 3000
    True
    """
    return _in_blocks(lambda x: _ess(_scores(_split(x))), draws)


def ess_tail(draws: Any) -> np.ndarray:
    """Effective sample size of the 5 % or the 95 % quantile, the smaller one.

    Parameters
    ----------
    draws
        Shape (chain, draw, ...).

    Examples
    --------
    >>> import numpy as np
    >>> float(ess_tail(np.random.default_rng(0).normal(size=(4, 1000)))) > 3000
    True
    """
    return _in_blocks(_ess_tail, draws)


def ess_mean(draws: Any) -> np.ndarray:
    """Effective sample size of the posterior mean: how many independent draws give it as well.

    Parameters
    ----------
    draws
        Shape (chain, draw, ...).

    Examples
    --------
    >>> import numpy as np
    >>> float(ess_mean(np.random.default_rng(0).normal(size=(4, 1000)))) > 3000
    True
    """
    return _in_blocks(lambda x: _ess(_split(x)), draws)


def mcse_mean(draws: Any) -> np.ndarray:
    """Monte Carlo standard error of the posterior mean.

    Parameters
    ----------
    draws
        Shape (chain, draw, ...).

    Examples
    --------
    >>> import numpy as np
    >>> mcse_mean(np.random.default_rng(0).normal(size=(4, 2500, 1))).round(2)  # 1 / sqrt(10,000)
    array([0.01])
    """
    return _in_blocks(_mcse_mean, draws)


def mcse_sd(draws: Any) -> np.ndarray:
    """Monte Carlo standard error of the posterior standard deviation, as in ArviZ 1.

    Parameters
    ----------
    draws
        Shape (chain, draw, ...).

    Examples
    --------
    >>> import numpy as np
    >>> mcse_sd(np.random.default_rng(0).normal(size=(4, 1250, 1))).round(2)  # 1 / sqrt(2 * 5,000)
    array([0.01])
    """
    return _in_blocks(_mcse_sd, draws)


def e_bfmi(energy: Any) -> np.ndarray:
    """Estimated Bayesian fraction of missing information of every chain; trouble below 0.3.

    Parameters
    ----------
    energy
        Hamiltonian at each transition, shape (chain, draw, ...).

    Returns
    -------
    Shape (chain, ...).

    Examples
    --------
    >>> import numpy as np
    >>> e_bfmi(np.random.default_rng(0).normal(size=(2, 5000))).round(1)  # 2 if independent
    array([2., 2.])
    """
    energy = np.asarray(energy, np.float64)
    if energy.shape[1] < 2:
        return np.full(energy.shape[:1] + energy.shape[2:], np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.diff(energy, axis=1) ** 2).mean(axis=1) / energy.var(axis=1, ddof=1)


def all_of(draws: Any) -> dict[str, np.ndarray]:
    """All measures of convergence by name, cheaper than one after the other."""
    table = _in_blocks(_all, draws)
    return dict(zip(MEASURES, table, strict=True))


def _in_blocks(measure: Callable[[np.ndarray], np.ndarray], draws: Any) -> np.ndarray:
    """Measure block by block; ``measure`` maps (parameter, chain, draw) to (..., parameter)."""
    draws = np.asarray(draws)
    if draws.ndim < 2:
        raise ValueError(f"`draws` must have shape (chain, draw, ...); got shape {draws.shape}.")
    chains, count, *shape = draws.shape
    flat = draws.reshape(chains, count, int(np.prod(shape)))
    size = max(1, BLOCK_BYTES // max(1, 8 * chains * count))
    starts = range(0, max(1, flat.shape[2]), size)
    with ThreadPoolExecutor() as pool:
        blocks = pool.map(lambda at: _measured(measure, flat[..., at : at + size]), starts)
        result = np.concatenate(list(blocks), axis=-1)
    return result.reshape((*result.shape[:-1], *shape))


def _measured(measure: Callable[[np.ndarray], np.ndarray], block: np.ndarray) -> np.ndarray:
    x = np.ascontiguousarray(np.moveaxis(block, -1, 0), dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if x.shape[2] < MIN_DRAWS or not len(x):
            enough = measure(np.zeros((1, 1, MIN_DRAWS)))
            return np.full((*enough.shape[:-1], len(x)), np.nan)
        return np.where(np.isnan(x).any(axis=(1, 2)), np.nan, measure(x))


def _all(x: np.ndarray) -> np.ndarray:
    scores = _scores(_split(x))
    bulk = _ess(scores)
    return np.stack([_rhat(_split(x), scores), bulk, _ess_tail(x), _mcse_mean(x), _mcse_sd(x)])


def _split(x: np.ndarray) -> np.ndarray:
    """Halves of chains as chains; the middle draw of an odd number is left out."""
    half = x.shape[2] // 2
    return np.concatenate([x[..., :half], x[..., -half:]], axis=1)


def _scores(x: np.ndarray) -> np.ndarray:
    """Return normal scores of ranks among all draws of a parameter; ties share the average."""
    flat = x.reshape(len(x), -1)
    size = flat.shape[1]
    order = np.argsort(flat, axis=1) + size * np.arange(len(flat))[:, None]
    ordered = flat.take(order)
    change = ordered[:, 1:] != ordered[:, :-1]
    index = np.arange(size)
    if change.all():
        twice = np.broadcast_to(2 * index, flat.shape)
    else:
        first = np.maximum.accumulate(np.where(_padded(change, 0), index, 0), axis=1)
        ends = np.where(_padded(change, -1), index, size - 1)
        twice = first + np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    # Ranks are whole or half; each has its score in a table. Ranks start at one.
    score = special.ndtri((np.arange(2 * size - 1) / 2 + 1 - 3 / 8) / (size + 1 / 4))
    scores = np.empty(x.size)
    scores[order] = score[twice]
    return scores.reshape(x.shape)


def _padded(change: np.ndarray, end: int) -> np.ndarray:
    """``change`` with a True before (0) or after (-1) it."""
    return np.insert(change, 0 if end == 0 else change.shape[1], True, axis=1)


def _rhat(x: np.ndarray, scores: np.ndarray | None = None) -> np.ndarray:
    """R-hat of split chains (parameter, chain, draw)."""
    if x.shape[1] < 4:  # halves of a single chain
        return np.full(len(x), np.nan)
    bulk = _classic_rhat(_scores(x) if scores is None else scores)
    center = np.median(x.reshape(len(x), -1), axis=1)
    folded = _classic_rhat(_scores(np.abs(x - center[:, None, None])))
    return np.where(folded > bulk, folded, bulk)


def _classic_rhat(x: np.ndarray) -> np.ndarray:
    """Square root of the total over the within-chain variance."""
    count = x.shape[2]
    within = x.var(axis=2, ddof=1).mean(axis=1)
    between = count * x.mean(axis=2).var(axis=1, ddof=1)
    return np.sqrt((between / within + count - 1) / count)


def _ess(x: np.ndarray) -> np.ndarray:
    """Effective sample sizes of chains (parameter, chain, draw) by Geyer's monotone sequence."""
    size = x.shape[1] * x.shape[2]
    pairs, even = _pairs_of_correlations(x)
    stop = pairs <= 0
    stop[:, -1] = True
    last = np.argmax(stop, axis=1)[:, None]
    kept = np.arange(pairs.shape[1]) < last
    total = np.sum(np.minimum.accumulate(pairs, axis=1), axis=1, where=kept)
    end, pair = (np.take_along_axis(a, last, axis=1)[:, 0] for a in (even, pairs))
    tau = 2 * total - 1 + np.where((end > 0) | (pair >= 0), end, 0)
    ess = size / np.maximum(tau, 1 / np.log10(size))
    ess = np.where(np.isnan(pairs[:, 0]), np.nan, ess)
    largest = np.abs(x).max(axis=(1, 2))
    return np.where(np.ptp(x, axis=(1, 2)) <= EQUAL * largest, size, ess)


def _pairs_of_correlations(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Autocorrelations at lags 2k and 2k+1 together, and at 2k alone, shape (parameter, k)."""
    count = x.shape[2]
    means = x.mean(axis=2)
    length = fft.next_fast_len(2 * count, real=True)
    spectrum = np.fft.rfft(x - means[..., None], n=length)
    parts = spectrum.view(np.float64)  # real and imaginary in turn
    squares = np.einsum("pcf,pcf->pf", parts, parts) / x.shape[1]  # the mean over chains
    power = squares[:, ::2] + squares[:, 1::2]
    covariance = np.fft.irfft(power, n=length)[:, :count] / count
    within = covariance[:, :1] * count / (count - 1)
    total = covariance[:, :1] + means.var(axis=1, ddof=1)[:, None]
    correlation = 1 - (within - covariance) / total
    correlation[:, 0] = 1.0
    pairs = max(0, (count - 3) // 2) + 1
    even, odd = correlation[:, 0 : 2 * pairs : 2], correlation[:, 1 : 2 * pairs : 2]
    return even + odd, even


def _ess_tail(x: np.ndarray) -> np.ndarray:
    limits = np.quantile(x.reshape(len(x), -1), TAILS, axis=1)[:, :, None, None]
    below, above = (_ess(_split((x <= limit).astype(np.float64))) for limit in limits)
    return np.where(above < below, above, below)


def _mcse_mean(x: np.ndarray) -> np.ndarray:
    return x.std(axis=(1, 2), ddof=1) / np.sqrt(_ess(_split(x)))


def _mcse_sd(x: np.ndarray) -> np.ndarray:
    """By the delta method: the variance of the variance over four times the variance."""
    square = (x - x.mean(axis=(1, 2), keepdims=True)) ** 2
    variance = square.mean(axis=(1, 2))
    of_variance = ((square**2).mean(axis=(1, 2)) - variance**2) / _ess(_split(square))
    return np.sqrt(of_variance / variance / 4)
