"""Draws in ArviZ's layout: an `xarray.DataTree` of named, labelled NumPy arrays."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

LARGEST_DATA = 2**26  # bytes of features and responses that are kept beside the draws


def to_datatree(
    groups: dict[str, dict[str, np.ndarray]],
    labels: dict[str, list],
    attributes: dict[str, Any],
    state: Any = None,
) -> Any:
    """Arrange named arrays with named dimensions.

    Parameters
    ----------
    groups
        For each group, its arrays by name. Those of ``posterior`` and other draws begin with the
        axes chain and draw; see `DIMENSIONS` for the others.
    labels
        Labels of the dimensions ``feature``, ``response``, ``class`` and ``obs_id``; a dimension
        without labels does not occur.
    attributes
        Text and numbers that describe the draws.
    state
        State of the sampler after the last draw, kept as group ``sampler_state``.

    References
    ----------
    Kumar, Carroll, Hartikainen and Martin (2019), ArviZ, a unified library for exploratory
    analysis of Bayesian models in Python.
    """
    import arviz_base

    groups = {name: arrays for name, arrays in groups.items() if arrays}
    dims = {
        name: dimensions_of(name, array, labels, not group.endswith("data"))
        for group, arrays in groups.items()
        for name, array in arrays.items()
    }
    used = {dim for axes in dims.values() for dim in axes}
    coords = {name: np.asarray(values) for name, values in labels.items() if name in used}
    tree = arviz_base.from_dict(groups, coords=coords, dims=dims)
    tree.attrs.update(attributes)
    if state is not None:
        tree["sampler_state"] = _state_group(state)
    return tree


def describe(tree: Any) -> dict[str, Any]:
    """Content of a tree as plain values and arrays, for a file; `rebuild` inverts it."""
    groups = {}
    for name, node in tree.children.items():
        data = node.to_dataset()
        groups[name] = {
            "attrs": {key: value for key, value in data.attrs.items() if _is_simple(value)},
            "coords": {key: _labels(np.asarray(value)) for key, value in data.coords.items()},
            "variables": {
                key: [list(map(str, value.dims)), np.asarray(value)]
                for key, value in data.data_vars.items()
            },
        }
    return {"attrs": {k: v for k, v in tree.attrs.items() if _is_simple(v)}, "groups": groups}


def _labels(values: np.ndarray) -> Any:
    return values if values.dtype.kind in "biuf" else values.tolist()


def _is_simple(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def rebuild(described: dict[str, Any]) -> Any:
    """Tree of what `describe` returned."""
    import xarray

    groups = {
        name: xarray.Dataset(
            {key: (dims, np.asarray(array)) for key, (dims, array) in group["variables"].items()},
            group["coords"],
            group["attrs"],
        )
        for name, group in described["groups"].items()
    }
    tree = xarray.DataTree.from_dict(groups)
    tree.attrs.update(described["attrs"])
    return tree


def _state_group(state: Any) -> Any:
    """Arrays of a sampler's state as a group."""
    import xarray

    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    axes = lambda i, leaf: [f"state_{i}_{axis}" for axis in range(leaf.ndim)]
    group = {f"leaf_{i}": (axes(i, leaf), leaf) for i, leaf in enumerate(leaves)}
    return xarray.DataTree(xarray.Dataset(group))


def read_state(tree: Any) -> list[np.ndarray]:
    """Arrays of the sampler's state that a tree of draws holds.

    Raises
    ------
    ValueError
        If it holds none.
    """
    if "sampler_state" not in getattr(tree, "children", {}):
        raise ValueError(
            "`continue_from` must be what `sample(method='nuts')` returned; got "
            f"{type(tree).__name__} without a sampler's state."
        )
    group = tree["sampler_state"].to_dataset()
    return [np.asarray(group[f"leaf_{i}"]) for i in range(len(group.data_vars))]


def after(tree: Any, group: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Append draws to those of a group of a tree, along the axis draw."""
    old = tree[group].to_dataset()
    return {
        name: np.concatenate([np.asarray(old[name]), array], axis=1)
        for name, array in arrays.items()
    }


DIMENSIONS = {
    "coef": ("feature", "response", "class"),
    "intercept": ("response", "class"),
    "scale": ("response",),
    "X": ("obs_id", "feature"),
    "y": ("obs_id", "response"),
    "sample_weight": ("obs_id", "response"),
    "offset": ("obs_id", "response", "class"),
    "local_scale": ("response", "feature", "class"),
    "share": ("response", "feature", "class"),
}


def dimensions_of(name: str, array: np.ndarray, labels: Any, drawn: bool = True) -> list[str]:
    """Names of the axes of an array, those of chain and draw left out.

    Parameters
    ----------
    name, array
        The array.
    labels
        Holds the dimensions that this model has.
    drawn
        Whether the first two axes are chain and draw.
    """
    names = [axis for axis in DIMENSIONS.get(name, ("response",)) if axis in labels]
    return names[: array.ndim - 2 * drawn]
