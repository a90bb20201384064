"""Draws against posteriors that are known exactly, by quadrature that uses no package code.

Up to three numbers are on a grid; up to ten are reached by quasi-Monte-Carlo.

Every response of a population is a posterior of its own, so that one compiled program gives ten.
"""

import functools
import warnings

import exact_posteriors as exact
import numpy as np
import numpyro.distributions as dist
import pytest
import quasi_monte_carlo
from exact_posteriors import FAMILIES
from scipy import optimize, stats

from bayesglm import PopulationGLM, posterior
from bayesglm.exceptions import DataWarning, SamplingWarning
from bayesglm.regularizer import Prior

ROWS, POSTERIORS = 40, 10
ROWS_IF_WIDE = 120
ROOT_RATE = 1.2  # of the exponential prior of the root of the dispersion

COEF_PRIORS = {
    "normal": (dist.Normal(0.0, 0.6), stats.norm(0, 0.6)),
    "Student-t": (dist.StudentT(4.0, 0.0, 0.4), stats.t(4, 0, 0.4)),
    "Laplace": (dist.Laplace(0.0, 0.4), stats.laplace(0, 0.4)),
}
FEATURES = {  # as many as leave at most three numbers to a posterior, for its quadrature
    "Poisson": 2,
    "Bernoulli": 2,
    "Binomial": 1,
    "Gamma": 1,
    "NegativeBinomial": 1,
    "Gaussian": 3,
}


WIDE = {"Poisson": 9, "Bernoulli": 9, "Binomial": 9, "Gamma": 8, "NegativeBinomial": 8}


@functools.cache
def problem(family, prior, num=POSTERIORS, wide=False):
    """Design (n, p), responses (n, num) and the exact marginals of each response."""
    p, chosen = (WIDE if wide else FEATURES)[family], FAMILIES[family]
    rng = np.random.default_rng(17)
    X = rng.normal(size=(ROWS_IF_WIDE if wide else ROWS, p))
    X = X * np.resize([1.0, 0.6, 1.5], p) + np.resize([0.3, 0.0, 0.0], p)
    coef, level = rng.normal(0, 0.4, (p, num)), rng.normal(0.3, 0.2, num)
    mean = chosen.mean(X @ coef + level + chosen.level)
    Y = chosen.draw(rng, mean, 0.8).astype(float)
    return X, Y, [marginals(family, prior, X, Y[:, k]) for k in range(num)]


def marginals(family, prior, X, y):
    chosen, (_, coef_prior) = FAMILIES[family], COEF_PRIORS[prior]
    log_root_prior = lambda root: stats.expon.logpdf(root, scale=1 / ROOT_RATE)
    if family == "Gaussian":
        precision = lambda scale: [0.6**-2] * X.shape[1] + [1.0]
        return exact.gaussian_marginals(X, y, precision, log_root_prior)
    log_prior = lambda w, level: coef_prior.logpdf(w).sum(axis=1) + stats.norm.logpdf(level)
    own = log_root_prior if chosen.estimated else None
    density = exact.log_posterior(chosen, log_prior, X, y, own)
    size = X.shape[1] + 1 + chosen.estimated
    if size > 3:
        return quasi_monte_carlo.marginals(density, np.zeros(size))
    kinked = prior == "Laplace"  # where the trapezoidal rule is merely of second order
    return exact.marginals(density, np.zeros(size), num=161 if kinked and size == 2 else 27)


# Above this Pareto k weights have no variance, and z no standard error that it could be made of
# (Vehtari et al. 2024, section 3). `k` itself is estimated, so one such posterior leaves all out.
NO_STANDARD_ERROR = 0.5


def draws(family, prior, method, num=POSTERIORS, num_samples=1000, seed=1, wide=False):
    """Draws by name, shape (chain, draw, num), and their weights or None."""
    chosen = FAMILIES[family]
    X, Y, _ = problem(family, prior, num, wide)
    own = Prior(COEF_PRIORS[prior][0], intercept=dist.Normal(0.0, 1.0))
    model = PopulationGLM(chosen.observations, chosen.link, own)
    settings = {"method": method, "num_samples": num_samples, "random_state": seed}
    own_scale = dist.Exponential(ROOT_RATE) if chosen.estimated else None
    with warnings.catch_warnings():
        if method == "importance":  # exact whatever its proposals: the gate judges, not Pareto k
            warnings.simplefilter("ignore", SamplingWarning)
        try:
            tree = model.sample(X, Y, scale_prior=own_scale, progress_bar=False, **settings)
        except SamplingWarning as warning:  # an error in these tests
            if method == "laplace" and "Pareto k" in str(warning):
                pytest.skip(f"The approximation says itself that it is poor. {warning}")
            raise
    drawn = {name: np.asarray(a) for name, a in tree["posterior"].data_vars.items()}
    named = [drawn["coef"][:, :, j] for j in range(X.shape[1])] + [drawn["intercept"]]
    if chosen.estimated:
        named.append(0.5 * np.log(drawn["scale"]))
    weight = None
    if method == "laplace":
        weight = np.exp(np.asarray(tree["sample_stats"]["log_weight"]))
    return named, weight, model


def check_draws(family, prior, method, num=POSTERIORS, wide=False, **settings):
    truth = problem(family, prior, num, wide)[2]
    named, weight, model = draws(family, prior, method, num, wide=wide, **settings)
    if weight is not None and model.diagnostics_.pareto_k.max() > NO_STANDARD_ERROR:
        pytest.skip("The weights have tails too heavy for z scores, and say so.")
    scores = [
        exact.z_scores(named[j][:, :, k], truth[k][j], None if weight is None else weight[:, :, k])
        for k in range(num)
        for j in range(len(named))
    ]
    exact.check_z(scores)
    return np.array(scores)


# The quadrature itself


def test_densities_are_those_of_scipy():
    """Those written out here for speed; the others are SciPy's."""
    rng = np.random.default_rng(0)
    rate, share, count = rng.gamma(2, 1, 30), rng.uniform(size=30), rng.poisson(2.0, 30)
    of = lambda name, y, mean, scale=0.7: FAMILIES[name].log_density(y, mean, scale)
    pairs = [
        (of("Poisson", count, rate), stats.poisson.logpmf(count, rate)),
        (of("Bernoulli", count % 2, share), stats.bernoulli.logpmf(count % 2, share)),
        (of("Binomial", count % 6, share), stats.binom.logpmf(count % 6, exact.TRIALS, share)),
        (of("Gamma", 1.0 + count, rate), stats.gamma.logpdf(1 + count, 1 / 0.7, scale=0.7 * rate)),
        (
            of("NegativeBinomial", count, rate),
            stats.nbinom.logpmf(count, 1 / 0.7, 1 / (1 + 0.7 * rate)),
        ),
    ]
    for got, expected in pairs:
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


def test_quadrature_of_a_normal_distribution():
    covariance = np.array([[1.0, 0.6], [0.6, 2.0]])
    own = stats.multivariate_normal([1.0, -2.0], covariance)
    density = lambda v: np.atleast_1d(own.logpdf(v))
    for got, (mean, sd) in zip(
        exact.marginals(density, np.zeros(2)), [(1.0, 1.0), (-2.0, 2**0.5)], strict=True
    ):
        expected = stats.norm(mean, sd)
        np.testing.assert_allclose(got[:2], (mean, sd), rtol=1e-8)
        np.testing.assert_allclose(got[2:], expected.ppf([0.05, 0.95]), rtol=1e-6)


def test_two_quadratures_of_a_gaussian_model_agree():
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(ROWS, 1)), rng.normal(0.3, 0.9, ROWS)
    prior = lambda w, level: stats.norm.logpdf(w, 0, 0.6).sum(axis=1) + stats.norm.logpdf(level)
    root = lambda root: stats.expon.logpdf(root, scale=1 / ROOT_RATE)
    density = exact.log_posterior(FAMILIES["Gaussian"], prior, X, y, root)
    by_grid = exact.marginals(density, np.zeros(3))
    by_mixture = exact.gaussian_marginals(X, y, lambda scale: [0.6**-2, 1.0], root)
    # The tails of a t-like posterior beyond seven standard deviations are left out of the grid.
    np.testing.assert_allclose(by_grid, by_mixture, rtol=1e-4, atol=1e-5)


# Draws


@pytest.mark.parametrize("method", ["nuts", "importance", "laplace"])
def test_poisson(method):
    check_draws("Poisson", "normal", method)


@pytest.mark.parametrize("method", ["nuts", "importance"])
def test_ten_numbers(method):
    check_draws("Poisson", "normal", method, num=3, wide=True)


def test_gaussian_in_closed_form():
    check_draws("Gaussian", "normal", "exact")


def wide_problem():
    """Gaussian responses of fewer rows than columns, some of which a mask leaves out."""
    rng = np.random.default_rng(23)
    X, num = rng.normal(size=(15, 20)), 4
    mask = rng.random((20, num)) < 0.9
    Y = X @ (mask * rng.normal(0, 0.3, mask.shape)) + rng.normal(0.3, 0.8, (15, num))
    return X, Y, mask


def test_gaussian_with_more_columns_than_rows_in_closed_form():
    X, Y, mask = wide_problem()
    own = Prior(dist.Normal(0.0, 0.3), intercept=dist.Normal(0.0, 1.0))
    model = PopulationGLM("Gaussian", regularizer=own, feature_mask=mask * 1.0)
    settings = {"scale_prior": dist.Exponential(ROOT_RATE), "random_state": 2}
    with pytest.warns(DataWarning, match="columns .* are linear combinations of others"):
        tree = model.sample(X, Y, method="exact", progress_bar=False, **settings)["posterior"]
    log_root_prior = lambda root: stats.expon.logpdf(root, scale=1 / ROOT_RATE)
    scores = []
    for k, used in enumerate(mask.T):
        variance = np.array([0.3**2] * used.sum() + [1.0])
        truth = exact.wide_gaussian_marginals(X[:, used], Y[:, k], variance, log_root_prior)
        named = [*np.moveaxis(tree["coef"].values[:, :, used, k], -1, 0)]
        named += [tree["intercept"].values[:, :, k], 0.5 * np.log(tree["scale"].values[:, :, k])]
        scores += [exact.z_scores(a, t) for a, t in zip(named, truth, strict=True)]
        assert np.all(tree["coef"].values[:, :, ~used, k] == 0)
    exact.check_z(scores)


@pytest.mark.parametrize("unit", [1.0, 1e6])
def test_dispersion_of_a_fit_with_more_columns_than_rows(unit):
    """The mode of its log, coefficients integrated out: y is normal with a known covariance."""
    X, Y, _ = wide_problem()
    Y = Y * unit
    own = Prior(dist.Normal(0.0, 0.3 * unit))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the prior decides between coefficients
        model = PopulationGLM("Gaussian", regularizer=own, fit_intercept=False).fit(X, Y)

    def minus_log_density(log_scale, y):
        covariance = (0.3 * unit) ** 2 * X @ X.T + np.exp(log_scale) * np.eye(len(y))
        return -stats.multivariate_normal(cov=covariance).logpdf(y) - 0.5 * log_scale

    scale, coef = np.asarray(model.scale_), np.asarray(model.coef_)
    for k, y in enumerate(Y.T):
        around = np.log(unit**2)
        found = optimize.minimize_scalar(
            minus_log_density, args=(y,), bounds=(around - 8, around + 4), method="bounded"
        )
        # Brent's method finds a minimum to the root of the machine's precision.
        np.testing.assert_allclose(np.log(scale[k]), found.x, atol=1e-4)
        pearson = np.sum((y - X @ coef[:, k]) ** 2)
        assert model.dof_resid_[k] == pytest.approx(1 + pearson / scale[k], rel=1e-4)


def test_negative_binomial_with_its_dispersion():
    check_draws("NegativeBinomial", "normal", "importance")


SLOW = [
    ("Poisson", "normal"),
    ("Poisson", "Student-t"),
    ("Bernoulli", "Student-t"),
    ("Binomial", "Laplace"),
    ("Gaussian", "normal"),
    ("Gamma", "normal"),
    ("NegativeBinomial", "normal"),
]


def figures(family, prior, method, scores):
    """Largest size of z, and their root mean square, as a line of text."""
    largest, size = np.abs(scores).max(), np.sqrt((scores**2).mean())
    return f"{family:18}{prior:12}{method:12}{largest:6.2f}{size:6.2f}"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["nuts", "importance", "laplace", "exact", "auto"])
@pytest.mark.parametrize(("family", "prior"), SLOW)
def test_every_family_and_method(family, prior, method):
    if method == "exact" and family != "Gaussian":
        pytest.skip("There is no closed form.")
    scores = check_draws(family, prior, method, num_samples=2500)
    print(figures(family, prior, method, scores))


SLOW_WIDE = [
    ("Poisson", "normal"),
    ("Bernoulli", "Student-t"),
    ("Binomial", "Laplace"),
    ("Gamma", "normal"),
    ("NegativeBinomial", "Student-t"),
]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["nuts", "importance", "laplace", "auto"])
@pytest.mark.parametrize(("family", "prior"), SLOW_WIDE)
def test_ten_numbers_of_every_family(family, prior, method):
    # A chain of independent proposals may stay where it is for long, where tails are heavy: with
    # 2,500 draws one standard error in a thousand is that much too small.
    num_samples = 10_000 if method in ("importance", "auto") else 2500
    scores = check_draws(family, prior, method, num_samples=num_samples, wide=True)
    print(figures(family, prior, method, scores))


# Faults put in on purpose: each must be caught


def test_catches_draws_of_too_small_a_spread(monkeypatch):
    right = posterior.methods.METHODS["exact"]

    def wrong(chosen, options):
        drawn = right(chosen, options)
        center = drawn.theta.mean(axis=(0, 1))
        return type(drawn)(center + 0.8 * (drawn.theta - center), drawn.stats, drawn.method)

    monkeypatch.setitem(posterior.methods.METHODS, "exact", wrong)
    with pytest.raises(AssertionError):
        check_draws("Gaussian", "normal", "exact")


def test_catches_a_wrong_intercept(monkeypatch):
    right = posterior.draws.place

    def wrong(density, theta):
        coef, intercept, scale, own = right(density, theta)
        shift = np.einsum("p,cdpk->cdk", density.standardization.center, coef)
        return coef, intercept + shift, scale, own  # that of the centred columns

    monkeypatch.setattr(posterior.draws, "place", wrong)
    with pytest.raises(AssertionError):
        check_draws("Gaussian", "normal", "exact")
