"""Feature layout: how the leaves of a pytree of features become columns of one design matrix.

A design may be one array, a dict of arrays, or any nesting of them. All numerical code sees
one array of shape (n, p); this module holds the only translation, in both directions.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.tree_util as jtu
import numpy as np


@dataclass(frozen=True)
class FeatureLayout:
    """Structure of a design: the pytree it came in, and each leaf's number of columns.

    Parameters
    ----------
    treedef
        Structure of the pytree of features; a single leaf for a plain array.
    widths
        Number of columns of each leaf, in leaf order.
    paths
        Human-readable path of each leaf, for messages and feature names.

    Examples
    --------
    >>> import numpy as np
    >>> layout = FeatureLayout.of({"speed": np.zeros((5, 2)), "angle": np.zeros((5, 1))})
    >>> layout.num_features, layout.paths
    (3, ('angle', 'speed'))
    >>> layout.split(np.arange(3.0))["speed"]
    array([1., 2.])
    """

    treedef: Any
    widths: tuple[int, ...]
    paths: tuple[str, ...]

    @classmethod
    def of(cls, tree: Any) -> FeatureLayout:
        """Layout of a pytree whose leaves are arrays of shape (n, columns)."""
        with_paths, treedef = jtu.tree_flatten_with_path(tree)
        widths = tuple(int(leaf.shape[1]) for _, leaf in with_paths)
        paths = tuple(".".join(_key_name(key) for key in path) for path, _ in with_paths)
        return cls(treedef, widths, paths)

    @property
    def num_features(self) -> int:
        """Number of columns of the whole design, p."""
        return sum(self.widths)

    @property
    def is_array(self) -> bool:
        """Whether the design was one plain array."""
        return jtu.treedef_is_leaf(self.treedef)

    @property
    def slices(self) -> tuple[slice, ...]:
        """Columns of each leaf, in leaf order."""
        ends = np.cumsum((0, *self.widths))
        return tuple(slice(int(a), int(b)) for a, b in itertools.pairwise(ends))

    def split(self, array: Any, axis: int = 0) -> Any:
        """Cut ``array`` along its feature axis into a pytree of this layout."""
        index = (slice(None),) * axis
        return self.treedef.unflatten([array[(*index, columns)] for columns in self.slices])

    def join(self, leaves: Sequence[Any], axis: int = 0) -> np.ndarray:
        """Concatenate one array per leaf along the feature axis."""
        return leaves[0] if len(leaves) == 1 else np.concatenate(leaves, axis=axis)

    def default_names(self) -> list[str]:
        """Feature names: ``x0, x1, …`` for an array, ``leaf`` or ``leaf[i]`` for a pytree."""
        if self.is_array:
            return [f"x{i}" for i in range(self.num_features)]
        return [
            path if width == 1 else f"{path}[{i}]"
            for path, width in zip(self.paths, self.widths, strict=True)
            for i in range(width)
        ]


def _key_name(key: Any) -> str:
    """Readable name of one step of a pytree path."""
    for attribute in ("key", "name", "idx"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)
