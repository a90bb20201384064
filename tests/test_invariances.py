"""Transformations of the data whose effect on the answer is known exactly."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_problems import (
    DISPERSION,
    NUM_CLASSES,
    NUM_FEATURES,
    NUM_RESPONSES,
    NUM_ROWS,
    design,
    feature_mask,
    labels,
    offsets,
    responses,
    weights,
)

from bayesglm.exceptions import DataWarning
from bayesglm.glm import GLM, ClassifierGLM, PopulationGLM
from bayesglm.observation_models import NegativeBinomialObservations
from bayesglm.regularizer import GroupLasso

# In standard errors. A fit stops where its scaled gradient is below 1e-10, that is at most about
# sqrt(NUM_ROWS) * 1e-10 standard errors from the optimum, times the condition of the standardised
# design, which is of order 10 here: two fits differ by less than 1e-7.
SAME = 1e-7
# Standard errors and dispersions depend smoothly on the coefficients.
RTOL = 1e-7
# Likelihoods are flat at their maximum: only rounding is left.
FLAT_RTOL = 1e-11
# What a design asks for whose own digits are lost: shifted by 1e8 it keeps eight of them.
SE_TOLERANCE = 1e-6

LINKS = {
    "Poisson": "log",
    "Gamma": "inverse",
    "Gaussian": "identity",
    "Bernoulli": "logit",
    "NegativeBinomial": "log",
}
slow = pytest.mark.slow
# Each compiles a program of its own; those left for `-m slow` differ from others in one function.
all_families = pytest.mark.parametrize(
    "family",
    [
        "Poisson",
        "Gaussian",
        "NegativeBinomial",
        pytest.param("Gamma", marks=slow),
        pytest.param("Bernoulli", marks=slow),
    ],
)
STRENGTHS = {"Ridge": 0.05, "Lasso": 0.05, "ElasticNet": (0.05, 0.6)}
NUM_TWICE = 4
GROUPS = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])
PERMUTED_ROWS = np.random.default_rng(1).permutation(NUM_ROWS)
PERMUTED_COLUMNS = np.array([2, 0, 3, 1])
SHIFT = 1e8 * np.array([1.0, -1.0, 0.5, 0.0])
# Of determinant -1, and far from orthogonal.
MIXING = np.array([[1, 2, 0, 0], [0, 1, 0, 0], [0, 3, 1, 1], [1, 0, 0, -1.0]])


@pytest.fixture(autouse=True)
def double_precision():
    """Results are handed out in the precision of the session; here that is 64 bits."""
    with jax.enable_x64(True):
        yield


def response(family, k=0):
    """Responses of a family with its default link, shape (NUM_ROWS,)."""
    return responses(family, LINKS[family])[:, k]


def model_of(family, kind=GLM, **settings):
    """Unfitted model; a negative binomial is told its dispersion."""
    if family == "NegativeBinomial":
        family = NegativeBinomialObservations(scale=DISPERSION)
    return kind(family, **settings)


@functools.cache
def fitted(family):
    """Plain fit that others are compared with."""
    return model_of(family).fit(design(), response(family))


def regularised(regularizer, strength=None):
    """Unfitted Poisson model with a penalty."""
    strength = STRENGTHS[regularizer] if strength is None else strength
    return GLM(regularizer=regularizer, regularizer_strength=strength)


@functools.cache
def fitted_regularised(regularizer):
    """Plain penalised fit."""
    return regularised(regularizer).fit(design(), response("Poisson"))


def joined(pair):
    """Coefficients and intercept in one array, intercept last."""
    coef, intercept = pair
    return np.concatenate([*map(np.asarray, jax.tree.leaves(coef)), intercept])


def params_of(model):
    """Estimates, the intercept last."""
    return joined((model.coef_, model.intercept_))


def errors_of(model):
    """Standard errors in the order of `params_of`."""
    return joined(model.standard_errors_)


def assert_params(actual, expected, unit, tolerance=SAME):
    """Estimates agree in units of standard errors; zeros agree exactly."""
    expected, unit = np.asarray(expected), np.where(np.isfinite(unit), unit, 1.0)
    np.testing.assert_allclose((actual - expected) / unit, 0, atol=tolerance)
    np.testing.assert_array_equal(actual == 0, expected == 0)


def assert_same_fit(actual, expected, order=slice(None), tolerance=SAME):
    """All that two fits say of the same rows agrees; ``order`` rearranges the expected one."""
    take = lambda values: np.append(values[:-1][order], values[-1])
    unit = take(errors_of(expected))
    assert_params(params_of(actual), take(params_of(expected)), unit, tolerance)
    np.testing.assert_allclose(errors_of(actual), unit, rtol=max(RTOL, tolerance))
    np.testing.assert_allclose(actual.scale_, expected.scale_, rtol=max(RTOL, tolerance))
    np.testing.assert_array_equal(actual.dof_resid_, expected.dof_resid_)


# Rows and columns


@all_families
def test_order_of_rows(family):
    other = model_of(family).fit(design()[PERMUTED_ROWS], response(family)[PERMUTED_ROWS])
    assert_same_fit(other, fitted(family))


@all_families
def test_order_of_columns(family):
    other = model_of(family).fit(design()[:, PERMUTED_COLUMNS], response(family))
    assert_same_fit(other, fitted(family), PERMUTED_COLUMNS)


@pytest.mark.parametrize("regularizer", STRENGTHS)
def test_order_of_columns_under_a_penalty(regularizer):
    other = regularised(regularizer).fit(design()[:, PERMUTED_COLUMNS], response("Poisson"))
    assert_same_fit(other, fitted_regularised(regularizer), PERMUTED_COLUMNS)


@all_families
def test_row_twice_is_weight_two(family):
    distinct = slice(NUM_TWICE, None)  # the first rows are the ones to repeat
    X, y = design()[distinct], response(family)[distinct]
    weight = np.where(np.arange(len(y)) < NUM_TWICE, 2.0, 1.0)
    twice = np.append(np.arange(len(y)), np.arange(NUM_TWICE))
    repeated = model_of(family).fit(X[twice], y[twice])
    weighted = model_of(family).fit(X, y, sample_weight=weight)
    assert_same_fit(weighted, repeated)
    score = weighted.score(X, y, sample_weight=weight)
    np.testing.assert_allclose(score, repeated.score(X[twice], y[twice]), rtol=FLAT_RTOL)


@all_families
def test_weight_zero_is_a_row_left_out(family):
    kept = np.arange(NUM_ROWS) % 40 != 7
    weight = weights() * kept
    # What a row of weight zero holds does not matter.
    X, y = design().copy(), response(family).copy()
    X[~kept], y[~kept] = 1e6, y.max()
    weighted = model_of(family).fit(X, y, sample_weight=weight)
    cut = model_of(family).fit(design()[kept], response(family)[kept], sample_weight=weight[kept])
    assert_same_fit(weighted, cut)


def test_weight_zero_hides_an_absurd_row():
    kept = np.arange(NUM_ROWS) % 40 != 7
    X = np.where(kept[:, None], design(), 1e100)
    model = GLM("Gaussian").fit(X, response("Gaussian"), sample_weight=1.0 * kept)
    assert_same_fit(model, GLM("Gaussian").fit(design()[kept], response("Gaussian")[kept]))


@all_families
def test_doubling_every_weight_halves_the_variance(family):
    # Not that of a dispersion estimated from residuals, whose degrees of freedom are rows.
    other = model_of(family).fit(design(), response(family), sample_weight=np.full(NUM_ROWS, 2.0))
    plain, per_scale = fitted(family), np.sqrt(fitted(family).scale_ / other.scale_)
    assert_params(params_of(other), params_of(plain), errors_of(plain))
    np.testing.assert_allclose(
        errors_of(other) * per_scale, errors_of(plain) / np.sqrt(2), rtol=RTOL
    )


@pytest.mark.parametrize("regularizer", STRENGTHS)
def test_replicating_all_rows_leaves_a_penalised_fit_alone(regularizer):
    plain = fitted_regularised(regularizer)
    weight = np.full(NUM_ROWS, 3.0)
    other = regularised(regularizer).fit(design(), response("Poisson"), sample_weight=weight)
    assert_params(params_of(other), params_of(plain), errors_of(plain))


@all_families
def test_score_is_a_sum_over_batches(family):
    model, X, y = fitted(family), design(), response(family)
    halves = [model.score(X[rows], y[rows]) for rows in (slice(0, 60), slice(60, 120))]
    np.testing.assert_allclose(np.mean(halves), model.score(X, y), rtol=1e-13)  # rounding


# Linear maps of features and responses


@all_families
def test_combinations_of_features(family):
    # X A (A^-1 b) = X b; a change of baseline of dummy variables is a special case.
    X, plain = design() @ MIXING, fitted(family)
    other = model_of(family).fit(X, response(family))
    unit = errors_of(other)
    expected = np.append(np.linalg.solve(MIXING, plain.coef_), plain.intercept_)
    assert_params(params_of(other), expected, unit)
    np.testing.assert_allclose(other.predict(X), plain.predict(design()), rtol=RTOL)
    np.testing.assert_allclose(
        other.score(X, response(family)),
        plain.score(design(), response(family)),
        # A dispersion by moments is not at the maximum of the likelihood.
        rtol=1e-9,
    )


@pytest.mark.parametrize("regularizer", STRENGTHS)
def test_units_of_features_under_a_penalty(regularizer):
    # A coefficient in other units is penalised alike by a strength in those units: c for its
    # absolute value, c^2 for its square.
    c = np.array([1e-3, 2.0, 1e4, 10.0])
    l1, l2 = {"Ridge": (0, 0.05), "Lasso": (0.05, 0), "ElasticNet": (0.03, 0.02)}[regularizer]
    total = l1 * c + l2 * c**2
    strength = (total, l1 * c / total) if regularizer == "ElasticNet" else total
    other = regularised(regularizer, strength).fit(design() * c, response("Poisson"))
    plain = fitted_regularised(regularizer)
    scaled = lambda values: values * np.append(c, 1.0)
    assert_params(scaled(params_of(other)), params_of(plain), errors_of(plain))


def test_units_of_features_under_a_group_lasso():
    # One unit for a group: its norm is that of coefficients in the same units.
    c, y = np.array([1e-3, 1e-3, 20.0, 20.0]), response("Poisson")
    plain = grouped(0.05).fit(design(), y)
    other = grouped(0.05 * c[[0, 2]]).fit(design() * c, y)
    assert (plain.coef_ != 0).any()
    scaled = lambda values: values * np.append(c, 1.0)
    assert_params(scaled(params_of(other)), params_of(plain), errors_of(fitted("Poisson")))


@pytest.mark.parametrize(("factor", "shift"), [(1.0, 5.0), (1e-6, 0.0), (-1e6, 3e6)])
def test_units_of_gaussian_responses(factor, shift):
    other = model_of("Gaussian").fit(design(), factor * response("Gaussian") + shift)
    plain = fitted("Gaussian")
    expected = factor * params_of(plain) + np.append(np.zeros(NUM_FEATURES), shift)
    unit = np.abs(factor) * errors_of(plain)
    assert_params(params_of(other), expected, unit)
    np.testing.assert_allclose(errors_of(other), unit, rtol=RTOL)
    np.testing.assert_allclose(other.scale_, factor**2 * plain.scale_, rtol=RTOL)


@slow
def test_units_of_gamma_responses():
    # Means are the reciprocals of linear predictors.
    other = model_of("Gamma").fit(design(), 1e6 * response("Gamma"))
    plain = fitted("Gamma")
    assert_params(1e6 * params_of(other), params_of(plain), errors_of(plain))
    np.testing.assert_allclose(other.scale_, plain.scale_, rtol=RTOL)


@slow
def test_exchange_of_success_and_failure():
    other = model_of("Bernoulli").fit(design(), 1 - response("Bernoulli"))
    plain = fitted("Bernoulli")
    assert_params(-params_of(other), params_of(plain), errors_of(plain))


@all_families
def test_shifted_design(family):
    # The shift rounds the features, to multiples of 1.5e-8: the twin has what is left of them,
    # which subtraction gives exactly.
    X = design() + SHIFT
    model = model_of(family).fit(X, response(family))
    twin = model_of(family).fit(X - SHIFT, response(family))
    coef, unit = params_of(twin)[:-1], errors_of(twin)[:-1]
    assert_params(params_of(model)[:-1], coef, unit, SE_TOLERANCE)
    np.testing.assert_allclose(errors_of(model)[:-1], unit, rtol=SE_TOLERANCE)
    # Products of coefficients and 1e8 cancel in the linear predictor: eight digits are left.
    np.testing.assert_allclose(model.predict(X), fitted(family).predict(design()), rtol=1e-6)


@all_families
def test_design_scaled_over_sixteen_decades(family):
    c = np.array([1e-8, 1e8, 1.0, 1e-3])
    model, plain = model_of(family).fit(design() * c, response(family)), fitted(family)
    scaled = lambda values: values * np.append(c, 1.0)
    assert_params(scaled(params_of(model)), params_of(plain), errors_of(plain), SE_TOLERANCE)
    np.testing.assert_allclose(scaled(errors_of(model)), errors_of(plain), rtol=SE_TOLERANCE)
    np.testing.assert_allclose(model.scale_, plain.scale_, rtol=SE_TOLERANCE)


@pytest.mark.parametrize("regularizer", STRENGTHS)
def test_shifted_design_under_a_penalty(regularizer):
    # The intercept, which is not penalised, takes up the shift.
    X = design() + SHIFT
    model = regularised(regularizer).fit(X, response("Poisson"))
    twin = regularised(regularizer).fit(X - SHIFT, response("Poisson"))
    unit = errors_of(twin)[:-1]
    assert_params(params_of(model)[:-1], params_of(twin)[:-1], unit, SE_TOLERANCE)


# Offsets


@functools.cache
def fitted_with_offset():
    """Poisson fit with an offset."""
    return GLM().fit(design(), response("Poisson"), offset=offsets()[:, 0])


def test_offset_moves_coefficients():
    known, level = np.array([0.3, -0.2, 0.1, 0.5]), 0.7
    offset = design() @ known + level
    model, plain = GLM().fit(design(), response("Poisson"), offset=offset), fitted("Poisson")
    assert_params(params_of(model) + np.append(known, level), params_of(plain), errors_of(plain))
    np.testing.assert_allclose(
        model.predict(design(), offset=offset), plain.predict(design()), rtol=RTOL
    )


def test_offset_column_is_an_offset():
    widened = np.column_stack([design()[:, :2], offsets()[:, 0], design()[:, 2:]])
    model = GLM(offset_column=2).fit(widened, response("Poisson"))
    assert_same_fit(model, fitted_with_offset())
    expected = fitted_with_offset().predict(design(), offset=offsets()[:, 0])
    np.testing.assert_allclose(model.predict(widened), expected, rtol=RTOL)


@pytest.mark.parametrize("family", ["Poisson", pytest.param("Bernoulli", marks=slow)])
def test_rows_of_certain_outcome_say_nothing(family):
    # At a linear predictor of -700 the mean is 1e-304: a zero there has likelihood one. So has a
    # one at +700 in a Bernoulli model.
    certain = np.arange(NUM_ROWS) % 12 == 5
    sign = np.where(np.arange(NUM_ROWS) % 24 == 5, 1, -1) if family == "Bernoulli" else -1
    y = np.where(certain, (sign + 1) / 2, response(family))
    offset = np.where(certain, sign * 700.0, 0.0)
    model = model_of(family).fit(design(), y, offset=offset)
    # Weights of zero leave the rows out, at any offset.
    other = model_of(family).fit(
        design(), y, offset=np.zeros(NUM_ROWS), sample_weight=1.0 * ~certain
    )
    assert_params(params_of(model), params_of(other), errors_of(other))
    np.testing.assert_allclose(errors_of(model), errors_of(other), rtol=RTOL)
    total = NUM_ROWS * model.score(design(), y, offset=offset)
    part = (~certain).sum() * other.score(design()[~certain], y[~certain])
    np.testing.assert_allclose(total, part, rtol=FLAT_RTOL)


@slow
def test_impossible_outcomes_have_finite_likelihood():
    # A failure at +700 and a success at -700 each cost 700 nats.
    failure = np.arange(NUM_ROWS) < 2
    null = (np.zeros(NUM_FEATURES), np.zeros(1))
    loss = GLM("Bernoulli").compute_loss(
        null, design(), np.where(failure, 0.0, 1.0), offset=np.where(failure, 700.0, -700.0)
    )
    np.testing.assert_allclose(loss, 700.0, rtol=1e-14)  # rounding


def test_negative_binomial_without_dispersion_is_poisson():
    # The score is (y - mu) x / (1 + scale mu): the coefficients move by some scale * mu standard
    # errors, with mu up to 10.
    y = response("Poisson")
    model = GLM(NegativeBinomialObservations(scale=1e-9)).fit(design(), y)
    plain = fitted("Poisson")
    assert_params(params_of(model), params_of(plain), errors_of(plain))
    np.testing.assert_allclose(errors_of(model), errors_of(plain), rtol=RTOL)
    np.testing.assert_allclose(
        # The log-likelihood, about -2 per row, moves by scale * ((y - mu)^2 - y) / 2.
        model.score(design(), y),
        plain.score(design(), y),
        rtol=1e-8,
    )


# Populations


@functools.cache
def population(family="Poisson"):
    """Plain fit of all responses."""
    return model_of(family, PopulationGLM).fit(design(), responses(family, LINKS[family]))


def one_of(model, k):
    """Estimates and standard errors of response k."""
    errors = model.standard_errors_
    return (
        np.append(model.coef_[:, k], model.intercept_[k]),
        np.append(errors[0][:, k], errors[1][k]),
    )


def test_population_is_one_glm_for_each_response():
    for k in range(NUM_RESPONSES):
        model = GLM().fit(design(), response("Poisson", k))
        params, errors = one_of(population(), k)
        assert_params(params, params_of(model), errors_of(model))
        np.testing.assert_allclose(errors, errors_of(model), rtol=RTOL)


def masked(mask):
    """Population with a mask; the offset of zero shares a program with other tests."""
    zeros = np.zeros((NUM_ROWS, NUM_RESPONSES))
    model = PopulationGLM(feature_mask=mask, inverse_link_function="log")
    return model.fit(design(), responses("Poisson", "log"), offset=zeros)


def test_mask_of_ones_is_no_mask():
    model = masked(np.ones((NUM_FEATURES, NUM_RESPONSES)))
    for k in range(NUM_RESPONSES):
        (params, errors), (expected, unit) = one_of(model, k), one_of(population(), k)
        assert_params(params, expected, unit)
        np.testing.assert_allclose(errors, unit, rtol=RTOL)


def test_masking_a_feature_is_deleting_its_column():
    kept = feature_mask()[:, 1] > 0
    params, errors = one_of(masked(feature_mask()), 1)
    model = GLM().fit(design()[:, kept], response("Poisson", 1))
    used = np.append(kept, True)
    assert_params(params[used], params_of(model), errors_of(model))
    np.testing.assert_allclose(errors[used], errors_of(model), rtol=RTOL)
    assert params[~used] == 0


def test_intercept_is_a_column_of_ones():
    kept = feature_mask()[:, 1] > 0
    X = np.column_stack([design()[:, kept], np.ones(NUM_ROWS)])
    model = GLM(fit_intercept=False).fit(X, response("Poisson"))
    other = GLM().fit(design()[:, kept], response("Poisson"))
    assert model.intercept_ == 0
    assert_params(np.asarray(model.coef_), params_of(other), errors_of(other))
    np.testing.assert_allclose(model.standard_errors_[0], errors_of(other), rtol=RTOL)
    np.testing.assert_array_equal(model.dof_resid_, other.dof_resid_)


def test_missing_responses_are_rows_left_out_of_that_response():
    y = responses("Poisson", "log").copy()
    y[3:7, 0] = y[[0, 5], 1] = np.nan
    with pytest.warns(DataWarning, match="6 entries of y are NaN"):
        model = PopulationGLM().fit(design(), y)
    with pytest.warns(DataWarning, match="6 entries of y are NaN"):
        sums = model.score(
            design(), y, aggregate_sample_scores=lambda cells: jnp.nansum(cells, axis=0)
        )
    for k in range(NUM_RESPONSES):
        kept = ~np.isnan(y[:, k])
        other = GLM().fit(design()[kept], y[kept, k])
        params, errors = one_of(model, k)
        assert_params(params, params_of(other), errors_of(other))
        np.testing.assert_allclose(errors, errors_of(other), rtol=RTOL)
        assert model.dof_resid_[k] == other.dof_resid_[0]
        total = kept.sum() * other.score(design()[kept], y[kept, k])
        np.testing.assert_allclose(sums[k], total, rtol=FLAT_RTOL)


def test_silent_response_leaves_the_others_alone():
    y = responses("Poisson", "log").copy()
    y[:, 1] = 0
    with pytest.warns(DataWarning, match=r"Responses \[1\].*never vary"):
        model = PopulationGLM().fit(design(), y)
    for k in (0, 2):
        params, errors = one_of(model, k)
        expected, unit = one_of(population(), k)
        assert_params(params, expected, unit)
        np.testing.assert_allclose(errors, unit, rtol=RTOL)


def test_weights_of_cells_are_weights_of_the_rows_of_each_response():
    weight = np.column_stack([weights(), weights()[::-1], np.ones(NUM_ROWS)])
    y = responses("Poisson", "log")
    model = PopulationGLM().fit(design(), y, sample_weight=weight)
    for k in range(NUM_RESPONSES):
        other = GLM().fit(design(), y[:, k], sample_weight=weight[:, k])
        params, errors = one_of(model, k)
        assert_params(params, params_of(other), errors_of(other))
        np.testing.assert_allclose(errors, errors_of(other), rtol=RTOL)


def test_rows_with_missing_features_are_left_out():
    X, lost = design().copy(), np.array([2, 50, 51])
    X[lost, [0, 1, 3]] = np.nan
    with pytest.warns(DataWarning, match="3 rows of X have NaN"):
        model = GLM("Gaussian").fit(X, response("Gaussian"))
    kept = np.delete(np.arange(NUM_ROWS), lost)
    assert_same_fit(model, GLM("Gaussian").fit(design()[kept], response("Gaussian")[kept]))


# Structure of X


@slow
def test_single_precision_features_are_used_as_they_are():
    X = design().astype(np.float32)
    model = GLM().fit(X, response("Poisson"))
    assert_same_fit(model, GLM().fit(X.astype(float), response("Poisson")))


TREES = {
    "dict": lambda X: {"a": X[:, :1], "b": X[:, 1:]},
    "nested": lambda X: {"a": {"c": X[:, :2], "d": X[:, 2:3]}, "b": X[:, 3:]},
    "list": lambda X: [X[:, :3], X[:, 3:]],
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_pytree_is_its_leaves_side_by_side(tree):
    model = GLM().fit(tree(design()), response("Poisson"))
    assert jax.tree.structure(model.coef_) == jax.tree.structure(tree(design()))
    assert_same_fit(model, fitted("Poisson"))
    np.testing.assert_allclose(
        model.predict(tree(design())), fitted("Poisson").predict(design()), rtol=RTOL
    )


def grouped(strength, mask=GROUPS):
    """Unfitted Poisson model with a group lasso."""
    return GLM(regularizer=GroupLasso(mask=mask), regularizer_strength=strength)


def test_group_that_spans_leaves_has_one_norm():
    tree = lambda X: {"a": X[:, :1], "b": X[:, 1:]}
    mask = {"a": GROUPS[:, :1], "b": GROUPS[:, 1:]}
    y = response("Poisson")
    model, other = grouped(0.05, mask).fit(tree(design()), y), grouped(0.05).fit(design(), y)
    assert_params(params_of(model), params_of(other), errors_of(fitted("Poisson")))


def test_groups_are_leaves_by_default():
    tree = lambda X: {"a": X[:, :2], "b": X[:, 2:]}
    model = grouped(0.05, None).fit(tree(design()), response("Poisson"))
    other = grouped(0.05).fit(design(), response("Poisson"))
    assert_params(params_of(model), params_of(other), errors_of(fitted("Poisson")))


def test_groups_of_one_are_a_lasso():
    # With one parameter each, the group lasso's norm is the absolute value.
    single = np.eye(NUM_FEATURES)[:2]
    model = grouped(0.05, single).fit(design(), response("Poisson"))
    other = regularised("Lasso", np.array([0.05, 0.05, 0, 0])).fit(design(), response("Poisson"))
    assert_params(params_of(model), params_of(other), errors_of(fitted("Poisson")))


def test_elastic_net_of_ratio_one_is_a_lasso():
    model = regularised("ElasticNet", (0.05, 1.0)).fit(design(), response("Poisson"))
    assert_same_fit(model, fitted_regularised("Lasso"))


def test_names_of_classes_do_not_matter():
    # The ridge treats all classes alike, and makes the coefficients of each feature sum to zero.
    order = np.array([2, 0, 1])
    model, other = (
        ClassifierGLM(NUM_CLASSES, regularizer_strength=0.05).fit(design(), names[labels()[:, 0]])
        for names in (np.arange(NUM_CLASSES), order)
    )
    coef = np.asarray(model.coef_)
    np.testing.assert_allclose(other.coef_[:, order], coef, atol=SAME)
    np.testing.assert_allclose(coef.sum(axis=1), 0, atol=SAME)


# Steps


def iterate(model, num_steps):
    """Parameters after as many updates on the same batch."""
    X, y = design(), response("Poisson")
    params = model.initialize_params(X, y)
    state = model.initialize_optimizer_and_state(params, X, y)
    for _ in range(num_steps):
        params, state = model.update(params, state, X, y)
    return params


# Newton's method converges quadratically; L-BFGS needs a multiple of the number of parameters.
STEPS = {"Newton": 10, "LBFGS": 40}


@pytest.mark.parametrize("solver", STEPS)
def test_update_iterated_is_fit(solver):
    model = GLM(solver_name=solver)
    params = joined(iterate(model, STEPS[solver]))
    plain = fitted("Poisson")
    assert_params(params, params_of(plain), errors_of(plain))
    np.testing.assert_array_equal(params_of(model), params)
    np.testing.assert_array_equal(model.scale_, plain.scale_)
    np.testing.assert_array_equal(model.dof_resid_, plain.dof_resid_)


@slow
def test_proximal_update_iterated_is_fit():
    model, plain = regularised("Lasso"), fitted_regularised("Lasso")
    params = joined(iterate(model, STEPS["Newton"]))
    assert_params(params, params_of(plain), errors_of(plain))


@slow
def test_solvers_find_the_same_optimum():
    model = GLM(solver_name="LBFGS").fit(design(), response("Poisson"))
    assert_same_fit(model, fitted("Poisson"))


def test_start_does_not_matter():
    start = (np.array([0.5, -1.0, 0.2, 0.3]), np.array([-0.5]))
    model = GLM().fit(design(), response("Poisson"), init_params=start)
    assert_same_fit(model, fitted("Poisson"))
