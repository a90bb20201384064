"""Solvers: find the minimum of a penalised loss. They know nothing of GLMs."""

from bayesglm.solvers.accelerated_gradient import GradientDescent as GradientDescent
from bayesglm.solvers.accelerated_gradient import ProximalGradient as ProximalGradient
from bayesglm.solvers.base import AbstractSolver as AbstractSolver
from bayesglm.solvers.base import OptimizationInfo as OptimizationInfo
from bayesglm.solvers.base import SolverProtocol as SolverProtocol
from bayesglm.solvers.base import SolverState as SolverState
from bayesglm.solvers.optax_solvers import BFGS as BFGS
from bayesglm.solvers.optax_solvers import LBFGS as LBFGS
from bayesglm.solvers.optax_solvers import NonlinearCG as NonlinearCG
from bayesglm.solvers.registry import SolverSpec as SolverSpec
from bayesglm.solvers.registry import get_solver as get_solver
from bayesglm.solvers.registry import get_solver_documentation as get_solver_documentation
from bayesglm.solvers.registry import list_algo_backends as list_algo_backends
from bayesglm.solvers.registry import list_available_algorithms as list_available_algorithms
from bayesglm.solvers.registry import list_available_solvers as list_available_solvers
from bayesglm.solvers.registry import register as register
from bayesglm.solvers.registry import resolve as resolve
from bayesglm.solvers.registry import set_default_backend as set_default_backend
from bayesglm.solvers.registry import validate_solver_class as validate_solver_class
from bayesglm.solvers.second_order import Newton as Newton
from bayesglm.solvers.second_order import ProximalNewton as ProximalNewton
from bayesglm.solvers.variance_reduced import SVRG as SVRG
from bayesglm.solvers.variance_reduced import ProxSVRG as ProxSVRG

SolverAdapterState = SolverState
JAXOPT_AVAILABLE = False
