"""What every regularizer is: settings, and how a strength turns them into a penalty."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp

from bayesglm._module import Module
from bayesglm.regularizer._distributions import describe, is_distribution
from bayesglm.regularizer._shape import CoefShape, DataScales
from bayesglm.regularizer.penalties import Penalty

SMOOTH_SOLVERS = (
    "Newton",
    "GradientDescent",
    "BFGS",
    "LBFGS",
    "NonlinearCG",
    "ProximalNewton",
    "ProximalGradient",
    "SVRG",
    "ProxSVRG",
)
PROXIMAL_SOLVERS = ("ProximalNewton", "ProximalGradient", "ProxSVRG")


class Regularizer(Module):
    """Abstract regularizer: which coefficients are plausible. Frozen; holds settings only.

    The strength is not part of it: the estimator keeps it as ``regularizer_strength``.

    Notes
    -----
    To write one: subclass it, set the class attributes ``_allowed_solvers`` and
    ``_default_solver``, and define `resolve`, which returns a
    `bayesglm.regularizer.penalties.Penalty`.
    """

    _allowed_solvers: ClassVar[tuple[str, ...]] = ()
    _default_solver: ClassVar[str] = ""
    default_strength: ClassVar[Any] = 1.0

    @abc.abstractmethod
    def resolve(self, strength: Any, shape: CoefShape, scales: DataScales) -> Penalty:
        """Check ``strength`` against the coefficients' shape, and return the penalty.

        Parameters
        ----------
        strength
            As the user gave it; None is the default of this kind.
        shape
            Shape of the coefficients.
        scales
            Number of rows and scales of the data, for priors that need them.

        Raises
        ------
        TypeError
            If the strength is not numeric.
        ValueError
            If it is negative or not finite, or its shape or structure do not match.
        """

    def strength_or_default(self, strength: Any) -> Any:
        """``strength``, or the default of this kind where it is None."""
        return self.default_strength if strength is None else strength

    @property
    def is_zero(self) -> bool:
        """Whether it penalises nothing, whatever the strength: as its penalty's ``is_zero``."""
        return False

    @property
    def surrogate(self) -> Regularizer:
        """Regularizer whose fit is where samplers begin: this one, but for `Shrinkage`."""
        return self

    @property
    def allowed_solvers(self) -> tuple[str, ...]:
        """Names of the solvers that can minimise this penalty."""
        return self._allowed_solvers

    @property
    def default_solver(self) -> str:
        """Name of the solver used where none is asked for."""
        return self._default_solver

    def check_solver(self, solver_name: str) -> None:
        """Raise unless the solver suits this regularizer; a ``[backend]`` suffix is ignored.

        Raises
        ------
        ValueError
            If it does not, naming those that do.
        """
        if solver_name.split("[")[0] not in self.allowed_solvers:
            kind = type(self).__name__
            raise ValueError(
                f"The solver: {solver_name} is not allowed for {kind} regularization. "
                f"Allowed solvers are {self.allowed_solvers}. If {solver_name} is your own and "
                f"can minimise this penalty, register it with {kind}.allow_solver('{solver_name}')."
            )

    @classmethod
    def allow_solver(cls, algo_name: str) -> None:
        """Add a solver to those allowed for this kind of regularizer."""
        if algo_name not in cls._allowed_solvers:
            cls._allowed_solvers = (*cls._allowed_solvers, algo_name)

    def penalized_loss(self, loss: Callable, params: Any, strength: Any = None) -> Callable:
        """Return ``loss`` plus this penalty, as a function of the parameters.

        Parameters
        ----------
        loss
            ``loss(params, *args)``, returning a scalar or ``(scalar, aux)``.
        params
            Parameters, only for their structure. What is penalised is what their
            ``regularizable_subtrees()`` selects, or all of them.
        strength
            As in the estimators.

        Returns
        -------
        ``penalized(params, *args)``, returning what ``loss`` returns. It raises ValueError if
        ``loss`` returns a tuple that is not a pair.
        """
        targets = self._targets(params, strength)

        def penalized(params: Any, *args: Any, **kwargs: Any) -> Any:
            result = loss(params, *args, **kwargs)
            total = sum(
                jnp.sum(penalty.value(shape.to_internal(where(params))))
                for where, shape, penalty in targets
            )
            if not isinstance(result, tuple):
                return result + total
            if len(result) != 2:
                raise ValueError(
                    "Invalid loss function return. The loss function returns a tuple of length "
                    f"{len(result)}; it must return the loss, or the pair (loss, aux)."
                )
            return result[0] + total, result[1]

        return penalized

    def get_proximal_operator(self, params: Any, strength: Any = None) -> Callable:
        """Return the proximal operator ``prox(params, hyperparams, scaling=1.0)``.

        ``hyperparams`` is ignored: the strength is fixed here. ``scaling`` is the step.
        """
        targets = self._targets(params, strength)

        def prox(params: Any, hyperparams: Any = None, scaling: Any = 1.0) -> Any:
            del hyperparams
            for where, shape, penalty in targets:
                moved = penalty.prox(shape.to_internal(where(params)), scaling)
                params = eqx.tree_at(where, params, shape.from_internal(moved))
            return params

        return prox

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments, as scikit-learn has it."""
        del deep
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def with_params(self, **params: Any) -> Regularizer:
        """Return a copy with some arguments changed."""
        return type(self)(**{**self.get_params(), **params})

    def __repr__(self) -> str:
        given = {name: value for name, value in self.get_params().items() if value is not None}
        shown = ", ".join(f"{name}={_show(value)}" for name, value in given.items())
        return f"{type(self).__name__}({shown})"

    def _targets(self, params: Any, strength: Any) -> list[tuple[Callable, CoefShape, Penalty]]:
        """Return, for each penalised part, how to find it, its shape and its penalty."""
        wheres = _regularizable(params)
        strengths = [strength] if len(wheres) == 1 else _one_each(strength, len(wheres))
        shapes = [CoefShape.of_params(where(params)) for where in wheres]
        return [
            (where, shape, self.resolve(value, shape, DataScales()))
            for where, shape, value in zip(wheres, shapes, strengths, strict=True)
        ]


def apply_operator(
    func: Callable, params: Any, *args: Any, filter_kwargs: dict | None = None, **kwargs: Any
) -> Any:
    """Apply ``func`` to the regularizable parts of ``params`` and leave the rest alone.

    Parameters
    ----------
    func
        ``func(part, *args, **kwargs)``, returning a pytree of the same structure.
    params
        Any pytree; if it has ``regularizable_subtrees()``, those parts, otherwise all of it.
    filter_kwargs
        Keyword arguments that are pytrees like ``params``, of which ``func`` gets the same part.

    Examples
    --------
    >>> from bayesglm.glm.params import GLMParams
    >>> apply_operator(lambda part: part / 2, GLMParams(coef=3.0, intercept=10.0))
    GLMParams(coef=1.5, intercept=10.0)
    """
    for where in _regularizable(params):
        own = {name: where(value) for name, value in (filter_kwargs or {}).items()}
        params = eqx.tree_at(where, params, func(where(params), *args, **kwargs, **own))
    return params


def _regularizable(params: Any) -> list[Callable]:
    """Accessors of the regularizable parts of ``params``."""
    select = getattr(params, "regularizable_subtrees", None)
    return [lambda tree: tree] if select is None else list(select())


def _show(value: Any) -> str:
    """Short text for a setting; of an array, its shape."""
    if is_distribution(value):
        return describe(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_show(entry)}" for key, entry in value.items()) + "}"
    return f"array{tuple(value.shape)}" if hasattr(value, "shape") else repr(value)


def _one_each(strength: Any, count: int) -> list[Any]:
    """Return one strength per part: a list of them, or the same for all."""
    strengths = strength if isinstance(strength, list) else [strength] * count
    if len(strengths) != count:
        raise ValueError(f"Expected {count} strength values, got {strength}.")
    return strengths
