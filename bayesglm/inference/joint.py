"""Problems that are tied together, as one problem."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from bayesglm.inference.target import AbstractTarget, columns_of_hessian


class Joint(AbstractTarget):
    """The sum of K log-densities over vectors of length D, as one density over K D numbers.

    Parameters
    ----------
    inner
        The K densities; they may depend on each other's vectors.
    """

    inner: Any

    def _apart(self, theta: Any) -> Any:
        return theta.reshape(self.inner.num_problems, -1)

    def value_and_gradient(self, theta: Any) -> tuple[Any, Any]:
        """Log-density (1,) and its gradient (1, K D)."""
        value, gradient = self.inner.value_and_gradient(self._apart(theta))
        return jnp.sum(value)[None], gradient.reshape(1, -1)

    def value(self, theta: Any) -> Any:
        """Log-density (1,)."""
        return jnp.sum(self.inner.value(self._apart(theta)))[None]

    def kinked_gradient(self, theta: Any) -> Any:
        """Gradient (1, K D) of the part that has kinks, or None."""
        gradient = self.inner.kinked_gradient(self._apart(theta))
        return None if gradient is None else gradient.reshape(1, -1)

    def precision(self, theta: Any) -> Any:
        """Minus the Hessian, shape (1, K D, K D)."""
        return columns_of_hessian(self, theta)
