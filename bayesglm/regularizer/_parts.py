"""Parts of the features by key: which leaves a key means, and what a nested dict says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax.tree_util as jtu

from bayesglm._tree import _key_name
from bayesglm.regularizer._shape import CoefShape


def flatten_keys(tree: Mapping, prefix: str = "") -> dict[str, Any]:
    """Values of nested dicts by dotted path.

    Examples
    --------
    >>> flatten_keys({"stimulus": {"left": 1, "right": 2}, "history": 3})
    {'stimulus.left': 1, 'stimulus.right': 2, 'history': 3}
    """
    flat = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        flat.update(
            flatten_keys(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
        )
    return flat


def pick_parts(tree: Mapping, keys: list[str], name: str, prefix: str = "") -> dict[str, Any]:
    """Values of nested dicts at some dotted paths; what is below a path is left as it is.

    Raises
    ------
    ValueError
        If the dict has a key that is neither one of the paths nor on the way to one.
    """
    picked = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if path in keys:
            picked[path] = value
        elif isinstance(value, Mapping) and any(k.startswith(f"{path}.") for k in keys):
            picked.update(pick_parts(value, keys, name, f"{path}."))
        else:
            raise ValueError(f"{name} has the key {path!r}, which is none of {keys}.")
    return picked


def split_shape(shape: CoefShape, keys: list[str]) -> dict[str, tuple[CoefShape, slice]]:
    """Shape and range of features of each key, in the order of the features.

    Raises
    ------
    ValueError
        If the features are one array, or some leaf is in no key's part or in several, or some
        key has no leaf.
    """
    if shape.is_array:
        raise ValueError(
            f"The keys {keys} name parts of the features, but the features are a single array; "
            "give `X` as a dict of arrays with these keys."
        )
    owners = [_owner(path, keys, shape.paths) for path in shape.paths]
    unused = [key for key in keys if key not in owners]
    if unused:
        raise ValueError(f"The keys {unused} name no features; there are {list(shape.paths)}.")
    size = math.prod(shape.internal[1:])
    widths = [math.prod(leaf) // size for leaf in shape.shapes]
    parts = {}
    for key in dict.fromkeys(owners):
        first, count = owners.index(key), owners.count(key)
        last = first + count
        start, stop = sum(widths[:first]), sum(widths[:last])
        part = CoefShape(
            jtu.tree_structure(_subtree(shape.treedef, first, key)),
            shape.shapes[first:last],
            shape.paths[first:last],
            (stop - start, *shape.internal[1:]),
        )
        parts[key] = (part, slice(start, stop))
    return parts


def _owner(path: str, keys: list[str], paths: tuple[str, ...]) -> str:
    """Return the one key that the leaf at ``path`` belongs to."""
    found = [key for key in keys if path == key or path.startswith(f"{key}.")]
    if len(found) != 1:
        problem = "none" if not found else f"several ({found})"
        raise ValueError(
            f"Each part of the features {list(paths)} must belong to exactly one of the keys "
            f"{keys}; {path!r} belongs to {problem}."
        )
    return found[0]


def _subtree(treedef: Any, leaf: int, key: str) -> Any:
    """Part of the pytree of leaf numbers that ``key`` names and that holds the given leaf."""
    node = treedef.unflatten(range(treedef.num_leaves))
    path = jtu.tree_leaves_with_path(node)[leaf][0]
    names: list[str] = []
    for entry in path:
        if ".".join(names) == key:
            break
        names.append(_key_name(entry))
        node = getattr(node, entry.name) if hasattr(entry, "name") else node[_index(entry)]
    return node


def _index(entry: Any) -> Any:
    """Key or position that one step of a path stands for."""
    return entry.key if hasattr(entry, "key") else entry.idx
