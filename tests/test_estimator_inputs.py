"""What estimators take: containers, offsets, weights, gaps, silent responses, masks of features."""

import jax
import numpy as np
import pandas as pd
import polars as pl
import pynapple as nap
import pytest
from estimator_kinds import CLASSIFIERS, COUNTS, KINDS, LABELS, C, K, N, P, X, fitted, response
from scipy import stats
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from small_problems import feature_mask, offsets, weights

from bayesglm import GLM, ClassifierGLM, ClassifierPopulationGLM, DataWarning, PopulationGLM

FRAME = pd.DataFrame(X, columns=list("abcd"))
LOG_WEIGHTS = np.log(weights())
TIMES = np.arange(N) / 10
SERIES = nap.TsdFrame(t=TIMES, d=X, columns=list("abcd"))


def close(actual, expected, **tolerance):
    np.testing.assert_allclose(actual, expected, **({"rtol": 1e-9, "atol": 1e-12} | tolerance))


# ------------------------------------------------------------------------------------- containers

CONTAINERS = {
    "lists": X.tolist(),
    "pandas": FRAME,
    "polars": pl.from_pandas(FRAME),
    "dict": {"a": X[:, :1], "b": X[:, 1:]},
    "nested": {"a": {"l": X[:, :1], "r": X[:, 1:2]}, "b": (X[:, 2:3], X[:, 3:])},
    "list of arrays": [X[:, :2], X[:, 2:]],
    "tuple of frames": (FRAME[["a", "b"]], FRAME[["c", "d"]]),
    "read-only": X,
    "pynapple": SERIES,
    "dict of pynapple": {"a": SERIES[:, :2], "b": SERIES[:, 2:]},
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_features_in_any_container_give_one_answer(container):
    y = COUNTS[:, 0]
    model = GLM().fit(container, y)
    close(model.predict(container), fitted("GLM").predict(X))
    assert model.n_features_in_ == P
    assert model.score(container, y) == pytest.approx(fitted("GLM").score(X, y), rel=1e-10)
    assert np.shape(model.simulate(jax.random.key(0), container)[0]) == (N,)
    coef, intercept = model.initialize_params(container, y)
    structure = jax.tree.structure(model.coef_)
    assert jax.tree.structure(coef) == structure
    assert jax.tree.structure(model.standard_errors_[0]) == structure
    again = GLM().fit(container, y, init_params=(model.coef_, model.intercept_))
    close(again.predict(container), fitted("GLM").predict(X))
    with pytest.raises((TypeError, ValueError)):
        GLM().fit(container, y, init_params=({"z": np.zeros(P)}, intercept))


RESPONSES = {
    "list": COUNTS.tolist(),
    "integers": COUNTS.astype(np.int32),
    "pandas": pd.DataFrame(COUNTS, columns=["u", "v", "w"]),
    "polars": pl.DataFrame(COUNTS, schema=["u", "v", "w"]),
    "pynapple": nap.TsdFrame(t=TIMES, d=COUNTS, columns=[11, 22, 33]),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_responses_in_any_container_give_one_answer(name):
    model = PopulationGLM().fit(X, RESPONSES[name])
    close(model.predict(X), fitted("PopulationGLM").predict(X))
    named = {"pandas": ["u", "v", "w"], "polars": ["u", "v", "w"], "pynapple": [11, 22, 33]}
    found = model.summary().index.unique("response").tolist()
    assert found == named.get(name, [0, 1, 2])


@pytest.mark.parametrize("column", [list, pd.Series, pl.Series, lambda y: nap.Tsd(t=TIMES, d=y)])
def test_one_response_as_a_column(column):
    model = GLM().fit(X, column(COUNTS[:, 0]))
    close(model.predict(X), fitted("GLM").predict(X))


@pytest.mark.parametrize("frame", [FRAME, pl.from_pandas(FRAME)], ids=["pandas", "polars"])
def test_names_of_columns_are_kept(frame):
    model = GLM().fit(frame, COUNTS[:, 0])
    assert model.feature_names_in_.tolist() == list("abcd")
    assert model.summary().index.tolist() == [*"abcd", "intercept"]
    with pytest.raises(ValueError, match="same order"):
        model.predict(frame[["b", "a", "c", "d"]])


def test_time_series_in_time_series_out():
    y = nap.TsdFrame(t=TIMES, d=COUNTS, columns=[11, 22, 33], metadata={"area": ["x", "y", "z"]})
    model = PopulationGLM().fit(SERIES, y)
    predicted = model.predict(SERIES)
    drawn, mean = model.simulate(jax.random.key(0), SERIES)
    for series in (predicted, drawn, mean):
        assert isinstance(series, nap.TsdFrame)
        assert series.columns.tolist() == [11, 22, 33]
        assert series.metadata["area"].tolist() == ["x", "y", "z"]
        np.testing.assert_array_equal(series.t, TIMES)
    close(predicted.values, fitted("PopulationGLM").predict(X))
    assert isinstance(model.predict(X), np.ndarray)
    one = GLM().fit(SERIES, nap.Tsd(t=TIMES, d=COUNTS[:, 0])).predict(SERIES)
    assert isinstance(one, nap.Tsd)
    assert model.summary().index.unique("term").tolist() == [*"abcd", "intercept"]
    assert model.fit(X, COUNTS).predict(SERIES).columns.tolist() == [0, 1, 2]


def test_time_series_of_labels():
    y = nap.TsdFrame(t=TIMES, d=np.unique(LABELS, return_inverse=True)[1], columns=[11, 22, 33])
    model = ClassifierPopulationGLM(C).fit(SERIES, y)
    predicted = model.predict(SERIES)
    assert predicted.columns.tolist() == [11, 22, 33]
    expected = fitted("ClassifierPopulationGLM")
    np.testing.assert_array_equal(
        predicted.values, np.searchsorted(expected.classes_, expected.predict(X))
    )
    proba = model.predict_proba(SERIES, "proba")
    assert isinstance(proba, nap.TsdTensor)
    close(proba.values, expected.predict_proba(X, "proba"))


def test_time_axes_must_agree():
    for times in (TIMES + 1.0, TIMES[:-1]):
        y = nap.Tsd(t=times, d=COUNTS[: len(times), 0])
        with pytest.raises(ValueError, match="Time axis mismatch"):
            GLM().fit(SERIES, y)


def test_leaves_must_have_as_many_rows():
    with pytest.raises(ValueError, match=f"same number of samples; got .{N}, {N - 1}."):
        GLM().fit([X, X[1:]], COUNTS[:, 0])
    with pytest.raises(ValueError, match="at least one array"):
        GLM().fit({}, COUNTS[:, 0])


# ------------------------------------------------------------------------------ offsets and weights


@pytest.mark.parametrize(
    ("kind", "columns"), [("GLM", 0), ("PopulationGLM", 0), ("PopulationGLM", K)]
)
def test_offsets_add_to_the_linear_predictor(kind, columns):
    offset, y = (offsets() if columns else LOG_WEIGHTS), response(kind)
    model = KINDS[kind][0]().fit(X, y, offset=offset)
    each_row = offset.reshape(N, -1) if kind == "PopulationGLM" else offset
    mean = np.exp(X @ model._coef.reshape(P, -1)[:, : y.ndim * K] + model._intercept)
    mean = mean.reshape(y.shape) * np.exp(each_row)
    close(model.predict(X, offset=offset), mean)
    close(model.score(X, y, offset=offset), stats.poisson.logpmf(y, mean).mean())
    close(model.simulate(jax.random.key(0), X, offset=offset)[1], mean)
    close(X.T @ (y - mean), 0.0, atol=1e-6)  # the score equations
    close((y - mean).sum(axis=0), 0.0, atol=1e-6)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_offsets_of_classifiers_have_classes(kind):
    y, shape = response(kind), (*KINDS[kind][4], C)
    offset = np.random.default_rng(3).normal(size=shape)
    model = KINDS[kind][0]().fit(X, y, offset=offset)
    eta = np.tensordot(X, model._coef.reshape(KINDS[kind][2]), 1)
    eta = eta + model._intercept.reshape(KINDS[kind][3]) + offset
    expected = eta - np.log(np.exp(eta).sum(axis=-1, keepdims=True))
    close(model.predict_proba(X, offset=offset), expected)
    own = np.where(model.classes_ == y[..., None], expected, 0.0).sum(axis=-1)
    close(model.score(X, y, offset=offset), own.mean())
    close(model.predict_proba(X, offset=LOG_WEIGHTS), model.predict_proba(X))  # alike: no effect


def exposed(X):
    """Columns beside an offset in any container."""
    return {
        "pandas": pd.DataFrame(X, columns=list("abcd")).assign(log_time=LOG_WEIGHTS),
        "polars": pl.DataFrame(X, schema=list("abcd")).with_columns(log_time=LOG_WEIGHTS),
        "dict": {"a": X, "log_time": LOG_WEIGHTS},
        "dict of columns": {"a": X, "log_time": LOG_WEIGHTS[:, None]},
    }


@pytest.mark.parametrize("container", exposed(X))
def test_a_column_may_be_the_offset(container):
    y, wide = COUNTS[:, 0], exposed(X)[container]
    expected = GLM().fit(X, y, offset=LOG_WEIGHTS)
    model = GLM(offset_column="log_time").fit(wide, y)
    assert sum(leaf.size for leaf in jax.tree.leaves(model.coef_)) == P
    close(model.predict(wide), expected.predict(X, offset=LOG_WEIGHTS))
    close(model.score(wide, y), expected.score(X, y, offset=LOG_WEIGHTS))
    with pytest.raises(ValueError, match="as an argument or by `offset_column`, not both"):
        model.fit(wide, y, offset=LOG_WEIGHTS)
    with pytest.raises(ValueError, match="`offset_column` 'exposure' is not a column of X"):
        GLM(offset_column="exposure").fit(wide, y)


def test_the_offset_passes_through_a_pipeline():
    y, frame = COUNTS[:, 0], exposed(X)["pandas"]
    scale = [("scaled", StandardScaler(), list("abcd"))]
    columns = ColumnTransformer(scale, remainder="passthrough", verbose_feature_names_out=False)
    pipeline = Pipeline([("columns", columns), ("glm", GLM(offset_column="log_time"))])
    pipeline.set_output(transform="pandas").fit(frame, y)
    expected = GLM().fit(X, y, offset=LOG_WEIGHTS).predict(X, offset=LOG_WEIGHTS)
    close(pipeline.predict(frame), expected)
    assert pipeline[-1].feature_names_in_.tolist() == [*"abcd", "log_time"]


def test_a_numbered_column_may_be_the_offset():
    wide, y = np.column_stack([LOG_WEIGHTS, X]), COUNTS[:, 0]
    expected = GLM().fit(X, y, offset=LOG_WEIGHTS)
    close(GLM(offset_column=0).fit(wide, y).predict(wide), expected.predict(X, offset=LOG_WEIGHTS))


def test_weights_weigh():
    model = PopulationGLM().fit(X, COUNTS, sample_weight=weights().tolist())
    weight = weights()[:, None]
    mean = model.predict(X)
    close(X.T @ (weight * (COUNTS - mean)), 0.0, atol=1e-6)
    cells = stats.poisson.logpmf(COUNTS, mean)
    score = model.score(X, COUNTS, sample_weight=weights())
    close(score, (weight * cells).sum() / (K * weight.sum()))
    close(model.dof_resid_, weight.sum() - P - 1, rtol=1e-6)
    each = np.column_stack([weights(), weights()[::-1], np.ones(N)])
    model.fit(X, COUNTS, sample_weight=each)
    close(X.T @ (each * (COUNTS - model.predict(X))), 0.0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_without_an_intercept(kind):
    model = KINDS[kind][0]().set_params(fit_intercept=False)
    y = response(kind)
    model.fit(X, y)
    assert not np.any(model.intercept_)
    assert model.intercept_.shape == KINDS[kind][3]
    per_class = C - 1 if kind in CLASSIFIERS else 1
    close(model.dof_resid_, N - P * per_class)
    if kind not in CLASSIFIERS:
        close(X.T @ (y - model.predict(X)), 0.0, atol=1e-6)


# ------------------------------------------------------------- missing, silent, and masked features


def test_a_missing_response_is_left_out_alone():
    gaps, y = [3, 40], np.array(COUNTS)
    y[gaps, 1] = np.nan
    with pytest.warns(DataWarning, match=r"2 entries of y are NaN \(first in row 3\)"):
        model = PopulationGLM().fit(X, y)
    with pytest.warns(DataWarning, match="2 entries of y"):
        alone = GLM().fit(X, y[:, 1])
    expected = fitted("PopulationGLM").predict(X)
    close(model.predict(X)[:, [0, 2]], expected[:, [0, 2]])
    close(model.predict(X)[:, 1], alone.predict(X))
    close(model.dof_resid_, [N - P - 1, N - P - 3, N - P - 1])
    with pytest.warns(DataWarning, match="2 entries of y"):
        cells = model.score(X, y, aggregate_sample_scores=lambda cells: cells)
    assert np.isnan(cells[gaps, 1]).all()
    assert np.isnan(cells).sum() == 2
    with pytest.raises(ValueError, match=r"2 entries of y are NaN.*missing='drop'"):
        PopulationGLM(missing="raise").fit(X, y)
    y[:, 2] = np.nan
    with pytest.warns(DataWarning), pytest.raises(ValueError, match=r"of responses \[2\] is obs"):
        PopulationGLM().fit(X, y)


def test_a_missing_label_is_left_out():
    y = np.array(LABELS[:, 0], dtype=object)
    y[3] = None
    with pytest.warns(DataWarning, match="1 entries of y"):
        model = ClassifierGLM(C).fit(X, y)
    close(model.dof_resid_, N - 1 - (C - 1) * (P + 1))


def test_a_silent_response_stops_no_other():
    y = np.array(COUNTS)
    y[:, 1] = 0.0
    with pytest.warns(DataWarning, match=r"Responses \[1\] \(1 in all\) never vary"):
        model = PopulationGLM().fit(X, y)
    close(model.predict(X)[:, [0, 2]], fitted("PopulationGLM").predict(X)[:, [0, 2]])
    assert not model._coef[:, 1].any()
    assert model.predict(X)[:, 1].max() < 1e-9
    errors = model.standard_errors_[0]
    assert np.isnan(errors[:, 1]).all()
    close(errors[:, [0, 2]], fitted("PopulationGLM").standard_errors_[0][:, [0, 2]])
    assert np.isfinite(model.score(X, y))


PARTS = {"a": X[:, :1], "b": X[:, 1:]}
MASK = feature_mask()
PART_MASKS = {
    "coefficients": {"a": MASK[:1], "b": MASK[1:]},
    "responses": {"a": np.array([1, 1, 0]), "b": np.array([True, False, True])},
}


def test_masked_features_have_no_part():
    model = PopulationGLM(feature_mask=MASK).fit(X, COUNTS)
    assert not np.asarray(model.coef_)[MASK == 0].any()
    np.testing.assert_array_equal(np.isnan(model.standard_errors_[0]), MASK == 0)
    close(model.dof_resid_, N - MASK.sum(axis=0) - 1)
    score = X.T @ (COUNTS - model.predict(X))
    close(score[MASK > 0], 0.0, atol=1e-6)
    assert np.all(np.abs(score[MASK == 0]) > 1e-3)


@pytest.mark.parametrize("mask", PART_MASKS.values(), ids=PART_MASKS)
def test_masks_of_parts(mask):
    model = PopulationGLM(feature_mask=mask).fit(PARTS, COUNTS)
    wide = np.concatenate([np.broadcast_to(mask[name], (len(PARTS[name].T), K)) for name in "ab"])
    expected = PopulationGLM(feature_mask=wide).fit(X, COUNTS)
    close(model.predict(PARTS), expected.predict(X))
    assert model.coef_["b"].shape == (P - 1, K)


def test_masks_of_classes():
    mask = np.ones((P, K, C))
    mask[1, 1], mask[2, 0, 2] = 0, 0
    model = ClassifierPopulationGLM(C, feature_mask=mask).fit(X, LABELS)
    assert not np.asarray(model.coef_)[mask == 0].any()
    assert np.all(np.asarray(model.coef_)[mask == 1] != 0)


WRONG_MASKS = {
    "values": (X, np.full((P, K), 0.5), ValueError, "must contain only 0s and 1s"),
    "shape": (X, np.ones((P, K + 1)), ValueError, "must match that of the ``coef``"),
    "one axis": (X, np.ones(P), ValueError, "must match that of the ``coef``"),
    "dict for an array": (X, PART_MASKS["responses"], TypeError, "feature_mask"),
    "array for a dict": (PARTS, np.ones((P, K)), TypeError, "must have the same structure"),
    "keys": (PARTS, {"a": MASK[:1]}, TypeError, "must have the same structure"),
    "leaf": (PARTS, {"a": MASK[:1], "b": MASK}, ValueError, "Inconsistent number of neurons"),
    "text": (X, "all", ValueError, "feature_mask"),
}


@pytest.mark.parametrize("case", WRONG_MASKS.values(), ids=WRONG_MASKS)
def test_wrong_masks_are_refused(case):
    features, mask, error, match = case
    model = PopulationGLM(feature_mask=mask)
    for method in (model.fit, model.initialize_params):
        with pytest.raises(error, match=match):
            method(features, COUNTS)
