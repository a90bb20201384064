"""Rows fetched from the host give what rows in memory give; curvature in panels is whole."""

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_recompilation import compilations

from bayesglm import GLM, PopulationGLM
from bayesglm.glm import assemble, rows
from bayesglm.glm.likelihood import NARROW, PANEL_WIDTH, unpack_grams, weighted_grams

rng = np.random.default_rng(0)
X = rng.normal(size=(3001, 6)) + 3
Y = rng.poisson(np.exp(X @ (rng.normal(size=(6, 3)) * 0.1))).astype(float)
weight, offset = rng.random(3001), 0.1 * rng.normal(size=3001)

CASES = {
    "plain": lambda: GLM().fit(X, Y[:, 0]),
    "float32, weights, offset": lambda: GLM().fit(
        X.astype(np.float32), Y[:, 0], sample_weight=weight, offset=offset
    ),
    "columns in order": lambda: GLM().fit(np.asfortranarray(X), Y[:, 0]),
    "population": lambda: PopulationGLM("Gamma").fit(X, Y + 1),
    "mini-batches": lambda: GLM(solver_name="SVRG", solver_kwargs={"maxiter": 3}).fit(X, Y[:, 0]),
}


@pytest.fixture
def streamed(monkeypatch):
    """Data of any size stay on the host and come in chunks of two blocks."""

    def switch():
        monkeypatch.setattr(assemble, "STREAMED_BYTES", 0)
        monkeypatch.setattr(rows, "CHUNK_ELEMENTS", 2 * 6 * assemble.block_rows(6, 1))

    return switch


@pytest.mark.filterwarnings("ignore::bayesglm.ConvergenceWarning")
@pytest.mark.parametrize("name", CASES)
def test_streamed_rows_give_the_same_fit(name, streamed):
    in_memory = CASES[name]()
    streamed()
    from_host = CASES[name]()
    # The same sums in another order: rounding. Curvature is that before Newton's last step, which
    # is of at most 1e-8 and need not begin at the same place.
    np.testing.assert_allclose(from_host._coef, in_memory._coef, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(from_host._covariance, in_memory._covariance, rtol=1e-7)
    gc.collect()
    assert not rows._HOSTED, "data are kept after the fit"


def test_streamed_rows_of_another_number_compile_nothing(streamed):
    streamed()
    GLM().fit(X, Y[:, 0])
    with compilations() as names:
        GLM().fit(X[:2500], Y[:2500, 0])
    assert not names


@pytest.mark.parametrize("width", [NARROW - 1, NARROW, 3 * PANEL_WIDTH + 1])
def test_grams(width):
    with jax.enable_x64(True):
        Z, w = rng.normal(size=(50, width)), rng.random((50, 1))
        found = unpack_grams(weighted_grams(jnp.asarray(Z), jnp.asarray(w)), width)
    np.testing.assert_allclose(found[0], (Z * w).T @ Z, rtol=1e-12, atol=1e-12)
