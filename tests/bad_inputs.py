"""What a row of the table of bad input is, and the data and fits that all rows share.

Every entry starts from data that fit, of the one shape of `small_problems`, and spoils one thing.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from small_problems import design, labels, responses

from bayesglm import GLM, ClassifierGLM, PopulationGLM

X = design()
COUNTS = responses("Poisson", "log")
RESPONSES = {
    "Poisson": COUNTS[:, 0],
    "NegativeBinomial": COUNTS[:, 0],
    "Gamma": responses("Gamma", "log")[:, 0],
    "Gaussian": responses("Gaussian", "identity")[:, 0],
    "Bernoulli": responses("Bernoulli", "logit")[:, 0],
}
CLASSES = np.array(["left", "none", "right"])[labels()[:, 0]]
N, P = X.shape
FRAME = pd.DataFrame(X, columns=list("abcd"))


@dataclass(frozen=True)
class Case:
    """One entry of the table.

    Parameters
    ----------
    row
        Number in the catalogue of bad input and faults.
    what
        The case in words.
    run
        Does it. What is accepted returns two arrays that must agree; what is warned of returns a
        fitted model or predictions, which must be finite.
    outcome
        Class of the error or warning; None for what is accepted in silence.
    match
        Regular expression that its message matches.
    late
        Whether only the result of a fit can show that something is wrong.
    """

    row: int
    what: str
    run: Callable[[], Any]
    outcome: type[Exception] | None = None
    match: str = ""
    late: bool = False

    def __str__(self):
        return f"{self.row} {self.what}"


def put(array, index, value):
    """Copy of ``array`` with one entry replaced."""
    array = np.array(array)
    array[index] = value
    return array


def fit(family="Poisson", X=X, y=None, *, sample_weight=None, offset=None, **settings):
    """Fit a `GLM`, to good data unless told otherwise."""
    y = RESPONSES[family] if y is None else y
    return GLM(family, **settings).fit(X, y, sample_weight=sample_weight, offset=offset)


@functools.cache
def plain(family="Poisson"):
    """Fit to the good data."""
    return fit(family)


@functools.cache
def framed():
    """Fit to the good data in a DataFrame."""
    return fit(X=FRAME)


@functools.cache
def classified():
    """Fit of a classifier to the good data."""
    return ClassifierGLM(3).fit(X, CLASSES)


@functools.cache
def population():
    """Fit to three responses."""
    return PopulationGLM().fit(X, COUNTS)


def same_fit(X, y=None, **settings):
    """Fitted values on X in a form that has to be converted, and on the plain float64 array."""
    values = np.asarray(X, dtype=float)
    y_values = None if y is None else np.asarray(y, dtype=float)
    expected = fit(X=values, y=y_values, **settings).predict(values)
    return fit(X=X, y=y, **settings).predict(X), expected


def by_hand(family, coef, intercept=0.0):
    """Return a model whose coefficients were set, not fitted."""
    model = GLM(family)
    model.coef_, model.intercept_ = np.asarray(coef, float), np.array([intercept])
    return model
