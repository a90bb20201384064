"""Simulation-based calibration: parameters from the prior, data from them, and their ranks.

Among draws from the posterior, the rank of the parameter that made the data is uniform. All
simulated data sets of one prior share a design, and are the responses of one population.
``python tests/test_calibration.py Poisson normal nuts`` prints the figures of one combination.

References
----------
Talts, Betancourt, Simpson, Vehtari and Gelman (2018), Validating Bayesian inference algorithms with
simulation-based calibration. Modrák et al. (2023), on data-dependent test quantities.
"""

import sys
import warnings
from typing import NamedTuple

import numpy as np
import numpyro.distributions as dist
import pytest
from exact_posteriors import FAMILIES, SMALLEST_PROPORTION, Family
from scipy import special, stats

from bayesglm import ClassifierPopulationGLM, PopulationGLM
from bayesglm.diagnostics import ess_bulk
from bayesglm.exceptions import DataWarning, SamplingWarning
from bayesglm.regularizer import Horseshoe, Prior

ROWS, FEATURES = 50, 2
SIMULATIONS, RANKS = 500, 99
FEW = 4  # of them at a time, where chains of some take many more steps than those of others
LEVELS = (0.5, 0.8, 0.9, 0.95)  # of the intervals whose coverage is counted
SMALLEST_P = 1e-4
LEVEL_SD = 0.5
ROOT_SHAPE, ROOT_RATE = 10.0, 15.0  # gamma prior of the root of the dispersion, mean 2/3

COEF_PRIORS = {
    "normal": (dist.Normal(0.0, 0.5), lambda rng, shape: rng.normal(0, 0.5, shape)),
    "Laplace": (dist.Laplace(0.0, 0.4), lambda rng, shape: rng.laplace(0, 0.4, shape)),
    "Student-t": (dist.StudentT(4.0, 0.0, 0.4), lambda rng, shape: 0.4 * rng.standard_t(4, shape)),
}
METHODS = ("nuts", "importance", "auto")

CLASSES = 3
CATEGORICAL = Family(  # means are log-probabilities; their axis before the last is the class
    "Categorical",
    None,
    lambda eta: special.log_softmax(eta, axis=-2),
    lambda y, mean, scale: np.sum(mean * (y[..., None, :] == np.arange(CLASSES)[:, None]), axis=-2),
    lambda rng, mean, scale: np.argmax(mean + rng.gumbel(size=mean.shape), axis=-2),
)
EVERY = FAMILIES | {"Categorical": CATEGORICAL}
COMBINATIONS = [
    (family, prior, method)
    for family in EVERY
    for prior in (*COEF_PRIORS, "horseshoe")
    for method in METHODS
    if not (prior == "horseshoe" and method == "importance")  # it has no mode to propose from
]

# The regularized horseshoe. Its slab is in units of the spread of Gaussian responses, which no
# prior can know: there it is so wide that it plays no part, and other tails are less heavy.
GLOBAL_SCALE, SLAB_DF = 0.5, 6.0


def horseshoe(family):
    """Settings of the horseshoe: size of the slab, and degrees of freedom of both scales."""
    return (1e6, 4.0) if family == "Gaussian" else (1.0, 1.0)


def classes_of(family):
    """Shape of the axis that only classes have."""
    return (CLASSES,) if family == "Categorical" else ()


def own_prior(family, prior):
    """The regularizer whose prior the simulator draws from."""
    intercept = dist.Normal(EVERY[family].level, LEVEL_SD)
    if prior != "horseshoe":
        return Prior(COEF_PRIORS[prior][0], intercept=intercept)
    slab_scale, df = horseshoe(family)
    return Horseshoe(GLOBAL_SCALE, slab_scale, SLAB_DF, df, df, intercept=intercept)


def population(family, prior):
    """The model of all data sets."""
    own = own_prior(family, prior)
    if family == "Categorical":
        return ClassifierPopulationGLM(CLASSES, regularizer=own)
    return PopulationGLM(EVERY[family].observations, EVERY[family].link, own)


def draw_horseshoe(family, rng, X, scale):
    """Coefficients (p[, C], num), and what they depend on, as the paper has it."""
    slab_scale, df = horseshoe(family)
    shape = (X.shape[1], *classes_of(family), len(scale))
    true = {
        "local_scale": np.abs(rng.standard_t(df, shape)),
        "global_scale": GLOBAL_SCALE * np.abs(rng.standard_t(df, len(scale))),
        "slab_scale": slab_scale * (SLAB_DF / rng.chisquare(SLAB_DF, len(scale))) ** 0.5,
    }
    if family == "Gaussian":
        true["global_scale"] *= scale**0.5
    square, slab = (true["global_scale"] * true["local_scale"]) ** 2, true["slab_scale"] ** 2
    width = np.sqrt(slab * square / (slab + square))
    true["coef"] = rng.normal(0, width) / X.std(axis=0).reshape(-1, *(1,) * (len(shape) - 1))
    if family == "Gaussian":
        del true["slab_scale"]  # in units of the response, and of no effect
    return true


class Calibration(NamedTuple):
    """Ranks of true values and coverages of intervals, by quantity.

    Parameters
    ----------
    ranks
        From 0 to `RANKS`, shape (simulations,) each.
    coverage
        Share of the intervals of each of `LEVELS` that hold the true value.
    ess
        Least effective sample size of the draws of each simulation.
    method
        What was used in the end.
    """

    ranks: dict[str, np.ndarray]
    coverage: dict[str, np.ndarray]
    ess: np.ndarray
    method: str


def simulate(family, prior, num, rng):
    """Design (n, p), responses (n, num) and the parameters that made them, last axis num.

    Data sets with a proportion too near zero or one to be drawn exactly are left out: as that is a
    property of the responses, ranks in the rest are uniform all the same.
    """
    chosen, classes = EVERY[family], classes_of(family)
    X = rng.uniform(-1.5, 1.5, (ROWS, FEATURES))
    scale, true = np.ones(num), {}
    if chosen.estimated:
        scale = true["scale"] = rng.gamma(ROOT_SHAPE, 1 / ROOT_RATE, num) ** 2
    true["intercept"] = chosen.level + rng.normal(0, LEVEL_SD, (*classes, num))
    if prior == "horseshoe":
        true |= draw_horseshoe(family, rng, X, scale)
    else:
        true["coef"] = COEF_PRIORS[prior][1](rng, (FEATURES, *classes, num))
    mean = chosen.mean(linear_predictor(family, X, true["coef"], true["intercept"]))
    Y = chosen.draw(rng, mean, scale).astype(float)
    exact = ~np.isin(Y, (SMALLEST_PROPORTION, 1 - SMALLEST_PROPORTION)).any(axis=0)
    return X, Y[:, exact], {name: value[..., exact] for name, value in true.items()}


def linear_predictor(family, X, coef, intercept):
    """Of coef (..., p[, C], num) and intercept (...[, C], num), shape (..., n[, C], num)."""
    axis = -2 - len(classes_of(family))
    return np.moveaxis(np.tensordot(X, coef, (1, axis)), 0, axis) + np.expand_dims(intercept, axis)


def log_likelihood(family, X, Y, coef, intercept, scale=None):
    """Log-likelihoods (..., num) of parameters in the shapes of `linear_predictor`."""
    chosen = EVERY[family]
    mean = chosen.mean(linear_predictor(family, X, coef, intercept))
    scale = np.ones(Y.shape[1]) if scale is None else scale
    return chosen.log_density(Y, mean, scale[..., None, :]).sum(axis=-2)


def calibrate(family, prior, method, num=SIMULATIONS, num_samples=250, seed=11):
    """Simulate, draw, and rank."""
    rng = np.random.default_rng(seed)
    X, Y, true = simulate(family, prior, num, rng)
    num, model = Y.shape[1], population(family, prior)
    own_scale = dist.Gamma(ROOT_SHAPE, ROOT_RATE) if EVERY[family].estimated else None
    together = num if method != "nuts" or prior == "normal" else FEW
    drawn, trees = {}, []
    with warnings.catch_warnings():
        # Responses that never vary have a posterior all the same, and of 500 fits some will have
        # an R-hat above its threshold by chance: `check` judges all of them together.
        warnings.simplefilter("ignore", SamplingWarning)
        warnings.simplefilter("ignore", DataWarning)
        for first in range(0, num, together):
            settings = {"method": method, "num_samples": num_samples, "random_state": seed + first}
            part = Y[:, first : first + together]
            settings |= {"scale_prior": own_scale} if own_scale is not None else {}
            trees.append(model.sample(X, part, progress_bar=False, **settings))
    for name in true:
        parts = [tree["posterior"][name].transpose(..., "response") for tree in trees]
        drawn[name] = np.concatenate(parts, axis=-1)
    thinned = {name: thin(a) for name, a in drawn.items()}
    ranks, coverage, ess = {}, {}, np.full(num, np.inf)
    for name, values in drawn.items():
        covered = covers(values, true[name])
        rank = (thinned[name] < true[name]).sum(axis=0).reshape(-1, num)
        ess = np.minimum(ess, ess_bulk(values).reshape(-1, num).min(axis=0))
        for j in range(len(rank)):
            label = f"{name}[{j}]" if len(rank) > 1 else name
            ranks[label], coverage[label] = (
                rank[j],
                covered.reshape(len(LEVELS), -1, num)[:, j].mean(1),
            )
    of_mean = [name for name in ("coef", "intercept", "scale") if name in true]
    at_truth, at_draws = (
        log_likelihood(family, X, Y, **{name: values[name] for name in of_mean})
        for values in (true, thinned)
    )
    ranks["log_likelihood"] = (at_draws < at_truth).sum(axis=0)
    return Calibration(ranks, coverage, ess, trees[0].attrs["method"])


def thin(values):
    """`RANKS` draws, evenly spaced in all chains, from (chain, draw, ...)."""
    step = values.shape[0] * values.shape[1] // (RANKS + 1)
    return values[:, step - 1 :: step].reshape(-1, *values.shape[2:])[:RANKS]


def covers(values, true):
    """Whether the central interval of each level holds the true value, shape (levels, ...)."""
    flat = values.reshape(-1, *values.shape[2:])
    ends = lambda level: np.quantile(flat, [(1 - level) / 2, (1 + level) / 2], axis=0)
    between = lambda low, high: (low <= true) & (true <= high)
    return np.array([between(*ends(level)) for level in LEVELS])


def p_values(ranks):
    """Chi-square test of ten bins, and test of the first two moments, of uniform ranks."""
    counts = np.bincount(ranks * 10 // (RANKS + 1), minlength=10)
    u = (ranks + 0.5) / (RANKS + 1) - 0.5
    z = np.array([u.mean() / (1 / 12) ** 0.5, ((u**2).mean() - 1 / 12) / (1 / 180) ** 0.5])
    return stats.chisquare(counts).pvalue, stats.chi2.sf(len(ranks) * (z**2).sum(), 2)


def check(found, asked="auto"):
    """Gate: uniform ranks, coverages within four binomial standard errors, enough draws.

    Independent proposals that do not fit say so by Pareto k; ``"auto"`` then takes NUTS.
    """
    num = len(found.ess)
    assert asked == "importance" or np.mean(found.ess < RANKS) < 0.01
    for name, ranks in found.ranks.items():
        assert min(p_values(ranks)) > SMALLEST_P, name
    level = np.array(LEVELS)
    for name, coverage in found.coverage.items():
        error = np.abs(coverage - level) / np.sqrt(level * (1 - level) / num)
        assert np.all(error < 4), name


def table(family, prior, method, found):
    """Rows of figures in Markdown."""
    for name, ranks in found.ranks.items():
        p = " | ".join(f"{p:.2g}" for p in p_values(ranks))
        shares = " | ".join(f"{100 * c:.1f}" for c in found.coverage.get(name, ())) or " | | | "
        yield f"| {family} | {prior} | {method} | {name} | {p} | {shares} |"


@pytest.mark.slow
@pytest.mark.parametrize(("family", "prior", "method"), COMBINATIONS)
def test_every_family_prior_and_method(family, prior, method):
    found = calibrate(family, prior, method)
    print("\n".join(table(family, prior, method, found)))
    check(found, method)


def test_hundred_simulations():
    check(calibrate("Poisson", "normal", "importance", num=100))


def test_catches_a_wrong_prior(monkeypatch):
    """A fifth of the scale that simulates: true coefficients are too often at the ends."""
    wrong = (dist.Normal(0.0, 0.1), COEF_PRIORS["normal"][1])
    monkeypatch.setitem(COEF_PRIORS, "normal", wrong)
    with pytest.raises(AssertionError):
        check(calibrate("Poisson", "normal", "importance", num=100))


if __name__ == "__main__":
    result = calibrate(*sys.argv[1:4])
    few = np.mean(result.ess < RANKS)
    print(f"least ESS {result.ess.min():.0f}, below {RANKS} {few:.1%}, method {result.method}")
    print("\n".join(table(*sys.argv[1:4], result)))
    check(result, sys.argv[3])
