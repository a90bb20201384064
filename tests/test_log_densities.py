"""Densities and special functions against arbitrary precision, values and derivatives."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from exact_densities import (
    MEANS,
    TRIALS,
    bernoulli,
    beta,
    binomial,
    gamma,
    gaussian,
    inverse_gaussian,
    negative_binomial,
    poisson,
    student_t,
    tweedie,
)

from bayesglm import _log_densities, _special, links
from bayesglm.observation_models import BinomialObservations, TweedieObservations, resolve

TAILS = [-700.0, -40.0, -12.3, -1.0, -1e-3, 0.0, 0.3, 5.0, 13.8, 40.0, 700.0]
COUNTS = [0.0, 1.0, 2.0, 9.0, 10.0, 37.0, 1e6]


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True), mp.workdps(60):
        yield


# family: exact log-density, its inverse links, responses, scales
CASES = {
    "Poisson": (poisson, ("exp", "softplus", "square", "identity"), COUNTS, [1.0]),
    "Gamma": (
        gamma,
        ("exp", "one_over_x", "softplus", "inverse_squared"),
        [1e-8, 0.7, 3.0, 1e6],
        [1e-8, 0.05, 1.0, 7.0, 1e4],
    ),
    "Gaussian": (gaussian, ("identity", "exp"), [-3.0, 0.0, 1e6], [1e-6, 1.0, 1e9]),
    "Bernoulli": (bernoulli, ("logistic", "norm_cdf", "cloglog"), [0.0, 1.0], [1.0]),
    "NegativeBinomial": (
        negative_binomial,
        ("exp", "softplus"),
        COUNTS,
        [1e-12, 1e-6, 0.3, 1.0, 20.0, 1e8],
    ),
    "Binomial": (
        binomial,
        ("logistic", "norm_cdf", "cloglog"),
        [0.0, 1.0, 7.0, 499_999.0, 999_999.0, 1e6],
        [1.0],
    ),
    "InverseGaussian": (
        inverse_gaussian,
        ("inverse_squared", "exp"),
        [1e-6, 0.7, 1e6],
        [1e-6, 0.3, 1e4],
    ),
    "StudentT": (student_t, ("identity", "exp"), [-3.0, 0.0, 1e6], [1e-6, 1.0, 1e9]),
    "Beta": (beta, ("logistic", "norm_cdf", "cloglog"), [1e-9, 0.3, 0.999], [1e-6, 0.2, 50.0]),
    "Tweedie": (tweedie, ("exp", "softplus"), [0.0, 1e-3, 0.7, 40.0, 1e4], [1e-2, 0.3, 30.0]),
}
MODELS = {"Binomial": BinomialObservations(TRIALS)}
GRID = [(family, link) for family, case in CASES.items() for link in case[1]]
# Derivatives cost a compilation each: by default those of the first link of every family, and of
# the links whose tails are their own, log(softplus) and log(Phi); all of them with `-m slow`.
OWN_TAILS = [("Poisson", "softplus"), ("Bernoulli", "norm_cdf"), ("Bernoulli", "cloglog")]
FIRST_LINKS = [
    pair
    if pair in OWN_TAILS or pair[1] == CASES[pair[0]][1][0]
    else pytest.param(*pair, marks=pytest.mark.slow)
    for pair in GRID
]
EVERYWHERE = ("exp", "logistic", "softplus", "norm_cdf", "cloglog")  # links with no forbidden eta


def density_of(family, link):
    """Exact log-density of (y, eta, scale), to many more digits than its tails cancel."""
    exact, (mean, complement) = CASES[family][0], MEANS[link]

    def density(y, eta, scale):
        rest = complement(eta) if complement else mp.nan
        return exact(mp.mpf(y), mean(mp.mpf(eta)), rest, mp.mpf(scale))

    return density


def grid(family, link, ys=slice(None), scales=slice(None)):
    """Every (y, eta, scale) at which the answer is a double."""
    etas = [e for e in TAILS if e > 0 or link in EVERYWHERE]
    if family in ("Gaussian", "StudentT"):
        etas = TAILS if link == "identity" else [e for e in TAILS if abs(e) <= 40]
    points = itertools.product(CASES[family][2][ys], etas, CASES[family][3][scales])
    density = density_of(family, link)
    return [point for point in points if abs(density(*point)) < 1e305]


def model_of(family):
    return MODELS.get(family) or resolve(family)


def columns(points):
    return map(jnp.asarray, zip(*points, strict=True))


def forward_derivative(function):
    return lambda x: jax.jvp(function, (x,), (jnp.ones_like(x),))[1]


@pytest.mark.parametrize(("family", "link"), GRID)
def test_log_density_is_exact(family, link):
    points = grid(family, link)
    expected = [float(density_of(family, link)(*point)) for point in points]
    y, eta, scale = columns(points)
    actual = eqx.filter_jit(model_of(family).log_density)(y, eta, links.resolve(link), scale)
    # A log-density that crosses zero has no relative accuracy there: 1e-14 nats absolute.
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("power", [1.01, 1.0999, 1.1, 1.25, 1.6, 1.99, 1.999])
def test_tweedie_density_and_its_slope_in_the_scale_at_any_power(power):
    """The series is summed in three ways: here are points on both sides of each change."""
    y, family = 1.7, TweedieObservations(power)
    change = max(40 * (power - 1), 2 / (power - 1))
    peaks = np.array([1e-9, 0.1, 1.0, 6.0, 0.5 * change, 0.999 * change, 1.001 * change, 900.0])
    scales = y ** (2 - power) / ((2 - power) * peaks)
    density = lambda log_scale: family.log_density(
        jnp.full(8, y), jnp.full(8, np.log(y)), links.exp, jnp.exp(log_scale)
    )
    actual = eqx.filter_jit(lambda s: jax.jvp(density, (s,), (jnp.ones(8),)))(np.log(scales))
    exact = lambda s: tweedie(mp.mpf(y), mp.mpf(y), None, s, power)
    h = mp.mpf(10) ** -12
    expected = np.array([
        (exact(mp.mpf(s)), (exact(s * mp.exp(h)) - exact(s * mp.exp(-h))) / (2 * h)) for s in scales
    ]).astype(float)  # fmt: skip
    # Terms as large as `change / (power - 1)` cancel, and as far as they are rounded.
    rounding = 4e-16 * max(100, change / (power - 1))
    np.testing.assert_allclose(actual[0], expected[:, 0], rtol=1e-13, atol=rounding)
    # The slope of a polynomial of degree 23 enlarges its roundings up to 23**2 times at the ends.
    np.testing.assert_allclose(actual[1], expected[:, 1], rtol=3e-11, atol=10 * rounding)


def exact_derivative(density, point, order):
    """Central difference at a quarter of the digits: exact to half of them."""
    y, eta, scale = point
    with mp.workdps(700 if abs(eta) > 100 else 160):
        h = mp.mpf(10) ** (-mp.mp.dps // 4)
        steps = [(1, 1), (-1, -1)] if order == 1 else [(1, 1), (0, -2), (-1, 1)]
        total = sum(c * density(y, mp.mpf(eta) + k * h, scale) for k, c in steps)
        return float(total / (2 * h if order == 1 else h * h))


# Where terms of a curvature cancel: with a huge dispersion to 1e-12 (negative binomial), with a
# response 1e6 times its mean (inverse Gaussian), and where it changes sign (the others: a few
# roundings, 2e-16, of terms of size one).
CANCELLATION = {
    "NegativeBinomial": (1e-11, 1e-17),
    "InverseGaussian": (1e-8, 1e-295),
    "StudentT": (1e-11, 1e-14),
    "Beta": (1e-11, 1e-15),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("family", "link"), FIRST_LINKS)
def test_kernel_has_the_derivatives_of_the_log_density(family, link, order):
    # Halves of the grid are enough here; a zero of the derivative (y equal to the mean) is not
    # on it, so that the relative error is meaningful everywhere above the subnormal numbers.
    points = grid(family, link, slice(0, None, 2), slice(0, None, 2))
    points = [(y, eta or 0.1, scale) for y, eta, scale in points]
    expected = [exact_derivative(density_of(family, link), point, order) for point in points]
    y, eta, scale = columns(points)
    model, inverse_link = model_of(family), links.resolve(link)

    def function(eta):
        return -model.kernel(y, eta, inverse_link, scale) / model.kernel_factor(scale)

    for _ in range(order):
        function = forward_derivative(function)
    actual = jax.jit(function)(eta)
    rtol, atol = CANCELLATION.get(family, (1e-11, 1e-295))
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize(("family", "link"), FIRST_LINKS)
def test_log_density_and_kernel_have_one_gradient(family, link):
    y, eta, scale = columns(grid(family, link))
    model, inverse_link = model_of(family), links.resolve(link)

    @jax.jit
    @jax.grad
    def log_density(eta):
        return jnp.sum(model.log_density(y, eta, inverse_link, scale))

    @jax.jit
    @jax.grad
    def kernel(eta):
        return jnp.sum(model.kernel(y, eta, inverse_link, scale))

    actual = kernel(eta)
    assert jnp.isfinite(actual).all()
    # Both subtract y from the mean, and share the rounding of the larger: 1e6 for the binomial.
    expected = -model.kernel_factor(scale) * log_density(eta)
    atol = 1e-9 if family == "Binomial" else 1e-13
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=atol)


FISHER = {
    ("Poisson", "exp"): lambda mean, slope, scale: slope**2 / mean,
    ("Poisson", "softplus"): lambda mean, slope, scale: slope**2 / mean,
    ("Gamma", "exp"): lambda mean, slope, scale: slope**2 / mean**2,
    ("Gamma", "one_over_x"): lambda mean, slope, scale: slope**2 / mean**2,
    ("Gaussian", "identity"): lambda mean, slope, scale: 2 * slope**2,
    ("Gaussian", "exp"): lambda mean, slope, scale: 2 * slope**2,
    ("Bernoulli", "logistic"): lambda mean, slope, scale: slope**2 / (mean * (1 - mean)),
    ("Bernoulli", "norm_cdf"): lambda mean, slope, scale: slope**2 / (mean * (1 - mean)),
    ("Bernoulli", "cloglog"): lambda mean, slope, scale: slope**2 / (mean * (1 - mean)),
    ("NegativeBinomial", "exp"): lambda mean, slope, scale: slope**2 / (mean + scale * mean**2),
    ("Binomial", "cloglog"): lambda mean, slope, scale: TRIALS * slope**2 / (mean * (1 - mean)),
    ("InverseGaussian", "exp"): lambda mean, slope, scale: slope**2 / mean**3,
    ("InverseGaussian", "inverse_squared"): lambda mean, slope, scale: slope**2 / mean**3,
    ("StudentT", "exp"): lambda mean, slope, scale: 5 * slope**2 / (7 * scale),
    ("Beta", "norm_cdf"): lambda mean, slope, scale: (
        (slope / scale) ** 2 * (mp.psi(1, mean / scale) + mp.psi(1, (1 - mean) / scale))
    ),
    ("Tweedie", "softplus"): lambda mean, slope, scale: slope**2 / mean**1.5,
}


@pytest.mark.parametrize(("family", "link"), FISHER)
def test_fisher_weight_is_squared_slope_over_variance(family, link):
    scale, etas = 0.3, [0.2, 1.0, 2.5] + ([-3.0] if link in EVERYWHERE else [])
    mean = MEANS[link][0]
    expected = [
        float(FISHER[family, link](mean(mp.mpf(e)), mp.diff(mean, mp.mpf(e)), scale)) for e in etas
    ]
    actual = model_of(family).fisher_weight(jnp.array(etas), links.resolve(link), scale)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_fisher_weight_in_the_tails():
    weight = resolve("Bernoulli").fisher_weight(jnp.array([-700.0, 40.0]), links.logistic, 1.0)
    np.testing.assert_allclose(weight, np.exp([-700.0, -40.0]), rtol=1e-13)
    weight = resolve("Poisson").fisher_weight(jnp.array([-700.0, 700.0]), links.exp, 1.0)
    np.testing.assert_allclose(weight, np.exp([-700.0, 700.0]), rtol=1e-13)


UNIT_DEVIANCES = (
    "Poisson",
    "Gamma",
    "Bernoulli",
    "NegativeBinomial",
    "Binomial",
    "InverseGaussian",
    "StudentT",
    "Tweedie",
)


@pytest.mark.parametrize("family", UNIT_DEVIANCES)
def test_unit_deviance_is_twice_the_lost_log_density(family):
    exact, _, ys, _ = CASES[family]
    probability = family in ("Bernoulli", "Binomial")
    means = [1e-20, 0.3, 0.7, 0.7000001] if probability else [1e-20, 0.7, 2.00001, 1e7]
    trials = TRIALS if family == "Binomial" else 1
    scales = {"Gamma": [0.3, 10.0], "NegativeBinomial": [1e-6, 0.3, 1e4]}.get(family, [1.0])
    points = list(itertools.product(ys, means, scales))

    def density(y, mean, scale):
        certain = (probability and mean in (0, 1)) or (mean == 0 and family != "StudentT")
        return mp.mpf(0) if certain else exact(y, mean, 1 - mean, scale)

    expected = [
        float(
            2
            * (density(*map(mp.mpf, (y, mp.mpf(y) / trials, s))) - density(*map(mp.mpf, (y, m, s))))
        )
        for y, m, s in points
    ]
    actual = eqx.filter_jit(model_of(family).unit_deviance)(*columns(points))
    assert (actual >= 0).all()
    np.testing.assert_allclose(actual, expected, rtol=1e-9)


def test_bernoulli_deviance_of_a_fraction():
    deviance = _log_densities.bernoulli_deviance(jnp.array([0.25, 0.25]), jnp.array([0.25, 0.5]))
    expected = 2 * (0.25 * np.log(0.5) + 0.75 * np.log(1.5))
    np.testing.assert_allclose(deviance, [0.0, expected], rtol=1e-14)


def test_negative_binomial_tends_to_poisson():
    y, log_mean = jnp.array([0.0, 3.0, 1e6]), jnp.array([2.0, 1.0, 13.8])
    limit = _log_densities.negative_binomial(y, log_mean, 1e-30)
    expected = _log_densities.poisson(y, log_mean, jnp.exp(log_mean))
    np.testing.assert_allclose(limit, expected, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 0.3, 1.0, 20.0])
def test_negative_binomial_slope_in_the_scale(scale):
    y, log_mean = jnp.array([0.0, 1.0, 7.0, 37.0]), jnp.array([1.0, -2.0, 3.0, 4.0])

    def exact(k, dispersion):
        return negative_binomial(mp.mpf(float(y[k])), mp.exp(float(log_mean[k])), 0, dispersion)

    h = mp.mpf(scale) * mp.mpf(10) ** -20
    expected = [float((exact(k, scale + h) - exact(k, scale - h)) / (2 * h)) for k in range(4)]
    slope = jax.jit(jax.vmap(jax.grad(_log_densities.negative_binomial, 2), (0, 0, None)))
    # At a scale of 1e-6 the terms in 1 / scale**2 cancel all but 1e-16 * 1e6 of it.
    np.testing.assert_allclose(slope(y, log_mean, scale), expected, rtol=1e-8)


def test_no_undefined_gradient_where_the_mean_is_zero_or_one():
    edge = jnp.array(0.0)
    gradient = jax.grad(lambda e: resolve("Poisson").log_density(0.0, e, links.identity, 1.0))(edge)
    assert gradient == -1.0
    for y in (0.0, 1.0):
        density = lambda e, y=y: resolve("Bernoulli").log_density(y, e, links.identity, 1.0)
        assert density(jnp.array(y)) == 0.0
        assert abs(jax.grad(density)(jnp.array(y))) == 1.0


SPECIAL = {
    "softplus": (_special.softplus, lambda x: mp.log1p(mp.exp(x)), [-700, -40, -1, 0.5, 40, 700]),
    "log_softplus": (
        _special.log_softplus,
        lambda x: mp.log(mp.log1p(mp.exp(x))),
        [-700, -40, -4.01, -3.99, 0.5, 700],
    ),
    "log_cloglog": (
        _special.log_cloglog,
        lambda x: mp.log(-mp.expm1(-mp.exp(x))),
        [-700, -40, -4.01, -3.99, 0.5, 6],
    ),
    "log1mexp": (
        _special.log1mexp,
        lambda a: mp.log(-mp.expm1(-a)),
        [1e-300, 1e-9, 0.69, 0.7, 40, 700],
    ),
    "log_ndtr": (
        _special.log_ndtr,
        lambda x: mp.log(mp.ncdf(x)),
        [-700, -40, -5.01, -4.99, -1, 0.5, 5, 20, 37],
    ),
    "stirling_error": (
        _special.stirling_error,
        lambda x: mp.loggamma(x + 1) - (x + 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2,
        [1e-3, 0.3, 1, 9.99, 10.01, 100, 1e8],
    ),
}
# Two derivatives of Stirling's error below 10 come from a difference of polygammas.
SLACK = {"stirling_error": 1e-10}


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", SPECIAL)
def test_special_functions(name, order):
    function, exact, points = SPECIAL[name]
    with mp.workdps(700):
        h = mp.mpf(10) ** -175
        stencil = [[(0, 1)], [(1, 0.5), (-1, -0.5)], [(1, 1), (0, -2), (-1, 1)]][order]
        values = [
            sum(c * exact(mp.mpf(x) + k * h * mp.mpf(x)) for k, c in stencil)
            / (h * mp.mpf(x)) ** order
            for x in points
        ]
        expected = [float(value) for value in values]
    for _ in range(order):
        function = forward_derivative(function)
    actual = jax.jit(function)(jnp.asarray(points, float))
    atol = 1e-14 if name in SLACK else 0
    np.testing.assert_allclose(actual, expected, rtol=SLACK.get(name, 1e-12), atol=atol)


def test_ratio_gap_keeps_its_digits():
    a = jnp.array([1.0, 1.0, 1.0, 1e-300, 3.0])
    b = jnp.array([1.0, 1.0 + 2.0**-30, 1.019, 1.0, 1e-9])
    with mp.workdps(80):
        ratios = [mp.mpf(float(x)) / mp.mpf(float(y)) for x, y in zip(a, b, strict=True)]
        expected = [float(r - 1 - mp.log(r)) for r in ratios]
    np.testing.assert_allclose(_special.ratio_gap(a, b), expected, rtol=1e-13)


@pytest.mark.parametrize("family", CASES)
def test_kernels_keep_the_precision_they_are_given(family):
    y, eta, scale = (jnp.asarray(v, jnp.float32) for v in (1.0, 0.5, 2.0))
    model = model_of(family)
    link = model.default_inverse_link_function
    for method in (model.log_density, model.kernel):
        assert method(y, eta, link, scale).dtype == jnp.float32
    assert model.fisher_weight(eta, link, scale).dtype == jnp.float32
