"""Runs of the No-U-Turn sampler that can be watched, interrupted, stored and continued."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayesglm.inference import nuts
from bayesglm.inference.checkpoint import Checkpoint
from bayesglm.inference.target import AbstractTarget


@dataclass(frozen=True)
class Run:
    """What a run has drawn.

    Parameters
    ----------
    transitions
        Transitions after warm-up, NumPy arrays of shape (draws, chains, problems).
    state
        NumPyro's state after the last one: where a continuation begins.
    complete
        Whether every transition asked for was taken.
    """

    transitions: nuts.Transitions
    state: Any
    complete: bool


def run(
    target: AbstractTarget,
    z: np.ndarray,
    keys: np.ndarray,
    settings: nuts.Settings,
    num_samples: int,
    *,
    state: Any = None,
    report: Callable[[int, nuts.Transitions], None] | None = None,
    checkpoint: Checkpoint | None = None,
) -> Run:
    """Draw from every problem, warm-up included.

    Parameters
    ----------
    target
        Whitened target of B problems.
    z, keys
        Where chains begin, standard normal, and their random keys: shapes (chains, B, D) and
        (chains, B, 2).
    settings
        The sampler's.
    num_samples
        Draws of each chain.
    state
        State of an earlier run to go on from; None begins with warm-up.
    report
        Called after each piece with the transitions taken so far and the last piece.
    checkpoint
        Where to store each piece, and to find those of a run that was killed.

    Returns
    -------
    The run; an interruption from the keyboard ends it early, with all that had been drawn.
    """
    pieces: list[nuts.Transitions] = []
    if checkpoint is not None:
        pieces, stored = checkpoint.load()
        state = stored if pieces else state
    if state is None:
        state = nuts.start(target, z, keys, settings)
    done = sum(len(piece.lp) for piece in pieces)
    skip = max(settings.num_warmup - (int(np.asarray(state.i).max()) - done), 0)
    total = skip + num_samples
    complete = True
    try:
        while done < total:
            count = min(nuts.LONGEST_PIECE, total - done)
            state, piece = nuts.advance(target, state, jnp.asarray(count), settings)
            pieces.append(nuts.to_host(piece, count))
            done += count
            if checkpoint is not None:
                checkpoint.append(pieces[-1], state)
            if report is not None:
                report(done, pieces[-1])
    except KeyboardInterrupt:
        complete = False
    return Run(_joined(pieces, skip, total), state, complete)


def _joined(pieces: list[nuts.Transitions], skip: int, total: int) -> nuts.Transitions:
    """All transitions after the first ``skip``, as one."""
    if sum(len(piece.lp) for piece in pieces) <= skip:
        raise KeyboardInterrupt("interrupted in warm-up: nothing had been drawn")
    return jax.tree.map(lambda *parts: np.concatenate(parts)[skip:total], *pieces)
