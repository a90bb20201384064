"""Simulation-based calibration of the user's own model."""

from __future__ import annotations


class Calibration:
    """Mixin of an estimator that can be sampled: calibration."""
