"""The posterior of a fitted model: its log-density and a point near its mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from bayesglm.glm import fitting
from bayesglm.glm.assemble import Assembled
from bayesglm.glm.log_posterior import LogPosterior
from bayesglm.glm.scale_prior import ScalePrior, default_scale_prior
from bayesglm.glm.validation import Data
from bayesglm.inference.joint import Joint
from bayesglm.inference.target import AbstractTarget
from bayesglm.regularizer.sampled import (
    CoefficientPrior,
    PenaltyPrior,
    bounds_of,
    without_held,
)


@dataclass(frozen=True)
class Posterior:
    """Log-densities to be sampled, and where to begin.

    Parameters
    ----------
    density
        Log posterior densities of K responses.
    start
        Vectors near the modes, shape (K, D).
    at_mode
        Whether ``start`` is a mode, or cannot be improved because the density has kinks.
    responses
        Numbers (K,) that random numbers go by: a response's own do not depend on its neighbours.
    """

    density: LogPosterior
    start: Any
    at_mode: bool
    responses: np.ndarray

    def take(self, index: np.ndarray) -> Posterior:
        """Return the posteriors of some responses, where they are independent."""
        return Posterior(
            self.density.take(index), self.start[index], self.at_mode, self.responses[index]
        )

    @property
    def joint(self) -> bool:
        """Whether the prior ties responses together: they are then one problem."""
        return self.density.prior.couples_responses and self.density.num_problems > 1

    @property
    def target(self) -> AbstractTarget:
        """What a sampler draws from."""
        return Joint(self.density) if self.joint else self.density

    @property
    def first(self) -> Any:
        """Where a sampler begins, shape (B, D) of the target."""
        return self.start.reshape(1, -1) if self.joint else self.start

    @property
    def problems(self) -> np.ndarray:
        """Numbers (B,) of the target's problems."""
        return self.responses[:1] if self.joint else self.responses

    @property
    def free(self) -> np.ndarray:
        """True where a coordinate of the target means something."""
        return np.asarray(self.density.free).reshape(self.first.shape)


def log_posterior(
    model: Assembled,
    fit: fitting.Fit,
    data: Data,
    scale: np.ndarray,
    *,
    prior: CoefficientPrior | None = None,
    strength: Any = None,
    scale_prior: Any = None,
) -> Posterior:
    """Build the posterior of a model from its penalised fit.

    Parameters
    ----------
    model, fit, data
        The model in standardised coordinates, its optimum, and the observations.
    scale
        Dispersion of the fit, shape (K,).
    prior
        Prior of the coefficients; None is that of the model's penalty.
    strength
        NumPyro distribution of the penalty's strength; None where it is known.
    scale_prior
        NumPyro distribution of the square root of the dispersion; None is
        `bayesglm.glm.scale_prior.default_scale_prior`.
    """
    observations = model.loss.likelihood.observations
    movable = model.loss.movable
    if prior is None:
        penalty = model.penalty.penalty.with_rows(jnp.ones(model.num_rows.shape))
        bounds = bounds_of(penalty, movable.coef.shape)
        prior = PenaltyPrior(without_held(penalty, movable.coef), strength, bounds)
    sampled = observations.scale_estimator in ("moments", "likelihood")
    if not sampled:
        scale_prior = None
    elif scale_prior is None:
        scale_prior = default_scale_prior(observations, data.y, data.weight)
    else:
        scale_prior = ScalePrior(scale_prior)
    density = LogPosterior(
        model.loss.likelihood,
        model.standardization,
        model.rows,
        jnp.asarray(model.num_rows),
        prior,
        scale_prior,
        movable,
    )
    start = density.vector(fit.params, np.where(np.isfinite(scale) & (scale > 0), scale, 1.0))
    exact = scale_prior is None and prior.gaussian and getattr(prior, "bounds", None) is None
    return Posterior(density, start, exact or not prior.smooth, np.arange(len(start)))
