r"""Penalties: a regularizer with its strength, resolved to arrays a solver can use.

A penalty is a pytree of arrays and never holds a Python number: another strength is another
value of an argument, and compiles nothing. Coefficients have shape (p, K), or (p, K, C) for
classifiers, with p features, K responses and C classes.
"""

from __future__ import annotations

import abc
import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from bayesglm._module import Module
from bayesglm.regularizer._kernels import (
    Array,
    by_response,
    log_elastic_net_normalizer,
    log_group_normalizer,
    over_responses,
    per_response,
    soft_threshold,
)


class Penalty(Module):
    r"""Abstract penalty $h$ on the coefficients, added to the mean loss of each response.

    Attributes
    ----------
    smooth
        Whether `value` has two derivatives everywhere: `smooth_value` is then all of it.
    separable
        Whether it is a sum over single coefficients: `prox` takes any elementwise step.
    couples_responses
        Whether it ties coefficients of different responses together.
    is_zero
        Whether there is no penalty at all.
    depends_on_rows
        Whether it is a prior of its own scale, whose weight against the mean loss fades with rows.
    penalizes_intercept
        Whether `intercept_value` is not zero.
    intercept_centered
        Whether `intercept_value` is about the linear predictor at the column means, not at zero.

    Notes
    -----
    To write one: define the first four attributes, as properties or static fields (nothing in their
    values may depend on a strength), and `value`, `smooth_value`, `prox` and `log_prior`.
    """

    penalizes_intercept = False
    intercept_centered = False
    depends_on_rows = False

    @abc.abstractmethod
    def value(self, coef: Array) -> Array:
        """Penalty of each response, shape (K,); infinite where the coefficients are impossible."""

    @abc.abstractmethod
    def smooth_value(self, coef: Array) -> Array:
        """Differentiable part of the penalty of each response, shape (K,)."""

    @abc.abstractmethod
    def prox(self, coef: Array, step: Array) -> Array:
        r"""Proximal operator $\arg\min_z h(z) + \sum (z-w)^2 / (2\,\mathrm{step})$.

        Parameters
        ----------
        coef
            The point $w$, shape (p, K) or (p, K, C).
        step
            Positive, broadcastable to ``coef``; constant within each group where not `separable`.
        """

    def common_scale(self, scale: Array) -> Array:
        """Column scales made constant where `prox` needs it; broadcastable to the coefficients."""
        return scale

    def with_rows(self, num_rows: Array) -> Penalty:
        """Return the penalty for another number of rows, shape (K,); changes only a `Prior`."""
        del num_rows
        return self

    @abc.abstractmethod
    def log_prior(self, coef: Array, kappa: Array, num_rows: Array) -> Array:
        r"""Log of the prior density $\propto \exp(-n h(w) / \kappa)$, shape (K,), normalised.

        Parameters
        ----------
        coef
            Shape (p, K) or (p, K, C).
        kappa
            Dispersion factor of the observation model, shape (K,): 1, $\phi$ for gamma,
            $2\sigma^2$ for Gaussian observations.
        num_rows
            Number of rows $n$ of each response, shape (K,).

        Returns
        -------
        Nats; the part of a flat (improper) prior is zero.
        """

    def smooth_hessian(self, coef: Array) -> Array:
        """Second derivatives of `smooth_value`, shape (K, m, m).

        ``m`` is p, or p times C with the classes of a feature together. Not for penalties that
        couple responses.
        """
        gradient = jax.grad(lambda w: jnp.sum(self.smooth_value(w)))

        def along(direction: Array) -> Array:
            return by_response(jax.jvp(gradient, (coef,), (direction,))[1])

        if self.separable:
            return jax.vmap(jnp.diag)(along(jnp.ones_like(coef)))
        inner = (coef.shape[0], *coef.shape[2:])
        basis = jnp.eye(math.prod(inner), dtype=coef.dtype).reshape(-1, *inner)
        directions = jnp.broadcast_to(basis[:, :, None], (len(basis), *coef.shape))
        return jnp.moveaxis(jax.vmap(along)(directions), 0, -1)

    def intercept_value(self, intercept: Array) -> Array:
        """Penalty of each response's intercept, shape (K,); smooth, and zero but for a `Prior`."""
        return jnp.zeros(intercept.shape[:1], intercept.dtype)


class ElasticNetPenalty(Penalty):
    r"""Elastic net $\sum_j \tfrac12 l_{2,j} w_j^2 + l_{1,j} |w_j|$; also none, ridge and lasso.

    Parameters
    ----------
    l1, l2
        Weights, broadcastable to the coefficients; not negative.
    smooth
        Whether ``l1`` is zero by kind (no penalty, or ridge).
    is_zero
        Whether both are zero by kind.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> lasso = ElasticNetPenalty(jnp.full((2, 1), 0.5), jnp.zeros(()), smooth=False)
    >>> coef = jnp.array([[2.0], [-0.25]])
    >>> float(lasso.value(coef)[0])
    1.125
    >>> lasso.prox(coef, step=1.0).ravel().tolist()
    [1.5, -0.0]

    References
    ----------
    Zou and Hastie (2005), *J. R. Statist. Soc. B* 67, 301; Parikh and Boyd (2014), *Proximal
    Algorithms*, section 6.5.2.
    """

    l1: Array
    l2: Array
    smooth: bool = eqx.field(static=True)
    is_zero: bool = eqx.field(static=True, default=False)
    separable: ClassVar[bool] = True
    couples_responses: ClassVar[bool] = False

    def value(self, coef: Array) -> Array:
        """Penalty of each response, shape (K,)."""
        smooth = self.smooth_value(coef)
        return smooth if self.smooth else smooth + per_response(self.l1 * jnp.abs(coef))

    def smooth_value(self, coef: Array) -> Array:
        """Ridge part of each response, shape (K,)."""
        return per_response(0.5 * self.l2 * coef**2)

    def prox(self, coef: Array, step: Array) -> Array:
        """Soft threshold, then shrink."""
        kept = coef if self.smooth else soft_threshold(coef, step * self.l1)
        return kept / (1.0 + step * self.l2)

    def log_prior(self, coef: Array, kappa: Array, num_rows: Array) -> Array:
        """Log density, normal, Laplace or the product of the two, normalised; shape (K,)."""
        factor = over_responses(num_rows / kappa, coef)
        l1, l2 = factor * self.l1, factor * self.l2
        exponent = l1 * jnp.abs(coef) + 0.5 * l2 * coef**2
        return -per_response(exponent + log_elastic_net_normalizer(l1, l2))


class GroupPenalty(Penalty):
    r"""Group lasso $\sum_g s_g \sqrt{p_g} \lVert w_g \rVert_2$.

    Parameters
    ----------
    group_ids
        Group of each coefficient, integers in the shape of the coefficients; ``num_groups``
        marks a coefficient in no group, which is not penalised.
    weights
        $s_g \sqrt{p_g}$ for each group, shape (num_groups,).
    first_response
        First response each group has a coefficient of, integers of shape (num_groups,).
    num_groups
        Number of groups.
    couples_responses
        Whether some group has coefficients of several responses.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> ids, first = jnp.array([[0], [0], [1]]), jnp.array([0])
    >>> group = GroupPenalty(ids, jnp.array([2.5]), first, num_groups=1)
    >>> coef = jnp.array([[3.0], [4.0], [1.0]])
    >>> float(group.value(coef)[0])
    12.5
    >>> group.prox(coef, step=1.0).ravel().tolist()
    [1.5, 2.0, 1.0]

    References
    ----------
    Yuan and Lin (2006), *J. R. Statist. Soc. B* 68, 49, equation 2.1.
    """

    group_ids: Array
    weights: Array
    first_response: Array
    num_groups: int = eqx.field(static=True)
    couples_responses: bool = eqx.field(static=True, default=False)
    smooth: ClassVar[bool] = False
    separable: ClassVar[bool] = False
    is_zero: ClassVar[bool] = False

    def value(self, coef: Array) -> Array:
        """Penalty of each response, shape (K,); a group over several counts in its first."""
        penalties = self.weights * self._norms(coef)
        return jax.ops.segment_sum(penalties, self.first_response, num_segments=coef.shape[1])

    def smooth_value(self, coef: Array) -> Array:
        """Zero: nothing of it is differentiable where it matters."""
        return jnp.zeros(coef.shape[1], coef.dtype)

    def prox(self, coef: Array, step: Array) -> Array:
        """Shrink each group towards zero as a whole, or set it to zero."""
        norms = self._norms(coef)
        ratio = self.weights / jnp.where(norms > 0, norms, 1.0)
        return coef * jnp.maximum(0.0, 1.0 - step * self._spread(ratio, 0.0))

    def log_prior(self, coef: Array, kappa: Array, num_rows: Array) -> Array:
        """Spherical exponential density of each group, counted with its first response."""
        rates = self.weights * (num_rows / kappa)[self.first_response]
        sizes = self._counts().astype(coef.dtype)
        terms = -rates * self._norms(coef) - log_group_normalizer(rates, sizes)
        return jax.ops.segment_sum(terms, self.first_response, num_segments=coef.shape[1])

    def common_scale(self, scale: Array) -> Array:
        """Geometric mean of the scales within each group; outside groups, the scale itself."""
        scale = jnp.broadcast_to(scale, self.group_ids.shape)
        ids = self.group_ids.ravel()
        totals = jax.ops.segment_sum(jnp.log(scale).ravel(), ids, num_segments=self.num_groups)
        means = jnp.exp(totals / jnp.maximum(self._counts(), 1))
        return jnp.where(self.group_ids < self.num_groups, self._spread(means, 1.0), scale)

    def _norms(self, coef: Array) -> Array:
        """Euclidean norm of each group, shape (num_groups,), with gradient zero at zero."""
        squares = jax.ops.segment_sum(
            (coef**2).ravel(), self.group_ids.ravel(), num_segments=self.num_groups
        )
        return jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1.0)), 0.0)

    def _counts(self) -> Array:
        """Count the coefficients in each group, shape (num_groups,)."""
        return jnp.bincount(self.group_ids.ravel(), length=self.num_groups + 1)[:-1]

    def _spread(self, per_group: Array, ungrouped: float) -> Array:
        """One value per coefficient from one value per group."""
        return jnp.append(per_group, ungrouped)[self.group_ids]


class CompositePenalty(Penalty):
    """Different penalties on different ranges of features.

    Parameters
    ----------
    parts
        One penalty per range, in order.
    widths
        Number of features of each range.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> ridge = ElasticNetPenalty(jnp.zeros(()), jnp.ones((1, 1)), smooth=True)
    >>> lasso = ElasticNetPenalty(jnp.ones((1, 1)), jnp.zeros(()), smooth=False)
    >>> both = CompositePenalty((ridge, lasso), widths=(1, 1))
    >>> both.value(jnp.array([[2.0], [3.0]])).tolist()
    [5.0]
    """

    parts: tuple[Penalty, ...]
    widths: tuple[int, ...] = eqx.field(static=True)

    @property
    def smooth(self) -> bool:
        """Whether every part is."""
        return all(part.smooth for part in self.parts)

    @property
    def separable(self) -> bool:
        """Whether every part is."""
        return all(part.separable for part in self.parts)

    @property
    def couples_responses(self) -> bool:
        """Whether any part does."""
        return any(part.couples_responses for part in self.parts)

    @property
    def is_zero(self) -> bool:
        """Whether every part is."""
        return all(part.is_zero for part in self.parts)

    @property
    def depends_on_rows(self) -> bool:
        """Whether some part does."""
        return any(part.depends_on_rows for part in self.parts)

    @property
    def penalizes_intercept(self) -> bool:
        """Whether any part does."""
        return any(part.penalizes_intercept for part in self.parts)

    @property
    def intercept_centered(self) -> bool:
        """Whether any part is about the centred intercept."""
        return any(part.intercept_centered for part in self.parts)

    def value(self, coef: Array) -> Array:
        """Sum over the parts, shape (K,)."""
        return sum(part.value(rows) for part, rows in self._split(coef))

    def smooth_value(self, coef: Array) -> Array:
        """Sum over the parts, shape (K,)."""
        return sum(part.smooth_value(rows) for part, rows in self._split(coef))

    def prox(self, coef: Array, step: Array) -> Array:
        """Proximal operator of each part on its own range."""
        steps = self._split(jnp.broadcast_to(step, coef.shape))
        pieces = zip(self._split(coef), steps, strict=True)
        return jnp.concatenate([part.prox(rows, step) for (part, rows), (_, step) in pieces])

    def common_scale(self, scale: Array) -> Array:
        """Scales of each part on its own range."""
        scales = [part.common_scale(rows) for part, rows in self._split(scale)]
        shape = jnp.broadcast_shapes(*(piece.shape[1:] for piece in scales))
        return jnp.concatenate([jnp.broadcast_to(s, (s.shape[0], *shape)) for s in scales])

    def with_rows(self, num_rows: Array) -> Penalty:
        """Return the same with every part's number of rows replaced."""
        return CompositePenalty(tuple(p.with_rows(num_rows) for p in self.parts), self.widths)

    def log_prior(self, coef: Array, kappa: Array, num_rows: Array) -> Array:
        """Sum over the parts, shape (K,)."""
        return sum(part.log_prior(rows, kappa, num_rows) for part, rows in self._split(coef))

    def intercept_value(self, intercept: Array) -> Array:
        """Sum over the parts, shape (K,)."""
        return sum(part.intercept_value(intercept) for part in self.parts)

    def _split(self, array: Array) -> list[tuple[Penalty, Array]]:
        """Each part with its rows of ``array``."""
        ends = [sum(self.widths[: i + 1]) for i in range(len(self.widths) - 1)]
        return list(zip(self.parts, jnp.split(array, ends), strict=True))
