"""Variational inference by NumPyro's guides, where there are too many parameters for a matrix.

References
----------
Kucukelbir, Tran, Ranganath, Gelman and Blei (2017), Automatic differentiation variational
inference. Ong, Nott and Smith (2018), Gaussian variational approximation with a factor covariance
structure.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import lax

from bayesglm._compiled import compiled
from bayesglm._module import Module
from bayesglm.inference.target import AbstractTarget

LARGEST_FULL_RANK = 200  # parameters, beyond which the covariance has a factor structure
NUM_STEPS = 4000
PARTICLES = 8  # draws that estimate a gradient
FIRST_RATE, LAST_RATE = 0.05, 0.0005  # of Adam, in posterior standard deviations
PROBES = 32  # random directions that estimate the diagonal of the precision


class Approximation(Module):
    """Draws from a normal approximation of all problems together.

    Parameters
    ----------
    theta
        Draws, shape (count, B, D).
    log_ratio
        Log-density of the target less that of the approximation, shape (count,).
    loss
        Minus the evidence lower bound at every step, up to a constant.
    """

    theta: Any
    log_ratio: Any
    loss: Any


def spread(target: AbstractTarget, start: Any, key: Any) -> Any:
    """Posterior standard deviations (B, D) as the diagonal of the precision has them.

    References
    ----------
    Bekas, Kokiopoulou and Saad (2007), An estimator for the diagonal of a matrix.
    """

    def probe(key):
        sign = jax.random.rademacher(key, start.shape, start.dtype)
        gradient = lambda t: target.value_and_gradient(t)[1]
        return -sign * jax.jvp(gradient, (start,), (sign,))[1]

    diagonal = jnp.mean(lax.map(probe, jax.random.split(key, PROBES)), axis=0)
    typical = jnp.median(jnp.abs(diagonal), axis=1, keepdims=True)
    return 1.0 / jnp.sqrt(jnp.maximum(diagonal, 0.01 * typical))


@compiled
def fit(target: AbstractTarget, start: Any, key: Any, count: int) -> Approximation:
    """Fit NumPyro's guide, of full rank where that is affordable, and draw from it.

    Parameters
    ----------
    target
        Log-densities of B problems.
    start
        Vectors near the modes, shape (B, D).
    key
        Random key.
    count
        Number of draws.
    """
    from numpyro.infer import SVI, Trace_ELBO
    from numpyro.infer.autoguide import AutoLowRankMultivariateNormal, AutoMultivariateNormal
    from numpyro.infer.initialization import init_to_value

    probe_key, fit_key, draw_key = jax.random.split(key, 3)
    scale = spread(target, start, probe_key)
    log_density = _differentiable(target)
    place = lambda u: start + scale * u.reshape(start.shape)
    model = _model(lambda u: log_density(place(u)), start.size)
    kind = AutoMultivariateNormal
    if start.size > LARGEST_FULL_RANK:
        kind = AutoLowRankMultivariateNormal
    at = init_to_value(values={"u": jnp.zeros(start.size)})
    guide = kind(model, init_loc_fn=at, init_scale=0.5)
    rate = optax.exponential_decay(FIRST_RATE, NUM_STEPS, LAST_RATE / FIRST_RATE)
    svi = SVI(model, guide, optax.adam(rate), Trace_ELBO(num_particles=PARTICLES))
    state = svi.init(fit_key)
    state, loss = lax.scan(lambda s, _: svi.update(s), state, length=NUM_STEPS)
    normal = guide.get_posterior(svi.get_params(state))
    u = normal.sample(draw_key, (count,))
    value = lax.map(lambda v: log_density(place(v)), u)
    theta = jax.vmap(place)(u)
    return Approximation(theta, value - normal.log_prob(u), loss)


def _model(log_density, size):
    """Return a NumPyro model of one vector with this log-density."""
    import numpyro
    from numpyro import distributions as dist

    def model():
        u = numpyro.sample("u", dist.ImproperUniform(dist.constraints.real, (size,), ()))
        numpyro.factor("density", log_density(u))

    return model


def _differentiable(target):
    """Return the sum of log-densities, its derivative from the pass that evaluates it."""
    arrays, static = eqx.partition(target, eqx.is_array)

    @jax.custom_jvp
    def total(arrays, theta):
        return jnp.sum(eqx.combine(arrays, static).value(theta))

    @total.defjvp
    def total_jvp(primals, tangents):
        value, gradient = eqx.combine(primals[0], static).value_and_gradient(primals[1])
        return jnp.sum(value), jnp.vdot(gradient, tangents[1])

    return lambda theta: total(arrays, theta)
