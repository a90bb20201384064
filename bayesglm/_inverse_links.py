"""Inverse link functions as objects: mean, its logs, and the way back, exact in the tails."""

from __future__ import annotations

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy import special
from typing_extensions import override

from bayesglm import _special


class InverseLink(eqx.Module):
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

        Raises
        ------
        ValueError
            If a search was needed and found no solution.
        """
        flat = np.ravel(np.asarray(mean, float))
        return jnp.asarray([_search(self, value) for value in flat]).reshape(np.shape(mean))


class Exp(InverseLink):
    """``exp(eta)``, the inverse of the log link."""

    label = "exp"

    @override
    def __call__(self, eta):
        return jnp.exp(eta)

    @override
    def log_mean(self, eta):
        return eta

    @override
    def log_complement(self, eta):
        return _special.log1mexp(-eta)

    @override
    def inverse(self, mean):
        return jnp.log(mean)


class Logistic(InverseLink):
    """``1 / (1 + exp(-eta))``, the inverse of the logit link."""

    label = "logistic"

    @override
    def __call__(self, eta):
        return jax.nn.sigmoid(eta)

    @override
    def log_mean(self, eta):
        return -_special.softplus(-eta)

    @override
    def log_complement(self, eta):
        return -_special.softplus(eta)

    @override
    def log_odds(self, eta):
        return eta

    @override
    def log_binomial(self, successes, failures, eta):
        return _special.log_sigmoid_sum(successes, failures, eta)

    @override
    def inverse(self, mean):
        return special.logit(mean)


class Softplus(InverseLink):
    """``log(1 + exp(eta))``: positive, and linear for large ``eta``."""

    label = "softplus"

    @override
    def __call__(self, eta):
        return _special.softplus(eta)

    @override
    def log_mean(self, eta):
        return _special.log_softplus(eta)

    @override
    def inverse(self, mean):
        return mean + _special.log1mexp(jnp.asarray(mean))


class NormCDF(InverseLink):
    """Standard normal distribution function, the inverse of the probit link."""

    label = "norm_cdf"

    @override
    def __call__(self, eta):
        return special.ndtr(eta)

    @override
    def log_mean(self, eta):
        return _special.log_ndtr(eta)

    @override
    def log_complement(self, eta):
        return _special.log_ndtr(-eta)

    @override
    def inverse(self, mean):
        return special.ndtri(mean)


class Cloglog(InverseLink):
    """``1 - exp(-exp(eta))``, the inverse of the complementary log-log link."""

    label = "cloglog"

    @override
    def __call__(self, eta):
        return -jnp.expm1(-jnp.exp(eta))

    @override
    def log_mean(self, eta):
        return _special.log_cloglog(eta)

    @override
    def log_complement(self, eta):
        return -jnp.exp(eta)

    @override
    def inverse(self, mean):
        return jnp.log(-jnp.log1p(-jnp.asarray(mean)))


class Identity(InverseLink):
    """``eta`` itself."""

    label = "identity"

    @override
    def __call__(self, eta):
        return eta

    @override
    def reciprocal(self, eta):
        return 1.0 / eta

    @override
    def inverse(self, mean):
        return jnp.asarray(mean)


class OneOverX(InverseLink):
    """``1 / eta``; positive for positive ``eta`` only."""

    label = "one_over_x"

    @override
    def __call__(self, eta):
        return 1.0 / eta

    @override
    def log_mean(self, eta):
        return -jnp.log(eta)

    @override
    def reciprocal(self, eta):
        return eta

    @override
    def inverse(self, mean):
        return 1.0 / jnp.asarray(mean)


class InverseSquared(InverseLink):
    """``1 / sqrt(eta)``, the inverse of the link ``1 / mean**2``; needs positive ``eta``."""

    label = "inverse_squared"

    @override
    def __call__(self, eta):
        return 1.0 / jnp.sqrt(eta)

    @override
    def log_mean(self, eta):
        return -0.5 * jnp.log(eta)

    @override
    def reciprocal(self, eta):
        return jnp.sqrt(eta)

    @override
    def inverse(self, mean):
        return 1.0 / jnp.square(mean)


class Square(InverseLink):
    """``eta**2``, the inverse of the square-root link."""

    label = "square"

    @override
    def __call__(self, eta):
        return jnp.square(eta)

    @override
    def log_mean(self, eta):
        return 2.0 * jnp.log(jnp.abs(eta))

    @override
    def inverse(self, mean):
        return jnp.sqrt(mean)


class LogSoftmax(InverseLink):
    """Log-probabilities over the last axis; the "mean" of a categorical response is a log."""

    label = "log_softmax"

    @override
    def __call__(self, eta):
        return jax.nn.log_softmax(eta)

    @override
    def log_mean(self, eta):
        return jax.nn.log_softmax(eta)

    @override
    def inverse(self, mean):
        """Centred linear predictors, from log-probabilities."""
        mean = jnp.asarray(mean)
        return mean - jnp.mean(mean, axis=-1, keepdims=True)


class Custom(InverseLink):
    """A user's own function of the linear predictor, elementwise and differentiable by JAX."""

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
