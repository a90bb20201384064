"""Benchmarks of fitting: the speed that the package promises, and the memory it takes."""

from __future__ import annotations

import itertools
import subprocess
import sys
from functools import partial

import numpy as np

from . import peers
from .harness import OURS, Contestant, Entry, Figure, Race
from .problems import poisson, scaled_gradient

HEAVY = ("jax", "numpyro", "arviz", "sklearn", "pandas", "matplotlib")
SINGLE = {"scikit-learn": peers.scikit_learn, "glum": peers.glum, "nemos": peers.nemos}


def one_response(n, p, present, datasets=1):
    """The same regression by all; with several data sets of one shape, one after the other."""
    data = [poisson(n, p, seed=seed) for seed in range(datasets)]

    def contestant(fit):
        turns = itertools.cycle(data)

        def run():
            X, y = next(turns)
            return X, y, fit(X, y)

        return Contestant(run)

    fits = {OURS: peers.ours} | {name: fit for name, fit in SINGLE.items() if name in present}
    error = lambda answer: scaled_gradient(answer[0], answer[1], *answer[2])
    return Entry({name: contestant(fit) for name, fit in fits.items()}, error)


def many_responses(n, p, K, timed, present):
    """A population; packages without one loop over responses, of which a few are timed."""
    X, Y = poisson(n, p, K)

    def loop(fit):
        answers = [fit(X, Y[:, k]) for k in range(timed)]
        return np.column_stack([a[0] for a in answers]), np.array([a[1] for a in answers])

    contestants = {OURS: Contestant(lambda: peers.ours_population(X, Y))}
    for name in ("scikit-learn", "glum"):
        if name in present:
            contestants[name] = Contestant(partial(loop, SINGLE[name]), share=timed / K)
    if "nemos" in present:
        contestants["nemos"] = Contestant(lambda: peers.nemos(X, Y))
    error = lambda answer: scaled_gradient(X, Y[:, : len(answer[1])], *answer)
    return Entry(contestants, error)


def lasso_path(n, p, count, present):
    """Lasso at ``count`` strengths from where the first coefficient appears to a thousandth."""
    X, y = poisson(n, p)
    largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / n
    strengths = largest * np.logspace(-0.01, -3, count)
    fits = {OURS: peers.ours_path} | ({"glum": peers.glum_path} if "glum" in present else {})

    def error(path):
        return max(
            scaled_gradient(X, y, *at, strength=s) for at, s in zip(path, strengths, strict=True)
        )

    contestants = {name: Contestant(partial(fit, X, y, strengths)) for name, fit in fits.items()}
    return Entry(contestants, error)


def in_new_process(code):
    """What code prints in a new process."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def importing():
    """Seconds of ``import bayesglm`` and what it brings along."""
    code = (
        "import time, sys; start = time.perf_counter(); import bayesglm;"
        f"print(time.perf_counter() - start, *[m for m in {HEAVY} if m in sys.modules])"
    )
    runs = [in_new_process(code) for _ in range(5)]
    seconds = sorted(float(run[0]) for run in runs)[2]
    return [f"{seconds:.3f} s, imports of {', '.join(HEAVY)}: {' '.join(runs[0][1:]) or 'none'}"]


GRID = """
import logging, warnings
import jax, numpy as np
from sklearn.model_selection import GridSearchCV
from bayesglm import GLM
from tests.benchmarks.problems import poisson
warnings.simplefilter("ignore")
names = []
class Compilations(logging.Handler):
    def emit(self, record):
        message = record.getMessage()
        if message.startswith("Finished XLA compilation of"):
            names.append(message.split()[4])
logger = logging.getLogger("jax")
logger.addHandler(Compilations())
logger.propagate = False
X, y = poisson(2003, 20)
grid = {"regularizer_strength": np.logspace(-4, 0, 8)}
with jax.log_compiles(True):
    GridSearchCV(GLM(regularizer="Ridge"), grid, cv=5).fit(X, y)
own = [name for name in names if "_" in name]
print(len(own), len(set(own)), len(names))
"""


def grid_search():
    """Programs compiled by 5 folds of 8 strengths and a refit on all rows."""
    total, different, every = map(int, in_new_process(GRID))
    return [
        f"41 fits and 40 scores of 1,602, 1,603 and 2,003 rows: {total} compilations of "
        f"{different} programs of the package ({every} with JAX's own one-operation programs)"
    ]


MEMORY = """
import resource, sys, warnings
import numpy as np
from bayesglm import GLM
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
n, p = int(sys.argv[1]), int(sys.argv[2])
small = np.random.default_rng(0).standard_normal((1000, p), dtype=np.float32)
GLM().fit(small, np.ones(1000) + (small[:, 0] > 0))
before = peak()
X = np.empty((n, p), np.float32)
random = np.random.default_rng(0)
for first in range(0, n, 10000):
    part = X[first : first + 10000]
    part[:] = random.standard_normal(part.shape, dtype=np.float32)
y = random.poisson(np.exp(0.2 * X[:, 0] + 0.5)).astype(float)
made = peak()
model = GLM().fit(X, y)
data = X.nbytes + y.nbytes
print(data, before, made, peak(), model.n_iter_)
"""


def large_memory(gigabytes=2.0, p=50):
    """Peak resident memory of a process that fits float32 data."""
    n = int(gigabytes * 1e9 / (4 * p))
    command = [sys.executable, "-c", MEMORY, str(n), str(p)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    data, before, made, peak, steps = map(float, done.stdout.split())
    return [
        f"X and y {data / 1e9:.2f} GB ({n:,} rows of {p}); process without data, after a small "
        f"fit, {before / 1e9:.2f} GB; with data, before the fit, {made / 1e9:.2f} GB",
        f"peak {peak / 1e9:.2f} GB, {peak / data:.2f} times the data, "
        f"{(peak - before) / data:.2f} without the process itself; {steps:.0f} steps",
    ]


CASES = (
    Race("refit", "N=2,000 p=20 again", partial(one_response, 2000, 20), rounds=25),
    Race(
        "refit-other",
        "N=2,000 p=20 on other data of the same shape",
        partial(one_response, 2000, 20, datasets=5),
        rounds=25,
    ),
    Race("tall", "N=100,000 p=50", partial(one_response, 100_000, 50)),
    Race("wide", "N=20,000 p=500", partial(one_response, 20_000, 500), rounds=3),
    Race(
        "population", "N=20,000 p=40 K=100", partial(many_responses, 20_000, 40, 100, 3), rounds=3
    ),
    Race(
        "lasso-path", "30 strengths, N=20,000 p=200", partial(lasso_path, 20_000, 200, 30), rounds=3
    ),
    Figure("grid-search", "5 folds of 8 strengths: one compilation per program", grid_search),
    Figure("import", "import bayesglm: nothing heavy, under 0.1 s", importing),
    Figure("memory", "float32 X of 2 GB: peak at most 1.3 times the data", large_memory),
)
