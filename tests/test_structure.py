"""The architecture, held by tests: who imports whom, how classes inherit, how long files are."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import pytest

import bayesglm
from bayesglm._module import Module

PACKAGE = Path(bayesglm.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400
MAX_DEPTH = 2
HEAVY = {"jax", "numpyro", "arviz", "arviz_base", "arviz_stats", "sklearn", "pandas", "matplotlib"}

# A module imports only from a lower rank, or from its own subpackage. The longest prefix decides.
RANKS = {
    "bayesglm": 0,  # the lazy namespace
    "bayesglm._archive": 0,
    "bayesglm._compiled": 0,
    "bayesglm._module": 0,
    "bayesglm._archive_reader": 0.5,
    "bayesglm._special": 0,
    "bayesglm._parameters": 0,
    "bayesglm._processes": 0,
    "bayesglm._tree": 0,
    "bayesglm._warnings": 0,
    "bayesglm.exceptions": 0,
    "bayesglm.label_encoder": 0,
    "bayesglm._inverse_link_base": 0.3,
    "bayesglm._inverse_links": 0.5,  # the classes behind links
    "bayesglm.links": 1,
    "bayesglm._log_densities": 1,
    "bayesglm._tweedie": 1,
    "bayesglm.identifiability_constraints": 1,
    "bayesglm.observation_models": 2,
    "bayesglm.regularizer": 2,
    "bayesglm.solvers": 2,
    "bayesglm.inference": 2.2,
    "bayesglm.glm.params": 2,
    "bayesglm._encoding": 2.5,
    "bayesglm.io": 4.1,
    "bayesglm.glm.assemble": 3,
    "bayesglm.glm.checks": 3,
    "bayesglm.glm.design": 3,
    "bayesglm.glm.dispersion": 3,
    "bayesglm.glm.domain": 3,
    "bayesglm.glm.fitting": 3,
    "bayesglm.glm.identification": 3,
    "bayesglm.glm.initialize": 3,
    "bayesglm.glm.likelihood": 3,
    "bayesglm.glm.loss": 3,
    "bayesglm.glm.memory": 3,
    "bayesglm.glm.problem": 3,
    "bayesglm.glm.report": 3,
    "bayesglm.glm.rows": 3,
    "bayesglm.glm.scoring": 3,
    "bayesglm.glm.separation": 3,
    "bayesglm.glm.stream": 3,
    "bayesglm.glm.validation": 3,
    "bayesglm.glm.log_posterior": 3,
    "bayesglm.glm.scale_prior": 3,
    "bayesglm.posterior": 3.5,
    "bayesglm.intervals": 4,
    "bayesglm._fitted": 4.2,
    "bayesglm._predictions": 4,
    "bayesglm._streaming": 4,
    "bayesglm._comparison": 4.5,
    "bayesglm._uncertainty": 4.5,
    "bayesglm.diagnostics": 4,
    "bayesglm.diagnostics.transform": 4.2,
    "bayesglm.model_comparison": 4.5,
    "bayesglm._progress": 0,
    "bayesglm._sampling": 4.5,
    "bayesglm._posterior_draws": 4.2,
    "bayesglm._posterior_predictions": 4.6,
    "bayesglm._model_checks": 4.6,
    "bayesglm._cross_validation": 4.6,
    "bayesglm._effects": 4.5,
    "bayesglm._coefficients": 4.5,
    "bayesglm._calibration": 4.7,
    "bayesglm.plots": 4.7,
    "bayesglm._predictive_plots": 4.8,
    "bayesglm._plots": 4.9,
    "bayesglm._priors": 4.6,
    "bayesglm.base_regressor": 5,
    "bayesglm.glm": 6,
    "bayesglm.reporting": 7,
    "bayesglm.simulation": 7,
    "bayesglm.datasets": 7,
    "bayesglm.command_line": 7.5,
    "bayesglm.__main__": 8,
}


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def rank(module):
    """Rank of a module and the entry of the table that gave it."""
    prefix = module
    while prefix not in RANKS:
        prefix = prefix.rpartition(".")[0]
    assert prefix != "bayesglm" or module == "bayesglm", f"give {module} a rank in RANKS"
    return RANKS[prefix]


def imports(path):
    """Names of the modules of this package that a file imports, but for type checking only."""
    tree = ast.parse(path.read_text())
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            skipped |= {id(child) for statement in node.body for child in ast.walk(statement)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: use absolute imports"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name if name in MODULES else node.module for name in whole]
        else:
            continue
        yield from (name for name in found if name.split(".")[0] == "bayesglm")


def subpackage(module):
    """The subpackage a module is or belongs to, or the module itself at the top level."""
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    for target in imports(MODULES[module]):
        lower = rank(target) < rank(module)
        sibling = subpackage(target) == subpackage(module) and rank(target) <= rank(module)
        assert lower or sibling, f"{module} (rank {rank(module)}) imports {target}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_files_are_short(path):
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_LINES, f"{path.name} has {lines} lines; split it"


def own_classes():
    """All classes defined in the package."""
    found = set()
    for info in pkgutil.walk_packages(bayesglm.__path__, "bayesglm."):
        if not info.name.endswith("__main__"):
            members = inspect.getmembers(importlib.import_module(info.name), inspect.isclass)
            found |= {cls for _, cls in members if is_own(cls)}
    return sorted(found, key=lambda cls: cls.__qualname__)


def is_own(cls):
    """Whether the package defines it; `Module` is Equinox's but for how methods are bound."""
    return cls.__module__.split(".")[0] == "bayesglm" and cls is not Module


def test_equinox_modules_are_abstract_or_final():
    classes = [cls for cls in own_classes() if issubclass(cls, eqx.Module)]
    assert len(classes) >= 10
    for cls in classes:
        extended = any(is_own(child) for child in cls.__subclasses__())
        abstract = inspect.isabstract(cls) or cls.__name__.startswith("Abstract")
        assert abstract == extended, f"{cls.__name__} must be either abstract or final"


def is_part(cls):
    """Whether it is a piece of its only subclass, kept in a private file of its own."""
    private = cls.__module__.rpartition(".")[2].startswith("_")
    return private and cls.__bases__ == (object,) and len(cls.__subclasses__()) == 1


def test_inheritance_is_shallow():
    for cls in own_classes():
        parents = [parent for parent in cls.__mro__ if is_own(parent) and not is_part(parent)]
        line = [parent.__name__ for parent in parents]
        assert len(line) <= MAX_DEPTH + 1, f"{cls.__name__} inherits through {line}"


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, bayesglm; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    assert not HEAVY & set(run.stdout.split())


def test_the_package_never_touches_the_configuration_of_jax_unasked():
    for path in FILES:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
        asked = [node for node in functions if node.name == "keep_compiled"]
        allowed = {id(node) for function in asked for node in ast.walk(function)}
        for node in nodes:
            if isinstance(node, ast.Call) and id(node) not in allowed:
                assert "config.update" not in ast.unparse(node.func), path
