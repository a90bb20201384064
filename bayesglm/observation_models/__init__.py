"""Observation models: how a response is distributed around its mean."""

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
from bayesglm.observation_models.registry import FAMILIES, resolve
from bayesglm.observation_models.student_t import StudentTObservations
from bayesglm.observation_models.tweedie import TweedieObservations

__all__ = [
    "FAMILIES",
    "BernoulliObservations",
    "BetaObservations",
    "BinomialObservations",
    "CategoricalObservations",
    "ForeignObservations",
    "GammaObservations",
    "GaussianObservations",
    "InverseGaussianObservations",
    "NegativeBinomialObservations",
    "Observations",
    "PoissonObservations",
    "StudentTObservations",
    "TweedieObservations",
    "check_observation_model",
    "resolve",
]
