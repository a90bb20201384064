"""The container of everything that programs take as an argument."""

from __future__ import annotations

import equinox as eqx


class Module(eqx.Module):
    """`equinox.Module` whose methods are bound as Python binds them.

    Equinox makes a tree of each bound method, so that it can be handed to a program; nothing here
    does that, and at 70 µs an access it was a tenth of a small fit.
    """

    __getattribute__ = object.__getattribute__
