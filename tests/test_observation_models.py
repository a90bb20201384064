"""Observation models: against SciPy, NumPyro and published numbers; names; user families."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from bayesglm import links
from bayesglm.observation_models import (
    FAMILIES,
    BernoulliObservations,
    BinomialObservations,
    CategoricalObservations,
    GammaObservations,
    GaussianObservations,
    NegativeBinomialObservations,
    Observations,
    PoissonObservations,
    StudentTObservations,
    TweedieObservations,
    resolve,
)

Y = np.array([0.0, 1.0, 2.0, 3.0])
MEAN = np.array([0.5, 1.5, 2.0, 2.5])
MODELS = {
    "Binomial": BinomialObservations(12),
    "StudentT": StudentTObservations(5.0),
    "Tweedie": TweedieObservations(1.4),
}
SCALAR_FAMILIES = [name for name in FAMILIES if name != "Categorical"]
UNIT_INTERVAL = ("Bernoulli", "Binomial", "Beta")  # families whose means are between 0 and 1
COUNTS = np.array([0.0, 1.0, 3.0, 12.0])
SCALE = 0.4


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def model_of(name):
    return MODELS.get(name) or resolve(name)


def scipy_log_density(name, y, mean, scale):
    size = 1 / scale
    return {
        "Poisson": lambda: stats.poisson.logpmf(y, mean),
        "Gamma": lambda: stats.gamma.logpdf(y, size, scale=mean * scale),
        "Gaussian": lambda: stats.norm.logpdf(y, mean, np.sqrt(scale)),
        "Bernoulli": lambda: stats.bernoulli.logpmf(y, mean),
        "NegativeBinomial": lambda: stats.nbinom.logpmf(y, size, 1 / (1 + scale * mean)),
        "Binomial": lambda: stats.binom.logpmf(y, 12, mean),
        "InverseGaussian": lambda: stats.invgauss.logpdf(y, mean * scale, scale=size),
        "StudentT": lambda: stats.t.logpdf(y, 5, mean, np.sqrt(scale)),
        "Beta": lambda: stats.beta.logpdf(y, mean * size, (1 - mean) * size),
    }[name]()


# Ordinary responses and linear predictors of each family: all links are inside their domain.
ORDINARY = {
    "Poisson": (COUNTS, ("exp", "softplus", "identity", "square")),
    "Gamma": (COUNTS + 0.5, ("exp", "one_over_x", "softplus", "inverse_squared")),
    "Gaussian": (COUNTS, ("identity", "exp")),
    "Bernoulli": (np.array([0.0, 1.0, 1.0, 0.0]), ("logistic", "norm_cdf", "cloglog")),
    "NegativeBinomial": (COUNTS, ("exp", "softplus")),
    "Binomial": (COUNTS, ("logistic", "cloglog")),
    "InverseGaussian": (COUNTS + 0.5, ("exp", "inverse_squared")),
    "StudentT": (COUNTS, ("identity",)),
    "Beta": (np.array([0.01, 0.4, 0.7, 0.99]), ("logistic", "norm_cdf")),
    "Tweedie": (COUNTS, ("exp",)),
}
PAIRS = [(name, link) for name, (_, names) in ORDINARY.items() for link in names]
ETA = np.array([0.3, 0.7, 1.4, 2.1])


@pytest.mark.parametrize(("name", "link"), PAIRS)
def test_three_views_of_one_density(name, link):
    family, link, y = model_of(name), links.resolve(link), ORDINARY[name][0]
    density = family.log_density(y, ETA, link, SCALE)
    if name != "Tweedie":  # SciPy has none
        expected = scipy_log_density(name, y, np.asarray(link(ETA)), SCALE)
        np.testing.assert_allclose(density, expected, rtol=1e-11)
    numpyro_value = family.distribution(ETA, link, SCALE).log_prob(y)
    # NumPyro's negative binomial goes through a beta function that is wrong by 3e-7 here.
    rtol = 1e-6 if name == "NegativeBinomial" else 1e-11
    np.testing.assert_allclose(density, numpyro_value, rtol=rtol)
    on_means = family.log_density(y, family.mean(ETA, link), links.identity, SCALE)
    np.testing.assert_allclose(density, on_means, rtol=1e-11)


@pytest.mark.parametrize(("name", "link"), PAIRS)
def test_kernel_differs_by_what_eta_does_not_touch(name, link):
    family, link, y = model_of(name), links.resolve(link), ORDINARY[name][0]
    rest = [
        family.log_density(y, eta, link, SCALE)
        + family.kernel(y, eta, link, SCALE) / family.kernel_factor(SCALE)
        for eta in (ETA, ETA + 0.5)
    ]
    np.testing.assert_allclose(*rest, rtol=1e-12, atol=1e-14)


KERNELS = {
    "Poisson": lambda y, mean: mean - y * np.log(mean),
    "Gamma": lambda y, mean: y / mean + np.log(mean),
    "Gaussian": lambda y, mean: (y - mean) ** 2,
    "Bernoulli": lambda y, mean: -np.log(np.where(y == 1, mean, 1 - mean)),
    "NegativeBinomial": lambda y, mean: (
        -y * np.log(SCALE * mean / (SCALE * mean + 1)) + np.log(SCALE * mean + 1) / SCALE
    ),
    "Binomial": lambda y, mean: -y * np.log(mean) - (12 - y) * np.log(1 - mean),
    "InverseGaussian": lambda y, mean: y / (2 * mean**2) - 1 / mean,
    "Tweedie": lambda y, mean: y * mean**-0.4 / 0.4 + mean**0.6 / 0.6,
}


@pytest.mark.parametrize(("name", "link"), [pair for pair in PAIRS if pair[0] in KERNELS])
def test_kernel_is_the_documented_one(name, link):
    family, link, y = model_of(name), links.resolve(link), ORDINARY[name][0]
    expected = KERNELS[name](y, np.asarray(link(ETA)))
    np.testing.assert_allclose(family.kernel(y, ETA, link, SCALE), expected, rtol=1e-12)


# Computed by NeMoS 0.2.9 in float32, hence five digits.
ANCHORS = [
    (PoissonObservations(), "log_likelihood", Y, {}, -1.11107),
    (PoissonObservations(), "_negative_log_likelihood", Y, {}, 0.48984),
    (PoissonObservations(), "pseudo_r2", Y, {}, 0.26567),
    (PoissonObservations(), "pseudo_r2", Y, {"score_type": "pseudo-r2-Cohen"}, 0.71481),
    (NegativeBinomialObservations(0.5), "log_likelihood", Y, {}, -1.34814),
    (
        NegativeBinomialObservations(0.5),
        "pseudo_r2",
        Y,
        {"score_type": "pseudo-r2-Cohen"},
        0.65416,
    ),
    (GaussianObservations(), "log_likelihood", Y, {"scale": 0.5}, -0.75986),
    (GaussianObservations(), "pseudo_r2", Y, {"score_type": "pseudo-r2-Cohen"}, 0.85),
    (GaussianObservations(), "estimate_scale", Y, {"dof_resid": 2}, 0.375),
    (GammaObservations(), "log_likelihood", Y + 1, {"scale": 0.5}, -1.69674),
]


@pytest.mark.parametrize(("family", "method", "y", "arguments", "expected"), ANCHORS)
def test_nemos_anchors(family, method, y, arguments, expected):
    value = getattr(family, method)(y, MEAN, **arguments)
    np.testing.assert_allclose(np.squeeze(value), expected, atol=6e-6)


def test_negative_binomial_uses_one_scale():
    # The kernel and the constant must use the same scale, the argument's.
    value = NegativeBinomialObservations(2.0).log_likelihood(Y, MEAN, scale=0.5)
    np.testing.assert_allclose(value, -1.34814, atol=6e-6)


@pytest.mark.parametrize("name", SCALAR_FAMILIES)
def test_samples_have_the_mean_and_variance(name):
    family, n = model_of(name), 40_000
    mean = np.array([0.2, 0.7]) if name in UNIT_INTERVAL else np.array([0.8, 5.0])
    draws = family.sample_generator(jax.random.key(1), np.broadcast_to(mean, (n, 2)), SCALE)
    draws = np.asarray(draws, float)
    variance = np.asarray(family.variance(mean, SCALE)) * np.ones(2)
    # Four standard errors for two means and two variances of ten families: 1 in 400 by chance.
    assert (np.abs(draws.mean(0) - family.expectation(mean)) < 4 * np.sqrt(variance / n)).all()
    spread = (draws - family.expectation(mean)) ** 2
    assert (np.abs(spread.mean(0) - variance) < 4 * spread.std(0) / np.sqrt(n)).all()
    assert family.in_support(draws).all()


@pytest.mark.parametrize("name", SCALAR_FAMILIES)
def test_variance_is_that_of_the_distribution(name):
    family = model_of(name)
    distribution = family.distribution(ETA, family.default_inverse_link_function, SCALE)
    mean = family.mean(ETA, family.default_inverse_link_function)
    np.testing.assert_allclose(family.expectation(mean), distribution.mean, rtol=1e-12)
    np.testing.assert_allclose(family.variance(mean, SCALE) * np.ones(4), distribution.variance)


@pytest.mark.parametrize(
    "name", [name for name in SCALAR_FAMILIES if name not in ("Binomial", "StudentT", "Beta")]
)
def test_default_variance_and_deviance_agree_with_the_closed_forms(name):
    family, (y, _) = model_of(name), ORDINARY[name]
    mean = np.array([0.3, 0.6, 0.2, 0.9]) if name in UNIT_INTERVAL else MEAN
    generic = Observations.variance(family, mean, SCALE)
    np.testing.assert_allclose(family.variance(mean, SCALE), generic, rtol=1e-12)
    if name in ("Gamma", "Gaussian", "InverseGaussian"):
        generic = Observations.unit_deviance(family, y, mean, SCALE)
        np.testing.assert_allclose(family.unit_deviance(y, mean, SCALE), generic, rtol=1e-12)


# Dispersion


@pytest.mark.parametrize("name", ["Gaussian", "Gamma"])
def test_moment_scale(name):
    y, mean = np.stack([Y, Y + 1], 1) + 0.5, np.stack([MEAN, MEAN], 1)
    unit = mean**2 if name == "Gamma" else 1.0
    expected = ((y - mean) ** 2 / unit).sum(0) / np.array([2.0, 3.0])
    scale = resolve(name).estimate_scale(y, mean, np.array([2.0, 3.0]))
    np.testing.assert_allclose(scale, expected)
    assert resolve(name).estimate_scale(y[:, 0], mean[:, 0], 2.0).shape == (1,)


@pytest.mark.parametrize("name", ["Poisson", "Bernoulli"])
def test_scale_of_families_without_one(name):
    np.testing.assert_array_equal(resolve(name).estimate_scale(Y, MEAN, 2), [1.0])
    np.testing.assert_array_equal(
        resolve(name).estimate_scale(np.ones((4, 3)), np.ones((4, 3)), 2), np.ones(3)
    )


def test_negative_binomial_scale_given_or_by_maximum_likelihood():
    rng = np.random.default_rng(3)
    mean = rng.uniform(1.0, 9.0, (200, 2))
    y = stats.nbinom.rvs(2.0, 2.0 / (2.0 + mean), random_state=rng)
    np.testing.assert_array_equal(
        NegativeBinomialObservations(0.3).estimate_scale(y, mean, 1), [0.3, 0.3]
    )
    free = NegativeBinomialObservations(scale=None)
    for k, estimate in enumerate(free.estimate_scale(y, mean, 1)):

        def loss(log_scale, k=k):
            return -scipy_log_density(
                "NegativeBinomial", y[:, k], mean[:, k], np.exp(log_scale)
            ).sum()

        best = optimize.minimize_scalar(loss, bounds=(-4, 3), method="bounded")
        # Both searches stop where the log-likelihood is flat: half the digits.
        np.testing.assert_allclose(estimate, np.exp(best.x), rtol=1e-5)


def test_negative_binomial_scale_of_underdispersed_counts_is_the_floor():
    y, mean = np.full(20, 5.0), np.full(20, 5.0)
    scale = NegativeBinomialObservations(None).estimate_scale(y, mean, 1)
    assert 0 < scale < 1e-8
    with pytest.raises(ValueError, match="estimates its scale: pass `scale`"):
        NegativeBinomialObservations(None).log_likelihood(y, mean)


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (0.0, "positive and finite; got 0.0"),
        (-1.0, "positive and finite; got -1.0"),
        (np.nan, "positive and finite; got nan"),
        (np.inf, "positive and finite; got inf"),
        ("a", "must be of numeric type; got 'a'"),
    ],
)
def test_negative_binomial_refuses_a_scale(scale, message):
    with pytest.raises(ValueError, match=message):
        NegativeBinomialObservations(scale)


def test_a_new_scale_does_not_recompile():
    traces = []

    @jax.jit
    def loss(family, y):
        traces.append(1)
        return family.log_likelihood(y, y + 1.0)

    values = [loss(NegativeBinomialObservations(scale), Y) for scale in (0.1, 0.2, 5.0)]
    assert len(traces) == 1
    assert len(set(map(float, values))) == 3


def test_scales_broadcast_over_responses():
    family, scales = NegativeBinomialObservations(), np.array([0.1, 0.2, 0.3])
    y, mean = np.stack([Y] * 3, 1), np.stack([MEAN] * 3, 1)
    together = family.log_density(y, mean, links.identity, scales)
    for k, scale in enumerate(scales):
        alone = family.log_density(Y, MEAN, links.identity, scale)
        np.testing.assert_allclose(together[:, k], alone, rtol=1e-14)


# Scores


def test_aggregation():
    y, mean = np.stack([Y, Y], 1), np.stack([MEAN, MEAN + 1], 1)
    family = PoissonObservations()
    each = family.log_likelihood(y, mean, aggregate_sample_scores=lambda x: x)
    assert each.shape == (4, 2)
    np.testing.assert_allclose(family.log_likelihood(y, mean), each.mean(0).sum())
    np.testing.assert_allclose(family.likelihood(y, mean), np.exp(each.mean(0).sum()))
    per_response = family.pseudo_r2(y, mean, aggregate_sample_scores=lambda x: x.mean(0))
    np.testing.assert_allclose(per_response[0], family.pseudo_r2(Y, MEAN))


def test_likelihood_of_yes_or_no_is_a_geometric_mean():
    y, p = np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.8, 0.5])
    family = BernoulliObservations()
    np.testing.assert_allclose(family.likelihood(y, p), stats.gmean([0.9, 0.8, 0.5]))
    np.testing.assert_allclose(
        family.likelihood(y, p, aggregate_sample_scores=jnp.mean), np.mean([0.9, 0.8, 0.5])
    )
    eta = np.log([[0.1, 0.9], [0.5, 0.5]])
    categorical = CategoricalObservations()
    np.testing.assert_allclose(categorical.likelihood(np.eye(2), eta), np.sqrt(0.05))
    np.testing.assert_allclose(
        categorical.likelihood(np.eye(2), eta, aggregate_sample_scores=jnp.mean), 0.3
    )


def test_unknown_pseudo_r2():
    with pytest.raises(NotImplementedError, match="Score R3 not implemented"):
        PoissonObservations().pseudo_r2(Y, MEAN, score_type="R3")


@pytest.mark.parametrize("score_type", ["pseudo-r2-McFadden", "pseudo-r2-Cohen"])
@pytest.mark.parametrize("name", [*SCALAR_FAMILIES, "Categorical"])
def test_pseudo_r2_of_the_constant_model_is_zero(name, score_type):
    if name == "Categorical":
        y = np.eye(3)[[0, 1, 1, 2]]
        mean = np.log(np.broadcast_to(y.mean(0), y.shape))
    else:
        y = ORDINARY[name][0]
        mean = np.full(4, y.mean() / (12 if name == "Binomial" else 1))
    value = model_of(name).pseudo_r2(y, mean, score_type, scale=SCALE)
    np.testing.assert_allclose(value, 0.0, atol=1e-14)


# Classes


def test_categorical():
    family, link = CategoricalObservations(), links.log_softmax
    eta = np.array([[0.3, -1.0, 2.0], [700.0, 0.0, -700.0]])
    y = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    log_p = link(eta)
    np.testing.assert_allclose(family.log_density(y, eta, link, 1.0), [log_p[0, 1], -1400.0])
    np.testing.assert_allclose(family.kernel(y, eta, link, 1.0), [-log_p[0, 1], 1400.0])
    np.testing.assert_allclose(family.unit_deviance(y, log_p, 1.0), [-2 * log_p[0, 1], 2800.0])
    numpyro_value = family.distribution(eta[0], link, 1.0).log_prob(y[0])
    np.testing.assert_allclose(numpyro_value, log_p[0, 1], rtol=1e-12)
    hessian = jax.hessian(lambda e: family.kernel(y[0], e, link, 1.0))(eta[0])
    np.testing.assert_allclose(family.fisher_weight(eta, link, 1.0)[0], hessian, atol=1e-15)
    two = family.log_density(y[:1, :2], eta[:1, :2], link, 1.0)
    logistic = BernoulliObservations().log_density(1.0, -1.3, links.logistic, 1.0)
    np.testing.assert_allclose(two[0], logistic, rtol=1e-14)


def test_categorical_samples():
    log_p = np.log(np.broadcast_to([0.2, 0.5, 0.3], (50_000, 3)))
    family = CategoricalObservations()
    draws = family.sample_generator(jax.random.key(2), log_p)
    assert family.in_support(np.asarray(draws)).all()
    np.testing.assert_array_equal(draws.sum(-1), 1.0)
    error = np.sqrt(family.variance(log_p[0], 1.0) / 50_000)
    assert (np.abs(draws.mean(0) - np.exp(log_p[0])) < 4 * error).all()  # 2 in 10,000


# Support and starting values


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("Poisson", [0.0, 7.0, 1.5], [-1.0, np.nan, np.inf]),
        ("NegativeBinomial", [0.0, 7.0], [-1.0, np.nan]),
        ("Gamma", [1e-9, 4.0], [0.0, -1.0, np.nan, np.inf]),
        ("Gaussian", [-1e9, 0.0], [np.nan, -np.inf]),
        ("Bernoulli", [0.0, 1.0, 0.5], [2.0, -1.0, np.nan]),
        ("Categorical", [0.0, 1.0], [2.0, -1.0, np.nan]),
        ("Binomial", [0.0, 12.0], [13.0, -1.0, np.nan]),
        ("InverseGaussian", [1e-9, 4.0], [0.0, -1.0, np.nan, np.inf]),
        ("StudentT", [-1e9, 0.0], [np.nan, -np.inf]),
        ("Beta", [1e-9, 0.999], [0.0, 1.0, -1.0, np.nan]),
        ("Tweedie", [0.0, 4.5], [-1.0, np.nan, np.inf]),
    ],
)
def test_support(name, good, bad):
    family = model_of(name)
    assert family.in_support(np.array(good)).all()
    assert not family.in_support(np.array(bad)).any()
    assert family.support
    assert family.remedy


@pytest.mark.parametrize("name", SCALAR_FAMILIES)
def test_starting_means_are_inside_the_domain(name):
    family = model_of(name)
    y = ORDINARY[name][0]
    start = family.starting_mean(y, y.mean())
    eta = family.default_inverse_link_function.inverse(start)
    assert np.isfinite(family.log_density(y, eta, family.default_inverse_link_function, 1.0)).all()


def test_starting_means_of_classes_are_log_probabilities():
    family, y = CategoricalObservations(), np.eye(3)
    assert np.isfinite(family.starting_mean(y, y.mean(0))).all()
    np.testing.assert_allclose(np.exp(family.starting_mean(y, y.mean(0))).sum(-1), 1.0)
    assert np.isfinite(family.average_to_mean(np.array([0.0, 0.4, 0.6]))).all()
