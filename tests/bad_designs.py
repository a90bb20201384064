"""Bad input, part 3: degenerate designs, scales, offsets, weights, penalties (rows 50 to 70)."""

import jax
import numpy as np
import numpyro.distributions as dist
from bad_inputs import (
    COUNTS,
    RESPONSES,
    Case,
    N,
    X,
    by_hand,
    classified,
    fit,
    plain,
    population,
    put,
)
from small_problems import labels

from bayesglm import ClassifierGLM, DataWarning, PerfectSeparationWarning, PopulationGLM, Prior
from bayesglm.regularizer import GroupLasso

Y, B, G = (RESPONSES[family] for family in ("Poisson", "Bernoulli", "Gamma"))
FEW = (np.arange(N) < 3) * 1.0  # weights that leave fewer rows than columns
DUMMY = np.arange(N) < 6
RARE = np.column_stack([X[:, :3], DUMMY])
EDGE = X[:, 0] > 0


def last(column):
    """Design whose last column is replaced."""
    return np.column_stack([X[:, :3], np.broadcast_to(column, N)])


def wide(columns):
    """Design of many columns, of which only one is in memory."""
    return np.broadcast_to(X[:, :1], (N, columns))


def same_means(factor=1.0, shift=0.0):
    """Fitted values of columns on other scales, and on their own."""
    other = X * factor + shift
    return fit(X=other).predict(other), plain().predict(X)


def separated_classes(X, y):
    return ClassifierGLM(3, regularizer="UnRegularized").fit(X, y)


def grouped(mask):
    return fit(regularizer=GroupLasso(mask=np.array(mask, float)))


def ridge(strength):
    return fit(regularizer="Ridge", regularizer_strength=strength)


def falling_through_zero():
    """Identity link on counts whose best line is below zero for a part of the rows."""
    return fit(y=np.maximum(0.0, np.rint(6 * X[:, 2])), inverse_link_function="identity")


ALIASED = "columns .'x3'. are linear combinations of others.*Ridge"
DECIDES = "does not identify all coefficients.*columns .'x3'. are {}. The regularizer decides"
SEPARATED = "Columns .'x3'. of X separate values of y"

CASES = [
    Case(
        50,
        "constant column",
        lambda: fit(X=last(2.0)),
        DataWarning,
        "'x3'. of X are constant and so aliased",
    ),
    Case(
        50,
        "constant column, ridge",
        lambda: fit(X=last(2.0), regularizer="Ridge"),
        DataWarning,
        DECIDES.format("constant"),
    ),
    Case(51, "zero column", lambda: fit(X=last(0.0)), DataWarning, "'x3'. of X are constant"),
    Case(
        51,
        "zero column, no intercept",
        lambda: fit(X=last(0.0), fit_intercept=False),
        DataWarning,
        "'x3'. of X are zero",
    ),
    Case(
        51,
        "zero column, ridge",
        lambda: fit(X=last(0.0), regularizer="Ridge"),
        DataWarning,
        DECIDES.format("constant"),
    ),
    Case(52, "column twice", lambda: fit(X=last(X[:, 0])), ValueError, ALIASED),
    Case(52, "sum of columns", lambda: fit(X=last(X[:, 0] - 2 * X[:, 1])), ValueError, ALIASED),
    Case(
        52,
        "dummies beside an intercept",
        lambda: fit(X=np.column_stack([X[:, :2], EDGE, ~EDGE])),
        ValueError,
        ALIASED,
    ),
    Case(
        52,
        "column twice, ridge",
        lambda: fit(X=last(X[:, 0]), regularizer="Ridge"),
        DataWarning,
        DECIDES.format("linear combinations of others"),
    ),
    Case(
        53,
        "fewer rows than columns",
        lambda: fit(X=X[:3], y=Y[:3]),
        ValueError,
        "3 sample.s. and 4 features.*linear combinations",
    ),
    Case(
        53,
        "fewer rows than columns, ridge",
        lambda: fit(sample_weight=FEW, regularizer="Ridge"),
        DataWarning,
        "with 3 sample.s. and 4 features.*The regularizer decides",
    ),
    Case(
        54,
        "far more columns than rows",
        lambda: fit(X=wide(10**5)),
        ValueError,
        "at least 99881 columns are linear combinations of others.*Ridge",
    ),
    Case(
        54,
        "a Hessian of 1e10 numbers",
        lambda: fit(X=wide(10**5), regularizer="Ridge", solver_name="Newton"),
        MemoryError,
        "Hessian matrix.*1e.10 numbers.* 640 GB of memory, and .* are free.*'LBFGS'",
    ),
    Case(
        54,
        "lasso with a Hessian of 1e10 numbers",
        lambda: fit(X=wide(10**5), regularizer="Lasso", solver_name="ProximalNewton"),
        MemoryError,
        "640 GB.*'ProximalGradient'",
    ),
    Case(
        55,
        "separation",
        lambda: fit("Bernoulli", y=EDGE * 1.0),
        PerfectSeparationWarning,
        "'x0'.*of X separate values of y perfectly.*infinite.*Ridge.*Prior",
    ),
    Case(
        55,
        "separated classes",
        lambda: separated_classes(X, np.digitize(X[:, 0], [-0.3, 0.3])),
        PerfectSeparationWarning,
        "'x0'.*of X separate values of y",
    ),
    Case(
        56,
        "rare dummy",
        lambda: fit("Bernoulli", X=RARE, y=np.where(DUMMY, 1, B)),
        PerfectSeparationWarning,
        SEPARATED,
    ),
    Case(
        56,
        "no events under a dummy",
        lambda: fit(X=RARE, y=np.where(DUMMY, 0, Y)),
        PerfectSeparationWarning,
        SEPARATED,
    ),
    Case(
        56,
        "one response of three",
        lambda: PopulationGLM().fit(RARE, put(COUNTS, (slice(6), 1), 0.0)),
        PerfectSeparationWarning,
        SEPARATED + " of responses .1. perfectly",
    ),
    Case(
        56,
        "dummy of one class",
        lambda: separated_classes(RARE, np.where(DUMMY, 2, labels()[:, 0])),
        PerfectSeparationWarning,
        SEPARATED,
    ),
    Case(
        56,
        "dummy of both outcomes",
        lambda: (
            fit("Bernoulli", X=RARE, y=np.where(DUMMY, np.arange(N) % 2, B))
            .predict(RARE)[:6]
            .sum(),
            3,
        ),
    ),
    Case(57, "X times 1e6", lambda: same_means(1e6)),
    Case(58, "scales over 16 decades", lambda: same_means([1e-8, 1.0, 1e8, 1e-2])),
    Case(59, "mean of 1e8", lambda: same_means(shift=1e8)),
    Case(
        60,
        "X of 1e200",
        lambda: fit(X=X * 1e200),
        ValueError,
        "`X` must be at most 1e.100.*rescale.*'x0'",
    ),
    Case(
        60,
        "X of 1e-200",
        lambda: fit(X=X * [1, 1, 1, 1e-200]),
        ValueError,
        "Columns .'x3'.*rescale",
    ),
    Case(
        61,
        "means overflow",
        lambda: plain().predict(X * 1e5).clip(max=1.0),
        DataWarning,
        "means are infinite or impossible under the Poisson model, the first in row",
    ),
    Case(
        61,
        "nothing to draw",
        lambda: plain().simulate(jax.random.key(0), X * 1e5),
        ValueError,
        "means are infinite.*nothing can be drawn",
    ),
    Case(
        61,
        "means underflow",
        lambda: (
            by_hand("Poisson", [-800, 0, 0, 0]).score(X * 0 + 1, Y * 0 + 2),
            -1600 - np.log(2),
        ),
    ),
    Case(
        62,
        "probabilities round to one",
        lambda: (by_hand("Bernoulli", [40, 0, 0, 0]).score(X * 0 + 1, 0 * B), -40),
    ),
    Case(
        63,
        "identity link below zero",
        falling_through_zero,
        ValueError,
        "impossible under the Poisson model, the first in row .*identity",
        late=True,
    ),
    Case(
        63,
        "inverse link predicts below zero",
        lambda: plain("Gamma").predict(X * 1e3),
        DataWarning,
        "impossible under the Gamma model",
    ),
    Case(
        64,
        "offset of 1000",
        lambda: (fit(offset=np.full(N, 1e3)).predict(X, np.full(N, 1e3)), plain().predict(X)),
    ),
    Case(
        65,
        "infinite offset",
        lambda: fit(offset=put(Y, 3, -np.inf)),
        ValueError,
        "`offset` must be finite.*-inf in row 3",
    ),
    Case(
        65,
        "offset of NaN",
        lambda: fit(offset=put(Y, 3, np.nan)),
        ValueError,
        "`offset` must not have NaN",
    ),
    Case(
        65,
        "infinite offset to predict",
        lambda: plain().predict(X, put(Y, 3, np.inf)),
        ValueError,
        "`offset` must be finite",
    ),
    Case(66, "short offset", lambda: fit(offset=Y[:-1]), ValueError, "`offset`.*got shape"),
    Case(66, "offset for three", lambda: fit(offset=COUNTS), ValueError, "`offset`.*got shape"),
    Case(
        66,
        "offset for two of three",
        lambda: population().predict(X, COUNTS[:, :2]),
        ValueError,
        "`offset`.*got shape",
    ),
    Case(
        66,
        "offset for two of three classes",
        lambda: classified().predict(X, COUNTS[:, :2]),
        ValueError,
        "`offset`.*got shape",
    ),
    Case(
        67,
        "negative weight",
        lambda: fit(sample_weight=put(Y + 1, 3, -1)),
        ValueError,
        "`sample_weight` must not be negative; 1 weights are, the first in row 3",
    ),
    Case(
        67,
        "weight of NaN",
        lambda: fit(sample_weight=put(Y, 3, np.nan)),
        ValueError,
        "`sample_weight` must not",
    ),
    Case(
        67,
        "infinite weight",
        lambda: fit(sample_weight=put(Y, 3, np.inf)),
        ValueError,
        "`sample_weight` must be",
    ),
    Case(
        67,
        "weights of zero",
        lambda: fit(sample_weight=0 * Y),
        ValueError,
        "`sample_weight`.*nothing is left",
    ),
    Case(
        67,
        "short weights",
        lambda: fit(sample_weight=Y[:-1]),
        ValueError,
        "`sample_weight` must have shape",
    ),
    Case(
        67,
        "weight of no row",
        lambda: fit(sample_weight=2.0),
        ValueError,
        "`sample_weight` must have shape",
    ),
    Case(
        68,
        "mask for two features",
        lambda: grouped(np.ones((1, 2))),
        ValueError,
        "mask shape mismatch",
    ),
    Case(
        68,
        "empty group",
        lambda: grouped([[1, 1, 1, 1], [0, 0, 0, 0]]),
        ValueError,
        "Group 1.*empty",
    ),
    Case(
        68,
        "groups overlap",
        lambda: grouped([[1, 1, 1, 0], [0, 0, 1, 1]]),
        ValueError,
        "more than one group",
    ),
    Case(68, "no groups", lambda: grouped(np.zeros((2, 4))), ValueError, "Empty mask"),
    Case(
        69,
        "negative strength",
        lambda: ridge(-1.0),
        ValueError,
        "`regularizer_strength`.*not negative.*-1",
    ),
    Case(
        69,
        "infinite strength",
        lambda: ridge(np.inf),
        ValueError,
        "`regularizer_strength` must be finite",
    ),
    Case(
        69,
        "strength of NaN",
        lambda: ridge(np.nan),
        ValueError,
        "`regularizer_strength` must be finite",
    ),
    Case(
        69,
        "wrong number of strengths",
        lambda: ridge(np.ones(5)),
        ValueError,
        "Strength shape .5,. does not",
    ),
    Case(
        69, "strength of text", lambda: ridge("strong"), TypeError, "convert regularizer strength"
    ),
    Case(69, "no strength", lambda: (ridge(0.0).predict(X), plain().predict(X))),
    Case(
        70,
        "prior of no width",
        lambda: fit(regularizer=Prior(dist.Normal(0.0, 0.0))),
        ValueError,
        "scale",
    ),
]
