"""Every public name loads, is listed, and is documented."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import bayesglm

PUBLIC_MODULES = (
    "bayesglm.datasets",
    "bayesglm.exceptions",
    "bayesglm.glm",
    "bayesglm.io",
    "bayesglm.links",
    "bayesglm.model_comparison",
    "bayesglm.observation_models",
    "bayesglm.regularizer",
    "bayesglm.simulation",
    "bayesglm.solvers",
)
SECTION = "Parameters\n----"
EXAMPLES = "Examples\n----"


def public_objects():
    """``module.name`` and object, for every class and function that a public module lists."""
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                yield f"{module_name}.{name}", value


def own_parameters(function):
    """Parameters a caller passes by name or position."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # built in
        return []
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p for p in parameters if p.name not in ("self", "cls") and p.kind not in variadic]


def public_methods(cls):
    for name, method in inspect.getmembers(cls, inspect.isroutine):
        own = getattr(method, "__module__", "") or ""
        if not name.startswith("_") and own.startswith("bayesglm"):
            yield name, method


@pytest.mark.parametrize("name", bayesglm.__all__)
def test_listed_names_load(name):
    assert getattr(bayesglm, name) is not None
    assert name in dir(bayesglm)


def test_unknown_names_raise():
    with pytest.raises(AttributeError, match="no attribute 'Glm'"):
        bayesglm.Glm  # noqa: B018


def test_type_checkers_see_the_names_that_load():
    source = ast.parse(Path(bayesglm.__file__).read_text())
    (block,) = (node for node in source.body if isinstance(node, ast.If))
    seen = {alias.asname for node in block.body for alias in getattr(node, "names", [])}
    assert seen | {"__version__"} == set(bayesglm.__all__)


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_public_modules_list_their_names(module_name):
    module = importlib.import_module(module_name)
    assert module.__doc__
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert not missing
    own = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and (getattr(value, "__module__", "") or "") == module_name
    }
    assert own <= set(module.__all__), "neither private nor listed in __all__"


def test_public_classes_and_functions_are_documented():
    lacking = []
    for name, value in public_objects():
        doc = inspect.getdoc(value) or ""
        if not value.__doc__:
            lacking.append(f"{name}: docstring")
        if SECTION not in doc and own_parameters(value) and not inspect.isabstract(value):
            lacking.append(f"{name}: Parameters")
        if EXAMPLES not in doc and not inspect.isabstract(value):
            lacking.append(f"{name}: Examples")
    assert not lacking, "\n".join(lacking)


def test_public_methods_of_estimators_are_documented():
    lacking = []
    for name in bayesglm.glm.__all__:
        for method_name, method in public_methods(getattr(bayesglm.glm, name)):
            doc = inspect.getdoc(method) or ""
            if not doc or (SECTION not in doc and len(own_parameters(method)) > 1):
                lacking.append(f"{name}.{method_name}")
    assert not lacking, "\n".join(lacking)
