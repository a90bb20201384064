"""Generalized linear models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayesglm.glm.classifier import ClassifierGLM as ClassifierGLM
    from bayesglm.glm.classifier import ClassifierPopulationGLM as ClassifierPopulationGLM
    from bayesglm.glm.glm import GLM as GLM
    from bayesglm.glm.population import PopulationGLM as PopulationGLM

_HOMES = {
    "GLM": "glm",
    "PopulationGLM": "population",
    "ClassifierGLM": "classifier",
    "ClassifierPopulationGLM": "classifier",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load an estimator on first use: the parts below it do not need scikit-learn."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
