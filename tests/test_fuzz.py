"""Estimators under fuzz: any small data give a clear error, or finite numbers and the truth.

Data are good ones with something done to them: shapes, dtypes, scales over 600 decades, missing,
infinite and impossible entries, weights and offsets of every kind.
"""

import traceback
import warnings
from pathlib import Path

import hypothesis
import jax
import numpy as np
import pytest
import sklearn
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from scipy.special import expit

import bayesglm
from bayesglm import GLM, ClassifierGLM, ConvergenceWarning, DataWarning, PerfectSeparationWarning
from bayesglm.observation_models import NegativeBinomialObservations

OWN = tuple(str(Path(package.__file__).parent) for package in (bayesglm, sklearn))
NUMBERS = [np.float64, np.float16, np.int64, np.int8, np.uint8, np.bool_, object]
DTYPES = [*NUMBERS, np.float32, str]  # float32 has programs of its own, to be compiled
SCALES = 10.0 ** np.array([0, 0, 0, 0, 0, -300, -120, -30, -5, 5, 30, 120, 300])
COUNTS, POSITIVE, UNIT = [0, 1, 2, 3, 7], [0.1, 0.5, 1.0, 3.0], [0.2, 0.5, 0.9]
BAD = [-1, 0, 0.5, 1e6, 1e15, 1e300, 1e-300, np.nan, np.inf, -np.inf]
WEIGHTS = [0, 1, 1, 1, 2, 0.5]
OFFSETS = [0, 0, 0, 1, -2]
FAMILIES = {
    "Poisson": (lambda **kw: GLM("Poisson", **kw), COUNTS),
    "Gaussian": (lambda **kw: GLM("Gaussian", **kw), [-2, -0.5, 0, 1, 3]),
    "Bernoulli": (lambda **kw: GLM("Bernoulli", **kw), [0, 1]),
    "Gamma": (lambda **kw: GLM("Gamma", **kw), POSITIVE),
    "Poisson, identity": (lambda **kw: GLM("Poisson", "identity", **kw), COUNTS),
    "Categorical": (lambda **kw: ClassifierGLM(None, **kw), ["a", "b"]),
    "NegativeBinomial": (lambda **kw: GLM(NegativeBinomialObservations(None), **kw), COUNTS),
    "Binomial": (lambda **kw: GLM("Binomial", **kw), [0, 1]),
    "InverseGaussian": (lambda **kw: GLM("InverseGaussian", **kw), POSITIVE),
    "StudentT": (lambda **kw: GLM("StudentT", **kw), [-2, -0.5, 0, 1, 3]),
    "Beta": (lambda **kw: GLM("Beta", **kw), UNIT),
    "Tweedie": (lambda **kw: GLM("Tweedie", **kw), [0, 0, 0.5, 1.0, 3.0]),
}
CANONICAL = {
    "Poisson": np.exp,
    "Gaussian": lambda eta: eta,
    "Bernoulli": expit,
    "Gamma": lambda eta: 1 / eta,
}
QUICK = ["Poisson", "Gaussian", "Bernoulli", "Gamma"]


@st.composite
def problems(draw, values, widths, dtypes):
    """Features, responses, weights and offsets, mostly good."""
    n = draw(st.sampled_from([*range(6), 8, 12, 12, 20, 40]))
    p = draw(st.sampled_from(widths))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    X = rng.normal(size=(n, p)) if draw(st.booleans()) else rng.integers(-2, 3, (n, p)) * 1.0
    with np.errstate(all="ignore"):
        X = X * rng.choice(SCALES, p) + rng.choice([0, 0, 0, 1, 1e8], p)
        _spoil(draw, rng, X, [np.nan, np.inf, -np.inf, 1e300, 1e-300])
        X = X.astype(draw(st.sampled_from(dtypes)))
    y = rng.choice(values, n)
    if y.dtype.kind != "U":
        y = y.astype(float)
        _spoil(draw, rng, y, BAD)
        with np.errstate(all="ignore"):
            y = y * rng.choice(SCALES) if draw(st.integers(0, 4)) == 0 else y
    weight = draw(st.sampled_from([None, rng.choice(WEIGHTS, n) * rng.choice(SCALES)]))
    offset = rng.choice(OFFSETS, n) * 1.0  # always there, or there would be twice the programs
    if weight is not None:
        _spoil(draw, rng, weight, BAD)
    _spoil(draw, rng, offset, [np.nan, np.inf, 1e3, -1e3, 1e30, 1e300])
    return X, y, weight, offset


def _spoil(draw, rng, array, bad):
    """Put something bad in one entry, now and then."""
    if array.size and draw(st.integers(0, 5)) == 0:
        array.flat[rng.integers(array.size)] = draw(st.sampled_from(bad))


def is_clear(error):
    """Whether an error was raised here on purpose, with something to say."""
    *_, frame = traceback.extract_tb(error.__traceback__)
    return frame.filename.startswith(OWN) and len(str(error)) > 20


def check(family, settings, X, y, weight, offset):
    """Fit, predict and score; nothing but a clear error, or finite numbers and the truth."""
    model = FAMILIES[family][0](**settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(X, y, sample_weight=weight, offset=offset)
        except (ValueError, TypeError) as error:
            refusal = error
        else:
            refusal = None
        if refusal is not None:
            assert is_clear(refusal), repr(refusal)
            hypothesis.event("refused")
            return
        kinds = {warning.category for warning in caught}
        said = " ".join(str(warning.message) for warning in caught)
        predicted = model.predict(X, offset)
        score = model.score(X, y, sample_weight=weight, offset=offset)
    for warning in caught:
        assert issubclass(warning.category, ConvergenceWarning | DataWarning), warning
    hypothesis.event(" and ".join(sorted(kind.__name__ for kind in kinds)) or "fitted")
    with jax.enable_x64(True):  # in single precision 1e60 would be infinite
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.intercept_).all()
    complete = np.isfinite(np.asarray(X, float)).all(axis=1)
    if predicted.dtype.kind == "f":
        assert not np.isnan(predicted[complete]).any()
    stopped = ConvergenceWarning in kinds
    assert not np.isnan(score) or stopped or "degrees of freedom" in said
    flat = settings.get("regularizer", "UnRegularized") == "UnRegularized"
    if flat and family in CANONICAL and not stopped and PerfectSeparationWarning not in kinds:
        with np.errstate(all="ignore"):
            score = scaled_score(family, model, X, y, weight, offset)
        assert score < 1e-6


def scaled_score(family, model, X, y, weight, offset):
    """Largest score, of columns of mean zero and unit spread, in units of one row's.

    With a canonical link it is the covariance of residuals and columns. Rounding is forgiven: a
    linear predictor of size 1e8 has errors of 1e-8.
    """
    X, y = np.asarray(X, float), np.asarray(y, float)
    weight = np.ones(len(y)) if weight is None else weight
    used = (weight > 0) & np.isfinite(X).all(axis=1) & np.isfinite(y)
    X, y, weight, offset = X[used], y[used], weight[used] / weight[used].sum(), offset[used]
    coef, intercept = np.asarray(model._coef)[:, 0], model._intercept[0]
    mean = CANONICAL[family](X @ coef + intercept + offset)
    slope = {"Poisson": mean, "Gaussian": 1, "Bernoulli": mean * (1 - mean), "Gamma": mean**2}
    size = np.abs(X) @ np.abs(coef) + np.abs(intercept) + np.abs(offset)
    residual = y - mean
    Z = X - weight @ X
    spread = np.sqrt(weight @ Z**2)
    Z = np.column_stack([Z / np.where(spread > 0, spread, 1), np.ones(len(y))])
    rounding = 1e-8 * np.sqrt(weight @ (slope[family] * size) ** 2)
    level = y - weight @ y
    unit = np.sqrt(weight @ residual**2) + 1e-3 * np.sqrt(weight @ level**2) + rounding
    return np.abs((weight * residual) @ Z).max() / unit if unit > 0 else 0.0


def fuzz(family, widths, dtypes, settings, examples):
    @hypothesis.settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(problems(FAMILIES[family][1], widths, dtypes))
    def run(problem):
        check(family, settings, *problem)

    run()


@pytest.mark.parametrize("family", QUICK)
def test_a_few_data(family):
    fuzz(family, [2], NUMBERS, {}, 15)


@pytest.mark.slow
@pytest.mark.parametrize("regularizer", ["UnRegularized", "Ridge", "Lasso"])
@pytest.mark.parametrize("family", FAMILIES)
def test_many_data(family, regularizer):
    examples = 300 if regularizer == "UnRegularized" else 100
    fuzz(family, [0, 1, 2, 4], DTYPES, {"regularizer": regularizer}, examples)
