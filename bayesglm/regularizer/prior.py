"""Priors with a scale of their own: any NumPyro distribution on the coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp

from bayesglm.regularizer._distributions import (
    bounds,
    check_distribution,
    describe,
    is_smooth,
    shrinkage,
    with_array_parameters,
)
from bayesglm.regularizer._kernels import over_responses
from bayesglm.regularizer._parts import flatten_keys, split_shape
from bayesglm.regularizer._shape import CoefShape, DataScales
from bayesglm.regularizer.base import PROXIMAL_SOLVERS, SMOOTH_SOLVERS, Regularizer
from bayesglm.regularizer.elementwise import UnRegularized
from bayesglm.regularizer.penalties import CompositePenalty, Penalty
from bayesglm.regularizer.prior_penalties import (
    InterceptPenalty,
    PriorPenalty,
    VectorPriorPenalty,
)

AUTOSCALE = 2.5


class Prior(Regularizer):
    r"""A prior distribution of the coefficients, whatever the number of rows.

    In `fit` the penalty is minus the log density over the number of rows, so that the fit is the
    posterior mode. There is no strength besides: leave ``regularizer_strength`` None.

    Parameters
    ----------
    distribution
        A NumPyro distribution

        - of single coefficients, on the real line or an interval of it: its batch shape is (),
          or has as many axes as ``coef_``, each of the same length or 1;
        - of vectors with one entry per feature (such as ``MultivariateNormal``), the same for all
          responses and classes, or with a batch axis for each of these;
        - of arrays of the shape of ``coef_`` (such as ``MatrixNormal``);

        or a dict of these with the keys of the features, None being flat; or None for a default:
        normal with standard deviation ``2.5 * response_scale / feature_scale``, so that it does
        not depend on the units of the data.
    intercept
        A smooth distribution of single intercepts, on the whole line, about the linear predictor
        where all features are zero. None is flat; with the default prior of coefficients it is
        normal with standard deviation ``2.5 * response_scale``, about the linear predictor at the
        mean of the features.

    Raises
    ------
    TypeError
        If something is not a distribution.
    ValueError
        If a distribution is discrete, on another support, or has an impossible parameter.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> Prior(dist.StudentT(3.0, 0.0, 2.5))
    Prior(distribution=StudentT(df=3, loc=0, scale=2.5))
    >>> Prior(dist.Laplace(0.0, 1.0)).default_solver
    'ProximalNewton'

    References
    ----------
    Gabry and Goodrich, *Prior distributions for rstanarm models* (the default); Gelman et al.
    (2008), *Ann. Appl. Stat.* 2, 1360.
    """

    default_strength: ClassVar[Any] = None

    distribution: Any = None
    intercept: Any = None

    def __check_init__(self) -> None:
        for distribution in self._distributions():
            check_distribution(distribution)
        if self.intercept is not None:
            check_distribution(self.intercept)
            if self.intercept.event_dim or not is_smooth(self.intercept):
                raise ValueError(
                    "The prior of the intercept must be a smooth distribution of single numbers "
                    f"on the whole real line; got {describe(self.intercept)}."
                )

    def resolve(self, strength: Any, shape: CoefShape, scales: DataScales) -> Penalty:
        """Return minus the log density per row.

        Raises
        ------
        ValueError
            If there is a strength, if what is needed of the data is missing, or if the shape of a
            distribution does not match.
        """
        _check_use(strength, scales)
        num_rows = jnp.broadcast_to(jnp.asarray(scales.num_rows, float), shape.num_responses)
        if self.distribution is None:
            coef = _autoscaled(shape, scales, num_rows)
        elif isinstance(self.distribution, Mapping):
            coef = _by_part(flatten_keys(self.distribution), shape, num_rows)
        else:
            coef = _penalty(self.distribution, shape, num_rows)
        intercept = self._intercept(shape, scales, num_rows)
        if intercept is None:
            return coef
        return CompositePenalty((coef, intercept), (shape.num_features, 0))

    @property
    def allowed_solvers(self) -> tuple[str, ...]:
        """Names of the solvers that can find the mode with this prior."""
        names = SMOOTH_SOLVERS if self._smooth else PROXIMAL_SOLVERS
        if not all(_has_prox(distribution) for distribution in self._distributions()):
            names = tuple(name for name in names if name not in PROXIMAL_SOLVERS)
        return (*names, *(name for name in self._allowed_solvers if name not in names))

    @property
    def default_solver(self) -> str:
        """``Newton`` for smooth priors on the whole line, otherwise ``ProximalNewton``."""
        return "Newton" if self._smooth else "ProximalNewton"

    @property
    def _smooth(self) -> bool:
        """Whether all densities are."""
        return all(is_smooth(distribution) for distribution in self._distributions())

    def _distributions(self) -> list[Any]:
        """Return all distributions of coefficients."""
        if isinstance(self.distribution, Mapping):
            return [d for d in flatten_keys(self.distribution).values() if d is not None]
        return [] if self.distribution is None else [self.distribution]

    def _intercept(self, shape: CoefShape, scales: DataScales, num_rows: Any) -> Penalty | None:
        """Return the penalty of the intercept, if there is one."""
        user_shape = shape.user_shape[1:] or (1,)
        if self.intercept is not None:
            _check_batch(self.intercept, user_shape, "the intercept")
            return InterceptPenalty(
                with_array_parameters(self.intercept), num_rows, user_shape, False
            )
        if self.distribution is not None:
            return None
        return _autoscaled_intercept(shape, scales, num_rows, user_shape)


def _check_use(strength: Any, scales: DataScales) -> None:
    """Raise if a prior is given a strength, or too little about the data."""
    if strength is not None:
        raise ValueError(
            "A `Prior` has a scale of its own: leave `regularizer_strength` None and change the "
            f"distribution; got {strength!r}."
        )
    if scales.num_rows is None:
        raise ValueError("A `Prior` needs the number of rows, `num_rows`, to become a penalty.")


def _penalty(distribution: Any, shape: CoefShape, num_rows: Any) -> Penalty:
    """Penalty of one distribution on all coefficients of ``shape``."""
    if distribution.event_dim > 0:
        return _vector_penalty(distribution, shape, num_rows)
    user_shape = shape.user_shape
    _check_batch(distribution, user_shape, "the coefficients")

    def internal(value: Any) -> Any:
        array = jnp.asarray(value, float)
        array = jnp.reshape(array, (1,) * (len(user_shape) - array.ndim) + array.shape)
        return array[:, None] if len(user_shape) < len(shape.internal) else array

    ends, form = bounds(distribution), shrinkage(distribution)
    return PriorPenalty(
        with_array_parameters(distribution),
        num_rows,
        None if ends is None else tuple(map(internal, ends)),
        None if form is None else tuple(map(internal, form)),
        user_shape,
        is_smooth(distribution),
    )


def _vector_penalty(distribution: Any, shape: CoefShape, num_rows: Any) -> Penalty:
    """Penalty of a distribution of vectors of all features, or of whole arrays."""
    user_shape = shape.user_shape
    whole = len(user_shape) > 1 and distribution.event_shape == user_shape
    if not whole and distribution.event_shape != user_shape[:1]:
        raise ValueError(
            f"The event shape of the prior {describe(distribution)} must be {user_shape[:1]}, one "
            f"entry per feature, or that of the coefficients, {user_shape}; it is "
            f"{distribution.event_shape}."
        )
    _check_batch(distribution, () if whole else user_shape[1:], "the responses")
    arrays = with_array_parameters(distribution)
    gaussian = (arrays.loc, arrays.precision_matrix) if _is_multivariate_normal(arrays) else None
    couples = whole and shape.num_responses > 1
    return VectorPriorPenalty(arrays, num_rows, gaussian, user_shape, whole, couples)


def _by_part(distributions: Mapping, shape: CoefShape, num_rows: Any) -> Penalty:
    """Penalties of different distributions on different ranges of features; None is flat."""
    parts = split_shape(shape, list(distributions))
    penalties = tuple(
        UnRegularized().resolve(None, part, DataScales())
        if distributions[key] is None
        else _penalty(distributions[key], part, num_rows)
        for key, (part, _) in parts.items()
    )
    return CompositePenalty(penalties, tuple(part.num_features for part, _ in parts.values()))


def _autoscaled(shape: CoefShape, scales: DataScales, num_rows: Any) -> Penalty:
    """Return the default prior: normal, with a scale taken from the data."""
    from numpyro import distributions as dist

    if scales.feature_scale is None or scales.response_scale is None:
        raise ValueError(
            "The default prior takes its scale from the data: it needs `feature_scale` and "
            "`response_scale`."
        )
    feature_scale = jnp.asarray(scales.feature_scale, float)
    feature_scale = jnp.where(feature_scale > 0, feature_scale, 1.0)
    feature_scale = feature_scale.reshape(-1, *(1,) * (len(shape.internal) - 1))
    response_scale = over_responses(_per_response(scales.response_scale, shape), feature_scale)
    scale = jnp.maximum(AUTOSCALE * response_scale / feature_scale, 1e-12)
    scale = jnp.broadcast_to(scale, shape.internal).reshape(shape.user_shape)
    return _penalty(dist.Normal(jnp.zeros_like(scale), scale), shape, num_rows)


def _autoscaled_intercept(
    shape: CoefShape, scales: DataScales, num_rows: Any, user_shape: tuple[int, ...]
) -> Penalty:
    """Return the default prior of the intercept at the column means."""
    from numpyro import distributions as dist

    center = 0.0 if scales.response_center is None else scales.response_center
    columns = [_per_response(value, shape) for value in (center, scales.response_scale)]
    columns = [column.reshape(-1, *(1,) * (len(shape.internal) - 2)) for column in columns]
    loc, spread = (jnp.broadcast_to(c, shape.internal[1:]).reshape(user_shape) for c in columns)
    distribution = dist.Normal(loc, jnp.maximum(AUTOSCALE * spread, 1e-12))
    arrays = with_array_parameters(distribution)
    return InterceptPenalty(arrays, num_rows, user_shape, intercept_centered=True)


def _per_response(value: Any, shape: CoefShape) -> Any:
    """One value per response, shape (K,)."""
    return jnp.broadcast_to(jnp.asarray(value, float), shape.num_responses)


def _check_batch(distribution: Any, expected: tuple[int, ...], what: str) -> None:
    """Raise unless the batch shape is () or matches axis by axis, so that no axis is guessed."""
    got = distribution.batch_shape
    if got == ():
        return
    matches = len(got) == len(expected) and all(
        g in (1, e) for g, e in zip(got, expected, strict=True)
    )
    if not matches:
        raise ValueError(
            f"The batch shape of the prior {describe(distribution)} must be () or that of {what}, "
            f"{expected} (an axis may have length 1); it is {got}."
        )


def _is_multivariate_normal(distribution: Any) -> bool:
    """Whether the mode under a quadratic is a linear system."""
    from numpyro import distributions as dist

    return isinstance(distribution, dist.MultivariateNormal)


def _has_prox(distribution: Any) -> bool:
    """Whether there is a proximal operator."""
    return not distribution.event_dim or _is_multivariate_normal(distribution)
