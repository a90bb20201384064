"""The ways to draw from a posterior, each a function from a posterior and options to draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from bayesglm.inference import chains, importance, laplace, nuts, variational
from bayesglm.inference.checkpoint import Checkpoint
from bayesglm.inference.streams import Streams, normal, random_keys, streams
from bayesglm.posterior import exact
from bayesglm.posterior.build import Posterior
from bayesglm.posterior.draws import Draws, Options

LARGEST_K = 0.7  # of weights that can be trusted
ESS_PER_CHAIN, SMALLEST_SHARE = 100, 0.1  # of draws, that a cheaper method must reach
LARGEST_BLOCK = 2**29  # bytes of draws of the responses that are sampled together
SHORT_WARMUP, LONG_WARMUP = 150, 500
ACCEPT, ACCEPT_IN_TAILS = 0.8, 0.95  # rstanarm's `adapt_delta`, or less
CLOSE_FIT = 0.99  # efficiency of proposals from which adapting gains less than it costs
BURN_IN = 50  # transitions of an independence sampler that forget its start
NEGLIGIBLE = 0.5  # error of a mean, in units of its Monte Carlo error
DEFAULT_DRAWS = 4_000  # of which that is, at least


def draw(posterior: Posterior, method: str, options: Options) -> Draws:
    """Draw from a posterior, the responses in blocks if memory asks for it.

    Parameters
    ----------
    posterior
        The posterior.
    method
        One of `METHODS`.
    options
        How much, and how.

    Raises
    ------
    ValueError
        If the method does not suit the model.
    """
    K, D = posterior.start.shape
    size = max(1, LARGEST_BLOCK // (8 * D * options.num_samples * options.num_chains))
    whole = posterior.joint or size >= K or options.state is not None or options.checkpoint
    if whole:
        return METHODS[method](posterior, options)
    parts = []
    for first in range(0, K, size):
        index = np.minimum(np.arange(first, first + size), K - 1)  # equal blocks compile once
        part = METHODS[method](posterior.take(index), options)
        parts.append(_first_responses(part, min(size, K - first)))
    return _side_by_side(parts)


def approximation(posterior: Posterior) -> laplace.Gaussian:
    """Return Laplace's approximation: the fit's own where that is it."""
    if posterior.around is not None:
        return posterior.around
    return laplace.approximate(posterior.target, posterior.first, find_mode=not posterior.at_mode)


def sample_nuts(posterior: Posterior, options: Options, around: Any = None) -> Draws:
    """Run the No-U-Turn sampler, preconditioned by Laplace's approximation."""
    target, first = posterior.target, posterior.first
    around = around or approximation(posterior)
    settings = _nuts_settings(posterior.density.prior, options)
    D = first.shape[1]
    own = streams(options.seed, options.num_chains, posterior.problems)
    z = np.stack([normal(chain, (D,), axis=0) for chain in own])
    keys = np.stack([random_keys(chain) for chain in own])
    white = around.whiten(target)
    structure = nuts.structure(z, keys, settings)
    state = options.state and jax.tree.unflatten(structure, options.state)
    checkpoint = None
    if options.checkpoint is not None:
        text = repr((settings, options.seed, options.num_chains, _digest(posterior)))
        checkpoint = Checkpoint(options.checkpoint, text, structure)
    skipped = settings.num_warmup * (options.state is None)
    with options.progress(skipped, options.num_samples) as bar:
        result = chains.run(
            white,
            z,
            keys,
            settings,
            options.num_samples,
            state=state,
            report=bar.show,
            checkpoint=checkpoint,
        )
    kept = result.transitions
    theta = around.theta(kept.z)
    swap = lambda a: np.swapaxes(a, 0, 1)
    depth = np.ceil(np.log2(kept.n_steps + 1)).astype(int)
    stats = {
        "lp": kept.lp,
        "energy": kept.energy,
        "acceptance_rate": kept.acceptance_rate,
        "step_size": kept.step_size,
        "n_steps": kept.n_steps,
        "tree_depth": depth,
        "diverging": kept.diverging,
        "reached_max_tree_depth": depth >= options.max_tree_depth,
    }
    return Draws(
        swap(theta).reshape(*theta.shape[1::-1], *posterior.start.shape),
        {name: swap(value) for name, value in stats.items()},
        "nuts",
        complete=result.complete,
        state=result.state,
    )


def _nuts_settings(prior: Any, options: Options) -> nuts.Settings:
    """Return those asked for; else small steps and a long warm-up where it is far from normal."""
    warmup, accept = options.num_warmup, options.target_accept
    if warmup is None:
        warmup = SHORT_WARMUP if prior.gaussian else LONG_WARMUP
    if accept is None:
        accept = ACCEPT if prior.gaussian else ACCEPT_IN_TAILS
    return nuts.Settings(warmup, not prior.gaussian, options.max_tree_depth, accept)


def _digest(posterior: Posterior) -> list[float]:
    """Numbers that tell one posterior from another."""
    value, gradient = posterior.density.value_and_gradient(posterior.start)
    return [float(np.sum(value)), float(np.sum(np.abs(gradient)))]


def sample_laplace(posterior: Posterior, options: Options) -> Draws:
    """Draw from normal distributions at the modes, weighted, or resampled by the weights."""
    target, first = posterior.target, posterior.first
    around = approximation(posterior)
    count = options.num_samples * options.num_chains
    proposal = importance.laplace_proposal(*first.shape)
    (own,) = streams(options.seed, 1, posterior.problems)
    weighted = importance.weigh(around.whiten(target), proposal, own, count)
    log_weight, k = importance.pareto_smooth(weighted.log_ratio)
    z, stats = weighted.z, {"lp": weighted.lp}
    if options.resample:
        rng = np.random.default_rng(options.seed)
        index = importance.systematic_resample(log_weight, rng)
        z = np.take_along_axis(z, index[..., None], axis=0)
        stats = {"lp": np.take_along_axis(stats["lp"], index, axis=0)}
    else:
        stats["log_weight"] = log_weight
    theta = around.theta(z)
    theta = theta.reshape(1, count, *posterior.start.shape)
    return Draws(theta, {n: v[None] for n, v in stats.items()}, "laplace", pareto_k=k)


def sample_importance(posterior: Posterior, options: Options) -> Draws:
    """Run an independence Metropolis sampler: exact, from adapted Laplace proposals."""
    proposals = _proposals(posterior, options, approximation(posterior))
    return _independent(posterior, options, proposals)


@dataclass(frozen=True)
class _Proposals:
    """A first batch of proposals around Laplace's approximation, and the means to more.

    Chains have random numbers for their proposals, and others for their decisions.
    """

    around: laplace.Gaussian
    start: importance.Proposal
    proposing: list[Streams]
    deciding: list[Streams]
    weigh: Callable[[importance.Proposal, Streams], importance.Weighted]
    first: importance.Weighted


def _proposals(posterior: Posterior, options: Options, around: laplace.Gaussian) -> _Proposals:
    white = around.whiten(posterior.target)
    B, D = posterior.first.shape
    ahead, *own = streams(options.seed, 1 + 2 * options.num_chains, posterior.problems)
    pairs = -(-(options.num_samples + BURN_IN) // 2)  # of a chain, and that adapt the proposal
    weigh = lambda proposal, own: importance.weigh(white, proposal, own, pairs, mirrored=True)
    start = importance.laplace_proposal(B, D, importance.DEGREES_OF_FREEDOM * D)
    return _Proposals(around, start, own[::2], own[1::2], weigh, weigh(start, ahead))


def _independent(posterior: Posterior, options: Options, proposals: _Proposals) -> Draws:
    start, first, own = proposals.start, proposals.first, proposals.proposing
    fits = importance.efficiency(first.log_ratio) > CLOSE_FIT
    if fits.all():  # then they are what the first chain chooses from
        parts = [first, *(proposals.weigh(start, chain) for chain in own[1:])]
    else:
        proposal = start.where(fits, importance.adapt(first, start))
        parts = [proposals.weigh(proposal, chain) for chain in own]
        parts[0] = first.where(fits, parts[0])
    weighted = jax.tree.map(lambda *parts: np.concatenate(parts), *parts)
    drawn = importance.metropolis(weighted, proposals.deciding)
    z, lp, accepted = (a[:, -options.num_samples :] for a in drawn)
    _, k = importance.pareto_smooth(weighted.log_ratio)
    theta = proposals.around.theta(z)
    return Draws(
        theta.reshape(*theta.shape[:2], *posterior.start.shape),
        {"lp": lp, "acceptance_rate": accepted.astype(float)},
        "importance",
        pareto_k=k,
    )


def _normal(posterior: Posterior, options: Options, proposals: _Proposals) -> Draws | None:
    """Draw from the normal distribution that a posterior of many data all but is; else None.

    By Cauchy and Schwarz the mean of any function differs between two densities by at most the
    standard deviation of their ratio, times its own: here a part of the Monte Carlo error.
    """
    center, log_ratio = importance.nearest_normal(proposals.first)
    spread = np.sqrt(1.0 / importance.efficiency(log_ratio) - 1.0).max()
    count = options.num_samples * options.num_chains
    if not spread * np.sqrt(max(count, DEFAULT_DRAWS)) < NEGLIGIBLE:
        return None
    _, k = importance.pareto_smooth(proposals.first.log_ratio)  # whose tails reach farther
    if k.max() > LARGEST_K:
        return None
    apart = lambda a: a.reshape(options.num_chains, options.num_samples, *a.shape[1:])
    z = normal(proposals.proposing[0], (count, center.shape[1]), axis=1)
    lp = log_ratio.mean(axis=0) - 0.5 * np.sum(z**2, axis=-1)  # but for the part neglected
    theta = apart(proposals.around.theta(center + z))
    return Draws(
        theta.reshape(*theta.shape[:2], *posterior.start.shape),
        {"lp": apart(lp)},
        "laplace",
        reason=f"laplace: weights would differ from one by {spread:.2%}, which is negligible",
        pareto_k=k,
    )


def sample_svi(posterior: Posterior, options: Options) -> Draws:
    """Draw from NumPyro's variational approximation, for very many features."""
    key = jax.random.PRNGKey(options.seed)
    count = options.num_samples * options.num_chains
    found = variational.fit(posterior.target, posterior.first, key, count)
    log_weight, k = importance.pareto_smooth(found.log_ratio[:, None])
    theta = np.asarray(found.theta).reshape(1, count, *posterior.start.shape)
    B = len(posterior.first)
    stats = {"log_weight": np.broadcast_to(log_weight[None], (1, count, B)).copy()}
    return Draws(theta, stats, "svi", pareto_k=np.broadcast_to(k, (B,)).copy())


def sample_exact(posterior: Posterior, options: Options) -> Draws:
    """Draw independently from a Gaussian model with a normal prior."""
    if not exact.applies(posterior.density):
        raise ValueError(
            "`method='exact'` is for the Gaussian observation model with the identity link and a "
            "normal prior (UnRegularized, Ridge, Prior(Normal)); use 'auto' or 'nuts'."
        )
    rng = np.random.default_rng(options.seed)
    count = options.num_samples * options.num_chains
    theta = exact.sample(posterior.density, posterior.start, rng, count)
    theta = theta.reshape(options.num_chains, options.num_samples, *theta.shape[1:])
    return Draws(theta, {}, "exact")


def sample_auto(posterior: Posterior, options: Options) -> Draws:
    """Use the cheapest method that proves itself, response by response, else NUTS."""
    if exact.applies(posterior.density):
        drawn = sample_exact(posterior, options)
        return replace(drawn, reason="exact: the posterior has a closed form")
    if not posterior.density.prior.gaussian:
        drawn = sample_nuts(posterior, options)
        return replace(drawn, reason="nuts: the prior makes the posterior far from normal")
    around = approximation(posterior)
    proposals = _proposals(posterior, options, around)
    drawn = _normal(posterior, options, proposals)
    if drawn is not None:
        return drawn
    drawn = _independent(posterior, options, proposals)
    ess = _smallest_ess(drawn, posterior)
    total = options.num_samples * options.num_chains
    wanted = min(ESS_PER_CHAIN * options.num_chains, SMALLEST_SHARE * total)
    poor = np.flatnonzero((drawn.pareto_k > LARGEST_K) | (ess < wanted))
    figures = f"Pareto k up to {drawn.pareto_k.max():.2f}, ESS from {ess.min():.0f}"
    if len(poor) == 0:
        return replace(drawn, reason=f"importance: its proposals fit ({figures})")
    if len(poor) == len(ess):
        drawn = sample_nuts(posterior, options, around)
        return replace(drawn, reason=f"nuts: independent proposals did not fit ({figures})")
    better = sample_nuts(posterior.take(poor), options)
    reason = (
        f"importance for {len(ess) - len(poor)} responses, nuts for the {len(poor)} whose "
        f"proposals did not fit ({figures})"
    )
    return replace(_replaced(drawn, better, poor), reason=reason)


def _smallest_ess(drawn: Draws, posterior: Posterior) -> np.ndarray:
    """Least effective sample size for the variance of a coordinate of each problem, shape (B,).

    Mirror images make means more precise than that.
    """
    from numpyro.diagnostics import effective_sample_size

    theta = drawn.theta.reshape(*drawn.theta.shape[:2], *posterior.first.shape)
    square = (theta - theta.mean(axis=(0, 1))) ** 2
    ess = np.nan_to_num(effective_sample_size(square), nan=0.0)
    return np.where(posterior.free, ess, np.inf).min(axis=1)


def _replaced(drawn: Draws, better: Draws, index: np.ndarray) -> Draws:
    """Draws of some responses replaced by those of another method."""
    theta, stats = drawn.theta.copy(), {}
    theta[:, :, index] = better.theta
    shape = theta.shape[:3]
    for name, value in better.stats.items():
        old = drawn.stats.get(name, np.zeros(shape, value.dtype))
        stats[name] = old.copy()
        stats[name][:, :, index] = value
    k = drawn.pareto_k.copy()
    k[index] = np.nan
    return replace(drawn, theta=theta, stats=stats, pareto_k=k, method="importance and nuts")


def _first_responses(drawn: Draws, count: int) -> Draws:
    return replace(
        drawn,
        theta=drawn.theta[:, :, :count],
        stats={name: value[:, :, :count] for name, value in drawn.stats.items()},
        pareto_k=None if drawn.pareto_k is None else drawn.pareto_k[:count],
    )


def _side_by_side(parts: list[Draws]) -> Draws:
    """Draws of blocks of responses as one; of an interrupted run, as many as all have."""
    draws = min(part.theta.shape[1] for part in parts)
    join = lambda arrays: np.concatenate([a[:, :draws] for a in arrays], axis=2)
    names = set.intersection(*(set(part.stats) for part in parts))
    methods = dict.fromkeys(part.method for part in parts)
    known = [part.pareto_k for part in parts if part.pareto_k is not None]
    return replace(
        parts[0],
        theta=join([part.theta for part in parts]),
        stats={name: join([part.stats[name] for part in parts]) for name in names},
        method=" and ".join(methods),
        pareto_k=np.concatenate(known) if len(known) == len(parts) else None,
        complete=all(part.complete for part in parts),
        reason="; ".join(dict.fromkeys(part.reason for part in parts if part.reason)),
        state=None,
    )


METHODS = {
    "nuts": sample_nuts,
    "laplace": sample_laplace,
    "importance": sample_importance,
    "exact": sample_exact,
    "svi": sample_svi,
    "auto": sample_auto,
}
