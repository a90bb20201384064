"""What samplers draw from: the log-densities of many independent problems at once."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from bayesglm._compiled import compiled, in_batches
from bayesglm._module import Module

HESSIAN_COLUMNS = 16  # found in one pass over the data
SMALLEST_PRECISION = 1e-6  # of a coordinate whose kink is smoothed


class AbstractTarget(Module):
    """Log-densities of B independent problems over unconstrained vectors of length D."""

    @abstractmethod
    def value_and_gradient(self, theta: Any) -> tuple[Any, Any]:
        """Log-densities (B,), up to constants, and their gradients (B, D) at ``theta`` (B, D)."""

    @abstractmethod
    def value(self, theta: Any) -> Any:
        """Log-densities (B,) alone."""

    def mirrored_values(self, center: Any, theta: Any) -> Any:
        """Log-densities (2, B) at ``theta`` and at its mirror image about ``center`` (B, D)."""
        return jnp.stack([self.value(theta), self.value(2 * center - theta)])

    @abstractmethod
    def precision(self, theta: Any) -> Any:
        """Minus the Hessians, shape (B, D, D), kinks smoothed."""

    def kinked_gradient(self, theta: Any) -> Any:
        """Gradient (B, D) of the part of the log-density that has kinks; None without one."""
        del theta


def columns_of_hessian(target: AbstractTarget, theta: Any) -> Any:
    """Minus the Hessians (B, D, D) of log-densities, one direction for all problems at a time.

    Where there are kinks, their curvature is the change of the gradient over one standard
    deviation to either side, as the smooth part has it.
    """
    basis = jnp.eye(theta.shape[1])
    kinked = target.kinked_gradient(theta) is not None

    def smooth(t):
        gradient = target.value_and_gradient(t)[1]
        return gradient - target.kinked_gradient(t) if kinked else gradient

    along = lambda v: jax.jvp(smooth, (theta,), (jnp.broadcast_to(v, theta.shape),))[1]
    columns = -jnp.moveaxis(in_batches(along, basis, HESSIAN_COLUMNS), 0, -1)
    if kinked:
        size = jnp.abs(jnp.diagonal(columns, axis1=-2, axis2=-1))
        width = 1.0 / jnp.sqrt(jnp.maximum(size, SMALLEST_PRECISION))

        def bend(direction):
            step = width * direction
            change = target.kinked_gradient(theta + step) - target.kinked_gradient(theta - step)
            return change / (2 * jnp.sum(step, axis=1, keepdims=True))

        columns -= jnp.moveaxis(in_batches(bend, basis, HESSIAN_COLUMNS), 0, -1)
    return 0.5 * (columns + jnp.swapaxes(columns, -1, -2))


class Whitened(AbstractTarget):
    r"""A target in coordinates z with :math:`\theta=\text{center}+\text{factor}\,z`.

    Parameters
    ----------
    target
        The target in the coordinates theta.
    center, factor
        Shapes (B, D) and (B, D, D).
    """

    target: AbstractTarget
    center: Any
    factor: Any

    def theta(self, z: Any) -> Any:
        """Coordinates of the inner target, shape (B, D)."""
        return self.center + jnp.einsum("bij,bj->bi", self.factor, z)

    def value_and_gradient(self, theta: Any) -> tuple[Any, Any]:
        """Log-densities (B,) and their gradients (B, D) in z."""
        value, gradient = self.target.value_and_gradient(self.theta(theta))
        return value, jnp.einsum("bij,bi->bj", self.factor, gradient)

    def value(self, theta: Any) -> Any:
        """Log-densities (B,) alone."""
        return self.target.value(self.theta(theta))

    def mirrored_values(self, center: Any, theta: Any) -> Any:
        """Log-densities (2, B) at ``theta`` and its mirror image: both maps are straight."""
        return self.target.mirrored_values(self.theta(center), self.theta(theta))

    def precision(self, theta: Any) -> Any:
        """Minus the Hessians in z, shape (B, D, D)."""
        inner = self.target.precision(self.theta(theta))
        return jnp.swapaxes(self.factor, -1, -2) @ inner @ self.factor


@compiled
def _by_chain(target: AbstractTarget, z: Any) -> tuple[Any, Any]:
    """Log-densities (chains, B) and gradients; jitted, so that it is traced once for all uses."""
    return jax.vmap(target.value_and_gradient)(z)


def potential(target: AbstractTarget, num_problems: int) -> Any:
    """Potential energy of one problem, for a sampler that is mapped over all of them.

    Samplers are written for one vector. Under `jax.vmap` over chains of the B problems, one chain
    of all of them after the other, the function returned evaluates them together, in one pass over
    their common data.
    """
    arrays, static = eqx.partition(target, eqx.is_array)

    @custom_vmap
    def evaluate(arrays, z):
        value, gradient = eqx.combine(arrays, static).value_and_gradient(z[None])
        return value[0], gradient[0]

    @evaluate.def_vmap
    def evaluate_together(axis_size, in_batched, arrays, z):
        del axis_size, in_batched
        chains = z.reshape(-1, num_problems, z.shape[-1])
        value, gradient = _by_chain(eqx.combine(arrays, static), chains)
        return (value.ravel(), gradient.reshape(z.shape)), (True, True)

    @jax.custom_jvp
    def energy(arrays, z):
        return -evaluate(arrays, z)[0]

    @energy.defjvp
    def energy_jvp(primals, tangents):
        value, gradient = evaluate(*primals)
        return -value, -jnp.vdot(gradient, tangents[1])

    return lambda z: energy(arrays, z)
