r"""Penalties that are minus the logarithm of a prior density, per row.

The mean loss plus $-\log p(w)/n$, with $n$ rows, has its minimum at the posterior mode for
observation models whose dispersion is 1. With another one, $\phi$, the posterior mode is that for
$n/\kappa$ rows, with $\kappa=\phi$ for gamma and $2\sigma^2$ for Gaussian observations: see
`bayesglm.regularizer.penalties.Penalty.with_rows`.
"""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp

from bayesglm.regularizer._kernels import Array, over_responses, per_response, soft_threshold
from bayesglm.regularizer._root import proximal_point
from bayesglm.regularizer.penalties import Penalty


class PriorPenalty(Penalty):
    r"""Minus the log density of independent coefficients, over the number of rows.

    Parameters
    ----------
    distribution
        NumPyro distribution of single coefficients, with a batch shape that broadcasts to
        ``user_shape``; its parameters are arrays.
    num_rows
        Number of rows of each response, shape (K,).
    lower, upper
        Ends of the support, broadcastable to the coefficients; None if it is the real line.
    form
        Centre, $l_1$ and $l_2$ of a density in closed form, broadcastable to the coefficients; or
        None.
    user_shape
        Shape in which the distribution sees the coefficients.
    smooth
        Whether the density is, and on the whole line.
    """

    distribution: Any
    num_rows: Array
    support: tuple[Array, Array] | None
    form: tuple[Array, Array, Array] | None
    user_shape: tuple[int, ...] = eqx.field(static=True)
    smooth: bool = eqx.field(static=True)
    depends_on_rows: ClassVar[bool] = True
    separable: ClassVar[bool] = True
    couples_responses: ClassVar[bool] = False
    is_zero: ClassVar[bool] = False

    def value(self, coef: Array) -> Array:
        """Minus the log density per row, shape (K,); infinite outside the support."""
        if self.support is None:
            return -per_response(self._log_density(coef)) / self.num_rows
        lower, upper = self.support
        inside = (coef >= lower) & (coef <= upper)
        density = self._log_density(jnp.clip(coef, lower, upper))
        return -per_response(jnp.where(inside, density, -jnp.inf)) / self.num_rows

    def smooth_value(self, coef: Array) -> Array:
        """All of it if `smooth`; without kink, support and constant if the form is closed."""
        if self.smooth or self.form is None:
            return -per_response(self._log_density(coef)) / self.num_rows
        center, _, l2 = self.form
        return per_response(0.5 * l2 * (coef - center) ** 2) / self.num_rows

    def prox(self, coef: Array, step: Array) -> Array:
        """Proximal operator in closed form where there is one, otherwise by bisection."""
        step = step / over_responses(self.num_rows, coef)
        bounds = (-jnp.inf, jnp.inf) if self.support is None else self.support
        if self.form is None:
            return proximal_point(lambda w: -self._log_density(w), coef, step, *bounds)
        center, l1, l2 = self.form
        moved = soft_threshold(coef - center, step * l1) / (1.0 + step * l2)
        return jnp.clip(center + moved, *bounds)

    def with_rows(self, num_rows: Array) -> Penalty:
        """Return the same prior for another number of rows, shape (K,)."""
        return eqx.tree_at(lambda penalty: penalty.num_rows, self, num_rows)

    def log_prior(self, coef: Array, kappa: Array, num_rows: Array) -> Array:
        """Log density of each response, shape (K,): a prior depends on neither argument."""
        del kappa, num_rows
        return -self.value(coef) * self.num_rows

    def _log_density(self, coef: Array) -> Array:
        """Log density of each coefficient."""
        values = self.distribution.log_prob(coef.reshape(self.user_shape))
        return jnp.broadcast_to(values, self.user_shape).reshape(coef.shape)


class VectorPriorPenalty(Penalty):
    r"""Minus the log density of vectors (or matrices) of coefficients, over the number of rows.

    Parameters
    ----------
    distribution
        NumPyro distribution over real vectors of all features, one per response and class; or
        over whole arrays of coefficients.
    num_rows
        Number of rows of each response, shape (K,).
    gaussian
        Mean and precision matrix of a multivariate normal distribution, shapes (..., p) and
        (..., p, p); or None.
    user_shape
        Shape in which the distribution sees the coefficients.
    whole
        Whether the distribution is over whole arrays; it then counts with the first response.
    couples_responses
        Whether it is, and there are several responses.
    """

    distribution: Any
    num_rows: Array
    gaussian: tuple[Array, Array] | None
    user_shape: tuple[int, ...] = eqx.field(static=True)
    whole: bool = eqx.field(static=True)
    couples_responses: bool = eqx.field(static=True)
    depends_on_rows: ClassVar[bool] = True
    smooth: ClassVar[bool] = True
    separable: ClassVar[bool] = False
    is_zero: ClassVar[bool] = False

    def value(self, coef: Array) -> Array:
        """Minus the log density per row, shape (K,)."""
        if self.whole:
            total = self.distribution.log_prob(coef.reshape(self.user_shape))
            return jnp.zeros(coef.shape[1], coef.dtype).at[0].set(-total) / self.num_rows
        vectors = jnp.moveaxis(coef, 0, -1)
        density = self.distribution.log_prob(vectors.reshape(self._vectors_shape()))
        by_response = jnp.broadcast_to(density, self.user_shape[1:]).reshape(vectors.shape[:-1])
        return -by_response.sum(axis=tuple(range(1, by_response.ndim))) / self.num_rows

    def smooth_value(self, coef: Array) -> Array:
        """All of it."""
        return self.value(coef)

    def prox(self, coef: Array, step: Array) -> Array:
        """Solve the linear system of a multivariate normal prior; any elementwise step.

        Raises
        ------
        NotImplementedError
            For any other distribution: use a solver for smooth penalties.
        """
        if self.gaussian is None:
            raise NotImplementedError(
                f"There is no proximal operator for {type(self.distribution).__name__}; use a "
                "solver for smooth penalties, such as 'Newton' or 'LBFGS'."
            )
        step = jnp.broadcast_to(step / over_responses(self.num_rows, coef), coef.shape)
        shape = self._vectors_shape()
        point = jnp.moveaxis(coef, 0, -1).reshape(shape)
        steps = jnp.moveaxis(step, 0, -1).reshape(shape)
        mean, precision = self.gaussian
        pull = jnp.einsum("...ij,...j->...i", precision, jnp.broadcast_to(mean, shape))
        system = jnp.eye(shape[-1]) + steps[..., None] * precision
        moved = jnp.linalg.solve(system, (point + steps * pull)[..., None])[..., 0]
        return jnp.moveaxis(moved.reshape(*coef.shape[1:], shape[-1]), -1, 0)

    def with_rows(self, num_rows: Array) -> Penalty:
        """Return the same prior for another number of rows, shape (K,)."""
        return eqx.tree_at(lambda penalty: penalty.num_rows, self, num_rows)

    def log_prior(self, coef: Array, kappa: Array, num_rows: Array) -> Array:
        """Log density of each response, shape (K,): a prior depends on neither argument."""
        del kappa, num_rows
        return -self.value(coef) * self.num_rows

    def _vectors_shape(self) -> tuple[int, ...]:
        """Shape with the features last, as the distribution's event."""
        return (*self.user_shape[1:], self.user_shape[0])


class InterceptPenalty(Penalty):
    """Minus the log density of the intercept, over the number of rows; none on coefficients.

    Parameters
    ----------
    distribution
        NumPyro distribution of single intercepts, smooth on the real line.
    num_rows
        Number of rows of each response, shape (K,).
    user_shape
        Shape in which the distribution sees the intercepts.
    intercept_centered
        Whether it is about the linear predictor at the column means, not at zero.
    """

    distribution: Any
    num_rows: Array
    user_shape: tuple[int, ...] = eqx.field(static=True)
    intercept_centered: bool = eqx.field(static=True)
    depends_on_rows: ClassVar[bool] = True
    smooth: ClassVar[bool] = True
    separable: ClassVar[bool] = True
    couples_responses: ClassVar[bool] = False
    is_zero: ClassVar[bool] = False
    penalizes_intercept: ClassVar[bool] = True

    def value(self, coef: Array) -> Array:
        """Zero, shape (K,)."""
        return jnp.zeros(coef.shape[1], coef.dtype)

    def smooth_value(self, coef: Array) -> Array:
        """Zero, shape (K,)."""
        return self.value(coef)

    def prox(self, coef: Array, step: Array) -> Array:
        """Return the coefficients as they are."""
        del step
        return coef

    def intercept_value(self, intercept: Array) -> Array:
        """Minus the log density per row, shape (K,)."""
        values = self.distribution.log_prob(intercept.reshape(self.user_shape))
        values = jnp.broadcast_to(values, self.user_shape).reshape(intercept.shape)
        return -values.sum(axis=tuple(range(1, values.ndim))) / self.num_rows

    def with_rows(self, num_rows: Array) -> Penalty:
        """Return the same prior for another number of rows, shape (K,)."""
        return eqx.tree_at(lambda penalty: penalty.num_rows, self, num_rows)

    def log_prior(self, coef: Array, kappa: Array, num_rows: Array) -> Array:
        """Zero, shape (K,): the intercept is not among the coefficients."""
        del kappa, num_rows
        return self.value(coef)
