"""A NeMoS user's scripts, run by NeMoS 0.2.9 and, after changing the import, by bayesglm.

Every script takes the package as ``nmo`` and returns named numbers. NeMoS runs in float64 with its
stopping rule tightened: by default it stops when steps are short, up to 1e-4 from the optimum.
"""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import bayesglm

nemos = pytest.importorskip("nemos", reason="nemos needs Python >= 3.12")

# NeMoS's proximal solver stops moving where its line search no longer sees the loss change, at
# 1e-16: coefficients off by up to its square root, 1e-8 (seen: 9e-9; its KKT residual is 2e-8,
# that of bayesglm 1e-10). Everything compared is smooth in the coefficients with derivatives below
# 5, hence the absolute bound. The smooth problems agree to 1e-8, relatively.
TOLERANCE = {"rtol": 1e-7, "atol": 5e-8}
TIGHT = {"tol": 1e-12, "maxiter": 20_000}

NUM_ROWS, NUM_FEATURES, NUM_RESPONSES = 120, 4, 3
FAMILIES = ("Poisson", "Gaussian", "Bernoulli", "Gamma", "NegativeBinomial")
REGULARIZERS = {
    "UnRegularized": None,
    "Ridge": 0.1,
    "Lasso": 0.02,
    "ElasticNet": (0.03, 0.4),
    "GroupLasso": 0.02,
}
SCORES = ("log-likelihood", "pseudo-r2-McFadden", "pseudo-r2-Cohen")
GROUPS = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])


def solver_kwargs(nmo):
    """What the user sets so that NeMoS converges; bayesglm needs nothing."""
    return TIGHT if nmo is nemos else {}


def design():
    rng = np.random.default_rng(1)
    scales, shifts = [1.0, 0.5, 0.8, 1.5], [0.0, 0.3, 0.0, -0.2]
    return rng.normal(size=(NUM_ROWS, NUM_FEATURES)) * scales + shifts


def responses(family, num_responses=NUM_RESPONSES):
    """Responses of a family, shape (NUM_ROWS, num_responses)."""
    rng = np.random.default_rng(2)
    coef = rng.normal(size=(NUM_FEATURES, num_responses)) * 0.4
    eta = design() @ coef + 0.3
    mean = np.exp(np.clip(eta, -2, 2))
    return {
        "Poisson": lambda: rng.poisson(mean),
        "Gaussian": lambda: eta + rng.normal(size=eta.shape),
        "Bernoulli": lambda: rng.binomial(1, 1 / (1 + np.exp(-eta))),
        "Gamma": lambda: rng.gamma(4.0, 1 / (4.0 * (2.0 + np.tanh(eta)))),
        "NegativeBinomial": lambda: rng.poisson(mean * rng.gamma(2.0, 0.5, eta.shape)),
    }[family]().astype(float)


def labels(names=("left", "none", "right"), num_responses=1):
    rng = np.random.default_rng(3)
    utility = design()[:, :3, None] * 0.8 + rng.gumbel(size=(NUM_ROWS, 3, num_responses))
    return np.asarray(names)[utility.argmax(axis=1)]


def run(script, nmo, *args):
    """One package's results in float64, with the warnings of its own making silenced."""
    with warnings.catch_warnings(), jax.enable_x64(True):
        warnings.simplefilter("ignore")
        return script(nmo, *args)


def assert_same(script, *args, tolerance=TOLERANCE):
    """Run a script twice and compare what it returns: names, shapes, and values."""
    ours, theirs = run(script, bayesglm, *args), run(script, nemos, *args)
    assert ours.keys() == theirs.keys()
    for name in theirs:
        assert_equal(name, ours[name], theirs[name], tolerance)


def assert_equal(name, ours, theirs, tolerance):
    if isinstance(theirs, str | tuple | type | None | bool):
        assert ours == theirs, name
        return
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), name
        for key in theirs:
            assert_equal(f"{name}[{key}]", ours[key], theirs[key], tolerance)
        return
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, name
    assert ours.dtype.kind == theirs.dtype.kind, name
    if theirs.dtype.kind in "fc":
        np.testing.assert_allclose(ours, theirs, err_msg=name, **tolerance)
    else:
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def regularizer(nmo, name, mask=GROUPS):
    """A regularizer by name, or the one that has to be told its groups."""
    return nmo.regularizer.GroupLasso(mask=mask) if name == "GroupLasso" else name


def summarise(model, X, y):
    """Everything that a fitted model says of data."""
    ones = np.ones(np.size(model.intercept_))
    trial = (jax.tree.map(lambda w: 0.1 + 0 * w, model.coef_), 0.5 + 0 * model.intercept_)
    return {
        "coef_": model.coef_,
        "intercept_": model.intercept_,
        # NeMoS gives these two 0-d for some families and regularizers, 1-d for others.
        "scale_": model.scale_ * ones,
        "dof_resid_": model.dof_resid_ * ones,
        "predict": model.predict(X),
        "compute_loss": model.compute_loss(trial, X, y),
        **{score: model.score(X, y, score_type=score) for score in SCORES},
    }


# One response


def fit_glm(nmo, family, name, link=None):
    model = nmo.glm.GLM(
        observation_model=family,
        inverse_link_function=link,
        regularizer=regularizer(nmo, name),
        regularizer_strength=REGULARIZERS[name],
        solver_kwargs=solver_kwargs(nmo),
    )
    X, y = design(), responses(family)[:, 0]
    return summarise(model.fit(X, y), X, y)


def test_poisson_ridge():
    assert_same(fit_glm, "Poisson", "Ridge")


@pytest.mark.slow
@pytest.mark.parametrize("name", REGULARIZERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_and_regularizer(family, name):
    assert_same(fit_glm, family, name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "link"),
    [
        ("Poisson", "softplus"),
        ("Poisson", jax.nn.softplus),
        ("Gamma", "jax.numpy.exp"),
        ("Bernoulli", "norm.cdf"),
        ("NegativeBinomial", "softplus"),
        ("Gaussian", jnp.exp),
    ],
)
def test_other_links(family, link):
    assert_same(fit_glm, family, "Ridge", link)


def fit_with_strengths(nmo, name, strength):
    model = nmo.glm.GLM(
        regularizer=name, regularizer_strength=strength, solver_kwargs=solver_kwargs(nmo)
    )
    X, y = design(), responses("Poisson")[:, 0]
    return {"coef_": model.fit(X, y).coef_, "intercept_": model.intercept_}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("Ridge", None),
        ("Ridge", np.array([0.01, 0.1, 1.0, 0.0])),
        ("Lasso", np.array([0.01, 0.1, 0.05, 0.0])),
        ("ElasticNet", None),
        ("ElasticNet", 0.05),
        ("ElasticNet", (np.array([0.01, 0.1, 0.05, 0.02]), 0.3)),
    ],
)
def test_strengths(name, strength):
    assert_same(fit_with_strengths, name, strength)


def fit_group_strengths(nmo):
    model = nmo.glm.GLM(
        regularizer=nmo.regularizer.GroupLasso(mask=GROUPS),
        regularizer_strength=np.array([0.01, 0.05]),
        solver_kwargs=solver_kwargs(nmo),
    )
    return summarise(
        model.fit(design(), responses("Poisson")[:, 0]), design(), responses("Poisson")[:, 0]
    )


@pytest.mark.slow
def test_one_strength_per_group():
    assert_same(fit_group_strengths)


def fit_negative_binomial_scale(nmo):
    family = nmo.observation_models.NegativeBinomialObservations(scale=0.4)
    model = nmo.glm.GLM(observation_model=family, solver_kwargs=solver_kwargs(nmo))
    X, y = design(), responses("NegativeBinomial")[:, 0]
    return summarise(model.fit(X, y), X, y)


@pytest.mark.slow
def test_negative_binomial_with_a_scale():
    assert_same(fit_negative_binomial_scale)


def split(X):
    return {"position": X[:, :1], "speed": X[:, 1:]}


def fit_dict(nmo, name):
    model = nmo.glm.GLM(
        regularizer=name,
        regularizer_strength=REGULARIZERS[name],
        solver_kwargs=solver_kwargs(nmo),
    )
    X, y = split(design()), responses("Poisson")[:, 0]
    return summarise(model.fit(X, y), X, y)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Ridge", "Lasso", "GroupLasso"])
def test_features_in_a_dict(name):
    assert_same(fit_dict, name)


def fit_from_init_params(nmo):
    X, y = design(), responses("Poisson")[:, 0]
    model = nmo.glm.GLM(regularizer="Ridge", solver_kwargs=solver_kwargs(nmo))
    coef, intercept = model.initialize_params(X, y)
    start = (np.asarray(coef) + 0.5, np.asarray(intercept) - 1.0)
    model.fit(X, y, init_params=start)
    return {"start": np.concatenate([coef, intercept])} | summarise(model, X, y)


@pytest.mark.slow
def test_init_params():
    assert_same(fit_from_init_params)


def fit_without_invalid_rows(nmo):
    X, y = design(), responses("Poisson")[:, 0]
    X[[0, 7], [1, 2]], y[11] = np.nan, np.nan
    model = nmo.glm.GLM(regularizer="Ridge", solver_kwargs=solver_kwargs(nmo)).fit(X, y)
    return {
        "coef_": model.coef_,
        "intercept_": model.intercept_,
        "predict": np.nan_to_num(model.predict(X), nan=-1.0),
        **{score: model.score(X, y, score_type=score) for score in SCORES},
    }


@pytest.mark.slow
def test_rows_with_nan():
    assert_same(fit_without_invalid_rows)


# Many responses

MASK = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1]])


def population_groups(nmo):
    """One group per response and pair of features."""
    mask = np.zeros((2 * NUM_RESPONSES, NUM_FEATURES, NUM_RESPONSES))
    for group in range(2 * NUM_RESPONSES):
        mask[group, 2 * (group % 2) : 2 * (group % 2) + 2, group // 2] = 1
    return nmo.regularizer.GroupLasso(mask=mask)


def fit_population(nmo, family, name, mask=None):
    model = nmo.glm.PopulationGLM(
        observation_model=family,
        regularizer=population_groups(nmo) if name == "GroupLasso" else name,
        regularizer_strength=REGULARIZERS[name],
        solver_kwargs=solver_kwargs(nmo),
        feature_mask=mask,
    )
    X, y = design(), responses(family)
    model.fit(X, y)
    if name == "GroupLasso":  # NeMoS's `predict` then fails with an AttributeError
        return {"coef_": model.coef_, "intercept_": model.intercept_}
    out = summarise(model, X, y)
    out["each"] = model.score(X, y, aggregate_sample_scores=lambda scores: jnp.mean(scores, axis=0))
    if mask is not None:  # NeMoS counts masked features as degrees of freedom spent
        del out["dof_resid_"]
    return out


@pytest.mark.slow
@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "masked"])
@pytest.mark.parametrize("name", REGULARIZERS)
def test_poisson_population(name, mask):
    assert_same(fit_population, "Poisson", name, mask)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES[1:])
def test_population_of_every_family(family):
    assert_same(fit_population, family, "Ridge")


def fit_population_dict(nmo):
    X, y = split(design()), responses("Poisson")
    mask = {"position": np.array([1, 0, 1]), "speed": np.array([0, 1, 1])}
    model = nmo.glm.PopulationGLM(feature_mask=mask, solver_kwargs=solver_kwargs(nmo)).fit(X, y)
    return {
        "coef_": model.coef_,
        "intercept_": model.intercept_,
        "predict": model.predict(X),
        "score": model.score(X, y),
    }


@pytest.mark.slow
def test_population_with_a_mask_per_key():
    assert_same(fit_population_dict)


# Classes


def fit_classifier(nmo, name, names):
    model = nmo.glm.ClassifierGLM(
        n_classes=3,
        regularizer=regularizer(nmo, name, np.repeat(GROUPS[..., np.newaxis], 3, axis=-1)),
        regularizer_strength=REGULARIZERS.get(name),
        solver_kwargs=solver_kwargs(nmo),
    )
    X, y = design(), labels(names)[:, 0]
    model.fit(X, y)
    return {
        "classes_": model.classes_,
        "coef_": model.coef_,
        "intercept_": model.intercept_,
        "dof_resid_": np.ravel(model.dof_resid_).astype(float),
        "predict": model.predict(X),
        "default": model.predict_proba(X),
        "log-proba": model.predict_proba(X, return_type="log-proba"),
        "proba": model.predict_proba(X, return_type="proba"),
        **{score: model.score(X, y, score_type=score) for score in SCORES},
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", [None, *REGULARIZERS])
def test_classifier(name):
    assert_same(fit_classifier, name, (0, 1, 2))


@pytest.mark.slow
def test_classifier_of_named_classes():
    assert_same(fit_classifier, "Ridge", ("left", "none", "right"))


def fit_population_classifier(nmo, mask):
    model = nmo.glm.ClassifierPopulationGLM(
        n_classes=3,
        regularizer_strength=0.1,
        feature_mask=mask,
        solver_kwargs=solver_kwargs(nmo),
    )
    X, y = design(), labels((10, 20, 30), num_responses=2)
    model.fit(X, y)
    return {
        "classes_": model.classes_,
        "coef_": model.coef_,
        "intercept_": model.intercept_,
        "predict": model.predict(X),
        "log-proba": model.predict_proba(X),
        **{score: model.score(X, y, score_type=score) for score in SCORES},
    }


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
def test_population_classifier(masked):
    mask = np.repeat(MASK[:, :2, np.newaxis], 3, axis=-1) if masked else None
    assert_same(fit_population_classifier, mask)


# scikit-learn's tools


def fit_pipeline(nmo):
    model = nmo.glm.GLM(regularizer="Ridge", solver_kwargs=solver_kwargs(nmo))
    pipeline = Pipeline([("scale", StandardScaler()), ("glm", model)])
    X, y = design(), responses("Poisson")[:, 0]
    pipeline.set_params(glm__regularizer_strength=0.03).fit(X, y)
    return {
        "coef_": pipeline["glm"].coef_,
        "predict": pipeline.predict(X),
        "score": pipeline.score(X, y),
    }


@pytest.mark.slow
def test_pipeline():
    assert_same(fit_pipeline)


def search(nmo):
    model = nmo.glm.GLM(solver_kwargs=solver_kwargs(nmo))
    grid = [
        {"regularizer": ["Ridge"], "regularizer_strength": [0.01, 0.3]},
        {"inverse_link_function": ["softplus"]},
    ]
    found = GridSearchCV(model, grid, cv=KFold(2)).fit(design(), responses("Poisson")[:, 0])
    return {
        "mean_test_score": found.cv_results_["mean_test_score"],
        "rank_test_score": found.cv_results_["rank_test_score"],
        "best_score_": found.best_score_,
        "coef_": found.best_estimator_.coef_,
    }


@pytest.mark.slow
def test_grid_search():
    assert_same(search)


def clone_and_set(nmo):
    model = nmo.glm.GLM(regularizer="Lasso", regularizer_strength=0.3)
    copy = clone(model)
    out = {
        "keys": tuple(
            k for k in sorted(copy.get_params()) if k in sorted(nemos.glm.GLM().get_params())
        ),
        "regularizer": type(copy.regularizer).__name__,
        "strength": copy.regularizer_strength,
        "unfitted": tuple(getattr(copy, name) for name in ("coef_", "intercept_", "scale_")),
    }
    out["reset"] = copy.set_params(regularizer="ElasticNet").regularizer_strength
    copy.set_params(regularizer="Ridge", regularizer_strength=0.7)
    out["both"] = copy.regularizer_strength
    copy.regularizer = "Lasso"
    out["kept"] = copy.regularizer_strength
    copy.regularizer = "UnRegularized"
    out["dropped"] = copy.regularizer_strength
    out["link"] = copy.inverse_link_function.__name__
    out["family"] = repr(copy.observation_model)
    return out


def test_clone_and_set_params():
    assert_same(clone_and_set)


# Batches


def update_loop(nmo):
    """Plain gradient descent over batches: the same arithmetic in both, step by step."""
    X, y = design(), responses("Poisson")[:, 0]
    model = nmo.glm.GLM(
        regularizer="Ridge",
        regularizer_strength=0.1,
        solver_name="GradientDescent",
        solver_kwargs={"stepsize": 0.05, "acceleration": False},
    )
    params = model.initialize_params(X, y)
    state = model.initialize_optimizer_and_state(params, X, y)
    for start in range(0, NUM_ROWS, 30):
        batch = slice(start, start + 30)
        params, state = model.update(params, state, X[batch], y[batch])
    return {
        "params": tuple(type(params).__name__ for _ in "1"),
        "coef": params[0],
        "intercept": params[1],
        "coef_": model.coef_,
        "intercept_": model.intercept_,
        "scale_": model.scale_,
        "predict": model.predict(X),
    }


@pytest.mark.slow
def test_update_loop():
    # No optimum is sought: four identical steps, so they agree to rounding.
    assert_same(update_loop, tolerance={"rtol": 1e-10, "atol": 1e-12})


@pytest.mark.slow
@pytest.mark.parametrize("spec", nemos.solvers.list_available_solvers(), ids=lambda s: s.full_name)
def test_every_solver_of_nemos_has_a_namesake(spec):
    """Names and settings of NeMoS's solvers are accepted, and all reach the one optimum."""
    X, y = design(), responses("Poisson")[:, 0]
    stochastic = "SVRG" in spec.algo_name
    settings = {"stepsize": 0.05, "batch_size": 20, "maxiter": 400} if stochastic else TIGHT
    model = bayesglm.glm.GLM(
        regularizer="Ridge",
        regularizer_strength=0.1,
        solver_name=spec.algo_name,
        solver_kwargs=settings,
    )
    with jax.enable_x64(True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best = bayesglm.glm.GLM(regularizer="Ridge", regularizer_strength=0.1).fit(X, y)
        model.fit(X, y)
        np.testing.assert_allclose(model.coef_, best.coef_, atol=1e-4 if stochastic else 1e-6)


# Draws and types


def simulate(nmo, family):
    X, y = design(), responses(family)[:, 0]
    model = nmo.glm.GLM(family, regularizer="Ridge", solver_kwargs=solver_kwargs(nmo)).fit(X, y)
    draws, rate = model.simulate(jax.random.key(0), X)
    return {"draws": np.zeros_like(draws), "rate": rate}  # shape and kind of number of the draws


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_simulated_shapes_and_types(family):
    assert_same(simulate, family)


def simulate_population(nmo):
    X, y = design(), responses("Poisson")
    model = nmo.glm.PopulationGLM(regularizer="Ridge", solver_kwargs=solver_kwargs(nmo)).fit(X, y)
    draws, rate = model.simulate(jax.random.key(0), X)
    return {"draws": np.zeros_like(draws), "rate": rate}


@pytest.mark.slow
def test_simulated_population():
    assert_same(simulate_population)


def fit_time_series(nmo):
    nap = pytest.importorskip("pynapple")
    time = np.arange(NUM_ROWS) / 10
    X = nap.TsdFrame(t=time, d=design())
    y = nap.Tsd(t=time, d=responses("Poisson")[:, 0])
    counts = nap.TsdFrame(t=time, d=responses("Poisson"), columns=["a", "b", "c"])
    kwargs = solver_kwargs(nmo)
    one = nmo.glm.GLM(solver_kwargs=kwargs).fit(X, y)
    many = nmo.glm.PopulationGLM(solver_kwargs=kwargs).fit(X, counts)
    rate, rates = one.predict(X), many.predict(X)
    return {
        "types": (type(rate).__name__, type(rates).__name__),
        "columns": tuple(rates.columns),
        "t": rate.t,
        "rate": rate.d,
        "rates": rates.d,
        "score": one.score(X, y),
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_pynapple():
    assert_same(fit_time_series)


# Mistakes


X0, Y0 = np.ones((10, 2)), np.arange(10.0) + 1
MISTAKES = {
    "X of one axis": (ValueError, lambda nmo: nmo.glm.GLM().fit(X0[:, 0], Y0)),
    "y of two axes": (ValueError, lambda nmo: nmo.glm.GLM().fit(X0, X0)),
    "y of one axis": (ValueError, lambda nmo: nmo.glm.PopulationGLM().fit(X0, Y0)),
    "other length": (ValueError, lambda nmo: nmo.glm.GLM().fit(X0, Y0[1:])),
    "no valid row": (ValueError, lambda nmo: nmo.glm.GLM().fit(X0 * np.nan, Y0)),
    "text": (TypeError, lambda nmo: nmo.glm.GLM().fit(np.array([["a"]] * 10), Y0)),
    "not fitted": (nemos.exceptions.NotFittedError, lambda nmo: nmo.glm.GLM().predict(X0)),
    "not fitted value": (ValueError, lambda nmo: nmo.glm.GLM().predict(X0)),
    "observation name": (ValueError, lambda nmo: nmo.glm.GLM("Poison").fit(X0, Y0)),
    "observation object": (AttributeError, lambda nmo: nmo.glm.GLM(object()).fit(X0, Y0)),
    "categorical": (TypeError, lambda nmo: nmo.glm.GLM("Categorical").fit(X0, Y0)),
    "regularizer name": (ValueError, lambda nmo: nmo.glm.GLM(regularizer="R").fit(X0, Y0)),
    "regularizer type": (TypeError, lambda nmo: nmo.glm.GLM(regularizer=1).fit(X0, Y0)),
    "solver name": (ValueError, lambda nmo: nmo.glm.GLM(solver_name="X").fit(X0, Y0)),
    "solver type": (TypeError, lambda nmo: nmo.glm.GLM(solver_name=1).fit(X0, Y0)),
    "solver for it": (
        ValueError,
        lambda nmo: nmo.glm.GLM(regularizer="Lasso", solver_name="LBFGS").fit(X0, Y0),
    ),
    "solver setting": (
        NameError,
        lambda nmo: nmo.glm.GLM(solver_kwargs={"max_steps": 3}).fit(X0, Y0),
    ),
    "strength": (
        TypeError,
        lambda nmo: nmo.glm.GLM(regularizer="Ridge", regularizer_strength="a").fit(X0, Y0),
    ),
    "strength shape": (
        ValueError,
        lambda nmo: nmo.glm.GLM(regularizer="Ridge", regularizer_strength=np.ones(3)).fit(X0, Y0),
    ),
    "strength tuple": (
        TypeError,
        lambda nmo: nmo.glm.GLM(regularizer="ElasticNet", regularizer_strength=(1, 0.5, 2)).fit(
            X0, Y0
        ),
    ),
    "ratio": (
        ValueError,
        lambda nmo: nmo.glm.GLM(regularizer="ElasticNet", regularizer_strength=(1, 1.5)).fit(
            X0, Y0
        ),
    ),
    "link name": (
        ValueError,
        lambda nmo: nmo.glm.GLM(inverse_link_function="expp").fit(X0, Y0),
    ),
    "link type": (TypeError, lambda nmo: nmo.glm.GLM(inverse_link_function=3).fit(X0, Y0)),
    "init length": (ValueError, lambda nmo: nmo.glm.GLM().fit(X0, Y0, (np.zeros(2),))),
    "init type": (TypeError, lambda nmo: nmo.glm.GLM().fit(X0, Y0, {"a": X0[0], "b": Y0[:1]})),
    "init text": (TypeError, lambda nmo: nmo.glm.GLM().fit(X0, Y0, ("a", "b"))),
    "init shape": (ValueError, lambda nmo: nmo.glm.GLM().fit(X0, Y0, (np.zeros(3), [0.0]))),
    "init axes": (ValueError, lambda nmo: nmo.glm.GLM().fit(X0, Y0, (np.zeros((2, 1)), [0.0]))),
    "intercept shape": (
        ValueError,
        lambda nmo: nmo.glm.GLM().fit(X0, Y0, (np.zeros(2), np.zeros(2))),
    ),
    "mask shape": (
        ValueError,
        lambda nmo: nmo.glm.PopulationGLM(feature_mask=np.ones((2, 3))).fit(X0, X0),
    ),
    "mask values": (
        ValueError,
        lambda nmo: nmo.glm.PopulationGLM(feature_mask=np.full((2, 2), 2)).fit(X0, X0),
    ),
    "mask structure": (
        TypeError,
        lambda nmo: nmo.glm.PopulationGLM(feature_mask={"a": np.ones(2)}).fit(X0, X0),
    ),
    "one class": (ValueError, lambda nmo: nmo.glm.ClassifierGLM(1).fit(X0, Y0)),
    "class count": (ValueError, lambda nmo: nmo.glm.ClassifierGLM(3).fit(X0, Y0)),
    "classes unset": (
        RuntimeError,
        lambda nmo: nmo.glm.ClassifierGLM(2).initialize_params(X0, Y0),
    ),
    "negative mean": (ValueError, lambda nmo: nmo.glm.GLM().fit(X0, -Y0)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_raise_the_same_errors(mistake):
    error, call = MISTAKES[mistake]
    for nmo in (nemos, bayesglm):
        # The packages' own NotFittedError is what a user of each would name.
        expected = nmo.exceptions.NotFittedError if mistake == "not fitted" else error
        with pytest.raises(expected):
            run(call, nmo)


# Other modules


def identify(nmo, add_intercept):
    rng = np.random.default_rng(4)
    X = rng.integers(-1, 2, size=(40, 7)).astype(float)
    X[:, 4], X[:, 6], X[3, 1] = X[:, 2] + X[:, 5] - 1, 2.0, np.nan
    constrained, kept = nmo.identifiability_constraints.apply_identifiability_constraints(
        X, add_intercept=add_intercept
    )
    return {"constrained": constrained, "kept": kept}


@pytest.mark.parametrize("add_intercept", [True, False])
def test_identifiability(add_intercept):
    assert_same(identify, add_intercept)


def identify_by_component(nmo):
    rng = np.random.default_rng(4)
    basis = nemos.basis.BSplineEval(5) + nemos.basis.BSplineEval(6)
    X = np.asarray(basis.compute_features(*rng.normal(size=(2, 50))), float)
    module = nmo.identifiability_constraints
    constrained, kept = module.apply_identifiability_constraints_by_basis_component(basis, X)
    return {"constrained": constrained, "kept": kept}


def test_identifiability_by_component():
    assert_same(identify_by_component)


def observation_numbers(nmo, family):
    model = getattr(nmo.observation_models, f"{family}Observations")()
    y = jnp.asarray(responses(family))
    rate = jnp.full(y.shape, 0.6) * jnp.linspace(0.5, 1.5, len(y))[:, jnp.newaxis]
    return {
        "log_likelihood": model.log_likelihood(y, rate),
        "likelihood": model.likelihood(y, rate),
        "deviance": model.deviance(y, rate),
        "McFadden": model.pseudo_r2(y, rate, score_type="pseudo-r2-McFadden"),
        "Cohen": model.pseudo_r2(y, rate, score_type="pseudo-r2-Cohen"),
        "scale": np.ravel(model.estimate_scale(y, rate, dof_resid=100)) * np.ones(y.shape[1]),
        "link": model.default_inverse_link_function(jnp.array([0.5, 1.0])),
        "kernel": model._negative_log_likelihood(y, rate),
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_observation_models(family):
    assert_same(observation_numbers, family, tolerance={"rtol": 1e-9, "atol": 1e-12})
