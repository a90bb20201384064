"""The catalogue of bad input: every row is refused, warned of or accepted, as it says."""

import bad_designs
import bad_responses
import bad_shapes
import numpy as np
import pytest
from bad_inputs import Case, classified, framed, plain, population
from test_recompilation import compilations

from bayesglm import GLM, solvers

CASES = bad_shapes.CASES + bad_responses.CASES + bad_designs.CASES
LAST_ROW = 70


@pytest.fixture(scope="module", autouse=True)
def _fits_that_cases_predict_with():
    for fitted in (plain, framed, classified, population):
        fitted()
    plain("Gamma")


@pytest.fixture
def no_solver(monkeypatch):
    """Any start of a solver fails: bad input is found before there is anything to compile."""

    def run(self, *args):
        raise AssertionError("the solver was started")

    for name in ("Newton", "ProximalNewton"):
        monkeypatch.setattr(solvers.resolve(name).implementation, "run", run)


def finite(result):
    """Whether predictions, or the coefficients of a model, are finite."""
    coef = getattr(result, "coef_", result)
    return np.isfinite(np.asarray(coef)).all()


def of_kind(base):
    chosen = [case for case in CASES if (base is None) == (case.outcome is None)]
    if base is not None:
        chosen = [case for case in chosen if issubclass(case.outcome, Warning) == (base is Warning)]
    return pytest.mark.parametrize("case", chosen, ids=str)


@of_kind(Exception)
def test_it_is_refused(case: Case, request):
    if not case.late:
        request.getfixturevalue("no_solver")
    with pytest.raises(case.outcome, match=case.match):
        case.run()


@of_kind(Warning)
def test_it_is_warned_of(case: Case):
    with pytest.warns(case.outcome, match=case.match):
        result = case.run()
    assert finite(result)


@of_kind(None)
def test_it_is_accepted(case: Case):
    actual, expected = case.run()
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-12)


def test_collinear_columns_are_refused_before_anything_compiles():
    odd = np.random.default_rng(0).normal(size=(77, 7))  # of a shape that no other test has
    odd[:, 6] = odd[:, 0] + odd[:, 1]
    with compilations() as names, pytest.raises(ValueError, match="linear combinations"):
        GLM().fit(odd, np.arange(77.0))
    assert not names


def test_every_row_has_a_place():
    assert {case.row for case in CASES} == set(range(1, LAST_ROW + 1))
    assert len({str(case) for case in CASES}) == len(CASES)
