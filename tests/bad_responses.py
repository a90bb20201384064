"""Bad input, part 2: responses outside their range (rows 33 to 49 of the catalogue)."""

import functools

import numpy as np
import numpyro.distributions as dist
from bad_inputs import CLASSES, RESPONSES, Case, X, classified, fit, plain, put

from bayesglm import ClassifierGLM, DataWarning, PerfectSeparationWarning, Prior
from bayesglm.observation_models import BinomialObservations, NegativeBinomialObservations

Y, G, B = (RESPONSES[family] for family in ("Poisson", "Gamma", "Bernoulli"))
ZEROS = np.zeros_like(Y)
MIDDLE = np.square(X - X.mean(axis=0)).sum(axis=1).argmin()
SURE = Prior(dist.Normal(0, 1), intercept=dist.Normal(0, 2))


def encoded(y):
    """Labels predicted after training on other codes, and those of the codes 0 and 1."""
    predicted = ClassifierGLM(2).fit(X, y).predict(X)
    return predicted == np.unique(y)[1], coded()


@functools.cache
def coded():
    return ClassifierGLM(2).fit(X, B).predict(X) == 1


def huge_counts():
    """Coefficients of counts of order 1e12, which are those of the counts they are multiples of."""
    model = fit(y=Y * 1e12)
    shifted = np.append(plain().coef_, plain().intercept_ + np.log(1e12))
    return np.append(model.coef_, model.intercept_), shifted


def hardly_dispersed():
    """Means of a negative binomial whose dispersion vanishes, and of the Poisson it becomes."""
    y = np.rint(plain().predict(X))
    model = fit(NegativeBinomialObservations(scale=None), y=y)
    assert model.scale_[0] < 1e-6
    return model.predict(X), fit(y=y).predict(X)


def gapped():
    codes = np.unique(CLASSES, return_inverse=True)[1] * 7 - 3
    predicted = ClassifierGLM(3).fit(X, codes).predict(X)
    return (predicted + 3) / 7, np.searchsorted(classified().classes_, classified().predict(X))


CASES = [
    Case(
        33,
        "negative count",
        lambda: fit(y=put(Y, 3, -1)),
        ValueError,
        "Poisson.*non-negative counts; 1 entries are not, the first is -1 in row 3",
    ),
    Case(
        33,
        "negative count, NB",
        lambda: fit("NegativeBinomial", y=put(Y, 3, -1)),
        ValueError,
        "NegativeBinomial.*the first is -1 in row 3",
    ),
    Case(
        34,
        "broken count",
        lambda: fit(y=put(Y, 3, 1.5)),
        DataWarning,
        "1 entries of y are not integers .first in row 3.*quasi-likelihood",
    ),
    Case(35, "no events", lambda: fit(y=ZEROS), ValueError, "no variation: its mean is 0.*prior"),
    Case(
        35,
        "no events, intercept free",
        lambda: fit(y=ZEROS, regularizer="Ridge"),
        ValueError,
        "no variation",
    ),
    Case(
        35,
        "no events, proper prior",
        lambda: fit(y=ZEROS, regularizer=SURE),
        DataWarning,
        "likelihood has no maximum, and the prior alone",
    ),
    Case(36, "huge counts", huge_counts),
    Case(
        37,
        "zero for Gamma",
        lambda: fit("Gamma", y=put(G, 3, 0)),
        ValueError,
        "Gamma.*positive.*first is 0 in row 3.*Tweedie",
    ),
    Case(
        37,
        "negative for Gamma",
        lambda: fit("Gamma", y=put(G, 3, -2)),
        ValueError,
        "is -2 in row 3",
    ),
    Case(
        38, "labels 0 and 2", lambda: fit("Bernoulli", y=2 * B), ValueError, "0 or 1.*ClassifierGLM"
    ),
    Case(38, "labels 0 and 2, encoded", lambda: encoded(2 * B)),
    Case(
        39, "labels 1 and 2", lambda: fit("Bernoulli", y=B + 1), ValueError, "0 or 1.*ClassifierGLM"
    ),
    Case(39, "labels 1 and 2, encoded", lambda: encoded(B + 1)),
    Case(
        40, "labels -1 and 1", lambda: fit("Bernoulli", y=2 * B - 1), ValueError, "0 or 1.*Classif"
    ),
    Case(40, "labels -1 and 1, encoded", lambda: encoded(2 * B - 1)),
    Case(
        41,
        "labels of text",
        lambda: fit("Bernoulli", y=np.where(B > 0, "a", "b")),
        ValueError,
        "y has dtype <U1.*ClassifierGLM",
    ),
    Case(
        41,
        "booleans",
        lambda: (fit("Bernoulli", y=B > 0).predict(X), plain("Bernoulli").predict(X)),
    ),
    Case(41, "text, encoded", lambda: encoded(np.where(B > 0, "b", "a"))),
    Case(41, "booleans, encoded", lambda: encoded(B > 0)),
    Case(
        42, "all zero", lambda: fit("Bernoulli", y=0 * B), ValueError, "no variation: its mean is 0"
    ),
    Case(
        42,
        "all one",
        lambda: fit("Bernoulli", y=0 * B + 1),
        ValueError,
        "no variation: its mean is 1",
    ),
    Case(
        42, "one class", lambda: ClassifierGLM(2).fit(X, B * 0), ValueError, "only 1 unique class"
    ),
    Case(
        42,
        "all one, proper prior",
        lambda: fit("Bernoulli", y=0 * B + 1, regularizer=SURE),
        DataWarning,
        "never vary.*prior alone",
    ),
    Case(
        43,
        "class missing in fit",
        lambda: ClassifierGLM(4).fit(X, CLASSES),
        ValueError,
        r"only 3 unique class labels.*n_classes=4: \['left', 'none', 'right'\]",
    ),
    Case(
        43,
        "class too many in fit",
        lambda: ClassifierGLM(2).fit(X, CLASSES),
        ValueError,
        r"Found 3 uniq.*n_classes=2: \['left', 'none', 'right'\]",
    ),
    Case(
        43,
        "class unseen",
        lambda: classified().score(X, np.where(CLASSES == "left", "up", CLASSES)),
        ValueError,
        r"Unrecognized label.*'up'.*Valid labels are \['left', 'none', 'right'\]",
    ),
    Case(44, "gaps between labels", gapped),
    Case(
        45,
        "more successes than trials",
        lambda: fit(BinomialObservations(trials=1), y=put(B, 3, 2)),
        ValueError,
        "from 0 to 1; 1 entries are not, the first is 2 in row 3",
    ),
    Case(45, "no trials", lambda: BinomialObservations(trials=0), ValueError, "trials.*positive"),
    Case(46, "dispersion vanishes", hardly_dispersed),
    Case(
        47,
        "constant y",
        lambda: fit("Gaussian", y=ZEROS + 3),
        DataWarning,
        "dispersion is zero.*constant",
    ),
    Case(
        48,
        "huge y",
        lambda: fit("Gaussian", y=G * 1e300),
        ValueError,
        "`y` must be at most 1e.100.*rescale",
    ),
    Case(48, "huge counts", lambda: fit(y=Y * 1e200), ValueError, "`y` must be at most.*rescale"),
    Case(
        48, "tiny y", lambda: fit("Gaussian", y=G * 1e-300), ValueError, "`y` has no entry.*rescale"
    ),
    Case(49, "one event", lambda: (fit(y=put(ZEROS, MIDDLE, 1)).predict(X).sum(), 1)),
    Case(
        49, "all events in one row", lambda: (fit(y=put(ZEROS, MIDDLE, 900)).predict(X).sum(), 900)
    ),
    Case(
        49,
        "one event at the edge",
        lambda: fit(y=put(ZEROS, X[:, 0].argmax(), 1)),
        PerfectSeparationWarning,
        "separate values of y",
    ),
]
