"""What Newton's method minimises: smooth parts with gradient and curvature, plus penalties."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from bayesglm._module import Module


class Evaluation(Module):
    """One evaluation of the smooth parts, per problem.

    Parameters
    ----------
    value
        Shape (K,).
    gradient
        Shape (K, D).
    information
        Positive semi-definite curvature, shape (K, D, D).
    unit, noise
        Size of a score and of what rounding may change in it, shape (K,): a gradient is small
        relative to the one and never smaller than the other.
    """

    value: Any
    gradient: Any
    information: Any
    unit: Any
    noise: Any


class Traits(Module):
    """Static properties of a penalty.

    Parameters
    ----------
    smooth
        Whether it has no kinks.
    separable
        Whether it acts on each parameter alone.
    coupled
        Whether it ties the problems together.
    """

    smooth: bool = eqx.field(static=True)
    separable: bool = eqx.field(static=True)
    coupled: bool = eqx.field(static=True)


class AbstractProblem(Module):
    """K independent composite problems over parameters of shape (K, D)."""

    @abstractmethod
    def evaluate(self, theta: Any) -> Evaluation:
        """Evaluate the smooth parts at ``theta``."""

    @abstractmethod
    def penalty(self, theta: Any) -> Any:
        """Penalties, shape (K,)."""

    @abstractmethod
    def prox(self, theta: Any, step: Any) -> Any:
        """Proximal operator of the penalties with elementwise steps."""

    @abstractmethod
    def common_scale(self, scale: Any) -> Any:
        """``scale`` (K, D) made constant where `prox` needs one step for several parameters."""

    @property
    @abstractmethod
    def free(self) -> Any:
        """True where a parameter may move, shape (K, D)."""

    @property
    @abstractmethod
    def traits(self) -> Traits:
        """What kind of penalty it is."""


def combine(problem: AbstractProblem, per_problem: Any) -> Any:
    """Sum over problems if their penalty ties them together."""
    if problem.traits.coupled:
        return jnp.broadcast_to(jnp.sum(per_problem), per_problem.shape)
    return per_problem
