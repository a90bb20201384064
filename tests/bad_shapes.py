"""Bad input, part 1: shapes and types (rows 1 to 32 of the catalogue)."""

import datetime
import hashlib
import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import scipy.sparse
from bad_inputs import (
    COUNTS,
    FRAME,
    RESPONSES,
    Case,
    N,
    P,
    X,
    fit,
    framed,
    plain,
    population,
    put,
    same_fit,
)
from sklearn.exceptions import DataConversionWarning

from bayesglm import GLM, DataWarning, NotFittedError, PopulationGLM

Y = RESPONSES["Poisson"]
NUMBERS = X.astype(object)
COARSE = np.rint(X * 40).astype(np.int8)  # products leave the range of int8
ONE_ROW = put(np.zeros(N), 5, 1.0)
MASKED = np.ma.masked_array(X, X.max() - 1e-9 < X)


def with_column(values):
    return FRAME.assign(odd=values)


def on_disk():
    with tempfile.NamedTemporaryFile() as file:
        stored = np.memmap(file.name, float, "w+", shape=X.shape)
        stored[:] = X
        return same_fit(stored)


def untouched():
    """Digests of user arrays before and after a fit that converts, weighs and drops."""
    arrays = [put(X, (3, 1), np.nan), put(Y, 4, np.nan), np.ones(N), np.zeros(N)]
    digest = lambda: [int(hashlib.md5(a).hexdigest()[:12], 16) for a in arrays]
    before = digest()
    GLM(missing="drop").fit(*arrays[:2], sample_weight=arrays[2], offset=arrays[3])
    return digest(), before


CASES = [
    Case(1, "NaN in X", lambda: fit(X=put(X, (3, 1), np.nan)), DataWarning, "1 rows of X.*row 3"),
    Case(
        1,
        "NaN in X refused",
        lambda: fit(X=put(X, (3, 1), np.nan), missing="raise"),
        ValueError,
        "1 rows of X have NaN.*row 3.*missing='drop'",
    ),
    Case(1, "NaN everywhere", lambda: fit(X=np.full_like(X, np.nan)), ValueError, "At least a NaN"),
    Case(
        2,
        "inf in X",
        lambda: fit(X=put(X, (3, 1), np.inf)),
        ValueError,
        "`X` must be finite.*1 entries.*inf in row 3, column 1 .'x1'",
    ),
    Case(
        2,
        "inf in a DataFrame",
        lambda: fit(X=FRAME.replace(X[3, 1], -np.inf)),
        ValueError,
        "`X` must be finite.*-inf in row 3, column 1 .'b'",
    ),
    Case(
        2,
        "inf in X to predict",
        lambda: plain().predict(put(X, (3, 1), np.inf)),
        ValueError,
        "`X` must be finite",
    ),
    Case(3, "NaN in y", lambda: fit(y=put(Y, 3, np.nan)), DataWarning, "1 entries of y.*row 3"),
    Case(
        3,
        "NaN in y refused",
        lambda: fit(y=put(Y, 3, np.nan), missing="raise"),
        ValueError,
        "1 entries of y are NaN",
    ),
    Case(4, "inf in y", lambda: fit(y=put(Y, 3, np.inf)), ValueError, "`y` must be finite.*row 3"),
    Case(5, "X of one axis", lambda: fit(X=X[:, 0]), ValueError, r"2-dim.*reshape\(-1, 1\)"),
    Case(6, "X of three axes", lambda: fit(X=X[:, :, None]), ValueError, "2-dimensional"),
    Case(7, "y a column", lambda: fit(y=Y[:, None]), DataConversionWarning, "column-vector y"),
    Case(
        8,
        "two responses for GLM",
        lambda: fit(y=COUNTS),
        ValueError,
        "1-dimensional; got shape .*use PopulationGLM",
    ),
    Case(
        8,
        "one response for PopulationGLM",
        lambda: PopulationGLM().fit(X, Y),
        ValueError,
        "2-dimensional; got shape .*use GLM",
    ),
    Case(
        9,
        "lengths differ",
        lambda: fit(y=Y[:-1]),
        ValueError,
        f"number of samples.*{N} and {N - 1}",
    ),
    Case(10, "no rows", lambda: fit(X=X[:0], y=Y[:0]), ValueError, r"0 sample\(s\)"),
    Case(11, "one row, flat", lambda: fit(X=X[:1], y=Y[:1]), ValueError, "n_samples = 1.*prior"),
    Case(
        11,
        "one row of weight",
        lambda: fit(sample_weight=ONE_ROW, regularizer="Ridge"),
        DataWarning,
        "only 1 sample: the regularizer",
    ),
    # An intercept alone would make sense, but scikit-learn's own checks ask for an error.
    Case(12, "no columns", lambda: fit(X=X[:, :0]), ValueError, r"0 feature\(s\).*column of zeros"),
    Case(
        12,
        "no columns, no intercept",
        lambda: fit(X=X[:, :0], fit_intercept=False),
        ValueError,
        r"0 feature\(s\)",
    ),
    Case(13, "numbers as objects", lambda: same_fit(NUMBERS)),
    Case(
        14,
        "text among objects",
        lambda: fit(X=put(NUMBERS, (3, 1), "a")),
        ValueError,
        r"entry \(3, 1\) is the text 'a'",
    ),
    Case(
        15,
        "numbers as text",
        lambda: fit(X=X.astype(str)),
        ValueError,
        r"dtype <U.*astype\(float\)",
    ),
    Case(
        15,
        "numbers as text objects",
        lambda: fit(X=X.astype(str).astype(object)),
        ValueError,
        r"entry \(0, 0\) is the text",
    ),
    Case(16, "complex X", lambda: fit(X=X + 0j), ValueError, "Complex data not supported: X"),
    Case(16, "complex y", lambda: fit(y=Y + 0j), ValueError, "Complex data not supported: y"),
    Case(17, "booleans and bytes", lambda: same_fit(X > 0, Y.astype(np.uint8))),
    Case(18, "products beyond int8", lambda: same_fit(COARSE, (Y * 25).astype(np.uint8))),
    Case(19, "float16", lambda: same_fit(X.astype(np.float16))),
    Case(20, "float32 in, float64 out", lambda: same_fit(X.astype(np.float32))),
    Case(20, "float64 predictions", lambda: (plain().predict(X).dtype.itemsize, 8)),
    Case(
        21,
        "lists",
        lambda: (fit(X=X.tolist(), y=Y.tolist()).predict(X.tolist()), plain().predict(X)),
    ),
    Case(
        21,
        "ragged lists",
        lambda: fit(X=[*X.tolist()[:-1], [1.0]]),
        ValueError,
        "rows of one length",
    ),
    Case(22, "sparse X", lambda: fit(X=scipy.sparse.csr_array(X)), TypeError, "sparse X.*toarray"),
    Case(22, "sparse y", lambda: fit(y=scipy.sparse.csr_array(Y[:, None])), TypeError, "sparse y"),
    Case(23, "masked X", lambda: fit(X=MASKED), ValueError, "X has 1 masked entries; fill"),
    Case(23, "masked y", lambda: fit(y=np.ma.masked_equal(Y, 0)), ValueError, "y has .* masked"),
    Case(23, "nothing masked", lambda: same_fit(np.ma.masked_array(X))),
    Case(
        24,
        "column of strings",
        lambda: fit(X=with_column("u")),
        ValueError,
        "column 'odd' has dtype",
    ),
    Case(
        25,
        "nullable floats",
        lambda: fit(X=FRAME.assign(b=pd.array([None, *X[1:, 1]], "Float64"))),
        DataWarning,
        "1 rows of X have NaN",
    ),
    Case(
        26,
        "columns reordered",
        lambda: framed().predict(FRAME[["b", "a", "c", "d"]]),
        ValueError,
        "same order",
    ),
    Case(
        27,
        "column gone",
        lambda: framed().predict(FRAME[["a", "b", "c"]]),
        ValueError,
        "missing:\n- d",
    ),
    Case(
        28,
        "column too many",
        lambda: framed().predict(with_column(1.0)),
        ValueError,
        "unseen.*\n- odd",
    ),
    Case(
        28,
        "column twice",
        lambda: framed().predict(FRAME[["a", "b", "c", "d", "d"]]),
        ValueError,
        "'d' occurs 2 times",
    ),
    Case(
        28, "column twice in fit", lambda: fit(X=FRAME[["a", "a", "b"]]), ValueError, "'a' occurs 2"
    ),
    Case(
        29,
        "names lost",
        lambda: framed().predict(X),
        UserWarning,
        "does not have valid feature names",
    ),
    Case(
        29,
        "names appear",
        lambda: plain().predict(FRAME),
        UserWarning,
        "fitted without feature names",
    ),
    Case(
        30,
        "predict unfitted",
        lambda: GLM().predict(X),
        NotFittedError,
        "GLM instance is not fitted",
    ),
    Case(30, "score unfitted", lambda: GLM().score(X, Y), NotFittedError, "not fitted yet"),
    Case(
        30,
        "simulate unfitted",
        lambda: GLM().simulate(jax.random.key(0), X),
        NotFittedError,
        "not fit",
    ),
    Case(
        31,
        "dates",
        lambda: fit(X=with_column(pd.date_range("2020", periods=N))),
        TypeError,
        "column 'odd' has dtype datetime",
    ),
    Case(
        31,
        "dates in a zone",
        lambda: fit(X=with_column(pd.date_range("2020", periods=N, tz="UTC"))),
        TypeError,
        "column 'odd' has dtype datetime.*UTC",
    ),
    Case(
        31,
        "categories",
        lambda: fit(X=with_column(pd.Categorical(["u"] * N))),
        TypeError,
        "column 'odd' has dtype category.*OneHotEncoder",
    ),
    Case(
        31,
        "durations",
        lambda: fit(X=with_column(pd.to_timedelta(np.arange(N), "s"))),
        TypeError,
        "column 'odd' has dtype timedelta",
    ),
    Case(
        31,
        "dates as objects",
        lambda: fit(X=with_column(pd.Series([datetime.date(2020, 1, 1)] * N))),
        TypeError,
        "column 'odd' of X.*date",
    ),
    Case(
        31, "array of dates", lambda: fit(X=COARSE.astype("datetime64[s]")), TypeError, "datetime64"
    ),
    Case(32, "JAX arrays", lambda: same_fit(jnp.asarray(X), jnp.asarray(Y))),
    Case(32, "Fortran order", lambda: same_fit(np.asfortranarray(X))),
    Case(32, "negative strides", lambda: same_fit(X[::-1, ::-1], Y[::-1])),
    Case(
        32,
        "every other row and column",
        lambda: same_fit(np.repeat(np.repeat(X, 2, 0), 2, 1)[::2, ::2]),
    ),
    Case(32, "memory map", on_disk),
    Case(32, "input untouched", untouched, DataWarning, "1 rows of X.*1 entries of y"),
    Case(
        32,
        "other number of columns",
        lambda: plain().predict(X[:, :-1]),
        ValueError,
        f"X has {P - 1} features, but GLM is expecting {P}",
    ),
    Case(
        32,
        "other number of responses",
        lambda: population().score(X, COUNTS[:, :2]),
        ValueError,
        "Inconsistent number of neurons: y has 2",
    ),
]
