"""Slopes and contrasts against statsmodels, finite differences, and formulas at every draw."""

import functools

import jax
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import special
from small_problems import design, feature_mask, labels, offsets, responses, weights

from bayesglm import GLM, ClassifierGLM, PopulationGLM, posterior
from bayesglm.exceptions import DataWarning

X = design()
TREATED = np.where(X[:, [1]] > 0.2, 1.0, 0.0)
MIXED = np.column_stack([TREATED, X[:, 1:]])  # the first feature is 0 or 1
N, P = X.shape
COLUMNS = ["estimate", "std_error", "lower", "upper"]
# Two programs solve the same equations to rounding and their stopping rules.
CLOSE = {"rtol": 1e-6, "atol": 1e-10}
DISCRETE = {
    ("Poisson", "log"): sm.Poisson,
    ("Bernoulli", "logit"): sm.Logit,
    ("Bernoulli", "probit"): sm.Probit,
}


@functools.cache
def fitted(family, link):
    """Fit, and the same model of statsmodels, to features of which the first is binary."""
    y = responses(family, link)[:, 0]
    reference = DISCRETE[family, link](y, sm.add_constant(MIXED, prepend=False))
    reference = reference.fit(disp=0, method="newton", tol=1e-14, maxiter=100)
    return GLM(family, link).fit(MIXED, y), reference


def with_draws(model, X=None, y=None, constant=None, **arrays):
    """Give a model draws that were made up, and the data they are said to come from."""
    groups = {"posterior": arrays}
    if X is not None:
        groups |= {"observed_data": {"y": y}, "constant_data": {"X": X, **(constant or {})}}
    names = model._dimension_labels() | {"obs_id": np.arange(N)}
    model.posterior_ = posterior.to_datatree(groups, names, {"seed": 0})
    return model


def by_hand(model, coef, intercept):
    model.coef_, model.intercept_ = coef, intercept
    return model


@pytest.fixture(scope="module")
def poisson():
    """8,000 draws, so many that 120 rows are two blocks, of which the second is padded."""
    rng = np.random.default_rng(0)
    coef, intercept = 0.3 * rng.normal(size=(2, 4000, P)), 0.2 * rng.normal(size=(2, 4000))
    model = by_hand(GLM(), np.zeros(P), np.zeros(1))
    given = {"sample_weight": weights(), "offset": offsets()[:, 0]}
    y = responses("Poisson", "log")[:, 0]
    return with_draws(model, MIXED, y, given, coef=coef, intercept=intercept)


def flat(model):
    group = model.posterior_["posterior"]
    return [np.asarray(group[name]).reshape(-1, *group[name].shape[2:]) for name in group.data_vars]


def summary_of(draws, level=0.95):
    """Mean, standard deviation and quantiles over the first axis."""
    bounds = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return np.stack([draws.mean(0), draws.std(0, ddof=1), *bounds], axis=-1).reshape(-1, 4)


# At the mode


@pytest.mark.parametrize(("family", "link"), DISCRETE)
def test_average_slopes_are_those_of_statsmodels(family, link):
    model, reference = fitted(family, link)
    covariance = None
    if link == "probit":  # statsmodels' is that of the observed information, ours of the expected
        covariance = reference.cov_params()
    expected = reference.get_margeff(at="overall")
    table = model.slopes(MIXED, covariance=covariance, level=0.9)
    assert table.index.tolist() == [f"x{j}" for j in range(P)]
    np.testing.assert_allclose(table["estimate"], expected.margeff, **CLOSE)
    np.testing.assert_allclose(table["std_error"], expected.margeff_se, **CLOSE)
    np.testing.assert_allclose(table[["lower", "upper"]], expected.conf_int(0.1), **CLOSE)


@pytest.mark.parametrize("slope", ["dydx", "eyex", "eydx", "dyex"])
@pytest.mark.parametrize(("at", "kind"), [("overall", "average"), ("mean", "at-mean")])
def test_elasticities_are_those_of_statsmodels(at, kind, slope):
    model, reference = fitted("Bernoulli", "logit")
    expected = reference.get_margeff(at=at, method=slope)
    table = model.slopes(MIXED, ["x3", "x0"], kind=kind, slope=slope)
    assert table.index.tolist() == ["x3", "x0"]
    np.testing.assert_allclose(table["estimate"], expected.margeff[[3, 0]], **CLOSE)
    np.testing.assert_allclose(table["std_error"], expected.margeff_se[[3, 0]], **CLOSE)


@pytest.mark.parametrize(("family", "link"), [("Poisson", "log"), ("Bernoulli", "logit")])
def test_a_binary_feature_is_compared_as_in_statsmodels(family, link):
    model, reference = fitted(family, link)
    expected = reference.get_margeff(at="overall", dummy=True)
    table = model.comparisons(MIXED, "x0")
    assert table.index.tolist() == [("x0", "0 to 1")]
    np.testing.assert_allclose(table["estimate"], expected.margeff[:1], **CLOSE)
    np.testing.assert_allclose(table["std_error"], expected.margeff_se[:1], **CLOSE)


def test_slopes_of_least_squares_are_its_coefficients():
    y = responses("Gaussian", "identity")[:, 0]
    model = GLM("Gaussian").fit(X, y)
    expected = model.summary(0.9).loc[:, COLUMNS].drop("intercept")
    np.testing.assert_allclose(model.slopes(X, level=0.9), expected, rtol=1e-12)
    steps = model.comparisons(X, dict.fromkeys(range(P), 2.0), level=0.9)
    assert steps.index.tolist() == [(f"x{j}", "+2") for j in range(P)]
    np.testing.assert_allclose(steps, 2 * expected, rtol=1e-10)


def central(function, at, step=1e-5):
    """Jacobian by central differences, relative error about 1e-10; parameters on the last axis."""
    change = step * np.eye(at.size).reshape(at.size, *at.shape)
    return np.stack([(function(at + c) - function(at - c)) / (2 * step) for c in change], axis=-1)


def softmax(theta):
    """Probabilities at `X` under packed parameters (P + 1, C)."""
    theta = theta.reshape(P + 1, -1)
    return special.softmax(X @ theta[:-1] + theta[-1], axis=1)


def test_slopes_of_classes_against_finite_differences():
    """At every row and on average, with standard errors from a numerical Jacobian."""
    model = ClassifierGLM(3).fit(X, np.array(["no", "so", "yes"])[labels()[:, 0]])
    theta = np.concatenate([model._coef[:, 0], model._intercept]).ravel()
    root = np.linalg.cholesky(model.covariance_ + 1e-13 * np.eye(theta.size))

    def slopes(theta):  # (N, P, C), of the softmax: p_c (b_c - sum_d p_d b_d)
        p, coef = softmax(theta), theta.reshape(P + 1, -1)[:-1]
        return p[:, None] * (coef - np.einsum("nd,jd->nj", p, coef)[..., None])

    moved = lambda shift: special.softmax((X + shift) @ coef[:-1] + coef[-1], axis=1)
    coef = theta.reshape(P + 1, -1)
    by_difference = np.moveaxis(central(moved, np.zeros(P)), -1, 1)
    np.testing.assert_allclose(slopes(theta), by_difference, atol=1e-9)  # step and rounding
    along = central(slopes, theta) @ root
    table = model.slopes(X, kind="row")
    assert table.index.names == ["obs_id", "term", "class"]
    np.testing.assert_allclose(table["estimate"], slopes(theta).ravel(), rtol=1e-9)
    errors = np.sqrt((along**2).sum(axis=-1)).ravel()
    np.testing.assert_allclose(table["std_error"], errors, rtol=1e-6, atol=1e-9)
    average = model.slopes(X)
    errors = np.sqrt((along.mean(axis=0) ** 2).sum(axis=-1)).ravel()
    np.testing.assert_allclose(average["estimate"], slopes(theta).mean(axis=0).ravel(), rtol=1e-9)
    np.testing.assert_allclose(average["std_error"], errors, rtol=1e-6, atol=1e-9)
    assert average.loc[("x2", "yes"), "estimate"] == pytest.approx(slopes(theta)[:, 2, 2].mean())


def test_ratios_by_the_delta_method():
    """Of mean probabilities: the gradient is numerical, the covariance statsmodels'."""
    model, reference = fitted("Bernoulli", "logit")

    def ratio(theta):
        at = lambda v: special.expit(np.c_[np.full(N, v), MIXED[:, 1:], np.ones(N)] @ theta).mean()
        return at(1.0) / at(0.0)

    gradient = central(ratio, reference.params)
    error = np.sqrt(gradient @ reference.cov_params() @ gradient)
    table = model.comparisons(MIXED, {"x0": (0, 1)}, comparison="ratio")
    assert table["estimate"].iloc[0] == pytest.approx(ratio(reference.params), rel=1e-8)
    assert table["std_error"].iloc[0] == pytest.approx(error, rel=1e-6)
    lift = model.comparisons(MIXED, {"x0": (0, 1)}, comparison="lift")
    np.testing.assert_allclose(lift["estimate"], table["estimate"] - 1, rtol=1e-10)
    np.testing.assert_allclose(lift["std_error"], table["std_error"], rtol=1e-10)


def test_a_robust_covariance_can_be_used():
    model, reference = fitted("Poisson", "log")
    y = responses("Poisson", "log")[:, 0]
    robust = model.robust_covariance(MIXED, y, "HC0")
    expected = type(reference.model)(y, sm.add_constant(MIXED, prepend=False))
    expected = expected.fit(disp=0, method="newton", tol=1e-14, maxiter=100, cov_type="HC0")
    table = model.slopes(MIXED, covariance=robust)
    np.testing.assert_allclose(table["std_error"], expected.get_margeff().margeff_se, **CLOSE)


# At draws


def test_average_slopes_at_every_draw(poisson):
    coef, intercept = flat(poisson)
    w = weights() / weights().sum()
    mean = np.exp(coef @ MIXED.T + intercept[:, None] + offsets()[:, 0])
    table = poisson.slopes(level=0.8)  # of the rows, weights and offsets that are kept
    np.testing.assert_allclose(table, summary_of((mean @ w)[:, None] * coef, 0.8), rtol=1e-10)
    assert "8,000 draws" in table.attrs["note"]
    elastic = poisson.slopes(slope="dyex", variables=1)
    expected = (mean @ (w * MIXED[:, 1])) * coef[:, 1]
    np.testing.assert_allclose(elastic, summary_of(expected[:, None]), rtol=1e-10)


def test_other_rows_than_those_of_the_draws(poisson):
    coef, intercept = flat(poisson)
    given = {"sample_weight": weights(), "offset": offsets()[:, 0]}
    assert poisson.slopes(MIXED, **given).equals(poisson.slopes())
    plain = np.exp(coef @ X.T + intercept[:, None]).mean(axis=1)[:, None] * coef
    np.testing.assert_allclose(poisson.slopes(X), summary_of(plain), rtol=1e-10)
    few = poisson.slopes(X, num_draws=4)  # evenly spaced from the first to the last
    index = [0, 2666, 5333, 7999]
    np.testing.assert_allclose(few["estimate"], plain[index].mean(axis=0), rtol=1e-10)


def test_a_weight_of_two_is_a_row_twice(poisson):
    twice = np.repeat(MIXED, weights().astype(int), axis=0)
    table = poisson.comparisons(MIXED, sample_weight=weights())
    np.testing.assert_allclose(table, poisson.comparisons(twice), rtol=1e-10)


def test_slopes_and_comparisons_of_each_row(poisson):
    coef, intercept = flat(poisson)
    mean = np.exp(coef @ MIXED.T + intercept[:, None])
    table = poisson.slopes(MIXED, [2, 0], kind="row")
    assert table.index.names == ["obs_id", "term"]
    expected = mean[..., None] * coef[:, None, [2, 0]]
    np.testing.assert_allclose(table, summary_of(expected), rtol=1e-10)
    table = poisson.comparisons(MIXED, {"x1": 0.5}, kind="row")
    assert table.index[2] == (2, "x1", "+0.5")
    expected = mean * np.expm1(0.5 * coef[:, 1:2])
    np.testing.assert_allclose(table, summary_of(expected), rtol=1e-9, atol=1e-12)


def test_ratios_of_a_log_link_are_exponentials(poisson):
    coef, _ = flat(poisson)
    table = poisson.comparisons(comparison="ratio")
    assert table.index.get_level_values("contrast").tolist() == ["0 to 1", "+1", "+1", "+1"]
    np.testing.assert_allclose(table, summary_of(np.exp(coef)), rtol=1e-10)
    pair = poisson.comparisons(variables={"x1": (-1, 2)}, comparison="lift", kind="at-mean")
    np.testing.assert_allclose(pair, summary_of(np.expm1(3 * coef[:, [1]])), rtol=1e-9)


def test_features_that_change_together(poisson):
    coef, _ = flat(poisson)
    change = {"x0": (1, 0), "x1": (0, 1), "x3": -0.5}
    table = poisson.comparisons(variables=change, together=True, comparison="ratio")
    assert table.index.tolist() == [("x0, x1, x3", "1 to 0, 0 to 1, -0.5")]
    expected = np.exp(coef[:, 1] - coef[:, 0] - 0.5 * coef[:, 3])
    np.testing.assert_allclose(table, summary_of(expected[:, None]), rtol=1e-10)


def test_the_mean_row(poisson):
    coef, intercept = flat(poisson)
    w = weights() / weights().sum()
    eta = coef @ (w @ MIXED) + intercept + w @ offsets()[:, 0]
    table = poisson.slopes(kind="at-mean")
    np.testing.assert_allclose(table, summary_of(np.exp(eta)[:, None] * coef), rtol=1e-10)


def test_populations_leave_out_missing_cells():
    Y = responses("Poisson", "log").copy()
    Y[:7, 0] = Y[20:31, 2] = np.nan
    rng = np.random.default_rng(0)
    coef = 0.3 * rng.normal(size=(2, 1500, P, 3)) * feature_mask()
    intercept = 0.2 * rng.normal(size=(2, 1500, 3))
    model = PopulationGLM(feature_mask=feature_mask())
    by_hand(model, np.zeros((P, 3)), np.zeros(3))
    with_draws(model, X, Y, {"offset": offsets()}, coef=coef, intercept=intercept)
    coef, intercept = flat(model)
    mean = np.exp(np.einsum("np,spk->snk", X, coef) + intercept[:, None] + offsets())
    seen = ~np.isnan(Y)
    average = (mean * seen).sum(axis=1) / seen.sum(axis=0)
    table = model.slopes()
    assert table.index.names == ["term", "response"]
    np.testing.assert_allclose(table, summary_of(average[:, None] * coef), rtol=1e-10)
    assert (table.loc[("x1", 1)] == 0).all()  # masked


def test_classes_at_every_draw():
    rng = np.random.default_rng(0)
    coef, intercept = rng.normal(size=(2, 500, P, 3)), rng.normal(size=(2, 500, 3))
    model = by_hand(ClassifierGLM(3).set_classes(["a", "b", "c"]), coef[0, 0], intercept[0, 0])
    with_draws(model, coef=coef, intercept=intercept)
    coef, intercept = flat(model)

    def average(x):
        eta = np.einsum("np,spc->snc", x, coef) + intercept[:, None]
        return special.softmax(eta, axis=-1).mean(axis=1)

    treated, not_treated = MIXED.copy(), MIXED.copy()
    treated[:, 0], not_treated[:, 0] = 1, 0
    table = model.comparisons(MIXED, {"x0": (0, 1)})
    assert table.index.tolist() == [("x0", "0 to 1", c) for c in "abc"]
    expected = average(treated) - average(not_treated)
    np.testing.assert_allclose(table, summary_of(expected), rtol=1e-9)
    step = 1e-5
    change = np.array([0, step, 0, 0])
    slope = (average(MIXED + change) - average(MIXED - change)) / (2 * step)
    found = model.slopes(MIXED, "x1")
    np.testing.assert_allclose(found, summary_of(slope), rtol=1e-7)  # of the differences


# Rows and arguments


def test_names_of_a_frame_and_rows_with_gaps():
    frame = pd.DataFrame(MIXED, columns=["treated", "age", "dose", "bmi"])
    model = GLM().fit(frame, responses("Poisson", "log")[:, 0])
    whole = model.slopes(frame.iloc[1:], ["age", "treated"])
    assert whole.index.tolist() == ["age", "treated"]
    gaps = frame.copy()
    gaps.loc[0, "dose"] = np.nan
    with pytest.warns(DataWarning, match="1 rows of X have NaN"):
        table = model.slopes(gaps, ["age", "treated"])
    np.testing.assert_allclose(table, whole, rtol=1e-10)
    each = model.slopes(gaps, "age", kind="row")
    assert each.loc[0].isna().all(axis=None)
    assert each.loc[1:].notna().all(axis=None)
    assert "<table" in each._repr_html_()


def test_nothing_recompiles(poisson, caplog):
    poisson.comparisons(variables="x1")
    with jax.log_compiles(True):
        poisson.comparisons(variables={"x0": (0, 1), "x2": 3.0})
    compiled = [r.getMessage() for r in caplog.records if "Finished XLA" in r.getMessage()]
    assert compiled == []


BAD = [
    ("slopes", {"kind": "mean"}, ValueError, "`kind` must be one of"),
    ("slopes", {"slope": "ex"}, ValueError, "`slope` must be one of"),
    ("slopes", {"level": 95}, ValueError, "`level` must lie between 0 and 1"),
    ("slopes", {"method": "mcmc"}, ValueError, "`method` must be one of"),
    ("slopes", {"variables": "age"}, ValueError, "names no feature 'age'; there are x0, x1"),
    ("slopes", {"variables": 4}, ValueError, "names no feature 4"),
    ("slopes", {"variables": ["x1", 1]}, ValueError, "each once"),
    ("slopes", {"method": "fit"}, ValueError, "has no covariance"),
    ("slopes", {"covariance": np.eye(3)}, ValueError, "25 entries; got shape"),
    ("slopes", {"offset": np.zeros(N)}, ValueError, "belong to the rows of `X`"),
    ("slopes", {"X": X[:0]}, ValueError, "at least one row"),
    ("slopes", {"kind": "row", "max_bytes": 1e3}, MemoryError, "kind='average'"),
    ("slopes", {"covariance": np.eye(5), "method": "posterior"}, ValueError, "method='fit'"),
    ("comparisons", {"comparison": "odds"}, ValueError, "`comparison` must be one of"),
    ("comparisons", {"variables": {"x0": (0, 1, 2)}}, ValueError, "a pair of numbers"),
    ("comparisons", {"variables": {"x0": np.nan}}, ValueError, "or a step"),
    ("comparisons", {"variables": {"x0": "high"}}, ValueError, "or a step"),
    ("comparisons", {"variables": {}}, ValueError, "must name features"),
]


@pytest.mark.parametrize(("call", "arguments", "error", "message"), BAD)
def test_bad_arguments(poisson, call, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(poisson, call)(**arguments)


def test_rows_are_needed_after_a_fit():
    model, _ = fitted("Poisson", "log")
    with pytest.raises(ValueError, match="Pass `X`"):
        model.slopes()
