"""What a prior needs to know of a NumPyro distribution: is it usable, where is it, is it smooth.

NumPyro is imported inside functions only, and only once a distribution is at hand.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Shrinkage(NamedTuple):
    r"""A density $\propto \exp(-\tfrac12 l_2 (w-c)^2 - l_1 |w-c|)$ on its support.

    Parameters
    ----------
    center, l1, l2
        $c$, $l_1$ and $l_2$; arrays of the distribution's batch shape, or without axes.
    """

    center: Any
    l1: Any
    l2: Any


def is_distribution(value: Any) -> bool:
    """Whether ``value`` is a NumPyro distribution (without importing NumPyro to find out)."""
    names = ("log_prob", "batch_shape", "arg_constraints")
    return not isinstance(value, type) and all(hasattr(value, name) for name in names)


def describe(distribution: Any) -> str:
    """Readable name and parameters, such as ``Normal(loc=0.0, scale=2.5)``."""
    shown = [
        f"{name}={_short(vars(distribution)[name])}"
        for name in distribution.arg_constraints
        if name in vars(distribution)
    ]
    inner = [describe(part) for part in _inner(distribution)]
    return f"{type(distribution).__name__}({', '.join(inner + shown)})"


def check_distribution(distribution: Any) -> None:
    """Raise unless ``distribution`` can be a prior of coefficients.

    Raises
    ------
    TypeError
        If it is not a NumPyro distribution.
    ValueError
        If it is discrete, lives on anything but the real line or an interval of it (or a space of
        real vectors), or has an impossible parameter, such as a scale of 0.
    """
    if not is_distribution(distribution):
        raise TypeError(
            "`Prior` takes a NumPyro distribution, or a dict of them with the keys of the "
            f"features; got {distribution!r}."
        )
    if distribution.is_discrete or _is_point_mass(distribution):
        raise ValueError(
            f"A prior must be continuous; {describe(distribution)} is discrete or a point mass."
        )
    _check_parameters(distribution)
    ends = bounds(distribution)
    if ends is not None and not np.all(as_array(ends[0]) < as_array(ends[1])):
        raise ValueError(f"The support of the prior {describe(distribution)} is empty.")


def check_positive_distribution(what: str, distribution: Any) -> None:
    """Raise unless a distribution is one of single positive numbers, all of them.

    Raises
    ------
    TypeError
        If it is not a NumPyro distribution.
    ValueError
        If it is discrete, of several numbers, or its support is not all positive numbers.
    """
    check_distribution(distribution)
    ends = bounds(distribution)
    positive = ends is not None and np.all(np.asarray(ends[0]) == 0) and np.all(np.isinf(ends[1]))
    if distribution.batch_shape or distribution.event_dim or not positive:
        raise ValueError(
            f"{what} must have a distribution of one positive number, such as HalfCauchy(1.0); got "
            f"{describe(distribution)}."
        )


def bounds(distribution: Any) -> tuple[Any, Any] | None:
    """Lower and upper end of the support; None if it is the whole line (or all real vectors).

    Raises
    ------
    ValueError
        If the support is none of these.
    """
    support = _base_support(distribution.support)
    lower = getattr(support, "lower_bound", None)
    upper = getattr(support, "upper_bound", None)
    if distribution.event_dim > 0 and (lower is not None or upper is not None):
        raise ValueError(
            f"The support of {describe(distribution)} is bounded: write it elementwise, without "
            "`to_event`, as a prior of single coefficients."
        )
    if lower is not None or upper is not None:
        return -np.inf if lower is None else lower, np.inf if upper is None else upper
    if not _is_real(support):
        raise ValueError(
            "The support of a prior must be the real line or an interval of it; that of "
            f"{describe(distribution)} is {support}."
        )
    return None


def is_smooth(distribution: Any) -> bool:
    """Whether the density has two derivatives on the whole real line.

    Bounded and kinked (Laplace) distributions do not; any other is taken to.
    """
    from numpyro import distributions as dist

    if bounds(distribution) is not None:
        return False
    kinked = (dist.Laplace, dist.AsymmetricLaplace, dist.AsymmetricLaplaceQuantile)
    if isinstance(distribution, kinked):
        return False
    return all(is_smooth(part) for part in _inner(distribution))


def shrinkage(distribution: Any) -> Shrinkage | None:
    """Return the penalty in closed form, where there is one."""
    from numpyro import distributions as dist

    wrappers = (
        dist.ExpandedDistribution,
        dist.LeftTruncatedDistribution,
        dist.RightTruncatedDistribution,
        dist.TwoSidedTruncatedDistribution,
    )
    if isinstance(distribution, wrappers):
        return shrinkage(distribution.base_dist)
    forms = {
        dist.Normal: lambda d: Shrinkage(d.loc, 0.0, as_array(d.scale) ** -2),
        dist.Laplace: lambda d: Shrinkage(d.loc, 1.0 / as_array(d.scale), 0.0),
        dist.HalfNormal: lambda d: Shrinkage(0.0, 0.0, as_array(d.scale) ** -2),
        dist.Exponential: lambda d: Shrinkage(0.0, d.rate, 0.0),
        dist.Uniform: lambda d: Shrinkage(0.0, 0.0, 0.0),
        dist.ImproperUniform: lambda d: Shrinkage(0.0, 0.0, 0.0),
    }
    form = forms.get(type(distribution))
    return None if form is None or distribution.event_dim else form(distribution)


def with_array_parameters(distribution: Any) -> Any:
    """Copy of the distribution for use under `jax.jit`: every parameter a floating-point array.

    Another value of a parameter then compiles nothing. NumPyro's own checks of arguments are off
    in the copy: they cost a device transfer per call, and have been made. Parameters come in the
    order of their names: NumPyro's is that of a set, which differs from one process to the next,
    so that none would find again a program that JAX has stored.
    """

    def as_floats(leaf: Any) -> Any:
        array = jnp.asarray(leaf)
        return array if array.dtype == bool else array.astype(jnp.result_type(float))

    copy = jax.tree.map(as_floats, distribution)
    todo = [copy]
    while todo:
        part = todo.pop()
        part._validate_args = False
        part.__class__ = _in_order(type(part))
        todo += _inner(part)
    return copy


@cache
def _in_order(kind: type) -> type:
    """Return a class of distributions, its parameters in the order of their names."""
    names = tuple(sorted(kind.gather_pytree_data_fields()))
    if names == kind.gather_pytree_data_fields():
        return kind
    return type(kind.__name__, (kind,), {"gather_pytree_data_fields": staticmethod(lambda: names)})


def as_array(value: Any) -> np.ndarray:
    """Parameters of a distribution in double precision."""
    return np.asarray(value, np.float64)


def _check_parameters(distribution: Any) -> None:
    """Raise if a parameter is outside its domain, here or in a distribution inside this one."""
    from numpyro.distributions import constraints

    for name, constraint in distribution.arg_constraints.items():
        value = vars(distribution).get(name)
        checkable = value is not None and not constraints.is_dependent(constraint)
        if checkable and not np.all(constraint(np.asarray(value))):
            raise ValueError(
                f"`{name}` of the prior {describe(distribution)} must satisfy {constraint}."
            )
    for part in _inner(distribution):
        _check_parameters(part)


def _base_support(support: Any) -> Any:
    """Constraint on single numbers: what ``independent`` constraints are made of."""
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    return support


def _is_real(support: Any) -> bool:
    """Whether a constraint on single numbers holds for every real number."""
    from numpyro.distributions import constraints

    return support is constraints.real


def _is_point_mass(distribution: Any) -> bool:
    """Whether all of the probability is in one point."""
    from numpyro import distributions as dist

    return isinstance(distribution, dist.Delta)


def _inner(distribution: Any) -> list[Any]:
    """Distributions that this one wraps or mixes."""
    names = ("base_dist", "component_distribution", "component_distributions")
    values = [getattr(distribution, name, None) for name in names]
    flat = [v for value in values for v in (value if isinstance(value, list) else [value])]
    return [value for value in flat if is_distribution(value)]


def _short(value: Any) -> str:
    """Return a number, or the shape of an array."""
    shape = np.shape(value)
    return f"{float(value):g}" if shape == () else f"array{shape}"
