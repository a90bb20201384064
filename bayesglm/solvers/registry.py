"""Registry of solvers by name, ``"LBFGS"`` or ``"LBFGS[backend]"``."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

from bayesglm.solvers.accelerated_gradient import GradientDescent, ProximalGradient
from bayesglm.solvers.optax_solvers import BFGS, LBFGS, CustomOptax, NonlinearCG
from bayesglm.solvers.second_order import Newton, ProximalNewton
from bayesglm.solvers.variance_reduced import SVRG, ProxSVRG

NATIVE = "bayesglm"
NEMOS_BACKENDS = frozenset({"optimistix", "optax+optimistix", "nemos", "jaxopt"})
REQUIRED = ("init_state", "update", "run", "get_accepted_arguments")


@dataclass(frozen=True)
class SolverSpec:
    """A registered solver.

    Parameters
    ----------
    algo_name
        Name of the algorithm, such as ``"LBFGS"``.
    backend
        Who implements it.
    implementation
        The solver class.

    Examples
    --------
    >>> from bayesglm.solvers import get_solver
    >>> get_solver("Newton").full_name
    'Newton[bayesglm]'
    """

    algo_name: str
    backend: str
    implementation: Any

    @property
    def full_name(self) -> str:
        """``"algorithm[backend]"``."""
        return f"{self.algo_name}[{self.backend}]"


_REGISTRY: dict[str, dict[str, SolverSpec]] = {}
_DEFAULTS: dict[str, str] = {}


def register(
    algo_name: str,
    implementation: type,
    backend: str = "custom",
    replace: bool = False,
    default: bool = False,
    validate: bool = True,
    test_ridge_without_aux: bool = False,
    test_ridge_with_aux: bool = False,
) -> None:
    """Make a solver class available by name.

    Parameters
    ----------
    algo_name
        Name of the algorithm.
    implementation
        Class with the methods of `SolverProtocol`.
    backend
        Who implements it.
    replace
        Whether an existing entry may be replaced.
    default
        Whether the bare algorithm name means this backend from now on.
    validate
        Whether the class is checked for the protocol.
    test_ridge_without_aux, test_ridge_with_aux
        Whether to run the class on a small ridge regression, without and with auxiliary output.

    Raises
    ------
    ValueError
        If the name is taken and ``replace`` is False.
    TypeError
        If the class lacks a method of the protocol.

    Examples
    --------
    >>> from bayesglm import solvers
    >>> solvers.register("MyNewton", solvers.Newton, backend="mine", replace=True)
    >>> solvers.list_algo_backends("MyNewton")
    ['mine']
    """
    if validate:
        validate_solver_class(implementation)
    for has_aux, wanted in ((False, test_ridge_without_aux), (True, test_ridge_with_aux)):
        if wanted:
            _test_on_ridge(implementation, has_aux)
    backends = _REGISTRY.setdefault(algo_name, {})
    if backend in backends and not replace:
        raise ValueError(
            f"{algo_name}[{backend}] is already registered; pass `replace=True` to replace it."
        )
    backends[backend] = SolverSpec(algo_name, backend, implementation)
    if default:
        _DEFAULTS[algo_name] = backend


def get_solver(name: str) -> SolverSpec:
    """Look a solver up by name.

    Parameters
    ----------
    name
        ``"algorithm"`` or ``"algorithm[backend]"``; NeMoS's backend names mean this package's own
        implementation.

    Raises
    ------
    TypeError
        If ``name`` is not a string.
    ValueError
        If it is malformed, unknown, or has several backends and no default.

    Examples
    --------
    >>> from bayesglm.solvers import get_solver
    >>> get_solver("LBFGS").implementation.__name__
    'LBFGS'
    """
    algorithm, backend = _parse(name)
    if algorithm not in _REGISTRY:
        raise ValueError(
            f"No solver registered for algorithm {algorithm}. "
            f"Available: {', '.join(list_available_algorithms())}."
        )
    backends = _REGISTRY[algorithm]
    if backend in NEMOS_BACKENDS and backend not in backends and NATIVE in backends:
        backend = NATIVE
    if backend is None:
        backend = _DEFAULTS.get(algorithm, next(iter(backends)) if len(backends) == 1 else None)
    if backend is None:
        raise ValueError(
            f"{algorithm} has several backends, {sorted(backends)}, and no default: choose one as "
            f"'{algorithm}[backend]' or call `set_default_backend`."
        )
    if backend not in backends:
        raise ValueError(
            f"No backend {backend!r} registered for algorithm {algorithm}; "
            f"available: {sorted(backends)}."
        )
    return backends[backend]


def set_default_backend(algo_name: str, backend: str) -> None:
    """Choose what the bare ``algo_name`` means.

    Parameters
    ----------
    algo_name
        Name of a registered algorithm.
    backend
        One of its backends, as `list_algo_backends` has them.

    Raises
    ------
    ValueError
        If that backend is not registered.

    Examples
    --------
    >>> from bayesglm import solvers
    >>> solvers.set_default_backend("Newton", "bayesglm")
    """
    if backend not in _REGISTRY.get(algo_name, {}):
        raise ValueError(f"No backend {backend!r} registered for algorithm {algo_name}.")
    _DEFAULTS[algo_name] = backend


def list_algo_backends(algo_name: str) -> list[str]:
    """Backends of an algorithm.

    Parameters
    ----------
    algo_name
        Name of the algorithm.

    Returns
    -------
    Names of the backends, in order of registration.

    Raises
    ------
    ValueError
        If the algorithm is unknown.

    Examples
    --------
    >>> from bayesglm.solvers import list_algo_backends
    >>> list_algo_backends("Newton")
    ['bayesglm']
    """
    if algo_name not in _REGISTRY:
        raise ValueError(f"No solver registered for algorithm {algo_name}.")
    return list(_REGISTRY[algo_name])


def list_available_solvers() -> list[SolverSpec]:
    """Every registered solver.

    Examples
    --------
    >>> from bayesglm.solvers import list_available_solvers
    >>> "LBFGS[bayesglm]" in [spec.full_name for spec in list_available_solvers()]
    True
    """
    return [spec for backends in _REGISTRY.values() for spec in backends.values()]


def list_available_algorithms() -> list[str]:
    """Names of every registered algorithm.

    Examples
    --------
    >>> from bayesglm.solvers import list_available_algorithms
    >>> "Newton" in list_available_algorithms()
    True
    """
    return list(_REGISTRY)


def get_solver_documentation(name: str | type, show_help: bool = False) -> str:
    """Docstring of a solver.

    Parameters
    ----------
    name
        Name or class of the solver.
    show_help
        Whether to add the names that ``solver_kwargs`` may hold.

    Raises
    ------
    TypeError, ValueError
        For a name that `get_solver` refuses.

    Examples
    --------
    >>> from bayesglm.solvers import get_solver_documentation
    >>> get_solver_documentation("Newton").splitlines()[0]
    'Damped Fisher scoring for smooth penalties; see `bayesglm.solvers.newton`.'
    """
    implementation = get_solver(name).implementation if isinstance(name, str) else name
    text = inspect.getdoc(implementation) or ""
    if show_help:
        text += f"\n\nAccepted in solver_kwargs: {sorted(implementation.get_accepted_arguments())}"
    return text


def validate_solver_class(implementation: type) -> None:
    """Raise unless a class has the methods of `SolverProtocol`.

    Parameters
    ----------
    implementation
        The class.

    Raises
    ------
    TypeError
        If it lacks a method.

    Examples
    --------
    >>> from bayesglm import solvers
    >>> solvers.validate_solver_class(solvers.Newton)
    """
    missing = [name for name in REQUIRED if not callable(getattr(implementation, name, None))]
    if missing:
        raise TypeError(
            f"{implementation!r} does not implement the solver protocol; missing: {missing}."
        )


def is_optax(obj: Any) -> bool:
    """Whether ``obj`` is an optax gradient transformation."""
    return isinstance(obj, tuple) and hasattr(obj, "init") and hasattr(obj, "update")


def resolve(name: Any) -> SolverSpec:
    """Solver for what a user passed as ``solver_name``.

    Parameters
    ----------
    name
        ``"algorithm"``, ``"algorithm[backend]"``, or an optax gradient transformation.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If the name is malformed or unknown.

    Examples
    --------
    >>> import optax
    >>> from bayesglm.solvers import resolve
    >>> resolve(optax.adam(1e-2)).full_name
    'optax[user]'
    """
    if is_optax(name):
        return SolverSpec("optax", "user", CustomOptax)
    return get_solver(name)


def _parse(name: Any) -> tuple[str, str | None]:
    if not isinstance(name, str):
        raise TypeError(f"A solver name must be a string; got {name!r}.")
    match = re.fullmatch(r"([^\[\]]+)(?:\[([^\[\]]+)\])?", name)
    if match is None:
        raise ValueError(f"Solver name {name!r} is not of the form 'algorithm[backend]'.")
    return match[1], match[2]


def _test_on_ridge(implementation: type, has_aux: bool) -> None:
    """Run a solver on a ridge regression with a known solution."""
    import numpy as np

    from bayesglm.solvers.quadratic import ridge_case

    loss, regularizer, start, args, solution = ridge_case(has_aux)
    solver = implementation(loss, regularizer, 0.5, has_aux, init_params=start)
    params, *_ = solver.run(start, *args)
    np.testing.assert_allclose(params, solution, atol=1e-3)


for _solver in (
    Newton,
    ProximalNewton,
    LBFGS,
    BFGS,
    NonlinearCG,
    GradientDescent,
    ProximalGradient,
    SVRG,
    ProxSVRG,
):
    register(_solver.__name__, _solver, backend=NATIVE, default=True)
