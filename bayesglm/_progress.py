"""Progress of chains, for people who wait."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

with warnings.catch_warnings():  # advice on missing widgets, whoever imports it next
    warnings.simplefilter("ignore")
    from tqdm.auto import tqdm

SHOWN_CHAINS = 8


def rows_bar(num_rows: int, what: str, shown: bool) -> Any:
    """Bar that counts rows; it appears after a second."""
    return tqdm(total=num_rows, desc=what, unit="row", disable=not shown, delay=1.0)


class ChainProgress:
    """Context manager: a bar that counts transitions, with step sizes and divergences per chain.

    Parameters
    ----------
    num_warmup, num_samples
        Transitions of each chain that are forgotten, and that are kept.
    num_chains
        Number of chains.
    shown
        Whether there is a bar at all.
    """

    def __init__(self, num_warmup: int, num_samples: int, num_chains: int, shown: bool):
        self.num_warmup, self.total = num_warmup, num_warmup + num_samples
        self.num_chains, self.shown = num_chains, shown
        self.bar, self.divergences = None, 0

    def __enter__(self) -> ChainProgress:
        self.bar = tqdm(
            total=self.total,
            desc=f"{self.num_chains} chains",
            unit="draw",
            disable=not self.shown,
        )
        return self

    def __exit__(self, *error: Any) -> None:
        self.bar.close()

    def show(self, done: int, piece: Any) -> None:
        """Move the bar to ``done`` transitions, of which ``piece`` are the last."""
        forgotten = max(0, self.num_warmup - (done - len(piece.diverging)))
        self.divergences = self.divergences + piece.diverging[forgotten:].sum(axis=(0, 2))
        step = np.median(piece.step_size[-1], axis=-1)
        if self.num_chains <= SHOWN_CHAINS:
            text = lambda values, form: " ".join(format(v, form) for v in values)
            note = f"step {text(step, '.2g')} | diverging {text(self.divergences, 'd')}"
        else:
            note = f"step {np.median(step):.2g} | diverging {self.divergences.sum()}"
        if done <= self.num_warmup:
            note = note.split(" | ")[0] + " | warm-up"
        self.bar.set_postfix_str(note, refresh=False)
        self.bar.update(done - self.bar.n)
