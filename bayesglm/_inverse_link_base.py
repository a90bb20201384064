"""What an inverse link function is, and the one that wraps a user's function."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from typing_extensions import override

from bayesglm import _special
from bayesglm._module import Module


class InverseLink(Module):
    r"""The function $g^{-1}$ in $\mu=g^{-1}(\eta)$, with the logs that densities need.

    Holds no arrays: two inverse links are equal if their classes are (and their functions, for
    `Custom`), so that they are static under ``jit``. A new one needs `__call__` only; the other
    methods have defaults that lose digits in the tails, and `inverse` one that searches.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from bayesglm.links import resolve
    >>> link = resolve("logit")
    >>> link.__name__, link == resolve("logistic")
    ('logistic', True)
    >>> print(link.log_mean(jnp.array(-90.0)))
    -90.0
    """

    mean_range: ClassVar[tuple[float, float]] = (-np.inf, np.inf)  # all that is known of the means

    @property
    def __name__(self) -> str:
        """Name under which `resolve` finds it; a user's function's own name."""
        return self.label

    @property
    def label(self) -> str:
        """The name; a class attribute in the classes of this module."""
        return type(self).__name__

    @abc.abstractmethod
    def __call__(self, eta: Array) -> Array:
        """Mean at the linear predictor ``eta``, elementwise."""

    def log_mean(self, eta: Array) -> Array:
        """Log of the mean."""
        return jnp.log(self(eta))

    def log_complement(self, eta: Array) -> Array:
        """Log of one minus the mean, for means that are probabilities."""
        return jnp.log1p(-self(eta))

    def log_odds(self, eta: Array) -> Array:
        """Log of the mean over one minus the mean, for means that are probabilities."""
        return self.log_mean(eta) - self.log_complement(eta)

    def reciprocal(self, eta: Array) -> Array:
        """One over the mean."""
        return jnp.exp(-self.log_mean(eta))

    def log_binomial(self, successes: Array, failures: Array, eta: Array) -> Array:
        """``successes * log_mean + failures * log_complement``; 0 times infinity is 0."""
        hits = jnp.where(successes == 0, 0.0, eta)
        misses = jnp.where(failures == 0, 0.0, eta)
        return _special.times_log(successes, self.log_mean(hits)) + _special.times_log(
            failures, self.log_complement(misses)
        )

    def inverse(self, mean: Array) -> Array:
        """Linear predictor at which the mean is ``mean``: the link function itself.

        Parameters
        ----------
        mean
            Means, of any shape.

        Raises
        ------
        ValueError
            If a search was needed and found no solution.
        """
        flat = np.ravel(np.asarray(mean, float))
        return jnp.asarray([_search(self, value) for value in flat]).reshape(np.shape(mean))


class Custom(InverseLink):
    """A user's own function of the linear predictor.

    `resolve` checks a function and then wraps it in this class.

    Parameters
    ----------
    function
        From linear predictors to means: elementwise, and differentiable by JAX.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from bayesglm.links import Custom
    >>> link = Custom(lambda eta: jnp.exp(eta) + 1.0)
    >>> print(link(0.0), link.inverse(2.0).round(3))
    2.0 0.0
    """

    function: Callable[[Array], Array] = eqx.field(static=True)

    @property
    @override
    def label(self):
        return getattr(self.function, "__name__", type(self.function).__name__)

    @override
    def __call__(self, eta):
        return self.function(eta)


def _search(link: InverseLink, mean: float) -> float:
    """Solve ``link(eta) == mean`` between the powers of two where the sign changes."""
    from scipy.optimize import brentq

    powers = 2.0 ** np.arange(-6, 10)
    grid = np.concatenate([-powers[::-1], [0.0], powers])
    gap = np.asarray(link(jnp.asarray(grid)), float) - mean
    usable = np.isfinite(gap[:-1]) & np.isfinite(gap[1:]) & (gap[:-1] * gap[1:] <= 0)
    if not usable.any():
        raise ValueError(
            f"Failed to initialize the model intercept: found no linear predictor at which the "
            f"inverse link {link.__name__!r} equals {mean}. Pass `init_params`, or a link whose "
            "range holds the mean of `y`."
        )
    rising = usable & (gap[1:] > gap[:-1])
    first = np.flatnonzero(rising if rising.any() else usable)[0]

    def residual(eta: float) -> float:
        return float(link(jnp.asarray(eta))) - mean

    return brentq(residual, grid[first], grid[first + 1], xtol=1e-13)
