"""Constructor parameters as JSON and arrays, and back, without pickle and without code.

JSON numbers, strings, booleans and None stand for themselves; everything else is an object with
a ``kind``. What is not of this package, NumPy or NumPyro is stored by name only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayesglm import links
from bayesglm._archive import KINDS
from bayesglm.observation_models.foreign import ForeignObservations
from bayesglm.observation_models.registry import FAMILIES
from bayesglm.regularizer import REGULARIZERS, SHRINKAGE, PerFeature
from bayesglm.regularizer._distributions import is_distribution

_FAMILIES = {cls.__name__: cls for cls in FAMILIES.values()}
_REGULARIZERS = {**REGULARIZERS, **SHRINKAGE, "PerFeature": PerFeature}


class Encoder:
    """Turns values into JSON; arrays are put aside in ``arrays``, and named.

    Examples
    --------
    >>> encoder = Encoder()
    >>> encoder.encode((1.5, None), "x")
    {'kind': 'tuple', 'items': [1.5, None]}
    >>> encoder.encode(np.eye(2), "mask"), list(encoder.arrays)
    ({'kind': 'array', 'member': 'array0', 'jax': False}, ['array0'])
    """

    def __init__(self):
        self.arrays: dict[str, np.ndarray] = {}

    def encode(self, value: Any, where: str) -> Any:
        """JSON of a value, which is at ``where``: keys joined by ``__``, as in ``set_params``."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            finite = np.isfinite(value)
            return value if finite else {"kind": "float", "value": repr(value)}
        if type(value) in (list, tuple):
            items = [self.encode(item, where) for item in value]
            return {"kind": type(value).__name__, "items": items}
        if type(value) is dict:
            return self._pairs(value, where)
        if isinstance(value, (np.ndarray, np.generic, jax.Array)):
            return self._array(value, where)
        return self._object(value, where)

    def _pairs(self, value: Mapping, where: str) -> Any:
        pairs = [
            [self.encode(key, where), self.encode(item, f"{where}__{key}")]
            for key, item in value.items()
        ]
        return {"kind": "dict", "items": pairs}

    def _array(self, value: Any, where: str) -> Any:
        array = np.asarray(value)
        if array.dtype.kind == "O" or array.dtype.kind not in KINDS:
            items = [self.encode(item, where) for item in array.ravel().tolist()]
            return {"kind": "objects", "shape": list(array.shape), "items": items}
        member = f"array{len(self.arrays)}"
        self.arrays[member] = array
        kind = "scalar" if isinstance(value, np.generic) else "array"
        return {"kind": kind, "member": member, "jax": isinstance(value, jax.Array)}

    def _object(self, value: Any, where: str) -> Any:
        link = _native_link(value)
        if link is not None:
            return {"kind": "link", "name": link.label}
        if type(value) is links.Custom:
            return {"kind": "custom_link", "function": self.encode(value.function, where)}
        if type(value) is ForeignObservations:
            return {"kind": "foreign", "model": self.encode(value.model, where)}
        for kind, classes in (("observations", _FAMILIES), ("regularizer", _REGULARIZERS)):
            if classes.get(type(value).__name__) is type(value):
                return self._named(kind, value, value.get_params(), where)
        params = distribution_params(value)
        if params is not None:
            return self._named("distribution", value, params, where)
        return self._custom(value, where)

    def _named(self, kind: str, value: Any, params: Mapping, where: str) -> Any:
        encoded = {key: self.encode(item, f"{where}__{key}") for key, item in params.items()}
        return {"kind": kind, "class": type(value).__name__, "params": encoded}

    def _custom(self, value: Any, where: str) -> Any:
        instance = not isinstance(value, type) and not hasattr(value, "__name__")
        params = value.get_params() if instance and hasattr(value, "get_params") else {}
        name = getattr(value, "__name__", type(value).__name__)
        encoded = {key: self.encode(item, f"{where}__{key}") for key, item in params.items()}
        known = {"name": str(name), "where": where, "instance": instance}
        return {"kind": "custom", **known, "params": encoded}


class Decoder:
    """Turns the JSON of `Encoder` back into values.

    Parameters
    ----------
    arrays
        Those that the encoder put aside.
    custom_objects
        What was stored by name, by that name or by its place. A class in place of an instance is
        called with the stored parameters.

    Examples
    --------
    >>> Decoder({}, {}).decode({"kind": "link", "name": "exp"})
    Exp()
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], custom_objects: Mapping[str, Any]):
        self.arrays, self.custom_objects = arrays, custom_objects
        self.used: set[str] = set()

    def decode(self, spec: Any) -> Any:
        """Value of a piece of JSON.

        Raises
        ------
        LookupError
            If something stored by name has not been given.
        """
        if not isinstance(spec, dict):
            return spec
        return _DECODERS[spec["kind"]](self, spec)

    def params(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Values of the parameters of a named class."""
        return {key: self.decode(item) for key, item in spec["params"].items()}

    def _items(self, spec: Any) -> list:
        return [self.decode(item) for item in spec["items"]]

    def _array(self, spec: Any) -> Any:
        array = self.arrays[spec["member"]]
        with jax.enable_x64(True):
            return jnp.asarray(array) if spec["jax"] else array

    def _objects(self, spec: Any) -> np.ndarray:
        items = self._items(spec)
        array = np.empty(len(items), object)
        array[:] = items
        return array.reshape(spec["shape"])

    def _named(self, spec: Any, classes: Callable[[], Mapping[str, type]]) -> Any:
        cls = classes()[spec["class"]]
        with jax.enable_x64(True):
            return cls(**self.params(spec))

    def _custom(self, spec: Any) -> Any:
        for key in (spec["where"], spec["name"]):
            if key in self.custom_objects:
                self.used.add(key)
                given = self.custom_objects[key]
                build = isinstance(given, type) and spec["instance"]
                return given(**self.params(spec)) if build else given
        raise MissingObjectError(spec["name"], spec["where"])


class MissingObjectError(LookupError):
    """Something that is stored by name only was not given back."""


_DECODERS: dict[str, Callable[[Decoder, Any], Any]] = {
    "float": lambda decoder, spec: float(spec["value"]),
    "list": Decoder._items,
    "tuple": lambda decoder, spec: tuple(decoder._items(spec)),
    "dict": lambda decoder, spec: {
        decoder.decode(key): decoder.decode(item) for key, item in spec["items"]
    },
    "array": Decoder._array,
    "scalar": lambda decoder, spec: decoder._array(spec)[()],
    "objects": Decoder._objects,
    "link": lambda decoder, spec: links.resolve(spec["name"]),
    "custom_link": lambda decoder, spec: links.Custom(decoder.decode(spec["function"])),
    "foreign": lambda decoder, spec: ForeignObservations(decoder.decode(spec["model"])),
    "observations": partial(Decoder._named, classes=lambda: _FAMILIES),
    "regularizer": partial(Decoder._named, classes=lambda: _REGULARIZERS),
    "distribution": partial(Decoder._named, classes=lambda: distribution_classes()),
    "custom": Decoder._custom,
}


def distribution_classes() -> dict[str, type]:
    """NumPyro's distributions by name."""
    from numpyro import distributions

    return {
        name: value
        for name, value in vars(distributions).items()
        if isinstance(value, type) and issubclass(value, distributions.Distribution)
    }


def distribution_params(value: Any) -> dict[str, Any] | None:
    """Constructor's parameters of one of NumPyro's own distributions; None for all else."""
    if not is_distribution(value):
        return None
    if distribution_classes().get(type(value).__name__) is not type(value):
        return None
    held, found = vars(value), {}
    for name, parameter in inspect.signature(type(value)).parameters.items():
        stored = next((key for key in (name, f"_{name}") if key in held), None)
        if name == "validate_args" or (name in _REDUNDANT and "scale_tril" in held):
            continue
        if stored is not None:
            found[name] = held[stored]
        elif parameter.default is parameter.empty or name in value.arg_constraints:
            return None
    return found


_REDUNDANT = ("covariance_matrix", "precision_matrix")  # given a ``scale_tril``


def _native_link(value: Any) -> links.InverseLink | None:
    """Return the link that ``value`` is, or the one whose function of JAX it is."""
    known = isinstance(value, links.InverseLink)
    of_jax = callable(value) and (getattr(value, "__module__", None) or "").startswith("jax")
    if not known and not of_jax:
        return None
    try:
        link = links.resolve(value)
    except (TypeError, ValueError):
        return None
    return link if type(link).__module__ == "bayesglm._inverse_links" else None
