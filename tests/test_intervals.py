"""Intervals against statsmodels, R, closed forms, direct root finding, and simulation."""

import functools
import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import integrate, optimize, stats
from small_problems import (
    design,
    feature_mask,
    labels,
    offsets,
    responses,
    weights,
)
from test_recompilation import compilations

from bayesglm import GLM, ClassifierGLM, PopulationGLM
from bayesglm.exceptions import DataWarning
from bayesglm.observation_models import (
    BinomialObservations,
    NegativeBinomialObservations,
    StudentTObservations,
)

X = design()
Z = sm.add_constant(X, prepend=False)
GROUPS = np.arange(len(X)) % 15
LINKS = sm.families.links
FAMILIES = {
    ("Poisson", "log"): sm.families.Poisson(),
    ("Bernoulli", "probit"): sm.families.Binomial(LINKS.Probit()),
    ("Gamma", "log"): sm.families.Gamma(LINKS.Log()),
    ("InverseGaussian", "log"): sm.families.InverseGaussian(LINKS.Log()),
}
# Two programs solve the same equations; what is left is rounding and the stopping rules.
CLOSE = {"rtol": 1e-6, "atol": 1e-12}
slow = pytest.mark.slow


def reference(y, family, exog=Z, **settings):
    """Fit of statsmodels, iterated to rounding."""
    kept = {k: settings.pop(k) for k in ("cov_type", "cov_kwds") if k in settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.GLM(y, exog, family=family, **settings)
        return model.fit(tol=1e-14, tol_criterion="params", maxiter=200, **kept)


@functools.cache
def poisson():
    y = responses("Poisson", "log")[:, 0]
    return GLM().fit(X, y), y


@functools.cache
def gaussian():
    y = responses("Gaussian", "identity")[:, 0]
    return GLM("Gaussian").fit(X, y), y


# The sandwich


@pytest.mark.parametrize(
    ("family", "link"), [("Poisson", "log"), *(pytest.param(*f, marks=slow) for f in FAMILIES)]
)
def test_sandwich_is_that_of_statsmodels(family, link):
    y = responses(family, link)[:, 0]
    model = GLM(family, link).fit(X, y)
    expected = reference(y, FAMILIES[family, link], cov_type="HC0").cov_params()
    np.testing.assert_allclose(model.robust_covariance(X, y, "HC0"), expected, **CLOSE)
    n, k = Z.shape
    np.testing.assert_allclose(model.robust_covariance(X, y), expected * n / (n - k), **CLOSE)


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
def test_sandwich_of_least_squares_is_that_of_statsmodels(kind):
    model, y = gaussian()
    expected = sm.OLS(y, Z).fit(cov_type=kind)
    np.testing.assert_allclose(model.robust_covariance(X, y, kind), expected.cov_params(), **CLOSE)
    table = model.confidence_interval(0.9, "sandwich", X, y, covariance_type=kind)
    np.testing.assert_allclose(
        table[["lower", "upper"]],
        sm.OLS(y, Z).fit(cov_type=kind, use_t=True).conf_int(0.1),
        **CLOSE,
    )


@pytest.mark.parametrize("power", [1, 2])
def test_leverage_of_a_poisson_model(power):
    model, y = poisson()
    mean = model.predict(X)
    information = np.linalg.inv((Z.T * mean) @ Z)
    leverage = mean * np.einsum("ij,jk,ik->i", Z, information, Z)
    meat = (Z.T * ((y - mean) ** 2 / (1 - leverage) ** power)) @ Z
    found = model.robust_covariance(X, y, f"HC{power + 1}")
    np.testing.assert_allclose(found, information @ meat @ information, **CLOSE)


def test_clusters_are_those_of_statsmodels():
    model, y = poisson()
    settings = {"cov_type": "cluster", "cov_kwds": {"groups": GROUPS}}
    expected = reference(y, sm.families.Poisson(), **settings)
    names = np.array([f"subject {g}" for g in GROUPS])
    found = model.robust_covariance(X, y, groups=names)
    np.testing.assert_allclose(found, expected.cov_params(), **CLOSE)
    table = model.confidence_interval(0.9, "cluster", X, y, groups=names)
    width = stats.t.ppf(0.95, 14) * expected.bse  # 15 groups
    np.testing.assert_allclose(table["upper"] - table["estimate"], width, **CLOSE)


def test_sandwich_of_a_population_is_that_of_each_response():
    """Masks, missing cells, weights and offsets, against statsmodels on what is left of each."""
    Y = responses("Poisson", "log").copy()
    Y[:7, 0] = Y[20:31, 2] = np.nan
    model = PopulationGLM(feature_mask=feature_mask())
    given = {"sample_weight": weights(), "offset": offsets()}
    with pytest.warns(DataWarning, match="left out"):
        model.fit(X, Y, **given)
    with pytest.warns(DataWarning, match="left out"):
        found = model.robust_covariance(X, Y, "HC0", **given)
    for k in range(3):
        rows, used = ~np.isnan(Y[:, k]), np.append(feature_mask()[:, k] > 0, True)
        expected = reference(
            Y[rows, k],
            sm.families.Poisson(),
            Z[rows][:, used],
            freq_weights=weights()[rows],
            offset=offsets()[rows, k],
            cov_type="HC0",
        ).cov_params()
        np.testing.assert_allclose(found[k][np.ix_(used, used)], expected, **CLOSE)
        assert np.isnan(found[k][~used]).all()


@slow
def test_sandwich_of_classes_is_that_of_logistic_regression():
    y = labels()[:, 0] > 0
    model = ClassifierGLM(2, regularizer="UnRegularized").fit(X, y)
    found = model.robust_covariance(X, y, "HC0")
    contrast = np.kron(np.eye(5), [[-1.0, 1.0]])
    expected = reference(y * 1.0, sm.families.Binomial(), cov_type="HC0").cov_params()
    np.testing.assert_allclose(contrast @ found @ contrast.T, expected, **CLOSE)
    with pytest.raises(NotImplementedError, match="leverage"):
        model.robust_covariance(X, y, "HC3")


@slow
def test_sandwich_of_a_ridge_is_the_closed_form():
    _, y = gaussian()
    model = GLM("Gaussian", regularizer="Ridge", regularizer_strength=0.1).fit(X, y)
    penalty = len(y) * 0.1 / 2 * np.diag([1.0, 1, 1, 1, 0])  # the kernel has no 1/2
    bread = np.linalg.inv(Z.T @ Z + penalty)
    residual = y - Z @ bread @ Z.T @ y
    expected = bread @ (Z.T * residual**2) @ Z @ bread
    np.testing.assert_allclose(model.robust_covariance(X, y, "HC0"), expected, **CLOSE)


# Profile likelihood


def test_profile_is_that_of_r():
    """``confint(glm.D93)`` of R's help page; its splines through the profile are good to 2e-5."""
    y = np.array([18.0, 17, 15, 20, 10, 20, 25, 13, 12])
    outcome, treatment = np.tile(np.arange(3), 3), np.repeat(np.arange(3), 3)
    D = np.column_stack([outcome == 1, outcome == 2, treatment == 1, treatment == 2]) * 1.0
    found = GLM().fit(D, y).confidence_interval(0.95, "profile", D, y)[["lower", "upper"]]
    expected = [
        [-0.8577018, -0.06255840],
        [-0.6753696, 0.08244089],
        [-0.3932548, 0.39325483],
        [-0.3932548, 0.39325483],
        [2.6958215, 3.36655581],
    ]
    np.testing.assert_allclose(found, expected, atol=2e-5)


def profile_by_root(y, family, j, level, fitted, **settings):
    """Bounds of parameter j, by refits of statsmodels and Brent's method."""
    others = np.arange(5) != j
    given = settings.pop("offset", 0.0)

    def excess(value):
        refit = reference(y, family, Z[:, others], offset=given + Z[:, j] * value, **settings)
        ratio = (refit.deviance - fitted.deviance) / fitted.scale
        return ratio - stats.chi2.ppf(level, 1)

    if isinstance(family, sm.families.Gamma):
        cut = stats.f.ppf(level, 1, fitted.df_resid) - stats.chi2.ppf(level, 1)
    else:
        cut = 0.0
    center, reach = fitted.params[j], 4 * fitted.bse[j]
    solve = functools.partial(optimize.brentq, lambda v: excess(v) - cut, xtol=1e-11)
    return solve(center - reach, center), solve(center, center + reach)


@slow
@pytest.mark.parametrize(("family", "link"), [("Poisson", "log"), ("Gamma", "log")])
def test_profile_is_where_the_deviance_says(family, link):
    y, given = responses(family, link)[:, 0], {"offset": offsets()[:, 0]}
    model = GLM(family, link).fit(X, y, sample_weight=weights(), **given)
    table = model.confidence_interval(0.9, "profile", X, y, sample_weight=weights(), **given)
    given |= {"freq_weights": weights()}
    fitted = reference(y, FAMILIES[family, link], **given)
    for j in (1, 4):
        expected = profile_by_root(y, FAMILIES[family, link], j, 0.9, fitted, **given)
        # the root of a deviance known to 1e-13 of itself
        np.testing.assert_allclose(table.iloc[j][["lower", "upper"]], expected, rtol=1e-6)


def test_profile_of_normal_responses_is_students_t():
    model, y = gaussian()
    found = model.confidence_interval(0.8, "profile", X, y)
    np.testing.assert_allclose(found, model.confidence_interval(0.8), rtol=1e-8)


@slow
def test_profile_of_a_population_is_that_of_each_response():
    Y = responses("Poisson", "log").copy()
    Y[:7, 0] = np.nan
    with pytest.warns(DataWarning, match="left out"):
        model = PopulationGLM(feature_mask=feature_mask()).fit(X, Y)
    with pytest.warns(DataWarning, match="left out"):
        table = model.confidence_interval(0.9, "profile", X, Y)
    fitted = reference(Y[7:, 0], sm.families.Poisson(), Z[7:])
    excess = lambda v: (
        reference(Y[7:, 0], sm.families.Poisson(), Z[7:, 1:], offset=Z[7:, 0] * v).deviance
        - fitted.deviance
        - stats.chi2.ppf(0.9, 1)
    )
    upper = optimize.brentq(excess, fitted.params[0], fitted.params[0] + 1, xtol=1e-11)
    assert table.loc[("x0", 0), "upper"] == pytest.approx(upper, rel=1e-6)
    assert np.isnan(table.loc[("x0", 2), "upper"])  # masked
    assert table.loc["intercept", "upper"].notna().all()


# Bootstrap


def test_bootstrap_refits_the_resamples():
    """Each estimate is that of statsmodels on the same resampled rows."""
    model, y = poisson()
    table = model.confidence_interval(
        0.5, "bootstrap", X, y, num_resamples=21, random_state=np.random.default_rng(3)
    )
    counts = np.random.default_rng(3).multinomial(120, np.full(120, 1 / 120), 21)
    refits = [reference(y, sm.families.Poisson(), freq_weights=c).params for c in counts]
    low, high = np.quantile(refits, [0.25, 0.75], axis=0)
    np.testing.assert_allclose(table[["lower", "upper"]], np.stack([low, high], 1), rtol=1e-6)
    again = model.confidence_interval(0.5, "bootstrap", X, y, num_resamples=21, random_state=3)
    assert again.equals(table)
    each = model.confidence_interval(
        0.5, "bootstrap", X, y, num_resamples=21, random_state=3, groups=np.arange(120)
    )
    assert each.equals(table)  # a group of one row is a row


@slow
def test_bootstrap_of_a_ridge_is_the_closed_form():
    _, y = gaussian()
    model = GLM("Gaussian", regularizer="Ridge", regularizer_strength=0.1).fit(X, y)
    table = model.confidence_interval(0.5, "bootstrap", X, y, num_resamples=5, random_state=3)
    counts = np.random.default_rng(3).multinomial(120, np.full(120, 1 / 120), (5, 1))
    penalty = 120 * 0.1 / 2 * np.diag([1.0, 1, 1, 1, 0])
    refits = [
        np.linalg.solve((Z.T * c) @ Z + penalty, (Z.T * c) @ y) for c in counts.reshape(5, 120)
    ]
    low, high = np.quantile(refits, [0.25, 0.75], axis=0)
    np.testing.assert_allclose(table[["lower", "upper"]], np.stack([low, high], 1), rtol=1e-6)


@slow
def test_bootstrap_of_a_population_keeps_rows_together():
    Y = responses("Poisson", "log")
    model = PopulationGLM(feature_mask=feature_mask()).fit(X, Y)
    table = model.confidence_interval(0.5, "bootstrap", X, Y, num_resamples=21, random_state=3)
    first = poisson()[0].confidence_interval(
        0.5, "bootstrap", X, Y[:, 0], num_resamples=21, random_state=3
    )
    np.testing.assert_allclose(table.xs(0, level="response"), first, rtol=1e-6)
    assert table.loc[("x0", 2), ["lower", "upper"]].tolist() == [0.0, 0.0]  # masked


# What they have in common


def test_wald_is_the_summary():
    model, _ = poisson()
    table, summary = model.confidence_interval(0.8), model.summary(0.8)
    assert table.equals(summary[["estimate", "lower", "upper"]])
    assert table.attrs["level"] == 0.8
    assert "repeated samples" in summary.attrs["note"]
    ridge = GLM(regularizer="Ridge").fit(X, poisson()[1])
    assert "no coverage" in ridge.summary().attrs["note"]
    assert "<table" in ridge.summary()._repr_html_()


@pytest.mark.parametrize("method", ["sandwich", "cluster", "profile", "bootstrap"])
def test_nothing_compiles_twice(method):
    model, y = poisson()
    given = {"groups": GROUPS, "num_resamples": 21}
    model.confidence_interval(0.9, method, X, y, **given)
    other = GLM().fit(X[::-1] * 2, y)
    with compilations() as names:
        other.confidence_interval(0.8, method, X[::-1] * 2, y, **given)
    assert not [name for name in names if "_" in name]


def without_covariance():
    model = GLM()
    model.coef_, model.intercept_ = np.zeros(4), np.zeros(1)
    return model


ERRORS = {
    "no data": (lambda m, y: m.confidence_interval(method="profile"), ValueError, "does not keep"),
    "unknown": (lambda m, y: m.confidence_interval(method="t"), ValueError, "`method` must be"),
    "level": (lambda m, y: m.confidence_interval(1.5), ValueError, "`level` must lie"),
    "HC4": (lambda m, y: m.robust_covariance(X, y, "HC4"), ValueError, "must be one of"),
    "HC3 groups": (
        lambda m, y: m.robust_covariance(X, y, "HC3", GROUPS),
        ValueError,
        "with `groups`",
    ),
    "groups": (
        lambda m, y: m.robust_covariance(X, y, groups=GROUPS[:5]),
        ValueError,
        "one label per row",
    ),
    "no groups": (
        lambda m, y: m.confidence_interval(method="cluster", X=X, y=y),
        ValueError,
        "needs `groups`",
    ),
    "other data": (
        lambda m, y: m.robust_covariance(X, y[::-1]),
        ValueError,
        "not the data that this model was fitted to",
    ),
    "other data, profile": (
        lambda m, y: m.confidence_interval(0.9, "profile", X, y[::-1]),
        ValueError,
        "not the data that this model was fitted to",
    ),
    "few": (
        lambda m, y: m.confidence_interval(0.9, "bootstrap", X, y, num_resamples=1),
        ValueError,
        "2 or more",
    ),
    "by hand": (lambda m, y: without_covariance().summary(), ValueError, "no covariance"),
    "by hand, std": (
        lambda m, y: without_covariance().predict(X, return_std=True),
        ValueError,
        "no covariance",
    ),
    "by hand, sandwich": (
        lambda m, y: without_covariance().robust_covariance(X, y),
        ValueError,
        "set by hand",
    ),
    "penalised": (
        lambda m, y: GLM(regularizer="Ridge").fit(X, y).confidence_interval(0.9, "profile", X, y),
        NotImplementedError,
        "unpenalised",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    call, error, message = ERRORS[case]
    with pytest.raises(error, match=message):
        call(*poisson())


def test_after_an_update_there_is_no_covariance():
    _, y = poisson()
    model = GLM()
    params = model.initialize_params(X, y)
    model.update(params, model.initialize_optimizer_and_state(params, X, y), X, y)
    with pytest.raises(ValueError, match="no covariance"):
        model.summary()


# Predictions


def test_std_of_the_mean_is_that_of_statsmodels():
    model, y = poisson()
    mean, std = model.predict(X[:9], return_std=True)
    found = reference(y, sm.families.Poisson()).get_prediction(Z[:9])
    np.testing.assert_allclose(mean, found.predicted, **CLOSE)
    np.testing.assert_allclose(std, found.se, **CLOSE)


def test_std_of_the_mean_of_a_population():
    Y = responses("Poisson", "log")
    model = PopulationGLM(feature_mask=feature_mask()).fit(X, Y)
    _, std = model.predict(X[:9], return_std=True)
    for k in range(3):
        used = np.append(feature_mask()[:, k] > 0, True)
        one = reference(Y[:, k], sm.families.Poisson(), Z[:, used])
        np.testing.assert_allclose(std[:, k], one.get_prediction(Z[:9, used]).se, **CLOSE)
    bounds = model.prediction_interval(X[:9])
    assert bounds.shape == (9, 3, 2)
    alone = poisson()[0].prediction_interval(X[:9])
    assert (bounds[:, 0] == alone).all()


def test_new_normal_response_is_that_of_least_squares():
    model, y = gaussian()
    expected = sm.OLS(y, Z).fit().get_prediction(Z).conf_int(obs=True, alpha=0.2)
    np.testing.assert_allclose(model.prediction_interval(X, 0.8), expected, **CLOSE)


def test_new_count_is_a_quantile_of_the_integrated_distribution():
    model, _ = poisson()
    bounds = model.prediction_interval(X[:5], 0.9)
    mean, std = model.predict(X[:5], return_std=True)
    for i, (low, high) in enumerate(bounds):
        eta = stats.norm(np.log(mean[i]), std[i] / mean[i])
        below = lambda y, eta=eta: integrate.quad(
            lambda e: stats.poisson.cdf(y, np.exp(e)) * eta.pdf(e), -4, 6, points=[1.0]
        )[0]
        assert below(low - 1) < 0.05 <= below(low)
        assert below(high - 1) < 0.95 <= below(high)


def test_new_amount_is_a_quantile_of_the_integrated_distribution():
    """Over the linear predictor and the dispersion, by a fine grid of both."""
    y = responses("Gamma", "log")[:, 0]
    model = GLM("Gamma", "log").fit(X, y)
    bounds = model.prediction_interval(X[:3], 0.9)
    mean, std = model.predict(X[:3], return_std=True)
    dof, scale = float(model.dof_resid_[0]), float(model.scale_[0])
    shrink = dof / stats.chi2.ppf((np.arange(400) + 0.5) / 400, dof)
    z = stats.norm.ppf((np.arange(401) + 0.5) / 401)
    for i, ends in enumerate(bounds):
        eta = np.log(mean[i]) + std[i] / mean[i] * np.sqrt(shrink) * z[:, None]
        shape = 1 / (scale * shrink)
        below = [stats.gamma.cdf(e, shape, scale=np.exp(eta) / shape).mean() for e in ends]
        # the grid of equal probabilities is good to 1e-4
        np.testing.assert_allclose(below, [0.05, 0.95], atol=2e-4)


@slow
def test_uncertain_means_of_sharp_responses_have_intervals_too():
    """The response is far narrower than its mean is uncertain: the mixture stays smooth."""
    D = np.array([[0.0], [1.0], [2.0], [3.0]])
    y = np.array([1e4, 2.2e4, 4.1e4, 9.3e4])
    model = GLM().fit(D, y)
    model._covariance = model._covariance * 1e3
    at = np.array([[5.0]])
    mean, std = model.predict(at, return_std=True)
    ends = model.prediction_interval(at, 0.9)[0]
    normal = stats.norm.ppf([0.05, 0.95], np.log(mean), std / mean)
    np.testing.assert_allclose(np.log(ends), normal, atol=0.01 * np.ptp(normal))


def test_rows_with_missing_features_have_no_interval():
    bounds = poisson()[0].prediction_interval(np.where(np.arange(4) == 2, np.nan, X[:3]))
    assert np.isnan(bounds).all()
    assert (poisson()[0].prediction_interval(X) % 1 == 0).all()
    assert poisson()[0].prediction_interval(X[:0]).shape == (0, 2)


def test_classes_have_no_interval():
    model = ClassifierGLM(3).fit(X, labels()[:, 0])
    with pytest.raises(NotImplementedError, match="predict_proba"):
        model.prediction_interval(X)
    with pytest.raises(NotImplementedError, match="predict_proba"):
        model.predict(X, return_std=True)


NEW_RESPONSES = {
    "Poisson": ("Poisson", "Poisson", "log"),
    "Bernoulli": ("Bernoulli", "Bernoulli", "logit"),
    "Gamma": ("Gamma", "Gamma", "log"),
    "Gaussian, log link": ("Gaussian", "Gaussian", "log"),
    "inverse Gaussian": ("InverseGaussian", "InverseGaussian", "log"),
    "Tweedie": ("Tweedie", "Tweedie", "log"),
    "negative binomial": (NegativeBinomialObservations(0.5), "NegativeBinomial", "log"),
    "Student-t": (StudentTObservations(5.0), "Gaussian", "identity"),
    "binomial": (BinomialObservations(40), "Poisson", "log"),
}


@slow
@pytest.mark.parametrize("name", NEW_RESPONSES)
def test_new_responses_are_covered(name):
    """Fit one response, predict another of the same mean: the fit's own draws are the truth."""
    import jax

    family, kind, link = NEW_RESPONSES[name]
    y = responses(kind, link)[:, 0]
    link = "logit" if isinstance(family, BinomialObservations) else link
    model = GLM(family, link).fit(X, y)
    truth = [model.simulate(jax.random.key(i), X)[0] for i in range(100)]
    covered = []
    for i, drawn in enumerate(truth[:20]):
        twin = GLM(family, link).fit(X, np.asarray(drawn, float))
        low, high = twin.prediction_interval(X, 0.8).T
        new = np.array(truth[20 + 4 * i : 24 + 4 * i], float)
        covered.append(((new >= low) & (new <= high)).mean())
    found, error = np.mean(covered), np.std(covered) / np.sqrt(len(covered))
    print(f"\nprediction of {name}: 80% intervals cover {found:.3f} (se {error:.3f})")
    whole = model.observation_model.is_count
    assert found > 0.8 - 4 * error
    assert whole or found < 0.8 + 4 * error


# Coverage in repeated samples

LEVELS = (0.5, 0.8, 0.9, 0.95)
NUM_SAMPLES = 1000
TRUE_COEF = np.array([0.4, -0.3])


def coverage(model, Y, D, truth, method, **settings):
    """Share of responses whose intervals hold the truth, of each level, over all parameters."""
    found = []
    for level in LEVELS:
        data = {} if method == "wald" else {"X": D, "y": Y}
        table = model.confidence_interval(level, method, **data, **settings)
        inside = (table["lower"] <= truth[:, None].repeat(Y.shape[1], 1).ravel()) & (
            table["upper"] >= truth[:, None].repeat(Y.shape[1], 1).ravel()
        )
        found.append(inside.groupby(level="term").mean())
    return np.array(found)


def sample(kind):
    """Features, responses of many samples and true parameters."""
    rng = np.random.default_rng(11)
    n = 120 if kind in ("Bernoulli", "clustered") else 60
    D = rng.normal(size=(n, 2))
    if kind == "clustered":
        D = np.repeat(rng.normal(size=(40, 2)), 3, axis=0)
    truth = np.append(TRUE_COEF, 0.5)
    eta = (D @ TRUE_COEF + 0.5)[:, None]
    shape = (n, NUM_SAMPLES)
    noise = rng.normal(size=shape)
    Y = {
        "Poisson": lambda: rng.poisson(np.exp(eta), shape),
        "Bernoulli": lambda: rng.binomial(1, 1 / (1 + np.exp(-eta)), shape),
        "Gaussian": lambda: eta + noise,
        "heteroscedastic": lambda: eta + noise * (0.2 + np.abs(D[:, :1])),
        "clustered": lambda: eta + noise + np.repeat(rng.normal(size=(n // 3, NUM_SAMPLES)), 3, 0),
    }[kind]()
    return D, Y.astype(float), truth


# Method, kind of data, and the largest distance from the level that its order of error allows,
# beside four binomial standard errors: none for exact intervals, a few over n for the others.
COVERAGE = [
    ("wald", "Gaussian", 0.0),
    ("profile", "Gaussian", 0.0),
    ("wald", "Poisson", 0.02),
    ("profile", "Poisson", 0.01),
    ("wald", "Bernoulli", 0.02),
    ("profile", "Bernoulli", 0.02),
    ("sandwich", "heteroscedastic", 0.04),
    ("cluster", "clustered", 0.04),
    ("bootstrap", "Poisson", 0.05),
    ("bootstrap", "heteroscedastic", 0.05),
]


@slow
@pytest.mark.parametrize(("method", "kind", "allowed"), COVERAGE)
def test_coverage(method, kind, allowed):
    D, Y, truth = sample(kind)
    if method == "bootstrap":
        Y = Y[:, :400]
    family = kind if kind in ("Poisson", "Bernoulli") else "Gaussian"
    settings = {
        "cluster": {"groups": np.arange(len(D)) // 3},
        "bootstrap": {"num_resamples": 500, "random_state": 0},
        "sandwich": {"covariance_type": "HC3"},
    }.get(method, {})
    model = PopulationGLM(family).fit(D, Y)
    found = coverage(model, Y, D, truth, method, **settings)
    print(f"\n{method:10s} {kind:16s}", " ".join(f"{level:.3f}" for level in found.mean(axis=1)))
    error = np.sqrt(np.array(LEVELS) * (1 - np.array(LEVELS)) / Y.shape[1])
    assert (np.abs(found - np.array(LEVELS)[:, None]) < allowed + 4 * error[:, None]).all()


@slow
@pytest.mark.parametrize("kind", ["heteroscedastic", "clustered"])
def test_wald_does_not_cover_where_the_variance_is_not_the_models(kind):
    D, Y, truth = sample(kind)
    found = coverage(PopulationGLM("Gaussian").fit(D, Y), Y, D, truth, "wald")
    print(f"\nwald       {kind:16s}", " ".join(f"{level:.3f}" for level in found.mean(axis=1)))
    assert found[-1].min() < 0.9
