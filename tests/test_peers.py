"""Fits against statsmodels and scikit-learn on the same data.

A population has a response with all features, one with three and one with two, so that masked
and unmasked fits are compared at once; the peers fit one response at a time, on the columns that
it uses. Weights are statsmodels's ``freq_weights`` (or repeated rows, where it has none) and
scikit-learn's ``sample_weight``.
"""

import functools
import warnings
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import statsmodels.api as sm
from sklearn import linear_model
from small_problems import (
    DISPERSION,
    NUM_CLASSES,
    NUM_RESPONSES,
    NUM_ROWS,
    TWEEDIE_POWER,
    design,
    feature_mask,
    labels,
    offsets,
    responses,
    weights,
)
from statsmodels.genmod.families import links
from statsmodels.tools.sm_exceptions import DomainWarning

from bayesglm.glm import GLM, ClassifierGLM, ClassifierPopulationGLM, PopulationGLM
from bayesglm.observation_models import NegativeBinomialObservations, TweedieObservations

# Both sides stop where their next step is below 1e-9 standard errors: 1e-6 leaves a margin.
SE_TOLERANCE = 1e-6
# Standard errors and dispersions depend smoothly on coefficients, whose relative errors are at
# most SE_TOLERANCE / sqrt(NUM_ROWS).
RTOL = 1e-7
# Likelihoods are flat at their maximum: what is left is rounding in a sum of a few hundred terms.
FLAT_RTOL = 1e-10

FAMILIES = {
    "Poisson": sm.families.Poisson,
    "Gamma": sm.families.Gamma,
    "Gaussian": sm.families.Gaussian,
    "Bernoulli": sm.families.Binomial,
    "NegativeBinomial": functools.partial(sm.families.NegativeBinomial, alpha=DISPERSION),
    "InverseGaussian": sm.families.InverseGaussian,
    "Tweedie": functools.partial(sm.families.Tweedie, var_power=TWEEDIE_POWER),
}
LINKS = {
    "log": links.Log,
    "sqrt": links.Sqrt,
    "identity": links.Identity,
    "inverse": links.InversePower,
    "inverse-squared": links.InverseSquared,
    "logit": links.Logit,
    "probit": links.Probit,
    "cloglog": links.CLogLog,
}
# Each compiles a program of its own; those left for `-m slow` differ from others in one function.
MODELS = [
    ("Poisson", "log"),
    ("Gamma", "inverse"),
    ("Gamma", "log"),
    ("Gaussian", "identity"),
    ("Bernoulli", "logit"),
    ("Bernoulli", "probit"),
    ("NegativeBinomial", "log"),
]
MORE_MODELS = [
    ("Poisson", "sqrt"),
    ("Poisson", "identity"),
    ("Gamma", "identity"),
    ("Gaussian", "log"),
    ("Bernoulli", "cloglog"),
    ("InverseGaussian", "log"),
    ("InverseGaussian", "inverse-squared"),
    ("Tweedie", "log"),
]
DEFAULTS = [("Poisson", "log"), ("Gaussian", "identity"), ("NegativeBinomial", "log")]
MORE_DEFAULTS = [("Gamma", "inverse"), ("Bernoulli", "logit")]
VARIANTS = ("plain", "weights", "offset", "mask", "all")
RESPONSES = range(NUM_RESPONSES)


def parametrize(models, slow):
    """Parameters of a test, under readable names."""
    rows = [pytest.param(*model, id="-".join(model)) for model in models]
    rows += [pytest.param(*model, id="-".join(model), marks=pytest.mark.slow) for model in slow]
    return pytest.mark.parametrize(("family", "link"), rows)


all_models = parametrize(MODELS, MORE_MODELS)
default_links = parametrize(DEFAULTS, MORE_DEFAULTS)
all_variants = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(autouse=True)
def double_precision():
    """Results are handed out in the precision of the session; here that is 64 bits."""
    with jax.enable_x64(True):
        yield


@dataclass(frozen=True)
class Arguments:
    """What varies between fits that share a program: weights, offsets and mask as arrays."""

    weight: np.ndarray
    offset: np.ndarray
    mask: np.ndarray

    @classmethod
    def of(cls, variant):
        """Arguments of a variant, neutral where it says nothing."""
        used = lambda name: variant in (name, "all")
        return cls(
            weights() if used("weights") else np.ones(NUM_ROWS),
            offsets() if used("offset") else np.zeros((NUM_ROWS, NUM_RESPONSES)),
            feature_mask() if used("mask") else np.ones_like(feature_mask()),
        )

    def columns(self, k):
        """Features of response k, shape (NUM_ROWS, at most NUM_FEATURES)."""
        return design()[:, self.mask[:, k] > 0]


@dataclass(frozen=True)
class Peer:
    """Another program's fit of one response; parameters with the intercept last."""

    params: np.ndarray
    bse: np.ndarray
    statistics: dict[str, Any]


@functools.cache
def peer(family, link, variant, k):
    """statsmodels's fit, by iteratively reweighted least squares to the last digit."""
    arguments, y = Arguments.of(variant), responses(family, link)[:, k]
    exog = np.column_stack([arguments.columns(k), np.ones(NUM_ROWS)])
    weight = arguments.weight
    with warnings.catch_warnings():
        # Some links reach beyond the means that the family allows; these data stay inside.
        warnings.simplefilter("ignore", DomainWarning)
        distribution = FAMILIES[family](LINKS[link]())
        model = sm.GLM(y, exog, distribution, offset=arguments.offset[:, k], freq_weights=weight)
    result = model.fit(tol=1e-13, tol_criterion="params", maxiter=500)
    assert result.converged
    average = np.full(NUM_ROWS, np.average(y, weights=weight))
    scale = DISPERSION if family == "NegativeBinomial" else result.scale
    density = functools.partial(distribution.loglike, y, freq_weights=weight, scale=result.scale)
    deviance = functools.partial(distribution.deviance, y, freq_weights=weight)
    statistics = {
        "scale": scale,
        "dof_resid": result.df_resid,
        "deviance": deviance(result.fittedvalues),
        "log-likelihood": density(result.fittedvalues),
        # Against a constant mean, whatever the offsets.
        "pseudo-r2-McFadden": 1 - density(result.fittedvalues) / density(average),
        "pseudo-r2-Cohen": 1 - deviance(result.fittedvalues) / deviance(average),
    }
    return Peer(result.params, result.bse, statistics)


def observation_model(family):
    """The family as bayesglm has it, with the dispersion that statsmodels is given."""
    if family == "NegativeBinomial":
        return NegativeBinomialObservations(scale=DISPERSION)
    if family == "Tweedie":
        return TweedieObservations(power=TWEEDIE_POWER)
    return family


def parameters(model, k=None):
    """Coefficients and the intercept of response k, shape (NUM_FEATURES + 1,)."""
    stacked = np.concatenate([model.coef_, np.atleast_1d(model.intercept_)[None]])
    return stacked[:, 0 if k is None else k]


def spread(model, k):
    """Standard errors of response k, in the order of `parameters`."""
    coef, intercept = model.standard_errors_
    return np.concatenate([coef, intercept[None]])[:, k]


def wide(mask, values):
    """Peer's values at the features in use, zero elsewhere, and the intercept."""
    result = np.zeros(mask.size + 1)
    result[np.append(mask > 0, True)] = values
    return result


# Populations by maximum likelihood


@functools.cache
def population(family, link, variant):
    """One program for all variants of a model."""
    arguments = Arguments.of(variant)
    model = PopulationGLM(
        observation_model(family), inverse_link_function=link, feature_mask=arguments.mask
    )
    return model.fit(
        design(),
        responses(family, link),
        sample_weight=arguments.weight,
        offset=arguments.offset,
    )


@all_variants
@all_models
def test_population_coefficients(family, link, variant):
    model, mask = population(family, link, variant), Arguments.of(variant).mask
    for k in RESPONSES:
        other = peer(family, link, variant, k)
        error = parameters(model, k) - wide(mask[:, k], other.params)
        np.testing.assert_allclose(
            error / np.where(error == 0, 1, wide(mask[:, k], other.bse)), 0, atol=SE_TOLERANCE
        )


@all_variants
@all_models
def test_population_standard_errors(family, link, variant):
    model, mask = population(family, link, variant), Arguments.of(variant).mask
    for k in RESPONSES:
        used = np.append(mask[:, k] > 0, True)
        expected = peer(family, link, variant, k).bse
        np.testing.assert_allclose(spread(model, k)[used], expected, rtol=RTOL)
        assert np.isnan(spread(model, k)[~used]).all()


@all_variants
@all_models
def test_population_dispersion_and_degrees_of_freedom(family, link, variant):
    model = population(family, link, variant)
    peers = [peer(family, link, variant, k).statistics for k in RESPONSES]
    np.testing.assert_allclose(model.scale_, [other["scale"] for other in peers], rtol=RTOL)
    np.testing.assert_array_equal(model.dof_resid_, [other["dof_resid"] for other in peers])


@all_variants
@all_models
def test_population_deviance(family, link, variant):
    model, arguments = population(family, link, variant), Arguments.of(variant)
    y, mean = responses(family, link), model.predict(design(), offset=arguments.offset)
    scale = DISPERSION if family == "NegativeBinomial" else 1.0
    total = arguments.weight @ np.asarray(model.observation_model.deviance(y, mean, scale))
    expected = [peer(family, link, variant, k).statistics["deviance"] for k in RESPONSES]
    np.testing.assert_allclose(total, expected, rtol=FLAT_RTOL)


@pytest.mark.parametrize("score_type", ["log-likelihood", "pseudo-r2-McFadden", "pseudo-r2-Cohen"])
@all_variants
@all_models
def test_population_scores(family, link, variant, score_type):
    model, arguments = population(family, link, variant), Arguments.of(variant)
    score = model.score(
        design(),
        responses(family, link),
        score_type,
        lambda cells: jnp.sum(arguments.weight[:, None] * cells, axis=0),
        sample_weight=arguments.weight,
        offset=arguments.offset,
    )
    expected = [peer(family, link, variant, k).statistics[score_type] for k in RESPONSES]
    # The dispersion of the log-likelihood is not at its maximum: it is known to RTOL.
    np.testing.assert_allclose(score, expected, rtol=RTOL, atol=FLAT_RTOL)


# One response, with default arguments


@functools.cache
def single(family, link, weighted):
    """GLM of the first response with everything left at its default."""
    weight = weights() if weighted else None
    return GLM(observation_model(family)).fit(
        design(), responses(family, link)[:, 0], sample_weight=weight
    )


@pytest.mark.parametrize("weighted", [False, True])
@default_links
def test_single_fit(family, link, weighted):
    model = single(family, link, weighted)
    other = peer(family, link, "weights" if weighted else "plain", 0)
    error = np.append(model.coef_, model.intercept_) - other.params
    np.testing.assert_allclose(error / other.bse, 0, atol=SE_TOLERANCE)
    np.testing.assert_allclose(np.append(*model.standard_errors_), other.bse, rtol=RTOL)
    np.testing.assert_allclose(model.scale_, [other.statistics["scale"]], rtol=RTOL)
    np.testing.assert_array_equal(model.dof_resid_, [other.statistics["dof_resid"]])


@pytest.mark.parametrize("weighted", [False, True])
@default_links
def test_single_scores(family, link, weighted):
    model, y = single(family, link, weighted), responses(family, link)[:, 0]
    weight = weights() if weighted else None
    expected = peer(family, link, "weights" if weighted else "plain", 0).statistics
    score = functools.partial(model.score, design(), y, sample_weight=weight)
    total = score() * (weights().sum() if weighted else NUM_ROWS)
    np.testing.assert_allclose(total, expected["log-likelihood"], rtol=RTOL)
    for score_type in ("pseudo-r2-McFadden", "pseudo-r2-Cohen"):
        np.testing.assert_allclose(score(score_type), expected[score_type], rtol=RTOL)


# Negative binomial with its dispersion estimated


@functools.cache
def estimated_dispersion(variant, k):
    """statsmodels's joint fit of coefficients and dispersion: BFGS, then Newton's method."""
    arguments = Arguments.of(variant)
    repeats = arguments.weight.astype(int)
    exog = np.column_stack([arguments.columns(k), np.ones(NUM_ROWS)]).repeat(repeats, axis=0)
    y = responses("NegativeBinomial", "log")[:, k].repeat(repeats)
    offset = arguments.offset[:, k].repeat(repeats)
    model = sm.NegativeBinomial(y, exog, offset=offset)
    rough = model.fit(disp=0, maxiter=500)
    result = model.fit(start_params=rough.params, method="newton", tol=1e-12, disp=0)
    assert np.abs(model.score(result.params)).max() < 1e-7
    # Its own standard errors are from the observed information of both together; ours, as in
    # every GLM, from the expected one, in which coefficients and dispersion do not mix.
    alpha = result.params[-1]
    distribution = sm.families.NegativeBinomial(alpha=alpha)
    expected = sm.GLM(y, exog, distribution, offset=offset).fit(tol=1e-13, tol_criterion="params")
    return Peer(result.params[:-1], expected.bse, {"scale": alpha, "log-likelihood": result.llf})


def assert_same_negative_binomial(params, errors, scale, log_likelihood, other):
    # The coefficients and the logarithm of the dispersion are optimised in turn until the latter
    # moves by less than 1e-9.
    np.testing.assert_allclose((params - other.params) / other.bse, 0, atol=SE_TOLERANCE)
    np.testing.assert_allclose(errors, other.bse, rtol=RTOL)
    np.testing.assert_allclose(scale, other.statistics["scale"], rtol=RTOL)
    expected = other.statistics["log-likelihood"]
    np.testing.assert_allclose(log_likelihood, expected, rtol=FLAT_RTOL)


@pytest.mark.parametrize("variant", ["plain", "weights"])
def test_negative_binomial_with_estimated_dispersion(variant):
    arguments, y = Arguments.of(variant), responses("NegativeBinomial", "log")[:, 0]
    model = GLM(NegativeBinomialObservations(scale=None))
    model.fit(design(), y, sample_weight=arguments.weight)
    total = arguments.weight.sum() * model.score(design(), y, sample_weight=arguments.weight)
    assert_same_negative_binomial(
        np.append(model.coef_, model.intercept_),
        np.append(*model.standard_errors_),
        model.scale_[0],
        total,
        estimated_dispersion(variant, 0),
    )


@pytest.mark.slow
@all_variants
def test_population_of_negative_binomials_with_estimated_dispersions(variant):
    arguments, y = Arguments.of(variant), responses("NegativeBinomial", "log")
    model = PopulationGLM(NegativeBinomialObservations(scale=None), feature_mask=arguments.mask)
    model.fit(design(), y, sample_weight=arguments.weight, offset=arguments.offset)
    totals = model.score(
        design(),
        y,
        aggregate_sample_scores=lambda cells: arguments.weight @ cells,
        sample_weight=arguments.weight,
        offset=arguments.offset,
    )
    for k in RESPONSES:
        used = np.append(arguments.mask[:, k] > 0, True)
        assert_same_negative_binomial(
            parameters(model, k)[used],
            spread(model, k)[used],
            model.scale_[k],
            totals[k],
            estimated_dispersion(variant, k),
        )


# Classes: only differences from a reference class are identified


@functools.cache
def multinomial(variant, k):
    """statsmodels's fit; parameters of shape (features in use + 1, NUM_CLASSES - 1)."""
    arguments = Arguments.of(variant)
    repeats = arguments.weight.astype(int)
    exog = np.column_stack([arguments.columns(k), np.ones(NUM_ROWS)]).repeat(repeats, axis=0)
    y = labels()[:, k].repeat(repeats)
    result = sm.MNLogit(y, exog).fit(method="newton", tol=1e-12, maxiter=200, disp=0)
    null = np.log(np.bincount(y) / y.size)[y].sum()
    statistics = {
        "dof_resid": result.df_resid,
        "log-likelihood": result.llf,
        # The deviance is minus twice the log-likelihood: one pseudo-R2 is the other.
        "pseudo-r2-McFadden": 1 - result.llf / null,
        "pseudo-r2-Cohen": 1 - result.llf / null,
    }
    return Peer(np.asarray(result.params), np.asarray(result.bse), statistics)


def contrasts(params, covariance):
    """Differences from the first class, and their standard errors; intercept last.

    ``params`` has shape (p + 1, C), ``covariance`` (D, D) with D = (p + 1) C, classes innermost.
    """
    difference = np.eye(NUM_CLASSES)[1:] - np.eye(NUM_CLASSES)[0]
    blocks = covariance.reshape(*params.shape, *params.shape)
    variance = np.einsum("ac,icid,ad->ia", difference, blocks, difference)
    return params @ difference.T, np.sqrt(variance)


@functools.cache
def classifiers(variant):
    """One softmax regression per response, by maximum likelihood."""
    arguments = Arguments.of(variant)
    mask = np.repeat(arguments.mask[:, :, None], NUM_CLASSES, axis=2)
    model = ClassifierPopulationGLM(NUM_CLASSES, regularizer="UnRegularized", feature_mask=mask)
    return model.fit(design(), labels(), sample_weight=arguments.weight)


@pytest.mark.parametrize("variant", ["plain", "weights", "mask"])
def test_population_of_classifiers(variant):
    model, mask = classifiers(variant), Arguments.of(variant).mask
    stacked = np.concatenate([model.coef_, model.intercept_[None]])
    for k in RESPONSES:
        used, other = np.append(mask[:, k] > 0, True), multinomial(variant, k)
        params, errors = contrasts(stacked[:, k], model.covariance_[k])
        np.testing.assert_allclose((params[used] - other.params) / other.bse, 0, atol=SE_TOLERANCE)
        np.testing.assert_allclose(errors[used], other.bse, rtol=RTOL)
        assert model.dof_resid_[k] == other.statistics["dof_resid"]
        assert model.scale_[k] == 1


@pytest.mark.parametrize("score_type", ["log-likelihood", "pseudo-r2-McFadden", "pseudo-r2-Cohen"])
@pytest.mark.parametrize("variant", ["plain", "weights", "mask"])
def test_scores_of_classifiers(variant, score_type):
    weight = Arguments.of(variant).weight
    score = classifiers(variant).score(
        design(),
        labels(),
        score_type,
        aggregate_sample_scores=lambda cells: weight @ cells,
        sample_weight=weight,
    )
    expected = [multinomial(variant, k).statistics[score_type] for k in RESPONSES]
    np.testing.assert_allclose(score, expected, rtol=FLAT_RTOL)


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_classifier(weighted):
    variant = "weights" if weighted else "plain"
    model = ClassifierGLM(NUM_CLASSES, regularizer="UnRegularized")
    model.fit(design(), labels()[:, 0], sample_weight=weights() if weighted else None)
    stacked = np.concatenate([model.coef_, model.intercept_[None]])
    params, errors = contrasts(stacked, model.covariance_)
    other = multinomial(variant, 0)
    np.testing.assert_allclose((params - other.params) / other.bse, 0, atol=SE_TOLERANCE)
    np.testing.assert_allclose(errors, other.bse, rtol=RTOL)


# Penalised fits


@dataclass(frozen=True)
class Penalised:
    """A penalised model, and scikit-learn's estimator for it given strength and sum of weights."""

    family: str
    link: str
    regularizer: str
    strength: Any
    estimator: Any


S, RATIO = 0.05, 0.6


def newton(estimator):
    """Tightly converged second-order fit."""
    return functools.partial(estimator, solver="newton-cholesky", tol=1e-12, max_iter=1000)


def descent(estimator):
    """Tightly converged coordinate descent: the duality gap is quadratic in the error."""
    return functools.partial(estimator, tol=1e-15, max_iter=100_000)


def logistic(**settings):
    """LogisticRegression of strength s for the sum of weights w: C = 1 / (s w)."""
    return lambda s, total: linear_model.LogisticRegression(C=1 / (s * total), **settings)


NEWTON_CHOLESKY = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}
# SAGA converges linearly, and stops when a sweep changes coefficients by 1e-12 of the largest.
# (It looks at no intercept: where all coefficients are zero it stops before that is right.)
SAGA = {"solver": "saga", "tol": 1e-12, "max_iter": 200_000, "random_state": 0}
# Strengths that leave some coefficients zero and others not, in every response.
PENALISED = {
    "Poisson ridge": Penalised(
        "Poisson",
        "log",
        "Ridge",
        S,
        lambda s, total: newton(linear_model.PoissonRegressor)(alpha=s),
    ),
    # The Gaussian kernel is the squared residual, scikit-learn's half of it.
    "Gaussian lasso": Penalised(
        "Gaussian",
        "identity",
        "Lasso",
        S,
        lambda s, total: descent(linear_model.Lasso)(alpha=s / 2),
    ),
    "Gaussian elastic net": Penalised(
        "Gaussian",
        "identity",
        "ElasticNet",
        (S, RATIO),
        lambda s, total: descent(linear_model.ElasticNet)(alpha=s / 2, l1_ratio=RATIO),
    ),
    "Bernoulli lasso": Penalised("Bernoulli", "logit", "Lasso", 0.01, logistic(l1_ratio=1, **SAGA)),
    "Bernoulli elastic net": Penalised(
        "Bernoulli", "logit", "ElasticNet", (0.02, RATIO), logistic(l1_ratio=RATIO, **SAGA)
    ),
}
MORE_PENALISED = {
    "Gamma ridge": Penalised(
        "Gamma",
        "log",
        "Ridge",
        S,
        lambda s, total: newton(linear_model.GammaRegressor)(alpha=s),
    ),
    "Tweedie ridge": Penalised(
        "Tweedie",
        "log",
        "Ridge",
        S,
        lambda s, total: newton(linear_model.TweedieRegressor)(
            alpha=s, power=TWEEDIE_POWER, link="log"
        ),
    ),
    "Gaussian ridge with log link": Penalised(
        "Gaussian",
        "log",
        "Ridge",
        S,
        lambda s, total: newton(linear_model.TweedieRegressor)(alpha=s / 2, power=0, link="log"),
    ),
    "Bernoulli ridge": Penalised("Bernoulli", "logit", "Ridge", S, logistic(**NEWTON_CHOLESKY)),
    "Gaussian ridge": Penalised(
        "Gaussian",
        "identity",
        "Ridge",
        S,
        lambda s, total: linear_model.Ridge(alpha=s * total / 2, solver="cholesky"),
    ),
}
penalised_models = pytest.mark.parametrize(
    "name", [*PENALISED, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE_PENALISED)]
)


def strength_of(problem):
    """The strength without the ratio."""
    return problem.strength[0] if isinstance(problem.strength, tuple) else problem.strength


def fit_peer(problem, X, y, weight):
    """scikit-learn's parameters, the intercept last."""
    estimator = problem.estimator(strength_of(problem), weight.sum())
    estimator.fit(X, y, sample_weight=weight)
    return np.append(np.ravel(estimator.coef_), estimator.intercept_)


@pytest.mark.parametrize("variant", ["plain", "weights", "mask"])
@penalised_models
def test_penalised_population(name, variant):
    problem, arguments = (PENALISED | MORE_PENALISED)[name], Arguments.of(variant)
    y = responses(problem.family, problem.link)
    model = PopulationGLM(
        observation_model(problem.family),
        inverse_link_function=problem.link,
        regularizer=problem.regularizer,
        regularizer_strength=problem.strength,
        feature_mask=arguments.mask,
    ).fit(design(), y, sample_weight=arguments.weight)
    for k in RESPONSES:
        used = np.append(arguments.mask[:, k] > 0, True)
        expected = fit_peer(problem, arguments.columns(k), y[:, k], arguments.weight)
        unit = peer(problem.family, problem.link, variant, k).bse
        found = parameters(model, k)[used]
        np.testing.assert_allclose((found - expected) / unit, 0, atol=SE_TOLERANCE)
        np.testing.assert_array_equal(found == 0, expected == 0)


CLASS_PENALTIES = {
    "ridge": ("Ridge", S, logistic(**NEWTON_CHOLESKY)),
    "lasso": ("Lasso", 0.02, logistic(l1_ratio=1, **SAGA)),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["ridge", pytest.param("lasso", marks=pytest.mark.slow)])
def test_penalised_classifier(name, weighted):
    regularizer, strength, estimator = CLASS_PENALTIES[name]
    weight = weights() if weighted else np.ones(NUM_ROWS)
    model = ClassifierGLM(NUM_CLASSES, regularizer=regularizer, regularizer_strength=strength)
    model.fit(design(), labels()[:, 0], sample_weight=weight)
    other = estimator(strength, weight.sum())
    other.fit(design(), labels()[:, 0], sample_weight=weight)
    unit = multinomial("plain", 0).bse.min()
    np.testing.assert_allclose((model.coef_ - other.coef_.T) / unit, 0, atol=SE_TOLERANCE)
    # Intercepts are not penalised: a constant added to all of them changes nothing.
    centred = lambda intercept: np.asarray(intercept) - np.mean(intercept)
    error = centred(model.intercept_) - centred(other.intercept_)
    np.testing.assert_allclose(error / unit, 0, atol=SE_TOLERANCE)
    ours = model.predict_proba(design(), return_type="proba")
    np.testing.assert_allclose(ours, other.predict_proba(design()), rtol=SE_TOLERANCE)
