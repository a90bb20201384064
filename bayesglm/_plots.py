"""Pictures of an estimator."""

from __future__ import annotations


class Plotted:
    """Mixin of an estimator that can be sampled: pictures."""
