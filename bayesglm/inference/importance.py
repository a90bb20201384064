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
Wilson and Hilferty (1931), The distribution of chi-square, *PNAS* 17, 684-688.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bayesglm._compiled import compiled, compiled_for_once
from bayesglm._module import Module
from bayesglm.inference.target import AbstractTarget

DEGREES_OF_FREEDOM = 20.0  # of proposals, per dimension: so that tails cost all the same
BATCH = 64  # draws, or mirrored pairs, evaluated at once, of all problems together
PRIOR_DRAWS = 50.0  # per dimension, that the unadapted covariance counts for
SMALLEST_VARIANCE = 0.1  # of an adapted proposal, in units of the approximation's


class Proposal(Module):
    """Multivariate t distributions of B problems.

    Parameters
    ----------
    center, factor
        Shapes (B, D) and (B, D, D): location, and a square root of the scale matrix.
    dof
        Degrees of freedom; infinite for normal distributions.
    """

    center: Any
    factor: Any
    dof: Any

    def draw(self, keys: Any, count: int) -> tuple[Any, Any]:
        """Draws (count, B, D) and their log-densities (count, B), up to a constant.

        With finite degrees of freedom a draw comes with its own mixing scale, which is but nearly
        distributed as it should be: the log-density makes up for that.
        """
        D = self.center.shape[1]
        normal = jax.vmap(lambda k: jax.random.normal(k, (count, D + 1)), out_axes=1)(keys)
        normal_tails = jnp.isinf(self.dof)
        dof = jnp.where(normal_tails, 1.0, self.dof)
        scale, excess = _nearly_chi_square(normal[..., D], dof)
        z = normal[..., :D] / jnp.sqrt(jnp.where(normal_tails, 1.0, scale))[..., None]
        square = jnp.sum(z**2, axis=-1)
        heavy = excess - 0.5 * (dof + D) * jnp.log1p(square / dof)
        density = jnp.where(normal_tails, -0.5 * square, heavy)
        volume = jnp.linalg.slogdet(self.factor)[1]
        return self.center + jnp.einsum("bij,sbj->sbi", self.factor, z), density - volume

    def where(self, mask: np.ndarray, other: Proposal) -> Proposal:
        """Return these proposals for the problems of a mask (B,), those of ``other`` elsewhere."""
        return Proposal(
            jnp.where(mask[:, None], self.center, other.center),
            jnp.where(mask[:, None, None], self.factor, other.factor),
            self.dof,
        )


def _nearly_chi_square(normal: Any, dof: Any) -> tuple[Any, Any]:
    """Chi-square numbers over their degrees of freedom, all but exactly, from normal numbers.

    Wilson and Hilferty's cube, without the rejection that takes long to compile; for 20 degrees of
    freedom and more, where no number comes near zero.

    Returns
    -------
    The numbers, and the log of their density over that of chi-square, up to a constant.
    """
    variance = 2.0 / (9.0 * dof)
    root = jnp.abs(1.0 - variance + jnp.sqrt(variance) * normal)
    own = -0.5 * normal**2 - 2.0 * jnp.log(root)
    exact = (1.5 * dof - 3.0) * jnp.log(root) - 0.5 * dof * root**3
    return root**3, own - exact


class Weighted(Module):
    """Proposals and the logs of their importance ratios.

    Parameters
    ----------
    z
        Shape (draws, B, D).
    log_ratio
        Log-density of the target less that of the proposal, shape (draws, B), up to a constant.
    lp
        Log-density of the target, shape (draws, B), up to a constant.
    """

    z: Any
    log_ratio: Any
    lp: Any

    def where(self, mask: np.ndarray, other: Weighted) -> Weighted:
        """Return these proposals for the problems of a mask (B,), those of ``other`` elsewhere."""
        wide = lambda a: mask.reshape(1, -1, *(1,) * (a.ndim - 2))
        return jax.tree.map(lambda own, its: jnp.where(wide(own), own, its), self, other)


def laplace_proposal(num_problems: int, size: int, dof: float = np.inf) -> Proposal:
    """Return the approximation itself, in the coordinates that it whitens."""
    center = np.zeros((num_problems, size))
    factor = np.broadcast_to(np.eye(size), (num_problems, size, size))
    return Proposal(center, factor, np.asarray(dof, float))


@compiled
def weigh(
    target: AbstractTarget, proposal: Proposal, keys: Any, count: int, *, mirrored: bool = False
) -> Weighted:
    """Draw ``count`` proposals for every problem, with keys (B, 2), and evaluate them.

    With ``mirrored``, each is followed by its mirror image, and there are twice as many.
    """
    z, log_proposal = proposal.draw(keys, count)
    batch = min(max(1, BATCH // z.shape[1]), count)
    if not mirrored:
        lp = lax.map(target.value, z, batch_size=batch)
        return Weighted(z, lp - log_proposal, lp)
    center = proposal.center
    lp = lax.map(lambda z: target.mirrored_values(center, z), z, batch_size=batch)
    lp = lp.reshape(2 * count, -1)
    z = jnp.stack([z, 2 * center - z], axis=1).reshape(2 * count, *z.shape[1:])
    return Weighted(z, lp - jnp.repeat(log_proposal, 2, axis=0), lp)


@compiled_for_once
def adapt(weighted: Weighted, proposal: Proposal) -> Proposal:
    """Proposal with the mean and covariance that weighted draws from a standard one show.

    Weights are truncated at the square root of their number times their mean. The moments of the
    proposal are known, so only the weights' difference from one matters; the covariance is shrunk
    to the identity, as if that had been seen `PRIOR_DRAWS` times per dimension.
    """
    S, _, D = weighted.z.shape
    log_weight = weighted.log_ratio - jax.scipy.special.logsumexp(weighted.log_ratio, axis=0)
    weight = jnp.exp(jnp.minimum(log_weight, -0.5 * jnp.log(S)))
    weight = weight / jnp.sum(weight, axis=0)
    excess = weight - 1.0 / S
    mean = jnp.einsum("sb,sbi->bi", excess, weighted.z)
    square = jnp.einsum("sb,sbi,sbj->bij", excess, weighted.z, weighted.z)
    change = square - mean[:, :, None] * mean[:, None, :]
    trust = 1.0 / (1.0 + PRIOR_DRAWS * D * jnp.sum(excess**2, axis=0))[:, None, None]
    return Proposal(mean, _root((1 - 2 / proposal.dof) * trust * change), proposal.dof)


def _root(change: Any) -> Any:
    """Square roots of the identity plus changes (B, D, D), small variances raised."""
    values, vectors = jnp.linalg.eigh(change)
    return vectors * jnp.sqrt(jnp.maximum(1.0 + values, SMALLEST_VARIANCE))[:, None, :]


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
    z, log_ratio = np.asarray(weighted.z), np.asarray(weighted.log_ratio)
    weight = np.exp(log_ratio - log_ratio.max(axis=0))
    center = np.einsum("sb,sbi->bi", weight / weight.sum(axis=0), z)
    return center, np.asarray(weighted.lp) + 0.5 * np.sum((z - center) ** 2, axis=-1)


@compiled_for_once
def normal_draws(keys: Any, count: int, size: int) -> Any:
    """Return standard normal draws (count, B, size) for every problem, with keys (B, 2)."""
    return jax.vmap(lambda key: jax.random.normal(key, (count, size)), out_axes=1)(keys)


@compiled_for_once
def metropolis(weighted: Weighted, keys: Any, num_chains: int) -> tuple[Any, Any, Any]:
    """Accept or reject, in turn, a new proposal and the mirror image of the current draw.

    Parameters
    ----------
    weighted
        Mirrored proposals.
    keys
        Random keys (B, 2).
    num_chains
        Chains, each of which has its own share of the proposals.

    Returns
    -------
    Draws (chains, draws, B, D), their log-densities, and whether each was accepted, of shape
    (chains, draws, B).
    """
    S, B, _ = weighted.z.shape
    pairs = S // (2 * num_chains)
    shape = (num_chains, 2 * pairs, B)
    apart = lambda a: a[: num_chains * 2 * pairs].reshape(*shape, *a.shape[2:])
    ratio = jnp.moveaxis(apart(weighted.log_ratio).reshape(num_chains, pairs, 2, B), 0, 2)
    uniform = lambda key: jax.random.uniform(key, (pairs, 2, num_chains))
    threshold = jnp.log(jax.vmap(uniform, out_axes=3)(keys))

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
    _, (index, accepted) = lax.scan(step, first, (ratio, threshold, jnp.arange(pairs)))
    index, accepted = (
        jnp.moveaxis(a.reshape(2 * pairs, num_chains, B), 1, 0) for a in (index, accepted)
    )
    take = lambda a: jnp.take_along_axis(
        apart(a), index.reshape(*shape, *(1,) * (a.ndim - 2)), axis=1
    )
    return take(weighted.z), take(weighted.lp), accepted


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
