"""Names of parameters from the labels of their axes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayesglm.diagnostics.verdict import Diagnostics


def name_at(d: Diagnostics, name: str, index: Sequence[int]) -> str:
    """Name of one parameter, such as ``coef[x1, neuron 3]``."""
    labels = axis_labels(d, name)
    return _joined(name, [axis[i] for axis, i in zip(labels, index, strict=True)])


def names_of(d: Diagnostics, name: str) -> list[str]:
    """Names of all parameters of an array, in its order."""
    return [_joined(name, labels) for labels in product(*axis_labels(d, name))]


def array_names(
    name: str, dimensions: Sequence[str], shape: Sequence[int], names: dict[str, Any]
) -> list[str]:
    """Names of all parameters of an array of a shape, in its order, from labels of dimensions."""
    known = [*dimensions, *[None] * (len(shape) - len(dimensions))]
    labels = [labels_of(names, axis, length) for axis, length in zip(known, shape, strict=True)]
    return [_joined(name, at) for at in product(*labels)]


def axis_labels(d: Diagnostics, name: str) -> list[Sequence[Any]]:
    """Labels of each axis of an array: numbers where none were given."""
    dimensions = d.dimensions[name]
    return [
        labels_of(d.names, dimensions[i] if i < len(dimensions) else None, length)
        for i, length in enumerate(d.r_hat[name].shape)
    ]


def labels_of(names: dict[str, Any], dimension: str | None, length: int) -> Sequence[Any]:
    """Labels of a dimension if there are as many as it is long, else numbers."""
    labels = names.get(dimension, ()) if dimension is not None else ()
    return labels if len(labels) == length else range(length)


def _joined(name: str, labels: Sequence[Any]) -> str:
    return f"{name}[{', '.join(str(label) for label in labels)}]" if labels else name
