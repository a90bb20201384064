"""Inverse link functions: from the linear predictor to the mean, by name or by function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy import special

from bayesglm._inverse_link_base import Custom, InverseLink
from bayesglm._inverse_links import (
    Cloglog,
    Exp,
    Identity,
    InverseSquared,
    Logistic,
    LogSoftmax,
    NormCDF,
    OneOverX,
    Softplus,
    Square,
)

__all__ = [
    "Cloglog",
    "Custom",
    "Exp",
    "Identity",
    "InverseLink",
    "InverseSquared",
    "LogSoftmax",
    "Logistic",
    "NormCDF",
    "OneOverX",
    "Softplus",
    "Square",
    "cloglog",
    "exp",
    "identity",
    "inverse_squared",
    "log_softmax",
    "logistic",
    "norm_cdf",
    "one_over_x",
    "resolve",
    "softplus",
    "square",
]

exp = Exp()
logistic = Logistic()
softplus = Softplus()
norm_cdf = NormCDF()
cloglog = Cloglog()
identity = Identity()
one_over_x = OneOverX()
inverse_squared = InverseSquared()
square = Square()
log_softmax = LogSoftmax()

_NATIVE = {
    link.label: link
    for link in (
        exp,
        logistic,
        softplus,
        norm_cdf,
        cloglog,
        identity,
        one_over_x,
        inverse_squared,
        square,
        log_softmax,
    )
}
_SYNONYMS = {
    "expit": logistic,
    "sigmoid": logistic,
    "norm.cdf": norm_cdf,
    "log": exp,
    "logit": logistic,
    "probit": norm_cdf,
    "inverse": one_over_x,
    "inverse-squared": inverse_squared,
    "sqrt": square,
}
_JAX_PATHS = {
    "numpy.exp": exp,
    "numpy.ufuncs.exp": exp,
    "lax.logistic": logistic,
    "lax.lax.logistic": logistic,
    "scipy.special.expit": logistic,
    "scipy.special.logistic": logistic,
    "nn.sigmoid": logistic,
    "nn.functions.sigmoid": logistic,
    "nn.softplus": softplus,
    "nn.functions.softplus": softplus,
    "scipy.stats.norm.cdf": norm_cdf,
    "scipy.special.ndtr": norm_cdf,
    "nn.log_softmax": log_softmax,
    "nn.functions.log_softmax": log_softmax,
}
_MODULES = ("links", "inverse_link_function_utils", "utils")


def _names() -> dict[str, InverseLink]:
    """Every spelling that `resolve` accepts."""
    short = _NATIVE | _SYNONYMS
    dotted = {
        f"{package}.{module}.{name}": link
        for package in ("bayesglm", "nemos")
        for module in _MODULES
        for name, link in short.items()
    }
    paths = {f"{root}.{p}": k for root in ("jax", "jax._src") for p, k in _JAX_PATHS.items()}
    return short | dotted | paths


def _functions() -> tuple[tuple[Callable, InverseLink], ...]:
    """JAX's own functions that have an exact class here."""
    return (
        (jnp.exp, exp),
        (jax.nn.softplus, softplus),
        (jax.nn.sigmoid, logistic),
        (jax.lax.logistic, logistic),
        (special.expit, logistic),
        (special.ndtr, norm_cdf),
        (jax.scipy.stats.norm.cdf, norm_cdf),
        (jax.nn.log_softmax, log_softmax),
    )


def resolve(spec: Any) -> InverseLink:
    """Return the inverse link meant by a name, a function, or an `InverseLink`.

    Parameters
    ----------
    spec
        An `InverseLink`; a name (of the inverse link, ``"exp"``, of the link, ``"log"``, or a
        dotted path, ``"jax.numpy.exp"``); or a callable. JAX's own functions are recognised
        and replaced by the exact class; any other callable becomes a `Custom`.

    Raises
    ------
    ValueError
        For an unknown name, or a function that returns no array or has no derivative.
    TypeError
        If ``spec`` is neither a string nor a callable.

    Examples
    --------
    >>> import jax
    >>> from bayesglm.links import resolve
    >>> resolve("log").__name__, resolve(jax.nn.softplus).__name__
    ('exp', 'softplus')
    >>> resolve(lambda eta: eta**2 + 1.0)
    Custom(function=<function <lambda>>)
    """
    if isinstance(spec, InverseLink):
        return spec
    if isinstance(spec, str):
        return _from_name(spec)
    if not callable(spec):
        raise TypeError(
            "The `inverse_link_function` function must be a Callable! "
            f"Got {spec!r} of type {type(spec).__name__}."
        )
    return _from_function(spec)


def _from_name(name: str) -> InverseLink:
    names = _names()
    if name in names:
        return names[name]
    short = ", ".join(sorted(_NATIVE | _SYNONYMS))
    raise ValueError(
        f"Unknown link function: {name!r}. It must be one of {short}, or a dotted path such as "
        "'jax.numpy.exp'. Pass a custom link function as a callable."
    )


def _from_function(function: Callable) -> InverseLink:
    for candidate in (function, getattr(function, "__wrapped__", None)):
        for known, link in _functions():
            if candidate is known:
                return link
    path = f"{getattr(function, '__module__', '')}.{getattr(function, '__name__', '')}"
    if path in _names():
        return _names()[path]
    _check(function)
    return Custom(function)


def _check(function: Callable) -> None:
    """Raise unless ``function`` maps arrays to arrays and can be differentiated."""
    out = function(jnp.array([1.0, 2.0, 3.0]))
    if not isinstance(out, jax.Array):
        raise ValueError(
            "The `inverse_link_function` must return a jax.numpy.ndarray! "
            f"Got {type(out).__name__} for a 1-D array."
        )
    out = function(1.0)
    if not isinstance(out, jax.Array | float | int):
        raise ValueError(
            "The `inverse_link_function` must handle scalar inputs correctly and return a scalar "
            f"or a jax.numpy.ndarray! Got {type(out).__name__} for 1.0."
        )
    try:
        jax.grad(function)(1.0)
    except Exception as error:
        raise ValueError(
            f"The `inverse_link_function` function cannot be differentiated. Error: {error}"
        ) from error
