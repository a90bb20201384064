"""What a solver is: the protocol, the state it returns, and the driver shared by iterative ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from bayesglm._compiled import compiled
from bayesglm._module import Module


@runtime_checkable
class SolverProtocol(Protocol):
    """Methods that a registered solver class must have; see `bayesglm.solvers.register`.

    The class is called as ``cls(unregularized_loss, regularizer, regularizer_strength, has_aux,
    init_params=init_params, **solver_kwargs)``.

    Examples
    --------
    >>> from bayesglm.solvers import LBFGS, SolverProtocol
    >>> issubclass(LBFGS, SolverProtocol)
    True
    """

    def init_state(self, init_params: Any, *args: Any) -> Any:
        """State before the first step."""

    def update(self, params: Any, state: Any, *args: Any) -> tuple[Any, Any, Any]:
        """One step: ``(params, state, aux)``."""

    def run(self, init_params: Any, *args: Any) -> tuple[Any, Any, Any]:
        """Step until convergence: ``(params, state, aux)``."""

    @classmethod
    def get_accepted_arguments(cls) -> set[str]:
        """Names that ``solver_kwargs`` may hold."""


class OptimizationInfo(Module):
    """How an optimisation went.

    Parameters
    ----------
    function_val
        Penalised loss at the solution.
    num_steps
        Steps taken.
    converged
        Whether the gradient or Karush-Kuhn-Tucker residual is within the tolerance.
    reached_max_steps
        Whether the limit on steps ended it.

    Examples
    --------
    A fitted estimator has one as ``solver_state_.stats``.

    >>> from bayesglm.solvers import OptimizationInfo
    >>> OptimizationInfo(1.25, 4, converged=True, reached_max_steps=False)
    OptimizationInfo(
      function_val=1.25, num_steps=4, converged=True, reached_max_steps=False
    )
    """

    function_val: Any
    num_steps: Any
    converged: Any
    reached_max_steps: Any


class SolverState(Module):
    """State of a solver: what the algorithm carries, and how the optimisation stands.

    Parameters
    ----------
    solver_state
        What the algorithm carries from step to step.
    stats
        How the optimisation stands.

    Examples
    --------
    A fitted estimator has one as ``solver_state_``.

    >>> from bayesglm.solvers import OptimizationInfo, SolverState
    >>> state = SolverState("what the algorithm carries", OptimizationInfo(1.25, 4, True, False))
    >>> state.stats.num_steps
    4
    """

    solver_state: Any
    stats: OptimizationInfo


class AbstractSolver(Module):
    """Base of the solvers of this package: compiled once per shape, data and settings as arguments.

    Parameters
    ----------
    unregularized_loss
        Callable ``loss(params, *args)`` returning a scalar.
    regularizer
        Object with ``penalized_loss`` and ``get_proximal_operator``.
    regularizer_strength
        Strength handed to them.
    has_aux
        Whether the loss returns ``(value, aux)``.
    init_params
        Parameters of the shape to be optimised; only their structure matters.
    **settings
        Overrides of `settings`; each solver has ``tol`` and ``maxiter``.

    Raises
    ------
    NameError
        For a setting that the solver does not have.
    """

    loss: Any
    regularizer: Any
    strength: Any
    tol: Any
    maxiter: Any
    has_aux: bool = eqx.field(static=True)

    def __init__(
        self,
        unregularized_loss,
        regularizer,
        regularizer_strength,
        has_aux=False,
        init_params=None,
        **settings,
    ):
        refuse_unknown_settings(type(self), settings)
        self.loss, self.regularizer = unregularized_loss, regularizer
        self.strength, self.has_aux = regularizer_strength, has_aux
        merged = self.settings() | settings
        self.tol, self.maxiter = number(merged.pop("tol")), number(merged.pop("maxiter"))
        self.configure(**merged)

    def configure(self) -> None:
        """Set, while it is made, the fields for settings other than ``tol`` and ``maxiter``."""

    @classmethod
    def get_accepted_arguments(cls) -> set[str]:
        """Names that ``solver_kwargs`` may hold."""
        return set(cls.settings())

    @classmethod
    @abstractmethod
    def settings(cls) -> dict[str, Any]:
        """Return the settings and their defaults."""

    @abstractmethod
    def init_state(self, init_params: Any, *args: Any) -> SolverState:
        """State before the first step."""

    @abstractmethod
    def step(self, params: Any, state: SolverState, *args: Any) -> tuple[Any, SolverState]:
        """One step; does nothing once converged."""

    def update(self, params: Any, state: SolverState, *args: Any) -> tuple[Any, SolverState, Any]:
        """Take one step, compiled once per shape.

        Returns
        -------
        Parameters, state, and the loss's auxiliary output (None without one).
        """
        params, state = _jitted_step(self, params, state, args)
        return params, state, self.auxiliary(params, args)

    def run(self, init_params: Any, *args: Any) -> tuple[Any, SolverState, Any]:
        """Step until convergence or ``maxiter``; returns as `update`."""
        params, state = _jitted_run(self, init_params, args)
        return params, state, self.auxiliary(params, args)

    def iterate(self, params: Any, *args: Any) -> tuple[Any, SolverState]:
        """Loop of `step`; a solver with a loop of its own replaces it."""

        def proceed(carry):
            stats = carry[1].stats
            return ~(stats.converged | stats.reached_max_steps)

        state = self.init_state(params, *args)
        step = lambda carry: self.step(carry[0], carry[1], *args)
        return jax.lax.while_loop(proceed, step, (params, state))

    def value(self, params: Any, *args: Any) -> Any:
        """Unpenalised loss without auxiliary output."""
        result = self.loss(params, *args)
        return result[0] if self.has_aux else result

    def auxiliary(self, params: Any, args: tuple) -> Any:
        """Auxiliary output of the loss."""
        return self.loss(params, *args)[1] if self.has_aux else None

    def penalized(self, params: Any) -> Any:
        """Penalised loss as a function of ``(params, *args)``."""
        plain = lambda p, *args: self.value(p, *args)
        return self.regularizer.penalized_loss(plain, params, self.strength)

    def unit(self, params: Any, *args: Any) -> Any:
        """Size of a score, by which a gradient is judged; one if the loss does not know."""
        if hasattr(self.loss, "score_unit"):
            return self.loss.score_unit(params, *args)
        return jax.tree.map(lambda _: jnp.ones(()), params)


@compiled
def _jitted_step(solver, params, state, args):
    return solver.step(params, state, *args)


@compiled
def _jitted_run(solver, params, args):
    return solver.iterate(params, *args)


def largest_ratio(gradient: Any, unit: Any) -> Any:
    """Largest entry of a gradient in units of the score."""
    ratios = jax.tree.map(lambda g, u: jnp.max(jnp.abs(g) / u), gradient, unit)
    return jnp.max(jnp.stack(jax.tree.leaves(ratios)))


def refuse_unknown_settings(cls: type, given: Iterable[str]) -> None:
    """Raise NameError for names in ``solver_kwargs`` that a solver class does not have."""
    accepted = cls.get_accepted_arguments()
    unknown = set(given) - accepted
    if unknown:
        raise NameError(
            f"kwargs {sorted(unknown)} in solver_kwargs not a kwarg for {cls.__name__}! "
            f"Accepted: {sorted(accepted)}."
        )


def nothing_done() -> OptimizationInfo:
    """How an optimisation stands before its first step."""
    no = jnp.asarray(False)
    return OptimizationInfo(jnp.asarray(jnp.inf), jnp.zeros((), int), no, no)


def number(value: Any) -> np.ndarray:
    """Return a setting as an array, so that changing it does not compile anything anew."""
    return np.asarray(value, float)
