"""One small design and responses of every family, for tests that compare fits with one another.

Every new shape compiles for seconds, so all of them have these, and vary weights, offsets and
masks, which are arguments.
"""

import functools

import numpy as np
from scipy.special import expit
from scipy.stats import norm

NUM_ROWS, NUM_FEATURES, NUM_RESPONSES, NUM_CLASSES = 120, 4, 3, 3
DISPERSION = 0.5  # of the responses whose spread depends on their mean
TWEEDIE_POWER = 1.5

MEANS = {
    "log": np.exp,
    "sqrt": np.square,
    "identity": lambda eta: eta,
    "inverse": lambda eta: 1 / eta,
    "inverse-squared": lambda eta: eta**-0.5,
    "logit": expit,
    "probit": norm.cdf,
    "cloglog": lambda eta: -np.expm1(-np.exp(eta)),
}
# Intercepts that keep the means, and those fitted, well inside the domain of family and link.
LEVELS = {
    ("Poisson", "log"): 1.0,
    ("Poisson", "sqrt"): 1.6,
    ("Poisson", "identity"): 4.0,
    ("Gamma", "log"): 0.5,
    ("Gamma", "inverse"): 2.5,
    ("Gamma", "identity"): 4.0,
    ("Gaussian", "identity"): 0.5,
    ("Gaussian", "log"): 1.0,
    ("Bernoulli", "logit"): 0.3,
    ("Bernoulli", "probit"): 0.2,
    ("Bernoulli", "cloglog"): -0.3,
    ("NegativeBinomial", "log"): 1.2,
    ("InverseGaussian", "log"): 0.5,
    ("InverseGaussian", "inverse-squared"): 2.5,
    ("Tweedie", "log"): 1.0,
}


def _frozen(array):
    array.setflags(write=False)
    return array


@functools.cache
def design():
    """Features, shape (NUM_ROWS, NUM_FEATURES): bounded, correlated, of different spread."""
    uniform = np.random.default_rng(5).uniform(-1, 1, size=(NUM_ROWS, NUM_FEATURES))
    mix = np.eye(NUM_FEATURES) + 0.4 * np.eye(NUM_FEATURES, k=1)
    return _frozen(uniform @ mix / 1.4 * [1.0, 0.5, 2.0, 1.0] + [0.0, 0.2, 0.0, -0.3])


@functools.cache
def coefficients():
    """True coefficients, shape (NUM_FEATURES, NUM_RESPONSES)."""
    return _frozen(np.random.default_rng(6).uniform(-0.4, 0.4, (NUM_FEATURES, NUM_RESPONSES)))


@functools.cache
def responses(family, link):
    """Responses, shape (NUM_ROWS, NUM_RESPONSES)."""
    rng = np.random.default_rng(7)
    mean = MEANS[link](design() @ coefficients() + LEVELS[family, link])
    shape = 1 / DISPERSION
    draw = {
        "Poisson": lambda: rng.poisson(mean),
        "Gamma": lambda: rng.gamma(shape, mean / shape),
        "Gaussian": lambda: rng.normal(mean, 0.5),
        "Bernoulli": lambda: rng.binomial(1, mean),
        "NegativeBinomial": lambda: rng.poisson(rng.gamma(shape, mean / shape)),
        "InverseGaussian": lambda: rng.wald(mean, shape),
        "Tweedie": lambda: _tweedie(rng, mean),
    }
    return _frozen(draw[family]().astype(float))


def _tweedie(rng, mean):
    """Sum a Poisson number of gamma amounts; variance ``DISPERSION * mean**TWEEDIE_POWER``."""
    a, b = 2 - TWEEDIE_POWER, TWEEDIE_POWER - 1
    number = rng.poisson(mean**a / (a * DISPERSION))
    return rng.gamma(number * a / b, DISPERSION * b * mean**b)


@functools.cache
def labels():
    """Classes 0, 1, 2, integers of shape (NUM_ROWS, NUM_RESPONSES)."""
    rng = np.random.default_rng(8)
    shape = (NUM_FEATURES, NUM_CLASSES, NUM_RESPONSES)
    utility = np.tensordot(design(), rng.uniform(-0.7, 0.7, shape), axes=1)
    return _frozen((utility + rng.gumbel(size=utility.shape)).argmax(axis=1))


@functools.cache
def weights():
    """Integer weights of the rows, shape (NUM_ROWS,)."""
    return _frozen(np.random.default_rng(9).integers(1, 4, NUM_ROWS).astype(float))


@functools.cache
def offsets():
    """Offsets of every cell, shape (NUM_ROWS, NUM_RESPONSES); small against `LEVELS`."""
    return _frozen(np.random.default_rng(10).uniform(-0.3, 0.3, (NUM_ROWS, NUM_RESPONSES)))


@functools.cache
def feature_mask():
    """Features of each response, shape (NUM_FEATURES, NUM_RESPONSES): four, three and two."""
    mask = np.ones((NUM_FEATURES, NUM_RESPONSES))
    mask[1, 1] = mask[0, 2] = mask[3, 2] = 0
    return _frozen(mask)
