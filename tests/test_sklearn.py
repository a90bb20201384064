"""scikit-learn's own checks, and the ways in which its users combine estimators."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from bayesglm import GLM, ClassifierGLM, ClassifierPopulationGLM, PopulationGLM
from bayesglm.observation_models import NegativeBinomialObservations

UNIDENTIFIED = (
    "30 columns and 15 rows under a flat prior have no unique answer: refused, naming the columns"
)
LOG_PROBABILITIES = "predict_proba gives log-probabilities by default, as NeMoS's does"
NOT_BINARY = "the check's responses are not zeros and ones"
FLAT = {"check_sample_weight_equivalence_on_dense_data": UNIDENTIFIED}
CLASSIFIER = {
    "check_classifiers_train": LOG_PROBABILITIES,
    "check_classifiers_one_label_sample_weights": "one label is not enough to fit",
}
MANY = CLASSIFIER | {
    "check_classifiers_classes": "responses have an axis of their own: for one, `ClassifierGLM`",
    "check_classifier_multioutput": "probabilities have an axis of classes: (n, K, C), as NeMoS's",
}
BINARY = dict.fromkeys(
    [
        "check_dict_unchanged",
        "check_dont_overwrite_attributes",
        "check_dont_overwrite_parameters",
        "check_estimators_dtypes",
        "check_estimators_fit_returns_self",
        "check_estimators_overwrite_params",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_fit2d_1feature",
        "check_fit2d_1sample",
        "check_fit2d_predict1d",
        "check_fit_check_is_fitted",
        "check_fit_idempotent",
        "check_fit_score_takes_y",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_n_features_in",
        "check_n_features_in_after_fitting",
        "check_pipeline_consistency",
        "check_positive_only_tag_during_fit",
        "check_dtype_object",
        "check_estimators_partial_fit_n_features",
        "check_readonly_memmap_input",
        "check_regressor_data_not_an_array",
        "check_regressors_int",
        "check_regressors_no_decision_function",
        "check_regressors_train",
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weights_list",
        "check_sample_weights_not_an_array",
        "check_sample_weights_not_overwritten",
        "check_sample_weights_pandas_series",
        "check_sample_weights_shape",
        "check_supervised_y_2d",
        "check_dataframe_column_names_consistency",
    ],
    NOT_BINARY,
)
ESTIMATORS = {
    "Poisson": (lambda: GLM("Poisson"), FLAT),
    "Gaussian-ridge": (lambda: GLM("Gaussian", regularizer="Ridge"), {}),
    "Gaussian": (lambda: GLM("Gaussian"), FLAT),
    "Gaussian-lasso": (lambda: GLM("Gaussian", regularizer="Lasso", regularizer_strength=0.1), {}),
    "Gamma": (lambda: GLM("Gamma", "exp", regularizer="Ridge"), {}),
    "NegativeBinomial": (lambda: GLM("NegativeBinomial", regularizer="Ridge"), {}),
    "NegativeBinomial-estimated": (
        lambda: GLM(NegativeBinomialObservations(scale=None), regularizer="Ridge"),
        {},
    ),
    "Bernoulli": (lambda: GLM("Bernoulli", regularizer="Ridge"), BINARY),
    "population": (lambda: PopulationGLM("Gaussian", regularizer="Ridge"), {}),
    "classifier": (lambda: ClassifierGLM(n_classes=None), CLASSIFIER),
    "classifier-population": (lambda: ClassifierPopulationGLM(n_classes=None), MANY),
}
QUICK = {"Gaussian-ridge"}  # the others take minutes: every check compiles


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in ESTIMATORS]
)
def test_check_estimator(name):
    make, expected = ESTIMATORS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks' own data are meant to be odd
        results = check_estimator(
            make(), expected_failed_checks=expected, on_fail=None, on_skip=None
        )
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert not failed
    passed = sum(r["status"] == "passed" for r in results)
    assert passed >= (20 if expected is BINARY else 45)


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    return X, rng.poisson(np.exp(0.3 + X @ [0.3, -0.2, 0.0, 0.1])).astype(float)


def test_kinds_are_told_apart():
    assert is_regressor(GLM())
    assert is_regressor(PopulationGLM())
    assert is_classifier(ClassifierGLM())
    assert not is_regressor(ClassifierGLM())


def test_clone_copies_parameters_as_given():
    model = GLM("Gamma", "log", "Ridge", 0.5, "LBFGS", {"tol": 1e-6}, fit_intercept=False)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert twin.solver_kwargs is not model.solver_kwargs


def test_pipeline_and_grid_search_find_the_strength_that_scores_best(counts):
    X, y = counts
    pipeline = make_pipeline(StandardScaler(), GLM(regularizer="Ridge"))
    grid = {"glm__regularizer_strength": [1e-3, 1e-1, 10.0]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    strengths = grid["glm__regularizer_strength"]
    pipelines = [clone(pipeline).set_params(glm__regularizer_strength=s) for s in strengths]
    by_hand = [np.mean(cross_val_score(each, X, y, cv=3)) for each in pipelines]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], by_hand, rtol=1e-12)
    assert search.best_score_ == max(by_hand)
    assert "GLM" in search._repr_html_()


def test_two_processes_give_the_scores_of_one(counts):
    X, y = counts
    together = cross_val_score(GLM(), X, y, cv=2, n_jobs=2)
    # Other processes round alike: the same program on the same numbers.
    np.testing.assert_allclose(together, cross_val_score(GLM(), X, y, cv=2), rtol=1e-12)


def test_metadata_routing_carries_weights_and_offsets(counts):
    X, y = counts
    offset, weight = np.linspace(-0.5, 0.5, len(y)), np.arange(len(y)) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        model = GLM().set_fit_request(offset=True, sample_weight=True)
        model.set_predict_request(offset=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, model)
        pipeline.fit(X, y, offset=offset, sample_weight=weight)
        predicted = pipeline.predict(X, offset=offset)
    Z = StandardScaler().fit_transform(X)
    direct = GLM().fit(Z, y, offset=offset, sample_weight=weight).predict(Z, offset=offset)
    np.testing.assert_allclose(predicted, direct, rtol=1e-12)


def test_offset_column_survives_a_pipeline(counts):
    X, y = counts
    offset = np.linspace(-0.5, 0.5, len(y))
    frame = pd.DataFrame(X, columns=list("abcd")).assign(exposure=offset)
    pipeline = make_pipeline("passthrough", GLM(offset_column="exposure")).fit(frame, y)
    direct = GLM().fit(X, y, offset=offset)
    np.testing.assert_allclose(pipeline[-1].coef_, direct.coef_, rtol=1e-6)
    np.testing.assert_allclose(pipeline.predict(frame), direct.predict(X, offset), rtol=1e-12)
    assert list(pipeline[-1].feature_names_in_) == ["a", "b", "c", "d", "exposure"]


@pytest.mark.parametrize("fitted", [False, True])
def test_models_pickle(counts, fitted):
    X, y = counts
    model = GLM(regularizer="Lasso", regularizer_strength=0.01)
    if fitted:
        model.fit(X, y)
    twin = pickle.loads(pickle.dumps(model))
    assert twin.get_params() == model.get_params()
    if fitted:
        np.testing.assert_array_equal(twin.predict(X), model.predict(X))
        assert twin.solver_state_.stats.converged
