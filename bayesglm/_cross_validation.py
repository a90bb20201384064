"""How well a model predicts rows that it has not seen, without refits."""

from __future__ import annotations


class CrossValidation:
    """Mixin of an estimator that can be sampled: pointwise log-likelihoods, leave-one-out."""
