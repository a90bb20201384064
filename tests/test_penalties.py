"""Penalties against closed forms, brute force, quadrature and optimality conditions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize

from bayesglm._tree import FeatureLayout
from bayesglm.regularizer import (
    ElasticNet,
    GroupLasso,
    Lasso,
    Ridge,
    UnRegularized,
    instantiate,
    resolve,
)
from bayesglm.regularizer._kernels import log_elastic_net_normalizer, log_group_normalizer

ARRAY = FeatureLayout.of(np.zeros((4, 3)))
DICT = FeatureLayout.of({"b": np.zeros((4, 2)), "a": np.zeros((4, 3))})  # leaves in order a, b
MASK = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def penalty_of(regularizer, strength=None, layout=ARRAY, trailing=(), **kwargs):
    return resolve(regularizer, strength, layout, trailing, **kwargs)


SEPARABLE = {
    "none": (UnRegularized(), None),
    "ridge": (Ridge(), 0.7),
    "lasso": (Lasso(), 0.7),
    "elastic net": (ElasticNet(), (0.7, 0.3)),
}
ALL = SEPARABLE | {"group lasso": (GroupLasso(MASK), 0.4)}
each = pytest.mark.parametrize(("regularizer", "strength"), ALL.values(), ids=ALL)


# ---------------------------------------------------------------- values, against closed forms


def test_penalties_are_the_published_formulas():
    coef = np.array([1.5, -2.0, 0.5])
    s, r = np.array([0.2, 0.0, 3.0]), np.array([0.5, 1.0, 0.25])
    groups = 0.4 * np.sqrt(2) * np.hypot(1.5, 0.5) + 0.9 * 2.0
    expected = [
        (UnRegularized(), 5.0, 0.0),
        (Ridge(), s, 0.5 * np.sum(s * coef**2)),
        (Lasso(), s, np.sum(s * np.abs(coef))),
        (ElasticNet(), (s, r), np.sum(s * (0.5 * (1 - r) * coef**2 + r * np.abs(coef)))),
        (GroupLasso(MASK), np.array([0.4, 0.9]), groups),
    ]
    for regularizer, strength, value in expected:
        penalty = penalty_of(regularizer, strength)
        np.testing.assert_allclose(penalty.value(coef[:, None]), [value], rtol=1e-14)


@pytest.mark.parametrize(
    ("regularizer", "value"),
    [(Ridge(), 2.5), (Lasso(), 3.0), (ElasticNet(), 0.5 * 2.5 + 0.5 * 3.0), (UnRegularized(), 0.0)],
)
def test_default_strengths(regularizer, value):
    coef = jnp.array([[1.0], [-2.0], [0.0]])
    assert penalty_of(regularizer).value(coef)[0] == value
    assert penalty_of(regularizer, regularizer.default_strength).value(coef)[0] == value


@pytest.mark.parametrize(
    ("regularizer", "strength"), [*SEPARABLE.values(), (GroupLasso(), 0.4)], ids=ALL
)
def test_value_is_per_response_and_zero_at_zero(regularizer, strength):
    coef = RNG.normal(size=(5, 4))
    together = penalty_of(regularizer, strength, DICT, trailing=(4,))
    alone = penalty_of(regularizer, strength, DICT)
    expected = [alone.value(coef[:, [k]])[0] for k in range(4)]
    np.testing.assert_allclose(together.value(coef), expected, rtol=1e-14)
    moved = np.hstack([alone.prox(coef[:, [k]], 0.3) for k in range(4)])
    np.testing.assert_allclose(together.prox(coef, 0.3), moved, rtol=1e-14)
    assert together.value(0 * coef).tolist() == [0.0] * 4


def test_classifier_shapes():
    coef = RNG.normal(size=(3, 1, 4))
    one = penalty_of(Ridge(), 2.0, trailing=(4,), event_ndim=1)
    np.testing.assert_allclose(one.value(coef), [np.sum(coef**2)], rtol=1e-14)
    coef = RNG.normal(size=(3, 2, 4))
    strength = RNG.uniform(size=(3, 2, 4))
    many = penalty_of(Lasso(), strength, trailing=(2, 4), event_ndim=1)
    np.testing.assert_allclose(many.value(coef), np.sum(strength * abs(coef), (0, 2)), rtol=1e-14)
    group = penalty_of(GroupLasso(), 1.0, DICT, trailing=(2, 4), event_ndim=1)
    assert group.num_groups == 2 * 2 * 4
    assert not group.couples_responses
    coef = RNG.normal(size=(5, 2, 4))
    norms = np.sqrt(3) * np.linalg.norm(coef[:3], axis=0) + np.sqrt(2) * np.linalg.norm(
        coef[3:], axis=0
    )
    np.testing.assert_allclose(group.value(coef), norms.sum(-1), rtol=1e-14)


def test_a_group_over_responses_counts_once_with_the_first():
    mask = np.zeros((2, 3, 4))
    mask[0, :, 1:3] = 1
    mask[1, 0, 3] = 1
    penalty = penalty_of(GroupLasso(mask), np.array([2.0, 1.0]), trailing=(4,))
    assert penalty.couples_responses
    coef = RNG.normal(size=(3, 4))
    joint = 2.0 * np.sqrt(6) * np.linalg.norm(coef[:, 1:3])
    np.testing.assert_allclose(penalty.value(coef), [0, joint, 0, abs(coef[0, 3])], rtol=1e-14)


def test_default_groups_are_leaf_by_response():
    coef = RNG.normal(size=(5, 2))
    penalty = penalty_of(GroupLasso(), 0.5, DICT, trailing=(2,))
    norms = np.sqrt(3) * np.linalg.norm(coef[:3], axis=0) + np.sqrt(2) * np.linalg.norm(
        coef[3:], axis=0
    )
    np.testing.assert_allclose(penalty.value(coef), 0.5 * norms, rtol=1e-14)
    assert not penalty.couples_responses
    with pytest.warns(UserWarning, match="Mask has not been set"):
        single = penalty_of(GroupLasso(), 0.5)
    np.testing.assert_allclose(
        single.value(coef[:3, :1]), [0.5 * np.sqrt(3) * np.linalg.norm(coef[:3, 0])], rtol=1e-14
    )


def test_a_group_over_leaves_has_one_norm():
    mask = {"a": np.ones((1, 3)), "b": np.ones((1, 2))}
    coef = RNG.normal(size=(5, 1))
    penalty = penalty_of(GroupLasso(mask), 1.0, DICT)
    np.testing.assert_allclose(penalty.value(coef), [np.sqrt(5) * np.linalg.norm(coef)], rtol=1e-14)


# ------------------------------------------------------------------------ proximal operators


def brute_prox(penalty, point, step):
    """Minimise step * penalty + half squared distance without a derivative, from several starts."""

    @jax.jit
    def objective(flat):
        coef = flat.reshape(point.shape)
        return jnp.sum(penalty.value(coef)) + jnp.sum((coef - point) ** 2 / (2 * step))

    starts = (point, 0 * point)
    options = {"xatol": 1e-10, "fatol": 1e-15, "maxiter": 4000, "maxfev": 4000}
    found = [
        optimize.minimize(objective, s.ravel(), method="Nelder-Mead", options=options)
        for s in starts
    ]
    return min(found, key=lambda result: result.fun).x.reshape(point.shape)


@each
@pytest.mark.parametrize("step", [0.3, 2.0])
def test_prox_is_the_minimiser_found_by_brute_force(regularizer, strength, step):
    penalty = penalty_of(regularizer, strength)
    point = np.array([[1.2], [-0.15], [0.9]])
    actual = penalty.prox(jnp.asarray(point), step)
    # Nelder-Mead finds a minimum of curvature >= 1 / step to about sqrt(1e-15).
    np.testing.assert_allclose(actual, brute_prox(penalty, point, step), atol=2e-6)


@each
def test_prox_satisfies_the_optimality_condition(regularizer, strength):
    """(w - prox) / step is a subgradient of the penalty at the proximal point: Fermat's rule."""
    penalty = penalty_of(regularizer, strength)
    rng = np.random.default_rng(0)
    for _ in range(20):
        point, step = rng.normal(size=(3, 1)), rng.uniform(0.1, 2.0)
        z = penalty.prox(jnp.asarray(point), step)
        subgradient = (point - z) / step
        others = rng.normal(size=(200, 3, 1))
        gap = jax.vmap(penalty.value)(others)[:, 0] - penalty.value(z)[0]
        gap -= jnp.sum(subgradient * (others - z), axis=(1, 2))
        assert gap.min() > -1e-12


def test_prox_in_closed_form():
    w, s, r, t = np.array([[2.0], [-0.1], [0.6]]), 0.4, 0.25, 1.5
    soft = lambda x, a: np.sign(x) * np.maximum(np.abs(x) - a, 0)
    cases = [
        (UnRegularized(), None, w),
        (Ridge(), s, w / (1 + t * s)),
        (Lasso(), s, soft(w, t * s)),
        (ElasticNet(), (s, r), soft(w, t * s * r) / (1 + t * s * (1 - r))),
    ]
    for regularizer, strength, expected in cases:
        actual = penalty_of(regularizer, strength).prox(jnp.asarray(w), t)
        np.testing.assert_allclose(actual, expected, rtol=1e-15, atol=1e-15)
    group = w[[0, 2]] * max(0.0, 1 - t * s * np.sqrt(2) / np.linalg.norm(w[[0, 2]]))
    actual = penalty_of(GroupLasso(MASK), s).prox(jnp.asarray(w), t)
    np.testing.assert_allclose(actual[jnp.array([0, 2])], group, rtol=1e-14)
    assert actual[1, 0] == 0.0


def test_prox_takes_elementwise_steps():
    w, step = RNG.normal(size=(3, 2)), RNG.uniform(0.1, 2.0, size=(3, 2))
    penalty = penalty_of(ElasticNet(), (0.7, 0.3), trailing=(2,))
    single = penalty_of(ElasticNet(), (0.7, 0.3), FeatureLayout.of(np.zeros((4, 1))))
    for j, k in np.ndindex(3, 2):
        alone = single.prox(jnp.asarray(w[j : j + 1, k : k + 1]), step[j, k])[0, 0]
        np.testing.assert_allclose(penalty.prox(w, step)[j, k], alone, rtol=1e-15)


def test_group_prox_with_scaled_columns():
    """With the common scale D, the prox of h(z / D) is D prox(z / D) with step / D squared."""
    penalty = penalty_of(GroupLasso(np.array([[1.0, 0.0, 1.0]])), 0.4)
    scale = penalty.common_scale(jnp.array([[1.0], [5.0], [4.0]]))
    np.testing.assert_allclose(scale.ravel(), [2.0, 5.0, 2.0], rtol=1e-14)
    z, step = RNG.normal(size=(3, 1)), 0.5

    class Scaled:
        def value(self, coef):
            return penalty.value(coef / scale)

    actual = scale * penalty.prox(z / scale, step / scale**2)
    np.testing.assert_allclose(actual, brute_prox(Scaled(), z, step), atol=2e-6)


def test_common_scale_is_the_identity_where_separable():
    scale = jnp.array([[1.0], [5.0], [4.0]])
    for regularizer, strength in SEPARABLE.values():
        assert (penalty_of(regularizer, strength).common_scale(scale) == scale).all()


points = st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3)


@each
@settings(max_examples=30, deadline=None)
@given(points, points, st.floats(1e-3, 1e3))
def test_prox_is_firmly_nonexpansive(regularizer, strength, first, second, step):
    """Parikh and Boyd (2014), section 2.3."""
    with jax.enable_x64(True):
        penalty = penalty_of(regularizer, strength)
        x, y = (jnp.array(v)[:, None] for v in (first, second))
        moved = penalty.prox(x, step) - penalty.prox(y, step)
        slack = jnp.sum(moved * (x - y)) - jnp.sum(moved**2)
        assert slack >= -1e-12 * (1 + jnp.sum((x - y) ** 2))


@each
def test_prox_of_no_step_is_the_identity(regularizer, strength):
    coef = RNG.normal(size=(3, 1))
    np.testing.assert_array_equal(penalty_of(regularizer, strength).prox(coef, 0.0), coef)


@each
def test_zero_strength_is_no_penalty(regularizer, strength):
    del strength
    zero = (0.0, 0.5) if isinstance(regularizer, ElasticNet) else 0.0
    penalty, coef = penalty_of(regularizer, zero), RNG.normal(size=(3, 1))
    assert penalty.value(coef)[0] == 0.0
    np.testing.assert_array_equal(penalty.prox(coef, 2.0), coef)


@each
def test_a_kkt_point_of_a_penalised_quadratic(regularizer, strength):
    """Proximal gradient steps stop at the minimum that an independent optimiser cannot improve."""
    penalty = penalty_of(regularizer, strength)
    root = RNG.normal(size=(5, 3))
    hessian, linear = jnp.asarray(root.T @ root), jnp.asarray(RNG.normal(size=(3, 1)))
    step = 1.0 / np.linalg.eigvalsh(hessian)[-1]

    def move(_, coef):
        return penalty.prox(coef - step * (hessian @ coef - linear), step)

    coef = jax.lax.fori_loop(0, 5000, move, jnp.zeros((3, 1)))
    gradient = hessian @ coef - linear
    np.testing.assert_allclose(penalty.prox(coef - step * gradient, step), coef, atol=1e-12)

    @jax.jit
    def objective(flat):
        w = flat[:, None]
        return 0.5 * jnp.sum(w * (hessian @ w)) - jnp.sum(linear * w) + penalty.value(w)[0]

    best = optimize.minimize(objective, np.asarray(coef).ravel(), method="Nelder-Mead")
    assert objective(np.asarray(coef).ravel()) <= best.fun + 1e-12


@pytest.mark.parametrize("name", ["UnRegularized", "Ridge", "Lasso", "ElasticNet", "GroupLasso"])
def test_penalty_and_prox_are_those_of_nemos(name):
    nemos = pytest.importorskip("nemos")
    theirs, ours = getattr(nemos.regularizer, name)(), instantiate(name)
    params = {"a": jnp.asarray(RNG.normal(size=(3, 2))), "b": jnp.asarray(RNG.normal(size=(2, 2)))}
    zero = lambda p: 0.0
    for strength in (0.4, 0.05):
        checked = theirs._validate_strength(strength)
        value = ours.penalized_loss(zero, params, strength)(params)
        expected = theirs.penalized_loss(zero, params, checked)(params)
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        moved = ours.get_proximal_operator(params, strength)(params, None, 0.7)
        expected = theirs.get_proximal_operator(params, checked)(params, None, scaling=0.7)
        for leaf in params:
            np.testing.assert_allclose(moved[leaf], expected[leaf], rtol=1e-12, atol=1e-15)


# --------------------------------------------------------------------- smooth part, derivatives


def test_smooth_parts():
    coef = RNG.normal(size=(3, 2))
    ridge = penalty_of(Ridge(), 0.7, trailing=(2,))
    np.testing.assert_array_equal(ridge.smooth_value(coef), ridge.value(coef))
    net = penalty_of(ElasticNet(), (0.7, 0.3), trailing=(2,))
    np.testing.assert_allclose(net.smooth_value(coef), 0.5 * 0.49 * (coef**2).sum(0), rtol=1e-14)
    for regularizer in (UnRegularized(), Lasso(), GroupLasso(np.ones((1, 3, 2)))):
        penalty = penalty_of(regularizer, 0.7, trailing=(2,))
        assert penalty.smooth_value(coef).tolist() == [0.0, 0.0]


@each
def test_gradients_are_finite_at_zero(regularizer, strength):
    penalty = penalty_of(regularizer, strength)
    for function in (penalty.value, penalty.smooth_value):
        gradient = jax.grad(lambda w, f=function: f(w).sum())(jnp.zeros((3, 1)))
        assert jnp.isfinite(gradient).all()


def test_smooth_hessian_is_that_of_finite_differences():
    strength = RNG.uniform(size=(3, 2, 2))
    penalty = penalty_of(Ridge(), strength, trailing=(2, 2), event_ndim=1)
    coef = jnp.asarray(RNG.normal(size=(3, 2, 2)))
    expected = [np.diag(strength[:, k].ravel()) for k in range(2)]
    np.testing.assert_allclose(penalty.smooth_hessian(coef), expected, rtol=1e-14)


def test_static_attributes():
    expected = {  # smooth, separable, couples, zero
        "none": (True, True, False, True),
        "ridge": (True, True, False, False),
        "lasso": (False, True, False, False),
        "elastic net": (False, True, False, False),
        "group lasso": (False, False, False, False),
    }
    for name, (regularizer, strength) in ALL.items():
        p = penalty_of(regularizer, strength)
        assert (p.smooth, p.separable, p.couples_responses, p.is_zero) == expected[name]
        assert not p.penalizes_intercept
        assert p.intercept_value(jnp.ones(1)).tolist() == [0.0]
        assert p.with_rows(jnp.ones(1)) is p


# -------------------------------------------------------------------------------- log priors


@pytest.mark.parametrize(
    ("l1", "l2"),
    [(0.0, 2.0), (3.0, 0.0), (1.0, 1.0), (24.0, 1.0), (26.0, 1.0), (1e4, 1e-3), (1, 1e6)],
)
def test_elastic_net_normalizer_by_quadrature(l1, l2):
    width = min(50 / l1 if l1 else np.inf, 12 / np.sqrt(l2) if l2 else np.inf)
    half = integrate.quad(
        lambda w: np.exp(-0.5 * l2 * w * w - l1 * w), 0, width, epsabs=0, epsrel=1e-13
    )[0]
    actual = log_elastic_net_normalizer(jnp.array(l1, float), jnp.array(l2, float))
    np.testing.assert_allclose(actual, np.log(2 * half), rtol=1e-11, atol=1e-11)


def test_elastic_net_normalizer_is_differentiable_everywhere():
    grad = jax.grad(log_elastic_net_normalizer, (0, 1))
    for l1, l2 in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (2.0, 3.0)]:
        assert jnp.isfinite(jnp.array(grad(l1, l2))).all()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_group_normalizer_by_quadrature(size):
    rate = 1.7
    area = {1: 2.0, 2: 2 * np.pi, 3: 4 * np.pi}[size]
    integral = integrate.quad(lambda r: area * r ** (size - 1) * np.exp(-rate * r), 0, 40)[0]
    actual = log_group_normalizer(jnp.array(rate), jnp.array(float(size)))
    np.testing.assert_allclose(actual, np.log(integral), rtol=1e-8)


@each
def test_log_prior_is_minus_rows_times_penalty_over_kappa(regularizer, strength):
    penalty = penalty_of(regularizer, strength)
    kappa, rows = jnp.array([2.5]), jnp.array([40.0])
    a, b = RNG.normal(size=(2, 3, 1))
    difference = penalty.log_prior(a, kappa, rows) - penalty.log_prior(b, kappa, rows)
    expected = -(penalty.value(a) - penalty.value(b)) * rows / kappa
    np.testing.assert_allclose(difference, expected, rtol=1e-12)


def test_log_priors_are_the_densities_they_are_said_to_be():
    import numpyro.distributions as dist

    coef, rows, kappa = RNG.normal(size=(3, 2)), jnp.array([40.0, 10.0]), jnp.array([1.0, 3.0])
    ridge = penalty_of(Ridge(), 0.7, trailing=(2,)).log_prior(coef, kappa, rows)
    normal = dist.Normal(0, jnp.sqrt(kappa / (rows * 0.7))).log_prob(coef).sum(0)
    np.testing.assert_allclose(ridge, normal, rtol=1e-12)
    lasso = penalty_of(Lasso(), 0.7, trailing=(2,)).log_prior(coef, kappa, rows)
    np.testing.assert_allclose(
        lasso, dist.Laplace(0, kappa / (rows * 0.7)).log_prob(coef).sum(0), rtol=1e-12
    )
    single = penalty_of(GroupLasso(np.eye(3)), 0.7).log_prior(coef[:, :1], kappa[:1], rows[:1])
    np.testing.assert_allclose(
        single, dist.Laplace(0, 1 / 28).log_prob(coef[:, :1]).sum(0), rtol=1e-12
    )


# ------------------------------------------------------------------------------- compilation


@each
def test_another_strength_compiles_nothing(regularizer, strength):
    del strength
    traces = []

    @jax.jit
    def objective(penalty, coef):
        traces.append(1)
        return penalty.value(coef), penalty.prox(coef, 0.5)

    coef, structures = jnp.ones((3, 1)), set()
    for value in (0.0, 0.1, 1, jnp.array(3.0)):
        given_strength = (value, 0.5) if isinstance(regularizer, ElasticNet) else value
        penalty = penalty_of(regularizer, given_strength)
        structures.add(jax.tree.structure(penalty))
        objective(penalty, coef)
        eqx.filter_jit(objective)(penalty, coef)
    full = np.ones(2) if isinstance(regularizer, GroupLasso) else np.ones(3)
    objective(penalty_of(regularizer, full), coef)
    assert len(structures) == 1
    assert len(traces) <= 2  # once for each of the two jit wrappers
