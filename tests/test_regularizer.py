"""Regularizers as users meet them: strengths, masks, parts, names, errors."""

import copy
import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.base import clone

from bayesglm._tree import FeatureLayout
from bayesglm.glm.params import GLMParams
from bayesglm.regularizer import (
    ElasticNet,
    GroupLasso,
    Lasso,
    PerFeature,
    Regularizer,
    Ridge,
    UnRegularized,
    apply_operator,
    instantiate,
    resolve,
)

ARRAY = FeatureLayout.of(np.zeros((4, 3)))
DICT = FeatureLayout.of({"b": np.zeros((4, 2)), "a": np.zeros((4, 3))})  # leaves in order a, b
NESTED = FeatureLayout.of(
    {"s": {"l": np.zeros((4, 1)), "r": np.zeros((4, 2))}, "h": np.zeros((4, 2))}
)
MASK = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def penalty_of(regularizer, strength=None, layout=ARRAY, trailing=(), **kwargs):
    return resolve(regularizer, strength, layout, trailing, **kwargs)


SEPARABLE = {
    "none": (UnRegularized(), None),
    "ridge": (Ridge(), 0.7),
    "lasso": (Lasso(), 0.7),
    "elastic net": (ElasticNet(), (0.7, 0.3)),
}
ALL = SEPARABLE | {"group lasso": (GroupLasso(MASK), 0.4)}
each = pytest.mark.parametrize(("regularizer", "strength"), ALL.values(), ids=ALL)


# ------------------------------------------------------- strengths: formats, errors, compilation


def test_strength_formats_agree():
    coef = RNG.normal(size=(5, 1))
    value = lambda s: penalty_of(Ridge(), s, DICT).value(coef)[0]
    full = value({"a": np.full(3, 2.0), "b": np.full(2, 2.0)})
    for same in (
        2,
        2.0,
        np.float32(2),
        jnp.array(2.0),
        {"a": 2.0, "b": 2},
        {"b": [2, 2], "a": 2.0},
    ):
        np.testing.assert_allclose(value(same), full, rtol=1e-15)
    assert value({"a": None, "b": 1.0}) == value(None) == value(True)
    array = np.array([0.5, 1.0, 2.0])
    first = penalty_of(Ridge(), array).value(coef[:3])
    assert first == penalty_of(Ridge(), list(array)).value(coef[:3])
    assert first == penalty_of(Ridge(), jnp.asarray(array)).value(coef[:3])


def test_leaves_are_matched_by_key_not_by_order():
    coef = np.array([[1.0], [1.0], [1.0], [10.0], [10.0]])
    penalty = penalty_of(Lasso(), {"b": 0.0, "a": 1.0}, DICT)
    assert penalty.value(coef)[0] == 3.0


def test_one_strength_per_response_or_per_feature():
    coef = RNG.normal(size=(3, 2))
    per_response = penalty_of(Lasso(), np.array([[1.0, 3.0]]), trailing=(2,))
    np.testing.assert_allclose(per_response.value(coef), [1, 3] * abs(coef).sum(0), rtol=1e-14)
    per_feature = penalty_of(Lasso(), np.array([[1.0], [2.0], [0.0]]), trailing=(2,))
    np.testing.assert_allclose(
        per_feature.value(coef), (abs(coef) * [[1], [2], [0]]).sum(0), rtol=1e-14
    )


PENALISING = {name: case for name, case in ALL.items() if name != "none"}


@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("regularizer", [r for r, _ in PENALISING.values()], ids=PENALISING)
def test_impossible_strengths_are_refused(regularizer, bad):
    with pytest.raises(ValueError, match=r"`regularizer_strength` must be finite and not negative"):
        penalty_of(regularizer, bad)
    length = 2 if isinstance(regularizer, GroupLasso) else 3
    with pytest.raises(ValueError, match=str(bad)):
        penalty_of(regularizer, np.array([1.0] * (length - 1) + [bad]))


@pytest.mark.parametrize(
    "bad", ["strong", "1.0", 1j, object(), [1.0, "a", 2.0], [[1.0], [1.0, 2.0]]]
)
@pytest.mark.parametrize("regularizer", [r for r, _ in PENALISING.values()], ids=PENALISING)
def test_strengths_that_are_not_numbers_are_refused(regularizer, bad):
    with pytest.raises(TypeError, match="Could not convert regularizer strength to floats"):
        penalty_of(regularizer, bad)


@pytest.mark.parametrize("shape", [(2,), (1,), (4,), (3, 1), (1, 3), (0,)])
@pytest.mark.parametrize("regularizer", [Ridge(), Lasso(), ElasticNet()])
def test_strengths_of_another_shape_are_refused(regularizer, shape):
    with pytest.raises(
        ValueError, match=r"Strength shape .* does not match parameter shape \(3,\)"
    ):
        penalty_of(regularizer, np.ones(shape))


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 1)])
def test_group_strengths_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"scalar or have shape \(2,\).*got shape"):
        penalty_of(GroupLasso(MASK), np.ones(shape))


@pytest.mark.parametrize("bad", [{"a": 1.0}, {"a": 1.0, "c": 1.0}, [1.0] * 5, np.ones(5)])
def test_strengths_of_another_structure_are_refused(bad):
    with pytest.raises(
        ValueError, match=r"`regularizer_strength` must be a scalar or have the str"
    ):
        penalty_of(Ridge(), bad, DICT)


def test_a_dict_of_strengths_for_an_array_is_refused():
    with pytest.raises(TypeError, match="Could not convert regularizer strength to floats"):
        penalty_of(Ridge(), {"a": 1.0})


def test_elastic_net_tuples():
    for bad in ((1.0,), (1.0, 0.5, 0.1), ()):
        with pytest.raises(TypeError, match=r"must be a tuple \(strength, ratio\)"):
            penalty_of(ElasticNet(), bad)
    for bad in (0.0, -0.1, 1.1, np.nan, np.array([0.5, 0.5, 0.0])):
        with pytest.raises(ValueError, match=r"ratio must be in \(0, 1\]"):
            penalty_of(ElasticNet(), (1.0, bad))
    coef = RNG.normal(size=(5, 1))
    mixed = penalty_of(ElasticNet(), (2.0, {"a": 1.0, "b": [0.5, 0.25]}), DICT).value(coef)
    l1 = 2 * np.array([1, 1, 1, 0.5, 0.25])[:, None]
    np.testing.assert_allclose(mixed, [np.sum(l1 * abs(coef) + (2 - l1) / 2 * coef**2)], rtol=1e-14)
    lasso, net = penalty_of(Lasso(), 0.3, DICT), penalty_of(ElasticNet(), (0.3, 1.0), DICT)
    np.testing.assert_allclose(net.value(coef), lasso.value(coef), rtol=1e-14)


# ------------------------------------------------------------------------------------- masks


BAD_MASKS = {
    "not 0 or 1": (np.array([[0.5, 1.0]]), ValueError, "Mask elements must be 0s and 1s"),
    "nan": (np.array([[np.nan, 1.0]]), ValueError, "Mask elements must be 0s and 1s"),
    "overlap": (np.ones((2, 3)), ValueError, "Incorrect group assignment. Some of the features"),
    "all zero": (np.zeros((2, 3)), ValueError, "Empty mask provided"),
    "one empty group": (np.array([[1, 1], [0, 0]]), ValueError, "Group 1 of the mask is empty"),
    "no groups": (np.zeros((0, 3)), ValueError, "Empty mask provided"),
    "no leaves": ({}, ValueError, "Empty mask provided"),
    "one axis": (np.ones(3), ValueError, "at least 2 dimensions"),
    "scalar": (1.0, ValueError, "at least 2 dimensions"),
    "text": ("mask", TypeError, "Could not convert the GroupLasso mask to floats"),
    "ragged": ([[1, 0], [1]], TypeError, "Could not convert the GroupLasso mask to floats"),
    "unequal groups": (
        {"a": np.ones((1, 3)), "b": np.eye(2)},
        ValueError,
        "inconsistent first dimension lengths",
    ),
}


@pytest.mark.parametrize(("mask", "error", "match"), BAD_MASKS.values(), ids=BAD_MASKS)
def test_impossible_masks_are_refused_at_construction(mask, error, match):
    with pytest.raises(error, match=match):
        GroupLasso(mask)


@pytest.mark.parametrize(
    ("mask", "layout", "trailing"),
    [
        (np.ones((1, 2)), ARRAY, ()),
        (np.ones((1, 3)), ARRAY, (2,)),
        (np.ones((1, 3, 3)), ARRAY, (2,)),
        ({"a": np.ones((1, 2)), "b": np.ones((1, 2))}, DICT, ()),
    ],
)
def test_masks_of_another_shape_are_refused(mask, layout, trailing):
    with pytest.raises(ValueError, match=r"mask shape mismatch.*\(expected \(1, 3"):
        penalty_of(GroupLasso(mask), 1.0, layout, trailing)


def test_masks_of_another_structure_are_refused():
    for mask in (
        np.ones((1, 5)),
        {"a": np.ones((1, 3))},
        {"a": np.ones((1, 3)), "c": np.ones((1, 2))},
    ):
        with pytest.raises(
            ValueError, match=r"The GroupLasso mask must .*structure of the features"
        ):
            penalty_of(GroupLasso(mask), 1.0, DICT)


def test_coefficients_in_no_group_are_free():
    penalty = penalty_of(GroupLasso([[0, 1, 0]]), 1.0)
    coef = jnp.array([[5.0], [0.5], [-7.0]])
    assert penalty.value(coef)[0] == 0.5
    assert penalty.prox(coef, 1.0).ravel().tolist() == [5.0, 0.0, -7.0]


def test_nothing_of_the_users_is_changed():
    mask = {"a": np.ones((1, 3)), "b": np.ones((1, 2))}
    strength = {"a": np.array([1.0, 2.0, 3.0]), "b": 0.5}
    before = copy.deepcopy((mask, strength))
    regularizer = GroupLasso(mask)
    penalty_of(regularizer, 1.0, DICT)
    penalty_of(Ridge(), strength, DICT)
    assert regularizer.mask is mask
    for now, then in zip(jax.tree.leaves((mask, strength)), jax.tree.leaves(before), strict=True):
        np.testing.assert_array_equal(now, then)
    with pytest.raises(AttributeError):
        regularizer.mask = None


# ------------------------------------------------------------------------ parts of the features


def test_parts_have_their_own_regularizers():
    coef = RNG.normal(size=(5, 2))
    penalty = penalty_of({"b": "Ridge", "a": Lasso()}, {"a": 0.5, "b": [2.0, 3.0]}, DICT)
    value = 0.5 * abs(coef[:3, 0]).sum() + coef[3, 0] ** 2 + 1.5 * coef[4, 0] ** 2
    np.testing.assert_allclose(penalty.value(coef[:, :1]), [value], rtol=1e-14)
    smooth = coef[3, 0] ** 2 + 1.5 * coef[4, 0] ** 2
    np.testing.assert_allclose(penalty.smooth_value(coef[:, :1]), [smooth], rtol=1e-14)
    moved = penalty.prox(jnp.asarray(coef[:, :1]), 0.7)
    lasso = penalty_of(Lasso(), 0.5).prox(jnp.asarray(coef[:3, :1]), 0.7)
    np.testing.assert_allclose(moved[:3], lasso, rtol=1e-15)
    np.testing.assert_allclose(moved[3:, 0], coef[3:, 0] / (1 + 0.7 * np.array([2, 3])), rtol=1e-15)
    np.testing.assert_allclose(
        penalty.smooth_hessian(jnp.asarray(coef[:, :1]))[0], np.diag([0, 0, 0, 2, 3]), atol=1e-15
    )
    assert (penalty.smooth, penalty.separable, penalty.couples_responses) == (False, True, False)
    many = penalty_of({"a": "GroupLasso", "b": None}, None, DICT, (2,))
    np.testing.assert_allclose(
        many.value(coef), 3**0.5 * np.linalg.norm(coef[:3], axis=0), rtol=1e-14
    )
    scale = many.common_scale(jnp.array([1.0, 2.0, 4.0, 7.0, 8.0])[:, None])
    np.testing.assert_allclose(scale[:, 0], [2, 2, 2, 7, 8], rtol=1e-14)


def test_parts_of_nested_features():
    coef = RNG.normal(size=(5, 1))  # h, h, s.l, s.r, s.r
    expected = 0.5 * np.sum(coef[:2] ** 2) + 3 * abs(coef[2, 0]) + 4 * abs(coef[3:, 0]).sum()
    for parts, strengths in [
        ({"s": "Lasso", "h": "Ridge"}, {"s": {"l": 3.0, "r": 4.0}, "h": 1.0}),
        ({"s": {"l": "Lasso", "r": "Lasso"}, "h": "Ridge"}, {"s": {"l": 3.0, "r": 4.0}}),
        ({"s.l": "Lasso", "s.r": "Lasso", "h": "Ridge"}, {"s.l": 3.0, "s.r": 4.0, "h": None}),
    ]:
        penalty = penalty_of(parts, strengths, NESTED)
        np.testing.assert_allclose(penalty.value(coef), [expected], rtol=1e-14)


def test_parts_of_a_list_of_features():
    layout = FeatureLayout.of([np.zeros((4, 1)), np.zeros((4, 2))])
    penalty = penalty_of({0: "Lasso", 1: "UnRegularized"}, 2.0, layout)
    assert penalty.value(jnp.array([[3.0], [5.0], [7.0]]))[0] == 6.0


@pytest.mark.parametrize(
    ("parts", "layout", "match"),
    [
        ({"a": "Ridge"}, DICT, r"'b' belongs to none"),
        ({"a": "Ridge", "b": "Lasso", "c": "Ridge"}, DICT, r"\['c'\] name no features"),
        ({"s": "Ridge", "s.l": "Lasso", "h": None}, NESTED, r"'s.l' belongs to several"),
        ({"a": "Ridge"}, ARRAY, "features are a single array"),
        ({}, DICT, "at least one entry"),
        ({"a": "Rigde", "b": None}, DICT, "Unknown regularizer: Rigde"),
    ],
)
def test_impossible_parts_are_refused(parts, layout, match):
    with pytest.raises(ValueError, match=match):
        penalty_of(parts, None, layout)


def test_impossible_strengths_of_parts_are_refused():
    parts = {"a": "Ridge", "b": "Lasso"}
    with pytest.raises(ValueError, match=r"`regularizer_strength` has the key 'c'"):
        penalty_of(parts, {"c": 1.0}, DICT)
    with pytest.raises(ValueError, match=r"does not match parameter shape \(2,\)"):
        penalty_of(parts, {"b": [1.0, 1.0, 1.0]}, DICT)
    with pytest.raises(ValueError, match="must be finite and not negative"):
        penalty_of(parts, -1.0, DICT)
    with pytest.raises(TypeError, match="is not a `Regularizer`"):
        PerFeature({"a": 3.0})


def test_solvers_of_parts():
    assert PerFeature({"a": Ridge(), "b": UnRegularized()}).default_solver == "Newton"
    mixed = PerFeature({"a": Ridge(), "b": Lasso()})
    assert mixed.allowed_solvers == Lasso().allowed_solvers


# ------------------------------------------------------------- the regularizer as a user's object


def test_names():
    kinds = {"UnRegularized", "Ridge", "Lasso", "ElasticNet", "GroupLasso", "Prior"}
    for name in kinds:
        for path in ("", "nemos.regularizer.", "bayesglm.regularizer."):
            assert type(instantiate(path + name)).__name__ == name
    assert type(instantiate(None)) is UnRegularized
    ridge = Ridge()
    assert instantiate(ridge) is ridge
    for bad in ("Rdige", "", "ridge", "sklearn.Ridge"):
        with pytest.raises(ValueError, match="Unknown regularizer"):
            instantiate(bad)
    for bad in (3, Ridge, ["Ridge"], object()):
        with pytest.raises(TypeError, match="The regularizer should be either a string from"):
            instantiate(bad)


def test_solver_tables():
    smooth = {
        "Newton", "GradientDescent", "BFGS", "LBFGS", "NonlinearCG", "ProximalGradient", "SVRG",
        "ProxSVRG", "ProximalNewton",
    }  # fmt: skip
    kinked = {"ProximalNewton", "ProximalGradient", "ProxSVRG"}
    for regularizer, _ in ALL.values():
        is_smooth = isinstance(regularizer, (Ridge, UnRegularized))
        assert set(regularizer.allowed_solvers) == (smooth if is_smooth else kinked)
        assert regularizer.default_solver == ("Newton" if is_smooth else "ProximalNewton")
        regularizer.check_solver(regularizer.default_solver)
        regularizer.check_solver("ProximalGradient[optax]")
    with pytest.raises(
        ValueError, match=r"The solver: LBFGS is not allowed for Lasso regularization"
    ):
        Lasso().check_solver("LBFGS")


def test_allow_solver_is_of_one_kind_only():
    class Own(Regularizer):
        def resolve(self, strength, shape, scales):
            return Ridge().resolve(strength, shape, scales)

    Own.allow_solver("Mine")
    Own.allow_solver("Mine")
    assert Own().allowed_solvers == ("Mine",)
    assert "Mine" not in Ridge().allowed_solvers
    with pytest.raises(AttributeError):
        Own().allowed_solvers = ()
    assert penalty_of(Own(), 2.0).value(jnp.ones((3, 1)))[0] == 3.0


@each
def test_regularizers_survive_clone_copy_and_pickle(regularizer, strength):
    coef = RNG.normal(size=(3, 1))
    value = penalty_of(regularizer, strength).value(coef)
    for again in (
        clone(regularizer),
        copy.deepcopy(regularizer),
        pickle.loads(pickle.dumps(regularizer)),
        regularizer.with_params(**regularizer.get_params()),
    ):
        assert type(again) is type(regularizer)
        assert again is not regularizer
        assert penalty_of(again, strength).value(coef) == value
    penalty = pickle.loads(pickle.dumps(penalty_of(regularizer, strength)))
    assert penalty.value(coef) == value


def test_get_params_and_repr():
    assert Ridge().get_params() == {}
    assert list(GroupLasso(MASK).get_params()) == ["mask"]
    assert repr(Ridge()) == "Ridge()"
    assert repr(GroupLasso()) == "GroupLasso()"
    assert repr(GroupLasso(MASK)) == "GroupLasso(mask=array(2, 3))"
    assert GroupLasso(MASK).with_params(mask=None).mask is None
    assert Ridge() == Ridge()


# ----------------------------------------------- penalized_loss, prox operator, apply_operator


@each
def test_penalized_loss_leaves_the_intercept_alone(regularizer, strength):
    params = GLMParams(jnp.array([1.0, -2.0, 0.5]), jnp.array([3.0]))
    loss = lambda p, x: jnp.sum(p.coef * x) + p.intercept[0]
    penalised = regularizer.penalized_loss(loss, params, strength)
    expected = loss(params, 2.0) + penalty_of(regularizer, strength).value(params.coef[:, None])[0]
    np.testing.assert_allclose(penalised(params, 2.0), expected, rtol=1e-15)
    with_aux = regularizer.penalized_loss(lambda p, x: (loss(p, x), "aux"), params, strength)
    assert with_aux(params, 2.0) == (penalised(params, 2.0), "aux")
    for wrong in (lambda p: (1.0,), lambda p: (1.0, 2.0, 3.0)):
        with pytest.raises(ValueError, match="Invalid loss function return"):
            regularizer.penalized_loss(wrong, params, strength)(params)


@each
def test_proximal_operator_of_params(regularizer, strength):
    params = GLMParams(jnp.array([1.0, -2.0, 0.5]), jnp.array([3.0]))
    prox = regularizer.get_proximal_operator(params, strength)
    moved = jax.jit(lambda p: prox(p, None, 0.6))(params)
    expected = penalty_of(regularizer, strength).prox(params.coef[:, None], 0.6)[:, 0]
    np.testing.assert_allclose(moved.coef, expected, rtol=1e-15)
    assert moved.intercept[0] == 3.0
    one = prox(params, None)
    np.testing.assert_allclose(one.coef, prox(params, "ignored", scaling=1.0).coef)


def test_params_of_any_structure():
    params = (jnp.ones((3, 2)), {"b": jnp.ones(2), "c": jnp.array(2.0)})
    loss = Ridge().penalized_loss(lambda p: 0.0, params, 1.0)
    assert loss(params) == 0.5 * (6 + 2 + 4)
    halved = Ridge().get_proximal_operator(params, (1.0, {"b": np.array([0.0, 1.0]), "c": 3.0}))(
        params
    )
    assert halved[0].tolist() == [[0.5, 0.5]] * 3
    assert halved[1]["b"].tolist() == [1.0, 0.5]
    assert halved[1]["c"] == 0.5
    dicts = GLMParams({"a": jnp.ones((2, 2)), "b": jnp.ones((1, 2))}, jnp.zeros(2))
    group = GroupLasso().penalized_loss(lambda p: 0.0, dicts, 1.0)
    np.testing.assert_allclose(group(dicts), 2 * (np.sqrt(2) * np.sqrt(2) + 1.0), rtol=1e-15)


class TwoParts(eqx.Module):
    first: jax.Array
    second: jax.Array
    free: jax.Array

    def regularizable_subtrees(self):
        return [lambda p: p.first, lambda p: p.second]


def test_params_with_several_regularizable_parts():
    params = TwoParts(jnp.ones(2), jnp.ones(3), jnp.ones(4))
    zero = lambda p: 0.0
    assert Lasso().penalized_loss(zero, params, 2.0)(params) == 10.0
    assert Lasso().penalized_loss(zero, params, [1.0, [1.0, 0.0, 2.0]])(params) == 5.0
    with pytest.raises(ValueError, match="Expected 2 strength values"):
        Lasso().penalized_loss(zero, params, [1.0])
    moved = Lasso().get_proximal_operator(params, [1.0, 0.25])(params)
    assert moved.first.tolist() == [0.0] * 2
    assert moved.second.tolist() == [0.75] * 3
    assert moved.free.tolist() == [1.0] * 4


def test_apply_operator():
    params = TwoParts(jnp.ones(2), jnp.ones(3), jnp.ones(4))
    mask = TwoParts(jnp.zeros(2), jnp.ones(3), jnp.zeros(4))
    moved = apply_operator(
        lambda part, factor, mask, shift=0.0: part * mask * factor + shift,
        params, 3.0, filter_kwargs={"mask": mask}, shift=1.0,
    )  # fmt: skip
    assert (moved.first == 1.0).all()
    assert (moved.second == 4.0).all()
    assert (moved.free == 1.0).all()
    assert apply_operator(lambda part: -part, 2.0) == -2.0
