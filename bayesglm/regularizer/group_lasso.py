"""Group lasso: groups of coefficients that are in or out together."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.regularizer._shape import CoefShape, DataScales
from bayesglm.regularizer._strength import as_floats, check_strength
from bayesglm.regularizer.base import PROXIMAL_SOLVERS, Regularizer
from bayesglm.regularizer.penalties import GroupPenalty, Penalty


class GroupLasso(Regularizer):
    r"""Group lasso $\sum_g s_g \sqrt{p_g} \lVert w_g \rVert_2$, added to the mean loss.

    The strength is a scalar or one number per group, shape (n_groups,); the default is 1.

    Parameters
    ----------
    mask
        Which coefficient is in which group: zeros and ones of shape
        ``(n_groups, *coef.shape)``, or a pytree of such arrays like the features. Each
        coefficient is in at most one group; one in no group is not penalised. A group may span
        several leaves and several responses. None makes one group of each leaf of the features,
        for each response and class.

    Raises
    ------
    TypeError
        If the mask is not numeric.
    ValueError
        If it has other entries than 0 and 1, an empty group, or a coefficient in two groups.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> regularizer = GroupLasso(mask=jnp.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    >>> prox = regularizer.get_proximal_operator(jnp.zeros(3), strength=1.0)
    >>> [round(w, 3) for w in prox(jnp.array([3.0, 4.0, 0.5]), None, 1.0).tolist()]
    [2.151, 2.869, 0.0]
    """

    _allowed_solvers: ClassVar[tuple[str, ...]] = PROXIMAL_SOLVERS
    _default_solver: ClassVar[str] = "ProximalNewton"

    mask: Any = None

    def __check_init__(self) -> None:
        if self.mask is not None:
            _check_mask(_mask_leaves(self.mask))

    def resolve(self, strength: Any, shape: CoefShape, scales: DataScales) -> Penalty:
        """Return the penalty with one weight per group."""
        del scales
        ids, num_groups = self._groups(shape)
        sizes = np.bincount(ids.ravel(), minlength=num_groups + 1)[:num_groups]
        weights = _group_strength(strength, num_groups) * np.sqrt(sizes)
        first, last = _response_range(ids, num_groups)
        return GroupPenalty(
            jnp.asarray(ids),
            jnp.asarray(weights),
            jnp.asarray(first),
            num_groups,
            couples_responses=bool((first < last).any()),
        )

    def _groups(self, shape: CoefShape) -> tuple[np.ndarray, int]:
        """Group of each coefficient, in the internal shape, and the number of groups."""
        if self.mask is not None:
            return _ids_of_mask(self.mask, shape)
        if shape.is_whole_array:
            warn_user(
                "Mask has not been set. Defaulting to a single group for all features. "
                "See the documentation of GroupLasso on how to define a mask.",
                UserWarning,
            )
        return _default_ids(shape)


def _mask_leaves(mask: Any) -> list[np.ndarray]:
    """Arrays of a mask; nested lists of numbers are one array."""
    leaves = jtu.tree_leaves(mask, is_leaf=_is_nested_numbers)
    if not leaves:
        raise ValueError("Empty mask provided!")
    return [as_floats(leaf, "the GroupLasso mask") for leaf in leaves]


def _is_nested_numbers(value: Any) -> bool:
    """Whether ``value`` is a list of numbers, or of lists of numbers, and so on."""
    if not isinstance(value, (list, tuple)):
        return False
    return all(isinstance(v, (bool, int, float)) or _is_nested_numbers(v) for v in value)


def _check_mask(leaves: list[np.ndarray]) -> None:
    """Check all that does not depend on the coefficients."""
    if any(leaf.ndim < 2 for leaf in leaves):
        raise ValueError(
            "Mask arrays should have at least 2 dimensions ``(n_groups, n_features, ...)``; "
            f"got shapes {[leaf.shape for leaf in leaves]}."
        )
    counts = {len(leaf) for leaf in leaves}
    if len(counts) > 1:
        raise ValueError(
            "All leaves of the mask should have the same first dimension, ``n_groups``; "
            f"got inconsistent first dimension lengths {sorted(counts)}."
        )
    if any(((leaf != 0) & (leaf != 1)).any() for leaf in leaves):
        raise ValueError("Mask elements must be 0s and 1s!")
    sizes = sum(leaf.sum(axis=tuple(range(1, leaf.ndim))) for leaf in leaves)
    if not np.any(sizes):
        raise ValueError("Empty mask provided!")
    if not np.all(sizes):
        raise ValueError(f"Group {int(np.argmin(sizes))} of the mask is empty.")
    if any((leaf.sum(axis=0) > 1).any() for leaf in leaves):
        raise ValueError(
            "Incorrect group assignment. Some of the features are assigned to more than one group."
        )


def _ids_of_mask(mask: Any, shape: CoefShape) -> tuple[np.ndarray, int]:
    """Group of each coefficient from a user's mask."""
    parts = shape.leaves_of(mask, "The GroupLasso mask")
    leaves = [as_floats(part, "the GroupLasso mask") for part in parts]
    num_groups = len(leaves[0])
    wrong = [
        f"{leaf.shape} (expected {(num_groups, *want)})"
        for leaf, want in zip(leaves, shape.shapes, strict=True)
        if leaf.shape[1:] != want
    ]
    if wrong:
        raise ValueError(
            "GroupLasso mask shape mismatch: the mask must have shape ``(n_groups, *coef.shape)`` "
            f"for every leaf of the coefficients; got {', '.join(wrong)}."
        )
    ids = [np.where(leaf.any(axis=0), leaf.argmax(axis=0), num_groups) for leaf in leaves]
    return shape.join(ids), num_groups


def _default_ids(shape: CoefShape) -> tuple[np.ndarray, int]:
    """One group per leaf of the features, response and class."""
    ids, start = [], 0
    for leaf_shape in shape.shapes:
        count = math.prod(leaf_shape[1:])
        own = start + np.arange(count).reshape(leaf_shape[1:])
        ids.append(np.broadcast_to(own, leaf_shape))
        start += count
    return shape.join(ids), start


def _group_strength(strength: Any, num_groups: int) -> np.ndarray:
    """One strength per group."""
    array = as_floats(1.0 if strength is None else strength)
    if array.shape not in ((), (num_groups,)):
        raise ValueError(
            f"GroupLasso strength must be a scalar or have shape ({num_groups},), one "
            f"`regularizer_strength` per group; got shape {array.shape}."
        )
    return np.broadcast_to(check_strength(array), num_groups)


def _response_range(ids: np.ndarray, num_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last response that each group has a coefficient of."""
    index = np.arange(ids.shape[1]).reshape(1, -1, *(1,) * (ids.ndim - 2))
    index = np.broadcast_to(index, ids.shape).ravel()
    first = np.full(num_groups + 1, ids.shape[1])
    last = np.zeros(num_groups + 1, int)
    np.minimum.at(first, ids.ravel(), index)
    np.maximum.at(last, ids.ravel(), index)
    return first[:num_groups], last[:num_groups]
