"""Benchmarks of sampling: least effective sample size per second, and what a draw costs.

Seconds are those of the CPU, all threads together; with ``--one-core``, of one idle core.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from functools import partial
from time import process_time

import numpy as np

from .harness import Figure
from .problems import CORRELATION

DRAWS, CHAINS = 1000, 4
ROUNDS = 3
SAMPLERS = ("bayesglm", "auto", "importance", "numpyro", "numpyro-dense")
BAMBI = ("pymc", "nutpie", "numpyro")  # its backends


def counts(n, p, K=None, seed=0):
    """Poisson data, columns correlated and their scales spread over two decades."""
    random = np.random.default_rng(seed)
    correlation = CORRELATION ** np.abs(np.subtract.outer(np.arange(p), np.arange(p)))
    scale = np.logspace(-1, 1, p)
    X = random.normal(size=(n, p)) @ np.linalg.cholesky(correlation).T * scale
    coef = random.normal(size=(p, K or 1)) * 0.2 / scale[:, None]
    y = random.poisson(np.exp(X @ coef + 0.5)).astype(float)
    return X, y if K else y[:, 0]


def ours(X, y, seed, method="nuts", family="Poisson"):
    """Draws (chain, draw, parameter) and leapfrog steps of each, by this package."""
    import numpyro.distributions as dist

    from bayesglm import GLM, PopulationGLM

    kind = PopulationGLM if y.ndim == 2 else GLM
    model = kind(family, regularizer=dist.Normal(0.0, 10.0))
    tree = model.sample(
        X,
        y,
        method=method,
        num_samples=DRAWS,
        num_chains=CHAINS,
        random_state=seed,
        progress_bar=False,
    )
    draws = tree["posterior"].to_dataset()
    flat = [np.asarray(draws[name]) for name in ("coef", "intercept")]
    flat = np.concatenate([a.reshape(CHAINS, DRAWS, -1) for a in flat], axis=2)
    stats = tree["sample_stats"].to_dataset()
    steps = np.asarray(stats["n_steps"]) if "n_steps" in stats else np.ones(1)
    return flat, steps


def numpyro(X, y, seed, dense=False):
    """The same by NumPyro as its users would write it, in double precision."""
    import jax
    import jax.numpy as jnp
    import numpyro as library
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS

    def model(X, y):
        coef = library.sample("coef", dist.Normal(0, 10).expand([X.shape[1]]).to_event(1))
        intercept = library.sample("intercept", dist.ImproperUniform(dist.constraints.real, (), ()))
        library.sample("y", dist.Poisson(jnp.exp(X @ coef + intercept)), obs=y)

    with jax.enable_x64(True):
        chain = MCMC(
            NUTS(model, dense_mass=dense),
            num_warmup=DRAWS,
            num_samples=DRAWS,
            num_chains=CHAINS,
            chain_method="vectorized",
            progress_bar=False,
        )
        chain.run(jax.random.PRNGKey(seed), X, y, extra_fields=("num_steps",))
        draws = chain.get_samples(group_by_chain=True)
        flat = np.concatenate([draws["coef"], draws["intercept"][..., None]], axis=2)
        return np.asarray(flat), np.asarray(chain.get_extra_fields()["num_steps"])


def bambi(X, y, seed, backend):
    """The same by bambi, chains one after the other; it counts no steps."""
    import bambi as library
    import pandas as pd

    columns = [f"x{j}" for j in range(X.shape[1])]
    data = pd.DataFrame(X, columns=columns).assign(y=y)
    normal = library.Prior("Normal", mu=0, sigma=10)
    priors = dict.fromkeys([*columns, "Intercept"], normal)
    model = library.Model(f"y ~ {' + '.join(columns)}", data, family="poisson", priors=priors)
    settings = {"draws": DRAWS, "tune": DRAWS, "chains": CHAINS, "random_seed": seed}
    if backend == "pymc":
        settings |= {"cores": 1, "progressbar": False}
    draws = model.fit(inference_method=backend, **settings)["posterior"]
    return np.stack([np.asarray(draws[name]) for name in priors], axis=2), np.array(np.nan)


CALLS = {
    "bayesglm": ours,
    "numpyro": numpyro,
    "numpyro-dense": partial(numpyro, dense=True),
    "auto": partial(ours, method="auto"),
    "importance": partial(ours, method="importance"),
} | {f"bambi-{backend}": partial(bambi, backend=backend) for backend in BAMBI}


def least_ess(draws):
    """Smallest bulk effective sample size of any parameter."""
    from bayesglm.diagnostics import ess_bulk

    return float(ess_bulk(draws).min())


def timed(name, n, p, repeat):
    """ESS per second and leapfrog steps per draw of ``repeat`` calls on data of one shape."""
    lines = []
    for seed in range(repeat):
        X, y = counts(n, p, seed=seed)
        begin = process_time()
        draws, steps = CALLS[name](X, y, seed)
        seconds = process_time() - begin
        lines.append((least_ess(draws) / seconds, float(steps.mean()), seconds))
    return lines


def in_new_process(name, n, p, repeat):
    """`timed` where nothing has been compiled; imports are not counted."""
    with tempfile.TemporaryDirectory() as folder:
        return in_process_with(folder, name, n, p, repeat)


def in_process_with(folder, name, n, p, repeat, keep=""):
    """`timed` in a process whose PyTensor finds in a folder what it has compiled before.

    With ``keep``, the name of another folder, JAX does so too.
    """
    bambi = "import bambi, pandas;" if name.startswith("bambi") else ""
    program = (
        f"import jax, numpyro, bayesglm; from bayesglm import GLM, PopulationGLM; GLM;{bambi}"
        f"from {__name__} import timed; {keep!r} and bayesglm.keep_compiled({keep!r});"
        f"print(*(v for row in timed({name!r}, {n}, {p}, {repeat}) for v in row))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTENSOR_FLAGS": f"base_compiledir={folder}"},
    )
    return np.array(done.stdout.split()[-3 * repeat :], float).reshape(repeat, 3)


def cold_and_warm(n, p):
    """Compilation included, and a second call on other data of the same shape."""
    extra = [f"bambi-{backend}" for backend in BAMBI if importlib.util.find_spec("bambi")]
    samplers = [*SAMPLERS, *extra]
    rounds = [{name: in_new_process(name, n, p, 2) for name in samplers} for _ in range(ROUNDS)]
    lines = [
        f"{'':16s}{'ESS/s cold':>12s}{'warm':>9s}{'ours/cold':>11s}{'ours/warm':>11s}{'steps':>7s}"
    ]
    for name in samplers:
        rate = np.array([found[name][:, 0] for found in rounds])
        own = np.array([found["bayesglm"][:, 0] for found in rounds])
        ratio = np.median(own / rate, axis=0)
        steps = np.median([found[name][:, 1] for found in rounds])
        cold, warm = np.median(rate, axis=0)
        lines.append(
            f"{name:16s}{cold:12.0f}{warm:9.0f}{ratio[0]:11.1f}{ratio[1]:11.1f}{steps:7.1f}"
        )
    return lines


def stored(n, p):
    """First calls of a new process that finds all programs as another one has left them."""
    rates = {}
    for name in (
        "auto",
        "bayesglm",
        *(["bambi-nutpie"] if importlib.util.find_spec("bambi") else []),
    ):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            for _ in range(2):
                rates[name] = in_process_with(one, name, n, p, 1, keep=other)[0, 0]
    return [f"{name:16s}{rate:12.0f} ESS/s" for name, rate in rates.items()]


def uncentred():
    """Leapfrog steps where column means are a hundred standard deviations."""
    random = np.random.default_rng(0)
    Z = random.normal(size=(3000, 5))
    y = (random.uniform(size=3000) < 1 / (1 + np.exp(-Z @ np.full(5, 0.3)))).astype(float)
    _, steps = ours(100.0 + Z, y, 0, family="Bernoulli")
    return [f"{steps.mean():.1f} leapfrog steps a draw"]


def independence_against_nuts(n, p):
    """ESS per second of independent proposals and of NUTS, both compiled."""
    ratios = []
    for name in ("importance", "bayesglm"):
        timed(name, n, p, 1)
    for _ in range(ROUNDS):
        fast, slow = (timed(name, n, p, 1)[0][0] for name in ("importance", "bayesglm"))
        ratios.append(fast / slow)
    return [f"{np.median(ratios):.1f} times the ESS per second"]


def population(n, p, K, timed_responses=3):
    """A population by ``auto`` against a loop over NumPyro, a few of whose responses are timed."""
    X, Y = counts(n, p, K)
    lines = []
    for attempt in ("cold", "warm"):
        begin = process_time()
        draws, _ = ours(X, Y, 0, method="auto")
        own = process_time() - begin
        begin = process_time()
        for k in range(timed_responses):
            numpyro(X, Y[:, k], 0)
        theirs = (process_time() - begin) * K / timed_responses
        lines.append(
            f"{attempt}: {own:.2f} s against {theirs:.0f} s, {theirs / own:.0f} times faster; "
            f"least ESS {least_ess(draws):.0f}"
        )
    return lines


def many_rows(n, p):
    """Time of ``auto`` in units of one fit, both compiled, and the memory that it takes."""
    import resource

    from bayesglm import GLM

    X, y = counts(n, p)
    X = X / X.std(axis=0) * 0.1
    GLM("Poisson").fit(X, y)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours(X, y, 0, method="auto")
    begin = process_time()
    GLM("Poisson").fit(X, y)
    fit = process_time() - begin
    begin = process_time()
    draws, _ = ours(X, y, 0, method="auto")
    sampled = process_time() - begin
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return [
        f"{sampled / fit:.1f} times one fit ({sampled:.1f} s, {fit:.2f} s), least ESS "
        f"{least_ess(draws):.0f}, {more:.0f} MB more than the fit"
    ]


CASES = (
    Figure(
        "nuts",
        "Poisson, N=2,000 p=20: cold 8x NumPyro's NUTS, 2x its dense one; warm 3x cold",
        partial(cold_and_warm, 2000, 20),
    ),
    Figure("stored", "the same in a new process, all programs stored", partial(stored, 2000, 20)),
    Figure("uncentred", "logistic, N=3,000 p=5, mean 100 sd: at most 10 steps", uncentred),
    Figure(
        "importance",
        "Poisson, N=2,000 p=20: >= 5x the ESS per second of NUTS",
        partial(independence_against_nuts, 2000, 20),
    ),
    Figure(
        "posterior-population",
        "50 responses, N=2,000 p=20, least ESS >= 1,000: >= 100x a loop over NumPyro",
        partial(population, 2000, 20, 50),
    ),
    Figure(
        "posterior-rows",
        "N=1,000,000 p=20, auto: at most 25 times one fit",
        partial(many_rows, 1_000_000, 20),
    ),
)
