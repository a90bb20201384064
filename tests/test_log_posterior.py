"""The log-density that is sampled is the model's: against SciPy, and against itself.

Densities are evaluated one operation at a time, without compilation, at a handful of points.
"""

from types import MethodType, SimpleNamespace

import exact_posteriors as exact
import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from exact_posteriors import FAMILIES, STRENGTH
from scipy import special, stats

from bayesglm import GLM, ClassifierGLM, PopulationGLM, posterior
from bayesglm.exceptions import DataWarning
from bayesglm.glm import scale_prior
from bayesglm.glm.assemble import assemble
from bayesglm.glm.likelihood import Standardization
from bayesglm.glm.params import GLMParams
from bayesglm.observation_models import NegativeBinomialObservations
from bayesglm.regularizer import Prior, sampled
from bayesglm.regularizer.penalties import ElasticNetPenalty

ROWS, FEATURES = 24, 3
POINTS = 64  # at which a density is evaluated at once
STEP = 1e-5  # of central differences: the cube root of the precision
ROOT_PRIOR = 0.8  # scale of the half-normal prior of the root of the dispersion
with jax.enable_x64(True):
    PRIORS = exact.priors()

rng = np.random.default_rng(3)
X = rng.uniform(-1, 1, (ROWS, FEATURES)) @ np.diag([1.0, 0.5, 2.0]) + [0.0, 0.3, 0.0]
COEF = np.array([0.4, 0.3, 0.2])
ETA = X @ COEF + 0.3


@pytest.fixture(autouse=True)
def one_operation_at_a_time():
    with jax.enable_x64(True), jax.disable_jit():
        yield


def response(name, eta=ETA, seed=4):
    family = FAMILIES[name]
    mean = family.mean(eta + family.level)
    return family.draw(np.random.default_rng(seed), mean, 0.4).astype(float)


Y = {name: response(name) for name in FAMILIES}


def estimator(family, prior, kind=GLM, **settings):
    chosen, case = FAMILIES[family], PRIORS[prior]
    return kind(chosen.observations, chosen.link, case.regularizer, case.strength, **settings)


def features(prior):
    return {"a": X[:, :2], "b": X[:, 2:]} if PRIORS[prior].parts else X


def scale_prior_of(family):
    return dist.HalfNormal(ROOT_PRIOR) if FAMILIES[family].estimated else None


def unfitted(self, X, y, init_params, sample_weight, offset, adjust):
    """In place of ``_fit``: the assembled model with all coefficients zero."""
    data = self._read(X, y, sample_weight, offset, reset=True)
    layout, K = data.design.layout, data.y.shape[1]
    target, trailing = self._kernel_response(data.y), self._trailing(K)
    choices = adjust(self._choices(layout, K))
    assembled = assemble(choices, data, target, trailing, coordinates="columns")
    p, classes = layout.num_features, target.shape[2:]
    size = (p + 1) * int(np.prod(classes))
    self._scale = np.ones(K)
    zero = GLMParams(np.zeros((p, K, *classes)), np.zeros((K, *classes)))
    return SimpleNamespace(params=zero, precision=np.tile(np.eye(size), (K, 1, 1))), assembled, data


def build(model, X, y, weight=None, offset=None, scale_prior=None):
    """The log-density that ``sample`` draws from, without the time of a fit."""
    model._fit = MethodType(unfitted, model)
    return model._build_posterior(X, y, weight, offset, scale_prior)[1].density


def differences(value):
    return value[1:] - value[0]


def padded(theta):
    """The same number of points for all, so that few operations are compiled anew."""
    return np.resize(theta, (POINTS, *theta.shape[1:]))


def values(density, theta):
    """Log-densities (m, K) at vectors (m, K, D)."""
    return np.asarray(jax.vmap(density.value)(padded(theta)))[: len(theta)]


def placed(density, theta):
    """Parameters on the user's scales, each of shape (m, K, ...), by name."""
    coef, intercept, scale, own = posterior.draws.place(density, padded(theta)[None])
    first = lambda a: np.asarray(a)[0, : len(theta)]
    numbers = {"coef": np.moveaxis(first(coef), 2, 1), "intercept": first(intercept)}
    if density.scale_prior is not None:
        numbers["root"] = np.sqrt(first(scale))
    return numbers | {name: first(value) for name, value in own.items()}


def around(base):
    """Points (m, 1, D), each followed by its neighbours a step up and down every axis."""
    D = base.shape[-1]
    steps = np.concatenate([np.zeros((1, D)), STEP * np.eye(D), -STEP * np.eye(D)])
    return (base[:, None] + steps[None, :, None]).reshape(-1, 1, D)


def log_volume(numbers, m, D):
    """Log determinant of the numbers in theta, by central differences, shape (m,)."""
    stacked = np.concatenate([a.reshape(m * (1 + 2 * D), -1) for a in numbers.values()], axis=1)
    stacked = stacked.reshape(m, 1 + 2 * D, -1)
    assert stacked.shape[2] == D
    jacobian = (stacked[:, 1 : 1 + D] - stacked[:, 1 + D :]) / (2 * STEP)
    return np.linalg.slogdet(jacobian)[1]


def check_density(density, log_density, m=4, seed=0):
    """Gate: the density is ``log_density`` of its parameters times the volume; so its gradient.

    ``log_density`` takes one point, a dict of parameters. Constants may differ.
    """
    D = density.size
    base = 0.5 * np.random.default_rng(seed).standard_normal((m, 1, D))
    theta = around(base)
    value = values(density, theta)[:, 0].reshape(m, -1)
    numbers = placed(density, theta)
    at = lambda i: {name: a[i * (1 + 2 * D), 0] for name, a in numbers.items()}
    truth = np.array([log_density(**at(i)) for i in range(m)]) + log_volume(numbers, m, D)
    # Volumes by central differences are good to 1e-9.
    np.testing.assert_allclose(
        value[1:, 0] - value[0, 0], truth[1:] - truth[0], rtol=1e-8, atol=1e-7
    )
    both, gradient = jax.vmap(density.value_and_gradient)(padded(theta))
    both, gradient = (a[: len(theta)].reshape(*value.shape, -1)[:, 0] for a in (both, gradient))
    np.testing.assert_allclose(both[:, 0], value[:, 0], rtol=1e-12)
    slope = (value[:, 1 : 1 + D] - value[:, 1 + D :]) / (2 * STEP)
    # Rounding of values near 100 over a step of 1e-5, and third derivatives near 1e4.
    np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=1e-5)
    check_mirrored(density, base[0], theta)


def check_mirrored(density, center, theta):
    """Gate: densities at mirror images, found together, are those at each of them."""
    found = jax.vmap(lambda t: density.mirrored_values(center, t))(padded(theta))[: len(theta)]
    for side, at in enumerate((theta, 2 * center - theta)):
        # Linear predictors of both sides are rounded sums of two.
        np.testing.assert_allclose(found[:, side], values(density, at), rtol=1e-11)


def truth_of(family, prior, y, n=ROWS, X=X, weight=1.0, offset=0.0):
    """Independent log-density of one point, in the coefficients, intercept and root dispersion."""
    chosen, log_prior = FAMILIES[family], PRIORS[prior].log_density

    def log_density(coef, intercept, root=1.0):
        scale = np.asarray(root) ** 2
        mean = chosen.mean(X @ coef + intercept + offset)
        cells = weight * chosen.log_density(y, mean, scale)
        own = stats.halfnorm.logpdf(root, 0, ROOT_PRIOR) if chosen.estimated else 0.0
        return cells.sum() + log_prior(coef, chosen.kappa(scale), n) + own

    return log_density


def check_case(family, prior):
    model = estimator(family, prior)
    density = build(model, features(prior), Y[family], scale_prior=scale_prior_of(family))
    check_density(density, truth_of(family, prior, Y[family]))


@pytest.mark.parametrize("prior", PRIORS)
def test_density_and_gradient_under_every_prior(prior):
    check_case("Gamma", prior)  # whose dispersion is in the penalties' priors


@pytest.mark.parametrize("family", FAMILIES)
def test_density_and_gradient_of_every_family(family):
    check_case(family, "ridge")


@pytest.mark.slow
@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("family", FAMILIES)
def test_density_and_gradient(family, prior):
    check_case(family, prior)


@pytest.mark.parametrize("family", ["Gaussian", "Poisson"])
def test_default_prior_follows_the_data(family):
    y = Y[family]
    size, center = (y.std(), y.mean()) if family == "Gaussian" else (1.0, 0.0)
    likelihood = truth_of(family, "none", y)

    def log_density(coef, intercept, root=1.0):
        slopes = stats.norm.logpdf(coef, 0, 2.5 * size / X.std(axis=0)).sum()
        level = intercept + X.mean(axis=0) @ coef
        return (
            likelihood(coef, intercept, root)
            + slopes
            + stats.norm.logpdf(level, center, 2.5 * size)
        )

    model = GLM(family, regularizer=Prior())
    check_density(build(model, X, y, scale_prior=scale_prior_of(family)), log_density)


def test_prior_of_the_intercept():
    likelihood = truth_of("Poisson", "normal", Y["Poisson"])
    model = GLM(regularizer=Prior(dist.Normal(0.1, 0.7), intercept=dist.StudentT(4.0, 0.5, 0.3)))
    density = build(model, X, Y["Poisson"])
    log_density = lambda coef, intercept: (
        likelihood(coef, intercept) + stats.t.logpdf(intercept, 4, 0.5, 0.3)
    )
    check_density(density, log_density)


@pytest.mark.parametrize("kind", ["Ridge", "Lasso"])
@pytest.mark.parametrize("family", ["Poisson", "Gamma"])
def test_sampled_strength(family, kind):
    chosen = FAMILIES[family]
    likelihood = truth_of(family, "none", Y[family])
    model = GLM(family, chosen.link, kind, dist.Gamma(2.0, 3.0))

    def log_density(coef, intercept, regularizer_strength, root=1.0):
        kappa = chosen.kappa(np.asarray(root) ** 2)
        spread = kappa / (ROWS * regularizer_strength)
        normal = stats.norm.logpdf(coef, 0, np.sqrt(spread))
        own = normal if kind == "Ridge" else stats.laplace.logpdf(coef, 0, spread)
        strength = stats.gamma.logpdf(regularizer_strength, 2, scale=1 / 3)
        return likelihood(coef, intercept, root) + own.sum() + strength

    check_density(build(model, X, Y[family], scale_prior=scale_prior_of(family)), log_density)


CLASSES = 3
LABELS = np.random.default_rng(5).integers(0, CLASSES, ROWS)
CLASSIFIER_PRIORS = {
    "normal": (dist.Normal(0.0, 0.7), stats.norm(0, 0.7)),
    "Laplace": (dist.Laplace(0.0, 0.3), stats.laplace(0, 0.3)),
    "Student-t": (dist.StudentT(3.0, 0.0, 0.4), stats.t(3, 0, 0.4)),
}


def classifier(regularizer, strength=None):
    model = ClassifierGLM(CLASSES, regularizer=regularizer, regularizer_strength=strength)
    return model.set_classes(LABELS)


def class_log_likelihood(coef, intercept):
    eta = X @ coef + intercept
    return special.log_softmax(eta, axis=1)[np.arange(ROWS), LABELS].sum()


@pytest.mark.parametrize("prior", CLASSIFIER_PRIORS)
def test_classifier(prior):
    own, truth = CLASSIFIER_PRIORS[prior]
    density = build(classifier(Prior(own, intercept=dist.Normal(0.0, 2.0))), X, LABELS)

    def log_density(coef, intercept):
        level = stats.norm.logpdf(intercept, 0, 2).sum()
        return class_log_likelihood(coef, intercept) + truth.logpdf(coef).sum() + level

    check_density(density, log_density, m=2)


def test_classifier_with_flat_intercepts():
    """Intercepts count up to a constant: its own density is the same where they sum to zero."""
    density = build(classifier("Ridge", STRENGTH), X, LABELS)
    theta = 0.5 * np.random.default_rng(0).standard_normal((5, 1, density.size))
    theta[..., -CLASSES:] -= theta[..., -CLASSES:].mean(axis=-1, keepdims=True)
    found = placed(density, theta)
    expected = [
        class_log_likelihood(coef, intercept) + ridge
        for coef, intercept, ridge in zip(
            found["coef"][:, 0],
            found["intercept"][:, 0],
            stats.norm.logpdf(found["coef"], 0, (ROWS * STRENGTH) ** -0.5).sum(axis=(1, 2, 3)),
            strict=True,
        )
    ]
    value = values(density, theta)[:, 0]
    np.testing.assert_allclose(differences(value), differences(np.array(expected)), rtol=1e-10)
    moved = theta.copy()
    moved[..., -CLASSES:] += 1.7
    np.testing.assert_allclose(placed(density, moved)["intercept"].sum(axis=-1), 0, atol=1e-12)
    assert np.all(values(density, moved)[:, 0] < value)  # proper


# The mode given the dispersion is the fit


def steps(size):
    """Directions of a search for something better, shape (m, D): axes, signs, and random ones."""
    generator = np.random.default_rng(6)
    ways = np.concatenate([np.eye(size), generator.standard_normal((3 * size, size))])
    return np.concatenate([ways, -ways])


def best_gain(model, density, shift, boundary=None):
    """Largest rise of the density in coefficients and intercept on steps from the fit.

    Steps are ``shift`` posterior standard deviations long or so; the dispersion is that of the fit.
    """
    coef, intercept = np.asarray(model._coef)[:, 0], np.asarray(model._intercept)
    scale = np.broadcast_to(model._scale, 1)
    spread = 1 / np.sqrt(ROWS) / np.append(X.std(axis=0), 1.0)
    moves = steps(len(spread)) * spread * shift
    if boundary is not None:
        moves[:, :-1] = np.maximum(coef + moves[:, :-1], boundary) - coef

    def theta(move):
        params = GLMParams((coef + move[:-1])[:, None], intercept + move[-1])
        return np.asarray(density.vector(params, scale))

    points = np.array([theta(move) for move in [0 * moves[0], *moves]])
    value = values(density, points)[:, 0]
    if density.prior.bounds is not None:  # the density of the coefficients has no volume in it
        raw = points[:, 0, : len(coef)]
        value = value - special.log_expit(raw).sum(axis=1)
    return (value[1:] - value[0]).max()


def check_mode(family, prior):
    model = estimator(family, prior)
    _, found = model._build_posterior(
        features(prior), Y[family], None, None, scale_prior_of(family)
    )
    # A step h from a point that is e from the mode gains h e - h**2 / 2 at best, in standard
    # deviations: nothing is gained where e < h / 2.
    assert best_gain(model, found.density, 1e-3) < 1e-10
    assert best_gain(model, found.density, 0.5) < 0
    return model, found


@pytest.mark.parametrize(
    "prior", ["none", "ridge", "lasso", "group lasso", "Student-t", "by feature"]
)
def test_fit_is_the_mode_of_gamma(prior):
    check_mode("Gamma", prior)


@pytest.mark.parametrize("family", ["Poisson", "Gaussian", "NegativeBinomial", "StudentT"])
def test_fit_is_the_mode_under_a_ridge(family):
    check_mode(family, "ridge")


@pytest.mark.slow
@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("family", FAMILIES)
def test_fit_is_the_mode(family, prior):
    weighed = prior in ("Laplace", "half-normal") and FAMILIES[family].kappa(3.0) != 1.0
    if weighed and np.any(estimator(family, prior).fit(features(prior), Y[family]).coef_ == 0):
        # The prior was weighed at the dispersion that counts all coefficients, and the one that is
        # reported counts those that are not zero.
        pytest.xfail("The mode at another dispersion than `scale_`.")
    check_mode(family, prior)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_another_strength_has_another_mode(factor):
    model = estimator("Gamma", "ridge")
    model.fit(X, Y["Gamma"])
    other = GLM("Gamma", "log", "Ridge", factor * STRENGTH)
    density = build(other, X, Y["Gamma"], scale_prior=scale_prior_of("Gamma"))
    assert best_gain(model, density, 0.1) > 1e-3


def test_half_normal_mode_inside_its_support():
    check_mode("Poisson", "half-normal")


# Data: weights, missing cells, offsets, masks, populations


def user_values(density, params, scale=None):
    """Log-densities (m, K) at parameters of the user's columns: pairs of (p, K) and (K,)."""
    scale = np.ones(density.num_problems) if scale is None else scale
    theta = [np.asarray(density.vector(GLMParams(*pair), scale)) for pair in params]
    return values(density, np.array(theta))


def points(K=1, m=3, seed=7):
    generator = np.random.default_rng(seed)
    return [
        (generator.normal(0, 0.5, (FEATURES, K)), generator.normal(0, 0.3, K)) for _ in range(m)
    ]


WEIGHT = np.random.default_rng(8).integers(0, 3, ROWS).astype(float)
OFFSET = np.random.default_rng(9).normal(0, 0.3, ROWS)


def test_weights_and_offsets():
    y, n = Y["Gamma"], WEIGHT.sum()
    model = estimator("Gamma", "ridge")
    density = build(model, X, y, WEIGHT, OFFSET, scale_prior_of("Gamma"))
    truth = truth_of("Gamma", "ridge", y, n, weight=WEIGHT, offset=OFFSET)
    check_density(density, truth)


def test_weight_two_is_the_row_twice():
    index = np.repeat(np.arange(ROWS), WEIGHT.astype(int))
    model, y, own = estimator("Gamma", "lasso"), Y["Gamma"], scale_prior_of("Gamma")
    weighted = build(model, X, y, WEIGHT, scale_prior=own)
    repeated = build(model, X[index], y[index], scale_prior=own)
    theta = 0.5 * np.random.default_rng(0).standard_normal((3, 1, weighted.size))
    one, other = (differences(values(density, theta)) for density in (weighted, repeated))
    np.testing.assert_allclose(one, other, rtol=1e-11)


def test_no_intercept():
    model = GLM(regularizer="Ridge", regularizer_strength=STRENGTH, fit_intercept=False)
    density = build(model, X, Y["Poisson"])
    pairs = [(coef, 0 * intercept) for coef, intercept in points()]
    truth = truth_of("Poisson", "ridge", Y["Poisson"])
    expected = np.array([[truth(coef[:, 0], 0.0)] for coef, _ in pairs])
    np.testing.assert_allclose(
        differences(user_values(density, pairs)), differences(expected), rtol=1e-11
    )
    drawn = placed(density, np.random.default_rng(0).standard_normal((3, 1, density.size)))
    assert np.all(drawn["intercept"] == 0)


def population(family="Gaussian"):
    """Three responses, of which the second has missing cells."""
    y = np.column_stack([response(family, ETA, seed) for seed in (10, 11, 12)])
    y[[3, 7, 20], 1] = np.nan
    return y


@pytest.mark.parametrize("prior", ["ridge", "Student-t"])
def test_each_response_is_a_model_of_its_own(prior):
    y, own, scale = population(), scale_prior_of("Gaussian"), np.array([0.5, 0.8, 1.3])
    with pytest.warns(DataWarning, match="3 entries of y are NaN"):
        joint = build(estimator("Gaussian", prior, PopulationGLM), X, y, scale_prior=own)
    pairs = points(K=3)
    together = differences(user_values(joint, pairs, scale))
    for k in range(3):
        seen = np.isfinite(y[:, k])
        alone = build(estimator("Gaussian", prior), X[seen], y[seen, k], scale_prior=own)
        single = [(coef[:, [k]], intercept[[k]]) for coef, intercept in pairs]
        expected = differences(user_values(alone, single, scale[[k]]))[:, 0]
        np.testing.assert_allclose(together[:, k], expected, rtol=1e-10)


MASK = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
NORMALISED = ["ridge", "lasso", "elastic net", "normal"]


def check_mask(prior):
    """The normaliser, which depends on the dispersion, counts the free coefficients only."""
    y, own = np.nan_to_num(population()), scale_prior_of("Gaussian")
    model = estimator("Gaussian", prior, PopulationGLM, feature_mask=MASK)
    joint = build(model, X, y, scale_prior=own)
    pairs = [(coef * MASK, intercept) for coef, intercept in points(K=3)]
    scales = [0.3, 1.0, 2.0]
    at = lambda density, chosen, scale: user_values(
        density, [chosen], np.full(density.num_problems, scale)
    )
    value = np.concatenate([at(joint, *pair) for pair in zip(pairs, scales, strict=True)])
    for k in range(3):
        free = MASK[:, k] > 0
        alone = build(estimator("Gaussian", prior), X[:, free], y[:, k], scale_prior=own)
        single = [(coef[free][:, [k]], intercept[[k]]) for coef, intercept in pairs]
        own_value = np.concatenate([at(alone, *pair) for pair in zip(single, scales, strict=True)])
        np.testing.assert_allclose(
            differences(value[:, k]), differences(own_value[:, 0]), rtol=1e-10
        )


def test_mirror_images_with_mask_offsets_and_missing_cells():
    model = estimator("Gaussian", "ridge", PopulationGLM, feature_mask=MASK)
    offset = np.random.default_rng(5).normal(size=(ROWS, 3))
    with pytest.warns(DataWarning, match="3 entries of y are NaN"):
        density = build(model, X, population(), WEIGHT, offset, scale_prior_of("Gaussian"))
    center, *theta = np.random.default_rng(6).standard_normal((4, 3, density.size))
    check_mirrored(density, center, np.array(theta))


@pytest.mark.parametrize("prior", NORMALISED)
def test_masked_coefficients_do_not_count(prior):
    check_mask(prior)


def test_masked_coefficients_of_a_group_do_not_count():
    y, own = np.nan_to_num(population()), scale_prior_of("Gaussian")
    kind = PRIORS["group lasso"].regularizer
    groups = np.zeros((6, FEATURES, 3))
    for k in range(3):
        groups[2 * k, :2, k] = groups[2 * k + 1, 2, k] = 1
    model = PopulationGLM("Gaussian", None, type(kind)(mask=groups), STRENGTH, feature_mask=MASK)
    joint = build(model, X, y, scale_prior=own)
    pairs = [(coef * MASK, intercept) for coef, intercept in points(K=3)]
    scales = [0.3, 1.0, 2.0]
    value = np.concatenate(
        [user_values(joint, [pair], np.full(3, s)) for pair, s in zip(pairs, scales, strict=True)]
    )
    for k in range(3):
        likelihood = truth_of("Gaussian", "none", y[:, k])

        def truth(coef, intercept, scale, k=k, likelihood=likelihood):
            coef, rate = coef[:, k] * MASK[:, k], ROWS * STRENGTH / (2 * scale)
            total = likelihood(coef, intercept[k], np.sqrt(scale)) + 0.5 * np.log(scale)
            for group, factor in (([0, 1], np.sqrt(2)), ([2], 1.0)):
                kept = [j for j in group if MASK[j, k]]
                if kept:
                    total += exact.group_log_density(coef[kept], factor * rate)
            return total

        expected = np.array([truth(*pair, s) for pair, s in zip(pairs, scales, strict=True)])
        np.testing.assert_allclose(differences(value[:, k]), differences(expected), rtol=1e-10)


@pytest.mark.parametrize("family", ["Gaussian", "Gamma", "NegativeBinomial", "InverseGaussian"])
def test_default_prior_of_the_dispersion(family):
    y = Y[family]
    mean = {
        "Gaussian": y.std(),  # elsewhere the root at which standard deviation and mean are equal
        "Gamma": 1.0,
        "NegativeBinomial": 1.0,
        "InverseGaussian": y.mean() ** -0.5,
    }[family]
    density = build(estimator(family, "normal"), X, y)
    log_scale = np.linspace(-3, 3, 5)[:, None]
    got = np.asarray([density.scale_prior.log_density(s) for s in log_scale])[:, 0]
    root = np.exp(0.5 * log_scale[:, 0])
    expected = stats.expon.logpdf(root, scale=mean) + np.log(root / 2)
    np.testing.assert_allclose(got, expected, rtol=1e-8)


# Faults put in on purpose: each must be caught


def test_catches_a_prior_of_twice_the_scale(monkeypatch):
    right = ElasticNetPenalty.log_prior
    monkeypatch.setattr(
        ElasticNetPenalty, "log_prior", lambda self, w, kappa, n: right(self, w, 4 * kappa, n)
    )
    with pytest.raises(AssertionError):
        check_case("Poisson", "ridge")


def test_catches_a_dropped_jacobian_of_the_log_scale(monkeypatch):
    wrong = lambda self, log_scale: self.distribution.log_prob(jax.numpy.exp(0.5 * log_scale))
    monkeypatch.setattr(scale_prior.ScalePrior, "log_density", wrong)
    with pytest.raises(AssertionError):
        check_case("Gamma", "ridge")


def test_catches_a_dropped_jacobian_of_a_bound(monkeypatch):
    right = sampled.Bounds.constrain
    wrong = lambda self, free: (right(self, free)[0], 0 * free)
    monkeypatch.setattr(sampled.Bounds, "constrain", wrong)
    with pytest.raises(AssertionError):
        check_case("Poisson", "half-normal")


def test_catches_a_wrong_negative_binomial(monkeypatch):
    right = NegativeBinomialObservations.log_density
    wrong = lambda self, y, eta, link, scale: right(self, y, eta, link, 1 / scale)
    monkeypatch.setattr(NegativeBinomialObservations, "log_density", wrong)
    with pytest.raises(AssertionError):
        check_case("NegativeBinomial", "ridge")


def test_catches_a_wrong_intercept(monkeypatch):
    right = Standardization.from_standard

    def wrong(self, params):
        found = right(self, params)
        return GLMParams(found.coef, found.intercept + 1)

    monkeypatch.setattr(Standardization, "from_standard", wrong)
    with pytest.raises(AssertionError):
        check_case("Poisson", "ridge")


def test_catches_a_normaliser_that_counts_masked_coefficients(monkeypatch):
    monkeypatch.setattr("bayesglm.posterior.priors.without_held", lambda penalty, movable: penalty)
    with pytest.raises(AssertionError):
        check_mask("ridge")


def test_catches_a_normaliser_without_the_dispersion(monkeypatch):
    wrong = lambda self, w, kappa, n: -n / kappa * self.value(w)
    monkeypatch.setattr(ElasticNetPenalty, "log_prior", wrong)
    with pytest.raises(AssertionError):
        check_case("Gamma", "ridge")
