r"""Regularizers as the priors that are sampled: densities on unconstrained coordinates.

A penalty's prior is :math:`\exp(-n\,h(\beta)/\kappa)`, normalised at each dispersion; its strength
may be a parameter too, with a prior of its own.
"""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from bayesglm._module import Module
from bayesglm.regularizer._kernels import Array, over_responses, per_response
from bayesglm.regularizer.penalties import (
    CompositePenalty,
    ElasticNetPenalty,
    GroupPenalty,
    Penalty,
)
from bayesglm.regularizer.responses import take_entries, take_responses


class CoefficientPrior(Module):
    """Abstract prior of coefficients and intercepts, in coordinates that it chooses.

    Attributes
    ----------
    smooth
        Whether the density has no kinks.
    couples_responses
        Whether coefficients of different responses depend on each other.
    gaussian
        Whether posteriors are near normal when data are many; else samplers adapt their metric.
    linear
        Whether parameters of standardised columns are their own coordinates.
    normal
        Whether the density is normal, or flat, at each dispersion.
    has_mode
        Whether posteriors have a mode near which most of the probability is.
    flat, penalizes_intercept
        Whether coefficients have a flat prior, and whether the intercept has one that is not.
    """

    @abc.abstractmethod
    def sizes(self, shape: tuple[int, ...]) -> dict[str, int]:
        """Numbers of the prior's own parameters for one response, from the coefficients' shape."""

    @abc.abstractmethod
    def start(self, shape: tuple[int, ...]) -> dict[str, Array]:
        """Where samplers look first for the prior's own parameters, each of shape (size,)."""

    @abc.abstractmethod
    def raw(self, params: Any, coordinates: Any) -> Any:
        """Coordinates of parameters of the user's columns: the inverse of `place` at `start`."""

    @abc.abstractmethod
    def place(
        self, raw: Any, own: dict[str, Array], kappa: Array, num_rows: Array, coordinates: Any
    ) -> tuple[Any, Array]:
        """Parameters of standardised columns, and the log density in these coordinates.

        Parameters
        ----------
        raw
            Coordinates of coefficients (p, K[, C]) and intercepts (K[, C]).
        own
            The prior's own parameters, each of shape (K, size).
        kappa, num_rows
            Dispersion factor and number of rows, shape (K,).
        coordinates
            The standardisation of the columns.

        Returns
        -------
        Parameters in the same structure, and log densities (K,).
        """

    @abc.abstractmethod
    def take(self, index: Array, num_responses: int) -> CoefficientPrior:
        """Return the prior of the responses ``index`` of ``num_responses``, all independent."""

    @abc.abstractmethod
    def constrained(self, own: dict[str, Array], kappa: Array) -> dict[str, Array]:
        """Return the prior's own parameters on the scales that users know, as `place` has them."""


class Bounds(Module):
    """Smallest and largest coefficients, and the way there from the real line.

    Parameters
    ----------
    lower, upper
        Broadcastable to the coefficients; infinite where there is no bound.
    """

    lower: Array
    upper: Array

    def constrain(self, free: Array) -> tuple[Array, Array]:
        """Coefficients of unconstrained values, and the log of the derivative, elementwise."""
        low, high, has_low, has_high = self._parts()
        both = has_low & has_high
        width = jnp.where(both, high - low, 1.0)
        inside = low + width * jax.nn.sigmoid(free)
        soft = jax.nn.softplus(jnp.where(has_high, -free, free))
        one_sided = jnp.where(has_low, low + soft, high - soft)
        bounded = has_low | has_high
        value = jnp.where(both, inside, jnp.where(bounded, one_sided, free))
        log_up, log_down = jax.nn.log_sigmoid(free), jax.nn.log_sigmoid(-free)
        log_slope = jnp.where(both, jnp.log(width) + log_up + log_down, 0.0)
        return value, jnp.where(bounded & ~both, jnp.where(has_low, log_up, log_down), log_slope)

    def unconstrain(self, coef: Array) -> Array:
        """Invert `constrain`; coefficients at a bound are moved inside."""
        low, high, has_low, has_high = self._parts()
        both = has_low & has_high
        share = (coef - low) / jnp.where(both, high - low, 1.0)
        share = jnp.clip(jnp.where(both, share, 0.5), 1e-3, 1 - 1e-3)
        away = jnp.maximum(jnp.where(has_low, coef - low, high - coef), 1e-6)
        soft = away + jnp.log(-jnp.expm1(-away))
        one_sided = jnp.where(has_high, -soft, soft)
        value = jnp.where(both, jnp.log(share) - jnp.log1p(-share), one_sided)
        return jnp.where(has_low | has_high, value, coef)

    def _parts(self):
        has_low, has_high = jnp.isfinite(self.lower), jnp.isfinite(self.upper)
        low = jnp.where(has_low, self.lower, 0.0)
        return low, jnp.where(has_high, self.upper, 0.0), has_low, has_high


class PenaltyPrior(CoefficientPrior):
    """The prior that a penalty is, its strength known or sampled.

    Where it is sampled, coefficients are counted in units of the spread that it and the data leave
    them: else they and their spread could go to zero together, and the density have no bound.

    Parameters
    ----------
    penalty
        Resolved penalty, counting one row where it is a prior of its own scale; at strength one
        if that is sampled.
    strength
        NumPyro distribution of the strength, on positive numbers; None where it is known.
    bounds
        Support of the coefficients; None if it is the real line.
    scaled
        Coefficients whose spread a sampled strength decides, booleans of their shape.
    """

    penalty: Penalty
    strength: Any = None
    bounds: Bounds | None = None
    scaled: Array | None = None

    @property
    def smooth(self) -> bool:
        """Whether the penalty is smooth inside its support."""
        return self.penalty.smooth or self.bounds is not None

    @property
    def couples_responses(self) -> bool:
        """Whether the penalty does."""
        return self.penalty.couples_responses

    @property
    def has_mode(self) -> bool:
        """True."""
        return True

    @property
    def flat(self) -> bool:
        """Whether there is no penalty."""
        return self.penalty.is_zero

    @property
    def penalizes_intercept(self) -> bool:
        """Whether the intercept has a prior."""
        return self.penalty.penalizes_intercept

    @property
    def normal(self) -> bool:
        """Whether the penalty is quadratic, and its strength known."""
        return self.strength is None and is_normal(self.penalty)

    @property
    def linear(self) -> bool:
        """Whether the strength is known, and coefficients have no bounds."""
        return self.strength is None and self.bounds is None

    @property
    def gaussian(self) -> bool:
        """Whether the strength is known, and there is no kink."""
        return self.strength is None and self.smooth

    def sizes(self, shape):
        """One strength, if it is sampled."""
        del shape
        return {} if self.strength is None else {"regularizer_strength": 1}

    def start(self, shape):
        """Start at a strength of one."""
        return {name: jnp.zeros(size) for name, size in self.sizes(shape).items()}

    def raw(self, params, coordinates):
        """Parameters of the standardised columns, unconstrained."""
        if self.bounds is None:
            return coordinates.to_standard(params)
        intercept = coordinates.to_standard(params).intercept
        return type(params)(self.bounds.unconstrain(params.coef), intercept)

    def place(self, raw, own, kappa, num_rows, coordinates):
        """Parameters of standardised columns, and the log density."""
        density = jnp.zeros_like(kappa)
        if self.strength is not None:
            log_strength = own["regularizer_strength"][:, 0]
            width = coordinates.column(raw.coef)
            log_spread = self._log_spread(log_strength, kappa, num_rows, width)
            density += per_response(log_spread)
            raw = type(raw)(jnp.exp(log_spread) * raw.coef, raw.intercept)
            kappa = kappa / jnp.exp(log_strength)
            density += self.strength.log_prob(jnp.exp(log_strength)) + log_strength
        params, user = raw, coordinates.from_standard(raw)
        if self.bounds is not None:
            coef, log_slope = self.bounds.constrain(raw.coef)
            density += jnp.sum(log_slope, axis=(0, *range(2, coef.ndim)))
            params = type(raw)(coef * coordinates.column(coef), raw.intercept)
            user = coordinates.from_standard(params)
        at = params if self.penalty.intercept_centered else user
        density += self.penalty.log_prior(user.coef, kappa, num_rows)
        return params, density - self.penalty.intercept_value(at.intercept)

    def _log_spread(self, log_strength, kappa, num_rows, width):
        """Log of how wide coefficients are at a strength, beside how wide at a strength of one.

        Data of unit weight leave a mean loss of curvature ``width**2``, which is all that counts
        where the strength is small; where it is large, the prior decides. Shape (p, K[, C]).
        """
        size = self.scaled * 1.0
        weight = 1.0 / jnp.square(width) * size
        if not self.penalty.smooth:
            weight *= over_responses(num_rows / kappa, size)
        power = 1.0 if self.penalty.smooth else 2.0
        moved = jnp.log(weight + (weight == 0)) + over_responses(power * log_strength, size)
        spread = 0.5 * (jnp.log1p(weight) - jnp.logaddexp(0.0, moved))
        return jnp.where(self.scaled, spread, 0.0)

    def take(self, index, num_responses):
        """Return the prior of some responses."""
        bounds = self.bounds and jax.tree.map(lambda end: end[:, index], self.bounds)
        penalty = take_responses(self.penalty, index, num_responses)
        strength = take_entries(self.strength, index, num_responses)
        scaled = None if self.scaled is None else self.scaled[:, index]
        return PenaltyPrior(penalty, strength, bounds, scaled)

    def constrained(self, own, kappa):
        """Strengths themselves."""
        del kappa
        return {name: jnp.exp(value[..., 0]) for name, value in own.items()}


def scaled_by_strength(penalty: Penalty, shape: tuple[int, ...]) -> Array:
    """Coefficients whose spread the strength of a penalty decides, booleans of their shape.

    Parameters
    ----------
    penalty
        Resolved penalty at strength one, on the coefficients that may move alone.
    shape
        Shape of the coefficients, (p, K[, C]).
    """
    if isinstance(penalty, CompositePenalty):
        widths = zip(penalty.parts, penalty.widths, strict=True)
        parts = [scaled_by_strength(part, (width, *shape[1:])) for part, width in widths]
        return jnp.concatenate(parts)
    if isinstance(penalty, ElasticNetPenalty):
        return jnp.broadcast_to((penalty.l1 > 0) | (penalty.l2 > 0), shape)
    if isinstance(penalty, GroupPenalty):
        return jnp.append(penalty.weights > 0, False)[penalty.group_ids]
    return jnp.zeros(shape, bool)


def bounds_of(penalty: Penalty, shape: tuple[int, ...]) -> Bounds | None:
    """Support of the coefficients under a penalty, or None for the real line."""
    if isinstance(penalty, CompositePenalty):
        parts = [
            bounds_of(part, (width, *shape[1:]))
            for part, width in zip(penalty.parts, penalty.widths, strict=True)
        ]
        if all(part is None for part in parts):
            return None
        open_ended = lambda width: Bounds(
            *(jnp.full((width, *shape[1:]), s * jnp.inf) for s in (-1, 1))
        )
        known = [
            open_ended(width) if part is None else part
            for part, width in zip(parts, penalty.widths, strict=True)
        ]
        return jax.tree.map(lambda *ends: jnp.concatenate(ends), *known)
    support = getattr(penalty, "support", None)
    if support is None:
        return None
    lower, upper = (jnp.broadcast_to(end, shape) for end in support)
    return Bounds(lower, upper)


def without_held(penalty: Penalty, movable: Array) -> Penalty:
    """Return the penalty on the coefficients that may move alone, normalised on those.

    Parameters
    ----------
    penalty
        Resolved penalty.
    movable
        Booleans of the coefficients' shape.
    """
    if isinstance(penalty, CompositePenalty):
        ends = [sum(penalty.widths[: i + 1]) for i in range(len(penalty.widths) - 1)]
        masks = jnp.split(movable, ends)
        parts = tuple(map(without_held, penalty.parts, masks))
        return CompositePenalty(parts, penalty.widths)
    if isinstance(penalty, ElasticNetPenalty):
        weights = (jnp.where(movable, w, 0.0) for w in (penalty.l1, penalty.l2))
        return eqx.tree_at(lambda p: (p.l1, p.l2), penalty, tuple(weights))
    if isinstance(penalty, GroupPenalty):
        ids = jnp.where(movable, penalty.group_ids, penalty.num_groups)
        filled = jnp.bincount(ids.ravel(), length=penalty.num_groups + 1)[:-1] > 0
        weights = jnp.where(filled, penalty.weights, 0.0)
        return eqx.tree_at(lambda p: (p.group_ids, p.weights), penalty, (ids, weights))
    return penalty


def is_normal(penalty: Penalty) -> bool:
    """Whether a penalty is a normal prior, or flat, at each dispersion."""
    from numpyro import distributions as dist

    if isinstance(penalty, CompositePenalty):
        return all(is_normal(part) for part in penalty.parts)
    if isinstance(penalty, ElasticNetPenalty):
        return penalty.smooth
    own = getattr(penalty, "distribution", None)
    while isinstance(own, (dist.ExpandedDistribution, dist.Independent)):
        own = own.base_dist
    return isinstance(own, (dist.Normal, dist.MultivariateNormal))
