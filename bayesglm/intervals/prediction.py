r"""Uncertainty of predictions: of the mean by the delta method, of a new response by a mixture.

A new response is distributed as :math:`\int F(y\mid\eta,\phi)\,dN(\eta)\,dp(\phi)`: the linear
predictor is normal around its estimate, and a dispersion estimated by moments is
:math:`\hat\phi\,\nu/\chi^2_\nu`, which makes the Gaussian case exact.

References
----------
Geisser (1993), *Predictive Inference*, chapter 2. Seber and Lee (2003), *Linear Regression
Analysis*, section 5.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from bayesglm._compiled import compiled
from bayesglm.glm import scoring
from bayesglm.posterior.distributions import DISTRIBUTIONS, draw_responses, setting_of_rows

CHUNK_ROWS = 4096
MOST_CELLS = 2**20  # of cumulative probabilities, or of draws, at once
TAIL = 5.5  # standard deviations of the linear predictor that are looked at
FINEST = 50.0  # nodes per standard deviation of the linear predictor, at most
DISPERSION_NODES = 12
LARGEST_DOF = 5000  # beyond, the dispersion counts as known: it widens an interval by 1e-4
NUM_DRAWS = 10_000  # where a family has no distribution function


@dataclass(frozen=True)
class Predictor:
    """What a prediction needs of a fit.

    Parameters
    ----------
    observations, link
        How y is distributed.
    scale
        Dispersion, shape (K,).
    dof
        Degrees of freedom of its estimate, shape (K,); infinite where it is not estimated so.
    """

    observations: Any
    link: Any
    scale: np.ndarray
    dof: np.ndarray


def eta_std(X: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the linear predictor of each row, shape (n, K).

    Parameters
    ----------
    X
        Features, shape (n, p).
    covariance
        Of coefficients and intercept, shape (K, p + 1, p + 1); NaN for parameters that are held,
        which are known, and throughout where nothing is identified.
    """
    unknown = np.isnan(np.diagonal(covariance, axis1=1, axis2=2)).all(axis=1)
    known = np.where(unknown[:, None, None], np.nan, np.nan_to_num(covariance))
    variance = np.empty((len(X), len(known)))
    for first in range(0, len(X), CHUNK_ROWS):
        rows = slice(first, first + CHUNK_ROWS)
        Z = np.column_stack([X[rows].astype(float), np.ones(len(X[rows]))])
        variance[rows] = np.stack([np.sum((Z @ V) * Z, axis=1) for V in known], axis=1)
    return np.sqrt(np.maximum(variance, 0.0))


@compiled
def _slope(observations, link, eta):
    return jax.jvp(lambda e: observations.mean(e, link), (eta,), (jnp.ones_like(eta),))[1]


def mean_std(observations: Any, link: Any, eta: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the mean, by the delta method from that of ``eta``."""
    slope = scoring.by_rows(lambda e: _slope(observations, link, e), eta)
    return np.abs(np.asarray(observations.expectation(slope))) * spread


def new_response_bounds(
    predictor: Predictor, eta: np.ndarray, spread: np.ndarray, level: float
) -> np.ndarray:
    """Bounds of a new response at each row, shape (n, K, 2).

    Parameters
    ----------
    predictor
        The distribution of responses.
    eta, spread
        Estimate and standard deviation of the linear predictor, shape (n, K).
    level
        Probability between the bounds; at least that for counts.
    """
    tails = 0.5 - level / 2, 0.5 + level / 2
    family = type(predictor.observations).__name__
    if family == "GaussianObservations" and predictor.link.__name__ == "identity":
        width = np.sqrt(predictor.scale + spread**2)
        return np.stack([eta + width * stats.t.ppf(t, predictor.dof) for t in tails], axis=-1)
    nodes = None
    if family in DISTRIBUTIONS:
        half = int(np.ceil(TAIL * _nodes_per_std(predictor, eta, spread)))
        nodes = np.linspace(-TAIL, TAIL, 2 * half + 1)
    per_row = eta.shape[1] * (NUM_DRAWS if nodes is None else len(nodes) * DISPERSION_NODES)
    size = max(1, MOST_CELLS // per_row)
    bounds = np.full((*eta.shape, 2), np.nan)
    known = np.isfinite(eta) & np.isfinite(spread)
    for first in range(0, len(eta), size):
        rows = slice(first, first + size)
        at = np.where(known[rows], eta[rows], 0.0), np.where(known[rows], spread[rows], 0.0)
        if nodes is None:
            found = _quantiles_of_draws(predictor, *at, tails)
        else:
            found = _quantiles_of_mixture(predictor, *at, tails, nodes, rows)
        bounds[rows] = np.where(known[rows][..., None], found, np.nan)
    return bounds


def _nodes_per_std(predictor: Predictor, eta: np.ndarray, spread: np.ndarray) -> float:
    """Nodes per standard deviation of the linear predictor.

    The trapezoidal rule is exact to 1e-8 for steps of one, if the response is not narrower than
    the mean is uncertain; if it is, for steps as narrow.
    """
    observations = predictor.observations
    mean = observations.mean(jnp.asarray(eta), predictor.link)
    own = np.sqrt(np.asarray(observations.variance(mean, jnp.asarray(predictor.scale))))
    with np.errstate(all="ignore"):
        ratio = mean_std(observations, predictor.link, eta, spread) / own
    return float(np.clip(np.max(ratio[np.isfinite(ratio)], initial=0.0), 1.0, FINEST))


def dispersion_nodes(dof: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Factors of the dispersion and their weights, both (K, d): a scaled inverse chi-square.

    In equal steps of the cube root of chi-square, which is close to normal (Wilson and Hilferty).
    """
    if not (dof < LARGEST_DOF).any():
        return np.ones((len(dof), 1)), np.ones((len(dof), 1))
    dof = np.minimum(np.where(dof > 0, dof, np.nan), 1e6)[:, None]
    low, high = np.cbrt(stats.chi2.ppf(1e-8, dof)), np.cbrt(stats.chi2.isf(1e-8, dof))
    root = low + (high - low) * np.linspace(0, 1, DISPERSION_NODES)
    share = stats.chi2.pdf(root**3, dof) * root**2
    return dof / root**3, share / share.sum(axis=1, keepdims=True)


def _quantiles_of_mixture(predictor, eta, spread, tails, nodes, rows):
    """Quantiles (n, K, 2) of the mixture over linear predictors and dispersions."""
    shrink, share = dispersion_nodes(predictor.dof)
    at = eta[..., None, None] + (spread[..., None] * np.sqrt(shrink))[..., None] * nodes
    scale = np.broadcast_to((predictor.scale[:, None] * shrink)[..., None], at.shape)
    weight = np.broadcast_to(share[..., None] * np.exp(-0.5 * nodes**2), at.shape)
    flat = lambda a: a.reshape(eta.size, -1)
    with np.errstate(all="ignore"):
        mean = scoring.mean_response(predictor.observations, predictor.link, flat(at))
        setting = setting_of_rows(predictor.observations, rows)[..., None, None]
        setting = flat(np.broadcast_to(setting, at.shape))
        kind, of_family = DISTRIBUTIONS[type(predictor.observations).__name__]
        shapes = of_family(mean, flat(scale), setting)
        found = [_quantile(kind, shapes, flat(weight), tail) for tail in tails]
    return np.stack(found, axis=-1).reshape(*eta.shape, 2)


def _quantile(kind: Any, shapes: list, weight: np.ndarray, tail: float) -> np.ndarray:
    """Quantile of each mixture, shape (N,), between those of its parts."""
    below, above = _bracket(kind, shapes, tail)
    valid = np.isfinite(above)  # not where a linear predictor is outside the link's domain
    low = np.min(np.where(valid, below, np.inf), axis=1)
    high = np.max(np.where(valid, above, -np.inf), axis=1)
    return quantile_between(kind, shapes, np.where(valid, weight, 0.0), tail, low, high)


def quantile_between(
    kind: Any, shapes: list, weight: np.ndarray, tail: Any, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Quantile of each of N mixtures, known to lie between two bounds.

    Parameters
    ----------
    kind, shapes
        Distribution of SciPy and its parameters, shape (N, M).
    weight
        Of the M parts of a mixture, shape (N, M); a part without weight may have no parameters.
    tail
        Probability, one or (N,).
    low, high
        Bounds, shape (N,); whole numbers for counts.
    """
    weight = weight / weight.sum(axis=1, keepdims=True)
    tail = np.broadcast_to(tail, len(weight))

    def excess(y, cell):
        share = kind.cdf(y[:, None], *(shape[cell] for shape in shapes))
        return np.sum(weight[cell] * np.where(weight[cell] > 0, share, 0.0), axis=1) - tail[cell]

    search = _smallest_integer if hasattr(kind, "pmf") else _root
    return search(excess, low, high)


def _bracket(kind: Any, shapes: list, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the quantile of each part: equal, but for one whose quantile SciPy fails to find.

    Its are Cantelli's inequalities.
    """
    if kind is not stats.invgauss:
        quantile = kind.ppf(tail, *shapes)
        return quantile, quantile
    mean, std = shapes[0] * shapes[2], shapes[0] ** 1.5 * shapes[2]
    odds = np.sqrt(tail / (1 - tail))
    return np.maximum(mean - std / odds, 0.0), mean + std * odds


def _smallest_integer(excess: Any, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Smallest integers where an increasing function is not negative, by bisection."""
    low, high, cells = low.copy(), high.copy(), np.flatnonzero(low < high)
    while cells.size:
        middle = np.floor(0.5 * (low[cells] + high[cells]))
        enough = excess(middle, cells) >= 0
        high[cells[enough]], low[cells[~enough]] = middle[enough], middle[~enough] + 1
        cells = cells[low[cells] < high[cells]]
    return np.where(np.isfinite(high), high, np.nan)


def _root(excess: Any, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where an increasing function is zero, by Chandrupatla's method."""
    from scipy.optimize import elementwise

    cells = np.flatnonzero(low < high)
    root = np.where(low == high, high, np.nan)
    slack = 1e-6 * (high - low)[cells]  # so that rounding does not lose the root
    ends = low[cells] - slack, high[cells] + slack
    found = elementwise.find_root(excess, ends, args=(cells,), tolerances={"xrtol": 1e-10})
    root[cells] = found.x
    return root


def _quantiles_of_draws(predictor, eta, spread, tails):
    """Quantiles (n, K, 2) of draws, for a family without a distribution function."""
    observations, rng = predictor.observations, np.random.default_rng(0)
    shape = (NUM_DRAWS, *eta.shape)
    dof = np.minimum(predictor.dof, 1e9)
    shrink = dof / rng.chisquare(dof, shape)
    at = eta + spread * np.sqrt(shrink) * rng.standard_normal(shape)
    at = at.reshape(-1, eta.shape[1])
    mean = scoring.mean_response(observations, predictor.link, at)
    scale = (predictor.scale * shrink).reshape(mean.shape)
    drawn = draw_responses(observations, mean, scale, np.ones(()), rng).astype(float)
    return np.moveaxis(np.nanquantile(drawn.reshape(shape), tails, axis=0), 0, -1)
