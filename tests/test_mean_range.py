"""Means that a family cannot have, where an inverse link gives them: losses, derivatives, fits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize
from small_problems import design

from bayesglm import GLM, ConvergenceWarning, DataWarning, PopulationGLM, links
from bayesglm.observation_models import FAMILIES, resolve

X = design()
N = len(X)
LEAVING = ["identity", "one_over_x", "inverse_squared"]
POSITIVE_LINKS = ["exp", "softplus", "square"]
PROBABILITIES = ["logistic", "norm_cdf", "cloglog"]
POSITIVE = ["Poisson", "NegativeBinomial", "Gamma", "InverseGaussian", "Tweedie"]
RESPONSES = {name: [0.5, 2.0] for name in POSITIVE} | {
    "Poisson": [0.0, 2.0],
    "NegativeBinomial": [0.0, 2.0],
    "Tweedie": [0.0, 2.0],
    "Bernoulli": [0.0, 1.0],
    "Binomial": [0.0, 1.0],
    "Beta": [0.2, 0.7],
}
CUSTOM = links.Custom(lambda eta: 2.0 * eta)
PAIRS = [
    pytest.param(family, link, id=f"{family}-{name}", marks=[] if quick else pytest.mark.slow)
    for family in RESPONSES
    for name, link, quick in [
        *((name, links.resolve(name), True) for name in LEAVING),
        *((name, links.resolve(name), family == "Bernoulli") for name in POSITIVE_LINKS),
        *((name, links.resolve(name), False) for name in PROBABILITIES),
        ("custom", CUSTOM, family == "Poisson"),
    ]
]


def in_range(family, mean):
    with np.errstate(invalid="ignore"):
        return (mean > 0) & ((mean < 1) | (family in POSITIVE))


@pytest.mark.parametrize(("family", "link"), PAIRS)
def test_losses_are_infinite_exactly_where_means_are_impossible(family, link):
    model = resolve(family)
    y = np.array(RESPONSES[family])
    eta = np.array([-3.0, -0.7, -0.1, 0.2, 0.45, 1.7, 2.5])[:, None] * np.ones(2)

    @functools.partial(jax.jit, static_argnums=0)
    def evaluate(method, eta):
        value = lambda e: getattr(model, method)(y, e, link, 0.5)
        backward = jax.grad(lambda e: jnp.sum(value(e)))(eta)  # as samplers and users differentiate
        return value(eta), backward, jax.jvp(value, (eta,), (jnp.ones_like(eta),))[1]

    with jax.enable_x64(True):
        possible = in_range(family, np.asarray(link(eta)))
        for method, infinite in (("kernel", np.inf), ("log_density", -np.inf)):
            value, *slopes = (np.asarray(a) for a in evaluate(method, eta))
            assert np.isfinite(value[possible]).all()
            assert (value[~possible] == infinite).all()
            for slope in slopes:
                assert np.isfinite(slope).all()
                assert (slope[~possible] == 0).all()


def test_ends_of_the_range():
    with jax.enable_x64(True):
        at = lambda family, y, eta: float(resolve(family).kernel(y, eta, links.identity, 0.5))
        assert at("Poisson", 0.0, 0.0) == 0
        assert at("Bernoulli", 0.0, 0.0) == at("Bernoulli", 1.0, 1.0) == 0
        for family in RESPONSES:
            for end in (0.0, 1.0) if family not in POSITIVE else (0.0,):
                assert at(family, 0.4, end) == np.inf


def test_missing_numbers_stay_missing():
    with jax.enable_x64(True):
        for family in RESPONSES:
            for y, eta in ((np.nan, 0.5), (RESPONSES[family][1], np.nan)):
                value = resolve(family).log_density(y, jnp.array(eta), links.identity, 0.5)
                assert np.isnan(value)


def test_families_without_a_range_have_none():
    assert {name for name in FAMILIES if name not in RESPONSES} == {
        "Gaussian",
        "StudentT",
        "Categorical",
    }


@pytest.fixture(scope="module")
def counts():
    """Counts, many of them zero, whose means are linear in the features and small but positive."""
    mean = 0.15 + (X - X.min(axis=0)) @ [0.5, 0.0, 0.1, 0.3]
    return np.random.default_rng(3).poisson(mean).astype(float)


SOLVERS = ["LBFGS", "BFGS", "GradientDescent", "NonlinearCG", "ProximalGradient"]


@pytest.mark.parametrize(
    "solver", ["Newton", *(pytest.param(name, marks=pytest.mark.slow) for name in SOLVERS)]
)
def test_counts_with_zeros_and_an_identity_link(counts, solver):
    assert (counts == 0).sum() > N / 4
    model = GLM("Poisson", "identity", solver_name=solver).fit(X, counts)
    mean = model.predict(X)
    assert mean.min() > 0
    # Truth from SciPy: the negative log-likelihood over the cone of positive means.
    Z = sm.add_constant(X)
    loss = lambda b: (Z @ b).sum() - counts @ np.log(np.maximum(Z @ b, 1e-300))
    slope = lambda b: Z.T @ (1 - counts / np.maximum(Z @ b, 1e-300))
    inside = {"type": "ineq", "fun": lambda b: Z @ b - 1e-9, "jac": lambda b: Z}
    start = np.append(counts.mean(), np.zeros(4))
    found = optimize.minimize(
        loss, start, jac=slope, constraints=inside, method="SLSQP", options={"ftol": 1e-15}
    ).x
    # Optimisers agree to the square root of their tolerance on the loss.
    np.testing.assert_allclose(np.append(model.intercept_, model.coef_), found, atol=2e-5)
    assert np.abs(slope(np.append(model._intercept, model._coef))).max() < 1e-5


@pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.DomainWarning")
def test_agreement_with_statsmodels():
    # Where statsmodels' unguarded iterations happen to stay inside.
    y = np.random.default_rng(4).poisson(1.2 + X @ [0.4, 0.1, 0.2, -0.1]).astype(float)
    assert (y == 0).sum() > 20
    family = sm.families.Poisson(sm.families.links.Identity())
    expected = sm.GLM(y, sm.add_constant(X), family=family).fit(tol=1e-14, maxiter=500)
    model = GLM("Poisson", "identity").fit(X, y)
    np.testing.assert_allclose(model._coef[:, 0], expected.params[1:], atol=1e-6)
    np.testing.assert_allclose(model.standard_errors_[0], expected.bse[1:], rtol=1e-5)


def falling(column):
    """Counts whose best line is below zero for a part of the rows."""
    return np.maximum(0.0, np.rint(6 * X[:, column]))


def test_an_optimum_at_the_end_of_the_range_is_refused():
    with pytest.raises(
        ValueError, match=r"the first in row \d+: .* its end stopped it.*init_params"
    ):
        GLM("Poisson", "identity").fit(X, falling(2))


def test_one_response_at_the_end_stops_no_other(counts):
    y = np.column_stack([counts, falling(2), counts[::-1]])
    with pytest.warns((DataWarning, ConvergenceWarning)) as caught:
        model = PopulationGLM("Poisson", "identity").fit(X, y)
    assert "the fit of responses [1] left the domain" in str(caught[0].message)
    assert "did not converge for responses [1]" in str(caught[-1].message)
    alone = GLM("Poisson", "identity").fit(X, counts)
    np.testing.assert_allclose(model._coef[:, 0], alone._coef[:, 0], rtol=1e-6)


def test_too_few_steps_are_not_the_end_of_the_range(counts):
    with pytest.warns(ConvergenceWarning, match="after 1 steps") as caught:
        GLM("Poisson", "identity", solver_kwargs={"maxiter": 1}).fit(X, counts)
    assert len(caught) == 1


def test_a_start_outside_is_refused(counts):
    outside = (np.zeros(4), np.array([-1.0]))
    with pytest.raises(ValueError, match=f"{N} means are infinite or impossible.*init_params"):
        GLM("Poisson", "identity").fit(X, counts, init_params=outside)
