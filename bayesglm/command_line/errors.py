"""What can go wrong on the command line, in words that help."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST = 12  # names that a message lists


class InputError(Exception):
    """Input that cannot be used; the message says what was found and what to do."""


class FitError(Exception):
    """A fit that failed or did not converge."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Which of the known names may be meant, or which there are.

    Examples
    --------
    >>> suggestion("vists", ["visits", "age"])
    "did you mean 'visits'?"
    >>> suggestion("height", ["visits", "age"])
    'there are visits, age.'
    """
    known = [str(item) for item in known]
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near else f"there are {listing(known)}."


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name most like ``name``, if one is at least as like as ``cutoff``, 0 to 1.

    Examples
    --------
    >>> nearest("Age", ["visits", "age"])
    'age'
    """
    folded = {item.lower(): item for item in known}
    close = difflib.get_close_matches(name.lower(), folded, 1, cutoff)
    return folded[close[0]] if close else None


def listing(names: Iterable[str]) -> str:
    """Join the names, or the first of them and how many there are more.

    Examples
    --------
    >>> listing(["a", "b"])
    'a, b'
    """
    names = [str(name) for name in names]
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more
