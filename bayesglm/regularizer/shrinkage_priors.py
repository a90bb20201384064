r"""Densities of shrinkage priors, in coordinates in which they are easy to sample.

Coefficients of the standardised columns are :math:`\beta_j=u_j s_j` with u standard normal
("non-centred"), so that scales near zero make no funnel; where something is known of the
likelihood, u are those of `bayesglm.regularizer.conditional`, so that scales far from zero make no
ridge either. The parameters of the scales s are on the whole line, by the logarithm or the logit.

References
----------
Papaspiliopoulos, Roberts and Sköld (2007), A general framework for the parametrization of
hierarchical models, *Stat. Sci.* 22, 59.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from bayesglm._compiled import compiled
from bayesglm._module import Module
from bayesglm.regularizer._distributions import describe, with_array_parameters
from bayesglm.regularizer._kernels import Array, by_response, per_response
from bayesglm.regularizer.conditional import QuadraticLikelihood
from bayesglm.regularizer.penalties import Penalty
from bayesglm.regularizer.responses import take_responses
from bayesglm.regularizer.sampled import CoefficientPrior

FARTHEST_START = 3.0  # of a standard normal coordinate
TRUSTED = 2.0  # link units from zero, of a column of unit spread


class Setting(Module):
    """What a shrinkage prior needs to know of a model and its data.

    Parameters
    ----------
    movable
        Coefficients that are in use, booleans (p, K[, C]).
    num_rows
        Number of rows, shape (K,).
    unit
        Size of coefficients of standardised columns: the standard deviation of Gaussian responses
        with the identity link, else one; shape (K,).
    by_dispersion
        Whether these are such responses: the dispersion factor is then twice their variance.
    intercept
        Penalty that is the prior of the intercept, counting one row.
    likelihood
        Expansion of the log-likelihood, in whose coordinates draws are easy; None without data.
    """

    movable: Array
    num_rows: Array
    unit: Array
    by_dispersion: bool = eqx.field(static=True)
    intercept: Penalty
    likelihood: QuadraticLikelihood | None = None

    @property
    def num_coefficients(self) -> np.ndarray:
        """Coefficients in use of each response, shape (K,), at least one."""
        return np.maximum(np.asarray(per_response(jnp.asarray(self.movable) * 1.0)), 1.0)

    def take(self, index: Array, num_responses: int) -> Setting:
        """Return the setting of the responses ``index`` of ``num_responses``."""
        return Setting(
            self.movable[:, index],
            self.num_rows[index],
            self.unit[index],
            self.by_dispersion,
            take_responses(self.intercept, index, num_responses),
            self.likelihood and self.likelihood.take(index),
        )

    def trusted(self, scales: Array) -> Array:
        """Scales, at most `TRUSTED` where an expansion of the likelihood may be wrong far out.

        If the data separate the responses, it is flat there, and coefficients go with their scales.
        """
        return scales if self.by_dispersion else scales / jnp.hypot(1.0, scales / TRUSTED)

    def sigma(self, kappa: Array) -> Array:
        """Residual standard deviation of such responses, else one; shape of ``kappa``."""
        return jnp.sqrt(0.5 * kappa) if self.by_dispersion else jnp.ones_like(kappa)


class ShrinkagePrior(CoefficientPrior):
    """Abstract prior of normal coefficients whose scales have priors.

    Parameters
    ----------
    hyperpriors
        NumPyro distributions of the scales' parameters: one number for each coefficient, for names
        in `local`, else one for each response.
    setting
        The model and the data.
    multiples
        What those parameters are multiples of, in units of the response or of its residual
        standard deviation, by name, each of shape (K,).
    """

    hyperpriors: dict[str, Any]
    setting: Setting
    multiples: dict[str, Array]
    local: ClassVar[tuple[str, ...]] = ("local_scale", "share")
    smooth: ClassVar[bool] = True
    couples_responses: ClassVar[bool] = False
    gaussian: ClassVar[bool] = False
    has_mode: ClassVar[bool] = False
    linear: ClassVar[bool] = False
    normal: ClassVar[bool] = False
    flat: ClassVar[bool] = False
    penalizes_intercept: ClassVar[bool] = True

    @abc.abstractmethod
    def scales(self, values: dict[str, Array], sigma: Array) -> Array:
        """Return the standard deviations of coefficients of standardised columns, shape (K, m).

        Parameters
        ----------
        values
            Parameters in the hyperpriors' support, of shape (K, 1) or (K, m), m = p [* C].
        sigma
            Residual standard deviation, shape (K,).
        """

    @abc.abstractmethod
    def named(self, values: dict[str, Array], sigma: Array) -> dict[str, Array]:
        """Parameters as users know them, from what `scales` takes; same shapes."""

    @abc.abstractmethod
    def texts(self) -> dict[str, list[str]]:
        """Priors of the parameters in words, one text per response, and of ``coef``."""

    def sizes(self, shape):
        """One number per coefficient and response, or per response."""
        width = shape[0] * math.prod(shape[2:])
        return {name: width if name in self.local else 1 for name in self.hyperpriors}

    def start(self, shape):
        """Scales of one, and half of the variance explained."""
        return {name: jnp.zeros(size) for name, size in self.sizes(shape).items()}

    def raw(self, params, coordinates):
        """Return standard normal coordinates, no farther than `FARTHEST_START` from zero."""
        params = coordinates.to_standard(params)
        if self.setting.likelihood is not None:  # then zero is where the mode would be
            return jax.tree.map(jnp.zeros_like, params)
        shape = params.coef.shape
        own = {name: jnp.zeros((shape[1], size)) for name, size in self.sizes(shape).items()}
        scales = self._wide(self.scales(self._constrain(own)[0], self.setting.unit))
        z = jnp.clip(params.coef / scales, -FARTHEST_START, FARTHEST_START)
        return type(params)(z, params.intercept)

    def place(self, raw, own, kappa, num_rows, coordinates):
        """Parameters of standardised columns, and the log density."""
        del num_rows
        values, density = self._constrain(own)
        scales = self.scales(values, self.setting.sigma(kappa))
        if self.setting.likelihood is not None:
            trusted = self.setting.trusted(scales)
            raw, log_volume = self.setting.likelihood.place(raw, trusted, kappa)
            density += log_volume
        log_normal = -0.5 * (raw.coef**2 + math.log(2.0 * math.pi))
        density += per_response(jnp.where(self.setting.movable, log_normal, 0.0))
        params = type(raw)(raw.coef * self._wide(scales), raw.intercept)
        centered = self.setting.intercept.intercept_centered
        at = params if centered else coordinates.from_standard(params)
        return params, density - self.setting.intercept.intercept_value(at.intercept)

    def take(self, index, num_responses):
        """Return the prior of some responses."""
        multiples = {name: value[index] for name, value in self.multiples.items()}
        setting = self.setting.take(index, num_responses)
        return dataclasses.replace(self, setting=setting, multiples=multiples)

    def informed(self, likelihood: QuadraticLikelihood) -> ShrinkagePrior:
        """Return the prior in the coordinates that an expansion of the likelihood makes."""
        setting = dataclasses.replace(self.setting, likelihood=likelihood)
        return dataclasses.replace(self, setting=setting)

    def constrained(self, own, kappa):
        """Scales in link units; those of coefficients have shape (K, p[, C])."""
        return self._shaped(self.named(self._constrain(own)[0], self.setting.sigma(kappa)))

    @compiled
    def draw(self, key: Array, kappa: Array) -> tuple[Array, dict[str, Array]]:
        """Draw coefficients of standardised columns.

        Parameters
        ----------
        key
            JAX random key.
        kappa
            Dispersion factor of each draw, shape (S, K).

        Returns
        -------
        Coefficients (S, p, K[, C]), and parameters as users know them, (S, K) or (S, K, p[, C]).
        """
        (count, K), sizes = kappa.shape, self.sizes(self.setting.movable.shape)
        keys = dict(zip(["coef", *sizes], jax.random.split(key, 1 + len(sizes)), strict=True))
        values = {
            name: prior.expand((K, sizes[name])).sample(keys[name], (count,))
            for name, prior in self.hyperpriors.items()
        }
        sigma = self.setting.sigma(kappa)
        scales = self._wide(self.scales(values, sigma))
        coef = scales * jax.random.normal(keys["coef"], scales.shape)
        return jnp.where(self.setting.movable, coef, 0.0), self._shaped(self.named(values, sigma))

    def _shaped(self, named: dict[str, Array]) -> dict[str, Array]:
        """Parameters (..., K, m) by coefficient, (..., K, p[, C]), or (..., K) where m is 1."""
        p, K, *classes = self.setting.movable.shape
        shape = lambda name: (K, p, *classes) if name in self.local else (K,)
        return {
            name: value.reshape(*value.shape[:-2], *shape(name)) for name, value in named.items()
        }

    def _constrain(self, own: dict[str, Array]) -> tuple[dict[str, Array], Array]:
        """Values in the hyperpriors' support, and the log density (K,) of the coordinates."""
        from numpyro.distributions import biject_to

        values, density = {}, 0.0
        for name, prior in self.hyperpriors.items():
            transform = biject_to(prior.support)
            values[name] = transform(own[name])
            slope = transform.log_abs_det_jacobian(own[name], values[name])
            density += jnp.sum(prior.log_prob(values[name]) + slope, axis=1)
        return values, density

    def _wide(self, scales: Array) -> Array:
        """Values (..., K, m) in the shape of the coefficients, (..., p, K[, C])."""
        p, K, *classes = self.setting.movable.shape
        apart = scales.reshape(*scales.shape[:-2], K, p, *classes)
        return jnp.moveaxis(apart, scales.ndim - 2, scales.ndim - 1)


class HorseshoePrior(ShrinkagePrior):
    """Density of `bayesglm.regularizer.Horseshoe`."""

    def scales(self, values, sigma):
        """Harmonic combination of the slab and the product of global and local scales."""
        named = self.named(values, sigma)
        spike = jnp.log(named["global_scale"]) + jnp.log(named["local_scale"])
        slab = jnp.log(named["slab_scale"])
        return jnp.exp(-0.5 * jnp.logaddexp(-2.0 * spike, -2.0 * slab))

    def named(self, values, sigma):
        """Global scale and slab in link units."""
        wide = (self.multiples["global_scale"] * sigma)[..., None]
        slab = self.multiples["slab_scale"][:, None]
        return {
            "local_scale": values["local_scale"],
            "global_scale": wide * values["global_scale"],
            "slab_scale": slab * jnp.sqrt(values["slab_scale"]),
        }

    def texts(self):
        """Priors in words."""
        local, wide = (
            f"HalfStudentT(df={float(self.hyperpriors[name].base_dist.df):g}, scale="
            for name in ("local_scale", "global_scale")
        )
        sigma = " * sqrt(scale)" if self.setting.by_dispersion else ""
        half_df = float(self.hyperpriors["slab_scale"].concentration)
        sizes = {name: np.asarray(value) for name, value in self.multiples.items()}
        scale = "1 / hypot(1 / (global_scale * local_scale), 1 / slab_scale)"
        return {
            "coef": [f"Normal(loc=0, scale={scale})"] * len(sizes["slab_scale"]),
            "local_scale": [f"{local}1)"] * len(sizes["slab_scale"]),
            "global_scale": [f"{wide}{size:.4g}{sigma})" for size in sizes["global_scale"]],
            "slab_scale": [
                f"{size:.4g} * sqrt(InverseGamma({half_df:g}, {half_df:g}))"
                for size in sizes["slab_scale"]
            ],
        }


class R2D2Prior(ShrinkagePrior):
    """Density of `bayesglm.regularizer.R2D2`.

    The shares are gamma variables over their sum, which has no part in the model: a simplex
    without corners, and without the order of features that breaking a stick has.
    """

    def scales(self, values, sigma):
        """Square roots of the shares of the variance explained."""
        odds, share = values["r2"] / (1.0 - values["r2"]), self._shares(values)
        some = share > 0  # the square root has no slope at the share of a masked coefficient
        return sigma[..., None] * jnp.where(some, jnp.sqrt(odds * jnp.where(some, share, 1.0)), 0.0)

    def named(self, values, sigma):
        """Proportion explained, and shares that sum to one."""
        del sigma
        return {"r2": values["r2"], "share": self._shares(values)}

    def texts(self):
        """Priors in words."""
        sigma = "sqrt(scale) * " if self.setting.by_dispersion else ""
        size = float(self.hyperpriors["share"].concentration)
        counts = self.setting.num_coefficients
        return {
            "coef": [f"Normal(loc=0, scale={sigma}sqrt(share * r2 / (1 - r2)))"] * len(counts),
            "r2": [describe(self.hyperpriors["r2"])] * len(counts),
            "share": [f"Dirichlet({size:g}, {int(count)} times)" for count in counts],
        }

    def _shares(self, values: dict[str, Array]) -> Array:
        used = by_response(self.setting.movable)
        amounts = jnp.where(used, values["share"], 0.0)
        total = jnp.sum(amounts, axis=-1, keepdims=True)
        return amounts / jnp.where(total > 0, total, 1.0)


class ARDPrior(ShrinkagePrior):
    """Density of `bayesglm.regularizer.ARD`.

    Parameters
    ----------
    of_precision
        Whether the hyperprior is that of the inverse variance.
    """

    of_precision: bool = eqx.field(static=True)

    def scales(self, values, sigma):
        """Scales in link units."""
        return self.named(values, sigma)["local_scale"]

    def named(self, values, sigma):
        """Scales in link units."""
        del sigma
        value = values["local_scale"]
        size = value**-0.5 if self.of_precision else value
        return {"local_scale": self.multiples["local_scale"][:, None] * size}

    def texts(self):
        """Priors in words."""
        prior = describe(self.hyperpriors["local_scale"])
        text = f"1 / sqrt({prior})" if self.of_precision else prior
        units = np.asarray(self.multiples["local_scale"])
        return {
            "coef": ["Normal(loc=0, scale=local_scale)"] * len(units),
            "local_scale": [text if unit == 1 else f"{unit:.4g} * {text}" for unit in units],
        }


def half_student_t(df: float) -> Any:
    """NumPyro distribution of the size of a variable with Student's t distribution, scale one."""
    from numpyro import distributions as dist

    return with_array_parameters(dist.FoldedDistribution(dist.StudentT(df, 0.0, 1.0)))
