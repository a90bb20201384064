"""What is computed at every row for every draw: block by block, and never held whole.

S draws and n rows make S x n linear predictors: 32 GB for 4,000 draws and a million rows. Whatever
is wanted of them in the end (a mean, a quantile, the log of a mean density) is a reduction over
draws, so blocks of a few rows are computed, reduced and forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from bayesglm._module import Module
from bayesglm._progress import rows_bar
from bayesglm.glm.assemble import padded_rows

BLOCK_BYTES = 2**22  # of linear predictors at once: a few copies stay in the cache
LARGEST_RESULT = 2**30  # bytes that are returned unless a user asks for more


@dataclass(frozen=True)
class Drawn:
    """Equally likely draws of a model's parameters, chains one after the other.

    Parameters
    ----------
    observations, link
        How a response is distributed around its mean.
    coef, intercept
        Parameters of the user's columns, shape (S, p, K[, C]) and (S, K[, C]).
    scale
        Dispersions, shape (S, K).
    num_chains
        Number of chains.
    """

    observations: Any
    link: Any
    coef: np.ndarray
    intercept: np.ndarray
    scale: np.ndarray
    num_chains: int

    def __len__(self) -> int:
        return len(self.scale)

    def thinned(self, count: int | None) -> Drawn:
        """Return ``count`` of the draws, evenly spaced; all of them where None."""
        if count is None or count >= len(self):
            return self
        return self.taken(np.linspace(0, len(self) - 1, count).round().astype(int))

    def taken(self, index: Any) -> Drawn:
        """Return the draws of these numbers, as one chain."""
        return replace(
            self,
            coef=self.coef[index],
            intercept=self.intercept[index],
            scale=self.scale[index],
            num_chains=1,
        )


class Cells(Module):
    """A block of B rows at all S draws.

    Parameters
    ----------
    observations, link
        How a response is distributed around its mean.
    scale
        Dispersions, shape (S, K).
    eta
        Linear predictors, shape (B, S, K[, C]).
    y
        Responses as the kernel wants them, shape (B, K), one-hot (B, K, C), or None.
    weight
        Their weights, shape (B, 1) or (B, K), or None.
    key
        Random key of this block.
    """

    observations: Any
    link: Any
    scale: Any
    eta: Any
    y: Any
    weight: Any
    key: Any

    def by_draw(self, function: Callable[[Any, Any], Any]) -> Any:
        """Apply a function of (eta (B, K[, C]), scale (K,)) to each draw: results (B, S, ...)."""
        return jax.vmap(function, in_axes=(1, 0), out_axes=1)(self.eta, self.scale)

    @property
    def mean(self) -> Any:
        """Means, shape (B, S, K); log-probabilities (B, S, K, C) for classes."""
        return self.by_draw(lambda eta, scale: self.observations.mean(eta, self.link))

    @property
    def log_density(self) -> Any:
        """Log-densities of the responses, in nats, shape (B, S, K)."""
        density = self.observations.log_density
        return self.by_draw(lambda eta, scale: density(self.y, eta, self.link, scale))

    @property
    def response(self) -> Any:
        """One new response for each draw, shape (B, S, K); one-hot (B, S, K, C) for classes."""
        keys = jax.random.split(self.key, len(self.scale))
        one = lambda key, mean, scale: self.observations.sample(key, mean, scale)
        return jax.vmap(one, in_axes=(0, 1, 0), out_axes=1)(keys, self.mean, self.scale)


@eqx.filter_jit  # optimised in full: it runs for every block of what may be many rows
def _measured(measure, shape, observations, link, parameters, rows, key):
    coef, intercept, scale = parameters
    X, offset, y, weight = rows
    eta = (X @ coef).reshape(len(X), *shape) + intercept
    if offset is not None:
        eta = eta + offset[:, None]
    return measure(Cells(observations, link, scale, eta, y, weight, key))


def block_size(num_rows: int, cells: int, num_bytes: int = BLOCK_BYTES) -> int:
    """Rows in a block: a power of two, with ``cells`` linear predictors in a row."""
    most = 2 ** math.floor(math.log2(max(1.0, num_bytes / (8 * cells))))
    return min(most, padded_rows(num_rows))


def blocks(
    measure: Callable[[Cells], Any],
    drawn: Drawn,
    X: np.ndarray,
    offset: np.ndarray | None = None,
    y: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    *,
    seed: int = 0,
    progress_bar: bool = False,
    description: str = "rows",
) -> Iterator[tuple[slice, Any]]:
    """Yield slices of the rows and what ``measure`` gives for each, as NumPy arrays.

    Parameters
    ----------
    measure
        From `Cells` to a pytree of arrays whose first axis is rows, or to sums over rows with their
        weights, in arrays with one row. It is compiled once for every shape of a block: a function
        of a module, or an `equinox.Partial` of one.
    drawn
        The draws.
    X, offset, y, weight
        The rows: features (n, p) of any float, and internal arrays with n rows or None.
    seed
        Of the blocks' random keys; results depend on it and on the size of a block.
    progress_bar, description
        Whether a bar is shown, and what it says.
    """
    S, p, *trailing = drawn.coef.shape
    shape = (S, *trailing)
    coef = np.moveaxis(drawn.coef, 1, 0).reshape(p, -1)
    parameters = tuple(jnp.asarray(a, float) for a in (coef, drawn.intercept, drawn.scale))
    n, key = len(X), jax.random.key(seed)
    size = block_size(n, math.prod(shape))
    with rows_bar(n, description, progress_bar) as bar:
        for first in range(0, n, size):
            last = min(first + size, n)
            index = np.minimum(np.arange(first, first + size), n - 1)  # equal blocks compile once
            take = lambda a, index=index: None if a is None else np.asarray(a[index], float)
            weights = take(weight)
            if weights is not None:
                weights[last - first :] = 0.0  # of repeated rows
            found = _measured(
                measure,
                shape,
                observations_of_rows(drawn.observations, index, n),
                drawn.link,
                parameters,
                (*map(take, (X, offset, y)), weights),
                jax.random.fold_in(key, first),
            )
            kept = last - first
            yield slice(first, last), jax.tree.map(lambda a, n=kept: np.asarray(a)[:n], found)
            bar.update(kept)


def by_rows(measure: Callable[[Cells], Any], drawn: Drawn, X: np.ndarray, *rows: Any, **how: Any):
    """Join what `blocks` yields: a pytree of arrays with a row for each of X.

    Parameters
    ----------
    measure, drawn, X, rows, how
        As in `blocks`.
    """
    parts = [found for _, found in blocks(measure, drawn, X, *rows, **how)]
    if not parts:  # no rows: the shapes of one, with none kept
        rows = [None if a is None else np.zeros((1, *a.shape[1:])) for a in rows]
        found = by_rows(measure, drawn, np.zeros((1, X.shape[1])), *rows)
        return jax.tree.map(lambda a: a[:0], found)
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


def observations_of_rows(observations: Any, index: np.ndarray, num_rows: int) -> Any:
    """Return the observation model with the settings (numbers of trials) of some rows."""
    settings = {
        name: np.asarray(value)[index]
        for name in observations.settings_of_rows
        if np.shape(value := observations.get_params()[name])[:1] == (num_rows,)
    }
    return observations.with_params(**settings) if settings else observations


def refuse_large_result(
    shape: tuple[int, ...], what: str, max_bytes: float = LARGEST_RESULT, remedy: str = ""
) -> None:
    """Raise MemoryError for a result of more bytes than are allowed.

    Parameters
    ----------
    shape
        Of the result, in double precision.
    what, remedy
        What it is, and what to do instead.
    max_bytes
        The budget.
    """
    needed = 8.0 * math.prod(shape)
    if needed > max_bytes:
        raise MemoryError(
            f"{what} of shape {tuple(shape)} would hold {needed / 1e9:.3g} GB, and `max_bytes` "
            f"allows {max_bytes / 1e9:.3g}. {remedy}".strip()
        )
