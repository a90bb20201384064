"""The embedded data are, value by value, the ones statsmodels distributes."""

import gzip
import hashlib
import json
from importlib import resources
from pathlib import Path

import pandas as pd
import statsmodels.api as sm

import bayesglm
from bayesglm.datasets import load_randhie

GOLDEN = json.loads((Path(__file__).parent / "golden/golden_glm.json").read_text())


def test_randhie_equals_the_original():
    X, y = load_randhie()
    original = sm.datasets.randhie.load_pandas()
    pd.testing.assert_frame_equal(X, original.exog, check_exact=True)
    pd.testing.assert_series_equal(y, original.endog, check_exact=True)


def test_randhie_is_what_the_golden_fit_used():
    X, y = load_randhie()
    golden = GOLDEN["randhie_poisson"]
    assert (len(X), y.name) == (golden["n"], golden["response"])
    assert ["1", *X.columns] == golden["columns"]


def test_randhie_file_is_the_one_its_docstring_names():
    compressed = (resources.files("bayesglm.datasets") / "randhie.csv.gz").read_bytes()
    digest = hashlib.sha256(gzip.decompress(compressed)).hexdigest()
    assert digest in load_randhie.__doc__


def test_loading_twice_gives_independent_frames():
    first, _ = load_randhie()
    first.iloc[:, :] = 0
    second, _ = load_randhie()
    assert second["lncoins"].any()


def test_datasets_are_reachable_from_the_package():
    assert bayesglm.datasets.load_randhie is load_randhie
