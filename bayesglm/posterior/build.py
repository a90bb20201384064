"""The posterior of a fitted model: its log-density and a point near its mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from bayesglm.glm import fitting
from bayesglm.glm.assemble import Assembled
from bayesglm.glm.log_posterior import LogPosterior, expansion
from bayesglm.glm.validation import Data
from bayesglm.inference import laplace
from bayesglm.inference.joint import Joint
from bayesglm.inference.target import AbstractTarget
from bayesglm.posterior.priors import dispersion_prior, response_spread
from bayesglm.regularizer.sampled import CoefficientPrior


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
    around
        Laplace's approximation where the fit's curvature is that of the posterior, else None.
    source
        What the rows are fetched from, kept alive here; None where they are in memory.
    """

    density: LogPosterior
    start: Any
    at_mode: bool
    responses: np.ndarray
    around: laplace.Gaussian | None
    source: Any = None

    def take(self, index: np.ndarray) -> Posterior:
        """Return the posteriors of some responses, where they are independent."""
        return Posterior(
            self.density.take(index),
            self.start[index],
            self.at_mode,
            self.responses[index],
            self.around and self.around.take(index),
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
    prior: CoefficientPrior,
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
        Prior of the coefficients, as `coefficient_prior` has it.
    scale_prior
        NumPyro distribution of the square root of the dispersion; None is
        `bayesglm.glm.scale_prior.default_scale_prior`.
    """
    observations = model.loss.likelihood.observations
    movable = model.loss.movable
    scale_prior = dispersion_prior(observations, data, scale_prior)
    density = LogPosterior(
        model.loss.likelihood,
        model.standardization,
        model.rows,
        jnp.asarray(model.num_rows),
        prior,
        scale_prior,
        movable,
    )
    if not prior.has_mode:
        density = density.expanded(expansion(density, fit.params))
    spread = response_spread(data) if np.isinf(observations.mean_range[0]) else 1.0
    scale = np.where(np.isfinite(scale) & (scale > 0), scale, spread**2)
    start = density.vector(fit.params, scale)
    exact = scale_prior is None and prior.gaussian and getattr(prior, "bounds", None) is None
    around = None
    if exact and not prior.couples_responses and fitting.is_canonical(model):
        around = _approximation(model, fit, start)
    elif not prior.has_mode:
        around = laplace.Gaussian(start, density.spread)
    # With a coefficient for every row, the joint density is largest where the fit is perfect.
    fits_perfectly = scale_prior is not None and model.outnumbered.any()
    at_mode = exact or not prior.smooth or fits_perfectly
    return Posterior(density, start, at_mode, np.arange(len(start)), around, model.source)


def _approximation(model: Assembled, fit: fitting.Fit, start: Any) -> laplace.Gaussian:
    """Laplace's approximation from the curvature of the fit's mean loss and penalty."""
    precision = fitting.posterior_precision(model, fit)
    likelihood = model.loss.likelihood
    kappa = np.asarray(likelihood.observations.kernel_factor(likelihood.scale))
    precision = precision * (model.num_rows / kappa)[:, None, None]
    held = np.isnan(np.diagonal(precision, axis1=-2, axis2=-1))
    outside = held[:, :, None] | held[:, None, :]
    precision = np.where(outside, np.eye(precision.shape[-1]), precision)
    return laplace.Gaussian(start, laplace.inverse_root(precision))
