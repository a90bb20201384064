"""Save estimators to one file and load them: without pickle, checked, and all or nothing.

A file is an npz of plain numeric arrays and a JSON header; nothing in it is ever executed.
"""

from __future__ import annotations

import difflib
import inspect
import types
from collections.abc import Mapping
from importlib import import_module, metadata
from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from bayesglm._archive import write_archive
from bayesglm._archive_reader import Archive, check_names
from bayesglm._encoding import Decoder, Encoder, MissingObjectError
from bayesglm._parameters import given
from bayesglm._tree import FeatureLayout
from bayesglm._warnings import warn_user
from bayesglm.diagnostics import Diagnostics
from bayesglm.exceptions import ModelFileError
from bayesglm.label_encoder import LabelEncoder
from bayesglm.posterior import datatree

__all__ = ["inspect_npz", "load", "load_model", "save"]

FORMAT = "bayesglm model"
SCHEMA = 1
CLASSES = ("GLM", "PopulationGLM", "ClassifierGLM", "ClassifierPopulationGLM")
PACKAGES = ("bayesglm", "jax", "numpyro", "numpy")
HEADER_KEYS = ("format", "schema", "versions", "class", "params", "fitted", "arrays")
ARRAYS = ("_coef", "_intercept", "_scale", "_dof_resid", "_covariance")
PLAIN = (
    "n_iter_",
    "n_features_in_",
    "feature_names_in_",
    "_labels",
    "_response_names",
    "encoding_",
)
FITTED_KEYS = (*ARRAYS, *PLAIN, "layout", "encoder", "probe", "posterior", "diagnostics")
PROBE_ROWS = 5
PROBE_TOLERANCE = 1e-10  # relative, and absolute below 1
MAX_BYTES = 2**33


def save(model: Any, path: Any) -> None:
    """Write an estimator, fitted or not, to one file.

    Functions, and classes that are not of this package, are stored by name; give them to `load`.
    The state of the solver is not stored.

    Parameters
    ----------
    model
        A `GLM`, `PopulationGLM`, `ClassifierGLM` or `ClassifierPopulationGLM`.
    path
        Name of the file, used as it is. An old file is replaced once the new one is complete.

    Raises
    ------
    OSError
        If it cannot be written; an old file is then as it was.
    TypeError
        If the estimator is of another class, or was fitted on a container that is not a dict,
        list or tuple.

    Examples
    --------
    >>> import os, tempfile
    >>> import bayesglm
    >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
    >>> bayesglm.save(bayesglm.GLM("Gamma", regularizer="Ridge"), path)
    >>> bayesglm.load(path)
    GLM(observation_model='Gamma', regularizer='Ridge')
    """
    name = type(model).__name__
    if name not in CLASSES or _estimator_class(name) is not type(model):
        raise TypeError(
            f"Only {', '.join(CLASSES)} can be saved; got {type(model).__name__}. Save an "
            "estimator of one of these, or use pickle for a class of your own."
        )
    encoder = Encoder()
    encode = encoder.encode
    header = {
        "format": FORMAT,
        "schema": SCHEMA,
        "versions": {package: metadata.version(package) for package in PACKAGES},
        "class": name,
        "params": {key: encode(given(model, key), key) for key in model._get_param_names()},
        "fitted": {key: encode(value, key) for key, value in _fitted_state(model).items()},
    }
    write_archive(path, header, encoder.arrays)


def load(
    path: Any, custom_objects: Mapping[str, Any] | None = None, *, max_bytes: int = MAX_BYTES
) -> Any:
    """Read an estimator that `save` wrote.

    Parameters
    ----------
    path
        Name of the file.
    custom_objects
        What the file names but does not hold, such as a link function of your own, by its name or
        by the parameter it is for. A class is called with the parameters of its lost instance.
    max_bytes
        Larger files are refused before anything of them is read.

    Returns
    -------
    The estimator, as it was saved; ``solver_state_`` is None.

    Raises
    ------
    ModelFileError
        If the file is damaged, too large, no model file, from a later version of the format, or
        if it needs a custom object that is not given.
    OSError
        If there is no such file, or it cannot be read.

    Warns
    -----
    UserWarning
        If the model now predicts otherwise than when it was saved.

    Examples
    --------
    >>> import os, tempfile
    >>> import bayesglm, jax.numpy as jnp
    >>> def bump(eta):
    ...     return jnp.exp(eta) + 0.1
    >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
    >>> bayesglm.GLM(inverse_link_function=bump).save(path)
    >>> bayesglm.load(path, custom_objects={"bump": bump}).inverse_link_function(0.0)
    Array(1.1, ...)
    """
    return _load(path, custom_objects or {}, max_bytes)[0]


def load_model(path: Any, mapping_dict: Mapping[str, Any] | None = None) -> Any:
    """Read an estimator as in NeMoS: `load`, and replace functions or classes while at it.

    Parameters
    ----------
    path
        Name of the file.
    mapping_dict
        Functions or classes by parameter, nested ones joined by ``__``.

    Raises
    ------
    ModelFileError
        As in `load`.
    ValueError
        If a value is no callable, or a key is no parameter of the estimator.

    Warns
    -----
    UserWarning
        If something that the file does hold is replaced.

    Examples
    --------
    >>> import os, tempfile
    >>> import bayesglm
    >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
    >>> bayesglm.GLM("Poisson").save_params(path)
    >>> bayesglm.load_model(path)
    GLM()
    """
    mapping = dict(mapping_dict or {})
    wrong = [key for key, value in mapping.items() if not callable(value)]
    if wrong:
        raise ValueError(
            f"Invalid map parameter types detected: {wrong} are neither functions nor classes. "
            "Change other parameters with `set_params` after loading."
        )
    model, used = _load(path, mapping, MAX_BYTES)
    extra = {key: value for key, value in mapping.items() if key not in used}
    known = list(model.get_params(deep=True))
    for key in extra:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f" Did you mean {close[0]!r}?" if close else f" It must be one of {known}."
            raise ValueError(f"`mapping_dict` has {key!r}, which is no parameter.{hint}")
    if extra:
        for key, value in extra.items():
            strength = {"regularizer_strength": given(model, "regularizer_strength")}
            model.set_params(**{key: value() if isinstance(value, type) else value}, **strength)
        warn_user(f"The following keys have been replaced: {sorted(extra)}.", UserWarning)
    return model


def inspect_npz(path: Any) -> None:
    """Print what a model file holds: versions, parameters and arrays.

    Parameters
    ----------
    path
        Name of the file.

    Raises
    ------
    ModelFileError
        If the file is damaged or no model file.

    Examples
    --------
    >>> import os, tempfile
    >>> import bayesglm
    >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
    >>> bayesglm.GLM("Gamma").save(path)
    >>> bayesglm.inspect_npz(path)
    bayesglm model, schema 1: GLM
    ...
    observation_model: Gamma
    ...
    """
    archive = Archive(path, MAX_BYTES)
    header = _checked_header(archive)
    print(f"{FORMAT}, schema {header['schema']}: {header['class']}")
    print("saved with", ", ".join(f"{key} {value}" for key, value in header["versions"].items()))
    print("\nParameters")
    for key, value in header["params"].items():
        print(f"{key}: {_shown(value)}")
    print("\nFitted")
    for key, value in header["fitted"].items():
        if isinstance(value, dict) and value.get("member") in header["arrays"]:
            entry = header["arrays"][value["member"]]
            print(f"{key}: {np.dtype(entry['dtype'])} of shape {tuple(entry['shape'])}")
        elif value is not None:
            print(f"{key}: {_shown(value)}")


def _shown(value: Any) -> str:
    """Readable form of a piece of JSON."""
    if not isinstance(value, dict):
        return str(value)
    name = value.get("class") or value.get("name") or value.get("value") or value["kind"]
    inner = [f"{key}={_shown(item)}" for key, item in value.get("params", {}).items()]
    inner += [_shown(item) for item in value.get("items", []) if not isinstance(item, list)]
    inner += [f"{i[0]}={_shown(i[1])}" for i in value.get("items", []) if isinstance(i, list)]
    return f"{name}({', '.join(inner)})" if inner else str(name)


def _estimator_class(name: str) -> type:
    return getattr(import_module("bayesglm.glm"), name)


def _fitted_state(model: Any) -> dict[str, Any]:
    """Everything that `fit` found and that is kept, as plain values."""
    state: dict[str, Any] = {key: vars(model).get(key) for key in (*ARRAYS, *PLAIN)}
    for key in ARRAYS:
        state[key] = None if state[key] is None else np.asarray(state[key])
    layout, labels = model._layout, getattr(model, "_encoder", None)
    state["layout"] = None if layout is None else _describe_layout(layout)
    state["encoder"] = None if labels is None else [labels.n_classes, labels.classes_]
    state["probe"] = _probe(model, _probe_features(model)) if _can_predict(model) else None
    state["posterior"] = None if model.posterior_ is None else datatree.describe(model.posterior_)
    state["diagnostics"] = None if model.diagnostics_ is None else vars(model.diagnostics_)
    return state


def _describe_layout(layout: FeatureLayout) -> dict[str, Any]:
    """Structure of the features, with the index of each leaf in its place."""
    tree = layout.treedef.unflatten(range(len(layout.widths)))
    if not _is_plain(tree):
        raise TypeError(
            "The model was fitted on features in a container that is not a dict, list or tuple: "
            f"{layout.treedef}. Fit it on one of these to save it."
        )
    return {"tree": tree, "widths": list(layout.widths), "paths": list(layout.paths)}


def _is_plain(tree: Any) -> bool:
    if type(tree) is dict:
        keys = all(type(key) in (str, int, float, bool) for key in tree)
        return keys and all(map(_is_plain, tree.values()))
    return (
        type(tree) is int
        or tree is None
        or (type(tree) in (list, tuple) and all(map(_is_plain, tree)))
    )


def _layout_of(described: Mapping[str, Any]) -> FeatureLayout:
    leaves, treedef = jtu.tree_flatten(described["tree"])
    if leaves != list(range(len(described["widths"]))):
        raise ValueError("the structure of the features does not match their widths")
    return FeatureLayout(treedef, tuple(described["widths"]), tuple(described["paths"]))


def _can_predict(model: Any) -> bool:
    return model.__sklearn_is_fitted__() and getattr(model, "classes_", ()) is not None


def _probe_features(model: Any) -> np.ndarray:
    shape = (PROBE_ROWS, model._layout.num_features)
    return np.random.default_rng(0).standard_normal(shape)


def _probe(model: Any, features: np.ndarray) -> list[np.ndarray]:
    """Features, linear predictors and means of a few rows."""
    with jax.enable_x64(True):
        eta = model._eta(types.SimpleNamespace(array=features), None)
        mean = np.asarray(model.inverse_link_function(jnp.asarray(eta)))
    return [features, eta, mean]


def _checked_header(archive: Archive) -> Mapping[str, Any]:
    """Raise ModelFileError unless this version can read the file."""
    header, path = archive.header, archive.path
    if header.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} is no model file of bayesglm: its format is {header.get('format')!r}, not "
            f"{FORMAT!r}. Load it with the program that wrote it."
        )
    if header.get("schema") != SCHEMA:
        raise ModelFileError(
            f"{path} has schema {header.get('schema')!r}, written by {header.get('versions')}; "
            f"this is bayesglm {metadata.version('bayesglm')}, which reads schema {SCHEMA}. "
            "Install the version that wrote it."
        )
    if header.get("class") not in CLASSES:
        raise ModelFileError(
            f"{path} holds a {header.get('class')!r}; only {', '.join(CLASSES)} can be loaded."
        )
    archive.guarded(lambda: check_names(header, HEADER_KEYS, "keys of the header"))
    archive.guarded(lambda: check_names(header["fitted"], FITTED_KEYS, "fitted attributes"))
    return header


def _load(path: Any, custom_objects: Mapping[str, Any], max_bytes: int) -> tuple[Any, set[str]]:
    """Return the estimator, and the keys of ``custom_objects`` that it needed."""
    archive = Archive(path, max_bytes)
    header = _checked_header(archive)
    decoder = Decoder(archive.arrays(), custom_objects)
    try:
        model = _rebuild(header, decoder)
    except MissingObjectError as error:
        name, where = error.args
        raise ModelFileError(
            f"{path} needs {name!r} for `{where}`: it is not a native bayesglm class or function, "
            f"and is stored by name only. Pass it as `custom_objects={{{name!r}: ...}}` to `load`, "
            f"or as `mapping_dict={{{where!r}: ...}}` to `load_model`."
        ) from None
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ModelFileError(
            f"{path} holds no model that this version can build: {error}. It was written by "
            f"{header['versions']}; install these versions, or fit and save the model again."
        ) from error
    return model, decoder.used


def _rebuild(header: Mapping[str, Any], decoder: Decoder) -> Any:
    """Estimator described by a header."""
    cls = _estimator_class(header["class"])
    check_names(header["params"], list(inspect.signature(cls).parameters), "parameters")
    model = cls(**{key: decoder.decode(value) for key, value in header["params"].items()})
    fitted = {key: decoder.decode(value) for key, value in header["fitted"].items()}
    for key in (*ARRAYS, *PLAIN):
        if fitted[key] is not None:
            setattr(model, key, fitted[key])
    if fitted["layout"] is not None:
        model._layout = _layout_of(fitted["layout"])
    if fitted["encoder"] is not None:
        count, classes = fitted["encoder"]
        model._encoder = LabelEncoder(count)
        model._encoder.classes_ = classes
    if fitted["posterior"] is not None:
        model.posterior_ = datatree.rebuild(fitted["posterior"])
    if fitted["diagnostics"] is not None:
        model.diagnostics_ = Diagnostics(**fitted["diagnostics"])
    if fitted["probe"] is not None:
        _check_probe(model, fitted["probe"], header["versions"])
    return model


def _check_probe(model: Any, stored: list[np.ndarray], versions: Any) -> None:
    """Warn if the model predicts otherwise than when it was saved."""
    now = _probe(model, stored[0])
    tolerance = {"rtol": PROBE_TOLERANCE, "atol": PROBE_TOLERANCE, "equal_nan": True}
    same = [np.allclose(a, b, **tolerance) for a, b in zip(now[1:], stored[1:], strict=True)]
    if not all(same):
        what = "means" if same[0] else "linear predictors"
        warn_user(
            f"The loaded model's {what} at {PROBE_ROWS} stored rows differ from those when it was "
            f"saved, by more than {PROBE_TOLERANCE:g}. It was saved with {versions}; a custom "
            "object may not be the one it was fitted with. Do not trust it before you know why.",
            UserWarning,
        )
