"""Shrinkage priors and sampled strengths: densities against NumPyro's, refusals, posteriors."""

import dataclasses
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from numpyro.infer.util import log_density

import bayesglm
from bayesglm import GLM, Prior
from bayesglm.exceptions import DataWarning, SamplingWarning
from bayesglm.glm.assemble import identity_standardization
from bayesglm.glm.params import GLMParams
from bayesglm.regularizer import ARD, R2D2, Horseshoe, UnRegularized
from bayesglm.regularizer._shape import CoefShape, DataScales
from bayesglm.regularizer.conditional import QuadraticLikelihood, expand
from bayesglm.regularizer.shrinkage_priors import Setting

P, K = 3, 2
COUNT = 20_000  # draws
ROWS = np.array([50.0, 80.0])
SPREAD = np.array([1.5, 4.0])  # standard deviations of the responses
SIGMA = np.array([0.7, 1.3])  # residual ones
KAPPA = 2 * SIGMA**2


def setting(movable=None, by_dispersion=True, likelihood=None):
    """What the priors depend on, with a flat prior of the intercept."""
    shape = CoefShape.of_params(np.zeros((P, K)))
    flat = UnRegularized().resolve(None, shape, DataScales())
    movable = np.ones((P, K), bool) if movable is None else movable
    unit = SPREAD if by_dispersion else np.ones(K)
    arrays = (jnp.asarray(a) for a in (movable, ROWS, unit))
    return Setting(*arrays, by_dispersion, flat, likelihood)


def no_likelihood(rng):
    return None


def correlated(rng):
    """Of ten rows of random columns and an intercept."""
    Z = rng.normal(size=(K, 10, P + 1))
    rest = rng.normal(size=(K, P + 1)), rng.normal(size=K), rng.uniform(0.5, 2, K)
    return QuadraticLikelihood(*map(jnp.asarray, (np.swapaxes(Z, 1, 2) @ Z, *rest)))


def uncorrelated(rng):
    """The diagonal alone, as for very many features."""
    full = correlated(rng)
    diagonal = jnp.diagonal(full.information, axis1=1, axis2=2)
    return dataclasses.replace(full, information=diagonal)


LIKELIHOODS = [no_likelihood, correlated, uncorrelated]


@eqx.filter_jit
def place(prior, raw, own, kappa):
    """Parameters, and the log density."""
    return prior.place(raw, own, kappa, None, identity_standardization(P))


def unflatten(prior, theta):
    """Coefficients, intercept and own parameters from a vector, of one response."""
    raw, own, at = theta[:P, None], {}, P + 1
    for name, size in prior.sizes((P, 1)).items():
        own[name], at = theta[None, at : at + size], at + size
    assert at == theta.size
    return GLMParams(raw, theta[P : P + 1]), own


def density_and_numbers(prior, theta, kappa):
    """Log density of a vector, and the parameters that users know."""
    raw, own = unflatten(prior, theta)
    params, density = place(prior, raw, own, kappa)
    known = {"coef": params.coef[:, 0], "intercept": params.intercept}
    return density[0], known | prior.constrained(own, kappa)


# The priors as NumPyro models of the users' numbers, written from the papers, not from the code.


def horseshoe(sigma, spread, rows):
    from numpyro import sample

    ratio = 1 / (P - 1)  # one relevant coefficient of P
    tau = sample("global_scale", dist.HalfCauchy(ratio / np.sqrt(rows) * sigma))
    c2 = sample("slab_squared", dist.InverseGamma(2.5, 2.5 * (3.0 * spread) ** 2))
    local = sample("local_scale", dist.HalfCauchy(1.0).expand([P]).to_event(1))
    shrunk = jnp.sqrt(c2 * local**2 / (c2 + tau**2 * local**2))
    sample("coef", dist.Normal(0.0, tau * shrunk).to_event(1))


def r2d2(sigma, spread, rows):
    from numpyro import sample

    r2 = sample("r2", dist.Beta(0.3 * 4, 0.7 * 4))
    share = sample("share", dist.Dirichlet(jnp.full(P, 0.6)))
    sample("coef", dist.Normal(0.0, sigma * jnp.sqrt(share * r2 / (1 - r2))).to_event(1))


def ard(sigma, spread, rows):
    from numpyro import sample

    local = sample("local_scale", dist.HalfCauchy(spread).expand([P]).to_event(1))
    sample("coef", dist.Normal(0.0, local).to_event(1))


def ard_of_precision(sigma, spread, rows):
    from numpyro import sample

    precision = sample("precision", dist.Gamma(2.0, 3.0 * spread**2).expand([P]).to_event(1))
    sample("coef", dist.Normal(0.0, precision**-0.5).to_event(1))


def plain(numbers, own):
    return numbers


def squared_slab(numbers, own):
    return {**numbers, "slab_squared": numbers["slab_scale"] ** 2}


def as_precision(numbers, own):
    return {**numbers, "precision": numbers["local_scale"] ** -2.0}


CASES = {
    "horseshoe": (
        Horseshoe(num_relevant=1, slab_scale=3.0, slab_df=5.0),
        horseshoe,
        squared_slab,
        ("coef", "global_scale", "slab_squared", "local_scale"),
    ),
    "ARD": (ARD(), ard, plain, ("coef", "local_scale")),
    "ARD, precision": (
        ARD(precision=dist.Gamma(2.0, 3.0)),
        ard_of_precision,
        as_precision,
        ("coef", "precision"),
    ),
}


def check_density(prior, model, translate, names, rng, extra=lambda numbers: 0.0, units=None):
    """Equal with the determinant of the map from coordinates to numbers, found by autodiff."""
    kappa, sizes = jnp.asarray(KAPPA[1:]), prior.sizes((P, 1))

    @jax.jit
    def evaluate(theta):
        def stacked(theta):
            density, known = density_and_numbers(prior, theta, kappa)
            known = translate(known, unflatten(prior, theta)[1])
            free = [jnp.ravel(known[name]) for name in ("intercept", *names)]
            return jnp.concatenate(free), (density, known)

        volume, (density, known) = jax.jacfwd(stacked, has_aux=True)(theta)
        return density, known, jnp.linalg.slogdet(volume)[1]

    got, known, log_volume = evaluate(jnp.asarray(rng.normal(size=P + 1 + sum(sizes.values()))))
    known = {name: jnp.squeeze(value) for name, value in known.items()}
    expected, _ = log_density(model, (*(units or (SIGMA[1], SPREAD[1])), ROWS[1]), {}, known)
    np.testing.assert_allclose(got, expected + log_volume + extra(known), rtol=1e-10)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("case", CASES)
def test_density_is_that_of_the_model_in_numpyro(case, likelihood, rng):
    regularizer, *truth = CASES[case]
    with jax.enable_x64(True):
        at = setting(likelihood=likelihood(rng))
        prior = regularizer.coefficient_prior(at).take(jnp.array([1]), K)
        check_density(prior, *truth, rng)


@pytest.mark.parametrize("case", CASES)
def test_density_is_the_same_where_far_scales_are_not_trusted(case, rng):
    """In link units, where the coordinates follow the likelihood up to a bound."""
    regularizer, *truth = CASES[case]
    with jax.enable_x64(True):
        at = setting(by_dispersion=False, likelihood=correlated(rng))
        prior = regularizer.coefficient_prior(at).take(jnp.array([1]), K)
        check_density(prior, *truth, rng, units=(1.0, 1.0))


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_density_of_r2d2(likelihood, rng):
    """Shares are gamma variables over their sum: one coordinate more, which has its own prior."""

    def with_total(numbers, own):
        free = {"free": numbers["share"][0, :-1], "total": jnp.sum(jnp.exp(own["share"]))}
        return numbers | free

    names = ("coef", "r2", "free", "total")
    of_total = lambda numbers: dist.Gamma(0.6 * P, 1.0).log_prob(numbers["total"])
    with jax.enable_x64(True):
        at = setting(likelihood=likelihood(rng))
        prior = R2D2(0.3, 4.0, 0.6).coefficient_prior(at).take(jnp.array([1]), K)
        check_density(prior, r2d2, with_total, names, rng, of_total)


@pytest.mark.parametrize("regularizer", [Horseshoe(), R2D2(), ARD()], ids=lambda r: str(r)[:4])
def test_moves_with_the_units_of_the_responses(regularizer, rng):
    """Responses, and their dispersion, in other units: coefficients in these, the same density."""
    with jax.enable_x64(True):
        one = setting()
        ten = Setting(one.movable, one.num_rows, 10 * one.unit, True, one.intercept)
        raw = GLMParams(jnp.asarray(rng.normal(size=(P, K))), jnp.zeros(K))
        results = []
        for at, kappa in ((one, KAPPA), (ten, 100 * KAPPA)):
            prior = regularizer.coefficient_prior(at)
            own = {n: jnp.full((K, size), 0.3) for n, size in prior.sizes((P, K)).items()}
            results.append(place(prior, raw, own, jnp.asarray(kappa)))
        (params, density), (scaled, same) = results
        np.testing.assert_allclose(scaled.coef, 10 * params.coef, rtol=1e-12)
        np.testing.assert_allclose(same, density, rtol=1e-12)


def test_masked_coefficients_take_no_share():
    movable = np.ones((P, K), bool)
    movable[0, 1] = False
    with jax.enable_x64(True):
        prior = R2D2(0.3, 4.0).coefficient_prior(setting(movable))
        own = prior.draw(jax.random.PRNGKey(0), jnp.ones((COUNT, K)))[1]
        shares, r2 = np.asarray(own["share"]), np.asarray(own["r2"])
        np.testing.assert_allclose(r2.mean(), 0.3, atol=4 * np.sqrt(0.3 * 0.7 / 5 / r2.size))
        np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-12)
        assert np.all(shares[:, 1, 0] == 0)
        assert np.all(shares[:, 0, 0] > 0)
        # The guess of one relevant coefficient is one of three, and one of two.
        horseshoe = Horseshoe(num_relevant=1).coefficient_prior(setting(movable))
        expected = np.array([1 / 2, 1]) / np.sqrt(ROWS)
        np.testing.assert_allclose(horseshoe.multiples["global_scale"], expected, rtol=1e-12)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("regularizer", [Horseshoe(), R2D2(), ARD()], ids=lambda r: str(r)[:4])
def test_masked_coefficients_leave_the_slopes_finite(regularizer, likelihood, rng):
    """Else the sampler never moves: every trajectory of a masked response diverged under R2D2."""
    movable = np.ones((P, K), bool)
    movable[0, 1] = False
    with jax.enable_x64(True):
        prior = regularizer.coefficient_prior(setting(movable, likelihood=likelihood(rng)))
        own = {n: jnp.asarray(rng.normal(size=(K, s))) for n, s in prior.sizes((P, K)).items()}
        raw = GLMParams(jnp.asarray(rng.normal(size=(P, K))) * movable, jnp.zeros(K))

        @jax.grad
        def slopes(own):
            params, density = place(prior, raw, own, jnp.asarray(KAPPA))
            return jnp.sum(density) + jnp.sum(params.coef)

        assert all(np.isfinite(slope).all() for slope in slopes(own).values())


def test_coefficients_of_gaussian_data_do_not_depend_on_their_scales(rng):
    """Given the scales, coordinates are independent and standard normal: as far as they go from
    zero, so far the density falls, wherever the scales are.
    """
    with jax.enable_x64(True):
        Z = np.column_stack([rng.normal(size=(12, P)), np.ones(12)])
        y, centre = rng.normal(size=12), 0.4
        params = GLMParams(jnp.asarray(rng.normal(size=(P, 1))), jnp.full(1, centre))
        away = y - Z[:, :P] @ params.coef[:, 0] - centre
        derivatives = jnp.asarray(2 * Z.T @ Z)[None], jnp.asarray(2 * Z.T @ away)[None]
        free = jax.tree.map(lambda a: np.ones(a.shape, bool), params)
        quadratic = expand(*derivatives, params, free)
        one = setting(likelihood=None).take(jnp.array([1]), K)
        one = dataclasses.replace(one, likelihood=quadratic)
        prior, kappa = Horseshoe(0.5).coefficient_prior(one), jnp.asarray(KAPPA[1:])

        def density(theta):
            raw, own = unflatten(prior, theta)
            at, log_prior = place(prior, raw, own, kappa)
            rest = y - Z[:, :P] @ at.coef[:, 0] - at.intercept
            # What of an intercept with the prior that its coordinate is scaled by is not flat.
            narrower = 0.5 * ((at.intercept[0] - centre) / quadratic.intercept_scale[0]) ** 2
            return log_prior[0] - jnp.sum(rest**2) / kappa[0] - narrower

        size = P + 1 + sum(prior.sizes((P, 1)).values())
        for _ in range(3):
            theta = jnp.asarray(rng.normal(size=size))
            fall = density(theta.at[: P + 1].set(0.0)) - density(theta)
            np.testing.assert_allclose(fall, 0.5 * np.sum(theta[: P + 1] ** 2), rtol=1e-9)


def test_moments_of_draws():
    """Variance of coefficients given the scales drawn with them, and quartiles of the scales."""
    with jax.enable_x64(True):
        prior = Horseshoe(global_scale=0.5).coefficient_prior(setting(by_dispersion=False))
        coef, own = prior.draw(jax.random.PRNGKey(1), jnp.ones((COUNT, K)))
        local, wide = np.asarray(own["local_scale"]), np.asarray(own["global_scale"])[..., None]
        slab = np.asarray(own["slab_scale"])[..., None]
        spread = np.moveaxis(1 / np.hypot(1 / (wide * local), 1 / slab), 1, 2)
        z = np.asarray(coef) / spread
        # 120,000 standard normal numbers: the variance has standard error 0.0041, four of them.
        np.testing.assert_allclose(np.mean(z**2), 1.0, atol=0.017)
        # The median of a half-Cauchy variable is its scale; standard error pi / 2 / sqrt(n).
        np.testing.assert_allclose(np.median(local), 1.0, atol=4 * 1.58 / np.sqrt(local.size))
        np.testing.assert_allclose(np.median(wide), 0.5, atol=4 * 0.79 / np.sqrt(wide.size))


X = np.random.default_rng(0).normal(size=(40, 3))
y = np.random.default_rng(1).poisson(1.0, size=40)


@pytest.mark.parametrize("name", ["Horseshoe", "R2D2", "ARD"])
def test_fit_refuses_priors_without_a_mode(name):
    with pytest.raises(ValueError, match=f"{name} has no mode worth finding.*`sample`"):
        GLM(regularizer=name).fit(X, y)


@pytest.mark.parametrize("name", ["Ridge", "Lasso", "GroupLasso", "ElasticNet"])
def test_fit_refuses_sampled_strengths(name):
    regularizer = bayesglm.regularizer.GroupLasso(np.eye(3)) if name == "GroupLasso" else name
    model = GLM(regularizer=regularizer, regularizer_strength=dist.HalfCauchy(1.0))
    with pytest.raises(TypeError, match=r"must be numbers; got HalfCauchy.*`sample` takes"):
        model.fit(X, y)


BAD_STRENGTHS = {
    "no strength": ("UnRegularized", dist.HalfCauchy(1.0), "UnRegularized has no strength"),
    "own scale": (Prior(), dist.HalfCauchy(1.0), "Prior has no strength"),
    "horseshoe": ("Horseshoe", dist.HalfCauchy(1.0), "Horseshoe has no strength"),
    "support": ("Ridge", dist.Normal(0.0, 1.0), "one positive number.*Normal"),
    "interval": ("Ridge", dist.Uniform(0.0, 2.0), "one positive number.*Uniform"),
    "several": ("Ridge", dist.HalfCauchy(np.ones(3)), "one positive number"),
    "part of an array": ("Ridge", [dist.HalfCauchy(1.0), 1.0, 1.0], "Could not convert"),
}


@pytest.mark.parametrize("case", BAD_STRENGTHS)
def test_sample_refuses_bad_strengths(case):
    regularizer, strength, message = BAD_STRENGTHS[case]
    model = GLM(regularizer=regularizer, regularizer_strength=strength)
    with pytest.raises((ValueError, TypeError), match=message):
        model.prior_summary(X)


BAD_SETTINGS = {
    "zero": (lambda: Horseshoe(slab_scale=0.0), "`slab_scale` must be a positive number; got 0.0"),
    "infinite": (lambda: Horseshoe(global_scale=np.inf), "`global_scale` must be a positive"),
    "text": (lambda: R2D2(concentration="a"), "`concentration` must be a positive number"),
    "both": (lambda: Horseshoe(0.1, num_relevant=2), "either `global_scale` or `num_relevant`"),
    "share": (lambda: R2D2(mean_r2=1.0), "`mean_r2` must lie between 0 and 1"),
    "two priors": (lambda: ARD(dist.HalfCauchy(1.0), dist.Gamma(1.0, 1.0)), "not both"),
    "real line": (lambda: ARD(dist.Normal(0.0, 1.0)), "`scale` of ARD must have a distribution"),
    "intercept": (lambda: R2D2(intercept=dist.HalfNormal(1.0)), "prior of the intercept"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_settings_that_make_no_sense(case):
    make, message = BAD_SETTINGS[case]
    with pytest.raises(ValueError, match=message):
        make()


def test_more_relevant_coefficients_than_there_are():
    with pytest.raises(ValueError, match="smaller than the number of coefficients, 3; got 3"):
        GLM(regularizer=Horseshoe(num_relevant=3)).prior_summary(X, y)


def test_settings_survive_saving(tmp_path):
    model = GLM(regularizer=ARD(precision=dist.Gamma(2.0, 3.0)))
    bayesglm.save(model, tmp_path / "model")
    loaded = bayesglm.load(tmp_path / "model")
    assert repr(loaded.regularizer) == "ARD(precision=Gamma(concentration=2, rate=3))"
    assert (
        loaded.set_params(regularizer=Horseshoe(), regularizer__slab_df=7.0).regularizer.slab_df
        == 7
    )


# Posteriors


def test_more_columns_than_rows_are_what_it_is_for(rng):
    """No word of them, but of a column that is twice there."""
    wide = rng.normal(size=(6, 8))
    response, model = rng.normal(size=6), GLM("Gaussian", regularizer=Horseshoe(0.5))
    few = {"num_samples": 4, "num_warmup": 4, "num_chains": 1, "progress_bar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        warnings.simplefilter("ignore", SamplingWarning)
        model.sample(wide, response, **few)
    twice = np.column_stack([wide[:, 0], wide[:, 0]])
    with pytest.warns((DataWarning, SamplingWarning)) as caught:
        model.sample(twice, response, **few)
    assert any("linear combinations" in str(w.message) for w in caught)


@pytest.mark.slow
def test_horseshoe_finds_the_support_with_fewer_rows_than_columns():
    rng = np.random.default_rng(0)
    n, p, support = 40, 60, [3, 17, 40]
    wide = rng.normal(size=(n, p))
    coef = np.zeros(p)
    coef[support] = [2.0, -2.0, 1.5]
    response = wide @ coef + 1 + 0.5 * rng.normal(size=n)
    model = GLM("Gaussian", regularizer=Horseshoe(num_relevant=3))
    with pytest.warns(SamplingWarning):
        tree = model.sample(
            wide, response, random_state=1, num_chains=2, num_samples=200, progress_bar=False
        )
    draws = tree["posterior"]["coef"].values.reshape(-1, p)
    assert set(np.argsort(-np.abs(draws.mean(axis=0)))[:3]) == set(support)
    # Least squares on the true columns has standard errors of 0.5 / sqrt(40) = 0.08: four of them.
    np.testing.assert_allclose(draws.mean(axis=0)[support], coef[support], atol=0.32)
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    others = np.setdiff1d(np.arange(p), support)
    assert np.all((low[others] < 0) & (high[others] > 0))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Ridge", "Lasso"])
def test_posterior_of_a_sampled_strength(name):
    """One coefficient, no intercept: the posterior is a double integral."""
    rng = np.random.default_rng(3)
    x, prior = rng.normal(size=(60, 1)), dist.Gamma(2.0, 10.0)
    counts = rng.poisson(np.exp(0.3 * x[:, 0]))
    model = GLM("Poisson", None, name, prior, fit_intercept=False)
    tree = model.sample(x, counts, random_state=1, num_samples=1000, progress_bar=False)
    b, s = np.linspace(-0.5, 1.0, 801)[:, None], np.exp(np.linspace(-12, 2, 1201))
    eta = x[:, :1] * b.T
    log_post = (counts @ eta - np.exp(eta).sum(axis=0))[:, None]
    rate = 60 * s
    normal = 0.5 * np.log(rate) - 0.5 * rate * b**2
    log_post = log_post + (normal if name == "Ridge" else np.log(rate) - rate * np.abs(b))
    log_post = log_post + 2 * np.log(s) - 10 * s  # gamma, and the Jacobian of the logarithm
    weight = np.exp(log_post - log_post.max())
    weight /= weight.sum()
    posterior = tree["posterior"].to_dataset()
    for values, grid in ((posterior["coef"].values, b), (posterior["regularizer_strength"], s)):
        mean = (weight * grid).sum()
        spread = np.sqrt((weight * (grid - mean) ** 2).sum())
        # At least 800 of 4,000 draws are effective here: four standard errors of the mean.
        np.testing.assert_allclose(values.mean(), mean, atol=4 * spread / np.sqrt(800))


@pytest.mark.slow
def test_student_t_prior_samples():
    """A prior with a peak and heavy tails needs no kind of its own."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(200, 2))
    counts = rng.poisson(np.exp(0.5 + features @ [0.8, 0.0]))
    spiky = Prior(dist.StudentT(1.0, 0.0, 0.05), intercept=dist.Normal(0.0, 2.0))
    tree = GLM(regularizer=spiky).sample(
        features, counts, random_state=0, num_samples=500, progress_bar=False
    )
    mean = tree["posterior"]["coef"].mean(("chain", "draw")).values
    # Standard errors of maximum likelihood are below 0.06: four of them.
    np.testing.assert_allclose(mean, [0.8, 0.0], atol=0.24)
