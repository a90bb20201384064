"""The shape of the coefficients, and the translation of user input into it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from bayesglm._tree import FeatureLayout, _key_name


@dataclass(frozen=True)
class CoefShape:
    """Shapes of the coefficients: as the user sees them, and as penalties compute on them.

    A user sees one array per leaf of the features; a penalty sees one array of shape (p, K), or
    (p, K, C) for classifiers. Both hold the same numbers in the same (C) order.

    Parameters
    ----------
    treedef
        Structure of the pytree of coefficients; a single leaf for a plain array.
    shapes
        Shape of each leaf, ``(width, *trailing)``.
    paths
        Readable path of each leaf, for messages.
    internal
        Shape of the one array penalties work on.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm._tree import FeatureLayout, _key_name
    >>> layout = FeatureLayout.of({"speed": np.zeros((5, 2)), "angle": np.zeros((5, 1))})
    >>> shape = CoefShape.of_layout(layout, trailing=(4,))
    >>> shape.shapes, shape.internal
    (((1, 4), (2, 4)), (3, 4))
    """

    treedef: Any
    shapes: tuple[tuple[int, ...], ...]
    paths: tuple[str, ...]
    internal: tuple[int, ...]

    @classmethod
    def of_layout(
        cls, layout: FeatureLayout, trailing: tuple[int, ...] = (), event_ndim: int = 0
    ) -> CoefShape:
        """Coefficients of a design: ``trailing`` is (), (K,), (C,) or (K, C).

        ``event_ndim`` is the number of trailing axes that are classes, 0 or 1: it tells (K,) from
        (C,).
        """
        responses = trailing[: len(trailing) - event_ndim]
        events = trailing[len(trailing) - event_ndim :]
        internal = (layout.num_features, math.prod(responses), *events)
        shapes = tuple((width, *trailing) for width in layout.widths)
        return cls(layout.treedef, shapes, layout.paths, internal)

    @classmethod
    def of_params(cls, params: Any) -> CoefShape:
        """Any pytree of arrays; leaves of unlike trailing shapes become one long column."""
        with_paths, treedef = jtu.tree_flatten_with_path(params)
        shapes = tuple(jnp.shape(leaf) for _, leaf in with_paths)
        paths = tuple(".".join(map(_key_name, path)) for path, _ in with_paths)
        trailing = {shape[1:] for shape in shapes if shape}
        if len(trailing) == 1 and all(shapes):
            width = sum(shape[0] for shape in shapes)
            return cls(treedef, shapes, paths, (width, math.prod(trailing.pop())))
        return cls(treedef, shapes, paths, (sum(map(math.prod, shapes)), 1))

    @property
    def is_array(self) -> bool:
        """Whether the coefficients are one plain array."""
        return jtu.treedef_is_leaf(self.treedef)

    @property
    def is_whole_array(self) -> bool:
        """Whether they are one plain array, and not one leaf of a larger pytree."""
        return self.paths == ("",)

    @property
    def num_features(self) -> int:
        """Number of rows of the internal array, p."""
        return self.internal[0]

    @property
    def num_responses(self) -> int:
        """Number of responses, K."""
        return self.internal[1]

    @property
    def user_shape(self) -> tuple[int, ...]:
        """Shape of all coefficients as the user sees them, leaves joined: ``(p, *trailing)``."""
        trailing = {shape[1:] for shape in self.shapes}
        size = math.prod(self.internal[1:])
        fits = len(trailing) == 1 and math.prod(next(iter(trailing))) == size
        return (self.num_features, *trailing.pop()) if fits else self.internal

    def leaves_of(self, value: Any, name: str) -> list[Any]:
        """Leaves of ``value``, which must have the structure of the coefficients.

        Raises
        ------
        ValueError
            If the structures differ; ``name`` says of what.
        """
        if self.is_array:
            return [value]
        try:
            return self.treedef.flatten_up_to(value)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{name} must be a scalar or have the structure of the features, with leaves "
                f"{list(self.paths)}; got {value!r}."
            ) from error

    def join(self, leaves: list[Any]) -> np.ndarray:
        """One array of the internal shape from one NumPy array per leaf."""
        return np.concatenate([np.ravel(leaf) for leaf in leaves]).reshape(self.internal)

    def to_internal(self, coef: Any) -> jnp.ndarray:
        """Coefficients as the user sees them, as one array of the internal shape."""
        leaves = jtu.tree_leaves(coef)
        return jnp.concatenate([jnp.ravel(leaf) for leaf in leaves]).reshape(self.internal)

    def from_internal(self, array: jnp.ndarray) -> Any:
        """Invert `to_internal`."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        pieces = jnp.split(jnp.ravel(array), ends)
        leaves = [piece.reshape(shape) for piece, shape in zip(pieces, self.shapes, strict=True)]
        return self.treedef.unflatten(leaves)


@dataclass(frozen=True)
class DataScales:
    """What a prior with a scale of its own needs to know of the data.

    Parameters
    ----------
    num_rows
        Number of valid rows (sum of weights) of each response, shape (K,).
    feature_scale
        Standard deviation of each column, shape (p,); feature units.
    response_scale
        What coefficients of a column of unit scale are of the order of, shape (K,); link units.
    response_center
        Centre of the prior of the intercept at the column means, shape (K,); link units.
    """

    num_rows: Any = None
    feature_scale: Any = None
    response_scale: Any = None
    response_center: Any = None

    def of_columns(self, columns: slice) -> DataScales:
        """Return the same for some of the columns."""
        scale = None if self.feature_scale is None else self.feature_scale[columns]
        return DataScales(self.num_rows, scale, self.response_scale, self.response_center)
