"""Different regularizers for different parts of the features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from bayesglm.regularizer._parts import pick_parts, split_shape
from bayesglm.regularizer._shape import CoefShape, DataScales
from bayesglm.regularizer.base import Regularizer
from bayesglm.regularizer.penalties import CompositePenalty, Penalty


class PerFeature(Regularizer):
    """A regularizer for each part of the features; written as a dict in the estimators.

    The strength is a dict with the same keys (None, or a missing key, is the default of that
    part's regularizer), or one number for every part that takes a strength.

    Parameters
    ----------
    parts
        Regularizers keyed like the features: by the keys of the top level, or by paths of leaves
        such as ``"stimulus.contrast"``. Every leaf of the features is in exactly one part.

    Examples
    --------
    >>> from bayesglm.regularizer import Lasso, Ridge
    >>> PerFeature({"stimulus": Ridge(), "history": Lasso()}).default_solver
    'ProximalNewton'
    """

    default_strength: ClassVar[Any] = None

    parts: dict[str, Regularizer]

    def __check_init__(self) -> None:
        if not self.parts:
            raise ValueError("A dict of regularizers needs at least one entry.")
        for key, part in self.parts.items():
            if not isinstance(part, Regularizer):
                raise TypeError(f"The regularizer of {key!r} is not a `Regularizer`: {part!r}.")

    def resolve(self, strength: Any, shape: CoefShape, scales: DataScales) -> Penalty:
        """Return the penalties of all parts, each on its own range of features."""
        strengths = self._strengths(strength)
        pieces = [
            (self.parts[key].resolve(strengths[key], part, scales.of_columns(columns)), columns)
            for key, (part, columns) in split_shape(shape, list(self.parts)).items()
        ]
        widths = tuple(columns.stop - columns.start for _, columns in pieces)
        return CompositePenalty(tuple(penalty for penalty, _ in pieces), widths)

    @property
    def is_zero(self) -> bool:
        """Whether no part penalises anything."""
        return all(part.is_zero for part in self.parts.values())

    @property
    def allowed_solvers(self) -> tuple[str, ...]:
        """Solvers allowed for every part."""
        parts = list(self.parts.values())
        common = [
            name
            for name in parts[0].allowed_solvers
            if all(name in part.allowed_solvers for part in parts)
        ]
        return (*common, *(name for name in self._allowed_solvers if name not in common))

    @property
    def default_solver(self) -> str:
        """``Newton`` if it suits every part, otherwise ``ProximalNewton``."""
        return "Newton" if "Newton" in self.allowed_solvers else "ProximalNewton"

    def _strengths(self, strength: Any) -> dict[str, Any]:
        """Return one strength per part."""
        if isinstance(strength, Mapping):
            given = pick_parts(strength, list(self.parts), "`regularizer_strength`")
            return {key: given.get(key) for key in self.parts}
        return {
            key: None if part.default_strength is None else strength
            for key, part in self.parts.items()
        }
