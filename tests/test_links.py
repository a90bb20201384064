"""Inverse links: names, the way back, tails, and use as static values."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayesglm import links

NATIVE = {
    "exp": links.Exp(),
    "logistic": links.Logistic(),
    "softplus": links.Softplus(),
    "norm_cdf": links.NormCDF(),
    "cloglog": links.Cloglog(),
    "identity": links.Identity(),
    "one_over_x": links.OneOverX(),
    "inverse_squared": links.InverseSquared(),
    "square": links.Square(),
    "log_softmax": links.LogSoftmax(),
}
PROBABILITIES = ("logistic", "norm_cdf", "cloglog")


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def shifted_square(eta):
    return (eta + 1.0) ** 2 + 0.5


@pytest.mark.parametrize("name", NATIVE)
def test_inverse_undoes_the_mean(name):
    eta = jnp.array([0.1, 0.5, 1.3, 2.0])
    link = NATIVE[name]
    back = link.inverse(link(eta))
    expected = eta - eta.mean() if name == "log_softmax" else eta
    np.testing.assert_allclose(back, expected, rtol=1e-12, atol=1e-14)
    mean = np.asarray(link(eta))
    np.testing.assert_allclose(link(link.inverse(mean)), mean, rtol=1e-12)


@pytest.mark.parametrize("name", NATIVE)
def test_logs_agree_with_the_mean(name):
    eta = jnp.array([0.1, 0.5, 0.9])
    link = NATIVE[name]
    if name == "log_softmax":
        np.testing.assert_allclose(jnp.exp(link.log_mean(eta)).sum(), 1.0, rtol=1e-14)
        return
    np.testing.assert_allclose(link.log_mean(eta), jnp.log(link(eta)), rtol=1e-12)
    np.testing.assert_allclose(link.reciprocal(eta), 1.0 / link(eta), rtol=1e-13)
    if name in PROBABILITIES:
        np.testing.assert_allclose(link.log_complement(eta), jnp.log1p(-link(eta)), rtol=1e-12)
    np.testing.assert_allclose(
        links.exp.log_complement(-eta), jnp.log1p(-jnp.exp(-eta)), rtol=1e-13
    )


@pytest.mark.parametrize("name", PROBABILITIES)
@pytest.mark.parametrize("eta", [-700.0, -40.0, -1.0, 0.0, 1.0, 5.0])
@pytest.mark.parametrize("successes", [0.0, 1.0, 0.3, 7.0])
def test_log_binomial_is_the_weighted_sum_of_the_logs(name, eta, successes):
    link, failures = NATIVE[name], 1.0 if successes == 0 else 0.7
    expected = successes * link.log_mean(eta) + failures * link.log_complement(eta)
    np.testing.assert_allclose(link.log_binomial(successes, failures, jnp.array(eta)), expected)


@pytest.mark.parametrize("name", PROBABILITIES)
def test_certainty_costs_nothing_and_has_no_slope(name):
    # exp(exp(710)) overflows: where no failure was seen, its probability must not matter.
    def sure(eta):
        return NATIVE[name].log_binomial(1.0, 0.0, eta)

    value, slope = jax.value_and_grad(sure)(jnp.array(710.0))
    assert value == 0.0
    assert slope == 0.0


def test_known_values():
    np.testing.assert_allclose(links.norm_cdf(1.0), 0.8413447460685429, rtol=1e-15)
    np.testing.assert_allclose(links.cloglog(0.0), 1 - np.exp(-1.0), rtol=1e-15)
    np.testing.assert_allclose(links.softplus(0.0), np.log(2.0), rtol=1e-15)
    np.testing.assert_allclose(links.inverse_squared(4.0), 0.5)
    np.testing.assert_allclose(links.square(-3.0), 9.0)
    np.testing.assert_allclose(links.one_over_x(4.0), 0.25)


SPELLINGS = {
    "exp": ["exp", "log", "jax.numpy.exp", "jax._src.numpy.ufuncs.exp", "bayesglm.links.exp"],
    "logistic": [
        "logistic",
        "expit",
        "logit",
        "sigmoid",
        "jax.lax.logistic",
        "jax._src.lax.lax.logistic",
        "jax.scipy.special.expit",
        "jax._src.scipy.special.expit",
        "jax._src.scipy.special.logistic",
        "nemos.inverse_link_function_utils.logistic",
        "nemos.inverse_link_function_utils.expit",
    ],
    "softplus": ["softplus", "jax.nn.softplus", "jax._src.nn.functions.softplus"],
    "norm_cdf": [
        "norm.cdf",
        "norm_cdf",
        "probit",
        "jax.scipy.stats.norm.cdf",
        "jax._src.scipy.stats.norm.cdf",
        "nemos.inverse_link_function_utils.norm_cdf",
    ],
    "one_over_x": ["one_over_x", "inverse", "nemos.utils.one_over_x", "bayesglm.utils.one_over_x"],
    "log_softmax": [
        "log_softmax",
        "jax.nn.log_softmax",
        "jax._src.nn.functions.log_softmax",
        "bayesglm.inverse_link_function_utils.log_softmax",
    ],
    "identity": ["identity"],
    "cloglog": ["cloglog"],
    "inverse_squared": ["inverse_squared", "inverse-squared"],
    "square": ["square", "sqrt"],
}


@pytest.mark.parametrize(("name", "spellings"), SPELLINGS.items(), ids=SPELLINGS)
def test_resolve_names(name, spellings):
    for spelling in spellings:
        assert links.resolve(spelling) == NATIVE[name]
    assert links.resolve(NATIVE[name]) is NATIVE[name]
    assert NATIVE[name].__name__ == name
    assert repr(NATIVE[name]) == f"{type(NATIVE[name]).__name__}()"


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (jnp.exp, "exp"),
        (jax.nn.softplus, "softplus"),
        (jax.nn.sigmoid, "logistic"),
        (jax.lax.logistic, "logistic"),
        (jax.scipy.special.expit, "logistic"),
        (jax.scipy.stats.norm.cdf, "norm_cdf"),
        (jax.nn.log_softmax, "log_softmax"),
        (links.one_over_x, "one_over_x"),
    ],
)
def test_resolve_recognises_functions(function, name):
    assert links.resolve(function) == NATIVE[name]


def test_resolve_recognises_wrapped_functions():
    # NeMoS's own functions are wrappers of JAX's, or have these modules and names.
    def wrapper(x):
        return jnp.exp(x)

    wrapper.__wrapped__ = jnp.exp
    assert links.resolve(wrapper) == links.exp

    def one_over_x(x):
        return 1.0 / x

    one_over_x.__module__ = "nemos.utils"
    assert links.resolve(one_over_x) == links.one_over_x


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("tanh", ValueError, "Unknown link function: 'tanh'.*probit"),
        (3, TypeError, "must be a Callable! Got 3"),
        (None, TypeError, "must be a Callable! Got None"),
        (lambda x: np.asarray(x) * 2.0, ValueError, "must return a jax.numpy.ndarray! Got ndarray"),
        (lambda x: x if isinstance(x, jax.Array) else "one", ValueError, "scalar inputs.*Got str"),
        (lambda x: jnp.array([x, x]) if jnp.ndim(x) == 0 else x, ValueError, "differentiated"),
    ],
)
def test_resolve_refuses(spec, error, message):
    with pytest.raises(error, match=message):
        links.resolve(spec)


def test_custom_link():
    link = links.resolve(shifted_square)
    assert isinstance(link, links.Custom)
    assert link.__name__ == "shifted_square"
    assert link == links.Custom(shifted_square)
    assert link != links.Custom(lambda eta: eta)
    eta = jnp.array([0.0, 0.5])
    np.testing.assert_allclose(link.log_mean(eta), jnp.log(shifted_square(eta)))
    np.testing.assert_allclose(link.inverse(link(eta)), eta, atol=1e-10)
    assert link.inverse(np.full((2, 3), 1.5)).shape == (2, 3)


@pytest.mark.parametrize("mean", [0.1, np.nan, -3.0])
def test_custom_link_without_solution(mean):
    with pytest.raises(ValueError, match=r"Failed to initialize the model intercept.*shifted_squ"):
        links.Custom(shifted_square).inverse(mean)


def test_subclass_needs_only_the_mean():
    class Tanh(links.InverseLink):
        def __call__(self, eta):
            return 0.5 * (1.0 + jnp.tanh(eta))

    eta = jnp.array([-0.7, 0.4])
    np.testing.assert_allclose(Tanh().inverse(Tanh()(eta)), eta, rtol=1e-11)
    np.testing.assert_allclose(
        Tanh().log_binomial(1.0, 2.0, eta), links.logistic.log_binomial(1.0, 2.0, 2 * eta)
    )


@pytest.mark.parametrize("name", NATIVE)
def test_links_are_static_values(name):
    link = NATIVE[name]
    assert not jax.tree.leaves(link)
    assert hash(link) == hash(type(link)())
    assert pickle.loads(pickle.dumps(link)) == link
    traces = []

    def mean(link, eta):
        traces.append(1)
        return link(eta)

    compiled = jax.jit(mean, static_argnums=0)
    compiled(link, jnp.ones(2))
    compiled(type(link)(), jnp.ones(2))
    assert len(traces) == 1


def test_different_links_differ():
    assert len(set(NATIVE.values())) == len(NATIVE)
