"""Observations as the numerical code sees them: a sum over rows, wherever the rows are.

Rows in memory are summed in blocks that fit the cache. Rows of a large design stay where the user
has them, in memory or in a file mapped into it: the same sum fetches them chunk by chunk, so that
no copy of the whole is ever made.
"""

from __future__ import annotations

import itertools
import weakref
from dataclasses import dataclass
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bayesglm._module import Module

CHUNK_ELEMENTS = 2**20  # numbers fetched at once: many blocks, and little beside the data


class Rows(Module):
    """Observations in arrays, padded to a multiple of ``block`` rows.

    Parameters
    ----------
    X
        Design matrix, shape (n, p), float32 or float64.
    y
        Responses, shape (n, K); one-hot (n, K, C) for classifiers.
    weight
        Weights that sum to one over rows, shape (n, 1) or (n, K); zero removes a cell.
    offset
        Added to the linear predictor; None or broadcastable to its shape (n, K[, C]).
    num_rows
        Number of rows that are not padding.
    block
        Number of rows evaluated at once.
    """

    X: Any
    y: Any
    weight: Any
    offset: Any
    num_rows: Any
    block: int = eqx.field(static=True)

    @property
    def num_features(self) -> int:
        """Number of columns of the design."""
        return self.X.shape[1]

    def slice(self, index: Any) -> Rows:
        """Block number ``index``."""
        if self.X.shape[0] == self.block:
            return self
        cut = lambda a: lax.dynamic_slice_in_dim(a, index * self.block, self.block)
        X, y, weight, offset = jax.tree.map(cut, (self.X, self.y, self.weight, self.offset))
        return Rows(X, y, weight, offset, self.num_rows, self.block)

    def sum(self, of_block: Any) -> Any:
        """Add up ``of_block(rows)`` over all blocks; the number of blocks is not compiled in."""
        if self.X.shape[0] == self.block:
            return of_block(self)
        return _accumulate(lambda i: of_block(self.slice(i)), -(-self.num_rows // self.block))

    def gathered(self) -> Rows:
        """Return rows whose arrays are all in memory: these."""
        return self

    def take(self, indices: Any) -> Rows:
        """Rows ``indices`` as one block."""
        X, y, weight, offset = jax.tree.map(
            lambda a: a[indices], (self.X, self.y, self.weight, self.offset)
        )
        return Rows(X, y, weight, offset, self.num_rows, indices.shape[0])


@dataclass(frozen=True, eq=False)
class HostArrays:
    """Observations that stay on the host, for `StreamedRows`; fields as in `Rows`, unpadded."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    offset: np.ndarray | None

    def fetch(self, rows: Any, length: int) -> list[np.ndarray]:
        """``length`` rows of each array: those of a slice or of indices, then padding."""
        arrays = [a for a in (self.X, self.y, self.weight, self.offset) if a is not None]
        parts = [np.ascontiguousarray(a[rows]) for a in arrays]
        fills = ["edge", "edge", "constant", "edge"]
        return [_lengthen(a, length, fill) for a, fill in zip(parts, fills, strict=False)]


def _lengthen(array: np.ndarray, length: int, mode: str) -> np.ndarray:
    missing = length - len(array)
    if not missing:
        return array
    return np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1), mode=mode)


_NUMBERS = itertools.count()
_HOSTED: weakref.WeakValueDictionary[int, HostArrays] = weakref.WeakValueDictionary()


class StreamedRows(Module):
    """Observations fetched from `HostArrays` chunk by chunk; used like `Rows`.

    Compiled code knows them by a number, so that other data of as many columns need no other
    program, however many rows they have. Whoever made the `HostArrays` keeps them alive.

    Parameters
    ----------
    number
        Which arrays.
    num_rows
        Number of rows.
    block, chunk
        Number of rows evaluated and fetched at once; a chunk is a number of blocks.
    kinds
        Shape of a row and data type of each array.
    """

    number: Any
    num_rows: Any
    block: int = eqx.field(static=True)
    chunk: int = eqx.field(static=True)
    kinds: tuple = eqx.field(static=True)

    @classmethod
    def of(cls, arrays: HostArrays, block: int) -> StreamedRows:
        """Rows of ``arrays`` in blocks of so many."""
        number = next(_NUMBERS)
        _HOSTED[number] = arrays
        (n, p), fields = arrays.X.shape, (arrays.X, arrays.y, arrays.weight, arrays.offset)
        kinds = tuple((a.shape[1:], str(a.dtype)) for a in fields if a is not None)
        chunk = block * max(1, CHUNK_ELEMENTS // (block * p))
        return cls(np.asarray(number), np.asarray(n), block, chunk, kinds)

    @property
    def num_features(self) -> int:
        """Number of columns of the design."""
        return self.kinds[0][0][0]

    def slice(self, index: Any) -> Rows:
        """Chunk number ``index``."""
        left = jnp.minimum(self.num_rows - index * self.chunk, self.chunk)
        return self._fetch(_fetch_chunk, index, self.chunk, left, self.block)

    def sum(self, of_block: Any) -> Any:
        """Add up ``of_block(rows)`` over the blocks of all chunks; see `Rows.sum`."""
        of_chunk = lambda i: self.slice(i).sum(of_block)
        return _accumulate(of_chunk, -(-self.num_rows // self.chunk))

    def gathered(self) -> Rows:
        """Return rows whose arrays are all in memory: a copy."""
        host, n = _HOSTED[int(self.number)], int(self.num_rows)
        found = host.fetch(slice(0, n), -(-n // self.block) * self.block)
        X, y, weight, offset = [*map(jnp.asarray, found), None][:4]
        return Rows(X, y, weight, offset, self.num_rows, self.block)

    def take(self, indices: Any) -> Rows:
        """Rows ``indices`` as one block."""
        length = indices.shape[0]
        return self._fetch(_fetch_rows, indices, length, self.num_rows, length)

    def _fetch(self, fetch, where, length, num_rows, block) -> Rows:
        words = [(length, *row, np.dtype(dtype).itemsize // 4) for row, dtype in self.kinds]
        shapes = [jax.ShapeDtypeStruct(shape, np.uint32) for shape in words]
        found = jax.pure_callback(partial(fetch, length), shapes, self.number, where)
        arrays = [
            lax.bitcast_convert_type(a if a.shape[-1] > 1 else a[..., 0], dtype)
            for a, (_, dtype) in zip(found, self.kinds, strict=True)
        ]
        X, y, weight, offset = [*arrays, None][:4]
        return Rows(X, y, weight, offset, num_rows, block)


def _fetch_chunk(length: int, number: Any, index: Any) -> list[np.ndarray]:
    start = int(index) * length
    found = _HOSTED[int(number)].fetch(slice(start, start + length), length)
    return [_words(a) for a in found]


def _fetch_rows(length: int, number: Any, indices: Any) -> list[np.ndarray]:
    found = _HOSTED[int(number)].fetch(np.asarray(indices), length)
    return [_words(a) for a in found]


def _words(array: np.ndarray) -> np.ndarray:
    """Bits of each number on a last axis: JAX narrows floats on the thread of a callback."""
    return array.view(np.uint32).reshape(*array.shape, array.itemsize // 4)


def _accumulate(part: Any, count: Any) -> Any:
    """Sum of ``part(i)`` over i < ``count``, which may be traced."""
    zero = jax.tree.map(jnp.zeros_like, jax.eval_shape(part, 0))
    add = lambda i, total: jax.tree.map(jnp.add, total, part(i))
    return lax.fori_loop(0, count, add, zero)
