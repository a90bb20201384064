"""A small ridge regression with a known solution, to try a solver on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


class RidgeExample:
    """Half a squared norm times the strength: the least a solver asks of a regularizer."""

    @staticmethod
    def penalized_loss(loss, params, strength):
        """Loss plus penalty, as a function of ``(params, *args)``."""
        penalty = lambda p: 0.5 * strength * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(p))

        def penalised(p, *args):
            value = loss(p, *args)
            if isinstance(value, tuple):
                return value[0] + penalty(p), value[1]
            return value + penalty(p)

        return penalised

    @staticmethod
    def get_proximal_operator(params, strength):
        """Shrink towards zero."""
        return lambda p, _, scaling=1.0: jax.tree.map(lambda a: a / (1 + scaling * strength), p)


def ridge_case(has_aux: bool):
    """Loss, regularizer, start, data and solution of a ridge regression of strength 0.5.

    The solution is that of the normal equations, `(X'X / n + s I) b = X'y / n`.
    """
    random = np.random.default_rng(0)
    X = random.normal(size=(50, 3))
    y = X @ np.array([1.0, -2.0, 0.5]) + random.normal(size=50)

    def loss(b, X, y):
        value = 0.5 * jnp.mean((y - X @ b) ** 2)
        return (value, jnp.zeros(())) if has_aux else value

    solution = np.linalg.solve(X.T @ X / 50 + 0.5 * np.eye(3), X.T @ y / 50)
    return loss, RidgeExample, jnp.zeros(3), (jnp.asarray(X), jnp.asarray(y)), solution
