"""Credible intervals and the table after sampling, against ArviZ and against draws made up."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from arviz_stats.base import array_stats
from scipy import special, stats
from small_problems import design, feature_mask, responses, weights

import bayesglm
from bayesglm import GLM, ClassifierPopulationGLM, PopulationGLM, diagnostics, posterior
from bayesglm.exceptions import NotFittedError
from bayesglm.intervals.credible import credible_bounds

X = design()
COLUMNS = ["estimate", "std_error", "mean", "sd", "lower", "upper", "ess_bulk", "ess_tail", "r_hat"]


def with_draws(model, **arrays):
    """Give a fitted model draws that were made up."""
    labels = model._dimension_labels()
    model.posterior_ = posterior.to_datatree({"posterior": arrays}, labels, {"seed": 0})
    model.diagnostics_ = diagnostics.diagnose(arrays)
    return model


@pytest.fixture(scope="module")
def sampled():
    frame = pd.DataFrame(X, columns=["age", "income", "bmi", "dose"])
    model = GLM("Poisson").fit(frame, responses("Poisson", "log")[:, 0])
    before = model.summary(), model.confidence_interval(0.9)
    theta = np.append(model.coef_, model.intercept_)
    rng = np.random.default_rng(1)
    draws = rng.multivariate_normal(theta, model.covariance_, (4, 500))
    draws[:, 1:] += 0.7 * (draws[:, :-1] - theta)  # some correlation for the effective size
    arrays = {"coef": draws[..., :4], "intercept": draws[..., 4]}
    with_draws(model, **arrays)
    return model, before


def by_hand(model, coef, intercept):
    model.coef_, model.intercept_ = coef, intercept
    return model


# Bounds


@pytest.mark.parametrize("level", [0.5, 0.89, 0.95])
def test_bounds_are_those_of_arviz(level):
    rng = np.random.default_rng(0)
    draws = rng.gamma(2.0, size=(701, 3, 2))
    draws[:, 0, 1] = np.round(draws[:, 0, 1])  # ties: the first of the shortest intervals
    for kind in ("eti", "hdi"):
        found = np.stack(credible_bounds(draws, level, kind), axis=-1)
        expected = getattr(array_stats, kind)(draws, level, axis=0)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


def test_bounds_of_what_is_not_known_are_not():
    draws = np.random.default_rng(0).normal(size=(100, 2))
    draws[7, 1] = np.nan
    for kind in ("eti", "hdi"):
        lower, upper = credible_bounds(draws, 0.9, kind)
        assert np.isfinite([lower[0], upper[0]]).all()
        assert np.isnan([lower[1], upper[1]]).all()


# One response


def test_columns_are_those_of_arviz(sampled):
    model, _ = sampled
    table = model.summary(0.9)
    assert list(table) == COLUMNS
    assert table.index.tolist() == ["age", "income", "bmi", "dose", "intercept"]
    tree = model.posterior_["posterior"]
    stacked = np.concatenate([tree["coef"], np.asarray(tree["intercept"])[..., None]], axis=-1)
    for column, expected in {
        "mean": stacked.mean(axis=(0, 1)),
        "sd": stacked.std(axis=(0, 1), ddof=1),
        "lower": array_stats.eti(stacked, 0.9, axis=(0, 1))[..., 0],
        "upper": array_stats.eti(stacked, 0.9, axis=(0, 1))[..., 1],
        "ess_bulk": array_stats.ess(stacked, chain_axis=0, draw_axis=1, method="bulk"),
        "ess_tail": array_stats.ess(
            stacked, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95)
        ),
        "r_hat": array_stats.rhat(stacked, chain_axis=0, draw_axis=1),
    }.items():
        np.testing.assert_allclose(table[column], expected, rtol=1e-10)
    highest = model.summary(0.9, kind="hdi")[["lower", "upper"]]
    np.testing.assert_allclose(
        highest, array_stats.hdi(stacked, 0.9, axis=(0, 1)), rtol=1e-12, atol=0
    )


def test_what_fit_found_stays_beside_it(sampled):
    model, (summary, wald) = sampled
    table = model.summary()
    for column in ("estimate", "std_error"):
        np.testing.assert_array_equal(table[column], summary[column])
    assert model.confidence_interval(0.9).equals(wald)


def test_intervals_alone(sampled):
    model, _ = sampled
    table = model.credible_interval(0.8, "hdi")
    assert list(table) == ["mean", "lower", "upper"]
    assert table.equals(model.summary(0.8, kind="hdi")[list(table)])
    assert table.attrs["level"] == 0.8


def test_the_table_survives_saving(sampled, tmp_path):
    model, _ = sampled
    model.save(tmp_path / "model.npz")
    twin = bayesglm.load(tmp_path / "model.npz")
    pd.testing.assert_frame_equal(twin.summary(), model.summary(), rtol=1e-12)


def test_shown_are_the_digits_that_are_known(sampled):
    table = sampled[0].summary()
    text, html = repr(table), table._repr_html_()
    row = dict(zip(COLUMNS, text.splitlines()[2].split()[1:], strict=True))
    digits = 1 - int(np.floor(np.log10(table["sd"].iloc[0])))
    assert row["mean"] == f"{table['mean'].iloc[0]:.{digits}f}"
    assert row["ess_bulk"] == f"{table['ess_bulk'].iloc[0]:.0f}"
    assert "2,000 draws" in text
    assert "..." not in text + html
    assert all(name in html for name in COLUMNS)
    assert repr(table.iloc[:2]).splitlines()[2].split() == text.splitlines()[2].split()
    assert "[120 rows" in repr(pd.concat([table] * 24))
    assert repr(table.assign(verdict="good")).splitlines()[2].endswith("good")
    assert f" {table['mean'].iloc[0]:.1f} " in repr(table.round(1)).splitlines()[2]
    plain = table[["mean", "r_hat"]]
    assert repr(plain) == repr(pd.DataFrame(plain))
    assert repr(table.T) == repr(pd.DataFrame(table.T))


# Many responses, classes, held parameters: draws that say where they belong


def test_rows_of_a_population_with_a_mask():
    rng = np.random.default_rng(0)
    model = PopulationGLM("Gaussian", feature_mask=feature_mask())
    by_hand(model, rng.normal(size=(4, 3)), np.zeros(3))
    model.scale_ = [1.0, 2.0, 3.0]
    coef = rng.normal(size=(2, 50, 4, 3)) * feature_mask()
    arrays = {
        "coef": coef,
        "intercept": rng.normal(size=(2, 50, 3)),
        "scale": rng.gamma(5.0, size=(2, 50, 3)),
        "local_scale": rng.gamma(5.0, size=(2, 50, 3, 4)),
    }
    with_draws(model, **arrays)
    table = model.summary(parameters="all")
    assert table.index.names == ["term", "response"]
    assert len(table) == 15 + 3 + 12
    assert table.loc[("x1", 2), "mean"] == pytest.approx(coef[..., 1, 2].mean(), rel=1e-12)
    assert table.loc[("intercept", 1), "sd"] == pytest.approx(
        arrays["intercept"][..., 1].std(ddof=1), rel=1e-12
    )
    assert table.loc[("scale", 1), "mean"] == pytest.approx(arrays["scale"][..., 1].mean())
    assert table.loc[("scale", 1), "estimate"] == 2.0
    local = table.loc[("local_scale[x3]", 0)]
    assert local["mean"] == pytest.approx(arrays["local_scale"][..., 0, 3].mean(), rel=1e-12)
    assert np.isnan(local["estimate"])
    held = table.loc[[("x1", 1), ("x0", 2), ("x3", 2)]]
    assert (held["mean"] == 0).all()
    assert held[["sd", "lower", "upper", "ess_bulk", "r_hat"]].isna().all(axis=None)


def test_rows_of_classes():
    model = ClassifierPopulationGLM(3).set_classes(np.array(["no", "so", "yes"]))
    place = np.arange(4 * 3 * 3).reshape(4, 3, 3)
    noise = np.random.default_rng(0).normal(size=(2, 50, 1, 1, 1))
    noise -= noise.mean()
    by_hand(model, place, place[0])
    with_draws(model, coef=place + noise, intercept=100.0 + place[0] + noise[:, :, 0])
    table = model.summary()
    assert table.index.names == ["term", "response", "class"]
    assert table.loc[("x2", 1, "yes"), "mean"] == pytest.approx(place[2, 1, 2], rel=1e-12)
    assert table.loc[("intercept", 2, "so"), "mean"] == pytest.approx(107.0, rel=1e-12)
    assert "yes" in repr(table)


def test_no_mode_no_intercept():
    model = by_hand(GLM("Poisson", fit_intercept=False), np.zeros(4), np.zeros(1))
    with_draws(model, coef=np.random.default_rng(0).normal(size=(2, 50, 4)))
    table = model.summary()
    assert table["std_error"].isna().all()
    assert table.loc["intercept"].drop(["estimate", "mean"]).isna().all()
    assert table.loc["x0", "r_hat"] == pytest.approx(1.0, abs=0.2)


def test_draws_with_weights():
    """Weights that lead from a normal distribution with mean 0 to one with mean 0.5."""
    model = by_hand(PopulationGLM(), np.zeros((4, 3)), np.zeros(3))
    rng = np.random.default_rng(0)
    coef, intercept = rng.normal(size=(1, 20_000, 4, 3)), rng.normal(size=(1, 20_000, 3))
    with_draws(model, coef=coef, intercept=intercept)
    log_weight = np.zeros((1, 20_000, 3))
    log_weight[..., 1] = 0.5 * intercept[..., 1] - 0.125
    log_weight -= np.log(np.exp(log_weight).sum(axis=1, keepdims=True))
    tree = model.posterior_
    stats = posterior.to_datatree({"sample_stats": {"log_weight": log_weight}}, {}, {})
    tree["sample_stats"] = stats["sample_stats"]
    table = model.summary()
    weight = np.exp(log_weight[0, :, 1])
    expected = weight @ intercept[0, :, 1]
    # A systematic resample is within a few draws of the weights: 1 / sqrt(20,000) is generous.
    assert table.loc[("intercept", 1), "mean"] == pytest.approx(expected, abs=0.007)
    assert expected == pytest.approx(0.5, abs=0.04)
    assert table.loc[("intercept", 0), "mean"] == pytest.approx(intercept[..., 0].mean(), abs=1e-9)
    # E[w]^2 / E[w^2] = exp(-0.25) for this shift.
    sizes = table["ess_bulk"].xs(1, level="response")
    np.testing.assert_allclose(sizes, 20_000 * np.exp(-0.25), rtol=0.02)
    assert table["r_hat"].isna().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": 1.2}, "`level` must lie between 0 and 1"),
        ({"kind": "narrow"}, "`kind` must be one of"),
        ({"parameters": "some"}, "`parameters` must be one of"),
    ],
)
def test_bad_arguments(sampled, arguments, message):
    for method in (sampled[0].summary, sampled[0].credible_interval):
        with pytest.raises(ValueError, match=message):
            method(**arguments)


def test_no_posterior():
    model = by_hand(GLM(), np.zeros(4), np.zeros(1))
    with pytest.raises(NotFittedError, match="call `sample"):
        model.credible_interval()


# The infinitesimal jackknife


def mirrored(mean, covariance, pairs, rng):
    """Draws whose mean and covariance are these, and whose odd moments vanish."""
    z = rng.normal(size=(pairs, len(mean)))
    z = np.concatenate([z, -z])
    z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T))).T
    return mean + z @ np.linalg.cholesky(covariance).T


def with_data(model, X, y, theta, constant=None, stats=None):
    """Give a model draws (S, D) or (S, D, K) and the data they come from."""
    p = X.shape[1]
    groups = {
        "posterior": {"coef": theta[None, :, :p], "intercept": theta[None, :, p]},
        "observed_data": {"y": y},
        "constant_data": {"X": X, **(constant or {})},
    }
    groups |= {"sample_stats": stats} if stats else {}
    labels = model._dimension_labels() | {"obs_id": np.arange(len(X))}
    model.posterior_ = posterior.to_datatree(groups, labels, {"seed": 0})
    model.diagnostics_ = diagnostics.diagnose(groups["posterior"])


@pytest.fixture(scope="module")
def gaussian():
    """Normal draws around least squares, for which the jackknife is the sandwich exactly.

    The covariance of a linear and a quadratic function of normal draws is what it is of their
    linear parts, and mirrored draws have it without Monte Carlo error.
    """
    y = responses("Gaussian", "identity")[:, 0] * (1 + X[:, 2] ** 2)
    expected = sm.OLS(y, sm.add_constant(X, prepend=False)).fit()
    model = by_hand(GLM("Gaussian"), expected.params[:4], expected.params[4:])
    model.scale_ = [expected.scale]
    theta = mirrored(expected.params, expected.cov_params(), 500, np.random.default_rng(0))
    with_data(model, X, y, theta)
    return model, y, expected


def test_jackknife_of_a_normal_posterior_is_the_sandwich(gaussian):
    model, y, expected = gaussian
    found = model.jackknife_covariance(progress_bar=False)
    np.testing.assert_allclose(found, expected.get_robustcov_results("HC0").cov_params(), rtol=1e-9)
    again = model.jackknife_covariance(X, y, progress_bar=False)
    np.testing.assert_allclose(again, found, rtol=1e-12)


def test_jackknife_of_groups_is_the_sandwich_of_groups(gaussian):
    model, y, expected = gaussian
    groups = np.arange(len(X)) % 17
    of_groups = expected.get_robustcov_results("cluster", groups=groups, use_correction=False)
    names = np.array([f"subject {g}" for g in groups])
    found = model.jackknife_covariance(groups=names, progress_bar=False)
    np.testing.assert_allclose(found, of_groups.cov_params(), rtol=1e-9)
    again = model.jackknife_covariance(X, y, groups=names, progress_bar=False)
    np.testing.assert_allclose(again, found, rtol=1e-12)
    with pytest.raises(ValueError, match="`groups` must have shape"):
        model.jackknife_covariance(groups=names[:5], progress_bar=False)
    with pytest.raises(ValueError, match="`y` came without `X`"):
        model.jackknife_covariance(y=y)


def test_jackknife_of_a_population_with_weights_and_missing_cells():
    """Each response is that of statsmodels on its own rows, twice where the weight is two."""
    Y, mask = responses("Gaussian", "identity").copy(), feature_mask() > 0
    Y[:7, 0] = Y[20:31, 2] = np.nan
    rng, theta, expected = np.random.default_rng(0), np.zeros((1000, 5, 3)), []
    for k in range(3):
        used = np.append(mask[:, k], True)
        rows = np.repeat(
            np.flatnonzero(~np.isnan(Y[:, k])), weights()[~np.isnan(Y[:, k])].astype(int)
        )
        fit = sm.OLS(Y[rows, k], sm.add_constant(X, prepend=False)[rows][:, used]).fit()
        theta[:, used, k] = mirrored(fit.params, fit.cov_params(), 500, rng)
        expected.append((used, fit))
    model = PopulationGLM("Gaussian", feature_mask=feature_mask())
    by_hand(model, np.zeros((4, 3)), np.zeros(3))
    model.scale_ = [fit.scale for _, fit in expected]
    with_data(model, X, Y, theta, {"sample_weight": np.repeat(weights()[:, None], 3, axis=1)})
    found = model.jackknife_covariance(progress_bar=False)
    for k, (used, fit) in enumerate(expected):
        robust = fit.get_robustcov_results("HC0").cov_params()
        np.testing.assert_allclose(found[k][np.ix_(used, used)], robust, rtol=1e-9)
        assert np.isnan(found[k][~used]).all()


def test_jackknife_of_a_model_that_is_wrong():
    """Counts with eight times the spread of Poisson's, against the sandwich and the bootstrap.

    Draws are normal proposals with weights, made here. Of 20,000, the standard errors have a Monte
    Carlo error of about 1 %, as those of 400 resamples of 3.5 %; skewness at n = 1,000 is another
    1 % or so. Poisson's own standard errors are off by a factor of more than two.
    """
    rng, n = np.random.default_rng(1), 1000
    Z = np.column_stack([rng.uniform(-1, 1, size=(n, 2)), np.ones(n)])
    mean = np.exp(Z @ [0.4, -0.3, 1.5])
    y = rng.poisson(mean * rng.gamma(0.6, 1 / 0.6, size=n)).astype(float)
    fit = sm.GLM(y, Z, family=sm.families.Poisson()).fit(tol=1e-12)
    proposal = stats.multivariate_normal(fit.params, 1.1 * fit.cov_params())
    theta = proposal.rvs(20_000, random_state=2)
    eta = theta @ Z.T
    log_weight = eta @ y - np.exp(eta).sum(axis=1) - proposal.logpdf(theta)
    log_weight -= special.logsumexp(log_weight)
    model = by_hand(GLM(), fit.params[:2], fit.params[2:])
    with_data(model, Z[:, :2], y, theta, stats={"log_weight": log_weight[None]})
    errors = np.sqrt(np.diag(model.jackknife_covariance(progress_bar=False)))
    sandwich = sm.GLM(y, Z, family=sm.families.Poisson()).fit(cov_type="HC0").bse
    np.testing.assert_allclose(errors, sandwich, rtol=0.06)
    assert (errors > 2 * fit.bse).all()
    estimates = np.tile(fit.params, (400, 1))
    count = rng.multinomial(n, np.full(n, 1 / n), size=400)
    for _ in range(12):  # Newton's method for all resamples at once
        mean = np.exp(estimates @ Z.T)
        slope = (count * (y - mean)) @ Z
        information = np.einsum("rn,ni,nj->rij", count * mean, Z, Z, optimize=True)
        estimates = estimates + np.linalg.solve(information, slope[..., None])[..., 0]
    assert np.abs(slope).max() < 1e-6
    np.testing.assert_allclose(errors, estimates.std(axis=0, ddof=1), rtol=0.15)
