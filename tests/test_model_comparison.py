"""Deviance, information criteria and tests of hypotheses against statsmodels."""

import functools
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from small_problems import design, feature_mask, labels, offsets, responses, weights

from bayesglm import GLM, ClassifierGLM, PopulationGLM
from bayesglm.exceptions import DataWarning
from bayesglm.observation_models import NegativeBinomialObservations

X = design()
Z = sm.add_constant(X, prepend=False)
LINKS = sm.families.links
FAMILIES = {
    ("Poisson", "log"): sm.families.Poisson(),
    ("Gaussian", "identity"): sm.families.Gaussian(),
    ("Gamma", "log"): sm.families.Gamma(LINKS.Log()),
    ("Bernoulli", "logit"): sm.families.Binomial(),
    ("InverseGaussian", "log"): sm.families.InverseGaussian(LINKS.Log()),
}
slow = pytest.mark.slow
CLOSE = {"rtol": 1e-8}  # both programs are at the optimum to rounding; llf is flat there


def reference(y, family, exog=Z, **settings):
    """Fit of statsmodels, iterated to rounding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.GLM(y, exog, family=family, **settings)
        return model.fit(tol=1e-14, tol_criterion="params", maxiter=200)


@functools.cache
def fitted(family="Poisson", link="log"):
    y = responses(family, link)[:, 0]
    return GLM(family, link).fit(X, y), y, reference(y, FAMILIES[family, link])


def criteria(model, *data, **settings):
    return [getattr(model, name)(*data, **settings) for name in ("deviance", "aic", "bic")]


DEFAULT = [("Poisson", "log"), ("Gaussian", "identity")]
SLOW = [pytest.param(*key, marks=slow) for key in FAMILIES if key not in DEFAULT]


@pytest.mark.parametrize(("family", "link"), [*DEFAULT, *SLOW])
def test_criteria_are_those_of_statsmodels(family, link):
    model, y, expected = fitted(family, link)
    found = criteria(model, X, y)
    assert all(type(value) is float for value in found)
    np.testing.assert_allclose(found, [expected.deviance, expected.aic, expected.bic_llf], **CLOSE)


@slow
def test_weights_are_rows():
    y = responses("Poisson", "log")[:, 0]
    given = {"sample_weight": weights(), "offset": offsets()[:, 0]}
    model = GLM().fit(X, y, **given)
    expected = reference(y, sm.families.Poisson(), freq_weights=weights(), offset=offsets()[:, 0])
    bic = -2 * expected.llf + 5 * np.log(weights().sum())
    np.testing.assert_allclose(
        criteria(model, X, y, **given), [expected.deviance, expected.aic, bic], **CLOSE
    )


def test_a_population_has_the_criteria_of_each_response():
    Y = responses("Gaussian", "identity").copy()
    Y[:7, 0] = np.nan
    with pytest.warns(DataWarning, match="left out"):
        model = PopulationGLM("Gaussian", feature_mask=feature_mask()).fit(X, Y)
    with pytest.warns(DataWarning, match="left out"):
        found = np.array(criteria(model, X, Y))
    for k in range(3):
        rows, used = ~np.isnan(Y[:, k]), np.append(feature_mask()[:, k] > 0, True)
        one = reference(Y[rows, k], sm.families.Gaussian(), Z[rows][:, used])
        np.testing.assert_allclose(found[:, k], [one.deviance, one.aic, one.bic_llf], **CLOSE)


@slow
def test_a_dispersion_of_maximum_likelihood_is_a_parameter():
    y = responses("NegativeBinomial", "log")[:, 0]
    model = GLM(NegativeBinomialObservations(scale=None)).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = sm.NegativeBinomial(y, Z).fit(disp=0, maxiter=500, gtol=1e-9)
    np.testing.assert_allclose(criteria(model, X, y)[1:], [expected.aic, expected.bic], **CLOSE)


@slow
def test_classes_have_the_criteria_of_multinomial_regression():
    y = labels()[:, 0]
    model = ClassifierGLM(3, regularizer="UnRegularized").fit(X, y)
    expected = sm.MNLogit(y, Z).fit(disp=0, tol=1e-12)
    found = [-2 * expected.llf, expected.aic, expected.bic]
    np.testing.assert_allclose(criteria(model, X, y), found, **CLOSE)


@slow
def test_a_lasso_counts_what_is_not_zero():
    _, y, _ = fitted()
    model = GLM(regularizer="Lasso", regularizer_strength=0.05).fit(X, y)
    kept = int((np.asarray(model.coef_) != 0).sum())
    assert 0 < kept < 4
    log_likelihood = model.score(X, y) * len(y)
    assert model.aic(X, y) == pytest.approx(-2 * log_likelihood + 2 * (kept + 1))


# Wald tests


@pytest.mark.parametrize(("family", "link"), DEFAULT)
def test_wald_test_is_that_of_statsmodels(family, link):
    model, _, expected = fitted(family, link)
    use_f = family == "Gaussian"
    matrix = np.array([[1.0, -1, 0, 0, 0], [0, 0, 1, 2, 0]])
    for hypothesis, value, same in (
        (["x0", "x2"], 0.0, (np.eye(5)[[0, 2]], np.zeros(2))),
        (matrix, [0.1, 0.0], (matrix, np.array([0.1, 0.0]))),
        ("intercept", 0.5, (np.eye(5)[[4]], np.array([0.5]))),
    ):
        found = model.wald_test(hypothesis, value).iloc[0]
        with_f = expected.wald_test(same, use_f=use_f, scalar=True)
        assert found["statistic"] == pytest.approx(with_f.statistic, rel=1e-6)
        assert found["p_value"] == pytest.approx(with_f.pvalue, rel=1e-6)
        assert found["distribution"] == ("F" if use_f else "chi-square")


def test_wald_test_takes_a_robust_covariance():
    model, y, _ = fitted()
    robust = model.robust_covariance(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = sm.GLM(y, Z, family=sm.families.Poisson()).fit(tol=1e-14, cov_type="HC0")
    found = model.wald_test(["x0", "x2"], covariance=robust)["statistic"].iloc[0]
    wanted = expected.wald_test(np.eye(5)[[0, 2]], scalar=True).statistic * 115 / 120
    assert found == pytest.approx(wanted, rel=1e-6)


@slow
def test_wald_test_of_a_population_leaves_masked_terms_out():
    Y = responses("Poisson", "log")
    model = PopulationGLM(feature_mask=feature_mask()).fit(X, Y)
    table = model.wald_test(["x0", "x1"])
    assert table["df"].tolist() == [2, 1, 1]
    used = np.append(feature_mask()[:, 2] > 0, True)
    one = reference(Y[:, 2], sm.families.Poisson(), Z[:, used])
    wanted = (one.params[0] / one.bse[0]) ** 2  # x1, the first in use
    assert table["statistic"].iloc[2] == pytest.approx(wanted, rel=1e-6)


@slow
def test_wald_test_of_classes_has_a_degree_less():
    y = labels()[:, 0]
    model = ClassifierGLM(3, regularizer="UnRegularized").fit(X, y)
    expected = sm.MNLogit(y, Z).fit(disp=0, tol=1e-12)
    both = np.zeros((2, 10))
    both[0, 1] = both[1, 6] = 1.0  # coefficients of x1 of both classes against the first
    found = model.wald_test("x1").iloc[0]
    assert found["df"] == 2
    wanted = expected.wald_test(both, use_f=False, scalar=True).statistic
    assert found["statistic"] == pytest.approx(wanted, rel=1e-6)


# Likelihood-ratio tests


def test_likelihood_ratio_of_counts_is_the_change_of_the_deviance():
    model, y, large = fitted()
    smaller = GLM().fit(X[:, :2], y)
    found = model.likelihood_ratio_test(smaller, X, y, X[:, :2]).iloc[0]
    small = reference(y, sm.families.Poisson(), Z[:, [0, 1, 4]])
    assert found["statistic"] == pytest.approx(small.deviance - large.deviance, rel=1e-8)
    assert (found["df"], found["distribution"]) == (2, "chi-square")


def test_likelihood_ratio_of_normal_responses_is_the_f_test():
    import pandas as pd

    model, y, _ = fitted("Gaussian", "identity")
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = GLM("Gaussian").fit(frame, y)
    smaller = GLM("Gaussian").fit(frame[["a", "b"]], y)
    found = model.likelihood_ratio_test(smaller, frame, y).iloc[0]
    statistic, p_value, df = sm.OLS(y, Z).fit().compare_f_test(sm.OLS(y, Z[:, [0, 1, 4]]).fit())
    assert found["statistic"] == pytest.approx(statistic, rel=1e-8)
    assert found["p_value"] == pytest.approx(p_value, rel=1e-8)
    assert (found["df"], found["distribution"]) == (df, "F")


@slow
def test_likelihood_ratio_with_a_dispersion_of_its_own():
    y = responses("NegativeBinomial", "log")[:, 0]
    family = NegativeBinomialObservations(scale=None)
    models = GLM(family).fit(X, y), GLM(family).fit(X[:, :2], y)
    found = models[0].likelihood_ratio_test(models[1], X, y, X[:, :2])["statistic"].iloc[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lambda exog: sm.NegativeBinomial(y, exog).fit(disp=0, maxiter=500, gtol=1e-9).llf
        wanted = 2 * (fit(Z) - fit(Z[:, [0, 1, 4]]))
    assert found == pytest.approx(wanted, rel=1e-6)


def ridge():
    return GLM(regularizer="Ridge").fit(X, fitted()[1])


ERRORS = {
    "unknown term": (lambda m, y: m.wald_test("speed"), ValueError, "names no terms"),
    "columns": (lambda m, y: m.wald_test(np.eye(4)), ValueError, "5 columns"),
    "penalised": (lambda m, y: ridge().wald_test("x0"), ValueError, "unpenalised"),
    "aic": (lambda m, y: ridge().aic(X, y), ValueError, "no number of parameters"),
    "not nested": (
        lambda m, y: GLM().fit(X[:, :2], y).likelihood_ratio_test(m, X[:, :2], y, X),
        ValueError,
        "fewer coefficients",
    ),
    "family": (
        lambda m, y: m.likelihood_ratio_test(fitted("Gaussian", "identity")[0], X, y),
        TypeError,
        "must be a model of",
    ),
    "penalised smaller": (
        lambda m, y: m.likelihood_ratio_test(ridge(), X, y),
        ValueError,
        "unpenalised",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    call, error, message = ERRORS[case]
    with pytest.raises(error, match=message):
        call(*fitted()[:2])
