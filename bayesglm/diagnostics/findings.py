"""What is wrong with draws, where, and what to do: one sentence each, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesglm.diagnostics.names import name_at

if TYPE_CHECKING:
    from bayesglm.diagnostics.verdict import Diagnostics

LARGEST_RHAT = 1.01  # Vehtari et al. (2021)
ESS_PER_CHAIN = 100  # likewise
DEEP_SHARE = 0.01  # of a chain's transitions
SMALLEST_BFMI = 0.3  # Betancourt (2016)
LARGEST_PARETO_K = 0.7  # Vehtari et al. (2024), Pareto smoothed importance sampling
FEW_DRAWS = 100
SHOWN = 3  # places named


def problems(d: Diagnostics) -> Iterator[str]:
    """Reasons not to trust the draws."""
    if not d.complete:
        yield (
            f"Sampling was interrupted after {d.num_draws:,} draws of each chain: "
            "`continue_from` goes on from there."
        )
    yield from _of_parameters(d)
    yield from _of_transitions(d)
    if d.pareto_k is not None and np.any(d.pareto_k > LARGEST_PARETO_K):
        k = np.atleast_1d(d.pareto_k)
        bad = k > LARGEST_PARETO_K
        share = f" in {bad.sum():,} of {k.size:,} responses" * (k.size > 1)
        where = _cells(d, k[None], bad[None], -1, "{:.2f}".format)
        yield (
            f"Pareto k above {LARGEST_PARETO_K}{share}: {where}. "
            "The approximation misses a part of the posterior: use `method='nuts'`."
        )


def notes(d: Diagnostics) -> Iterator[str]:
    """Say what a reader should know, without being a fault."""
    if d.markov and d.num_chains == 1:
        yield (
            "One chain: R-hat needs two, and a chain that is stuck can look well. "
            "Use four (`num_chains`)."
        )
    if d.markov and d.num_draws < FEW_DRAWS:
        yield f"Fewer than {FEW_DRAWS} draws of each chain: R-hat and ESS are unreliable."
    if any(mask.any() for mask in d.constant.values()):
        yield f"Constant, all draws being equal: {_marked(d, d.constant)}."


def _of_parameters(d: Diagnostics) -> Iterator[str]:
    if any(mask.any() for mask in d.not_finite.values()):
        yield (
            f"Draws that are not finite: {_marked(d, d.not_finite)}. "
            "The posterior may have no finite mass there: give a prior, or scale the features."
        )
    bad = {name: value > LARGEST_RHAT for name, value in d.r_hat.items()}
    if any(mask.any() for mask in bad.values()):
        yield (
            f"R-hat above {LARGEST_RHAT}: {_worst(d, d.r_hat, bad, -1, '{:.3f}')}. "
            "The chains disagree: draw more, after a longer `num_warmup`; if that does not help, "
            "the data leave these parameters undetermined: use a stronger prior."
        )
    few = ESS_PER_CHAIN * d.num_chains
    per_chain = f" ({ESS_PER_CHAIN} per chain)" * (d.num_chains > 1)
    for part, values, harm in (
        ("Bulk", d.ess_bulk, "Means"),
        ("Tail", d.ess_tail, "Ends of intervals"),
    ):
        bad = {name: value < few for name, value in values.items()}
        if any(mask.any() for mask in bad.values()):
            yield (
                f"{part} ESS below {few:,}{per_chain}: {_worst(d, values, bad, 1, '{:,.0f}')}. "
                f"{harm} are imprecise: draw more (`num_samples`)."
            )


def _of_transitions(d: Diagnostics) -> Iterator[str]:
    if d.divergences is not None and d.divergences.any():
        count = d.divergences.sum()
        total = d.divergences.size * d.num_draws
        yield (
            f"{count:,} of {total:,} transitions diverged ({_percent(count / total)}): "
            f"{_by_chain(d)}{_by_response(d)}. Parts of the posterior were missed: raise "
            "`target_accept` towards 1, or use a stronger prior."
        )
    if d.max_depth_share is not None and np.any(d.max_depth_share > DEEP_SHARE):
        bad = d.max_depth_share > DEEP_SHARE
        where = _cells(d, d.max_depth_share, bad, -1, _percent)
        yield (
            f"More than {_percent(DEEP_SHARE)} of transitions stopped at the largest tree depth "
            f"({d.max_tree_depth}): {where}. This is slow rather than wrong: raise "
            "`max_tree_depth`, or `num_warmup`."
        )
    if d.e_bfmi is not None and np.any(d.e_bfmi < SMALLEST_BFMI):
        where = _cells(d, d.e_bfmi, d.e_bfmi < SMALLEST_BFMI, 1, "{:.2f}".format)
        yield (
            f"E-BFMI below {SMALLEST_BFMI}: {where}. Chains cross the tails too slowly: use a "
            "longer `num_warmup`, or a prior with lighter tails."
        )


def _worst(d: Diagnostics, values: dict, bad: dict, sign: int, show: str) -> str:
    """Name the worst parameters, how many there are, and in how many responses."""
    found = [
        (sign * a[index], name, index)
        for name, a in values.items()
        for index in _worst_indices(a, bad[name], sign)
    ]
    worst = sorted(found)[:SHOWN]
    text = [f"{name_at(d, name, index)} {show.format(sign * v)}" for v, name, index in worst]
    count = sum(int(mask.sum()) for mask in bad.values())
    of_all = f"{count:,} of {d.num_parameters:,} parameters"
    return f"{_listed(text, count)} ({of_all}{_spread(d, bad)})"


def _worst_indices(values: np.ndarray, bad: np.ndarray, sign: int) -> list[tuple[int, ...]]:
    """Find the few worst of the bad values, worst first."""
    order = np.argsort(np.where(bad, sign * values, np.inf), axis=None)[: min(SHOWN, bad.sum())]
    return [tuple(int(i) for i in np.unravel_index(at, values.shape)) for at in order]


def _marked(d: Diagnostics, marks: dict[str, np.ndarray]) -> str:
    """Name the first parameters that are marked, and how many there are."""
    first = [(name, at) for name, mask in marks.items() for at in np.argwhere(mask)[:SHOWN]]
    text = [name_at(d, name, tuple(at)) for name, at in first[:SHOWN]]
    return _listed(text, sum(int(mask.sum()) for mask in marks.values()))


def _spread(d: Diagnostics, bad: dict[str, np.ndarray]) -> str:
    """In how many responses parameters are bad, if there are several."""
    hit: Any = False
    for name, mask in bad.items():
        if "response" in d.dimensions[name]:
            axis = list(d.dimensions[name]).index("response")
            hit = hit | mask.any(axis=tuple(i for i in range(mask.ndim) if i != axis))
    return f", in {np.sum(hit):,} of {np.size(hit):,} responses" if np.size(hit) > 1 else ""


def _by_chain(d: Diagnostics) -> str:
    counts = d.divergences.reshape(d.num_chains, -1)
    total = counts.sum(axis=1)
    order = [int(c) for c in np.argsort(-total, kind="stable") if total[c]]
    share = total / (counts.shape[1] * d.num_draws)
    text = [f"chain {c}: {total[c]:,} ({_percent(share[c])})" for c in order[:SHOWN]]
    return _listed(text, len(order))


def _by_response(d: Diagnostics) -> str:
    total = d.divergences.reshape(d.num_chains, -1).sum(axis=0)
    if total.size == 1:
        return ""
    order = [int(r) for r in np.argsort(-total, kind="stable") if total[r]]
    text = [f"{d.response(r, total.size)}: {total[r]:,}" for r in order[:SHOWN]]
    which = f"; in {len(order):,} of {total.size:,} responses: "
    return which + _listed(text, len(order))


def _cells(d: Diagnostics, values: np.ndarray, bad: np.ndarray, sign: int, show: Any) -> str:
    """Name the worst of values by chain and response, shape (chain[, response])."""
    values, bad = (a.reshape(len(a), -1) for a in (values, bad))
    chains, responses = values.shape
    text = []
    for c, r in _worst_indices(values, bad, sign):
        where = [f"chain {c}"] * (chains > 1) + [d.response(r, responses)] * (responses > 1)
        text.append(": ".join([" of ".join(where)] * bool(where) + [show(values[c, r])]))
    return _listed(text, int(bad.sum()))


def _listed(text: list[str], count: int) -> str:
    more = f" and {count - len(text):,} more" if count > len(text) else ""
    return ", ".join(text) + more


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
