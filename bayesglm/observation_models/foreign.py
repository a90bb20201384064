"""Observation models written for NeMoS, on the scale of the mean."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from typing_extensions import override

from bayesglm import links
from bayesglm.observation_models.base import Observations

_SCALAR = ("_negative_log_likelihood", "pseudo_r2", "log_likelihood", "likelihood")
_ARRAY = ("deviance", "estimate_scale", "default_inverse_link_function", "sample_generator")


class ForeignObservations(Observations):
    """Adapter of an object with NeMoS's interface, which works on means.

    Parameters
    ----------
    model
        The object; `check_observation_model` says what it must have. Its
        ``_negative_log_likelihood`` and ``log_likelihood`` must accept
        ``aggregate_sample_scores``.

    Examples
    --------
    Any object with the interface will do; here it is one of this package.

    >>> import numpy as np
    >>> from bayesglm.observation_models import ForeignObservations, PoissonObservations
    >>> model = ForeignObservations(PoissonObservations())
    >>> np.asarray(model.unit_deviance(np.array([2.0]), np.array([2.0]), 1.0))
    array([0.]...)
    """

    model: Any = eqx.field(static=True)

    scale_estimator = "moments"

    @property
    @override
    def default_inverse_link_function(self):
        return links.resolve(self.model.default_inverse_link_function)

    @override
    def log_density(self, y, eta, link, scale):
        each = {"aggregate_sample_scores": lambda x: x}
        return self.model.log_likelihood(y, link(eta), scale=scale, **each)

    @override
    def kernel(self, y, eta, link, scale):
        return self.model._negative_log_likelihood(y, link(eta), lambda x: x)

    @override
    def unit_deviance(self, y, mean, scale):
        return self.model.deviance(y, mean, scale)

    @override
    def sample(self, key, mean, scale):
        return self.model.sample_generator(key, mean, scale)

    @override
    def estimate_scale(self, y, predicted_rate, dof_resid):
        return jnp.atleast_1d(self.model.estimate_scale(y, predicted_rate, dof_resid))

    @override
    def get_params(self, deep=True):
        return {"model": self.model}


def check_observation_model(observation_model: Any, force_checks: bool = False) -> None:
    """Raise unless an object has the interface of an observation model.

    Parameters
    ----------
    observation_model
        Any object; an `Observations` passes unless ``force_checks``.
    force_checks
        Whether to check native models too.

    Raises
    ------
    AttributeError
        If an attribute is missing.
    TypeError
        If one is not callable, or returns no JAX array or no scalar where one is needed.
    ValueError
        If the sampler does not keep the shape of its input.

    Examples
    --------
    >>> from bayesglm.observation_models import PoissonObservations, check_observation_model
    >>> check_observation_model(PoissonObservations(), force_checks=True)
    >>> check_observation_model("Poisson")
    Traceback (most recent call last):
    ...
    AttributeError: The provided object does not have the required `_negative_log_likelihood` ...
    """
    if isinstance(observation_model, Observations) and not force_checks:
        return
    half, ones = jnp.full(3, 0.5), jnp.ones(3)
    inputs = {name: (half, ones) for name in _SCALAR}
    inputs["deviance"] = (half, ones)
    inputs["estimate_scale"] = (half, ones, 1)
    inputs["default_inverse_link_function"] = (ones,)
    inputs["sample_generator"] = (jax.random.key(123), half, 1)
    for name in (*_SCALAR, *_ARRAY):
        out = _call(observation_model, name, inputs[name])
        if name in _SCALAR and out.ndim:
            raise TypeError(f"`{name}` should return a scalar; got shape {out.shape}.")
        if name == "sample_generator" and out.shape != half.shape:
            raise ValueError(f"`{name}` should keep shape {half.shape}; got {out.shape}.")


def _call(model: Any, name: str, inputs: tuple) -> jax.Array:
    """Value of a required method, checked to be a JAX array."""
    if not hasattr(model, name):
        raise AttributeError(
            f"The provided object does not have the required `{name}` attribute! "
            f"Got {type(model).__name__}."
        )
    method = getattr(model, name)
    if not callable(method):
        raise TypeError(f"The `{name}` attribute must be a Callable; got {method!r}.")
    out = method(*inputs)
    if not isinstance(out, jax.Array):
        raise TypeError(f"`{name}` must return a jax.numpy.ndarray; got {type(out).__name__}.")
    return out
