"""Proportions with numbers of trials as weights: a binomial model, in fits and after sampling."""

import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import special, stats

from bayesglm import GLM, PopulationGLM, Prior
from bayesglm.exceptions import DataWarning
from bayesglm.observation_models import BinomialObservations

ROWS = 50
RNG = np.random.default_rng(4)
X = RNG.normal(size=(ROWS, 2))
TRIALS = RNG.integers(2, 20, ROWS)
SUCCESSES = RNG.binomial(TRIALS, special.expit(0.8 * X[:, 0] - 0.3))
HOW = {"method": "importance", "num_samples": 500, "random_state": 0, "progress_bar": False}
CHECK = {"random_state": 1, "progress_bar": False}


def own_prior():
    return Prior(dist.Normal(0.0, 0.7), intercept=dist.Normal(0.0, 1.0))


@pytest.fixture(scope="module")
def model():
    model = GLM("Bernoulli", regularizer=own_prior())
    model.sample(X, SUCCESSES / TRIALS, sample_weight=TRIALS, **HOW)
    return model


def probabilities(model):
    """Of a success in each row at each draw, shape (draws, n)."""
    group = model.posterior_["posterior"]
    coef, intercept = group["coef"].values, group["intercept"].values
    return special.expit((coef @ X.T + intercept[..., None]).reshape(-1, ROWS))


def test_log_likelihood_is_binomial(model):
    expected = stats.binom.logpmf(SUCCESSES, TRIALS, probabilities(model))
    found = model.log_likelihood(progress_bar=False)["log_likelihood"]["y"].values
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-10)


def test_new_responses_are_proportions_of_as_many_trials(model):
    tree = model.posterior_predictive(**CHECK)
    new = tree["posterior_predictive"]["y"].values.reshape(-1, ROWS)
    assert np.all(np.abs(new * TRIALS - np.round(new * TRIALS)) < 1e-9)
    p = probabilities(model)
    # Spread of binomial numbers, and of their probability over the draws.
    variance = (p * (1 - p)).mean(axis=0) / TRIALS + p.var(axis=0)
    ratio = new.var(axis=0) / variance
    # A variance of 2,000 draws is off by 1/sqrt(1000), more where tails are heavy.
    assert np.abs(ratio - 1).max() < 0.2
    assert abs(ratio.mean() - 1) < 0.03
    np.testing.assert_allclose(tree["observed_data"]["y"], SUCCESSES / TRIALS)
    parts = [part for _, part in model.posterior_predictive_blocks(**CHECK)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), new)


def test_elsewhere_they_are_of_one_trial(model):
    new = model.posterior_predictive(X[:3], **CHECK)["posterior_predictive"]["y"].values
    assert set(np.unique(new)) == {0.0, 1.0}


@pytest.fixture(scope="module")
def pair():
    """Counts out of six, and proportions of six trials."""
    counts = RNG.binomial(6, special.expit(0.8 * X[:, 0]))
    binomial = GLM(BinomialObservations(6), regularizer=own_prior())
    binomial.sample(X, counts, **HOW)
    proportion = GLM("Bernoulli", regularizer=own_prior())
    proportion.sample(X, counts / 6, sample_weight=np.full(ROWS, 6.0), **HOW)
    return binomial, proportion


def test_equal_trials_are_the_binomial_family(pair):
    drawn, found = (m.posterior_["posterior"]["coef"] for m in pair)
    # The same posterior; the two searches for its mode differ in rounding.
    np.testing.assert_allclose(found, drawn, rtol=1e-6, atol=1e-7)
    elpd, own = (m.loo(progress_bar=False).elpd_i for m in pair)
    np.testing.assert_allclose(own, elpd, rtol=1e-5)
    pit, own = (m.loo_pit(**CHECK) for m in pair)
    np.testing.assert_allclose(own, pit, atol=1e-5)
    check, own = (m.posterior_predictive_check(**CHECK)["tail_probability"] for m in pair)
    np.testing.assert_allclose(own, check, atol=0.03)  # rounding breaks ties


@pytest.mark.parametrize("kind", ["pearson", "deviance", "quantile", "response"])
def test_residuals_of_equal_trials(pair, kind):
    unit = 6.0 if kind == "response" else 1.0
    for method in ("mode", "posterior"):
        expected, found = (m.residuals(kind=kind, method=method, **CHECK) for m in pair)
        np.testing.assert_allclose(found, expected / unit, rtol=1e-4, atol=1e-5)
    y = pair[1].posterior_["observed_data"]["y"].values
    again = pair[1].residuals(X, y, kind, sample_weight=np.full(ROWS, 6.0), **CHECK)
    np.testing.assert_allclose(again, pair[1].residuals(kind=kind, **CHECK), rtol=1e-9)


def test_pictures_count_trials(model):
    pytest.importorskip("matplotlib").use("Agg")
    ax = model.plot.ppc(progress_bar=False, num_draws=1000)
    (_, success), *_ = [c.get_segments() for c in ax.collections if c.get_gid() == "replicated"]
    total = RNG.binomial(TRIALS, probabilities(model)).sum(axis=1)
    found, expected = np.ptp(success[:, 1]), np.subtract(*np.quantile(total, [0.95, 0.05]))
    assert found == pytest.approx(expected, rel=0.15)  # each quantile of 1,000 is off by a twelfth


def test_missing_cells_of_a_population():
    trials = np.column_stack([TRIALS, TRIALS[::-1]]).astype(float)
    Y = np.column_stack([SUCCESSES, SUCCESSES[::-1]]) / trials
    Y[3, 1] = np.nan
    model = PopulationGLM("Bernoulli", regularizer=own_prior())
    with pytest.warns(DataWarning, match="1 entries of y are NaN"):
        model.sample(X, Y, sample_weight=trials, **HOW)
    found = model.loo(progress_bar=False)
    assert found.n == 2 * ROWS - 1
    assert np.isnan(found.elpd_i[3, 1])
    new = model.posterior_predictive(**CHECK)["posterior_predictive"]["y"].values
    counts = new[..., [0, 1, 2, 4], 1] * trials[[0, 1, 2, 4], 1]
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)


def test_other_fractions_stay_a_quasi_likelihood():
    y, weight = SUCCESSES / TRIALS, TRIALS + 0.5
    with pytest.warns(DataWarning, match="quasi-likelihood"):
        GLM("Bernoulli").fit(X, y, sample_weight=weight)
    with (
        pytest.warns(DataWarning, match="quasi-likelihood"),
        pytest.raises(ValueError, match="numbers of trials as `sample_weight`"),
    ):
        GLM("Bernoulli", regularizer=own_prior()).sample(X, y, sample_weight=weight, **HOW)


def test_trials_of_each_row_belong_to_the_data():
    with pytest.raises(ValueError, match="`y / trials` with `sample_weight=trials`"):
        GLM(BinomialObservations(TRIALS)).fit(X, SUCCESSES)
