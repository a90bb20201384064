"""Priors against NumPyro's densities, brute-force minimisation and known posterior modes."""

import copy
import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from numpyro.distributions import constraints
from scipy import optimize
from sklearn.base import clone

from bayesglm._tree import FeatureLayout
from bayesglm.regularizer import Lasso, Prior, Ridge, instantiate, resolve

ARRAY = FeatureLayout.of(np.zeros((4, 3)))
DICT = FeatureLayout.of({"a": np.zeros((4, 3)), "b": np.zeros((4, 2))})
RNG = np.random.default_rng(11)
ROWS = np.array([40.0, 10.0])
COVARIANCE = np.array([[2.0, 0.3, 0.0], [0.3, 1.0, -0.2], [0.0, -0.2, 0.5]])


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def penalty_of(prior, layout=ARRAY, trailing=(), num_rows=40.0, **kwargs):
    prior = prior if isinstance(prior, Prior) else Prior(prior)
    return resolve(prior, None, layout, trailing, num_rows=num_rows, **kwargs)


def mixture():
    parts = dist.Normal(jnp.zeros(2), jnp.array([0.2, 3.0]))
    return dist.MixtureSameFamily(dist.Categorical(jnp.array([0.5, 0.5])), parts)


# name -> (distribution, smooth, lower, upper); log-concave ones have a unique proximal point
CONCAVE = {
    "normal": (lambda: dist.Normal(0.5, 2.0), True, -np.inf, np.inf),
    "laplace": (lambda: dist.Laplace(0.5, 0.2), False, -np.inf, np.inf),
    "logistic": (lambda: dist.Logistic(0.1, 0.5), True, -np.inf, np.inf),
    "gumbel": (lambda: dist.Gumbel(0.0, 1.0), True, -np.inf, np.inf),
    "half normal": (lambda: dist.HalfNormal(0.7), False, 0.0, np.inf),
    "exponential": (lambda: dist.Exponential(3.0), False, 0.0, np.inf),
    "uniform": (lambda: dist.Uniform(-0.4, 0.6), False, -0.4, 0.6),
    "truncated left": (lambda: dist.TruncatedNormal(0.3, 0.5, low=-0.2), False, -0.2, np.inf),
    "truncated right": (lambda: dist.TruncatedNormal(0.3, 0.5, high=0.1), False, -np.inf, 0.1),
    "truncated both": (lambda: dist.TruncatedNormal(1, 1, low=-1, high=0.5), False, -1.0, 0.5),
    "gamma": (lambda: dist.Gamma(2.0, 1.0), False, 0.0, np.inf),
    "beta": (lambda: dist.Beta(2.0, 3.0), False, 0.0, 1.0),
    "asymmetric laplace": (lambda: dist.AsymmetricLaplace(0, 0.1, 2), False, -np.inf, np.inf),
}
OTHERS = {
    "student": (lambda: dist.StudentT(3.0, 0.1, 2.5), True, -np.inf, np.inf),
    "cauchy": (lambda: dist.Cauchy(0.0, 2.5), True, -np.inf, np.inf),
    "half cauchy": (lambda: dist.HalfCauchy(1.0), False, 0.0, np.inf),
    "truncated cauchy": (lambda: dist.TruncatedCauchy(0.0, 1.0, low=-0.5), False, -0.5, np.inf),
    "log normal": (lambda: dist.LogNormal(0.0, 1.0), False, 0.0, np.inf),
    "mixture": (mixture, True, -np.inf, np.inf),
    "flat": (lambda: dist.ImproperUniform(constraints.real, (), ()), True, -np.inf, np.inf),
}
ELEMENTWISE = CONCAVE | OTHERS
elementwise = pytest.mark.parametrize(
    ("make", "smooth", "lower", "upper"), ELEMENTWISE.values(), ids=ELEMENTWISE
)


@elementwise
def test_value_is_minus_log_density_per_row(make, smooth, lower, upper):
    rng = np.random.default_rng(0)
    coef = np.clip(rng.normal(size=(3, 2)), max(lower, -9) + 0.05, min(upper, 9) - 0.05)
    penalty = penalty_of(make(), trailing=(2,), num_rows=ROWS)
    expected = -np.asarray(make().log_prob(coef)).sum(0) / ROWS
    np.testing.assert_allclose(penalty.value(coef), expected, rtol=1e-12, atol=1e-15)
    log_prior = penalty.log_prior(coef, jnp.ones(2), jnp.ones(2))
    np.testing.assert_allclose(log_prior, -expected * ROWS, rtol=1e-12, atol=1e-15)
    assert (penalty.smooth, penalty.separable) == (smooth, True)
    assert not penalty.couples_responses
    assert not penalty.is_zero
    if smooth:
        np.testing.assert_array_equal(penalty.smooth_value(coef), penalty.value(coef))
    again = penalty.with_rows(2 * ROWS)
    np.testing.assert_allclose(again.value(coef), expected / 2, rtol=1e-12, atol=1e-15)


@elementwise
def test_outside_the_support_is_impossible(make, smooth, lower, upper):
    del smooth
    penalty = penalty_of(make())
    inside = np.full((3, 1), np.clip(0.3, lower, upper))
    for end, sign in ((lower, -1), (upper, 1)):
        if np.isfinite(end):
            outside = inside.copy()
            outside[1] = end + sign * 1e-3
            assert penalty.value(outside)[0] == np.inf


@pytest.mark.parametrize(("make", "smooth", "lower", "upper"), CONCAVE.values(), ids=CONCAVE)
@pytest.mark.parametrize("step", [0.5, 60.0])
def test_prox_is_the_minimiser_found_by_brute_force(make, smooth, lower, upper, step):
    del smooth
    points = np.array([-1.3, 0.02, 0.9])
    penalty = penalty_of(make(), num_rows=40.0)
    density = make()
    actual = np.asarray(penalty.prox(jnp.asarray(points)[:, None], step))[:, 0]
    objective = jax.jit(lambda z, w: -density.log_prob(z) / 40.0 + (z - w) ** 2 / (2 * step))
    for point, found in zip(points, actual, strict=True):
        ends = (max(lower, -50.0), min(upper, 50.0))
        best = optimize.minimize_scalar(
            lambda z, w=point: float(objective(z, w)),
            bounds=ends,
            method="bounded",
            options={"xatol": 1e-11},
        ).x
        # Golden section finds a minimum of curvature >= 1 / step to about sqrt(step * 1e-16).
        np.testing.assert_allclose(found, best, atol=2e-6 if step < 1 else 1e-5)
        assert lower <= found <= upper


@elementwise
def test_prox_is_stationary_inside_the_support(make, smooth, lower, upper):
    """At small steps also where the density is not log-concave."""
    del smooth
    point, step = np.array([[-1.3], [0.02], [0.9]]), 0.5
    penalty = penalty_of(make())
    z = penalty.prox(jnp.asarray(point), step)
    assert jnp.isfinite(penalty.value(z)).all()
    gradient = jax.grad(lambda w: penalty.value(w).sum())(z) + (z - point) / step
    density = make()
    center = getattr(density, "loc", np.inf) if isinstance(density, dist.Laplace) else np.inf
    kink = 0.0 if isinstance(density, dist.AsymmetricLaplace) else center
    free = (z > lower) & (z < upper) & (abs(z - kink) > 1e-9)
    np.testing.assert_allclose(jnp.where(free, gradient, 0.0), 0.0, atol=1e-9)


def test_prox_of_bounded_priors_reaches_the_bound_exactly():
    for distribution in (dist.HalfNormal(1.0), dist.HalfCauchy(1.0), dist.Exponential(1.0)):
        z = penalty_of(distribution).prox(jnp.array([[-1.0], [-1e-9], [2.0]]), 0.5)
        assert z[0, 0] == 0.0
        assert z[1, 0] == 0.0
        assert z[2, 0] > 1.5


def test_laplace_prior_is_the_lasso_about_its_location():
    coef = RNG.normal(size=(3, 1))
    penalty = penalty_of(dist.Laplace(0.5, 0.1))
    lasso = resolve(Lasso(), 1 / (40 * 0.1), ARRAY)
    moved = 0.5 + lasso.prox(coef - 0.5, 0.3)
    np.testing.assert_allclose(penalty.prox(coef, 0.3), moved, rtol=1e-14)
    assert penalty.smooth_value(coef)[0] == 0.0


def test_normal_prior_is_ridge_up_to_a_constant():
    penalty = penalty_of(dist.Normal(0.0, 2.0))
    ridge = resolve(Ridge(), 1 / (40 * 4.0), ARRAY)
    a, b = RNG.normal(size=(2, 3, 1))
    np.testing.assert_allclose(
        penalty.value(a) - penalty.value(b), ridge.value(a) - ridge.value(b), rtol=1e-12
    )
    np.testing.assert_allclose(penalty.prox(a, 0.3), ridge.prox(a, 0.3), rtol=1e-14)
    np.testing.assert_allclose(penalty.smooth_hessian(a), ridge.smooth_hessian(a), atol=1e-15)


def test_gaussian_posterior_mode_in_closed_form():
    """y ~ N(Xw, v), w ~ N(0, t): the mode is (X'X/v + I/t)^-1 X'y/v, with n / (2 v) for rows."""
    n, v, t = 30, 0.8, 0.4
    X, y = RNG.normal(size=(n, 3)), RNG.normal(size=n)
    mode = np.linalg.solve(X.T @ X / v + np.eye(3) / t, X.T @ y / v)
    penalty = penalty_of(dist.Normal(0.0, np.sqrt(t)), num_rows=1.0).with_rows(
        jnp.array([n / (2 * v)])
    )

    def objective(coef):
        return jnp.mean((y - X @ coef[:, 0]) ** 2) + penalty.value(coef)[0]

    gradient = jax.grad(objective)(jnp.asarray(mode)[:, None])
    np.testing.assert_allclose(gradient, 0.0, atol=1e-14)


# --------------------------------------------------------------------------- shapes of priors


def test_one_scale_per_feature_or_response():
    coef = RNG.normal(size=(3, 2))
    for scale in (
        np.array([[1.0], [2.0], [3.0]]),
        np.array([[1.0, 2.0]]),
        RNG.uniform(size=(3, 2)),
    ):
        prior = dist.Normal(0.0, scale)
        penalty = penalty_of(prior, trailing=(2,), num_rows=ROWS)
        expected = -np.asarray(prior.log_prob(coef)).sum(0) / ROWS
        np.testing.assert_allclose(penalty.value(coef), expected, rtol=1e-13)
        curvature = np.broadcast_to(1 / scale**2, (3, 2)) / ROWS
        hessian = [np.diag(curvature[:, k]) for k in range(2)]
        np.testing.assert_allclose(penalty.smooth_hessian(coef), hessian, rtol=1e-13)
        moved = coef / (1 + 0.5 * curvature)
        np.testing.assert_allclose(penalty.prox(coef, 0.5), moved, rtol=1e-13)


def test_classes():
    scale = np.array([1.0, 2.0, 3.0, 4.0])
    coef = RNG.normal(size=(3, 1, 4))
    prior = dist.Laplace(0.0, scale[None, :])
    penalty = penalty_of(prior, trailing=(4,), event_ndim=1)
    expected = -np.asarray(prior.log_prob(coef[:, 0])).sum() / 40
    np.testing.assert_allclose(penalty.value(coef), [expected], rtol=1e-13)
    threshold = 0.5 / (40 * scale)
    moved = np.sign(coef) * np.maximum(abs(coef) - threshold, 0)
    np.testing.assert_allclose(penalty.prox(coef, 0.5), moved, rtol=1e-13)
    vectors = penalty_of(
        dist.MultivariateNormal(jnp.zeros(3), COVARIANCE), trailing=(4,), event_ndim=1
    )
    density = dist.MultivariateNormal(jnp.zeros(3), COVARIANCE).log_prob(coef[:, 0].T)
    np.testing.assert_allclose(vectors.value(coef), [-np.sum(density) / 40], rtol=1e-13)


@pytest.mark.parametrize("shape", [(3,), (2,), (1,), (2, 3), (3, 2, 1)])
def test_no_axis_is_guessed(shape):
    with pytest.raises(
        ValueError, match=r"batch shape of the prior .* must be \(\) or that of the coe"
    ):
        penalty_of(dist.Normal(0.0, np.ones(shape)), trailing=(2,))


def test_multivariate_normal():
    prior = dist.MultivariateNormal(jnp.array([0.5, 0.0, -1.0]), COVARIANCE)
    coef, step = RNG.normal(size=(3, 2)), RNG.uniform(0.1, 9.0, size=(3, 2))
    penalty = penalty_of(prior, trailing=(2,), num_rows=ROWS)
    np.testing.assert_allclose(penalty.value(coef), -prior.log_prob(coef.T) / ROWS, rtol=1e-13)
    precision = np.linalg.inv(COVARIANCE)
    hessian = [precision / rows for rows in ROWS]
    np.testing.assert_allclose(penalty.smooth_hessian(coef), hessian, rtol=1e-10)
    for t in (0.7, step):
        z = penalty.prox(jnp.asarray(coef), t)
        gradient = jax.grad(lambda w: penalty.value(w).sum())(z)
        np.testing.assert_allclose(gradient + (z - coef) / t, 0.0, atol=1e-12)
    assert (penalty.smooth, penalty.separable, penalty.couples_responses) == (True, False, False)
    each = dist.MultivariateNormal(jnp.zeros((2, 3)), np.stack([COVARIANCE, np.eye(3)]))
    own = penalty_of(each, trailing=(2,), num_rows=ROWS)
    np.testing.assert_allclose(own.value(coef), -each.log_prob(coef.T) / ROWS, rtol=1e-13)
    assert Prior(prior).default_solver == "Newton"
    assert "ProximalGradient" in Prior(prior).allowed_solvers


def test_other_vector_priors_are_smooth_and_have_no_prox():
    for prior in (
        dist.Normal(jnp.zeros(3), 2.0).to_event(1),
        dist.MultivariateStudentT(4.0, jnp.zeros(3), np.linalg.cholesky(COVARIANCE)),
    ):
        coef = RNG.normal(size=(3, 2))
        penalty = penalty_of(prior, trailing=(2,), num_rows=ROWS)
        np.testing.assert_allclose(penalty.value(coef), -prior.log_prob(coef.T) / ROWS, rtol=1e-12)
        hessian = penalty.smooth_hessian(jnp.asarray(coef))
        exact = jax.vmap(jax.hessian(lambda w, d=prior: -d.log_prob(w)))(coef.T)
        np.testing.assert_allclose(hessian, exact / ROWS[:, None, None], rtol=1e-11, atol=1e-15)
        assert "ProximalGradient" not in Prior(prior).allowed_solvers
        with pytest.raises(NotImplementedError, match="no proximal operator"):
            penalty.prox(coef, 1.0)


def test_matrix_priors_couple_responses():
    prior = dist.MatrixNormal(jnp.zeros((3, 2)), np.linalg.cholesky(COVARIANCE), jnp.eye(2))
    coef = RNG.normal(size=(3, 2))
    penalty = penalty_of(prior, trailing=(2,), num_rows=ROWS)
    np.testing.assert_allclose(penalty.value(coef), [-prior.log_prob(coef) / 40, 0.0], rtol=1e-13)
    assert penalty.couples_responses


def test_vector_priors_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"event shape of the prior .* must be \(3,\)"):
        penalty_of(dist.MultivariateNormal(jnp.zeros(2), jnp.eye(2)))
    with pytest.raises(ValueError, match=r"batch shape of the prior .* must be"):
        penalty_of(dist.MultivariateNormal(jnp.zeros((4, 3)), jnp.eye(3)), trailing=(2,))


def test_parts_of_the_features():
    priors = {"b": dist.MultivariateNormal(jnp.zeros(2), jnp.eye(2)), "a": dist.Laplace(0.0, 1.0)}
    coef = RNG.normal(size=(5, 2))
    expected = -np.asarray(priors["a"].log_prob(coef[:3])).sum(0) - priors["b"].log_prob(coef[3:].T)
    penalty = penalty_of(Prior(priors), DICT, (2,), ROWS)
    np.testing.assert_allclose(penalty.value(coef), expected / ROWS, rtol=1e-13)
    same = resolve(priors, None, DICT, (2,), num_rows=ROWS)
    np.testing.assert_allclose(same.value(coef), expected / ROWS, rtol=1e-13)
    assert not penalty.smooth
    flat = penalty_of(Prior({"a": priors["a"], "b": None}), DICT, (2,), ROWS)
    only = -np.asarray(priors["a"].log_prob(coef[:3])).sum(0) / ROWS
    np.testing.assert_allclose(flat.value(coef), only, rtol=1e-13)
    mixed = resolve({"a": "Ridge", "b": dist.Cauchy(0.0, 1.0)}, None, DICT, (2,), num_rows=ROWS)
    ridge = 0.5 * (coef[:3] ** 2).sum(0)
    cauchy = -np.asarray(dist.Cauchy(0.0, 1.0).log_prob(coef[3:])).sum(0) / ROWS
    np.testing.assert_allclose(mixed.value(coef), ridge + cauchy, rtol=1e-13)
    with pytest.raises(ValueError, match="'b' belongs to none"):
        penalty_of(Prior({"a": priors["a"]}), DICT)


# --------------------------------------------------------------------- intercept and autoscaling


def test_prior_of_the_intercept():
    prior = Prior(dist.Normal(0.0, 1.0), intercept=dist.StudentT(3.0, 1.0, 2.5))
    penalty = penalty_of(prior, trailing=(2,), num_rows=ROWS)
    intercept, coef = RNG.normal(size=2), RNG.normal(size=(3, 2))
    expected = -prior.intercept.log_prob(intercept) / ROWS
    np.testing.assert_allclose(penalty.intercept_value(intercept), expected, rtol=1e-13)
    assert penalty.penalizes_intercept
    assert not penalty.intercept_centered
    plain = penalty_of(dist.Normal(0.0, 1.0), trailing=(2,), num_rows=ROWS)
    np.testing.assert_allclose(penalty.value(coef), plain.value(coef), rtol=1e-15)
    np.testing.assert_allclose(penalty.prox(coef, 0.5), plain.prox(coef, 0.5), rtol=1e-15)
    np.testing.assert_allclose(penalty.smooth_hessian(coef), plain.smooth_hessian(coef))
    assert (penalty.smooth, penalty.separable, penalty.is_zero) == (True, True, False)
    assert plain.intercept_value(intercept).tolist() == [0.0, 0.0]
    assert not plain.penalizes_intercept
    doubled = penalty.with_rows(2 * ROWS)
    np.testing.assert_allclose(doubled.intercept_value(intercept), expected / 2, rtol=1e-13)
    single = penalty_of(prior)
    np.testing.assert_allclose(
        single.intercept_value(intercept[:1]), -prior.intercept.log_prob(intercept[:1]) / 40
    )
    classes = penalty_of(prior, trailing=(2, 4), event_ndim=1, num_rows=ROWS)
    intercept = RNG.normal(size=(2, 4))
    expected = -np.asarray(prior.intercept.log_prob(intercept)).sum(1) / ROWS
    np.testing.assert_allclose(classes.intercept_value(intercept), expected, rtol=1e-13)
    with pytest.raises(ValueError, match=r"that of the intercept, \(2,\)"):
        penalty_of(Prior(dist.Normal(), intercept=dist.Normal(jnp.zeros(3), 1.0)), trailing=(2,))


def test_default_prior_is_that_of_rstanarm():
    """Gabry and Goodrich: normal(0, 2.5 sd(y) / sd(x)), intercept normal(mean(y), 2.5 sd(y))."""
    sd_x, sd_y, mean_y = np.array([0.1, 5.0, 0.0]), np.array([2.0, 0.5]), np.array([3.0, -1.0])
    penalty = penalty_of(
        Prior(), ARRAY, (2,), ROWS, feature_scale=sd_x, response_scale=sd_y, response_center=mean_y
    )
    coef, intercept = RNG.normal(size=(3, 2)), RNG.normal(size=2)
    scale = 2.5 * sd_y / np.array([0.1, 5.0, 1.0])[:, None]  # a constant column counts as scale 1
    expected = -np.asarray(dist.Normal(0, scale).log_prob(coef)).sum(0) / ROWS
    np.testing.assert_allclose(penalty.value(coef), expected, rtol=1e-13)
    expected = -dist.Normal(mean_y, 2.5 * sd_y).log_prob(intercept) / ROWS
    np.testing.assert_allclose(penalty.intercept_value(intercept), expected, rtol=1e-13)
    assert penalty.intercept_centered
    assert penalty.penalizes_intercept
    part = resolve(
        {"a": "Lasso", "b": "Prior"}, None, DICT, num_rows=40.0,
        feature_scale=np.arange(1.0, 6.0), response_scale=1.0,
    )  # fmt: skip
    coef = RNG.normal(size=(5, 1))
    normal = dist.Normal(0, 2.5 / np.array([[4.0], [5.0]]))
    expected = abs(coef[:3]).sum(0) - np.asarray(normal.log_prob(coef[3:])).sum(0) / 40
    np.testing.assert_allclose(part.value(coef), expected, rtol=1e-13)


def test_default_prior_does_not_depend_on_units():
    coef = RNG.normal(size=(3, 1))
    scales = np.array([1.0, 2.0, 3.0])
    one = penalty_of(Prior(), feature_scale=scales, response_scale=1.0)
    other = penalty_of(Prior(), feature_scale=100 * scales, response_scale=1.0)
    a = one.value(coef) - one.value(0 * coef)
    b = other.value(coef / 100) - other.value(0 * coef)
    np.testing.assert_allclose(a, b, rtol=1e-12)


def test_default_prior_needs_scales():
    with pytest.raises(ValueError, match="needs `feature_scale` and `response_scale`"):
        penalty_of(Prior())


# ------------------------------------------------------------------------------ what is refused


UNCHECKED = {"validate_args": False}  # NumPyro's own checks can be switched off
IMPOSSIBLE = {
    "scale 0": (
        lambda: dist.Normal(0.0, 0.0, **UNCHECKED),
        "`scale` of the prior Normal.* must satisfy",
    ),
    "negative": (lambda: dist.Laplace(0.0, -1.0, **UNCHECKED), "`scale` of the prior"),
    "nan": (lambda: dist.StudentT(3.0, np.nan, 1.0, **UNCHECKED), "`loc` of the prior"),
    "nan scale": (
        lambda: dist.Normal(0.0, np.array([1.0, np.nan, 1.0]), **UNCHECKED),
        "`scale` of the prior",
    ),
    "empty": (
        lambda: dist.Uniform(1.0, 1.0, **UNCHECKED),
        "support of the prior Uniform.* is empty",
    ),
    "expanded": (lambda: dist.Normal(0.0, -1.0, **UNCHECKED).expand([3]), "`scale` of the prior"),
    "discrete": (lambda: dist.Poisson(1.0), "must be continuous"),
    "point mass": (lambda: dist.Delta(0.0), "must be continuous"),
    "simplex": (lambda: dist.Dirichlet(jnp.ones(3)), "support of a prior must be the real line"),
    "bounded vector": (lambda: dist.HalfNormal(jnp.ones(3)).to_event(1), "without `to_event`"),
}


@pytest.mark.parametrize(("make", "match"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_priors_are_refused_at_construction(make, match):
    with pytest.raises(ValueError, match=match):
        Prior(make())
    with pytest.raises(ValueError, match=match):
        Prior({"a": make(), "b": None})


@pytest.mark.parametrize("bad", [3.0, "normal", dist.Normal, {"a": 2.0}])
def test_what_is_no_distribution_is_refused(bad):
    with pytest.raises(TypeError, match="takes a NumPyro distribution"):
        Prior(bad)
    with pytest.raises(TypeError, match="takes a NumPyro distribution"):
        Prior(dist.Normal(), intercept=bad)


def test_priors_of_the_intercept_are_smooth_and_of_single_numbers():
    for bad in (
        dist.Laplace(),
        dist.HalfNormal(),
        dist.MultivariateNormal(jnp.zeros(2), jnp.eye(2)),
    ):
        with pytest.raises(ValueError, match="intercept must be a smooth distribution"):
            Prior(dist.Normal(), intercept=bad)


def test_a_prior_has_no_strength_and_needs_rows():
    with pytest.raises(ValueError, match=r"leave `regularizer_strength` None.*got 1.0"):
        resolve(Prior(dist.Normal()), 1.0, ARRAY, num_rows=40.0)
    with pytest.raises(ValueError, match="needs the number of rows"):
        resolve(Prior(dist.Normal()), None, ARRAY)
    assert Prior(dist.Normal()).default_strength is None


# --------------------------------------------------------------------------- as a user's object


def test_solvers():
    for make, smooth, _, _ in ELEMENTWISE.values():
        prior = Prior(make())
        assert prior.default_solver == ("Newton" if smooth else "ProximalNewton")
        assert ("LBFGS" in prior.allowed_solvers) == smooth
        prior.check_solver(prior.default_solver)
    assert Prior().default_solver == "Newton"
    assert Prior({"a": dist.Normal(), "b": dist.Laplace()}).default_solver == "ProximalNewton"


@elementwise
def test_priors_survive_clone_copy_and_pickle(make, smooth, lower, upper):
    del smooth
    prior = Prior(make(), intercept=dist.Normal(0.0, 5.0))
    coef = np.full((3, 1), np.clip(0.3, lower, upper))
    value = penalty_of(prior).value(coef)
    copies = [clone(prior), copy.deepcopy(prior)]
    if not isinstance(prior.distribution, dist.ImproperUniform):
        copies.append(pickle.loads(pickle.dumps(prior)))
    for again in copies:
        assert again is not prior
        np.testing.assert_array_equal(penalty_of(again).value(coef), value)


def test_repr():
    assert repr(Prior()) == "Prior()"
    assert repr(Prior(dist.Normal(0, 2.5))) == "Prior(distribution=Normal(loc=0, scale=2.5))"
    shown = repr(Prior({"a": dist.Cauchy(0, 1), "b": None}, intercept=dist.Normal(np.zeros(2), 1)))
    assert "{'a': Cauchy(loc=0, scale=1), 'b': None}" in shown
    assert "intercept=Normal(loc=array(2,)" in shown
    assert type(instantiate(dist.Normal(0, 1))) is Prior


def test_another_scale_or_number_of_rows_compiles_nothing():
    traces = []

    @jax.jit
    def objective(penalty, coef):
        traces.append(1)
        return penalty.value(coef), penalty.prox(coef, 0.5), penalty.intercept_value(coef[0])

    for make in (dist.Normal, dist.Laplace, dist.Cauchy):
        traces.clear()
        for scale, rows in ((1.0, 10.0), (2, 20), (0.5, jnp.array([30.0])), (np.float32(3), 40.0)):
            prior = Prior(make(0.0, scale), intercept=dist.Normal(0.0, scale))
            objective(penalty_of(prior, num_rows=rows), jnp.ones((3, 1)))
        assert len(traces) == 1


def test_distributions_are_not_changed():
    prior = dist.Normal(0.0, np.ones((3, 1)))
    before = dict(vars(prior))
    penalty_of(prior, trailing=(2,), num_rows=ROWS).value(jnp.ones((3, 2)))
    after = {name: value for name, value in vars(prior).items() if name in before}
    assert list(before) == list(after)
    assert all(after[name] is before[name] for name in before)


def test_the_module_imports_numpyro_only_when_needed():
    code = (
        "import sys, numpy as np, bayesglm.regularizer as r\n"
        "from bayesglm._tree import FeatureLayout\n"
        "r.resolve('Lasso', 1.0, FeatureLayout.of(np.zeros((2, 2))))\n"
        "r.instantiate('Prior')\n"
        "print('numpyro' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
