"""Which parameters of a posterior a picture shows, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Parameters:
    """Some parameters of a posterior.

    Parameters
    ----------
    names
        Their names, such as ``coef[x1, neuron 3]``.
    draws
        Their draws, shape (parameter, chain, draw).
    diverging
        Whether each transition diverged, of the same shape.
    r_hat, ess
        R-hat and the effective sample size of the bulk of each, shape (parameter,).
    total
        How many there were to choose from.
    """

    names: list[str]
    draws: np.ndarray
    diverging: np.ndarray
    r_hat: np.ndarray
    ess: np.ndarray
    total: int


def select(model: Any, names: Sequence[str] | str | None, largest: int) -> Parameters:
    """Parameters to show: those named, or the ones whose chains agree least.

    Parameters
    ----------
    model
        An estimator with a posterior.
    names
        Names of parameters, or of arrays of them (``"coef"``). None is all, but for those that
        are held; of more than ``largest`` those with the largest R-hat, or with the smallest
        effective sample size where there is no R-hat, worst first.
    largest
        The most to show.

    Raises
    ------
    NotFittedError
        If the model has no posterior.
    ValueError
        If there are no such names, or more than ``largest``.
    """
    tree = model._require_posterior()
    if largest < 1:
        raise ValueError(f"`max_parameters` must be 1 or more; got {largest!r}.")
    arrays = {str(name): array for name, array in tree["posterior"].data_vars.items()}
    places = {
        name: (owner, index)
        for owner, array in arrays.items()
        for index, name in enumerate(names_of(owner, array))
    }
    chosen = _free(arrays, places) if names is None else _named(names, arrays, places)
    if names is not None and len(chosen) > largest:
        raise ValueError(
            f"`parameters` names {len(chosen)} parameters, and `max_parameters` is {largest}."
        )
    total, r_hat, ess = len(chosen), *_measures(model, places, chosen)
    if total > largest:
        badness = np.where(np.isnan(r_hat), -ess, r_hat)
        worst = np.argsort(-badness, kind="stable")[:largest]
        chosen, r_hat, ess = [chosen[i] for i in worst], r_hat[worst], ess[worst]
    draws = [_flat(arrays[owner])[..., i] for owner, i in map(places.get, chosen)]
    diverging = [_diverging(tree, arrays[owner], i) for owner, i in map(places.get, chosen)]
    return Parameters(chosen, np.stack(draws), np.stack(diverging), r_hat, ess, total)


def names_of(owner: str, array: Any) -> list[str]:
    """Names of all parameters of an array of draws, in its order."""
    labels = [
        array[dim].values if dim in array.coords else range(array.sizes[dim])
        for dim in array.dims[2:]
    ]
    return [f"{owner}[{', '.join(map(str, item))}]" if item else owner for item in product(*labels)]


def _flat(array: Any) -> np.ndarray:
    """Draws of an array, shape (chain, draw, parameter)."""
    return array.values.reshape(*array.shape[:2], -1)


def _free(arrays: dict[str, Any], places: dict[str, tuple[str, int]]) -> list[str]:
    """Names of the parameters that vary."""
    varies = {name: (_flat(a) != _flat(a)[:1, :1]).any(axis=(0, 1)) for name, a in arrays.items()}
    absent = {name: np.isnan(_flat(a)).all(axis=(0, 1)) for name, a in arrays.items()}
    return [
        name
        for name, (owner, index) in places.items()
        if varies[owner][index] and not absent[owner][index]
    ]


def _named(
    names: Sequence[str] | str, arrays: dict[str, Any], places: dict[str, tuple[str, int]]
) -> list[str]:
    """Names of parameters that are meant, in the order of the wish."""
    wanted = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in wanted if name not in places and name not in arrays]
    if unknown or not wanted:
        known = list(places)
        shown = ", ".join(known[:8]) + ", ..." * (len(known) > 8)
        raise ValueError(f"`parameters` must name some of {shown}; got {unknown or wanted}.")
    members = lambda owner: [name for name in places if places[name][0] == owner]
    return [one for name in wanted for one in ([name] if name in places else members(name))]


def _measures(model: Any, places: dict, chosen: list[str]) -> Any:
    """R-hat and bulk ESS of the chosen."""
    take = lambda of: np.array([np.ravel(of[places[n][0]])[places[n][1]] for n in chosen])
    return take(model.diagnostics_.r_hat), take(model.diagnostics_.ess_bulk)


def _diverging(tree: Any, array: Any, index: int) -> np.ndarray:
    """Whether each transition that led to the draws of a parameter diverged, (chain, draw)."""
    stats = tree["sample_stats"] if "sample_stats" in tree.children else {}
    if "diverging" not in stats:
        return np.zeros(array.shape[:2], bool)
    diverging = np.asarray(stats["diverging"], bool)
    if diverging.ndim < 3:
        return diverging
    at = np.unravel_index(index, array.shape[2:])  # every response was sampled by itself
    return diverging[..., at[array.dims.index("response") - 2]]
