"""`calibrate`: finds draws that are wrong, passes those that are right, and what it refuses."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from bayesglm import GLM, ClassifierGLM, PopulationGLM, Prior, _calibration
from bayesglm.diagnostics import calibration
from bayesglm.posterior import data_sets, methods
from bayesglm.regularizer import GroupLasso, Horseshoe

SIMULATIONS, DRAWS = 100, 250
X = np.random.default_rng(5).uniform(-1.5, 1.5, (40, 1))
KNOWN = Prior(dist.Normal(0.0, 0.15), intercept=dist.Normal(1.0, 0.5))


# What is made of draws, without a model


def judged(scale=1.0, shift=0.0, num=500, quantities=2):
    """Calibration where posterior and prior are standard normal, but for the draws' fault."""
    rng = np.random.default_rng(0)
    true = rng.normal(size=(num, quantities))
    drawn = rng.normal(size=(4, DRAWS, num, quantities))
    drawn[..., 0] = shift + scale * drawn[..., 0]
    names = [f"coef[{j}]" for j in range(quantities)]
    log_likelihood = rng.normal(size=(100, num))
    settings = {"num_lost": 0, "method": "nuts"}
    return calibration.calibration_result(names, true, drawn, log_likelihood, **settings)


def test_good_draws_pass():
    found = judged()
    assert found.passed
    assert found.num_simulations == 500
    assert found.num_poor == 0
    assert "no fault found" in repr(found)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"scale": 0.8}, "draws too narrow"),
        ({"scale": 1.25}, "draws too wide"),
        ({"shift": 0.3}, "draws too large"),
        ({"shift": -0.3}, "draws too small"),
    ],
)
def test_faults_are_found_and_named(fault, words):
    found = judged(**fault)
    assert not found.passed
    text = repr(found)
    assert "NOT CALIBRATED" in text
    assert f"coef[0]: {words}" in text
    assert "coef[1]:" not in text


def test_tests_are_those_of_scipy(rng):
    ranks = rng.integers(0, 100, (200, 3))
    found = calibration.uniformity(ranks)
    for j in range(3):
        counts, _ = np.histogram(ranks[:, j], np.arange(0, 101, 10))
        p = stats.chisquare(counts).pvalue
        np.testing.assert_allclose(found["chi_square"][j], p, rtol=1e-12)
    # Moments of (k + 1/2) / 100 less 1/2, k uniform: 0 and 1/12, to the 1e-4 of discreteness.
    u = (np.arange(100) + 0.5) / 100 - 0.5
    np.testing.assert_allclose([np.mean(u**2), np.var(u**2)], [1 / 12, 1 / 180], rtol=5e-4)


def test_p_values_are_uniform(rng):
    """Of 1,000 true null hypotheses, Kolmogorov's test has p below 1e-4 by chance so often."""
    found = calibration.uniformity(rng.integers(0, 100, (500, 1000)))
    assert stats.kstest(found["moments"], "uniform").pvalue > 1e-4
    assert stats.kstest(found["shift"], "norm").pvalue > 1e-4


def test_coverage_is_of_central_intervals():
    """Draws that are the quantiles 0.5/1000, ..., and truths whose intervals are known."""
    quantiles = (np.arange(1000) + 0.5) / 1000
    drawn = np.tile(quantiles.reshape(4, 250, 1, 1), (1, 1, 5, 1))
    true = np.array([0.5, 0.3, 0.15, 0.06, 0.01])[:, None]
    found = calibration.covered(drawn, true)[0]
    np.testing.assert_allclose(found, [0.4, 0.6, 0.8, 0.8])
    np.testing.assert_array_equal(calibration.thinned(drawn)[:, 0, 0], quantiles[9::10][:99])


def test_band_holds_uniform_ranks(rng):
    """In 95 % of cases, within four standard errors of 1,000."""
    from bayesglm.diagnostics.calibration_plot import band

    low, high = band(200)
    counts = rng.multinomial(200, np.full(100, 0.01), 1000).cumsum(axis=1) / 200
    inside = ((low <= counts + 1e-12) & (counts - 1e-12 <= high)).all(axis=1)
    assert abs(inside.mean() - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 1000) + 0.01


def test_plot():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    found = judged(quantities=8)
    assert found.plot().shape == (6, 2)
    axes = found.plot(["coef[1]", "log_likelihood"])
    assert [ax.get_title(loc="left") for ax in axes[:, 0]] == ["coef[1]", "log_likelihood"]
    with pytest.raises(ValueError, match="quantities"):
        found.plot(["slope"])
    plt.close("all")


# A model


def calibrate(model, **settings):
    settings = {"method": "importance", "random_state": 0, "progress_bar": False} | settings
    return model.calibrate(settings.pop("X", X), settings.pop("num", SIMULATIONS), **settings)


def shrunk(sample, factor=0.8):
    """A sampler whose draws have less of their spread."""

    def wrong(posterior, options):
        drawn = sample(posterior, options)
        center = drawn.theta.mean(axis=(0, 1))
        return replace(drawn, theta=center + factor * (drawn.theta - center))

    return wrong


def test_a_model_passes_and_wrong_ones_do_not(monkeypatch):
    """One compilation for all three: the faults are in the numbers."""
    model = GLM("Poisson", regularizer=KNOWN)
    found = calibrate(model)
    assert found.passed
    assert model.posterior_ is None
    assert list(found.ranks.columns) == ["coef[x0]", "intercept", "log_likelihood"]
    assert found.ranks.shape == (SIMULATIONS, 3)
    # Four binomial standard errors: 6 in 100,000 for each of eight shares.
    assert found.coverage_error.abs().max(axis=None) < 4
    assert found.num_lost == 0

    with monkeypatch.context() as patch:
        patch.setitem(methods.METHODS, "importance", shrunk(methods.sample_importance, 0.6))
        assert not calibrate(model).passed

    def other_prior(beliefs, rng, count):
        params, scale, own = draw(beliefs, rng, count)
        return type(params)(3 * params.coef, params.intercept), scale, own

    draw = _calibration.draw_parameters
    with monkeypatch.context() as patch:
        patch.setattr(_calibration, "draw_parameters", other_prior)
        found = calibrate(model)
        assert not found.passed
        assert found.tests.loc["coef[x0]", "spread"] > 4


@eqx.filter_jit
def evaluate(density, theta):
    return density.value_and_gradient(theta)


def test_densities_are_those_of_single_data_sets(rng):
    """Each problem has the value and gradient that a model of its data set alone has."""
    P, K, S = 2, 2, 3
    design = rng.normal(size=(20, P))
    Y = rng.poisson(2.0, (S, 20, K)).astype(float)
    model = PopulationGLM("Poisson", regularizer=Prior(dist.Normal(0.0, 0.5), dist.Normal(0, 1)))
    with jax.enable_x64(True):
        _, beliefs = model._beliefs(design, Y[0], None, None, None)
        posteriors = _calibration._posteriors(model, beliefs, Y)
        theta = jnp.asarray(rng.normal(size=posteriors.start.shape))
        kept = np.array([5, 0, 3])
        got = evaluate(posteriors.target, theta)
        some = evaluate(posteriors.take(kept).target, theta[kept])
        for s in range(S):
            _, beliefs = model._beliefs(design, Y[s], None, None, None)
            alone = _calibration._posteriors(model, beliefs, Y[s][None]).density.one
            expected = evaluate(alone, theta[K * s : K * (s + 1)])
            for all_sets, one in zip(got, expected, strict=True):
                np.testing.assert_allclose(all_sets[K * s : K * (s + 1)], one, rtol=1e-12)
        for chosen, all_sets in zip(some, got, strict=True):
            np.testing.assert_allclose(chosen, all_sets[kept], rtol=1e-12)
        params = (np.zeros((1, S, P, K)), np.ones((1, S, K)))
        found = data_sets.log_likelihood(
            posteriors.density, type(beliefs.model.loss.movable)(*params), np.ones((1, S, K))
        )
    np.testing.assert_allclose(found[0], stats.poisson.logpmf(Y, np.e).sum(axis=(1, 2)), rtol=1e-12)


# Refusals


@pytest.mark.parametrize(
    ("model", "settings", "words"),
    [
        (GLM("Poisson"), {}, r"coefficients \['0'\] is flat|coefficients \['x0'\] is flat"),
        (GLM("Poisson", regularizer="Ridge"), {}, "intercept is flat.*`intercept_prior`"),
        (
            GLM("Poisson", regularizer=KNOWN),
            {"intercept_prior": dist.Normal(0.0, 1.0)},
            "has a prior of the intercept",
        ),
        (GLM("Poisson", regularizer=KNOWN), {"sample_weight": np.full(40, 2.0)}, "zero or one"),
        (GLM("Poisson", regularizer=KNOWN), {"num": 5}, "at least 20"),
        (GLM("Poisson", regularizer=KNOWN), {"num": 50.5}, "whole number"),
        (GLM("Poisson", regularizer=KNOWN), {"num_samples": 20}, "above 99"),
        (GLM("Poisson", regularizer=KNOWN), {"method": "laplace"}, "whose draws are exact"),
        (GLM("Gaussian", regularizer=KNOWN), {}, "Pass `y`"),
        (
            GLM("Poisson", regularizer=Prior(dist.Normal(0, 90.0), intercept=dist.Normal(0, 90.0))),
            {},
            "simulated data sets can be drawn",
        ),
    ],
)
def test_refusals(model, settings, words):
    with pytest.raises(ValueError, match=words):
        calibrate(model, **settings)


def test_responses_tied_together_are_refused(rng):
    model = PopulationGLM("Poisson", regularizer=GroupLasso(mask=np.ones((1, 1, 2))))
    Y = rng.poisson(2.0, (40, 2))
    with pytest.raises(ValueError, match="ties the 2 responses together"):
        calibrate(model, y=Y, intercept_prior=dist.Normal(0.0, 1.0))


# Other models


Y_REFERENCE = np.random.default_rng(6).gamma(2.0, 2.0, (40, 2))
NARROW = dist.Normal(0.0, 0.5)
MODELS = {
    "autoscaled": (GLM("Gaussian", regularizer=Prior()), {"y": Y_REFERENCE[:, 0]}),
    "exact": (GLM("Gaussian", regularizer=Prior()), {"y": Y_REFERENCE[:, 0], "method": "exact"}),
    "ridge": (
        GLM("Gaussian", regularizer="Ridge", regularizer_strength=0.1),
        {"y": Y_REFERENCE[:, 0], "intercept_prior": NARROW, "method": "nuts"},
    ),
    "lasso": (
        GLM("Gamma", "log", "Lasso", 0.2),
        {
            "y": Y_REFERENCE[:, 0],
            "intercept_prior": NARROW,
            "scale_prior": dist.Gamma(10.0, 15.0),
            "method": "nuts",
        },
    ),
    "group lasso": (
        GLM("Poisson", regularizer=GroupLasso(mask=np.ones((1, 2))), regularizer_strength=0.2),
        {"X": np.hstack([X, X**2]), "intercept_prior": NARROW, "method": "nuts"},
    ),
    "sampled strength": (
        GLM("Bernoulli", regularizer="Ridge", regularizer_strength=dist.Gamma(2.0, 10.0)),
        {"intercept_prior": NARROW, "method": "nuts"},
    ),
    "horseshoe": (
        GLM("Bernoulli", regularizer=Horseshoe(global_scale=0.5, intercept=NARROW)),
        {"method": "nuts"},
    ),
    "classes": (
        ClassifierGLM(3, regularizer=Prior(NARROW, intercept=NARROW)),
        {"y": np.arange(40) % 3},
    ),
    "population": (
        PopulationGLM("Poisson", regularizer=Prior(NARROW, intercept=NARROW)),
        {"y": Y_REFERENCE.round(), "method": "auto"},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_other_models_pass(name):
    model, settings = MODELS[name]
    found = calibrate(model, **{"num": 200, "method": "auto"} | settings)
    print(found)
    assert found.passed
