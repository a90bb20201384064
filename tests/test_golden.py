"""Fits against the golden results of other programs; recipes in ``golden/README.md``.

Tolerances: 1e-6 standard errors for coefficients (the solvers stop at 1e-8 or less, the goldens are
good to 1e-11), 1e-6 relative for everything else, Longley to 9 digits.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import statsmodels.api as sm
from golden_data import (
    GLM_KEYS,
    PENALISED_KEYS,
    glm_problem,
    group_mask,
    kkt_violation,
    objective,
    penalised_problem,
    regularizer_of,
)

from bayesglm.glm import GLM, ClassifierGLM
from bayesglm.observation_models import NegativeBinomialObservations
from bayesglm.regularizer import GroupLasso

RTOL = 1e-6
LONGLEY_DIGITS = 9


@pytest.fixture(autouse=True)
def double_precision():
    """Results are handed out in the precision JAX is set to; here that is 64 bits."""
    with jax.enable_x64(True):
        yield


@functools.cache
def fitted(key):
    """Model of a golden maximum-likelihood fit."""
    problem = glm_problem(key)
    family = problem.family
    if family == "NegativeBinomial":
        family = NegativeBinomialObservations(scale=1.0)
    model = GLM(family, inverse_link_function=problem.link)
    return model.fit(problem.X, problem.y, sample_weight=problem.weights)


@functools.cache
def fitted_penalised(key):
    """Model of a golden penalised fit."""
    problem = penalised_problem(key)
    regularizer, strength = regularizer_of(problem)
    if regularizer == "GroupLasso":
        regularizer = GroupLasso(mask=group_mask(problem))
    model = GLM(
        problem.family,
        inverse_link_function=problem.link,
        regularizer=regularizer,
        regularizer_strength=strength,
    )
    return model.fit(problem.X, problem.y)


def parameters(model):
    """Intercept and coefficients, in the order of the golden files."""
    return np.concatenate([np.asarray(model.intercept_), np.asarray(model.coef_)])


def column(model, name):
    """Column of the coefficient table, in the order of the golden files."""
    table = model.summary()[name]
    terms = [term for term in table.index if term != "intercept"]
    return table.loc[["intercept", *terms]].to_numpy()


def weighted_sum(problem):
    """Sum of the rows with their weights, as an aggregator of pointwise values."""
    weights = 1.0 if problem.weights is None else problem.weights
    return lambda values: jnp.sum(weights * values)


def digits(actual, exact):
    """Number of correct digits, the log relative error of the NIST tests."""
    return -np.log10(np.maximum(np.abs(actual - exact) / np.abs(exact), 1e-16))


@pytest.mark.parametrize("key", GLM_KEYS)
def test_coefficients(key):
    model, golden = fitted(key), glm_problem(key).golden
    error = (parameters(model) - golden["params"]) / np.array(golden["bse"])
    np.testing.assert_allclose(error, 0, atol=1e-6)


@pytest.mark.parametrize("key", GLM_KEYS)
def test_standard_errors(key):
    model, golden = fitted(key), glm_problem(key).golden
    np.testing.assert_allclose(column(model, "std_error"), golden["bse"], rtol=RTOL)


@pytest.mark.parametrize("key", GLM_KEYS)
def test_statistics(key):
    model, golden = fitted(key), glm_problem(key).golden
    np.testing.assert_allclose(column(model, "statistic"), golden["tvalues"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("key", [key for key in GLM_KEYS if key != "star98_binomial"])
def test_dispersion_and_degrees_of_freedom(key):
    model, golden = fitted(key), glm_problem(key).golden
    np.testing.assert_allclose(np.ravel(model.scale_), golden["scale"], rtol=RTOL)
    np.testing.assert_array_equal(model.dof_resid_, golden["df_resid"])


@pytest.mark.parametrize("key", GLM_KEYS)
def test_deviance(key):
    model, problem = fitted(key), glm_problem(key)
    deviance = model.observation_model.deviance(problem.y, model.predict(problem.X), scale=1.0)
    total = weighted_sum(problem)(deviance) + problem.deviance_shift
    np.testing.assert_allclose(total, problem.golden["deviance"], rtol=RTOL)


@pytest.mark.parametrize("key", GLM_KEYS)
def test_log_likelihood(key):
    model, problem = fitted(key), glm_problem(key)
    total = model.observation_model.log_likelihood(
        problem.y,
        model.predict(problem.X),
        scale=problem.golden.get("llf_scale", 1.0),
        aggregate_sample_scores=weighted_sum(problem),
    )
    np.testing.assert_allclose(total + problem.llf_shift, problem.golden["llf"], rtol=RTOL)


def test_longley_to_nine_digits():
    model, certified = fitted("longley_gaussian"), glm_problem("longley_gaussian").golden
    certified = certified["nist_certified"]
    assert digits(parameters(model), np.array(certified["params"])).min() >= LONGLEY_DIGITS
    errors = digits(column(model, "std_error"), np.array(certified["bse"]))
    assert errors.min() >= LONGLEY_DIGITS
    residual_sd = np.sqrt(np.ravel(model.scale_))
    assert digits(residual_sd, certified["residual_sd"]).min() >= LONGLEY_DIGITS


@pytest.mark.parametrize("key", PENALISED_KEYS)
def test_penalised_fit_is_optimal(key):
    model, problem = fitted_penalised(key), penalised_problem(key)
    assert kkt_violation(problem, *_split(model)) <= 1e-6
    value = objective(problem, *_split(model))
    np.testing.assert_allclose(value, problem.golden["objective"], rtol=1e-10)


@pytest.mark.parametrize("key", PENALISED_KEYS)
def test_penalised_coefficients(key):
    model, problem = fitted_penalised(key), penalised_problem(key)
    np.testing.assert_allclose(parameters(model), problem.golden["params"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(model.coef_) == 0, problem.coef == 0)


def test_negative_binomial_with_estimated_dispersion():
    # statsmodels 0.15: NegativeBinomial(y, add_constant(X), loglike_method="nb2"); the score at
    # its optimum is 7e-12, and the digits below are all of those known.
    problem = glm_problem("randhie_poisson")
    model = GLM(NegativeBinomialObservations(scale=None)).fit(problem.X, problem.y)
    np.testing.assert_allclose(model.scale_, 1.29295334, rtol=1e-8)
    total = len(problem.y) * model.score(problem.X, problem.y)
    np.testing.assert_allclose(total, -43383.66208, rtol=1e-9)


def test_classifier_on_seven_classes():
    # statsmodels 0.15: MNLogit(y, add_constant(X)); score 3e-12. The softmax with a coefficient
    # for every class has the same likelihood as one with a reference class.
    data = sm.datasets.anes96.load_pandas()
    model = ClassifierGLM(n_classes=7, regularizer="UnRegularized").fit(data.exog, data.endog)
    total = len(data.endog) * model.score(data.exog, data.endog)
    np.testing.assert_allclose(total, -1461.92275, rtol=1e-8)


def _split(model):
    intercept, *coef = parameters(model)
    return intercept, np.array(coef)
