"""Statistics of the responses, and of those that the model would have in their place.

References
----------
Gelman, Meng and Stern (1996), Posterior predictive assessment of model fitness via realized
discrepancies, *Statistica Sinica* 6, 733-807.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglm.posterior.blocks import Drawn, refuse_large_result
from bayesglm.posterior.replicates import response_blocks, stacked_responses


@dataclass(frozen=True)
class Observed:
    """What replicates are compared with.

    Parameters
    ----------
    X, offset
        Features (n, p), and offsets or None.
    y, counts
        Responses, numbers of classes for classifiers, and whether they count; both (n, K).
    num_classes
        Number of classes; zero for numbers.
    """

    X: np.ndarray
    offset: np.ndarray | None
    y: np.ndarray
    counts: np.ndarray
    num_classes: int = 0


@dataclass(frozen=True)
class Statistic:
    """A statistic that blocks of rows add up to.

    Parameters
    ----------
    terms
        From responses and one of typical size to arrays of the shape of the responses.
    join, initial
        `numpy.ufunc` that joins the terms of rows, and what it starts from.
    finish
        From the number of responses and the joined terms to the statistic.
    """

    terms: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, ...]]
    join: np.ufunc
    initial: float
    finish: Callable[..., np.ndarray]


Function = Callable[[np.ndarray], float]


def _standard_deviation(count, total, square):
    return np.sqrt(np.maximum(square - total**2 / count, 0.0) / (count - 1.0))


def _share(count, total):
    return total / count


STATISTICS = {
    "mean": Statistic(lambda y, c: (y,), np.add, 0.0, _share),
    "sd": Statistic(lambda y, c: (y - c, (y - c) ** 2), np.add, 0.0, _standard_deviation),
    "zeros": Statistic(lambda y, c: (np.where(np.isnan(y), y, y == 0),), np.add, 0.0, _share),
    "min": Statistic(lambda y, c: (y,), np.minimum, np.inf, lambda count, least: least),
    "max": Statistic(lambda y, c: (y,), np.maximum, -np.inf, lambda count, most: most),
}


def read_statistics(statistic: Any, classes: bool) -> dict[str, Statistic | Function]:
    """Statistics that a user asks for, by name.

    Parameters
    ----------
    statistic
        Name, function, list of these, or None for all that have a name.
    classes
        Whether responses are classes.

    Raises
    ------
    ValueError
        For others.
    """
    known = {"mean": STATISTICS["mean"]} if classes else STATISTICS
    asked = list(known) if statistic is None else statistic
    asked = list(asked) if isinstance(asked, list | tuple) else [asked]
    found = {}
    for one in asked:
        if not (callable(one) or (isinstance(one, str) and one in known)):
            raise ValueError(
                f"`statistic` must be one of {tuple(known)}{' for classes' * classes}, a function "
                f"of the responses, or a list of these; got {one!r}."
            )
        name = one if isinstance(one, str) else getattr(one, "__name__", type(one).__name__)
        found[name] = known[one] if isinstance(one, str) else one
    if len(found) < len(asked) or not asked:
        raise ValueError(f"`statistic` must name each one once; got {statistic!r}.")
    if classes and len({isinstance(value, Statistic) for value in found.values()}) > 1:
        raise ValueError(
            "Shares of the classes ('mean') and functions of their numbers have different shapes: "
            "ask for one `statistic` at a time."
        )
    return found


def compare(
    statistics: dict[str, Statistic | Function],
    drawn: Drawn,
    rows: Observed,
    *,
    seed: int,
    max_bytes: float,
    **how: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Statistics of the observed responses, and of a replicate of them at each draw.

    Parameters
    ----------
    statistics
        From `read_statistics`, T of them.
    drawn, rows
        The draws, and what was observed.
    seed
        Of the replicates.
    max_bytes
        Of the whole replicates that are held at once, for functions.
    how
        As in `bayesglm.posterior.blocks.blocks`.

    Returns
    -------
    Observed (T, K[, C]) and replicated (T, S, K[, C]).
    """
    own = {name: one for name, one in statistics.items() if isinstance(one, Statistic)}
    others = {name: one for name, one in statistics.items() if name not in own}
    how = {"description": "replicates", **how}
    found = {}
    if own:
        found |= _of_blocks(own, drawn, rows, seed=seed, **how)
    if others:
        found |= _of_whole_replicates(others, drawn, rows, seed, max_bytes, how)
    values = np.stack([found[name] for name in statistics])
    return values[:, 0], values[:, 1:]


def _of_blocks(statistics, drawn, rows, **how):
    """Values (1 + S, K[, C]) by name, the observed one first, of statistics of blocks."""
    C, K = rows.num_classes, rows.y.shape[1]
    indicators = lambda y: (y[..., None] == np.arange(C)).reshape(*y.shape[:-1], -1).astype(float)
    of = indicators if C else lambda y: y.astype(float, copy=False)
    y, counts = of(rows.y)[:, None], np.repeat(rows.counts, max(C, 1), axis=1)[:, None]
    new = response_blocks(drawn, rows.X, rows.offset, **how)
    typical = y[:, 0].mean(axis=0)
    observed = _joined(statistics, typical, [(y, counts)])
    replicated = _joined(statistics, typical, ((of(a), counts[index]) for index, a in new))
    shape = (-1, K, C) if C else (-1, K)
    join = lambda name: np.concatenate([observed[name], replicated[name]]).reshape(shape)
    return {name: join(name) for name in statistics}


def _joined(
    statistics: dict[str, Statistic],
    typical: np.ndarray,
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Values (S, K) of statistics of blocks (B, S, K) and whether these count, (B, 1, K)."""
    count, joined = 0, {}
    for y, counts in parts:
        count = count + counts.sum(axis=0)
        where = True if counts.all() else counts
        for name, one in statistics.items():
            new = [
                one.join.reduce(term, axis=0, where=where, initial=one.initial)
                for term in one.terms(y, typical)
            ]
            joined[name] = list(map(one.join, joined[name], new)) if name in joined else new
    return {name: one.finish(count, *joined[name]) for name, one in statistics.items()}


def _of_whole_replicates(functions, drawn, rows, seed, max_bytes, how):
    """Values (1 + S, K) by name, the observed one first, of functions of all responses."""
    remedy = "Pass fewer rows, or raise `max_bytes`."
    refuse_large_result((1, *rows.y.shape), "One replicate", max_bytes, remedy)
    size = int(max_bytes // (8 * rows.y.size))
    parts = [drawn.taken(slice(first, first + size)) for first in range(0, len(drawn), size)]
    seeds = np.random.SeedSequence(seed).generate_state(len(parts))
    values = {name: [_applied(name, one, rows.y[None], rows)] for name, one in functions.items()}
    for part, own_seed in zip(parts, seeds, strict=True):
        new = stacked_responses(part, rows.X, rows.offset, seed=int(own_seed), **how)
        for name, one in functions.items():
            values[name].append(_applied(name, one, new, rows))
    return {name: np.concatenate(arrays) for name, arrays in values.items()}


def _applied(name: str, function: Function, y: np.ndarray, rows: Observed) -> np.ndarray:
    """Values (S, K) of a function of the responses (S, n, K) that count."""

    def of_response(k: int) -> np.ndarray:
        found = np.apply_along_axis(function, 1, y[:, rows.counts[:, k], k])
        if found.shape != (len(y),):
            raise ValueError(
                f"`statistic` {name!r} must return one number for an array of shape (n,); it "
                f"returned an array of shape {found.shape[1:]}."
            )
        return found.astype(float)

    return np.stack(list(map(of_response, range(y.shape[2]))), axis=1)
