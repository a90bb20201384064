"""Continuous responses with outliers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from typing_extensions import override

from bayesglm import _log_densities, links
from bayesglm.observation_models import _scale
from bayesglm.observation_models._settings import cast, plain, positive_array
from bayesglm.observation_models.base import Observations, derivative


class StudentTObservations(Observations):
    r"""Responses spread around their location as Student's t; by default $\mu=\eta$.

    The scale is the *square* of the scale parameter, estimated by maximum likelihood together
    with the coefficients; the variance is ``scale * df / (df - 2)``, infinite for ``df <= 2``.

    Parameters
    ----------
    df
        Degrees of freedom, positive; small values resist outliers, large ones are normal.
        `with_estimated_df` finds them from the residuals of a fit.

    Raises
    ------
    ValueError
        If ``df`` is not positive.

    References
    ----------
    Lange, Little and Taylor (1989), *Robust statistical modeling using the t distribution*.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from bayesglm import links
    >>> from bayesglm.observation_models import StudentTObservations
    >>> family = StudentTObservations(df=3)
    >>> print(family.variance(jnp.zeros(2), 4.0))
    [12. 12.]
    """

    df: Any

    scale_estimator = "likelihood"
    scale = None

    def __init__(self, df: Any = 4.0):
        self.df = positive_array("df", df)

    @property
    @override
    def default_inverse_link_function(self):
        return links.identity

    @override
    def log_density(self, y, eta, link, scale):
        return _log_densities.student_t(y, link(eta), scale, cast(self.df, y, eta))

    @override
    def fisher_weight(self, eta, link, scale):
        slope, df = derivative(link, eta), cast(self.df, eta)
        return jnp.square(slope) * (df + 1.0) / ((df + 3.0) * scale)

    @override
    def variance(self, mean, scale):
        finite = self.df > 2.0
        excess = jnp.where(finite, self.df - 2.0, 1.0)
        factor = jnp.where(finite, self.df / excess, jnp.inf)
        return scale * factor * jnp.ones_like(mean)

    @override
    def unit_deviance(self, y, mean, scale):
        return (self.df + 1.0) * jnp.log1p(jnp.square(y - mean) / (scale * self.df))

    @override
    def distribution(self, eta, link, scale):
        from numpyro import distributions as dist

        return dist.StudentT(self.df, link(eta), jnp.sqrt(scale))

    @override
    def sample(self, key, mean, scale):
        shape = jnp.broadcast_shapes(jnp.shape(mean), jnp.shape(scale))
        return mean + jnp.sqrt(scale) * jax.random.t(key, self.df, shape)

    @override
    def starting_mean(self, y, average):
        return y

    @override
    def get_params(self, deep=True):
        return {"df": plain(self.df)}

    def with_estimated_df(self, y: Any, mean: Any) -> StudentTObservations:
        """Return a copy whose degrees of freedom, from 0.5 to 1000, suit given residuals best.

        Parameters
        ----------
        y, mean
            Responses and their fitted locations, both (n,) or both (n, K). All responses
            share the degrees of freedom; each has a scale of its own.
        """
        y, mean = jnp.asarray(y), jnp.asarray(mean)

        def score(log_df):
            def density(scale):
                return _log_densities.student_t(y, mean, scale, jnp.exp(log_df))

            return jnp.sum(density(_scale.maximum_likelihood(density, y.shape[1:])))

        best = _scale.golden_section(score, jnp.log(0.5), jnp.log(1000.0), steps=40)
        return StudentTObservations(df=float(jnp.exp(best)))
