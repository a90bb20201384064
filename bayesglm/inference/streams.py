"""Random numbers, of which every chain of every problem has a stream of its own.

So draws depend on neither how many chains nor what other problems there are.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

Streams: TypeAlias = list[np.random.Generator]  # of one chain, one for each problem


def streams(seed: int, num_chains: int, problems: np.ndarray) -> list[Streams]:
    """Return the streams of each chain, for problems with these numbers."""
    own = lambda *key: np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    return [[own(chain, problem) for problem in problems] for chain in range(num_chains)]


def normal(streams: Streams, shape: tuple[int, ...], axis: int) -> np.ndarray:
    """Return standard normal numbers, the problems along one axis more."""
    return np.stack([stream.standard_normal(shape) for stream in streams], axis=axis)


def random_keys(streams: Streams) -> np.ndarray:
    """Return random keys of JAX, shape (problems, 2)."""
    return np.stack([stream.integers(2**32, size=2, dtype=np.uint32) for stream in streams])
