import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from bayesglm import observation_models
from bayesglm.simulation import difference_of_gammas, regress_filter, simulate_recurrent

FAMILIES = {
    "Poisson": {},
    "Bernoulli": {},
    "Gaussian": {"scale": 0.3},
    "Gamma": {"scale": 0.5, "inverse_link_function": "exp"},
    "NegativeBinomial": {"scale": np.array([0.2, 0.4, 0.8])},
}
LINKS = {"Poisson": "softplus", "Bernoulli": "logistic", "Gaussian": "identity"}
INVERSE = {
    "softplus": lambda eta: np.logaddexp(0, eta),
    "logistic": lambda eta: 1 / (1 + np.exp(-eta)),
    "identity": lambda eta: eta,
    "exp": np.exp,
}


def network(num_bins=40, num_neurons=3, num_features=2, window=5, num_basis=2, seed=0):
    """Weakly coupled responses, all arguments of `simulate_recurrent` but the key."""
    rng = np.random.default_rng(seed)
    return {
        "coupling_coef": 0.1 * rng.normal(size=(num_neurons, num_neurons, num_basis)),
        "feedforward_coef": 0.3 * rng.normal(size=(num_neurons, num_features)),
        "intercepts": 0.2 * rng.normal(size=num_neurons),
        "feedforward_input": rng.normal(size=(num_bins, num_neurons, num_features)),
        "coupling_basis_matrix": rng.uniform(size=(window, num_basis)),
        "init_y": rng.poisson(1.0, size=(window, num_neurons)),
    }


def uncoupled(num_bins, intercepts):
    """Independent draws at constant means."""
    args = network(num_bins, len(intercepts), 0, 1, 1)
    return args | {
        "coupling_coef": np.zeros((len(intercepts), len(intercepts), 1)),
        "intercepts": np.asarray(intercepts),
    }


def predictor_by_convolution(args, activity):
    """Linear predictor from the definition: past responses convolved with basis functions."""
    past = np.vstack([args["init_y"], activity])
    window, (num_bins, num_neurons) = len(args["init_y"]), activity.shape
    eta = np.einsum("if,tif->ti", args["feedforward_coef"], args["feedforward_input"])
    eta = eta + args["intercepts"]
    for sender in range(num_neurons):
        for b, function in enumerate(args["coupling_basis_matrix"].T):
            convolved = np.convolve(past[:, sender], function, mode="valid")[:num_bins]
            assert len(past) - window == num_bins
            eta += np.outer(convolved, args["coupling_coef"][:, sender, b])
    return eta


@pytest.mark.parametrize("family", FAMILIES)
def test_rates_and_draws_are_those_of_the_definition(family, key):
    args, settings = network(), FAMILIES[family]
    activity, rates = simulate_recurrent(
        random_key=key, observation_model=family, **args, **settings
    )
    link = settings.get("inverse_link_function", LINKS.get(family, "exp"))
    expected = INVERSE[link](predictor_by_convolution(args, np.asarray(activity, float)))
    # Returned in float32, half an ulp; counts fed back are exact, real draws are rounded too.
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-6)
    with jax.enable_x64(True):
        model = observation_models.resolve(family)
        scale = jnp.asarray(settings.get("scale", 1.0))
        keys = jax.random.split(key, len(rates))
        again = jax.vmap(lambda k, rate: model.sample_generator(k, rate, scale))(
            keys, jnp.asarray(np.asarray(rates, float))
        )
    np.testing.assert_allclose(activity, again, rtol=1e-4, atol=1e-5)


def variance(family, mean, scale):
    """Textbook variance of each family."""
    return {
        "Poisson": mean,
        "Bernoulli": mean * (1 - mean),
        "Gaussian": scale + 0 * mean,
        "Gamma": scale * mean**2,
        "NegativeBinomial": mean + scale * mean**2,
    }[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_uncoupled_draws_have_the_moments_of_the_family(family, key):
    args, settings = uncoupled(20_000, [-0.5, 0.3, 0.9]), FAMILIES[family]
    activity, rates = simulate_recurrent(
        random_key=key, observation_model=family, **args, **settings
    )
    activity, mean = np.asarray(activity, float), np.asarray(rates, float)[0]
    expected = variance(family, mean, settings.get("scale", 1.0))
    error = np.sqrt(expected / len(activity))
    # 15 means at 5 standard errors: 1 in 100,000 by chance.
    assert (np.abs(activity.mean(0) - mean) < 5 * error).all()
    # The kurtosis of all these is below 12, so one sd of a variance is below 2.5 %.
    np.testing.assert_allclose(activity.var(0), expected, rtol=0.1)


def test_gaussian_feedback_is_an_autoregression(key):
    args = uncoupled(20_000, [0.0])
    args |= {"coupling_coef": np.full((1, 1, 1), 0.8), "coupling_basis_matrix": np.ones((1, 1))}
    y = simulate_recurrent(random_key=key, observation_model="Gaussian", scale=0.5, **args)[0]
    y = np.asarray(y, float)[1000:, 0]
    # Stationary variance s / (1 - a^2); its relative sd here is sqrt(2 (1+a^2)/(1-a^2) / n) = 2 %.
    np.testing.assert_allclose(y.var(), 0.5 / (1 - 0.8**2), rtol=0.1)
    np.testing.assert_allclose(np.corrcoef(y[1:], y[:-1])[0, 1], 0.8, atol=0.03)


def test_one_basis_row_per_lag_newest_first(key):
    args = uncoupled(3, [0.0, 0.0])
    coupling = np.zeros((2, 2, 1))
    coupling[0, 1, 0] = 1.0  # response 0 listens to response 1
    args |= {
        "coupling_coef": coupling,
        "coupling_basis_matrix": np.array([[0.0], [10.0], [0.0]]),  # lag 2 only
        "init_y": np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 4.0]]),
    }
    rates = simulate_recurrent(random_key=key, observation_model="Gaussian", scale=1e-12, **args)[1]
    np.testing.assert_allclose(rates, [[20.0, 0], [40.0, 0], [0, 0]], atol=1e-4)


def test_same_shapes_trace_once(key):
    traces = []

    def link(eta):
        traces.append(None)
        return jnp.exp(eta)

    def run(key, scale, seed):
        model = observation_models.NegativeBinomialObservations(scale)
        simulate_recurrent(
            random_key=key,
            inverse_link_function=link,
            observation_model=model,
            **network(num_bins=7, seed=seed),
        )

    run(key, 0.5, 0)
    first = len(traces)
    run(jax.random.key(5), 0.25, 1)
    checks = 3  # calls made by `links.resolve` to see what the function returns
    assert len(traces) - first <= checks


def test_own_scale_of_the_model_is_the_default(key):
    args = network()
    model = observation_models.NegativeBinomialObservations(0.4)
    by_model = simulate_recurrent(random_key=key, observation_model=model, **args)
    by_name = simulate_recurrent(
        random_key=key, observation_model="NegativeBinomial", scale=0.4, **args
    )
    np.testing.assert_array_equal(by_model[0], by_name[0])


@pytest.mark.parametrize(
    ("family", "kind"), [("Poisson", "i"), ("Bernoulli", "b"), ("Gaussian", "f")]
)
def test_draws_do_not_depend_on_the_configured_precision(family, kind, key):
    outputs = {}
    for x64 in (False, True):
        with jax.enable_x64(x64):
            outputs[x64] = simulate_recurrent(random_key=key, observation_model=family, **network())
            for array in outputs[x64]:
                assert isinstance(array, jax.Array)
            assert outputs[x64][0].dtype.kind == kind
            assert outputs[x64][1].dtype == (jnp.float64 if x64 else jnp.float32)
    np.testing.assert_allclose(outputs[False][0], outputs[True][0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("feedforward_input", lambda x: x[:, :2], "The number of neurons"),
        ("feedforward_coef", lambda x: x[:2], "The number of neurons"),
        ("intercepts", lambda x: x[:2], "The number of neurons"),
        ("init_y", lambda x: x[:, :2], "The number of neurons"),
        ("coupling_coef", lambda x: x[:2], "The number of neurons"),
        ("coupling_coef", lambda x: x[:, :2], "The number of neurons"),
        ("feedforward_input", lambda x: x[..., 0], "`feedforward_input` must be three-dim"),
        ("init_y", lambda x: x[..., None], "`init_y` must be two-dimensional"),
        ("intercepts", lambda x: x[None], "`intercepts` must be one-dimensional"),
        ("feedforward_coef", lambda x: x[:, :1], "Inconsistent number of features"),
        ("coupling_coef", lambda x: x[..., :1], "Inconsistent number of features"),
        ("init_y", lambda x: x[1:], "`init_y` and `coupling_basis_matrix` should have the same"),
        ("feedforward_input", lambda x: x * np.nan, "`feedforward_input` contains NaN or inf"),
        ("init_y", lambda x: x / 0, "`init_y` contains NaN or infinite"),
        ("feedforward_input", lambda x: {"speed": x}, "only with arrays, not pytrees"),
        ("intercepts", lambda x: ["a", "b", "c"], "only with arrays, not pytrees"),
    ],
)
@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning")
def test_arguments_that_do_not_fit_are_refused(name, change, message, key):
    args = network()
    args[name] = change(args[name])
    with pytest.raises(ValueError, match=message):
        simulate_recurrent(random_key=key, **args)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"observation_model": "Categorical"}, "one number per response and time bin"),
        ({"observation_model": "Poison"}, "Unknown observation model"),
        ({"inverse_link_function": "expp"}, "Unknown link function"),
        ({"scale": -1.0}, r"`scale` must be a positive number.* got -1.0"),
        ({"scale": np.nan}, "`scale` must be a positive number"),
        ({"scale": [1.0, 2.0]}, "one for each of the 3 neurons"),
        (
            {"observation_model": observation_models.NegativeBinomialObservations(None)},
            "estimates its scale",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message, key):
    with pytest.raises(ValueError, match=message):
        simulate_recurrent(random_key=key, **network(), **settings)


def test_exploding_feedback_warns(key):
    args = network()
    args["coupling_coef"] = np.full((3, 3, 2), 5.0)
    with pytest.warns(
        RuntimeWarning, match=r"left the range of PoissonObs.* at time bin"
    ) as record:
        simulate_recurrent(random_key=key, inverse_link_function="exp", **args)
    assert record[0].filename == __file__


def test_impossible_means_warn(key):
    with pytest.warns(RuntimeWarning, match="time bin 0, response 1, where the mean is -0.5"):
        simulate_recurrent(random_key=key, observation_model="Gamma", **uncoupled(4, [1.0, -2.0]))


def test_a_model_on_the_scale_of_the_mean_can_be_simulated(key):
    class Deterministic:
        default_inverse_link_function = staticmethod(jnp.exp)

        def log_likelihood(self, y, rate, scale=1.0, aggregate_sample_scores=jnp.mean):
            return aggregate_sample_scores(-jnp.square(y - rate))

        pseudo_r2 = likelihood = log_likelihood

        def _negative_log_likelihood(self, y, rate, aggregate_sample_scores=jnp.mean):
            return aggregate_sample_scores(jnp.square(y - rate))

        def deviance(self, y, rate, scale=1.0):
            return jnp.square(y - rate)

        def estimate_scale(self, y, rate, dof_resid):
            return jnp.ones(1)

        def sample_generator(self, key, predicted_rate, scale=1.0):
            return predicted_rate * jnp.ones_like(scale)

    activity, rates = simulate_recurrent(
        random_key=key, observation_model=Deterministic(), **network()
    )
    np.testing.assert_array_equal(activity, rates)


# Filters


@pytest.mark.parametrize(
    "shape", [(1.0, 2.0, 1.0, 2.0), (2.0, 5.0, 1.0, 0.5), (3.0, 1.0, 4.0, 1.0)]
)
def test_difference_of_gammas_by_quadrature(shape):
    inhib_a, excit_a, inhib_b, excit_b = shape
    actual = difference_of_gammas(
        50, 0.95, inhib_a=inhib_a, excit_a=excit_a, inhib_b=inhib_b, excit_b=excit_b
    )
    minus, plus = stats.gamma(inhib_a, scale=1 / inhib_b), stats.gamma(excit_a, scale=1 / excit_b)
    x = np.linspace(0, max(plus.ppf(0.95), minus.ppf(0.95)), 50)
    np.testing.assert_allclose(np.linalg.norm(actual), 1.0, rtol=1e-14)
    # Proportional to derivatives of the distribution functions, by central differences.
    step = 1e-5
    density = [(d.cdf(x[1:] + step) - d.cdf(x[1:] - step)) / (2 * step) for d in (plus, minus)]
    ratio = actual[1:] / (density[0] - density[1])
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    assert ratio[0] > 0


@pytest.mark.parametrize("name", ["inhib_a", "excit_a", "inhib_b", "excit_b"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_gamma_parameters_are_positive(name, value):
    with pytest.raises(ValueError, match=f"Gamma parameter {name} must be >0"):
        difference_of_gammas(10, **{name: value})


@pytest.mark.parametrize("percentile", [-0.1, 1.0, 1.5, np.nan])
def test_percentile_is_in_the_unit_interval(percentile):
    with pytest.raises(ValueError, match=r"upper_percentile should lie in the \[0, 1\) interval"):
        difference_of_gammas(10, percentile)


@pytest.mark.parametrize("shapes", [(2.0, 2.0), (0.5, 2.0)])
def test_filters_without_a_norm_are_refused(shapes):
    with pytest.raises(ValueError, match="cannot be normalised"):
        difference_of_gammas(10, inhib_a=shapes[0], excit_a=shapes[1], inhib_b=1.0, excit_b=1.0)


def test_regress_filter_recovers_coefficients(rng):
    basis, weights = rng.normal(size=(30, 4)), rng.normal(size=(3, 2, 4))
    filters = np.einsum("wb,ijb->wij", basis, weights)
    np.testing.assert_allclose(regress_filter(filters, basis), weights, rtol=1e-10)


def test_regress_filter_leaves_orthogonal_residuals(rng):
    basis, filters = rng.normal(size=(30, 4)), rng.normal(size=(30, 2, 2))
    residual = filters - np.einsum("wb,ijb->wij", basis, regress_filter(filters, basis))
    np.testing.assert_allclose(np.einsum("wb,wij->bij", basis, residual), 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("filters", "basis", "message"),
    [
        ((5, 2, 2), (5,), "eval_basis must be a 2 dimensional array"),
        ((5, 2), (5, 3), "coupling_filters must be a 3 dimensional array"),
        ((5, 2, 2), (4, 3), "window_size mismatch"),
    ],
)
def test_regress_filter_shapes(filters, basis, message):
    with pytest.raises(ValueError, match=message):
        regress_filter(np.ones(filters), np.ones(basis))


# NeMoS


def test_simulation_draws_what_nemos_draws(key):
    """In float64 and with the same key, NeMoS makes the same rates and so the same draws."""
    pytest.importorskip("nemos")
    from nemos import simulation as peer

    args = network()
    with warnings.catch_warnings(), jax.enable_x64(True):
        warnings.simplefilter("ignore")
        theirs = peer.simulate_recurrent(random_key=key, **args)
        ours = simulate_recurrent(random_key=key, **args)
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-13)
    np.testing.assert_array_equal(difference_of_gammas(20), peer.difference_of_gammas(20))
    filters, basis = np.ones((5, 2, 2)), np.arange(10.0).reshape(5, 2)
    np.testing.assert_allclose(
        regress_filter(filters, basis), peer.regress_filter(filters, basis), rtol=1e-12
    )
