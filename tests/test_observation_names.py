"""Observation models by name; their settings; users' own families and foreign objects."""

import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayesglm import links
from bayesglm.observation_models import (
    FAMILIES,
    ForeignObservations,
    GammaObservations,
    NegativeBinomialObservations,
    Observations,
    PoissonObservations,
    check_observation_model,
    resolve,
)

Y = np.array([0.0, 1.0, 2.0, 3.0])
MEAN = np.array([0.5, 1.5, 2.0, 2.5])
ETA = np.array([0.3, 0.7, 1.4, 2.1])


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


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


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in FAMILIES
        if name != "Categorical" and resolve(name).scale_estimator != "likelihood"
    ],
)
def test_native_models_pass_the_forced_checks(name):
    check_observation_model(resolve(name), force_checks=True)
