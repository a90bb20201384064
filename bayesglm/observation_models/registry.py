"""Observation models by name."""

from __future__ import annotations

from functools import cache
from typing import Any

from bayesglm.observation_models.base import Observations
from bayesglm.observation_models.bernoulli import BernoulliObservations
from bayesglm.observation_models.beta import BetaObservations
from bayesglm.observation_models.binomial import BinomialObservations
from bayesglm.observation_models.categorical import CategoricalObservations
from bayesglm.observation_models.foreign import ForeignObservations, check_observation_model
from bayesglm.observation_models.gamma import GammaObservations
from bayesglm.observation_models.gaussian import GaussianObservations
from bayesglm.observation_models.inverse_gaussian import InverseGaussianObservations
from bayesglm.observation_models.negative_binomial import NegativeBinomialObservations
from bayesglm.observation_models.poisson import PoissonObservations
from bayesglm.observation_models.student_t import StudentTObservations
from bayesglm.observation_models.tweedie import TweedieObservations

FAMILIES: dict[str, type[Observations]] = {
    family.__name__.removesuffix("Observations"): family
    for family in (
        PoissonObservations,
        GammaObservations,
        GaussianObservations,
        BernoulliObservations,
        NegativeBinomialObservations,
        CategoricalObservations,
        BinomialObservations,
        InverseGaussianObservations,
        StudentTObservations,
        BetaObservations,
        TweedieObservations,
    )
}


@cache
def _default(name: str) -> Observations:
    """Observation model of a name, made once: it cannot be changed."""
    return FAMILIES[name]()


def resolve(spec: Any) -> Observations:
    """Return the observation model meant by a name or an object.

    Parameters
    ----------
    spec
        An `Observations`; a name, with or without "Observations", also at the end of a dotted
        path; or an object with NeMoS's interface, which is adapted.

    Raises
    ------
    ValueError
        For an unknown name.
    AttributeError, TypeError
        If an object lacks part of the interface.

    Examples
    --------
    >>> from bayesglm.observation_models import resolve
    >>> resolve("Poisson"), resolve("nemos.observation_models.GammaObservations")
    (PoissonObservations(), GammaObservations())
    """
    if isinstance(spec, Observations):
        return spec
    if isinstance(spec, str):
        name = spec.rsplit(".", 1)[-1].removesuffix("Observations")
        if name in FAMILIES:
            return _default(name)
        raise ValueError(
            f"Unknown observation model: {spec!r}. It must be one of {', '.join(FAMILIES)}."
        )
    name = type(spec).__name__.removesuffix("Observations")
    if type(spec).__module__.startswith("nemos.") and name in FAMILIES:
        return FAMILIES[name](**spec.get_params())
    check_observation_model(spec)
    return ForeignObservations(spec)
