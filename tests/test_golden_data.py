"""The golden numbers belong to the designs that ``golden_data`` builds."""

from functools import partial

import numpy as np
import pytest
import statsmodels.api as sm
from golden_data import (
    GLM_KEYS,
    PENALISED_KEYS,
    glm_problem,
    kkt_violation,
    objective,
    penalised_problem,
)

LINKS = {
    "logit": sm.families.links.Logit,
    "probit": sm.families.links.Probit,
    "log": sm.families.links.Log,
    "inverse": sm.families.links.InversePower,
    "identity": sm.families.links.Identity,
}
FAMILIES = {
    "Bernoulli": sm.families.Binomial,
    "Poisson": sm.families.Poisson,
    "NegativeBinomial": partial(sm.families.NegativeBinomial, alpha=1.0),
    "Gamma": sm.families.Gamma,
    "Gaussian": sm.families.Gaussian,
}


@pytest.mark.filterwarnings("ignore:The InversePower link")
@pytest.mark.parametrize("key", GLM_KEYS)
def test_statsmodels_stays_at_the_golden_optimum(key):
    problem = glm_problem(key)
    params, bse = np.array(problem.golden["params"]), np.array(problem.golden["bse"])
    family = FAMILIES[problem.family](LINKS[problem.link]())
    X = sm.add_constant(problem.X, has_constant="add")
    model = sm.GLM(problem.y, X, family=family, freq_weights=problem.weights)
    result = model.fit(start_params=params, maxiter=1, tol=0, tol_criterion="params")
    # Longley: the condition number 5e9 costs statsmodels 10 of 16 digits of a coefficient.
    np.testing.assert_allclose((result.params - params) / bse, 0, atol=1e-6)
    np.testing.assert_allclose(result.bse, bse, rtol=1e-6)
    golden = problem.golden
    np.testing.assert_allclose(result.llf + problem.llf_shift, golden["llf"], rtol=1e-9)
    np.testing.assert_allclose(
        result.deviance + problem.deviance_shift, golden["deviance"], rtol=1e-9
    )


@pytest.mark.parametrize("key", PENALISED_KEYS)
def test_penalised_golden_is_optimal(key):
    problem = penalised_problem(key)
    # A recipe with another response, mask or scaling would be off by many orders more.
    assert kkt_violation(problem, problem.intercept, problem.coef) < 1e-13
    value = objective(problem, problem.intercept, problem.coef)
    np.testing.assert_allclose(value, problem.golden["objective"], rtol=1e-12)
    assert (problem.coef == 0).sum() == problem.golden["n_zero"]


@pytest.mark.parametrize("key", PENALISED_KEYS)
def test_kkt_violation_has_teeth(key):
    problem = penalised_problem(key)
    moved = problem.coef.copy()
    moved[np.abs(moved).argmax()] *= 1 + 1e-3
    assert kkt_violation(problem, problem.intercept, moved) > 1e-5
