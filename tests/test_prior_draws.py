"""Draws from priors against closed forms, and what `prior_summary` and `sample_prior` say."""

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, stats

from bayesglm import GLM, ClassifierGLM, PopulationGLM, Prior
from bayesglm._tree import FeatureLayout
from bayesglm.exceptions import DataWarning
from bayesglm.regularizer import GroupLasso, Horseshoe, prior_draws, resolve

N, P = 50, 3
COUNT = 20_000
ERRORS = 4.5  # standard errors allowed: 1 in 100,000 by chance, and there are tens of comparisons
FACTOR = 40.0  # rows over the dispersion factor
rng = np.random.default_rng(0)
X = rng.normal(size=(N, P)) * [1.0, 2.0, 0.5] + [0.0, 3.0, 0.0]
Y = rng.poisson(1.5, size=(N, 2)).astype(float)


def draws(regularizer, strength=None, trailing=(2,)):
    """Coefficients (COUNT, P, K) from the prior that a regularizer is."""
    with jax.enable_x64(True):
        layout = FeatureLayout.of(np.zeros((N, P)))
        penalty = resolve(regularizer, strength, layout, trailing, num_rows=np.full(2, float(N)))
        factor = np.full((COUNT, 2), FACTOR)
        return prior_draws.draw(penalty, np.random.default_rng(1), factor, (P, 2))


def check_moments(values, even_moments):
    """Mean zero, and moments 2 and 4 within their standard errors; one distribution for all."""
    values = np.ravel(values)
    second, fourth = even_moments
    size = np.sqrt(values.size)
    assert abs(values.mean()) < ERRORS * np.sqrt(second) / size
    assert abs(np.mean(values**2) - second) < ERRORS * np.sqrt(fourth - second**2) / size


def moments_of(log_density):
    """Moments 2 and 4 of a symmetric density that is not normalised, by quadrature."""
    scale, *others = (
        integrate.quad(lambda w, m=m: w**m * np.exp(log_density(w)), 0, np.inf)[0]
        for m in (0, 2, 4)
    )
    return [value / scale for value in others]


ELASTIC = {
    "ridge": ("Ridge", 0.5, 0.5, 0.0),
    "lasso": ("Lasso", 0.5, 0.0, 0.5),
    "both": ("ElasticNet", (0.5, 0.25), 0.375, 0.125),
    "mostly lasso": ("ElasticNet", (9.0, 0.999), 0.009, 8.991),
}


@pytest.mark.parametrize("case", ELASTIC)
def test_draws_of_penalties_are_of_their_density(case):
    regularizer, strength, l2, l1 = ELASTIC[case]
    kernel = lambda w: -FACTOR * (0.5 * l2 * w**2 + l1 * w)
    check_moments(draws(regularizer, strength), moments_of(kernel))


def test_lasso_is_the_limit_of_an_elastic_net():
    """With a ratio of 1 - 1e-12 the quadratic part is below what a double can tell."""
    values = np.abs(draws("ElasticNet", (1.0, 1 - 1e-12)))
    assert stats.kstest(values.ravel()[:5000], stats.expon(scale=1 / FACTOR).cdf).pvalue > 1e-4


def test_groups_have_radii_of_a_gamma_distribution():
    """Density exp(-rate |w|) in d dimensions: radii are gamma of shape d, directions uniform."""
    mask = np.zeros((1, P, 2))
    mask[0, :2] = 1  # four coefficients of two responses; the third row is in no group
    values = draws(GroupLasso(mask), 0.7)
    assert np.all(values[:, 2] == 0)
    rate = FACTOR * 0.7 * np.sqrt(4)
    radius = np.sqrt(np.sum(values[:, :2] ** 2, axis=(1, 2)))
    assert stats.kstest(radius, stats.gamma(4, scale=1 / rate).cdf).pvalue > 1e-4
    share = values[:, :2] ** 2 / radius[:, None, None] ** 2  # beta(1/2, 3/2) each
    assert stats.kstest(share[:, 0, 0], stats.beta(0.5, 1.5).cdf).pvalue > 1e-4


def test_priors_of_their_own_scale():
    by_response = dist.Normal(np.zeros((1, 2)), np.array([[1.0, 3.0]]))
    values = draws(Prior(by_response))
    for k, size in enumerate((1.0, 3.0)):
        check_moments(values[:, :, k], (size**2, 3 * size**4))
    covariance = np.array([[1.0, 0.5, 0.0], [0.5, 2.0, 0.0], [0.0, 0.0, 1.0]])
    values = draws(Prior(dist.MultivariateNormal(np.zeros(3), covariance)))
    for k in range(2):
        got = np.cov(values[:, :, k].T)
        # The largest entry, 2, has standard error 2 sqrt(2 / COUNT) = 0.02.
        np.testing.assert_allclose(got, covariance, atol=ERRORS * 0.02)


def test_flat_coefficients_are_known():
    layout = FeatureLayout.of({"a": np.zeros((N, 1)), "b": np.zeros((N, 2))})
    penalty = resolve({"a": None, "b": "Ridge"}, None, layout, (2,))
    np.testing.assert_array_equal(prior_draws.flat(penalty, (3, 2))[:, 0], [True, False, False])


# Through the estimators


@pytest.fixture(scope="module")
def poisson_tree():
    """Draws of a model with a coefficient and an intercept whose distribution is known."""
    prior = Prior(dist.Normal(0.0, 0.2), intercept=dist.Normal(0.5, 0.3))
    model = PopulationGLM(regularizer=prior)
    return model.sample_prior(X, Y, num_samples=2000, random_state=7)


def test_layout(poisson_tree):
    assert set(poisson_tree.children) == {"prior", "prior_predictive", "observed_data"}
    assert poisson_tree["prior"]["coef"].dims == ("chain", "draw", "feature", "response")
    assert poisson_tree["prior"]["coef"].shape == (1, 2000, P, 2)
    assert poisson_tree["prior_predictive"]["y"].dims == ("chain", "draw", "obs_id", "response")
    np.testing.assert_array_equal(poisson_tree["observed_data"]["y"], Y)


def test_prior_predictive_moments(poisson_tree):
    """The linear predictor of a row is normal, so the mean count is that of a lognormal one."""
    y = poisson_tree["prior_predictive"]["y"].values[0]
    variance = 0.3**2 + 0.2**2 * np.sum(X**2, axis=1)
    rows = variance < 0.5  # where 4,000 draws of a lognormal variable have a fair mean
    assert rows.sum() >= 3
    mean = np.exp(0.5 + variance / 2)
    total = mean + (np.exp(variance) - 1) * mean**2
    error = np.sqrt(total / y[:, 0].size)
    assert np.all(np.abs(y.mean(axis=(0, 2)) - mean)[rows] < ERRORS * error[rows])


def test_draws_are_reproducible_and_leave_the_model_alone(poisson_tree):
    prior = Prior(dist.Normal(0.0, 0.2), intercept=dist.Normal(0.5, 0.3))
    model = PopulationGLM(regularizer=prior)
    again = model.sample_prior(X, Y, num_samples=2000, random_state=7)
    np.testing.assert_array_equal(
        again["prior_predictive"]["y"], poisson_tree["prior_predictive"]["y"]
    )
    assert not hasattr(model, "n_features_in_")
    assert model.coef_ is None


def test_blocks_do_not_change_the_shape(poisson_tree, monkeypatch):
    from bayesglm.posterior import beliefs

    monkeypatch.setattr(beliefs, "BLOCK_BYTES", 8 * N * 2 * 7)  # seven draws a block, of 10
    prior = Prior(dist.Normal(0.0, 0.2), intercept=dist.Normal(0.5, 0.3))
    tree = PopulationGLM(regularizer=prior).sample_prior(X, Y, num_samples=10, random_state=7)
    y = tree["prior_predictive"]["y"].values[0]
    assert y.shape == (10, N, 2)
    # The parameters are the same, so row by row the counts go together; 0.5 is far from chance.
    np.testing.assert_array_equal(tree["prior"]["coef"][0, 0], poisson_tree["prior"]["coef"][0, 0])
    with jax.enable_x64(True):
        mean = np.exp(
            X @ tree["prior"]["coef"].values[0] + tree["prior"]["intercept"].values[0][:, None]
        )
    assert np.corrcoef(y[-3:].ravel(), mean[-3:].ravel())[0, 1] > 0.5


def test_centered_intercepts_are_at_the_column_means():
    """Under the default prior, the linear predictor at the means has standard deviation 2.5."""
    with jax.enable_x64(True):
        _, beliefs = GLM(regularizer=Prior())._beliefs(X, None, None, None, None)
        from bayesglm.posterior.beliefs import draw_parameters

        params, _, _ = draw_parameters(beliefs, np.random.default_rng(0), COUNT)
    at_mean = params.intercept[:, 0] + params.coef[:, :, 0] @ X.mean(axis=0)
    check_moments(at_mean, (2.5**2, 3 * 2.5**4))
    assert params.intercept.std() > 4  # at zero, 1.5 standard deviations of a column away


REFUSED = {
    "coefficients": (GLM(regularizer="UnRegularized"), "coefficients .'x0', 'x1', 'x2'. is flat"),
    "strength 0": (
        GLM(regularizer="Ridge", regularizer_strength=np.array([1.0, 0.0, 1.0])),
        "coefficients .'x1'. is flat under Ridge",
    ),
    "intercept": (GLM(regularizer="Ridge"), "intercept is flat under Ridge.*`intercept_prior`"),
    "dispersion": (GLM("Gaussian", regularizer=Prior()), "Pass `y`.*GaussianObservations"),
    "population": (PopulationGLM(regularizer=Prior()), "Pass `y`: the number of responses"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_nothing_can_be_drawn_from(case):
    model, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        model.sample_prior(X)


def test_means_too_large_to_draw_from():
    wide = Prior(dist.Normal(0.0, 200.0), intercept=dist.Normal(0.0, 1.0))
    model = PopulationGLM(regularizer=wide)
    with pytest.warns(DataWarning, match=r"of the responses could not be drawn and are NaN"):
        tree = model.sample_prior(X, Y, num_samples=2000, random_state=0)
    assert 0.2 < np.isnan(tree["prior_predictive"]["y"]).mean() < 0.6


def test_numbers_of_the_summary():
    ridge = GLM("Gaussian", regularizer="Ridge", regularizer_strength=4.0)
    table = ridge.prior_summary(X, Y[:, 0])
    # Variance kappa / (N s) = 2 sigma^2 / (50 * 4): a standard deviation of 0.1 sigma.
    assert table.loc["x0", "prior"] == "Normal(loc=0, scale=0.1 * sqrt(scale))"
    assert table.loc["x0", "note"] == "exp(-25 / scale * penalty)"
    assert table.loc["intercept", "prior"] == "flat"
    assert table.loc["scale", "prior"] == f"Exponential(rate={1 / Y[:, 0].std():.4g})"
    lasso = GLM(regularizer="Lasso", regularizer_strength=dist.HalfCauchy(2.0))
    table = lasso.prior_summary(X)
    assert table.loc["x2", "prior"] == "Laplace(loc=0, scale=0.02 / strength)"
    assert table.loc["regularizer_strength", "prior"] == "HalfCauchy(scale=2)"


def test_summary_of_the_default_prior_follows_the_data():
    table = PopulationGLM("Gaussian", regularizer=Prior()).prior_summary(X, Y)
    for k in range(2):
        size = 2.5 * Y[:, k].std() / X[:, 1].std()
        assert table.loc[("x1", k), "prior"] == f"Normal(loc=0, scale={size:.4g})"


def test_summary_of_a_horseshoe_and_of_masked_coefficients():
    mask = np.array([[1, 1], [1, 0], [1, 1]])
    model = PopulationGLM(regularizer=Horseshoe(num_relevant=1), feature_mask=mask)
    table = model.prior_summary(X, Y)
    assert table.loc[("x1", 1), "prior"] == "fixed at 0"
    assert table.loc[("global_scale", 0), "prior"].startswith("HalfStudentT(df=1, scale=0.07071")
    assert table.loc[("global_scale", 1), "prior"].startswith("HalfStudentT(df=1, scale=0.1414")
    assert "column means" in table.loc[("intercept", 0), "note"]


def test_classes_have_coefficients_of_their_own():
    labels = np.array(["a", "b", "c"])[np.arange(N) % 3]
    table = ClassifierGLM(3, regularizer="Ridge").prior_summary(X, labels)
    assert table.loc[("x0", "b"), "prior"] == f"Normal(loc=0, scale={N**-0.5:.4g})"
    numbered = ClassifierGLM(3, regularizer="Ridge").prior_summary(X, np.arange(N) % 3)
    assert list(numbered.loc["x0"].index) == [0, 1, 2]
    assert {type(label) for label in numbered.loc["x0"].index} == {int}
