"""What a change of a feature does to the response."""

from __future__ import annotations


class Effects:
    """Mixin of an estimator that can be sampled: marginal effects and contrasts."""
