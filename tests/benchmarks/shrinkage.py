"""Benchmarks of shrinkage priors: leapfrog steps and effective sample size per second."""

from __future__ import annotations

from functools import partial
from time import process_time

import numpy as np

from .harness import Figure
from .sampling import CHAINS, DRAWS, least_ess

GLOBAL_SCALE = 0.1


def counts(n, p, seed):
    """Poisson data whose coefficients are all of them a few standard errors from zero."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, p))
    coef = random.normal(size=p) * 0.1
    return (X - X.mean(axis=0)) / X.std(axis=0), random.poisson(np.exp(X @ coef + 0.5))


def ours(X, y, seed):
    """Coefficients (chain, draw, p), steps and divergences of each draw."""
    from bayesglm import GLM
    from bayesglm.regularizer import Horseshoe

    settings = {"num_samples": DRAWS, "num_chains": CHAINS, "progress_bar": False}
    model = GLM("Poisson", regularizer=Horseshoe(GLOBAL_SCALE))
    tree = model.sample(X, y, random_state=seed, **settings)
    stats = tree["sample_stats"]
    names = ("n_steps", "diverging")
    return np.asarray(tree["posterior"]["coef"]), *(np.asarray(stats[name]) for name in names)


def numpyro(X, y, seed):
    """The same by NumPyro, not centred, as its users would write it, in double precision."""
    import jax
    import jax.numpy as jnp
    import numpyro.distributions as dist
    from numpyro import deterministic, sample
    from numpyro.infer import MCMC, NUTS

    def model(X, y):
        p = X.shape[1]
        tau = sample("tau", dist.HalfCauchy(GLOBAL_SCALE))
        slab = 2.0 * jnp.sqrt(sample("slab", dist.InverseGamma(2.0, 2.0)))
        local = sample("local", dist.HalfCauchy(1.0).expand([p]).to_event(1))
        z = sample("z", dist.Normal(0.0, 1.0).expand([p]).to_event(1))
        coef = deterministic("coef", z * slab * tau * local / jnp.hypot(slab, tau * local))
        intercept = sample("intercept", dist.Normal(0.0, 2.5))
        sample("y", dist.Poisson(jnp.exp(X @ coef + intercept)), obs=y)

    with jax.enable_x64(True):
        chain = MCMC(
            NUTS(model, target_accept_prob=0.95),
            num_warmup=DRAWS,
            num_samples=DRAWS,
            num_chains=CHAINS,
            chain_method="vectorized",
            progress_bar=False,
        )
        extra = ("num_steps", "diverging")
        chain.run(jax.random.PRNGKey(seed), X, y, extra_fields=extra)
        found = chain.get_extra_fields(group_by_chain=True)
        coef = np.asarray(chain.get_samples(group_by_chain=True)["coef"])
        return coef, *(np.asarray(found[name]) for name in extra)


def horseshoe(n, p):
    """A first and a second call of each."""
    lines = [f"{'':12s}{'call':>6s}{'seconds':>9s}{'ESS/s':>8s}{'steps':>8s}{'divergences':>13s}"]
    for name, call in (("bayesglm", ours), ("numpyro", numpyro)):
        for seed in range(2):
            begin = process_time()
            coef, steps, diverging = call(*counts(n, p, seed), seed)
            seconds = process_time() - begin
            lines.append(
                f"{name:12s}{seed + 1:6d}{seconds:9.1f}{least_ess(coef) / seconds:8.0f}"
                f"{steps.mean():8.1f}{int(diverging.sum()):13d}"
            )
    return lines


CASES = (
    Figure(
        "horseshoe",
        "Poisson, N=2,000 p=20, regularized horseshoe, 4 x 1,000 draws",
        partial(horseshoe, 2000, 20),
    ),
    Figure("horseshoe-small", "the same, N=50 p=3", partial(horseshoe, 50, 3)),
)
