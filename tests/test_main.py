"""The command line fits the embedded data and prints the table of the golden figures."""

import subprocess
import sys

import numpy as np
import pytest
from golden_data import GLM_GOLDEN

from bayesglm.__main__ import fit_randhie, main, report

GOLDEN = GLM_GOLDEN["randhie_poisson"]


@pytest.fixture(scope="module")
def demo():
    return fit_randhie()


def golden_rows():
    """Estimate, standard error and normal 95% interval of each term, in the golden order."""
    params, bse = np.array(GOLDEN["params"]), np.array(GOLDEN["bse"])
    half = 1.959963984540054 * bse
    return np.column_stack([params, bse, params - half, params + half])


def test_table_agrees_with_the_golden_figures(demo):
    terms = ["intercept", *GOLDEN["columns"][1:]]
    table = demo.model.summary().loc[terms, ["estimate", "std_error", "lower", "upper"]]
    np.testing.assert_allclose(table, golden_rows(), rtol=1e-6, atol=1e-9)


def test_report_prints_the_golden_figures(demo):
    text = report(demo)
    for row in golden_rows():
        for value in row:
            assert f"{value:.4f}" in text
    assert "Converged" in text
    # Pearson chi2 over degrees of freedom of the golden fit is 6.28.
    assert "6.3 times as much as a Poisson allows" in text


def test_main_prints_on_standard_output_only(capsys):
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert "lncoins" in out
    assert err == ""


def test_help_needs_no_fit():
    run = subprocess.run(
        [sys.executable, "-m", "bayesglm", "--help"], capture_output=True, text=True, check=True
    )
    assert "RAND" in run.stdout
