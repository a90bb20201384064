"""Predictions from the posterior and model checks: closed forms, quadrature, SciPy, statsmodels.

Many tests make the draws themselves, so that what is computed from them is known exactly.
"""

import copy
import functools
import itertools

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
import statsmodels.api as sm
from scipy import special, stats

from bayesglm import GLM, ClassifierGLM, PopulationGLM, Prior, links
from bayesglm import observation_models as families
from bayesglm.diagnostics.leave_one_out import Rows
from bayesglm.diagnostics.residuals import residuals
from bayesglm.exceptions import DataWarning, NotFittedError
from bayesglm.intervals.posterior_prediction import posterior_bounds
from bayesglm.posterior import blocks, predictive_checks, replicates
from bayesglm.posterior.datatree import to_datatree
from bayesglm.posterior.distributions import draw_responses
from bayesglm.posterior.expected_response import expected_response

ROWS, FEATURES, DRAWS = 60, 2, 2000
QUIET = {"progress_bar": False}
RIDGE = 0.02  # strength
ROUNDING = 1e-10  # the same sums in another order


@functools.cache
def design():
    return np.random.default_rng(0).normal(size=(ROWS, FEATURES))


def counts(seed=1):
    return np.random.default_rng(seed).poisson(np.exp(0.5 + design() @ [0.4, -0.3])).astype(float)


def with_draws(model, X, y, coef, intercept, scale=None):
    """Put draws (S, ...) into a model that has coefficients, as four chains, beside the data."""
    chains = lambda a: np.reshape(a, (4, -1, *np.shape(a)[1:]))
    named = {"coef": coef, "intercept": intercept} | ({} if scale is None else {"scale": scale})
    groups = {"posterior": {name: chains(a) for name, a in named.items()}}
    groups |= {"observed_data": {"y": y}, "constant_data": {"X": X}}
    labels = model._dimension_labels() | {"obs_id": np.arange(len(y))}
    model.posterior_ = to_datatree(groups, labels, {"seed": 0})
    return model


@pytest.fixture(scope="module")
def poisson():
    """Poisson regression under a ridge: draws from a normal, resampled by importance weights."""
    X, y, rng = design(), counts(), np.random.default_rng(1)
    model = GLM("Poisson", regularizer="Ridge", regularizer_strength=RIDGE).fit(X, y)
    center, covariance = np.append(model._coef, model._intercept), model._covariance[0]
    proposal = stats.multivariate_t(center, 1.2 * covariance, df=20)
    theta = proposal.rvs(20 * DRAWS, random_state=rng)
    log_weight = log_posterior(theta) - proposal.logpdf(theta)
    weight = np.exp(log_weight - log_weight.max())
    kept = rng.choice(len(theta), DRAWS, replace=False, p=weight / weight.sum())
    return with_draws(model, X, y, theta[kept, :2], theta[kept, 2:])


def log_posterior(theta):
    """Of coefficients and intercept (m, 3) of the Poisson regression, up to a constant."""
    eta = theta[:, :2] @ design().T + theta[:, 2:]
    penalty = 0.5 * RIDGE * ROWS * np.sum(theta[:, :2] ** 2, axis=1)
    return eta @ counts() - np.exp(eta).sum(axis=1) - penalty


@pytest.fixture(scope="module")
def classifier():
    """Three classes, and draws around coefficients set by hand."""
    labels = np.array(["low", "mid", "top"])[np.arange(ROWS) % 3]
    model = ClassifierGLM(3).set_classes(labels)
    center = np.random.default_rng(3).normal(0.0, 0.5, (FEATURES + 1, 3))
    model.coef_, model.intercept_ = center[:FEATURES], center[FEATURES]
    theta = center + 0.4 * np.random.default_rng(2).normal(size=(DRAWS, FEATURES + 1, 3))
    codes = np.searchsorted(model.classes_, labels).astype(float)
    return with_draws(model, design(), codes, theta[:, :FEATURES], theta[:, FEATURES])


def flat_draws(model):
    """Draws as `predict` uses them: coefficients (S, p), intercepts (S,)."""
    drawn = model._drawn()
    return drawn.coef[..., 0], drawn.intercept[..., 0]


# Draws of one response, for functions that need no estimator


def drawn_around(observations, link, center, spread, scale, num_draws=DRAWS):
    """Draws of an intercept and one coefficient, and of a dispersion around ``scale``."""
    rng = np.random.default_rng(5)
    coef = rng.normal(0.0, spread, (num_draws, 1, 1))
    intercept = rng.normal(center, spread, (num_draws, 1))
    scale = scale * 30 / rng.chisquare(30, (num_draws, 1)) if scale else np.ones((num_draws, 1))
    return blocks.Drawn(observations, link, coef, intercept, scale, 4)


EXACT = {  # observations, link, intercept, spread, scale, SciPy's distribution
    "Poisson": (
        families.PoissonObservations(),
        links.exp,
        1.5,
        0.3,
        0,
        lambda m, s: stats.poisson(m),
    ),
    "RareEvents": (
        families.PoissonObservations(),
        links.exp,
        -2.0,
        0.3,
        0,
        lambda m, s: stats.poisson(m),
    ),
    "NegativeBinomial": (
        families.NegativeBinomialObservations(scale=None),
        links.exp,
        1.5,
        0.2,
        0.5,
        lambda m, s: stats.nbinom(1 / s, 1 / (1 + s * m)),
    ),
    "Binomial": (
        families.BinomialObservations(trials=20),
        links.logistic,
        0.5,
        0.4,
        0,
        lambda m, s: stats.binom(20, m),
    ),
    "Gaussian": (
        families.GaussianObservations(),
        links.identity,
        1.0,
        0.3,
        0.8,
        lambda m, s: stats.norm(m, np.sqrt(s)),
    ),
    "Gamma": (
        families.GammaObservations(),
        links.exp,
        1.0,
        0.2,
        0.3,
        lambda m, s: stats.gamma(1 / s, scale=m * s),
    ),
    "StudentT": (  # with an infinite variance
        families.StudentTObservations(df=2.0),
        links.identity,
        1.0,
        0.5,
        0.5,
        lambda m, s: stats.t(2.0, m, np.sqrt(s)),
    ),
    "InverseGaussian": (
        families.InverseGaussianObservations(),
        links.exp,
        1.0,
        0.2,
        0.3,
        lambda m, s: stats.invgauss(m * s, scale=1 / s),
    ),
    "Beta": (
        families.BetaObservations(),
        links.logistic,
        0.5,
        0.3,
        0.1,
        lambda m, s: stats.beta(m / s, (1 - m) / s),
    ),
}
FAST = ("Poisson", "RareEvents", "Gaussian", "StudentT")
of_family = pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in EXACT]
)
POINTS = np.linspace(-1, 1, 5)[:, None]


class TestExpectedResponse:
    def test_is_the_mean_over_the_draws(self, poisson):
        coef, intercept = flat_draws(poisson)
        X = design()[:7]
        expected = np.exp(X @ coef.T + intercept.T)
        mean, std, bounds = poisson.predict(X, kind="mean", interval=0.8, return_std=True)
        np.testing.assert_allclose(mean, expected.mean(axis=1), ROUNDING)
        np.testing.assert_allclose(std, expected.std(axis=1, ddof=1), ROUNDING)
        np.testing.assert_allclose(bounds, np.quantile(expected, [0.1, 0.9], axis=1).T, ROUNDING)
        assert np.array_equal(poisson.predict(X, kind="mean"), mean)

    def test_of_a_log_link_agrees_with_quadrature(self, poisson):
        axis, weight = np.polynomial.hermite_e.hermegauss(25)
        grid = np.array(list(itertools.product(axis, repeat=3)))
        weight = np.prod(list(itertools.product(weight, repeat=3)), axis=1)
        center = np.append(poisson._coef, poisson._intercept)
        theta = center + 1.1 * grid @ np.linalg.cholesky(poisson._covariance[0]).T
        log_density = log_posterior(theta) + 0.5 * np.sum(grid**2, axis=1)
        weight *= np.exp(log_density - log_density.max())
        new = np.array([[0.0, 0.0], [2.0, -2.0], [-3.0, 1.0]])
        expected = weight @ np.exp(theta[:, :2] @ new.T + theta[:, 2:]) / weight.sum()
        mean, std = poisson.predict(new, kind="mean", return_std=True)
        np.testing.assert_array_less(np.abs(mean - expected), 4 * std / np.sqrt(DRAWS))
        plug_in = poisson.predict(new)
        assert (np.abs(mean - expected) < np.abs(plug_in - expected)).all()

    def test_offset_and_missing_features(self, poisson):
        X = design()[:3].copy()
        base = poisson.predict(X, kind="mean")
        moved = poisson.predict(X, np.full(3, 0.5), kind="mean")
        np.testing.assert_allclose(moved, base * np.exp(0.5), ROUNDING)
        X[1, 0] = np.nan
        mean, bounds = poisson.predict(X, kind="mean", interval=0.9)
        assert np.array_equal(np.isnan(mean), [False, True, False])
        assert np.array_equal(np.isnan(bounds).all(axis=1), np.isnan(mean))

    def test_the_mode_is_the_default(self, poisson):
        plug_in = np.exp(design() @ np.asarray(poisson.coef_, float) + float(poisson.intercept_[0]))
        np.testing.assert_allclose(poisson.predict(design()), plug_in, 1e-6)  # coef_ is float32

    def test_classes(self, classifier):
        drawn, X = classifier._drawn(), design()[:6]
        logits = np.einsum("np,spkc->nskc", X, drawn.coef) + drawn.intercept
        probability = special.softmax(logits, axis=-1)[:, :, 0]
        mean, bounds = classifier.predict_proba(X, "proba", kind="mean", interval=0.9)
        np.testing.assert_allclose(mean, probability.mean(axis=1), ROUNDING)
        quantiles = np.moveaxis(np.quantile(probability, [0.05, 0.95], axis=1), 0, -1)
        np.testing.assert_allclose(bounds, quantiles, ROUNDING)
        logs, log_bounds = classifier.predict_proba(X, kind="mean", interval=0.9)
        np.testing.assert_allclose(np.exp(logs), mean)
        np.testing.assert_allclose(np.exp(log_bounds), bounds)
        assert np.array_equal(
            classifier.predict(X, kind="mean"), classifier.classes_[mean.argmax(axis=1)]
        )

    def test_trials_of_each_row_reach_the_draws(self):
        trials = np.arange(1.0, 6.0)
        model = families.BinomialObservations(trials=trials)
        drawn = drawn_around(model, links.logistic, 0.5, 0.4, 0)
        with jax.enable_x64(True):
            found = expected_response(drawn, POINTS).mean[:, 0]
        eta = POINTS @ drawn.coef[:, :, 0].T + drawn.intercept.T
        np.testing.assert_allclose(found, trials * special.expit(eta).mean(axis=1), ROUNDING)

    def test_a_mean_that_overflows_is_warned_of(self, poisson):
        with pytest.warns(DataWarning, match="At some of the draws 1 means are infinite"):
            mean = poisson.predict([[0.0, 0.0], [2000.0, 0.0]], kind="mean")
        assert np.isinf(mean[1])

    def test_what_makes_no_sense(self, poisson, classifier):
        with pytest.raises(ValueError, match="`kind` must be 'mode' or 'mean'; got 'median'"):
            poisson.predict(design(), kind="median")
        with pytest.raises(ValueError, match="pass kind='mean'"):
            poisson.predict(design(), interval=0.9)
        with pytest.raises(ValueError, match="`interval` must lie between 0 and 1; got 90"):
            poisson.predict(design(), kind="mean", interval=90)
        with pytest.raises(NotImplementedError, match="not for classifiers"):
            classifier.predict(design(), kind="mean", interval=0.9)
        with pytest.raises(ValueError, match="pass kind='mean'"):
            classifier.predict_proba(design(), interval=0.9)
        fitted = copy.deepcopy(poisson)
        fitted.posterior_ = None
        with pytest.raises(NotFittedError, match="no posterior: call `sample"):
            fitted.predict(design(), kind="mean")
        with pytest.raises(NotFittedError):
            GLM("Poisson").predict(design(), kind="mean")


class TestPredictionInterval:
    @of_family
    def test_quantiles_are_those_of_the_mixture(self, name):
        observations, link, center, spread, scale, distribution = EXACT[name]
        drawn = drawn_around(observations, link, center, spread, scale)
        eta = POINTS @ drawn.coef[:, :, 0].T + drawn.intercept.T
        mean = np.asarray(link(eta), float)
        share = lambda y: distribution(mean, drawn.scale[:, 0]).cdf(y[:, None]).mean(axis=1)
        for level in (0.5, 0.95):
            tails = np.array([0.5 - level / 2, 0.5 + level / 2])
            with jax.enable_x64(True):
                bounds = posterior_bounds(drawn, POINTS, None, level)[:, 0]
            found = np.stack([share(bounds[:, 0]), share(bounds[:, 1])], axis=1)
            # A hundred parts stand for all draws. Measured: at most 0.1 points of probability.
            if observations.is_count:
                below = np.stack([share(bounds[:, 0] - 1), share(bounds[:, 1] - 1)], axis=1)
                assert (found > tails - 0.002).all()
                assert (below < tails + 0.002).all()
                assert np.array_equal(bounds, np.round(bounds))
            else:
                np.testing.assert_allclose(found, np.tile(tails, (5, 1)), atol=0.002)

    def test_every_one_of_few_draws_is_used(self):
        observations, link, *settings, distribution = EXACT["Gaussian"]
        drawn = drawn_around(observations, link, *settings, num_draws=DRAWS).taken(slice(0, 40))
        with jax.enable_x64(True):
            bounds = posterior_bounds(drawn, POINTS, None, 0.9)[:, 0]
        mean = POINTS @ drawn.coef[:, :, 0].T + drawn.intercept.T
        share = distribution(mean, drawn.scale[:, 0]).cdf(bounds.T[..., None]).mean(axis=-1)
        np.testing.assert_allclose(share, np.repeat([[0.05], [0.95]], 5, axis=1), atol=1e-8)

    def test_a_family_without_a_distribution_function(self):
        observations = families.TweedieObservations(power=1.5)
        drawn = drawn_around(observations, links.exp, 1.0, 0.2, 0.5)
        with jax.enable_x64(True):
            bounds = posterior_bounds(drawn, POINTS, None, 0.8, seed=1)[:, 0]
        rng, count = np.random.default_rng(3), 200_000
        one = rng.integers(len(drawn.scale), size=count)
        mean = np.exp(POINTS @ drawn.coef[one, :, 0].T + drawn.intercept[one].T)
        scale = drawn.scale[one, 0]
        number = rng.poisson(2 * np.sqrt(mean) / scale)
        new = rng.gamma(number, scale * np.sqrt(mean) / 2)
        inside = [(new <= bounds[:, [i]]).mean(axis=1) for i in (0, 1)]
        # 2,000 draws give a quantile to sqrt(0.1 * 0.9 / 2000) = 0.7 points: four of these.
        np.testing.assert_allclose(inside, np.repeat([[0.1], [0.9]], 5, axis=1), atol=0.028)

    def test_draws_with_impossible_means_are_left_out(self):
        drawn = drawn_around(families.GammaObservations(), links.one_over_x, 1.0, 0.5, 0.3)
        with jax.enable_x64(True), pytest.warns(DataWarning, match="are left out of the intervals"):
            bounds = posterior_bounds(drawn, POINTS, None, 0.5)[:, 0]
        eta = POINTS @ drawn.coef[:, :, 0].T + drawn.intercept.T
        for row, (low, high) in zip(eta, bounds, strict=True):
            mean, scale = 1 / row[row > 0], drawn.scale[row > 0, 0]
            share = stats.gamma(1 / scale, scale=mean * scale).cdf(np.array([[low], [high]]))
            np.testing.assert_allclose(share.mean(axis=1), [0.25, 0.75], atol=0.002)

    def test_after_sample_it_is_the_posterior_unless_asked(self, poisson):
        X = design()[:6]
        auto = poisson.prediction_interval(X, 0.9)
        assert np.array_equal(auto, poisson.prediction_interval(X, 0.9, method="posterior"))
        fitted = copy.deepcopy(poisson)
        fitted.posterior_ = None
        at_fit = fitted.prediction_interval(X, 0.9)
        assert np.array_equal(at_fit, poisson.prediction_interval(X, 0.9, method="fit"))
        assert np.abs(auto - at_fit).max() <= 1
        with pytest.raises(NotFittedError, match="no posterior"):
            fitted.prediction_interval(X, method="posterior")
        with pytest.raises(ValueError, match="`method` must be 'auto', 'fit' or 'posterior'"):
            poisson.prediction_interval(X, method="wald")

    def test_missing_features_and_shapes(self, poisson, classifier):
        X = design()[:3].copy()
        X[1, 0] = np.nan
        bounds = poisson.prediction_interval(X)
        assert np.array_equal(np.isnan(bounds).any(axis=1), [False, True, False])
        assert poisson.prediction_interval(X[:0]).shape == (0, 2)
        with pytest.raises(NotImplementedError, match="not for classifiers"):
            classifier.prediction_interval(X)


@pytest.fixture(scope="module")
def line():
    """Gaussian regression with a flat prior of coefficients and standard deviation."""
    X = np.random.default_rng(3).normal(size=(20, 1))
    y = 1.0 + 0.5 * X[:, 0] + np.random.default_rng(4).normal(size=20)
    model = GLM("Gaussian")
    settings = {"method": "exact", "num_samples": 5000, "random_state": 0, **QUIET}
    model.sample(X, y, scale_prior=dist.Exponential(1e-6), **settings)
    least_squares = sm.OLS(y, sm.add_constant(X)).fit()
    dof = 20 - 2 - 1.0  # sigma**-(n - 2) of the likelihood, and no prior's 1 / sigma
    return model, least_squares, dof, np.sqrt(least_squares.ssr / dof)


@pytest.mark.slow
class TestGaussianClosedForm:
    """All is Student's t."""

    def test_expected_response(self, line):
        model, least_squares, dof, root = line
        new = np.array([[0.0], [3.0]])
        rows = sm.add_constant(new, has_constant="add")
        center = least_squares.predict(rows)
        error = root * np.sqrt(np.diag(rows @ least_squares.normalized_cov_params @ rows.T))
        mean, std, bounds = model.predict(new, kind="mean", interval=0.9, return_std=True)
        exact = stats.t(dof, center, error)
        # 20,000 independent draws: four standard errors of a mean, a deviation, two quantiles.
        tolerance = 4 / np.sqrt(20_000)
        np.testing.assert_allclose(mean, center, atol=tolerance * error.max())
        np.testing.assert_allclose(std, exact.std(), rtol=tolerance)
        share = np.stack([exact.cdf(bounds[:, i]) for i in (0, 1)])
        np.testing.assert_allclose(share, [[0.05] * 2, [0.95] * 2], atol=tolerance * 0.05**0.5)

    def test_new_response(self, line):
        model, least_squares, dof, root = line
        new = np.array([[0.0], [3.0]])
        rows = sm.add_constant(new, has_constant="add")
        leverage = np.diag(rows @ least_squares.normalized_cov_params @ rows.T)
        exact = stats.t(dof, least_squares.predict(rows), root * np.sqrt(1 + leverage))
        for level in (0.5, 0.8, 0.9, 0.95):
            bounds = model.prediction_interval(new, level)
            tails = 0.5 - level / 2, 0.5 + level / 2
            for tail, bound in zip(tails, bounds.T, strict=True):
                # The parts of the mixture are good to 0.1 points of probability, draws to less.
                np.testing.assert_allclose(exact.cdf(bound), tail, atol=0.002)


# Coverage: data from the prior and the model, so that intervals cover exactly as often as they say

NEW = np.array([[-1.5], [-0.5], [0.5], [1.5]])
LEVELS = (0.5, 0.8, 0.9, 0.95)


def coverage(name, observations, num_responses, num_rows, link=None, **settings):
    """Probabilities, at true parameters, of being in an interval and inside of its bounds."""
    rng = np.random.default_rng(21)
    X = rng.normal(size=(num_rows, 1))
    coef, intercept = rng.normal(0, 0.5, (1, num_responses)), rng.normal(1, 0.5, num_responses)
    scale = rng.exponential(0.5, num_responses) ** 2
    scale = scale if name in ("Gaussian", "Gamma") else np.ones(num_responses)
    mean = lambda X: X @ coef + intercept if name == "Gaussian" else np.exp(X @ coef + intercept)
    distribution = EXACT[name][-1]
    y = distribution(mean(X), scale).rvs(random_state=rng)
    prior = Prior(dist.Normal(0.0, 0.5), intercept=dist.Normal(1.0, 0.5))
    model = PopulationGLM(observations, link, prior)
    own = {"scale_prior": dist.Exponential(2.0)} if scale.std() else {}
    model.sample(X, y.astype(float), num_samples=500, random_state=0, **own, **settings, **QUIET)
    truth = distribution(mean(NEW), scale)
    for level in LEVELS:
        low, high = np.moveaxis(model.prediction_interval(NEW, level), -1, 0)
        step = 1.0 if name == "Poisson" else 0.0
        closed = truth.cdf(high) - truth.cdf(low - step)
        inner = truth.cdf(high - step) - truth.cdf(low)
        yield level, closed.mean(axis=0), inner.mean(axis=0)


def test_prediction_intervals_cover():
    """Two hundred data sets at once, their draws by the formulas of the conjugate prior."""
    rng, K, S = np.random.default_rng(22), 200, 400
    shape = 3.0  # of the prior of the precision, whose mean is one
    scale = 1 / rng.gamma(shape, 1 / shape, K)
    theta = np.sqrt(scale) * rng.normal(size=(2, K))  # of variance `scale`
    rows = lambda x: np.column_stack([x, np.ones(len(x))])
    X = rng.normal(size=(6, 1))
    y = rng.normal(rows(X) @ theta, np.sqrt(scale))
    covariance = np.linalg.inv(rows(X).T @ rows(X) + np.eye(2))
    center = covariance @ rows(X).T @ y
    rate = shape + 0.5 * (np.sum(y**2, axis=0) - np.sum(y * (rows(X) @ center), axis=0))
    own = rate / rng.gamma(shape + 3, size=(S, K))
    noise = np.einsum("ij,sjk->sik", np.linalg.cholesky(covariance), rng.normal(size=(S, 2, K)))
    draws = center + np.sqrt(own)[:, None] * noise
    drawn = blocks.Drawn(
        families.GaussianObservations(), links.identity, draws[:, :1], draws[:, 1], own, 1
    )
    for level in LEVELS:
        with jax.enable_x64(True):
            bounds = posterior_bounds(drawn, NEW, None, level)
        truth = stats.norm(rows(NEW) @ theta, np.sqrt(scale))
        inside = np.diff(truth.cdf(np.moveaxis(bounds, -1, 0)), axis=0)[0].mean(axis=0)
        assert abs(inside.mean() - level) < 4 * stats.sem(inside)
        assert stats.sem(inside) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Gaussian", "Gamma", "Poisson"])
def test_prediction_intervals_of_every_level_cover(name):
    link = None if name == "Gaussian" else "exp"
    method = "exact" if name == "Gaussian" else "auto"
    for level, closed, inner in coverage(name, name, 1000, 12, link, method=method):
        assert closed.mean() > level - 4 * stats.sem(closed)
        assert inner.mean() < level + 4 * stats.sem(closed)
        assert stats.sem(closed) < 0.01


# New responses


@pytest.mark.parametrize("name", [name for name in EXACT if name != "RareEvents"])
def test_responses_drawn_have_the_distribution_of_the_family(name):
    observations, _, _, _, scale, distribution = EXACT[name]
    mean = 0.4 if observations.mean_range[1] == 1 else 3.0
    own, shape = scale or 1.0, (100, 200, 1)
    setting = np.full((1, 1, 1), {"Binomial": 20, "StudentT": 2.0}.get(name, 1))
    rng = np.random.default_rng(6)
    with jax.enable_x64(True):
        found = draw_responses(
            observations, np.full(shape, mean), np.full((200, 1), own), setting, rng
        )
    assert found.shape == shape
    exact = distribution(mean, own)
    if observations.is_count:
        values = np.arange(exact.ppf(0.005), exact.ppf(0.995) + 1)
        expected = np.diff(np.append(0, exact.cdf(values)), append=1.0)
        seen = np.bincount(np.clip(found - values[0], 0, len(values)).astype(int).ravel())
        p_value = stats.chisquare(seen, expected * found.size).pvalue
    else:
        p_value = stats.kstest(found.ravel(), exact.cdf).pvalue
    assert p_value > 1e-4  # of eight, with a fixed seed


def test_classes_drawn_have_their_probabilities():
    log_probability = np.log([0.2, 0.0001, 0.7, 0.0999])
    observations = families.CategoricalObservations()
    rng = np.random.default_rng(0)
    mean = np.broadcast_to(log_probability, (100, 200, 1, 4))
    found = draw_responses(observations, mean, np.ones((200, 1)), np.ones((1, 1, 1)), rng)
    seen = np.bincount(found.ravel(), minlength=4)
    assert stats.chisquare(seen, 20_000 * np.exp(log_probability)).pvalue > 1e-3


def test_tweedie_responses_have_their_mean_variance_and_zeros():
    observations, count = families.TweedieObservations(power=1.5), 100_000
    mean, scale = np.full((count, 1, 1), 2.0), np.full((1, 1), 0.8)
    found = draw_responses(
        observations, mean, scale, np.ones((1, 1, 1)), np.random.default_rng(1)
    ).ravel()
    variance = 0.8 * 2.0**1.5
    zeros = np.exp(-2 * np.sqrt(2.0) / 0.8)
    assert found.mean() == pytest.approx(2.0, abs=4 * np.sqrt(variance / count))
    assert found.var() == pytest.approx(variance, rel=0.03)  # four standard errors
    assert np.mean(found == 0) == pytest.approx(zeros, abs=4 * np.sqrt(zeros / count))


class TestPosteriorPredictive:
    def test_layout(self, poisson):
        tree = poisson.posterior_predictive(random_state=0)
        values = tree["posterior_predictive"]["y"]
        group = poisson.posterior_["posterior"]
        assert values.dims == ("chain", "draw", "obs_id")
        assert values.shape == (group.sizes["chain"], group.sizes["draw"], ROWS)
        assert np.array_equal(tree["observed_data"]["y"], counts())
        few = poisson.posterior_predictive(design()[:5], num_draws=10, random_state=0)
        assert few["posterior_predictive"]["y"].shape == (1, 10, 5)
        assert list(few.children) == ["posterior_predictive"]

    def test_mean_and_variance_are_those_of_the_mixture(self, poisson):
        tree = poisson.posterior_predictive(random_state=0)
        new = tree["posterior_predictive"]["y"].values.reshape(DRAWS, ROWS)
        mean, std = poisson.predict(design(), kind="mean", return_std=True)
        variance = mean + std**2
        error = np.sqrt(variance / DRAWS)
        assert np.abs((new.mean(axis=0) - mean) / error).max() < 4.5  # of sixty
        np.testing.assert_allclose(new.var(axis=0) / variance, 1.0, atol=6 * np.sqrt(2 / DRAWS))

    def test_blocks_are_the_whole(self, poisson):
        X = np.tile(design(), (9, 1))  # more rows than one block has
        tree = poisson.posterior_predictive(X, random_state=5)
        whole = tree["posterior_predictive"]["y"].values.reshape(DRAWS, -1)
        seen = list(poisson.posterior_predictive_blocks(X, random_state=5))
        assert len(seen) > 1
        for rows, values in seen:
            assert np.array_equal(values, whole[:, rows])
        other = poisson.posterior_predictive(X, random_state=6)["posterior_predictive"]["y"].values
        assert not np.array_equal(other.reshape(DRAWS, -1), whole)

    def test_over_budget(self, poisson):
        with pytest.raises(MemoryError, match=r"0\.00096 GB.*posterior_predictive_blocks"):
            poisson.posterior_predictive(max_bytes=1e5)
        assert poisson.posterior_predictive(max_bytes=1e5, num_draws=100)

    def test_missing_features_and_impossible_means(self, poisson):
        X = np.array([[np.nan, 0.0], [0.0, 0.0], [2000.0, 0.0]])
        with pytest.warns(DataWarning, match="infinite or impossible under the Poisson model"):
            new = poisson.posterior_predictive(X, random_state=0)["posterior_predictive"]["y"]
        share = np.isnan(new.values[0]).mean(axis=0)
        assert share[0] == 1
        assert share[1] == 0
        assert share[2] > 0.9

    def test_labels_of_classes_and_saving(self, classifier, tmp_path):
        tree = classifier.posterior_predictive(random_state=0)
        tree.to_netcdf(tmp_path / "new.nc")
        import xarray

        with xarray.open_datatree(tmp_path / "new.nc") as loaded:
            values = loaded["posterior_predictive"]["y"]
            assert list(values.attrs["classes"]) == ["low", "mid", "top"]
            codes = values.values.reshape(DRAWS, ROWS)
        probability = classifier.predict_proba(design(), "proba", kind="mean")
        for code in range(3):
            share = (codes == code).mean(axis=0)
            error = np.sqrt(probability[:, code] * (1 - probability[:, code]) / DRAWS)
            assert (np.abs(share - probability[:, code]) < 5 * error).all()

    def test_without_a_posterior(self):
        model = GLM("Poisson")
        for method in ("posterior_predictive", "posterior_predictive_check"):
            with pytest.raises(NotFittedError, match="call `sample"):
                getattr(model, method)()
        with pytest.raises(NotFittedError, match="call `sample"):
            model.posterior_predictive_blocks()


# Checks


def count_above_three(y):
    return np.sum(y > 3)


class TestPosteriorPredictiveCheck:
    def test_statistics_are_those_of_whole_replicates(self, poisson):
        check = poisson.posterior_predictive_check(random_state=5, **QUIET)
        whole = poisson.posterior_predictive(random_state=5)["posterior_predictive"]["y"].values
        of_rows = {
            "mean": lambda y: y.mean(axis=-1),
            "sd": lambda y: y.std(axis=-1, ddof=1),
            "zeros": lambda y: (y == 0).mean(axis=-1),
            "min": lambda y: y.min(axis=-1),
            "max": lambda y: y.max(axis=-1),
        }
        for name, function in of_rows.items():
            found = check.sel(statistic=name)
            np.testing.assert_allclose(found["replicated"], function(whole), ROUNDING)
            assert float(found["observed"]) == pytest.approx(function(counts()), rel=ROUNDING)
            more, equal = (
                compare(function(whole), function(counts())).mean()
                for compare in (np.greater, np.isclose)
            )
            if name in ("min", "max"):
                assert float(found["tail_probability"]) == pytest.approx(more + equal / 2)

    def test_functions_see_whole_replicates_under_a_budget(self, poisson):
        few = 8 * ROWS * 300  # 300 replicates at once
        statistics = [count_above_three, np.median]
        check = poisson.posterior_predictive_check(
            statistic=statistics, max_bytes=few, random_state=0, **QUIET
        )
        assert list(check["statistic"].values) == ["count_above_three", "median"]
        assert float(check["observed"][0]) == np.sum(counts() > 3)
        mean = poisson.posterior_predictive(random_state=1)["posterior_predictive"]["y"].values
        expected = (mean > 3).sum(axis=-1)
        found = check["replicated"].sel(statistic="count_above_three")
        error = np.sqrt(2 * expected.var() / DRAWS)
        assert abs(float(found.mean()) - expected.mean()) < 4 * error
        with pytest.raises(MemoryError, match="One replicate"):
            poisson.posterior_predictive_check(statistic=np.median, max_bytes=100, **QUIET)

    def test_missing_responses_do_not_count(self):
        rng = np.random.default_rng(0)
        y = rng.poisson(2.0, (200, 2)).astype(float)
        counts = rng.uniform(size=y.shape) < 0.7
        rows = predictive_checks.Observed(rng.normal(size=(200, 1)), None, y, counts)
        one = drawn_around(families.PoissonObservations(), links.exp, 0.5, 0.1, 0)
        twice = lambda a: np.concatenate([a, a], axis=-1)
        drawn = blocks.Drawn(
            one.observations, one.link, twice(one.coef), twice(one.intercept), twice(one.scale), 1
        )
        asked = [*predictive_checks.STATISTICS, np.median]
        statistics = predictive_checks.read_statistics(asked, False)
        with jax.enable_x64(True):
            observed, replicated = predictive_checks.compare(
                statistics, drawn, rows, seed=3, max_bytes=2**30
            )
            whole = replicates.stacked_responses(drawn, rows.X, seed=3)
        for k in range(2):
            own, new = y[counts[:, k], k], whole[:, counts[:, k], k]
            expected = [own.mean(), own.std(ddof=1), (own == 0).mean(), own.min(), own.max()]
            np.testing.assert_allclose(observed[:, k], [*expected, np.median(own)], ROUNDING)
            np.testing.assert_allclose(replicated[0, :, k], new.mean(axis=1), ROUNDING)
            np.testing.assert_allclose(replicated[1, :, k], new.std(axis=1, ddof=1), ROUNDING)
            assert np.array_equal(replicated[4, :, k], new.max(axis=1))

    def test_overdispersion_is_found_and_a_right_model_is_not_blamed(self, poisson):
        tail = poisson.posterior_predictive_check(random_state=0, **QUIET)["tail_probability"]
        assert ((tail > 0.01) & (tail < 0.99)).all()
        rng = np.random.default_rng(8)
        y = rng.poisson(rng.gamma(0.5, 2 * np.exp(0.5 + design() @ [0.4, -0.3])))
        bad = poisson.posterior_predictive_check(design(), y, "zeros", random_state=0, **QUIET)
        assert float(bad["tail_probability"][0]) < 0.001

    def test_shares_of_classes(self, classifier):
        check = classifier.posterior_predictive_check(random_state=5, **QUIET)
        assert check["observed"].dims == ("statistic", "class")
        np.testing.assert_allclose(check["observed"].sel(statistic="mean"), [1 / 3] * 3)
        tree = classifier.posterior_predictive(random_state=5)
        codes = tree["posterior_predictive"]["y"].values
        share = (codes[..., None] == np.arange(3)).mean(axis=2)
        np.testing.assert_allclose(check["replicated"].sel(statistic="mean"), share, ROUNDING)
        of_codes = classifier.posterior_predictive_check(statistic=np.median, **QUIET)
        assert of_codes["observed"].dims == ("statistic",)

    def test_statistics_that_there_are_not(self, poisson, classifier):
        for model, statistic, match in (
            (poisson, "variance", "`statistic` must be one of .*got 'variance'"),
            (poisson, ["mean", "mean"], "must name each one once"),
            (poisson, np.diff, "must return one number.*shape .59,"),
            (classifier, "zeros", "for classes, a function.*got 'zeros'"),
            (classifier, ["mean", np.median], "one `statistic` at a time"),
        ):
            with pytest.raises(ValueError, match=match):
                model.posterior_predictive_check(statistic=statistic, num_draws=10, **QUIET)


# Residuals


def at_truth(observations, link, X, beta, scale=1.0):
    """The truth as a single draw."""
    coef, intercept = np.reshape(beta[:-1], (1, -1, 1)), np.full((1, 1), beta[-1])
    return blocks.Drawn(observations, link, coef, intercept, np.full((1, 1), scale), 1)


def of_rows(y, one_hot=None):
    target = y[:, None] if one_hot is None else one_hot
    return Rows(design_of(len(y)), None, target, np.ones((len(y), 1)))


@functools.cache
def design_of(count):
    return np.random.default_rng(11).normal(size=(count, FEATURES))


PEERS = {
    "Poisson": (families.PoissonObservations(), links.exp, sm.families.Poisson()),
    "Gaussian": (families.GaussianObservations(), links.identity, sm.families.Gaussian()),
    "Gamma": (
        families.GammaObservations(),
        links.exp,
        sm.families.Gamma(sm.families.links.Log()),
    ),
    "Bernoulli": (families.BernoulliObservations(), links.logistic, sm.families.Binomial()),
    "NegativeBinomial": (
        families.NegativeBinomialObservations(scale=0.5),
        links.exp,
        sm.families.NegativeBinomial(alpha=0.5),
    ),
}


class TestResiduals:
    @pytest.mark.parametrize(
        "name",
        [
            n if n in ("Poisson", "Gamma") else pytest.param(n, marks=pytest.mark.slow)
            for n in PEERS
        ],
    )
    def test_pearson_and_deviance_are_those_of_statsmodels(self, name):
        observations, link, peer = PEERS[name]
        rng = np.random.default_rng(12)
        mean = np.exp(0.5 + design() @ [0.4, -0.3])
        y = rng.gamma(2.0, mean / 2) if name in ("Gamma", "Gaussian") else rng.poisson(mean)
        y = np.minimum(y, 1) if name == "Bernoulli" else y
        fit = sm.GLM(y, sm.add_constant(design()), peer).fit()
        scale = 0.5 if name == "NegativeBinomial" else fit.scale
        drawn = at_truth(observations, link, design(), np.roll(fit.params, -1), scale)
        rows = Rows(design(), None, y[:, None].astype(float), np.ones((ROWS, 1)))
        for kind in ("response", "pearson", "deviance"):
            with jax.enable_x64(True):
                found = residuals(kind, drawn, rows)[:, 0]
            np.testing.assert_allclose(found, getattr(fit, f"resid_{kind}"), 1e-7, 1e-8)

    @pytest.mark.parametrize("name", ["Poisson", "Gamma", "StudentT"])
    def test_quantile_residuals_are_standard_normal(self, name):
        observations, link, *_, distribution = EXACT[name]
        beta, scale, rng = [0.4, -0.3, 0.5], 0.5, np.random.default_rng(13)
        with jax.enable_x64(True):
            mean = np.asarray(link(design_of(2000) @ beta[:2] + beta[2]))
            y = distribution(mean, scale).rvs(random_state=rng).astype(float)
            drawn = at_truth(observations, link, design_of(2000), beta, scale)
            found = residuals("quantile", drawn, of_rows(y), seed=1)[:, 0]
        assert stats.kstest(found, "norm").pvalue > 1e-3
        if name != "Poisson":
            expected = stats.norm.ppf(distribution(mean, scale).cdf(y))
            np.testing.assert_allclose(found, expected, 1e-6, 1e-8)

    def test_quantile_residuals_keep_their_digits_far_out(self):
        observations, link, *_ = EXACT["Gaussian"]
        y = np.array([-30.0, 0.0, 30.0])
        with jax.enable_x64(True):
            rows = Rows(np.zeros((3, 2)), None, y[:, None], np.ones((3, 1)))
            drawn = at_truth(observations, link, None, [0.0, 0.0, 0.0])
            found = residuals("quantile", drawn, rows)[:, 0]
        np.testing.assert_allclose(found, y, 1e-10, 1e-12)

    def test_quantile_residuals_of_classes_and_of_drawn_responses(self):
        rng = np.random.default_rng(14)
        logits = design_of(2000) @ [[0.5, 0.0, -0.5], [0.0, 1.0, -1.0]]
        one_hot = np.eye(3)[(logits + rng.gumbel(size=logits.shape)).argmax(axis=1)][:, None]
        coef = np.array([[[0.5, 0.0, -0.5]], [[0.0, 1.0, -1.0]]])[None]
        drawn = blocks.Drawn(
            families.CategoricalObservations(),
            links.log_softmax,
            coef,
            np.zeros((1, 1, 3)),
            np.ones((1, 1)),
            1,
        )
        tweedie = families.TweedieObservations(power=1.5)
        beta, scale = [0.4, -0.3, 0.5], 0.8
        mean = np.exp(design_of(2000) @ beta[:2] + beta[2])[:, None, None]
        y = draw_responses(tweedie, mean, np.full((1, 1), scale), np.ones((1, 1, 1)), rng)
        with jax.enable_x64(True):
            of_classes = residuals("quantile", drawn, of_rows(one_hot, one_hot), seed=2)
            at = at_truth(tweedie, links.exp, None, beta, scale)
            of_tweedie = residuals("quantile", at, of_rows(y[:, 0, 0]), seed=2)
        assert stats.kstest(of_classes[:, 0], "norm").pvalue > 1e-3
        assert stats.kstest(of_tweedie[:, 0], "norm").pvalue > 1e-3

    def test_with_the_posterior_the_distribution_function_is_averaged(self, poisson):
        coef, intercept = flat_draws(poisson)
        mean = np.exp(design() @ coef.T + intercept.T)
        below, upto = (
            stats.poisson(mean).cdf((counts() - less)[:, None]).mean(axis=1) for less in (1, 0)
        )
        found = poisson.residuals(kind="quantile", method="posterior", random_state=0)
        assert (found >= stats.norm.ppf(below) - 1e-9).all()
        assert (found <= stats.norm.ppf(upto) + 1e-9).all()
        again = poisson.residuals(kind="quantile", method="posterior", random_state=0)
        assert np.array_equal(found, again)
        response = poisson.residuals(kind="response", method="posterior")
        np.testing.assert_allclose(response, counts() - mean.mean(axis=1), 1e-9, 1e-12)

    def test_at_the_mode_and_missing_rows(self, poisson):
        mean = poisson.predict(design())
        expected = (counts() - mean) / np.sqrt(mean)
        np.testing.assert_allclose(poisson.residuals(), expected, 1e-9, 1e-12)
        X, y = design().copy(), counts()
        X[2, 0], y[5] = np.nan, np.nan
        with pytest.warns(DataWarning, match="are left out"):
            found = poisson.residuals(X, y)
        lost = [2, 5]
        assert np.isnan(found[lost]).all()
        np.testing.assert_allclose(np.delete(found, lost), np.delete(expected, lost), 1e-9)

    def test_what_makes_no_sense(self, poisson, classifier):
        with pytest.raises(ValueError, match=r"`kind` must be one of .* got 'working'"):
            poisson.residuals(kind="working")
        with pytest.raises(ValueError, match=r"`method` must be one of .* got 'map'"):
            poisson.residuals(method="map")
        with pytest.raises(NotImplementedError, match="Use 'quantile'"):
            classifier.residuals()
        fitted = copy.deepcopy(poisson)
        fitted.posterior_ = None
        with pytest.raises(ValueError, match="Pass `X` and `y`"):
            fitted.residuals()
        with pytest.raises(NotFittedError):
            GLM("Poisson").residuals(design(), counts())
