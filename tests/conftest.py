"""Shared by all tests: fixed seeds, no windows, no deadlines on compiled code."""

import os

import hypothesis
import numpy as np
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
hypothesis.settings.register_profile("bayesglm", deadline=None, derandomize=True)
hypothesis.settings.load_profile("bayesglm")


@pytest.fixture
def rng():
    """A fresh NumPy generator with a fixed seed."""
    return np.random.default_rng(2024)


@pytest.fixture
def key():
    """A JAX key with a fixed seed."""
    import jax

    return jax.random.key(2024)
