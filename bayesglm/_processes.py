"""Which process computes: JAX does not survive a fork."""

from __future__ import annotations

import os

_computing: int | None = None


def refuse_fork() -> None:
    """Raise in a process forked from one that has computed, where JAX would wait for ever.

    Raises
    ------
    RuntimeError
        If this process is such a child.

    Examples
    --------
    >>> refuse_fork()
    """
    global _computing
    if _computing is None:
        _computing = os.getpid()
    if _computing != os.getpid():
        raise RuntimeError(
            "This process was forked from one that has already computed with JAX, whose threads "
            "it lacks: it would wait for ever. Start processes with "
            "multiprocessing.get_context('spawn') or with joblib's default, loky."
        )
