"""Predict from the posterior, and check the model against its data."""

from __future__ import annotations


class PosteriorPredictions:
    """Mixin of an estimator that can be sampled: predictions, residuals and checks."""
