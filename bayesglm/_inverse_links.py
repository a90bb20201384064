"""Inverse link functions as objects: mean, its logs, and the way back, exact in the tails."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy import special
from typing_extensions import override

from bayesglm import _special
from bayesglm._inverse_link_base import InverseLink


class Exp(InverseLink):
    """``exp(eta)``, the inverse of the log link.

    Examples
    --------
    >>> from bayesglm.links import exp
    >>> print(exp(0.0), exp.inverse(1.0))
    1.0 0.0
    """

    label = "exp"
    mean_range = (0.0, jnp.inf)

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
    """``1 / (1 + exp(-eta))``, the inverse of the logit link.

    Examples
    --------
    >>> from bayesglm.links import logistic
    >>> print(logistic(0.0), logistic.log_odds(3.0))
    0.5 3.0
    """

    label = "logistic"
    mean_range = (0.0, 1.0)

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
    """``log(1 + exp(eta))``: positive, and linear for large ``eta``.

    Examples
    --------
    >>> from bayesglm.links import softplus
    >>> print(softplus(0.0).round(3), softplus(100.0))
    0.693 100.0
    """

    label = "softplus"
    mean_range = (0.0, jnp.inf)

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
    """Standard normal distribution function, the inverse of the probit link.

    Examples
    --------
    >>> from bayesglm.links import norm_cdf
    >>> print(norm_cdf(0.0), norm_cdf.log_mean(-40.0).round(1))
    0.5 -804.6
    """

    label = "norm_cdf"
    mean_range = (0.0, 1.0)

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
    """``1 - exp(-exp(eta))``, the inverse of the complementary log-log link.

    Examples
    --------
    >>> from bayesglm.links import cloglog
    >>> print(cloglog(0.0).round(3), cloglog.log_complement(0.0))
    0.632 -1.0
    """

    label = "cloglog"
    mean_range = (0.0, 1.0)

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
    """``eta`` itself.

    Examples
    --------
    >>> from bayesglm.links import identity
    >>> identity(3.0)
    3.0
    """

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
    """``1 / eta``; positive for positive ``eta`` only.

    Examples
    --------
    >>> from bayesglm.links import one_over_x
    >>> one_over_x(4.0)
    0.25
    """

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
    """``1 / sqrt(eta)``, the inverse of the link ``1 / mean**2``; needs positive ``eta``.

    Examples
    --------
    >>> from bayesglm.links import inverse_squared
    >>> print(inverse_squared(4.0), inverse_squared.inverse(0.5))
    0.5 4.0
    """

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
    """``eta**2``, the inverse of the square-root link.

    Examples
    --------
    >>> from bayesglm.links import square
    >>> print(square(3.0), square.inverse(9.0))
    9.0 3.0
    """

    label = "square"
    mean_range = (0.0, jnp.inf)

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
    """Log-probabilities over the last axis; the "mean" of a categorical response is a log.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from bayesglm.links import log_softmax
    >>> print(jnp.exp(log_softmax(jnp.zeros(4))).round(2))
    [0.25 0.25 0.25 0.25]
    """

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
