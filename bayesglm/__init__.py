"""Generalized linear models with uncertainty, in the manner of scikit-learn, on JAX.

Names are loaded when they are first used, so ``import bayesglm`` itself is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names, for editors and type checkers
    from bayesglm import datasets as datasets
    from bayesglm import exceptions as exceptions
    from bayesglm import glm as glm
    from bayesglm import identifiability_constraints as identifiability_constraints
    from bayesglm import io as io
    from bayesglm import links as links
    from bayesglm import observation_models as observation_models
    from bayesglm import regularizer as regularizer
    from bayesglm import simulation as simulation
    from bayesglm import solvers as solvers
    from bayesglm._compiled import keep_compiled as keep_compiled
    from bayesglm.exceptions import ConvergenceWarning as ConvergenceWarning
    from bayesglm.exceptions import DataWarning as DataWarning
    from bayesglm.exceptions import ModelFileError as ModelFileError
    from bayesglm.exceptions import NotFittedError as NotFittedError
    from bayesglm.exceptions import PerfectSeparationWarning as PerfectSeparationWarning
    from bayesglm.exceptions import SamplingWarning as SamplingWarning
    from bayesglm.glm import GLM as GLM
    from bayesglm.glm import ClassifierGLM as ClassifierGLM
    from bayesglm.glm import ClassifierPopulationGLM as ClassifierPopulationGLM
    from bayesglm.glm import PopulationGLM as PopulationGLM
    from bayesglm.io import inspect_npz as inspect_npz
    from bayesglm.io import load as load
    from bayesglm.io import load_model as load_model
    from bayesglm.io import save as save
    from bayesglm.model_comparison import compare as compare
    from bayesglm.regularizer import Prior as Prior

    __version__: str

_SUBMODULES = (
    "datasets",
    "exceptions",
    "glm",
    "identifiability_constraints",
    "io",
    "links",
    "observation_models",
    "regularizer",
    "simulation",
    "solvers",
)
_HOMES = {
    "GLM": "glm",
    "PopulationGLM": "glm",
    "ClassifierGLM": "glm",
    "ClassifierPopulationGLM": "glm",
    "Prior": "regularizer",
    "compare": "model_comparison",
    "keep_compiled": "_compiled",
    "save": "io",
    "load": "io",
    "load_model": "io",
    "inspect_npz": "io",
    "ConvergenceWarning": "exceptions",
    "DataWarning": "exceptions",
    "ModelFileError": "exceptions",
    "NotFittedError": "exceptions",
    "PerfectSeparationWarning": "exceptions",
    "SamplingWarning": "exceptions",
}
__all__ = sorted([*_HOMES, *_SUBMODULES, "__version__"])


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    from importlib import import_module, metadata

    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    elif name == "__version__":
        value = metadata.version(__name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
