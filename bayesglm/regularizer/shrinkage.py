"""Shrinkage priors: most coefficients near zero, some not, and the data say which."""

from __future__ import annotations

import abc
import math
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from bayesglm.regularizer._distributions import (
    check_positive_distribution,
    with_array_parameters,
)
from bayesglm.regularizer._shape import CoefShape, DataScales
from bayesglm.regularizer.base import SMOOTH_SOLVERS, Regularizer
from bayesglm.regularizer.elementwise import Ridge
from bayesglm.regularizer.penalties import Penalty
from bayesglm.regularizer.prior import Prior
from bayesglm.regularizer.shrinkage_priors import (
    ARDPrior,
    HorseshoePrior,
    R2D2Prior,
    Setting,
    ShrinkagePrior,
    half_student_t,
)


class Shrinkage(Regularizer):
    """Abstract prior whose scales are parameters too: for `sample`, since it has no useful mode.

    Coefficients are normal on columns of unit standard deviation, with standard deviations that
    have priors. For Gaussian responses with the identity link, these are in units of the response.

    Attributes
    ----------
    intercept
        Prior of the intercept, as in `Prior`; None is the autoscaled default of that.

    Notes
    -----
    To write one: define the field ``intercept`` and `coefficient_prior`.
    """

    _allowed_solvers: ClassVar[tuple[str, ...]] = SMOOTH_SOLVERS
    _default_solver: ClassVar[str] = "Newton"
    default_strength: ClassVar[Any] = None

    @abc.abstractmethod
    def coefficient_prior(self, setting: Setting) -> ShrinkagePrior:
        """Density that is sampled.

        Parameters
        ----------
        setting
            What it depends on of the model and the data.

        Raises
        ------
        ValueError
            If the settings do not suit the number of coefficients.
        """

    @property
    def surrogate(self) -> Regularizer:
        """Ridge: its fit is where samplers begin, and it has one with few rows too."""
        return Ridge()

    def resolve(self, strength: Any, shape: CoefShape, scales: DataScales) -> Penalty:
        """Raise: there is no penalty to minimise.

        Raises
        ------
        ValueError
            Always, saying what to do.
        """
        del strength, shape, scales
        raise ValueError(
            f"{type(self).__name__} has no mode worth finding: where its scales go to zero the "
            "density is unbounded, or all coefficients are zero. Use `sample`, which averages over "
            "the scales, with this prior on all features; or, for `fit` and single parts of the "
            "features, 'Ridge', 'Lasso' or `Prior`."
        )


class Horseshoe(Shrinkage):
    r"""Regularized horseshoe: a few large coefficients among many that are almost zero.

    On columns of unit standard deviation, :math:`\beta_j\sim N(0,\tau^2\tilde\lambda_j^2)` with
    :math:`\tilde\lambda_j^2=c^2\lambda_j^2/(c^2+\tau^2\lambda_j^2)`, local scales
    :math:`\lambda_j\sim t^+_{\text{local df}}(0,1)`, a global scale
    :math:`\tau\sim t^+_{\text{global df}}(0,\tau_0)` and a slab
    :math:`c^2\sim\text{slab scale}^2\,\text{InvGamma}(\nu/2,\nu/2)`, beyond which even large
    coefficients shrink. It is the prior of brms and rstanarm (of standardised columns).

    For Gaussian responses with the identity link, :math:`\tau_0` is multiplied by the residual
    standard deviation, as there, and the slab by the standard deviation of the responses, as for
    standardised responses there.

    Parameters
    ----------
    global_scale
        :math:`\tau_0`, positive; None follows ``num_relevant``.
    slab_scale, slab_df
        Size of large coefficients, in link units, and degrees of freedom :math:`\nu` of its prior.
    local_df, global_df
        Degrees of freedom of the half Student's t distributions; 1 is half-Cauchy.
    num_relevant
        Guess :math:`p_0` of how many of the p coefficients matter:
        :math:`\tau_0=p_0/(p-p_0)/\sqrt n` with n rows. None is the square root of p, at most p/2.
    intercept
        Prior of the intercept, as in `Prior`; None is the autoscaled default of that.

    Raises
    ------
    ValueError
        If a number is not positive and finite, or both ``global_scale`` and ``num_relevant`` are
        given.

    Notes
    -----
    The posterior group has ``local_scale`` (:math:`\lambda_j`, one per feature), ``global_scale``
    (:math:`\tau`) and ``slab_scale`` (:math:`c`).

    Examples
    --------
    >>> Horseshoe(num_relevant=5)
    Horseshoe(slab_scale=2.0, slab_df=4.0, local_df=1.0, global_df=1.0, num_relevant=5)

    References
    ----------
    Piironen and Vehtari (2017), Sparsity information and regularization in the horseshoe and other
    shrinkage priors, *Electron. J. Stat.* 11, 5018.
    """

    global_scale: Any = None
    slab_scale: float = 2.0
    slab_df: float = 4.0
    local_df: float = 1.0
    global_df: float = 1.0
    num_relevant: Any = None
    intercept: Any = None

    def __check_init__(self) -> None:
        for name in ("slab_scale", "slab_df", "local_df", "global_df"):
            _check_positive(name, getattr(self, name))
        for name in ("global_scale", "num_relevant"):
            if getattr(self, name) is not None:
                _check_positive(name, getattr(self, name))
        if self.global_scale is not None and self.num_relevant is not None:
            raise ValueError("Give either `global_scale` or `num_relevant`, which implies it.")
        Prior(intercept=self.intercept)

    def coefficient_prior(self, setting: Setting) -> ShrinkagePrior:
        """Density that is sampled."""
        from numpyro import distributions as dist

        half_df = 0.5 * self.slab_df
        return HorseshoePrior(
            {
                "local_scale": half_student_t(self.local_df),
                "global_scale": half_student_t(self.global_df),
                "slab_scale": with_array_parameters(dist.InverseGamma(half_df, half_df)),
            },
            setting,
            {
                "global_scale": self._global_scale(setting),
                "slab_scale": self.slab_scale * setting.unit,
            },
        )

    def _global_scale(self, setting: Setting) -> Any:
        """Scale of the prior of the global scale, in residual standard deviations, shape (K,)."""
        if self.global_scale is not None:
            return jnp.full_like(setting.num_rows, self.global_scale)
        total = setting.num_coefficients
        relevant = self.num_relevant
        if relevant is None:
            relevant = np.minimum(np.sqrt(total), 0.5 * total)
        elif np.any(relevant >= total):
            raise ValueError(
                f"`num_relevant` must be smaller than the number of coefficients, "
                f"{int(np.min(total))}; got {relevant!r}."
            )
        return jnp.asarray(relevant / (total - relevant)) / jnp.sqrt(setting.num_rows)


class R2D2(Shrinkage):
    r"""Prior of the proportion of variance explained, shared out among the coefficients.

    On columns of unit standard deviation, :math:`\beta_j\sim N(0,\sigma^2\phi_j R^2/(1-R^2))` with
    :math:`R^2\sim\text{Beta}(\mu\nu,(1-\mu)\nu)` and shares
    :math:`\phi\sim\text{Dirichlet}(\text{concentration})`: of independent columns,
    :math:`R^2` is the share of the variance of the responses that the model explains. It is the
    prior of brms (of standardised columns).

    :math:`\sigma` is the residual standard deviation of Gaussian responses with the identity link,
    and one otherwise.

    Parameters
    ----------
    mean_r2
        Mean :math:`\mu` of :math:`R^2`, between 0 and 1.
    precision_r2
        :math:`\nu`, positive; larger values concentrate :math:`R^2` around its mean.
    concentration
        Positive; small values make a few coefficients take most of the variance.
    intercept
        Prior of the intercept, as in `Prior`; None is the autoscaled default of that.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Notes
    -----
    The posterior group has ``r2`` and ``share`` (:math:`\phi_j`, one per feature).

    Examples
    --------
    >>> R2D2(mean_r2=0.3)
    R2D2(mean_r2=0.3, precision_r2=2.0, concentration=0.5)

    References
    ----------
    Zhang, Naughton, Bondell and Reich (2022), Bayesian regression using a prior on the model fit:
    the R2-D2 shrinkage prior, *JASA* 117, 862.
    """

    mean_r2: float = 0.5
    precision_r2: float = 2.0
    concentration: float = 0.5
    intercept: Any = None

    def __check_init__(self) -> None:
        for name in ("mean_r2", "precision_r2", "concentration"):
            _check_positive(name, getattr(self, name))
        if self.mean_r2 >= 1:
            raise ValueError(f"`mean_r2` must lie between 0 and 1; got {self.mean_r2!r}.")
        Prior(intercept=self.intercept)

    def coefficient_prior(self, setting: Setting) -> ShrinkagePrior:
        """Density that is sampled."""
        from numpyro import distributions as dist

        successes = self.mean_r2 * self.precision_r2
        return R2D2Prior(
            {
                "r2": with_array_parameters(dist.Beta(successes, self.precision_r2 - successes)),
                "share": with_array_parameters(dist.Gamma(self.concentration, 1.0)),
            },
            setting,
            {},
        )


class ARD(Shrinkage):
    r"""Automatic relevance determination: each coefficient has a normal variance of its own.

    On columns of unit standard deviation, :math:`\beta_j\sim N(0,\alpha_j^2)`. For Gaussian
    responses with the identity link, :math:`\alpha_j` is in units of their standard deviation.

    Parameters
    ----------
    scale
        NumPyro distribution of the standard deviations :math:`\alpha_j`, on positive numbers; None
        is half-Cauchy with scale 1, unless there is a ``precision``.
    precision
        NumPyro distribution of :math:`\alpha_j^{-2}` instead, such as ``Gamma(1e-2, 1e-2)``.
    intercept
        Prior of the intercept, as in `Prior`; None is the autoscaled default of that.

    Raises
    ------
    TypeError
        If something is not a distribution.
    ValueError
        If a distribution is not one of single positive numbers, or both are given.

    Notes
    -----
    The posterior group has ``local_scale`` (:math:`\alpha_j`, one per feature).

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> ARD(precision=dist.Gamma(0.01, 0.01))
    ARD(precision=Gamma(concentration=0.01, rate=0.01))

    References
    ----------
    MacKay (1994), Bayesian nonlinear modeling for the prediction competition; Tipping (2001),
    Sparse Bayesian learning and the relevance vector machine, *JMLR* 1, 211.
    """

    scale: Any = None
    precision: Any = None
    intercept: Any = None

    def __check_init__(self) -> None:
        if self.scale is not None and self.precision is not None:
            raise ValueError("Give the prior of either the `scale` or the `precision`, not both.")
        for name in ("scale", "precision"):
            if getattr(self, name) is not None:
                check_positive_distribution(f"`{name}` of ARD", getattr(self, name))
        Prior(intercept=self.intercept)

    def coefficient_prior(self, setting: Setting) -> ShrinkagePrior:
        """Density that is sampled."""
        from numpyro import distributions as dist

        of_precision = self.precision is not None
        given = self.precision if of_precision else self.scale
        prior = with_array_parameters(dist.HalfCauchy(1.0) if given is None else given)
        units = {"local_scale": setting.unit}
        return ARDPrior({"local_scale": prior}, setting, units, of_precision)


def _check_positive(name: str, value: Any) -> None:
    """Raise unless a setting is a positive, finite number."""
    number = not isinstance(value, bool) and np.ndim(value) == 0
    if not number or not isinstance(value, int | float | np.number) or not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be a positive number; got {value!r}.")
