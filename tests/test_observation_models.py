"""Observation models: against SciPy, NumPyro and published numbers; names; user families."""

import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from bayesglm import links
from bayesglm.observation_models import (
    FAMILIES,
    BernoulliObservations,
    CategoricalObservations,
    ForeignObservations,
    GammaObservations,
    GaussianObservations,
    NegativeBinomialObservations,
    Observations,
    PoissonObservations,
    check_observation_model,
    resolve,
)

Y = np.array([0.0, 1.0, 2.0, 3.0])
MEAN = np.array([0.5, 1.5, 2.0, 2.5])
SCALAR_FAMILIES = ("Poisson", "Gamma", "Gaussian", "Bernoulli", "NegativeBinomial")
COUNTS = np.array([0.0, 1.0, 3.0, 12.0])
SCALE = 0.4


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def scipy_log_density(name, y, mean, scale):
    size = 1 / scale
    return {
        "Poisson": lambda: stats.poisson.logpmf(y, mean),
        "Gamma": lambda: stats.gamma.logpdf(y, size, scale=mean * scale),
        "Gaussian": lambda: stats.norm.logpdf(y, mean, np.sqrt(scale)),
        "Bernoulli": lambda: stats.bernoulli.logpmf(y, mean),
        "NegativeBinomial": lambda: stats.nbinom.logpmf(y, size, 1 / (1 + scale * mean)),
    }[name]()


# Ordinary responses and linear predictors of each family: all links are inside their domain.
ORDINARY = {
    "Poisson": (COUNTS, ("exp", "softplus", "identity", "square")),
    "Gamma": (COUNTS + 0.5, ("exp", "one_over_x", "softplus", "inverse_squared")),
    "Gaussian": (COUNTS, ("identity", "exp")),
    "Bernoulli": (np.array([0.0, 1.0, 1.0, 0.0]), ("logistic", "norm_cdf", "cloglog")),
    "NegativeBinomial": (COUNTS, ("exp", "softplus")),
}
PAIRS = [(name, link) for name, (_, names) in ORDINARY.items() for link in names]
ETA = np.array([0.3, 0.7, 1.4, 2.1])


@pytest.mark.parametrize(("name", "link"), PAIRS)
def test_three_views_of_one_density(name, link):
    family, link, y = resolve(name), links.resolve(link), ORDINARY[name][0]
    density = family.log_density(y, ETA, link, SCALE)
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
    family, link, y = resolve(name), links.resolve(link), ORDINARY[name][0]
    rest = [
        family.log_density(y, eta, link, SCALE)
        + family.kernel(y, eta, link, SCALE) / family.kernel_factor(SCALE)
        for eta in (ETA, ETA + 0.5)
    ]
    np.testing.assert_allclose(*rest, rtol=1e-12)


KERNELS = {
    "Poisson": lambda y, mean: mean - y * np.log(mean),
    "Gamma": lambda y, mean: y / mean + np.log(mean),
    "Gaussian": lambda y, mean: (y - mean) ** 2,
    "Bernoulli": lambda y, mean: -np.log(np.where(y == 1, mean, 1 - mean)),
    "NegativeBinomial": lambda y, mean: (
        -y * np.log(SCALE * mean / (SCALE * mean + 1)) + np.log(SCALE * mean + 1) / SCALE
    ),
}


@pytest.mark.parametrize(("name", "link"), PAIRS)
def test_kernel_is_the_documented_one(name, link):
    family, link, y = resolve(name), links.resolve(link), ORDINARY[name][0]
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
    family, n = resolve(name), 100_000
    mean = np.array([0.2, 0.7]) if name == "Bernoulli" else np.array([0.8, 5.0])
    draws = family.sample_generator(jax.random.key(1), np.broadcast_to(mean, (n, 2)), SCALE)
    draws = np.asarray(draws, float)
    variance = np.asarray(family.variance(mean, SCALE)) * np.ones(2)
    # Four standard errors for two means and two variances of five families: 1 in 800 by chance.
    assert (np.abs(draws.mean(0) - mean) < 4 * np.sqrt(variance / n)).all()
    spread = (draws - mean) ** 2
    assert (np.abs(spread.mean(0) - variance) < 4 * spread.std(0) / np.sqrt(n)).all()
    assert family.in_support(draws).all()


@pytest.mark.parametrize("name", SCALAR_FAMILIES)
def test_variance_is_that_of_the_distribution(name):
    family = resolve(name)
    distribution = family.distribution(ETA, family.default_inverse_link_function, SCALE)
    mean = family.mean(ETA, family.default_inverse_link_function)
    np.testing.assert_allclose(mean, distribution.mean, rtol=1e-12)
    np.testing.assert_allclose(family.variance(mean, SCALE) * np.ones(4), distribution.variance)


@pytest.mark.parametrize("name", SCALAR_FAMILIES)
def test_default_variance_and_deviance_agree_with_the_closed_forms(name):
    family, (y, _) = resolve(name), ORDINARY[name]
    mean = np.array([0.3, 0.6, 0.2, 0.9]) if name == "Bernoulli" else MEAN
    generic = Observations.variance(family, mean, SCALE)
    np.testing.assert_allclose(family.variance(mean, SCALE), generic, rtol=1e-12)
    if name in ("Gamma", "Gaussian"):
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
        mean = np.full(4, y.mean())
    value = resolve(name).pseudo_r2(y, mean, score_type, scale=SCALE)
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
    ],
)
def test_support(name, good, bad):
    family = resolve(name)
    assert family.in_support(np.array(good)).all()
    assert not family.in_support(np.array(bad)).any()
    assert family.support
    assert family.remedy


@pytest.mark.parametrize("name", SCALAR_FAMILIES)
def test_starting_means_are_inside_the_domain(name):
    family = resolve(name)
    y = ORDINARY[name][0]
    start = family.starting_mean(y, y.mean())
    eta = family.default_inverse_link_function.inverse(start)
    assert np.isfinite(family.log_density(y, eta, family.default_inverse_link_function, 1.0)).all()


def test_starting_means_of_classes_are_log_probabilities():
    family, y = CategoricalObservations(), np.eye(3)
    assert np.isfinite(family.starting_mean(y, y.mean(0))).all()
    np.testing.assert_allclose(np.exp(family.starting_mean(y, y.mean(0))).sum(-1), 1.0)
    assert np.isfinite(family.average_to_mean(np.array([0.0, 0.4, 0.6]))).all()


# Names and settings


@pytest.mark.parametrize("name", FAMILIES)
def test_resolve_names(name):
    for spelling in (name, f"{name}Observations", f"nemos.observation_models.{name}Observations"):
        family = resolve(spelling)
        assert type(family) is FAMILIES[name]
    assert resolve(family) is family
    assert family.default_inverse_link_function.__name__


def test_resolve_refuses():
    with pytest.raises(ValueError, match=r"Unknown observation model: 'Poison'.*Poisson"):
        resolve("Poison")
    with pytest.raises(AttributeError, match=r"does not have the required .*Got int"):
        resolve(3)


@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_frozen_values(name):
    family = resolve(name)
    assert repr(family) == repr(type(family)(**family.get_params()))
    assert eqx.tree_equal(pickle.loads(pickle.dumps(family)), family)
    assert eqx.tree_equal(family.with_params(), family)
    with pytest.raises(AttributeError):
        family.scale = 3.0


def test_settings():
    assert PoissonObservations().get_params() == {}
    assert repr(PoissonObservations()) == "PoissonObservations()"
    family = NegativeBinomialObservations(0.5)
    assert family.get_params() == {"scale": 0.5}
    assert repr(family) == "NegativeBinomialObservations(scale=0.5)"
    assert repr(family.with_params(scale=2)) == "NegativeBinomialObservations(scale=2.0)"
    assert repr(NegativeBinomialObservations(None)) == "NegativeBinomialObservations(scale=None)"
    assert family.scale.dtype == np.float64
    np.testing.assert_array_equal(
        NegativeBinomialObservations([0.1, 0.2]).get_params()["scale"], [0.1, 0.2]
    )


# A user's own family


class Laplace(Observations):
    """All that a user writes."""

    def log_density(self, y, eta, link, scale):
        return -jnp.abs(y - link(eta)) / scale - jnp.log(2 * scale)


class OwnPoisson(Observations):
    def log_density(self, y, eta, link, scale):
        return stats_free_poisson(y, link.log_mean(eta))


def stats_free_poisson(y, log_mean):
    return y * log_mean - jnp.exp(log_mean) - jax.scipy.special.gammaln(y + 1)


def test_own_family_needs_a_log_density_only():
    own, native, link = OwnPoisson(), PoissonObservations(), links.exp
    np.testing.assert_allclose(
        own.fisher_weight(ETA, link, 1.0), native.fisher_weight(ETA, link, 1.0)
    )
    np.testing.assert_allclose(own.variance(MEAN, 1.0), MEAN)
    np.testing.assert_allclose(own.log_likelihood(Y, MEAN), native.log_likelihood(Y, MEAN))
    np.testing.assert_allclose(
        own.unit_deviance(Y[1:], MEAN[1:], 1.0), native.unit_deviance(Y[1:], MEAN[1:], 1.0)
    )
    assert repr(own) == "OwnPoisson()"
    assert resolve(own) is own
    assert own.default_inverse_link_function == links.identity
    with pytest.raises(NotImplementedError, match="OwnPoisson defines neither `sample` nor"):
        own.sample_generator(jax.random.key(0), MEAN)


def test_own_family_with_a_distribution_can_be_sampled():
    class Own(Laplace):
        def distribution(self, eta, link, scale):
            from numpyro import distributions

            return distributions.Laplace(link(eta), scale)

    draws = Own().sample_generator(jax.random.key(0), jnp.full((10_000,), 3.0), 0.5)
    assert abs(draws.mean() - 3.0) < 4 * np.sqrt(2 * 0.5**2 / 10_000)  # 6 in 100,000


# Objects with NeMoS's interface


class Duck:
    """Exponential responses, written on the scale of the mean as for NeMoS."""

    def default_inverse_link_function(self, eta):
        return jnp.exp(eta)

    def _negative_log_likelihood(self, y, rate, aggregate_sample_scores=jnp.mean):
        return aggregate_sample_scores(y / rate + jnp.log(rate))

    def log_likelihood(self, y, rate, scale=1.0, aggregate_sample_scores=jnp.mean):
        return aggregate_sample_scores(-y / rate - jnp.log(rate))

    def likelihood(self, y, rate, scale=1.0, aggregate_sample_scores=jnp.mean):
        return jnp.exp(self.log_likelihood(y, rate, scale, aggregate_sample_scores))

    def pseudo_r2(self, y, rate, aggregate_sample_scores=jnp.mean):
        return aggregate_sample_scores(y - rate)

    def deviance(self, y, rate, scale=1.0):
        return 2 * (y / rate - 1 - jnp.log(y / rate))

    def estimate_scale(self, y, rate, dof_resid):
        return jnp.ones(())

    def sample_generator(self, key, rate, scale=1.0):
        return jax.random.exponential(key, rate.shape) * rate


def test_foreign_model_is_adapted():
    foreign, gamma, link = resolve(Duck()), GammaObservations(), links.exp
    assert isinstance(foreign, ForeignObservations)
    assert foreign.default_inverse_link_function.__name__ == "default_inverse_link_function"
    y = Y + 1
    for method in ("log_density", "kernel", "fisher_weight"):
        arguments = (ETA, link, 1.0) if method == "fisher_weight" else (y, ETA, link, 1.0)
        np.testing.assert_allclose(
            getattr(foreign, method)(*arguments), getattr(gamma, method)(*arguments), rtol=1e-12
        )
    np.testing.assert_allclose(foreign.deviance(y, MEAN), gamma.deviance(y, MEAN))
    np.testing.assert_array_equal(foreign.estimate_scale(y, MEAN, 2), [1.0])
    assert foreign.sample_generator(jax.random.key(0), jnp.asarray(MEAN)).shape == MEAN.shape


class Missing(Duck):
    deviance = property(lambda self: (_ for _ in ()).throw(AttributeError("gone")))


class NotCallable(Duck):
    deviance = 3.0


class NotArray(Duck):
    def deviance(self, y, rate, scale=1.0):
        return [1.0]


class NotScalar(Duck):
    def log_likelihood(self, y, rate, scale=1.0, aggregate_sample_scores=jnp.mean):
        return y - rate


class OtherShape(Duck):
    def sample_generator(self, key, rate, scale=1.0):
        return jnp.ones(7)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (Missing, AttributeError, "required `deviance` attribute! Got Missing"),
        (NotCallable, TypeError, "`deviance` attribute must be a Callable; got 3.0"),
        (NotArray, TypeError, "`deviance` must return a jax.numpy.ndarray; got list"),
        (NotScalar, TypeError, r"`log_likelihood` should return a scalar; got shape \(3,\)"),
        (OtherShape, ValueError, r"`sample_generator` should keep shape \(3,\); got \(7,\)"),
    ],
)
def test_check_observation_model_refuses(model, error, message):
    with pytest.raises(error, match=message):
        check_observation_model(model())


@pytest.mark.parametrize("name", SCALAR_FAMILIES)
def test_native_models_pass_the_forced_checks(name):
    check_observation_model(resolve(name), force_checks=True)
