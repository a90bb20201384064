"""Data with correlated columns, and how far an answer is from the optimum."""

from __future__ import annotations

import numpy as np

CORRELATION = 0.9


def poisson(n, p, K=None, seed=0, dtype=float):
    """Counts whose log mean is linear in columns with correlation 0.9^|i - j|."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, p))
    for j in range(1, p):
        X[:, j] = CORRELATION * X[:, j - 1] + np.sqrt(1 - CORRELATION**2) * X[:, j]
    coef = random.normal(size=(p, K or 1)) * 0.1
    y = random.poisson(np.exp(X @ coef + 0.5)).astype(float)
    return X.astype(dtype), y if K else y[:, 0]


def scaled_gradient(X, y, coef, intercept, strength=0.0):
    """Largest gradient (with a lasso: its least subgradient), relative to the size of a score.

    Of Poisson regression with a log link, in columns of unit variance; ``coef`` is (p,) or (p, K).
    """
    y = y.reshape(len(y), -1)
    coef = np.asarray(coef, float).reshape(X.shape[1], -1)
    score = np.exp(X @ coef + intercept) - y
    unit = np.sqrt((score**2).mean(axis=0))
    spread = X.std(axis=0)[:, None]
    slope = (X - X.mean(axis=0)).T @ score / len(y)
    at_zero = np.maximum(np.abs(slope) - strength, 0.0)
    slope = np.where(coef == 0, at_zero, np.abs(slope + strength * np.sign(coef)))
    level = np.abs(score.mean(axis=0))
    return float(max((slope / spread / unit).max(), (level / unit).max()))
