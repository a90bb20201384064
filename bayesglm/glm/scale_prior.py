r"""What is known of a dispersion before the data.

The prior is on the square root of the scale: the standard deviation of Gaussian responses, the
coefficient of variation of gamma ones. An exponential distribution there is the penalised
complexity prior of a standard deviation and, to first order, of a negative binomial's
overdispersion.

References
----------
Simpson, Rue, Riebler, Martins and Sorbye (2017), Penalising model component complexity.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from bayesglm._module import Module


class ScalePrior(Module):
    """Prior of the square root of the dispersion.

    Parameters
    ----------
    distribution
        NumPyro distribution on positive numbers, one for all responses or one each.
    """

    distribution: Any

    def log_density(self, log_scale: Any) -> Any:
        """Log density of the log of the scale, shape (K,)."""
        root = jnp.exp(0.5 * log_scale)
        return self.distribution.log_prob(root) + 0.5 * log_scale - math.log(2.0)


def default_scale_prior(observations: Any, center: np.ndarray, spread: np.ndarray) -> ScalePrior:
    """Return an exponential distribution whose mean is the size that the data make possible.

    That is the standard deviation of the responses for Gaussian and Student-t ones; elsewhere the
    value at which the standard deviation equals the mean.

    Parameters
    ----------
    observations
        The observation model.
    center, spread
        Mean and standard deviation of each response, shape (K,).
    """
    from numpyro import distributions as dist

    real = np.isinf(observations.mean_range[0])
    if real:
        size = spread
    else:
        unit = np.asarray(observations.variance(jnp.asarray(center), jnp.ones_like(center)))
        small = np.asarray(observations.variance(jnp.asarray(center), jnp.full_like(center, 1e-9)))
        excess = unit - small  # what the dispersion adds to the variance
        size = np.where(excess > 0, center / np.sqrt(np.where(excess > 0, excess, 1.0)), 1.0)
    size = np.where((size > 0) & np.isfinite(size), size, 1.0)
    return ScalePrior(dist.Exponential(jnp.asarray(1.0 / size)))
