"""What is particular to the binomial, inverse Gaussian, Student-t, beta and Tweedie families."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from bayesglm import links
from bayesglm.observation_models import (
    BernoulliObservations,
    BetaObservations,
    BinomialObservations,
    InverseGaussianObservations,
    StudentTObservations,
    TweedieObservations,
)

Y = np.array([0.0, 1.0, 2.0, 3.0])
MEAN = np.array([0.5, 1.5, 2.0, 2.5])


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def test_binomial_of_one_trial_is_bernoulli():
    y, eta = np.array([0.0, 1.0]), np.array([-0.3, 40.0])
    one, bernoulli = BinomialObservations(), BernoulliObservations()
    for method in ("log_density", "kernel"):
        np.testing.assert_array_equal(
            getattr(one, method)(y, eta, links.logistic, 1.0),
            getattr(bernoulli, method)(y, eta, links.logistic, 1.0),
        )


def test_binomial_trials_of_each_row():
    trials, y, mean = [2, 5, 9], np.array([1.0, 5.0, 3.0]), np.array([0.3, 0.8, 0.4])
    family = BinomialObservations(trials)
    expected = stats.binom.logpmf(y, trials, mean)
    for shape in ((3,), (3, 1)):
        density = family.log_density(y.reshape(shape), mean.reshape(shape), links.identity, 1.0)
        np.testing.assert_allclose(density, expected.reshape(shape), rtol=1e-12)
        assert family.in_support(y.reshape(shape)).shape == shape
        assert family.sample(jax.random.key(0), mean.reshape(shape), 1.0).shape == shape
    np.testing.assert_array_equal(family.get_params()["trials"], trials)
    assert family.support == "counts of successes from 0 to at most 9"
    np.testing.assert_allclose(family.average_to_mean(y.mean()), 9 / 16)


def test_rows_with_trials_as_weighted_fractions():
    # The documented other way: Bernoulli on fractions, weighted by the number of trials.
    trials, y, eta = np.array([2.0, 5.0]), np.array([1.0, 5.0]), np.array([0.3, -1.0])
    weighted = trials * BernoulliObservations().kernel(y / trials, eta, links.logistic, 1.0)
    kernel = BinomialObservations(trials).kernel(y, eta, links.logistic, 1.0)
    np.testing.assert_allclose(kernel, weighted, rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BinomialObservations(0), "`trials` parameter must be positive.*got 0"),
        (lambda: BinomialObservations(2.5), "`trials` must be integers.*got 2.5"),
        (lambda: BinomialObservations(np.ones((2, 2, 2))), "`trials` must be integers, one or one"),
        (lambda: StudentTObservations(-1), "`df` parameter must be positive.*got -1"),
        (lambda: TweedieObservations(1.0), "strictly between 1 and 2; got 1.0.*'Poisson'"),
        (lambda: TweedieObservations(3.0), "strictly between 1 and 2; got 3.0"),
    ],
)
def test_further_families_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_student_t_variance_is_infinite_up_to_two_degrees_of_freedom():
    assert np.isinf(StudentTObservations(2.0).variance(0.0, 1.0))
    np.testing.assert_allclose(StudentTObservations(4.0).variance(0.0, 1.0), 2.0)


def test_student_t_degrees_of_freedom_by_maximum_likelihood():
    y = stats.t.rvs(3.0, 1.0, 2.0, size=4000, random_state=7)
    family = StudentTObservations().with_estimated_df(y, np.ones_like(y))
    df, _, scale = stats.t.fit(y, floc=1.0)
    # Both searches stop where the likelihood is flat, SciPy's simplex at 1e-4.
    np.testing.assert_allclose(family.df, df, rtol=1e-3)
    estimate = family.estimate_scale(y, np.ones_like(y), 1)
    np.testing.assert_allclose(estimate, scale**2, rtol=1e-3)


def test_beta_scale_by_maximum_likelihood():
    y = stats.beta.rvs(0.3 / 0.2, 0.7 / 0.2, size=3000, random_state=5)
    estimate = BetaObservations().estimate_scale(y, np.full_like(y, 0.3), 1)

    def loss(log_scale):
        size = np.exp(-log_scale)
        return -stats.beta.logpdf(y, 0.3 * size, 0.7 * size).sum()

    best = optimize.minimize_scalar(loss, bounds=(-4, 1), method="bounded")
    np.testing.assert_allclose(estimate, np.exp(best.x), rtol=1e-5)


def test_tweedie_density_integrates_to_one():
    family, scale = TweedieObservations(1.4), 0.5

    def density(y):
        log_density = eqx.filter_jit(family.log_density)
        return np.exp(log_density(jnp.asarray(y), 0.3, links.exp, scale))

    grid = np.linspace(0.0, 30.0, 10_001)[1:]
    total = density(0.0) + np.trapezoid(density(grid), grid)
    # The trapezoid rule misses the first step, of width 0.003 and a density below 0.1.
    np.testing.assert_allclose(total, 1.0, atol=3e-4)


def test_inverse_gaussian_scale_is_pearsons():
    y, mean = Y + 0.5, MEAN
    scale = InverseGaussianObservations().estimate_scale(y, mean, 2.0)
    np.testing.assert_allclose(scale, [((y - mean) ** 2 / mean**3).sum() / 2])


def test_families_that_numpyro_lacks_have_a_distribution_all_the_same():
    eta = jnp.array([0.1, 0.5])
    distribution = TweedieObservations(1.4).distribution(eta, links.exp, 0.5)
    np.testing.assert_allclose(distribution.mean, jnp.exp(eta))
    draws = distribution.sample(jax.random.key(0), (4, 3))
    assert draws.shape == distribution.log_prob(draws).shape == (4, 3, 2)
    assert distribution.sample(jax.random.key(0)).shape == distribution.batch_shape == (2,)
    assert (draws >= 0).all()
