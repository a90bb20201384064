"""What the four estimators promise: constructor, parameters, attributes, shapes, copies."""

import copy
import pickle

import jax
import numpy as np
import pytest
from estimator_kinds import (
    CLASSIFIERS,
    COUNTS,
    KINDS,
    NAMES,
    C,
    K,
    N,
    P,
    X,
    each_kind,
    fitted,
    response,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError as SklearnNotFittedError

from bayesglm import (
    GLM,
    ClassifierGLM,
    ClassifierPopulationGLM,
    ConvergenceWarning,
    NotFittedError,
    PopulationGLM,
)
from bayesglm.observation_models import NegativeBinomialObservations
from bayesglm.regularizer import ElasticNet, GroupLasso, Lasso, Ridge, UnRegularized

ATTRIBUTES = ("coef_", "intercept_", "scale_", "dof_resid_", "solver_state_", "aux_")


# ----------------------------------------------------------------------------- fitted attributes


@each_kind
def test_attributes_have_their_shapes(kind):
    model, (_, _, coef, intercept, _) = fitted(kind), KINDS[kind]
    responses_ = intercept if kind in ("GLM", "PopulationGLM") else intercept[:-1] or (1,)
    assert model.coef_.shape == coef
    assert model.intercept_.shape == intercept
    assert model.scale_.shape == model.dof_resid_.shape == responses_
    width = (P + 1) * (C if kind in CLASSIFIERS else 1)
    population = kind in ("PopulationGLM", "ClassifierPopulationGLM")
    assert model.covariance_.shape == ((K,) if population else ()) + (width, width)
    coef_errors, intercept_errors = model.standard_errors_
    assert coef_errors.shape == coef
    assert intercept_errors.shape == intercept
    assert model.n_features_in_ == P
    assert model.n_iter_ >= 1
    assert bool(model.solver_state_.stats.converged)


@each_kind
def test_parameters_are_jax_arrays_in_the_precision_of_the_caller(kind):
    model = fitted(kind)
    for array in (model.coef_, model.intercept_):
        assert isinstance(array, jax.Array)
        assert array.dtype == np.float32
    with jax.enable_x64(True):
        assert model.coef_.dtype == np.float64
    assert not hasattr(model, "feature_names_in_")


@each_kind
def test_nothing_is_fitted_before_fit(kind):
    model = KINDS[kind][0]()
    assert all(getattr(model, name) is None for name in ATTRIBUTES)
    assert not hasattr(model, "n_features_in_")
    for name in ("covariance_", "standard_errors_"):
        with pytest.raises(AttributeError):
            getattr(model, name)
    with pytest.raises(NotFittedError, match=f"This {kind} instance is not fitted yet"):
        model.summary()


@pytest.mark.parametrize("method", ["predict", "simulate", "score"])
@pytest.mark.parametrize("kind", ["GLM", "PopulationGLM"])
def test_unfitted_models_say_so(kind, method):
    arguments = {"predict": (X,), "simulate": (jax.random.key(0), X), "score": (X, response(kind))}
    error = (SklearnNotFittedError, ValueError, AttributeError)
    for base in error:
        with pytest.raises(base, match="not fitted yet"):
            getattr(KINDS[kind][0](), method)(*arguments[method])


@each_kind
def test_refit_replaces_everything(kind):
    model = clone(fitted(kind)).fit(X, response(kind))
    with pytest.raises(ValueError, match=f"{P - 1} features, but {kind} is expecting {P}"):
        model.predict(X[:, 1:])
    parts = {"a": X[:, :1], "b": X[:, 1:]}
    model.fit(parts, response(kind))
    assert {name: len(leaf) for name, leaf in model.coef_.items()} == {"a": 1, "b": P - 1}
    assert model.score(parts, response(kind)) == pytest.approx(
        fitted(kind).score(X, response(kind))
    )
    with pytest.raises(TypeError, match="X and coef have mismatched structure"):
        model.predict(X)


# ------------------------------------------------------------------------ constructor parameters


def test_parameters_are_stored_as_given_and_read_resolved():
    model = GLM("NegativeBinomial", "log", "ElasticNet", solver_kwargs={"tol": 1e-8})
    given = model.get_params(deep=False)
    assert given["observation_model"] == "NegativeBinomial"
    assert given["inverse_link_function"] == "log"
    assert given["regularizer_strength"] is None
    assert isinstance(model.observation_model, NegativeBinomialObservations)
    assert model.inverse_link_function.__name__ == "exp"
    assert isinstance(model.regularizer, ElasticNet)
    assert model.regularizer_strength == (1.0, 0.5)
    assert model.solver_name == "ProximalNewton"
    assert GLM().solver_name == "Newton"
    assert isinstance(GLM().regularizer, UnRegularized)
    assert isinstance(ClassifierGLM(C).regularizer, Ridge)
    assert GLM(solver_name="LBFGS").solver_name == "LBFGS"


@each_kind
def test_get_params_lists_the_constructor(kind):
    names = {"inverse_link_function", "regularizer", "regularizer_strength", "solver_name"}
    names |= {"solver_kwargs", "fit_intercept", "offset_column", "missing"}
    names |= {"n_classes"} if kind in CLASSIFIERS else {"observation_model"}
    names |= {"feature_mask"} if "Population" in kind else set()
    assert KINDS[kind][0]().get_params().keys() == names


@each_kind
def test_construction_and_set_params_never_raise(kind):
    model = KINDS[kind][0]()
    nonsense = dict.fromkeys(model.get_params(), object())
    assert type(model)(**nonsense).get_params(deep=False) == nonsense
    assert model.set_params(**nonsense).get_params(deep=False) == nonsense
    with pytest.raises((TypeError, ValueError, AttributeError)):
        model.fit(X, response(kind))


def test_unknown_parameters_are_refused():
    with pytest.raises(ValueError, match=r"Invalid parameter 'alpha' for estimator GLM.*Valid"):
        GLM().set_params(alpha=1)


def test_a_new_regularizer_has_its_own_strength():
    model = GLM(regularizer="Ridge", regularizer_strength=0.7)
    assert model.set_params(regularizer="Lasso").regularizer_strength == 1.0
    assert model.set_params(regularizer="ElasticNet").regularizer_strength == (1.0, 0.5)
    assert (
        model.set_params(regularizer_strength=0.2, regularizer="Ridge").regularizer_strength == 0.2
    )
    model.regularizer = Lasso()  # plain assignment keeps what there is
    assert model.regularizer_strength == 0.2
    assert model.set_params(regularizer=None).regularizer_strength is None


def test_parts_have_parameters_of_their_own():
    model = GLM(NegativeBinomialObservations(scale=0.5), regularizer=GroupLasso())
    assert model.get_params()["observation_model__scale"] == 0.5
    model.set_params(observation_model__scale=2.0)
    assert model.observation_model.scale == 2.0
    assert "observation_model__scale" not in model.get_params(deep=False)


def test_fitting_changes_no_parameter():
    mask = np.eye(2, P)
    regularizer = GroupLasso(mask=mask)
    model = GLM(regularizer=regularizer, solver_name="ProximalGradient")
    params = model.initialize_params(X, COUNTS[:, 0])
    model.initialize_optimizer_and_state(params, X, COUNTS[:, 0])
    assert model.get_params()["regularizer"] is regularizer
    assert regularizer.mask is mask
    np.testing.assert_array_equal(mask, np.eye(2, P))


WRONG_SETTINGS = {
    "family": ({"observation_model": "Posson"}, ValueError, "Unknown observation model: 'Posson'"),
    "classes": ({"observation_model": "Categorical"}, TypeError, "classes: use `ClassifierGLM`"),
    "object": ({"observation_model": 3}, AttributeError, "does not have the required"),
    "link": ({"inverse_link_function": "exq"}, ValueError, "Unknown link function"),
    "no link": ({"inverse_link_function": 3}, TypeError, "must be a Callable"),
    "regularizer": ({"regularizer": "Rigde"}, ValueError, "Unknown regularizer: Rigde"),
    "no regularizer": ({"regularizer": 3}, TypeError, "should be either a string from"),
    "solver": ({"solver_name": "Neuton"}, ValueError, "No solver registered for algorithm Neuton"),
    "no solver": ({"solver_name": 3}, TypeError, "must be a string"),
    "kink": ({"regularizer": "Lasso", "solver_name": "LBFGS"}, ValueError, "LBFGS is not allowed"),
    "setting": (
        {"solver_kwargs": {"atol": 1}},
        NameError,
        "kwargs .'atol'. in solver_kwargs not a",
    ),
    "missing": ({"missing": "ignore"}, ValueError, "`missing` must be 'drop' or 'raise'"),
}


@pytest.mark.parametrize("settings", WRONG_SETTINGS.values(), ids=WRONG_SETTINGS)
def test_wrong_settings_raise_in_fit(settings):
    parameters, error, match = settings
    with pytest.raises(error, match=match):
        GLM(**parameters).fit(X, COUNTS[:, 0])


# ------------------------------------------------------------------------------------ parameters

WRONG_PARAMS = {
    "not a pair": (np.zeros(P), TypeError, "tuple/list of length two"),
    "three": ((np.zeros(P), [0.0], 1.0), ValueError, "Params must have length two"),
    "text": (("a", "b"), TypeError, "Failed to convert parameters"),
    "features": ((np.zeros(P + 1), [0.0]), ValueError, "Inconsistent number of features"),
    "axes": ((np.zeros((P, 1)), [0.0]), ValueError, "Invalid parameter dimensionality"),
    "empty": ((np.zeros(0), [0.0]), ValueError, "Invalid parameter dimensionality"),
    "intercepts": ((np.zeros(P), [0.0, 0.0]), ValueError, "Intercept term should be"),
    "no axis": ((np.zeros(P), 0.0), ValueError, "Intercept term should be"),
    "structure": (({"a": np.zeros(P)}, [0.0]), TypeError, "Failed to convert"),
    "NaN": ((np.full(P, np.nan), [0.0]), ValueError, "Params must be finite"),
}


@pytest.mark.parametrize("params", WRONG_PARAMS.values(), ids=WRONG_PARAMS)
@pytest.mark.parametrize("method", ["fit", "compute_loss", "initialize_optimizer_and_state"])
def test_wrong_params_are_refused(params, method):
    wrong, error, match = params
    arguments = (X, COUNTS[:, 0], wrong) if method == "fit" else (wrong, X, COUNTS[:, 0])
    with pytest.raises(error, match=match):
        getattr(GLM(), method)(*arguments)


@pytest.mark.parametrize("kind", ["PopulationGLM", *CLASSIFIERS])
def test_params_need_all_responses_and_classes(kind):
    _, y, coef, intercept, _ = KINDS[kind]
    model = clone(fitted(kind)).fit(X, y)
    with pytest.raises(ValueError, match="Inconsistent number of neurons or classes"):
        model.compute_loss((np.zeros((*coef[:-1], 1)), np.zeros(intercept)), X, y)
    with pytest.raises(ValueError, match="Intercept term should be"):
        model.compute_loss((np.zeros(coef), np.zeros(5)), X, y)


@each_kind
def test_start_is_zero_and_the_link_of_the_mean(kind):
    _, y, coef_shape, intercept_shape, _ = KINDS[kind]
    model = KINDS[kind][0]()
    if kind in CLASSIFIERS:
        model.set_classes(y)
    coef, intercept = model.initialize_params(X, y)
    np.testing.assert_array_equal(coef, np.zeros(coef_shape))
    if kind in CLASSIFIERS:
        share = np.stack([np.mean(y == name, axis=0) for name in NAMES], axis=-1)
        expected = np.log(share) - np.log(share).mean(axis=-1, keepdims=True)
    else:
        expected = np.log(np.atleast_1d(y.mean(axis=0)))
    assert intercept.shape == intercept_shape
    np.testing.assert_allclose(intercept, expected.reshape(intercept_shape), rtol=1e-5, atol=1e-6)


@each_kind
def test_loss_is_the_mean_kernel_summed_over_responses(kind):
    _, y, *_ = KINDS[kind]
    model = fitted(kind)
    with jax.enable_x64(True):
        params = (model.coef_, model.intercept_)
        loss = model.compute_loss(params, X, y)
    if kind in CLASSIFIERS:
        chosen = y[..., None] == NAMES
        expected = -np.where(chosen, model.predict_proba(X), 0.0).sum(axis=-1).mean(axis=0).sum()
    else:
        mean = model.predict(X)
        expected = (mean - y * np.log(mean)).mean(axis=0).sum()
    assert isinstance(loss, float)
    np.testing.assert_allclose(loss, expected, rtol=1e-12)


def test_coefficients_set_by_hand_predict_and_simulate():
    coef, intercept = np.array([0.1, -0.2, 0.3, 0.0]), np.array([0.5])
    for family in ("Poisson", "Gaussian"):
        model = GLM(family, inverse_link_function="exp")
        model.coef_, model.intercept_ = coef, intercept
        mean = np.exp(X @ coef + intercept)
        np.testing.assert_allclose(model.predict(X), mean, rtol=1e-12)
        drawn, rate = model.simulate(jax.random.key(1), X)
        np.testing.assert_allclose(rate, mean, rtol=1e-12)
        assert drawn.shape == (N,)
        assert np.isfinite(model.score(X, COUNTS[:, 0]))
    model = ClassifierGLM(C).set_classes(NAMES)
    model.coef_, model.intercept_ = np.eye(P, C), np.zeros(C)
    np.testing.assert_array_equal(model.predict(X), NAMES[X[:, :C].argmax(axis=1)])


def test_coefficients_set_by_hand_replace_fitted_ones():
    model = copy.deepcopy(fitted("GLM"))
    model.coef_ = np.zeros(P)
    np.testing.assert_allclose(model.predict(X), np.exp(model._intercept[0]), rtol=1e-12)
    with pytest.raises(AttributeError, match="No covariance"):
        _ = model.covariance_


# ---------------------------------------------------------------------- copies, repr, convergence


@each_kind
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_do_what_the_original_does(kind, copied):
    make, y, *_ = KINDS[kind]
    assert copied(make()).get_params() == make().get_params()
    model = fitted(kind)
    twin = copied(model)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    np.testing.assert_array_equal(twin.covariance_, model.covariance_)
    assert twin.score(X, y) == model.score(X, y)


@each_kind
def test_representations(kind):
    assert KINDS[kind][0]().__repr__().startswith(kind + "(")
    page = fitted(kind)._repr_html_()
    assert kind in page
    assert "fitted" in page


def test_unfinished_fit_is_a_warning_that_helps():
    with pytest.warns(
        ConvergenceWarning, match="did not converge: after 1 steps.*`maxiter`"
    ) as seen:
        model = GLM(solver_kwargs={"maxiter": 1}).fit(X, COUNTS[:, 0])
    assert issubclass(ConvergenceWarning, RuntimeWarning)
    assert seen[0].filename == __file__
    assert not bool(model.solver_state_.stats.converged)
    assert bool(model.solver_state_.stats.reached_max_steps)
    with pytest.warns(ConvergenceWarning, match=r"for responses \[0, 1, 2\]"):
        PopulationGLM(solver_kwargs={"maxiter": 1}).fit(X, COUNTS)


def test_a_population_of_classes_need_not_have_as_many_responses_as_classes():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.integers(0, 3, (60, 2))
    model = ClassifierPopulationGLM(3).fit(X, y)
    assert model.coef_.shape == (2, 2, 3)
    for k in range(2):
        alone = ClassifierGLM(3).fit(X, y[:, k])
        # Two fits stop within 1e-8 of the same optimum; attributes are single precision.
        np.testing.assert_allclose(model.coef_[:, k], alone.coef_, atol=1e-6)
        assert model.dof_resid_[k] == alone.dof_resid_[0] == 60 - 2 * 3
