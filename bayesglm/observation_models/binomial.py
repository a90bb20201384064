"""Numbers of successes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from typing_extensions import override

from bayesglm import _log_densities, links
from bayesglm.observation_models._range import outside_is
from bayesglm.observation_models._settings import cast, plain, positive_array
from bayesglm.observation_models.base import Observations


class BinomialObservations(Observations):
    r"""Successes ``y`` in a known number of trials; by default $\mu=1/(1+e^{-\eta})$.

    The mean $\mu$ is the probability of one success, not the expected count: it is what the
    inverse link gives and what is predicted. Responses are counts, ``0 <= y <= trials``.

    Parameters
    ----------
    trials
        Number of trials: one number; for the methods of this class also one per row, shape (n,),
        or per response, shape (n, K). Estimators take one number: where trials differ between
        rows, fit `BernoulliObservations` to the proportions ``y / trials`` with
        ``sample_weight=trials``, so that rows carry their own when they are dropped or split.

    Raises
    ------
    ValueError
        If ``trials`` is not a positive integer, or has more than two axes.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from bayesglm import links
    >>> from bayesglm.observation_models import BinomialObservations
    >>> family = BinomialObservations(trials=2)
    >>> print(jnp.exp(family.log_density(jnp.arange(3.0), 0.0, links.logistic, 1.0)).round(2))
    [0.25 0.5  0.25]
    """

    trials: Any

    settings_of_rows = ("trials",)

    mean_range = (0.0, 1.0)
    remedy = "A response is the number of successes, at most `trials`."
    is_count = True

    def __init__(self, trials: Any = 1):
        array = positive_array("trials", trials)
        if array.ndim > 2 or (array != np.round(array)).any():
            raise ValueError(f"`trials` must be integers, one or one per row; got {trials!r}.")
        self.trials = array.reshape(-1, 1) if array.ndim == 1 else array

    @property
    @override
    def support(self):
        most = "at most " if self.trials.ndim else ""
        return f"counts of successes from 0 to {most}{self.trials.max():g}"

    @property
    @override
    def default_inverse_link_function(self):
        return links.logistic

    @override
    @outside_is(-jnp.inf)
    def log_density(self, y, eta, link, scale):
        extreme = -self.kernel(y, eta, link, scale)
        return _log_densities.binomial(y, self._trials(y), link.log_odds(eta), extreme)

    @override
    @outside_is(jnp.inf)
    def kernel(self, y, eta, link, scale):
        return -link.log_binomial(y, self._trials(y) - y, eta)

    @override
    def variance(self, mean, scale):
        return self._trials(mean) * mean * (1.0 - mean) * jnp.ones_like(scale)

    @override
    def unit_deviance(self, y, mean, scale):
        return _log_densities.binomial_deviance(y, self._trials(y), mean)

    @override
    def distribution(self, eta, link, scale):
        from numpyro import distributions as dist

        return dist.Binomial(self._trials(eta), logits=link.log_odds(eta))

    @override
    def sample(self, key, mean, scale):
        return jax.random.binomial(key, self._trials(mean), mean)

    @override
    def expectation(self, mean):
        return self._trials(mean) * mean

    @override
    def average_to_mean(self, average):
        return average / self.trials.mean()

    @override
    def starting_mean(self, y, average):
        return (y + 0.5) / (self._trials(y) + 1.0)

    @override
    def in_support(self, y):
        return (y >= 0) & (y <= np.asarray(self._trials(y)))

    @override
    def get_params(self, deep=True):
        one = self.trials.ndim and self.trials.shape[1] == 1
        return {"trials": plain(self.trials[:, 0] if one else self.trials)}

    def _trials(self, like: Any) -> Any:
        """Trials in the rows of an array of shape (n,) or (n, K), in its precision."""
        flat = self.trials.ndim and np.ndim(like) == 1
        return cast(self.trials[:, 0] if flat else self.trials, like)
