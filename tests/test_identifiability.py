import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from bayesglm import identifiability_constraints as module
from bayesglm.identifiability_constraints import (
    apply_identifiability_constraints,
    apply_identifiability_constraints_by_basis_component,
)

RNG = np.random.default_rng(0)


class Additive:
    """A stand-in for an additive basis: labelled runs of columns, some with several inputs."""

    def __init__(self, **shapes):
        self.shapes = shapes

    def split_by_feature(self, x):
        ends = np.cumsum([np.prod(shape) for shape in self.shapes.values()])
        parts = np.split(x, ends[:-1], axis=1)
        return {
            name: part.reshape(len(x), *np.atleast_1d(shape))
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }


def kept_by_definition(X, add_intercept):
    """Drop columns left to right whenever the rank does not suffer, one rank at a time."""
    ones = np.ones((len(X), int(add_intercept)))
    kept = list(range(X.shape[1]))
    full = np.linalg.matrix_rank(np.hstack([ones, X]))
    for column in range(X.shape[1]):
        rest = [j for j in kept if j != column]
        if np.linalg.matrix_rank(np.hstack([ones, X[:, rest]])) == full:
            kept = rest
    return kept


def one_hot(num_levels, num_rows=60):
    return np.eye(num_levels)[RNG.integers(0, num_levels, num_rows)]


@pytest.mark.parametrize("add_intercept", [True, False])
@pytest.mark.parametrize("shape", [(1, 3), (2, 5), (4, 4), (5, 7), (9, 6)], ids=str)
def test_kept_columns_are_those_of_the_definition(shape, add_intercept):
    rng = np.random.default_rng(shape)
    for _ in range(40):  # small integers: nearly every design has redundant columns
        X = rng.integers(-1, 2, size=shape)
        constrained, kept = apply_identifiability_constraints(X, add_intercept)
        np.testing.assert_array_equal(kept, kept_by_definition(X, add_intercept))
        np.testing.assert_array_equal(constrained, X[:, kept])


@pytest.mark.parametrize("block", [1, 7, 4096])
def test_answer_does_not_depend_on_the_blocks_of_rows(block, monkeypatch):
    monkeypatch.setattr(module, "_ROWS_PER_BLOCK", block)
    X = np.hstack([one_hot(3), RNG.normal(size=(60, 2)), one_hot(4)])
    X = np.hstack([X, X[:, [3]] - 2 * X[:, [4]]])
    np.testing.assert_array_equal(
        apply_identifiability_constraints(X)[1], kept_by_definition(X, True)
    )


def test_full_rank_design_is_returned_as_it_is():
    X = RNG.normal(size=(20, 4))
    constrained, kept = apply_identifiability_constraints(X)
    np.testing.assert_array_equal(constrained, X)
    np.testing.assert_array_equal(kept, np.arange(4))
    assert constrained is not X


def test_more_columns_than_rows():
    X = RNG.normal(size=(6, 10))
    np.testing.assert_array_equal(apply_identifiability_constraints(X)[1], np.arange(5, 10))
    np.testing.assert_array_equal(apply_identifiability_constraints(X, False)[1], np.arange(4, 10))


def test_constant_and_zero_columns_go():
    X = np.column_stack([np.full(9, 3.0), RNG.normal(size=9), np.zeros(9)])
    np.testing.assert_array_equal(apply_identifiability_constraints(X)[1], [1])
    np.testing.assert_array_equal(apply_identifiability_constraints(X, False)[1], [0, 1])
    assert apply_identifiability_constraints(np.zeros((4, 2)))[0].shape == (4, 0)


def test_units_do_not_matter():
    X = np.hstack([one_hot(3), RNG.normal(size=(60, 3))])
    X = np.hstack([X, X[:, [3]] + X[:, [4]]])
    units = np.array([1e12, 1e-12, 1.0, 1e-9, 1e9, 1e-150, 1e150])
    np.testing.assert_array_equal(
        apply_identifiability_constraints(X * units)[1], apply_identifiability_constraints(X)[1]
    )


def test_a_combination_hidden_by_cancellation_is_found():
    small = RNG.normal(size=60)
    X = np.column_stack([small, 2 * small + 1e6])
    np.testing.assert_array_equal(apply_identifiability_constraints(X)[1], [1])


def test_nearly_collinear_columns_stay():
    x = RNG.normal(size=60)
    X = np.column_stack([x, x + 1e-6 * RNG.normal(size=60), 1e6 + x])
    assert len(apply_identifiability_constraints(X[:, :2])[1]) == 2
    assert len(apply_identifiability_constraints(X[:, [1, 2]])[1]) == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_invalid_rows_are_kept_and_do_not_count(bad):
    X = one_hot(3)
    kept_without = apply_identifiability_constraints(X)[1]
    X[[0, 17], [2, 0]] = bad
    constrained, kept = apply_identifiability_constraints(X)
    np.testing.assert_array_equal(kept, kept_without)
    assert constrained.shape == (60, 2)
    assert np.isnan(constrained[[0, 17]]).all()
    np.testing.assert_array_equal(
        np.delete(constrained, [0, 17], 0), np.delete(X, [0, 17], 0)[:, kept]
    )
    assert np.isfinite(X).sum() == X.size - 2


def test_errors():
    with pytest.raises(ValueError, match="At least a NaN or an Inf at all sample points"):
        apply_identifiability_constraints(np.array([[np.nan, 1.0], [np.inf, 2.0]]))
    with pytest.raises(ValueError, match=r"must be 2-dimensional; got shape \(3,\)"):
        apply_identifiability_constraints(np.zeros(3))


@pytest.mark.parametrize("cast", [np.float32, jnp.float32])
def test_narrow_floats_warn(cast):
    X = cast(np.hstack([one_hot(3) / 3, one_hot(4) / 7]))
    with pytest.warns(UserWarning, match="not of dtype `float64` but `float32`") as record:
        constrained, kept = apply_identifiability_constraints(X)
    assert record[0].filename == __file__
    np.testing.assert_array_equal(kept, [1, 2, 4, 5, 6])
    assert constrained.dtype == np.float32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        apply_identifiability_constraints(X, warn_if_float32=False)
        apply_identifiability_constraints(np.arange(6).reshape(3, 2))


def test_components_are_treated_one_by_one():
    basis = Additive(z=3, a=(2, 4))  # labels out of alphabetical order, two inputs
    X = np.hstack([one_hot(3), one_hot(4), one_hot(4)])
    constrained, kept = apply_identifiability_constraints_by_basis_component(basis, X)
    np.testing.assert_array_equal(kept, [1, 2, 4, 5, 6, 8, 9, 10])
    np.testing.assert_array_equal(constrained, X[:, kept])
    kept = apply_identifiability_constraints_by_basis_component(basis, X, add_intercept=False)[1]
    np.testing.assert_array_equal(kept, np.arange(11))


def test_invalid_rows_of_one_component_leave_the_other():
    X = np.hstack([one_hot(3), one_hot(4)])
    X[5, 0] = np.nan
    basis = Additive(b=3, a=4)
    constrained, kept = apply_identifiability_constraints_by_basis_component(basis, X)
    np.testing.assert_array_equal(np.isnan(constrained[5]), kept < 3)
    assert not np.isnan(np.delete(constrained, 5, 0)).any()


def test_narrow_floats_warn_once_for_all_components():
    X = np.hstack([one_hot(3), one_hot(4)]).astype(np.float32)
    with pytest.warns(UserWarning, match="not of dtype `float64`") as record:
        apply_identifiability_constraints_by_basis_component(Additive(b=3, a=4), X)
    assert len(record) == 1
    assert record[0].filename == __file__


def test_pynapple_keeps_time_and_column_names():
    nap = pytest.importorskip("pynapple")
    frame = nap.TsdFrame(t=np.arange(60) / 4, d=one_hot(3), columns=["left", "right", "none"])
    constrained, kept = apply_identifiability_constraints(frame)
    assert isinstance(constrained, nap.TsdFrame)
    np.testing.assert_array_equal(constrained.t, frame.t)
    assert list(constrained.columns) == ["right", "none"]
    np.testing.assert_array_equal(constrained.d, frame.d[:, kept])


def test_data_frames_are_designs():
    pd = pytest.importorskip("pandas")
    X = one_hot(3)
    constrained, kept = apply_identifiability_constraints(pd.DataFrame(X))
    np.testing.assert_array_equal(constrained, X[:, kept])
