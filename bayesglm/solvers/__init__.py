"""Solvers: find the minimum of a penalised loss. They know nothing of GLMs."""

from bayesglm.solvers.accelerated_gradient import GradientDescent, ProximalGradient
from bayesglm.solvers.base import AbstractSolver, OptimizationInfo, SolverProtocol, SolverState
from bayesglm.solvers.base import refuse_unknown_settings as refuse_unknown_settings
from bayesglm.solvers.optax_solvers import BFGS, LBFGS, NonlinearCG
from bayesglm.solvers.registry import (
    SolverSpec,
    get_solver,
    get_solver_documentation,
    list_algo_backends,
    list_available_algorithms,
    list_available_solvers,
    register,
    resolve,
    set_default_backend,
    validate_solver_class,
)
from bayesglm.solvers.second_order import Newton, ProximalNewton
from bayesglm.solvers.variance_reduced import SVRG, ProxSVRG

SolverAdapterState = SolverState
JAXOPT_AVAILABLE = False

__all__ = [
    "BFGS",
    "JAXOPT_AVAILABLE",
    "LBFGS",
    "SVRG",
    "AbstractSolver",
    "GradientDescent",
    "Newton",
    "NonlinearCG",
    "OptimizationInfo",
    "ProxSVRG",
    "ProximalGradient",
    "ProximalNewton",
    "SolverAdapterState",
    "SolverProtocol",
    "SolverSpec",
    "SolverState",
    "get_solver",
    "get_solver_documentation",
    "list_algo_backends",
    "list_available_algorithms",
    "list_available_solvers",
    "register",
    "resolve",
    "set_default_backend",
    "validate_solver_class",
]
