r"""Weighted and exact draws from a normal approximation, all proposals evaluated in one batch.

Proposals come from a multivariate t distribution around the approximation; their weights either
correct expectations (Pareto-smoothed importance sampling) or decide, one after the other, which
are accepted (an independence Metropolis sampler, exact whatever the approximation). That sampler
moves in turn to a new proposal and to the mirror image of where it is, which makes means precise.

References
----------
Craiu and Lemieux (2007), Acceleration of the multiple-try Metropolis algorithm using antithetic
and stratified sampling.
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling.
Tierney (1994), Markov chains for exploring posterior distributions, section 2.3.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from scipy.special import logsumexp

from bayesglm._compiled import compiled, in_batches
from bayesglm._module import Module
from bayesglm.inference.laplace import times
from bayesglm.inference.streams import Streams, normal
from bayesglm.inference.target import AbstractTarget

DEGREES_OF_FREEDOM = 20.0  # of proposals, per dimension: so that tails cost all the same
BATCH = 64  # draws, or mirrored pairs, evaluated at once, of all problems together
PRIOR_DRAWS = 50.0  # per dimension, that the unadapted covariance counts for
SMALLEST_VARIANCE = 0.1  # of an adapted proposal, in units of the approximation's


class Proposal(Module):
    """Multivariate t distributions of B problems, on the host.

    Parameters
    ----------
    center, factor
        Shapes (B, D) and (B, D, D): location, and a square root of the scale matrix.
    dof
        Degrees of freedom; infinite for normal distributions.
    """

    center: np.ndarray
    factor: np.ndarray
    dof: float

    def draw(self, streams: Streams, count: int) -> tuple[Any, Any]:
        """Draws (count, B, D) and their log-densities (count, B), up to a constant."""
        D = self.center.shape[1]
        z = normal(streams, (count, D), axis=1)
        if np.isfinite(self.dof):
            scale = np.stack([stream.chisquare(self.dof, count) for stream in streams], axis=1)
            z /= np.sqrt(scale / self.dof)[..., None]
            density = -0.5 * (self.dof + D) * np.log1p(np.sum(z**2, axis=-1) / self.dof)
        else:
            density = -0.5 * np.sum(z**2, axis=-1)
        volume = np.linalg.slogdet(self.factor)[1]
        return self.center + times(self.factor, z), density - volume

    def where(self, mask: np.ndarray, other: Proposal) -> Proposal:
        """Return these proposals for the problems of a mask (B,), those of ``other`` elsewhere."""
        return Proposal(
            np.where(mask[:, None], self.center, other.center),
            np.where(mask[:, None, None], self.factor, other.factor),
            self.dof,
        )


class Weighted(Module):
    """Proposals and the logs of their importance ratios, on the host.

    Parameters
    ----------
    z
        Shape (draws, B, D).
    log_ratio
        Log-density of the target less that of the proposal, shape (draws, B), up to a constant.
    lp
        Log-density of the target, shape (draws, B), up to a constant.
    """

    z: np.ndarray
    log_ratio: np.ndarray
    lp: np.ndarray

    def where(self, mask: np.ndarray, other: Weighted) -> Weighted:
        """Return these proposals for the problems of a mask (B,), those of ``other`` elsewhere."""
        wide = lambda a: mask.reshape(1, -1, *(1,) * (a.ndim - 2))
        return jax.tree.map(lambda own, its: np.where(wide(own), own, its), self, other)


def laplace_proposal(num_problems: int, size: int, dof: float = np.inf) -> Proposal:
    """Return the approximation itself, in the coordinates that it whitens."""
    center = np.zeros((num_problems, size))
    factor = np.broadcast_to(np.eye(size), (num_problems, size, size))
    return Proposal(center, factor, dof)


def weigh(
    target: AbstractTarget,
    proposal: Proposal,
    streams: Streams,
    count: int,
    *,
    mirrored: bool = False,
) -> Weighted:
    """Draw ``count`` proposals for every problem, each from its stream, and evaluate them.

    With ``mirrored``, each is followed by its mirror image, and there are twice as many.
    """
    z, log_proposal = proposal.draw(streams, count)
    if not mirrored:
        lp = np.asarray(_values(target, z))
        return Weighted(z, lp - log_proposal, lp)
    center = proposal.center
    lp = np.asarray(_mirrored_values(target, center, z)).reshape(2 * count, -1)
    z = np.stack([z, 2 * center - z], axis=1).reshape(2 * count, *z.shape[1:])
    return Weighted(z, lp - np.repeat(log_proposal, 2, axis=0), lp)


@compiled
def _values(target: AbstractTarget, z: Any) -> Any:
    """Log-densities (draws, B) at vectors (draws, B, D)."""
    return in_batches(target.value, z, max(1, BATCH // z.shape[1]))


@compiled
def _mirrored_values(target: AbstractTarget, center: Any, z: Any) -> Any:
    """As `_values`, at each vector and its mirror image: shape (draws, 2, B)."""
    pair = lambda z: target.mirrored_values(center, z)
    return in_batches(pair, z, max(1, BATCH // z.shape[1]))


def adapt(weighted: Weighted, proposal: Proposal) -> Proposal:
    """Proposal with the mean and covariance that weighted draws from a standard one show.

    Weights are truncated at the square root of their number times their mean. The moments of the
    proposal are known, so only the weights' difference from one matters; the covariance is shrunk
    to the identity, as if that had been seen `PRIOR_DRAWS` times per dimension.
    """
    S, _, D = weighted.z.shape
    log_weight = weighted.log_ratio - logsumexp(weighted.log_ratio, axis=0)
    weight = np.exp(np.minimum(log_weight, -0.5 * np.log(S)))
    excess = (weight / np.sum(weight, axis=0) - 1.0 / S).T
    z = np.swapaxes(weighted.z, 0, 1)
    mean = np.einsum("bs,bsi->bi", excess, z)
    square = np.swapaxes(excess[:, :, None] * z, 1, 2) @ z
    change = square - mean[:, :, None] * mean[:, None, :]
    trust = 1.0 / (1.0 + PRIOR_DRAWS * D * np.sum(excess**2, axis=1))[:, None, None]
    return Proposal(mean, _root((1 - 2 / proposal.dof) * trust * change), proposal.dof)


def _root(change: np.ndarray) -> np.ndarray:
    """Square roots of the identity plus changes (B, D, D), small variances raised."""
    values, vectors = np.linalg.eigh(change)
    return vectors * np.sqrt(np.maximum(1.0 + values, SMALLEST_VARIANCE))[:, None, :]


def nearest_normal(weighted: Weighted) -> tuple[np.ndarray, np.ndarray]:
    """Return normal distributions of unit covariance, about the means that weighted proposals show.

    Parameters
    ----------
    weighted
        Mirrored proposals about the origin.

    Returns
    -------
    The means (B, D), and the logs (draws, B) of the target's density over theirs.
    """
    weight = np.exp(weighted.log_ratio - weighted.log_ratio.max(axis=0))
    center = np.einsum("sb,sbi->bi", weight / weight.sum(axis=0), weighted.z)
    return center, weighted.lp + 0.5 * np.sum((weighted.z - center) ** 2, axis=-1)


def metropolis(
    weighted: Weighted, decisions: list[Streams]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accept or reject, in turn, a new proposal and the mirror image of the current draw.

    Parameters
    ----------
    weighted
        Mirrored proposals, of which each chain has its own share.
    decisions
        Random numbers of each chain.

    Returns
    -------
    Draws (chains, draws, B, D), their log-densities, and whether each was accepted, of shape
    (chains, draws, B).
    """
    S, B, _ = weighted.z.shape
    num_chains = len(decisions)
    pairs = S // (2 * num_chains)
    apart = lambda a: a[: num_chains * 2 * pairs].reshape(num_chains, 2 * pairs, *a.shape[1:])
    ratio = apart(weighted.log_ratio).reshape(num_chains, pairs, 2, B)
    of_chain = lambda streams: [one.standard_exponential((pairs, 2)) for one in streams]
    threshold = -np.array(list(map(of_chain, decisions)))  # logs of uniform numbers
    chosen = _choose(np.moveaxis(ratio, 0, 2), np.moveaxis(threshold, (0, 1), (2, 3)))
    index, accepted = (
        np.moveaxis(np.asarray(a), 2, 0).reshape(apart(weighted.lp).shape) for a in chosen
    )
    z = np.take_along_axis(apart(weighted.z), index[..., None], axis=1)
    return z, np.take_along_axis(apart(weighted.lp), index, axis=1), accepted


@compiled
def _choose(ratio: Any, threshold: Any) -> tuple[Any, Any]:
    """Numbers of the proposals that chains are at, and whether they went there.

    Parameters
    ----------
    ratio
        Log importance ratios of pairs of mirror images, shape (pairs, 2, chains, B).
    threshold
        Logs of uniform random numbers, of that shape.

    Returns
    -------
    Arrays of that shape.
    """

    def step(carry, x):
        here, there, index = carry
        (new, its_image), log_uniform, i = x
        accept = log_uniform[0] < new - here
        here, there = jnp.where(accept, new, here), jnp.where(accept, its_image, there)
        first = jnp.where(accept, 2 * i, index)
        flip = log_uniform[1] < there - here
        second = jnp.where(flip, first ^ 1, first)
        here, there = jnp.where(flip, there, here), jnp.where(flip, here, there)
        return (here, there, second), (jnp.stack([first, second]), jnp.stack([accept, flip]))

    first = ratio[0, 0], ratio[0, 1], jnp.zeros(ratio.shape[2:], int)
    _, chosen = lax.scan(step, first, (ratio, threshold, jnp.arange(len(ratio))))
    return chosen


def efficiency(log_ratio: Any) -> np.ndarray:
    """Effective share (B,) of proposals with these log ratios (draws, B): one if they are alike."""
    log_ratio = np.asarray(log_ratio)
    weight = np.exp(log_ratio - log_ratio.max(axis=0))
    return weight.mean(axis=0) ** 2 / (weight**2).mean(axis=0)


def pareto_smooth(log_ratio: Any) -> tuple[np.ndarray, np.ndarray]:
    """Pareto-smoothed log weights (draws, B), which sum to one, and the shape k of each tail (B,).

    A k above 0.7 means that the weights cannot be trusted; weights without spread have k of zero.
    """
    from arviz_stats.base import array_stats

    log_ratio = np.array(log_ratio, float)
    spread = log_ratio.std(axis=0)
    log_ratio = np.where(spread < 1e-9, 0.0, log_ratio)
    smoothed, shape = array_stats.psislw(-log_ratio.T)  # takes log-likelihoods left out
    k = np.where(spread < 1e-9, 0.0, shape)
    smoothed = smoothed - np.logaddexp.reduce(smoothed, axis=1, keepdims=True)
    return smoothed.T, np.where(np.isnan(k), np.inf, k)


def systematic_resample(log_weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return indices (draws, B) of a systematic resample, shuffled."""
    S, B = log_weight.shape
    cumulative = np.cumsum(np.exp(log_weight), axis=0)
    points = (rng.uniform(size=B) + np.arange(S)[:, None]) / S * cumulative[-1]
    index = np.stack([np.searchsorted(cumulative[:, b], points[:, b]) for b in range(B)], axis=1)
    return rng.permuted(np.minimum(index, S - 1), axis=0)
