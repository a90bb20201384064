r"""What features do to the expected response: slopes, and contrasts of counterfactual rows.

The slope of feature j is :math:`\partial\mu/\partial x_j = \mu'(\eta)\,\beta_j`: one sum of
:math:`\mu'` over rows serves all features.

References
----------
Williams (2012), Using the margins command to estimate and interpret adjusted predictions and
marginal effects, *Stata Journal* 12, 308-331. Arel-Bundock, Greifer and Heiss (2024), How to
interpret statistical models using marginaleffects for R and Python, *J. Statistical Software* 111.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from bayesglm.intervals.contrasts import Contrast
from bayesglm.intervals.propagation import ByDeltaMethod, ByDraws
from bayesglm.posterior.blocks import Cells, blocks


def response(observations: Any, link: Any, eta: Any) -> Any:
    """Return expected responses, or probabilities of classes, at eta (B, S, K[, C])."""
    mean = lambda e: observations.expectation(observations.mean(e, link))
    return jax.vmap(mean, in_axes=1, out_axes=1)(eta)


def response_slope(observations: Any, link: Any, eta: Any) -> Any:
    """Return derivatives of `response` in eta, shape (B, S, K), or (B, S, K, C, C) for classes."""
    of_eta = lambda e: response(observations, link, e)
    along = lambda change: jax.jvp(of_eta, (eta,), (jnp.broadcast_to(change, eta.shape),))[1]
    if not observations.event_ndim:
        return along(jnp.ones(()))
    return jax.vmap(along, out_axes=-1)(jnp.eye(eta.shape[-1]))


def relative_slope(observations: Any, link: Any, eta: Any) -> Any:
    """Return derivatives of the logarithm of `response`, as `response_slope`."""
    mean = response(observations, link, eta)
    mean = mean[..., None] if observations.event_ndim else mean
    return response_slope(observations, link, eta) / mean


# Derivatives of the response or its logarithm; whether in the logarithm of the feature.
SLOPES = {
    "dydx": (response_slope, False),
    "dyex": (response_slope, True),
    "eydx": (relative_slope, False),
    "eyex": (relative_slope, True),
}
COMPARISONS = {
    "difference": lambda high, low: high - low,
    "ratio": lambda high, low: high / low,
    "lift": lambda high, low: (high - low) / low,
}


def times_coef(slope: Any, coef: Any) -> Any:
    """Chain rule: slope in eta (..., K[, C, C]) times coefficients (K[, C])."""
    return slope * coef if coef.ndim == 1 else (slope @ coef[..., None])[..., 0]


@dataclass(frozen=True)
class Observed:
    """Rows that effects are evaluated at.

    Parameters
    ----------
    X, offset
        Features (n, p), and internal offsets or None.
    weight
        Of the rows in averages, shape (n, 1) or (n, K).
    """

    X: np.ndarray
    offset: np.ndarray | None
    weight: np.ndarray

    def of(self, index: Any) -> Observed:
        """Return some of the rows."""
        offset = None if self.offset is None else self.offset[index]
        return Observed(self.X[index], offset, self.weight[index])

    @property
    def mean(self) -> Observed:
        """One row of the weighted means of the features and offsets."""
        share = self.weight.mean(axis=1)
        share = share / share.sum()
        mean = lambda a: None if a is None else np.tensordot(share, a, axes=1)[None]
        return Observed(mean(self.X), mean(self.offset), np.ones((1, 1)))


Route = ByDraws | ByDeltaMethod


def average_slopes(
    route: Route, slope: str, positions: Sequence[int], rows: Observed, bar: Any
) -> np.ndarray:
    """Average slopes of features over rows.

    Parameters
    ----------
    route
        How uncertainty reaches them.
    slope
        A key of `SLOPES`.
    positions
        Columns of the features.
    rows
        The rows.
    bar
        Progress bar of rows.

    Returns
    -------
    Rows of `bayesglm.intervals.propagation.SUMMARY`, shape (4, V, K[, C]).
    """
    function, in_logarithm = SLOPES[slope]
    factor = rows.X[:, positions, None] if in_logarithm else 1.0
    mean = _mean(route, function, rows.X, rows, factor * rows.weight[:, None], bar)
    found = [
        route.combine(times_coef, mean[:, j * in_logarithm], route.coef[:, position])
        for j, position in enumerate(positions)
    ]
    return np.stack([route.summarize(values) for values in found], axis=1)


def row_slopes(
    route: Route, slope: str, positions: Sequence[int], rows: Observed, bar: Any
) -> np.ndarray:
    """Slopes of features at every row, shape (4, n, V, K[, C]); parameters as `average_slopes`."""
    function, in_logarithm = SLOPES[slope]
    coef = route.coef
    result = np.empty((4, len(rows.X), len(positions), *coef.shape[2:]))
    for part, values in _of_rows(route, function, rows.X, rows):
        for j, position in enumerate(positions):
            found = route.combine(times_coef, values, coef[:, position])
            if in_logarithm:
                x = rows.X[part, position]
                found = found * x.reshape(-1, *(1,) * (found.ndim - 2))
            result[:, part, j] = route.summarize(found)
        bar.update(part.stop - part.start)
    return result


def average_comparisons(
    route: Route, comparison: str, contrasts: Sequence[Contrast], rows: Observed, bar: Any
) -> np.ndarray:
    """Compare the average responses at counterfactual rows.

    Parameters
    ----------
    route, rows, bar
        As in `average_slopes`.
    comparison
        A key of `COMPARISONS`.
    contrasts
        The counterfactuals.

    Returns
    -------
    Shape (4, V, K[, C]).
    """
    found = []
    weight = rows.weight[:, None]
    for contrast in contrasts:
        low, high = (
            _mean(route, response, X, rows, weight, bar)[:, 0] for X in contrast.of(rows.X)
        )
        found.append(route.summarize(route.combine(COMPARISONS[comparison], high, low)))
    return np.stack(found, axis=1)


def row_comparisons(
    route: Route, comparison: str, contrasts: Sequence[Contrast], rows: Observed, bar: Any
) -> np.ndarray:
    """Compare responses at every row, (4, n, V, K[, C]); parameters as `average_comparisons`."""
    result = np.empty((4, len(rows.X), len(contrasts), *route.coef.shape[2:]))
    for j, contrast in enumerate(contrasts):
        low, high = (_of_rows(route, response, X, rows) for X in contrast.of(rows.X))
        for (part, below), (_, above) in zip(low, high, strict=True):
            found = route.combine(COMPARISONS[comparison], above, below)
            result[:, part, j] = route.summarize(found)
            bar.update(2 * (part.stop - part.start))
    return result


def _values(evaluate, function, cells: Cells):
    return evaluate(function, cells)


def _sum(evaluate, function, cells: Cells):
    """Sum over the rows of a block, as its only row; weights (B, J, 1 or K)."""
    alike = cells.weight.shape[2] == 1
    weight = cells.weight[:, :, 0] if alike else cells.weight
    path = "bj,bs...->sj..." if alike else "bjk,bsk...->sjk..."
    return jnp.einsum(path, weight, evaluate(function, cells))[None]


def _mean(route, function, X, rows: Observed, weight, bar) -> np.ndarray:
    """Means over rows, shape (S, J, K, ...), by J sets of weights (n, J, 1 or K)."""
    total, measure = 0.0, eqx.Partial(_sum, route.evaluate, function)
    for part, found in blocks(measure, route.drawn, X, rows.offset, None, weight):
        total = total + found[0]
        bar.update(part.stop - part.start)
    size = rows.weight.sum(axis=0)
    return total / size.reshape(-1, *(1,) * (total.ndim - 3))


def _of_rows(route, function, X, rows: Observed) -> Iterator[tuple[slice, np.ndarray]]:
    """Slices of rows and values at them, shape (S, B, K, ...)."""
    measure = eqx.Partial(_values, route.evaluate, function)
    for part, found in blocks(measure, route.drawn, X, rows.offset):
        yield part, np.moveaxis(found, 1, 0)
