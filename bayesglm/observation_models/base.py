"""What every observation model can do, from its log-density alone."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bayesglm import links
from bayesglm._module import Module
from bayesglm.links import InverseLink
from bayesglm.observation_models import _scale


def sum_of_means(scores: Array) -> Array:
    """Mean over rows, then the sum over whatever is left: the default aggregation."""
    return jnp.sum(jnp.mean(scores, axis=0))


class Observations(Module):
    r"""How a response is distributed around its mean: $p(y\mid\eta,\phi)$.

    Frozen: an instance never changes, and holds settings only. A new family is a subclass with
    one method, `log_density`; everything else has a default derived from it, to be overridden
    where a closed form is faster or keeps more digits, and `fisher_weight` and `variance` also
    where minus the log-density is not linear in ``y`` (up to terms free of ``eta``).

    ``y``, ``eta``, means and scales broadcast, elementwise; for families with
    ``event_ndim = 1`` the last axis holds classes.

    Attributes
    ----------
    mean_range
        Smallest and largest mean: `fit` refuses to leave them, `predict` warns of others.
    event_ndim
        Number of trailing axes of one response: 0, or 1 for one-hot classes.
    scale_estimator
        How the dispersion is found: "none" (it is 1), "moments" (Pearson's statistic over the
        residual degrees of freedom), "fixed" (given), or "likelihood" (estimated jointly).
    scale
        The dispersion where it is not estimated.
    support
        Which responses are possible, in words, for messages.
    remedy
        What to do about responses outside the support, for messages.
    is_count
        Whether responses are integers.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from bayesglm.observation_models import Observations
    >>> class ExponentialObservations(Observations):
    ...     def log_density(self, y, eta, link, scale):
    ...         return -y * link.reciprocal(eta) - link.log_mean(eta)
    >>> family = ExponentialObservations()
    >>> family
    ExponentialObservations()
    >>> print(family.log_likelihood(jnp.array([1.0, 3.0]), jnp.ones(2)), family.variance(2.0, 1.0))
    -2.0 4.0
    """

    mean_range = (-np.inf, np.inf)
    event_ndim = 0
    scale_estimator = "none"
    scale = 1.0
    support = "finite numbers"
    remedy = "Remove or correct them."
    is_count = False
    settings_of_rows: ClassVar[tuple[str, ...]] = ()  # those that do not belong to responses

    # The model in terms of the linear predictor

    @abc.abstractmethod
    def log_density(self, y: Array, eta: Array, link: InverseLink, scale: Array) -> Array:
        """Normalised log-density of ``y``, in nats, one value per response."""

    def kernel(self, y: Array, eta: Array, link: InverseLink, scale: Array) -> Array:
        """Return minus the log-density up to terms free of ``eta``: what `fit` minimises."""
        return -self.log_density(y, eta, link, scale)

    def kernel_factor(self, scale: Array) -> Array:
        """Return the divisor kappa in ``log_density = -kernel / kappa + terms free of eta``."""
        return np.ones(np.shape(scale))

    def mean(self, eta: Array, link: InverseLink) -> Array:
        """Return the expected response."""
        return link(eta)

    def fisher_weight(self, eta: Array, link: InverseLink, scale: Array) -> Array:
        """Return the expected second derivative of `kernel`, if that is linear in ``y``."""
        y = self.expectation(self.mean(eta, link))

        def slope(t):
            return derivative(lambda s: self.kernel(y, s, link, scale), t)

        return derivative(slope, eta)

    @property
    def default_inverse_link_function(self) -> InverseLink:
        """Inverse link used where none is given."""
        return links.identity

    # The model in terms of the mean

    def variance(self, mean: Array, scale: Array) -> Array:
        """Variance of a response with this mean, in squared units of the response."""
        information = self.fisher_weight(mean, links.identity, scale)
        return self.kernel_factor(scale) / information

    def unit_deviance(self, y: Array, mean: Array, scale: Array) -> Array:
        """Twice the log-density lost against a model whose mean is ``y``."""
        saturated = self.log_density(y, jnp.asarray(y), links.identity, scale)
        return 2.0 * (saturated - self.log_density(y, mean, links.identity, scale))

    def distribution(self, eta: Array, link: InverseLink, scale: Array) -> Any:
        """Return the NumPyro distribution of the response, with the same log-density."""
        from bayesglm.observation_models._distribution import FamilyDistribution

        return FamilyDistribution(self, eta, link, scale)

    def sample(self, key: Array, mean: Array, scale: Array) -> Array:
        """Draw one response per mean."""
        if type(self).distribution is Observations.distribution:
            raise NotImplementedError(
                f"{type(self).__name__} defines neither `sample` nor `distribution`; "
                "drawing responses needs one of them."
            )
        return self.distribution(mean, links.identity, scale).sample(key)

    def expectation(self, mean: Array) -> Array:
        """Return the expected response for a model mean, where the two are different things."""
        return mean

    def average_to_mean(self, average: Array) -> Array:
        """Model mean of a constant response with this average (log-probabilities for classes)."""
        return average

    def starting_mean(self, y: Array, average: Array) -> Array:
        """Means to start a solver from: the responses, moved into the interior."""
        return 0.5 * (y + average)

    # Checks of user data, in NumPy

    def in_support(self, y: np.ndarray) -> np.ndarray:
        """Whether each response is possible; booleans of the shape of ``y``."""
        return np.isfinite(y)

    def has_probability(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Whether each response is none of those between possible counts; `sample` refuses these.

        `fit` takes them as a quasi-likelihood, and warns.
        """
        del weight
        return (y == np.round(y)) | (not self.is_count)

    # The model as NeMoS's users know it, on the scale of the mean ("rate")

    def _negative_log_likelihood(
        self, y: Array, predicted_rate: Array, aggregate_sample_scores: Callable = sum_of_means
    ) -> Array:
        """Aggregate of the kernel: what `fit` minimises."""
        scale = self._scale_or(None)
        kernel = self.kernel(jnp.asarray(y), jnp.asarray(predicted_rate), links.identity, scale)
        return aggregate_sample_scores(kernel)

    def log_likelihood(
        self,
        y: Array,
        predicted_rate: Array,
        scale: Array | None = None,
        aggregate_sample_scores: Callable = sum_of_means,
    ) -> Array:
        """Aggregate of the log-densities, in nats, normalising constants included.

        Parameters
        ----------
        y
            Responses, shape (n,), (n, K), or with a last axis of classes.
        predicted_rate
            Their means (log-probabilities for classes), same shape.
        scale
            Dispersion; by default the model's own.
        aggregate_sample_scores
            From one value per response to the result; by default the mean over the first
            axis, summed over the others.
        """
        scores = self.log_density(
            jnp.asarray(y), jnp.asarray(predicted_rate), links.identity, self._scale_or(scale)
        )
        return aggregate_sample_scores(scores)

    def likelihood(
        self,
        y: Array,
        predicted_rate: Array,
        scale: Array | None = None,
        aggregate_sample_scores: Callable = sum_of_means,
    ) -> Array:
        """Exponential of `log_likelihood`."""
        return jnp.exp(self.log_likelihood(y, predicted_rate, scale, aggregate_sample_scores))

    def deviance(self, y: Array, predicted_rate: Array, scale: Array | None = None) -> Array:
        """`unit_deviance` of each response, at the model's own scale unless one is given."""
        return self.unit_deviance(
            jnp.asarray(y), jnp.asarray(predicted_rate), self._scale_or(scale)
        )

    def pseudo_r2(
        self,
        y: Array,
        predicted_rate: Array,
        score_type: Literal["pseudo-r2-McFadden", "pseudo-r2-Cohen"] = "pseudo-r2-McFadden",
        scale: Array | None = None,
        aggregate_sample_scores: Callable = sum_of_means,
    ) -> Array:
        """Improvement over a model with a constant mean; 1 is best, 0 is none.

        "pseudo-r2-McFadden" compares log-likelihoods, "pseudo-r2-Cohen" deviances.

        Raises
        ------
        NotImplementedError
            For any other ``score_type``.
        """
        y = jnp.asarray(y)
        null = jnp.broadcast_to(self.average_to_mean(jnp.mean(y, axis=0)), y.shape)
        if score_type == "pseudo-r2-McFadden":
            model, constant = (
                self.log_likelihood(y, mean, scale, aggregate_sample_scores)
                for mean in (predicted_rate, null)
            )
        elif score_type == "pseudo-r2-Cohen":
            model, constant = (
                aggregate_sample_scores(self.deviance(y, mean, scale))
                for mean in (predicted_rate, null)
            )
        else:
            raise NotImplementedError(f"Score {score_type} not implemented!")
        return 1.0 - model / constant

    def estimate_scale(self, y: Array, predicted_rate: Array, dof_resid: Array) -> Array:
        """Dispersion given the means, shape (1,) or (K,).

        Parameters
        ----------
        y
            Responses, shape (n,) or (n, K).
        predicted_rate
            Their means, same shape.
        dof_resid
            Residual degrees of freedom, () or (K,); used by moment estimators only.
        """
        return _scale.estimate(self, jnp.asarray(y), jnp.asarray(predicted_rate), dof_resid)

    def sample_generator(
        self, key: Array, predicted_rate: Array, scale: Array | None = None
    ) -> Array:
        """Draw one response per predicted mean; ``key`` is a JAX random key."""
        return self.sample(key, jnp.asarray(predicted_rate), self._scale_or(scale))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name, as given to the constructor."""
        return {}

    def with_params(self, **params: Any) -> Observations:
        """Return a copy with other settings."""
        return type(self)(**(self.get_params() | params))

    def for_responses(self, index: np.ndarray, num_responses: int) -> Observations:
        """Return a copy with the settings of the responses ``index`` of ``num_responses``."""
        settings = {
            name: np.asarray(value)[np.asarray(index)]
            for name, value in self.get_params().items()
            if name not in self.settings_of_rows and np.shape(value) == (num_responses,)
        }
        return self.with_params(**settings) if settings else self

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({settings})"

    def _scale_or(self, scale: Array | None) -> Array:
        """``scale``, or the model's own where it is None."""
        value = self.scale if scale is None else scale
        if value is None:
            raise ValueError(f"{self!r} estimates its scale: pass `scale`.")
        return jnp.asarray(value, float)


def derivative(function: Callable[[Array], Array], x: Array) -> Array:
    """Elementwise derivative by forward differentiation."""
    return jax.jvp(function, (x,), (jnp.ones_like(x),))[1]
