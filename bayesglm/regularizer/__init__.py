"""Regularizers: which coefficients are plausible, and how strongly that is believed.

A regularizer holds settings; `resolve` turns it and a strength into a
`bayesglm.regularizer.penalties.Penalty` on arrays, which is what solvers see.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from bayesglm._tree import FeatureLayout
from bayesglm.regularizer._distributions import is_distribution
from bayesglm.regularizer._parts import flatten_keys
from bayesglm.regularizer._shape import CoefShape as CoefShape
from bayesglm.regularizer._shape import DataScales as DataScales
from bayesglm.regularizer.base import Regularizer as Regularizer
from bayesglm.regularizer.base import apply_operator as apply_operator
from bayesglm.regularizer.elementwise import ElasticNet as ElasticNet
from bayesglm.regularizer.elementwise import Lasso as Lasso
from bayesglm.regularizer.elementwise import Ridge as Ridge
from bayesglm.regularizer.elementwise import UnRegularized as UnRegularized
from bayesglm.regularizer.group_lasso import GroupLasso as GroupLasso
from bayesglm.regularizer.penalties import Penalty as Penalty
from bayesglm.regularizer.per_feature import PerFeature as PerFeature
from bayesglm.regularizer.prior import Prior as Prior
from bayesglm.regularizer.shrinkage import ARD as ARD
from bayesglm.regularizer.shrinkage import R2D2 as R2D2
from bayesglm.regularizer.shrinkage import Horseshoe as Horseshoe
from bayesglm.regularizer.shrinkage import Shrinkage as Shrinkage

__all__ = [
    "ARD",
    "R2D2",
    "ElasticNet",
    "GroupLasso",
    "Horseshoe",
    "Lasso",
    "PerFeature",
    "Prior",
    "Regularizer",
    "Ridge",
    "Shrinkage",
    "UnRegularized",
    "apply_operator",
    "instantiate",
    "resolve",
]

REGULARIZERS = {
    cls.__name__: cls for cls in (UnRegularized, Ridge, Lasso, GroupLasso, ElasticNet, Prior)
}
SHRINKAGE = {cls.__name__: cls for cls in (Horseshoe, R2D2, ARD)}  # for `sample` alone
_BY_NAME = REGULARIZERS | SHRINKAGE


@cache
def _default(name: str) -> Regularizer:
    """Regularizer of a name, made once: it cannot be changed."""
    return _BY_NAME[name]()


def instantiate(spec: Any) -> Regularizer:
    """Return the regularizer that ``spec`` means.

    Parameters
    ----------
    spec
        None (`UnRegularized`), a name or dotted path, a regularizer, a NumPyro distribution
        (`Prior`), or a dict of any of these with the keys of the features (`PerFeature`).

    Raises
    ------
    ValueError
        If a string names none.
    TypeError
        If ``spec`` is of another kind.

    Examples
    --------
    >>> instantiate("Ridge"), instantiate("nemos.regularizer.Lasso"), instantiate(None)
    (Ridge(), Lasso(), UnRegularized())
    >>> instantiate({"stimulus": "Ridge", "history": None})
    PerFeature(parts={'stimulus': Ridge(), 'history': UnRegularized()})
    """
    if spec is None:
        return _default("UnRegularized")
    if isinstance(spec, Regularizer):
        return spec
    if isinstance(spec, str):
        name = spec.removeprefix("nemos.regularizer.").removeprefix("bayesglm.regularizer.")
        if name in _BY_NAME:
            return _default(name)
        raise ValueError(
            f"Unknown regularizer: {spec}. Regularizer must be one of {list(_BY_NAME)}."
        )
    if isinstance(spec, Mapping):
        return PerFeature({key: instantiate(part) for key, part in flatten_keys(spec).items()})
    if is_distribution(spec):
        return Prior(spec)
    raise TypeError(
        f"The regularizer should be either a string from {list(_BY_NAME)}, or an instance of "
        f"`bayesglm.regularizer.Regularizer`; got {spec!r}."
    )


def resolve(
    regularizer: Any,
    strength: Any,
    layout: FeatureLayout,
    trailing: tuple[int, ...] = (),
    *,
    event_ndim: int = 0,
    num_rows: Any = None,
    feature_scale: Any = None,
    response_scale: Any = None,
    response_center: Any = None,
) -> Penalty:
    """Return the penalty that a regularizer and a strength put on the coefficients.

    Parameters
    ----------
    regularizer
        Anything that `instantiate` takes.
    strength
        ``regularizer_strength`` as the user gave it; None is the regularizer's default.
    layout
        Structure of the features.
    trailing
        What follows the features in the shape of the user's coefficients: (), (K,), (C,), (K, C).
    event_ndim
        Number of trailing axes that are classes, 0 or 1.
    num_rows, feature_scale, response_scale, response_center
        What a `Prior` needs of the data: number of valid rows (K,), standard deviation of the
        columns (p,), scale and centre of the linear predictor (K,). Other kinds ignore them.

    Returns
    -------
    A pytree of arrays whose structure does not depend on the values of the strength.

    Raises
    ------
    TypeError, ValueError
        If strength or mask are not numbers, out of range, or do not match the coefficients.

    Examples
    --------
    >>> import jax.numpy as jnp, numpy as np
    >>> layout = FeatureLayout.of({"speed": np.zeros((5, 2)), "angle": np.zeros((5, 1))})
    >>> penalty = resolve("Ridge", {"speed": 1.0, "angle": 3.0}, layout, trailing=(2,))
    >>> penalty.value(jnp.ones((3, 2))).tolist()
    [2.5, 2.5]
    """
    shape = CoefShape.of_layout(layout, tuple(trailing), event_ndim)
    scales = DataScales(num_rows, feature_scale, response_scale, response_center)
    return instantiate(regularizer).resolve(strength, shape, scales)
