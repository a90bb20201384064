"""Nothing is compiled twice: a second fit of the same shape costs no compilation at all."""

import contextlib
import logging
import warnings

import jax
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold

from bayesglm import GLM, ClassifierGLM, PopulationGLM
from bayesglm.observation_models import NegativeBinomialObservations

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 4))
Y = rng.poisson(np.exp(0.2 * X[:, :3] + 0.5)).astype(float)
y = Y[:, 0]


class Compilations(logging.Handler):
    """Names of the programs that JAX compiles."""

    def __init__(self):
        super().__init__()
        self.names = []

    def emit(self, record):
        message = record.getMessage()
        if message.startswith("Finished XLA compilation of"):
            self.names.append(message.split()[4])


@contextlib.contextmanager
def compilations():
    """Record compilations through JAX's own log."""
    handler, logger = Compilations(), logging.getLogger("jax")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    with jax.log_compiles(True):
        yield handler.names
    logger.removeHandler(handler)
    logger.setLevel(level)
    logger.propagate = propagate


def counted(names):
    """Programs of this package; JAX's one-operation programs have names of their own."""
    return [name for name in names if "_" in name]


CASES = {
    "Poisson": (lambda: GLM(), y),
    "ridge": (lambda: GLM(regularizer="Ridge", regularizer_strength=0.1), y),
    "lasso": (lambda: GLM(regularizer="Lasso", regularizer_strength=0.1), y),
    "population": (lambda: PopulationGLM(regularizer="Ridge"), Y),
    "classifier": (lambda: ClassifierGLM(3), (np.clip(y, 0, 2)).astype(int)),
    "dispersion": (lambda: GLM(NegativeBinomialObservations(scale=None)), y),
    "lbfgs": (lambda: GLM(solver_name="LBFGS"), y),
}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_the_count_sees_a_compilation():
    with compilations() as names:
        jax.jit(lambda v: v * 3 + 1)(np.arange(7.0))
    assert names


@pytest.mark.parametrize("name", CASES)
def test_a_second_fit_compiles_nothing(name):
    make, response = CASES[name]
    make().fit(X, response)
    with compilations() as names:
        clone(make()).fit(X[::-1] * 2.0, response[::-1])
    assert not names


def test_another_strength_compiles_nothing():
    GLM(regularizer="ElasticNet", regularizer_strength=(0.1, 0.5)).fit(X, y)
    with compilations() as names:
        GLM(regularizer="ElasticNet", regularizer_strength=(0.3, 0.9)).fit(X, y)
    assert not names


def test_folds_share_their_programs():
    folds = [train for train, _ in KFold(7).split(X)]  # of 342 and 343 rows
    GLM().fit(X[folds[0]], y[folds[0]])
    assert len({len(fold) for fold in folds}) > 1
    with compilations() as names:
        for fold in folds:
            GLM().fit(X[fold], y[fold]).score(X[fold], y[fold])
    assert counted(names) == ["jit(_log_density)"]  # the first score


def test_another_dispersion_compiles_nothing():
    GLM(NegativeBinomialObservations(scale=0.5)).fit(X, y)
    with compilations() as names:
        GLM(NegativeBinomialObservations(scale=0.7)).fit(X, y)
    assert not names


def test_updates_compile_once():
    model = GLM()
    params = model.initialize_params(X, y)
    state = model.initialize_optimizer_and_state(params, X, y)
    params, state = model.update(params, state, X, y)
    with compilations() as names:
        for first in (0, 5, 10):
            params, state = model.update(params, state, X[first:], y[first:])
    assert not counted(names)
