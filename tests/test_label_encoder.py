import copy
import pickle

import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from bayesglm.label_encoder import LabelEncoder, UnrecognizedLabelError

LABELS = {
    "default": np.array([0, 1, 2]),
    "shifted": np.array([3, 5, -1]),
    "float": np.array([0.0, 2.0, 1.0]),
    "str": np.array(["b", "a", "cc"]),
    "object": np.array(["b", "a", "cc"], dtype=object),
    "bytes": np.array([b"x", b"y", b"z"]),
    "uint8": np.array([7, 9, 8], dtype=np.uint8),
}


def fitted(labels):
    encoder = LabelEncoder(len(np.unique(labels)))
    encoder.set_classes(labels)
    return encoder


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_decode_undoes_encode(labels):
    encoder = fitted(labels)
    y = np.tile(labels, 4).reshape(2, -1)
    indices = encoder.encode(y)
    np.testing.assert_array_equal(np.asarray(encoder.classes_)[indices], y)
    assert indices.dtype == np.intp
    assert indices.shape == y.shape
    decoded = encoder.decode(indices)
    np.testing.assert_array_equal(decoded, y)
    assert decoded.dtype == labels.dtype


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(-50, 50), min_size=2, max_size=8), st.data())
def test_encode_agrees_with_numpy_unique(classes, data):
    encoder = fitted(np.array(sorted(classes, key=hash)))
    y = np.array(data.draw(st.lists(st.sampled_from(sorted(classes)), max_size=20)), dtype=int)
    np.testing.assert_array_equal(encoder.encode(y), np.searchsorted(sorted(classes), y))
    np.testing.assert_array_equal(encoder.encode(y, safe=False), encoder.encode(y))


@pytest.mark.parametrize("base", [ValueError, KeyError])
@pytest.mark.parametrize(
    ("labels", "y"),
    [
        (LABELS["default"], [0, 3]),
        (LABELS["default"], [0.5]),
        (LABELS["default"], [-1]),
        (LABELS["default"], ["0"]),
        (LABELS["str"], [1, 2]),
        (LABELS["str"], ["a", "z"]),
        (LABELS["shifted"], jnp.array([4])),
        (LABELS["float"], [np.nan, 1.0]),
    ],
)
def test_unknown_label_is_named(labels, y, base):
    with pytest.raises(base, match=r"Unrecognized label\(s\) \[.*\]\. Valid labels are \["):
        fitted(labels).encode(y)


def test_error_names_only_the_unknown_labels():
    with pytest.raises(UnrecognizedLabelError, match=r"label\(s\) \['x', 'z'\]\. Valid") as info:
        fitted(LABELS["str"]).encode(["z", "a", "x", "z"])
    assert not str(info.value).startswith(("'", '"'))


def test_integer_valued_floats_are_default_labels():
    np.testing.assert_array_equal(fitted(LABELS["default"]).encode([2.0, 0.0]), [2, 0])


def test_jax_labels_give_numpy_classes():
    encoder = fitted(jnp.array([4, 2]))
    assert isinstance(encoder.classes_, np.ndarray)
    np.testing.assert_array_equal(encoder.encode(jnp.array([2, 4, 4])), [0, 1, 1])
    np.testing.assert_array_equal(encoder.decode(jnp.array([1, 0])), [4, 2])


@pytest.mark.parametrize("nan_labels", [[1.0, np.nan, 2.0], np.array(["a", np.nan, "b"], object)])
def test_nan_is_a_missing_label(nan_labels):
    encoder = LabelEncoder(2)
    encoder.set_classes(nan_labels)
    assert len(encoder.classes_) == 2


@pytest.mark.parametrize(
    ("n_classes", "message"),
    [(2, "Found 3 unique class labels in array, but n_classes=2"), (4, "Found only 3 unique")],
)
def test_wrong_number_of_labels(n_classes, message):
    encoder = LabelEncoder(n_classes)
    with pytest.raises(ValueError, match=message):
        encoder.set_classes([0, 1, 2])
    assert encoder.classes_ is None


@pytest.mark.parametrize("value", [2, 2.0, np.int64(2), np.array(2), np.array([2]), jnp.array(2)])
def test_integer_valued_numbers_are_counts_of_classes(value):
    encoder = LabelEncoder(value)
    assert encoder.n_classes == 2
    assert type(encoder.n_classes) is int


@pytest.mark.parametrize("value", [1, 0, -3, 2.5, "2", None, np.nan, np.inf, [2], np.arange(2)])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match="The number of classes must be an integer"):
        LabelEncoder(value)
    encoder = LabelEncoder(2)
    with pytest.raises(ValueError, match="The number of classes must be an integer"):
        encoder.n_classes = value
    assert encoder.n_classes == 2


def test_setting_n_classes_forgets_the_labels():
    encoder = fitted(LABELS["str"])
    encoder.n_classes = 3
    assert encoder.classes_ is None
    for method in (encoder.encode, encoder.decode):
        with pytest.raises(RuntimeError, match=f"before calling ``{method.__name__}``"):
            method([0])


def test_check_classes_is_set():
    with pytest.raises(RuntimeError, match="Must call ``set_classes`` before calling ``score``"):
        LabelEncoder(2).check_classes_is_set("score")
    fitted(LABELS["str"]).check_classes_is_set("score")


def test_equality():
    assert LabelEncoder(2) == LabelEncoder(2)
    assert LabelEncoder(2) != LabelEncoder(3)
    assert LabelEncoder(3) != fitted(LABELS["str"])
    assert fitted(LABELS["str"]) == fitted(LABELS["str"][::-1])
    assert fitted(LABELS["str"]) != fitted(LABELS["default"])
    assert fitted([0, 1]) != fitted([0, 1, 2])
    assert LabelEncoder(2) != "LabelEncoder"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_are_equal(copied):
    encoder = fitted(LABELS["str"])
    assert copied(encoder) == encoder
    assert repr(copied(encoder)) == "LabelEncoder(n_classes=3, classes=['a', 'b', 'cc'])"
