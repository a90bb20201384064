"""What the methods of the four estimators give: predictions, draws, scores, steps, labels."""

import jax
import numpy as np
import pandas as pd
import pytest
from estimator_kinds import (
    CLASSIFIERS,
    COUNTS,
    KINDS,
    LABELS,
    NAMES,
    C,
    N,
    P,
    X,
    each_kind,
    fitted,
    response,
)
from scipy import stats
from sklearn.base import clone

from bayesglm import GLM, ClassifierGLM, ClassifierPopulationGLM, PopulationGLM
from bayesglm.exceptions import ClassesNotSetError

# --------------------------------------------------------------------------- predict and simulate


@each_kind
def test_predictions_are_means_or_labels(kind):
    model, (_, _, _, _, shape) = fitted(kind), KINDS[kind]
    predicted = model.predict(X)
    assert isinstance(predicted, np.ndarray)
    assert predicted.shape == shape
    with jax.enable_x64(True):
        eta = np.tensordot(X, np.asarray(model.coef_), 1) + np.asarray(model.intercept_)
    if kind in CLASSIFIERS:
        np.testing.assert_array_equal(predicted, NAMES[eta.argmax(axis=-1)])
    else:
        np.testing.assert_allclose(predicted, np.exp(eta), rtol=1e-12)


@each_kind
def test_predictions_of_few_rows(kind):
    model = fitted(kind)
    few, all_rows = model.predict(X[:1]), model.predict(X)
    if few.dtype.kind == "f":
        few, all_rows = few.round(9), all_rows.round(9)  # sums in another order
    np.testing.assert_array_equal(few, all_rows[:1])
    assert model.predict(X[:0]).shape == (0, *KINDS[kind][4][1:])


@each_kind
def test_rows_with_nan_predict_nothing(kind):
    gap = np.array(X)
    gap[3, 1] = np.nan
    model, others = fitted(kind), np.arange(N) != 3
    predicted = model.predict(gap)
    np.testing.assert_array_equal(predicted[others], model.predict(X)[others])
    drawn, mean = model.simulate(jax.random.key(0), gap)
    for array in (predicted, drawn):
        assert all(value is None or value != value for value in np.ravel(array[3]))
    assert np.isnan(mean[3]).all()
    assert not np.isnan(mean[others]).any()


@each_kind
def test_simulations_come_with_their_means(kind):
    model, (_, _, _, _, shape) = fitted(kind), KINDS[kind]
    drawn, mean = model.simulate(jax.random.key(0), X)
    assert drawn.shape == shape
    if kind in CLASSIFIERS:
        assert set(np.unique(drawn)) <= set(NAMES)
        np.testing.assert_array_equal(mean, model.predict_proba(X))
    else:
        assert drawn.dtype == np.int32
        np.testing.assert_array_equal(mean, model.predict(X))
    again, _ = model.simulate(jax.random.key(0), X)
    np.testing.assert_array_equal(again, drawn)


SAMPLE_TYPES = {
    "Poisson": np.int32,
    "Bernoulli": np.bool_,
    "Gaussian": np.float64,
    "Gamma": np.float64,
}


@pytest.mark.parametrize("family", SAMPLE_TYPES)
def test_simulations_have_the_type_of_their_family(family):
    model = GLM(family)
    model.coef_, model.intercept_ = np.zeros(P), np.array([0.7])
    drawn, _ = model.simulate(jax.random.key(0), X)
    assert drawn.dtype == SAMPLE_TYPES[family]


# ----------------------------------------------------------------------------------------- scores


def null_mean():
    return np.broadcast_to(COUNTS.mean(axis=0), COUNTS.shape)


def deviance(mean):
    return 2 * (stats.poisson.logpmf(COUNTS, COUNTS) - stats.poisson.logpmf(COUNTS, mean))


SCORES = {
    "log-likelihood": lambda mean, take: take(stats.poisson.logpmf(COUNTS, mean)),
    "pseudo-r2-McFadden": lambda mean, take: (
        1
        - take(stats.poisson.logpmf(COUNTS, mean)) / take(stats.poisson.logpmf(COUNTS, null_mean()))
    ),
    "pseudo-r2-Cohen": lambda mean, take: 1 - take(deviance(mean)) / take(deviance(null_mean())),
}
AGGREGATIONS = {
    "default": None,
    "each response": lambda cells: np.mean(cells, axis=0),
    "sum": np.sum,
    "a cell": lambda cells: cells[7, 1],
}


@pytest.mark.parametrize("aggregate", AGGREGATIONS.values(), ids=AGGREGATIONS)
@pytest.mark.parametrize("score_type", SCORES)
def test_scores_and_their_aggregations(score_type, aggregate):
    model = fitted("PopulationGLM")
    score = model.score(X, COUNTS, score_type, aggregate)
    expected = SCORES[score_type](model.predict(X), aggregate or np.mean)
    np.testing.assert_allclose(score, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_scores_of_classifiers_are_log_probabilities(kind):
    model, y = fitted(kind), response(kind)
    own = np.where(y[..., None] == NAMES, model.predict_proba(X), 0.0).sum(axis=-1)
    np.testing.assert_allclose(model.score(X, y), own.mean(), rtol=1e-12)
    share = np.stack([np.mean(y == name, axis=0) for name in NAMES], axis=-1)
    null = np.where(y[..., None] == NAMES, np.log(share), 0.0).sum()
    expected = 1 - own.sum() / null
    for score_type in ("pseudo-r2-McFadden", "pseudo-r2-Cohen"):
        np.testing.assert_allclose(model.score(X, y, score_type), expected, rtol=1e-10)


def test_unknown_scores_are_refused():
    with pytest.raises(NotImplementedError, match="Scoring method r2 not implemented"):
        fitted("GLM").score(X, COUNTS[:, 0], score_type="r2")


# ----------------------------------------------------------------------------------- single steps

STEPS = {"solver_name": "GradientDescent", "solver_kwargs": {"stepsize": 0.1}}


@each_kind
def test_updates_go_downhill_and_set_the_attributes(kind):
    model = clone(KINDS[kind][0]()).set_params(**STEPS)
    y = response(kind)
    if kind in CLASSIFIERS:
        model.set_classes(y)
    params = model.initialize_params(X, y)
    state = model.initialize_optimizer_and_state(params, X, y)
    losses = [model.compute_loss(params, X, y)]
    for _ in range(4):
        params, state = model.update(params, state, X, y)
        losses.append(model.compute_loss(params, X, y))
    assert np.all(np.diff(losses) < 0)
    np.testing.assert_array_equal(params[0], model.coef_)
    np.testing.assert_array_equal(params[1], model.intercept_)
    assert model.solver_state_ is state
    assert model.scale_.shape == model.dof_resid_.shape
    assert model.predict(X).shape == KINDS[kind][4]


def test_a_state_of_other_settings_is_refused():
    y = COUNTS[:, 0]
    model = GLM(regularizer="Ridge", **STEPS)
    params = model.initialize_params(X, y)
    state = model.initialize_optimizer_and_state(params, X, y)
    changes = {
        "regularizer_strength": 5.0,
        "solver_kwargs": {"stepsize": 0.2},
        "inverse_link_function": "softplus",
        "regularizer": None,
        "solver_name": "SVRG",
        "fit_intercept": False,
    }
    for name, value in changes.items():
        other = clone(model).set_params(**{name: value})
        with pytest.raises(ValueError, match=r"made with other hyperparameters.*again after"):
            other.update(params, state, X, y)
    with pytest.raises(TypeError, match=r"`opt_state` must come from.*got NoneType"):
        model.update(params, None, X, y)
    with pytest.raises(TypeError, match="no further positional arguments; got 1"):
        model.update(params, state, X, y, 3)
    model.update(params, state, X, y)


def test_batches_of_a_stream_count_for_the_whole():
    y = COUNTS[:, 0]
    model = GLM("Gaussian", **STEPS)
    params = model.initialize_params(X, y)
    state = model.initialize_optimizer_and_state(params, X, y)
    model.update(params, state, X, y, n_samples=1000)
    assert model.dof_resid_[0] == 1000 - P - 1
    residual = np.sum((y - model.predict(X)) ** 2)
    np.testing.assert_allclose(model.scale_[0], residual / (N - P - 1), rtol=1e-6)
    with pytest.raises(TypeError, match="`n_samples` must be `None` or of type `int`"):
        model.update(params, state, X, y, n_samples=10.0)


@each_kind
def test_partial_fit_keeps_the_state_of_the_updates(kind):
    y = response(kind)
    model, other = (KINDS[kind][0]().set_params(**STEPS) for _ in range(2))
    if kind in CLASSIFIERS:
        other.set_classes(y)
    params = other.initialize_params(X, y)
    state = other.initialize_optimizer_and_state(params, X, y)
    for _ in range(3):
        model.partial_fit(X, y)
        params, state = other.update(params, state, X, y)
    np.testing.assert_allclose(model.coef_, params[0], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(model.intercept_, params[1], rtol=1e-6, atol=1e-7)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, 1:], y)


def test_partial_fit_comes_to_the_fit():
    model, y = GLM(), COUNTS[:, 0]
    for _ in range(8):
        assert model.partial_fit(X, y) is model
    np.testing.assert_allclose(model.predict(X), fitted("GLM").predict(X), rtol=1e-10)


# ------------------------------------------------------------------------------- classes and labels

CODES = {
    "text": NAMES,
    "objects": np.array(["left", "none", "right"], dtype=object),
    "integers": np.array([3, 5, 11]),
    "whole floats": np.array([-1.0, 0.0, 7.0]),
    "0, 1, 2": np.arange(3),
}


@pytest.mark.parametrize("names", CODES.values(), ids=CODES)
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_labels_come_back_as_they_went_in(kind, names):
    codes = np.searchsorted(NAMES, response(kind))
    model = type(fitted(kind))(C).fit(X, names[codes])
    np.testing.assert_array_equal(model.classes_, names)
    predicted = model.predict(X)
    assert predicted.dtype == names.dtype
    np.testing.assert_array_equal(predicted, names[np.searchsorted(NAMES, fitted(kind).predict(X))])
    drawn, _ = model.simulate(jax.random.key(0), X)
    assert set(drawn.ravel()) <= set(names)


def test_labels_in_series_and_lists():
    expected = fitted("ClassifierGLM").predict(X)
    for y in (
        LABELS[:, 0].tolist(),
        pd.Series(LABELS[:, 0]),
        pd.Series(LABELS[:, 0], dtype="category"),
    ):
        np.testing.assert_array_equal(ClassifierGLM(C).fit(X, y).predict(X), expected)
    frame = pd.DataFrame(LABELS, columns=["a", "b", "c"])
    model = ClassifierPopulationGLM(C).fit(X, frame)
    np.testing.assert_array_equal(model.predict(X), fitted("ClassifierPopulationGLM").predict(X))
    assert set(model.summary().index.get_level_values("response")) == {"a", "b", "c"}


def test_wrong_labels_are_refused():
    model, y = fitted("ClassifierGLM"), LABELS[:, 0]
    with pytest.raises(ValueError, match=r"Unrecognized label\(s\) \['up'\]. Valid labels are"):
        model.score(X, np.where(y == "left", "up", y))
    for count, match in {2: "Found 3 unique class labels", 4: "Found only 3 unique class"}.items():
        with pytest.raises(ValueError, match=match):
            ClassifierGLM(count).fit(X, y)
    for count in (1, 2.5, "many"):
        with pytest.raises(ValueError, match="number of classes must be an integer"):
            ClassifierGLM(count).fit(X, y)
    with pytest.raises(ValueError, match="continuous"):
        ClassifierGLM(C).fit(X, X[:, 0])


def test_number_of_classes_may_be_found():
    assert ClassifierGLM(None).fit(X, LABELS[:, 0]).classes_.tolist() == NAMES.tolist()
    assert ClassifierGLM(3.0).fit(X, LABELS[:, 0]).coef_.shape == (P, C)


ARGUMENTS = {
    "predict": "X",
    "predict_proba": "X",
    "simulate": "kX",
    "score": "Xy",
    "compute_loss": "pXy",
    "initialize_params": "Xy",
    "initialize_optimizer_and_state": "pXy",
    "update": "psXy",
}


@pytest.mark.parametrize("method", ARGUMENTS)
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classes_must_be_set_first(kind, method):
    values = {"X": X, "y": response(kind), "k": jax.random.key(0), "p": None, "s": None}
    model = KINDS[kind][0]()
    assert model.classes_ is None
    match = f"Classes are not set. Must call ``set_classes`` before calling ``{method}``"
    with pytest.raises(RuntimeError, match=match) as raised:
        getattr(model, method)(*(values[name] for name in ARGUMENTS[method]))
    assert raised.type is ClassesNotSetError


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_probabilities(kind):
    model = fitted(kind)
    log_proba = model.predict_proba(X)
    proba = model.predict_proba(X, return_type="proba")
    assert proba.shape == (*KINDS[kind][4], C)
    np.testing.assert_allclose(proba.sum(axis=-1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(np.exp(log_proba), proba, rtol=1e-12)
    np.testing.assert_array_equal(model.predict_log_proba(X), log_proba)
    np.testing.assert_allclose(model.coef_.sum(axis=-1), 0.0, atol=1e-6)  # the default is ridge
    with pytest.raises(ValueError, match="Unrecognized return type 'odds'"):
        model.predict_proba(X, return_type="odds")


def test_population_scores_are_its_members_scores():
    population = fitted("PopulationGLM")
    each = population.score(X, COUNTS, aggregate_sample_scores=lambda cells: np.mean(cells, axis=0))
    for k in range(COUNTS.shape[1]):
        alone = GLM().fit(X, COUNTS[:, k])
        np.testing.assert_allclose(each[k], alone.score(X, COUNTS[:, k]), rtol=1e-10)
    assert isinstance(population, PopulationGLM)
