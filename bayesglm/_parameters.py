"""Constructor parameters that are stored as given and read resolved."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import jax
import numpy as np

LIMITS = frozenset({"tol", "maxiter"})  # settings that every solver of this package has


class Resolved:
    """A parameter that keeps what the user gave and reads as what it means.

    Storing never raises, as scikit-learn asks; reading resolves ``"Poisson"`` to its object and
    raises for what means nothing.

    Parameters
    ----------
    resolve
        Function of the estimator and the stored value.

    Examples
    --------
    >>> class Model:
    ...     size = Resolved(lambda model, given: len(given))
    >>> model = Model()
    >>> model.size = "abc"
    >>> model.size, vars(model)["size"]
    (3, 'abc')
    """

    def __init__(self, resolve: Callable[[Any, Any], Any]):
        self.resolve = resolve

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return self.resolve(instance, vars(instance)[self.name])

    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)[self.name] = value


def given(estimator: Any, name: str) -> Any:
    """Return a constructor parameter as the user gave it."""
    return vars(estimator)[name]


def read_flag(estimator: Any, name: str) -> bool:
    """Return a parameter that is either true or false; 0 and 1 will do.

    Raises
    ------
    TypeError
        If it is anything else: text such as "no" would pass for true.
    """
    value = given(estimator, name)
    if isinstance(value, bool | np.bool_) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise TypeError(f"`{name}` must be True or False; got {value!r}.")


def read_settings(estimator: Any, name: str) -> dict[str, Any]:
    """Return a parameter that is a dict of settings, or None for none.

    Raises
    ------
    TypeError
        If it is no dict with names as keys, or a limit of the solver is no number.
    ValueError
        If a limit is negative or NaN.
    """
    value = given(estimator, name)
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(
            f"`{name}` must be a dict of settings by name, such as {{'maxiter': 500}}; "
            f"got {value!r}."
        )
    for limit in LIMITS & set(value):
        number = value[limit]
        if isinstance(number, bool) or not isinstance(number, Real | np.number):
            raise TypeError(f"{limit!r} in `{name}` must be a number; got {number!r}.")
        if not number >= 0:
            raise ValueError(f"{limit!r} in `{name}` must not be negative; got {number!r}.")
    return dict(value)


class StoredParameters:
    """Mixin for scikit-learn estimators whose parameters are `Resolved`: stored as given."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters exactly as given to the constructor; ``deep`` adds nested ones."""
        params = {name: given(self, name) for name in self._get_param_names()}
        if deep:
            for name, value in list(params.items()):
                if hasattr(value, "get_params") and not isinstance(value, type):
                    nested = value.get_params()
                    params |= {f"{name}__{key}": item for key, item in nested.items()}
        return params

    def set_params(self, **params: Any) -> StoredParameters:
        """Set parameters; a new regularizer without a strength gets its default strength."""
        names = self._get_param_names()
        for key in params:
            if key.split("__")[0] not in names:
                raise ValueError(
                    f"Invalid parameter {key!r} for estimator {type(self).__name__}. "
                    f"Valid parameters are: {names}."
                )
        if "regularizer" in params and "regularizer_strength" not in params:
            params["regularizer_strength"] = None
        for key, value in sorted(params.items(), key=lambda item: "__" in item[0]):
            name, _, part = key.partition("__")
            if part:
                value = getattr(self, name).with_params(**{part: value})
            setattr(self, name, value)
        return self

    def __sklearn_clone__(self) -> StoredParameters:
        params = copy.deepcopy({name: given(self, name) for name in self._get_param_names()})
        twin = type(self)(**params)
        if hasattr(self, "_metadata_request"):
            twin._metadata_request = copy.deepcopy(self._metadata_request)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        host = lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf
        state = super().__getstate__()
        for name in ("solver_state_", "_stream"):
            if state.get(name) is not None:
                state[name] = jax.tree.map(host, state[name])
        return state
