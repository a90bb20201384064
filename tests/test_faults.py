"""Faults of solvers, sessions, processes and users, and the catalogue of all bad input and faults.

Rows 1 to 70 are the table of `test_bad_input`; a test here names its row with `row`; `ELSEWHERE`
says which test of another file has it; `LATER` and `DOCUMENTED` hold the rest.
"""

import ast
import copy
import os
import pickle
import subprocess
import sys
import textwrap
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from bad_inputs import RESPONSES, N, X, fit, plain, put
from estimator_kinds import CLASSIFIERS, fitted, response
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from bayesglm import (
    GLM,
    ConvergenceWarning,
    DataWarning,
    NotFittedError,
    PopulationGLM,
    solvers,
)
from bayesglm.glm import memory

Y = RESPONSES["Poisson"]
LAST_ROW = 105
ELSEWHERE = {
    73: "test_sampling.py::test_starts_of_no_probability_do_no_harm",
    74: "test_diagnostics.py::test_faults_are_named",
    75: "test_diagnostics.py::test_largest_tree_depth_by_any_statistic",
    76: "test_diagnostics.py::test_faults_are_named",
    77: "test_diagnostics.py::test_few_draws_and_single_chains_are_noted_without_a_warning",
    78: "test_diagnostics.py::test_constant_draws_are_no_failure",
    79: "test_sampling.py::test_interruption_keeps_what_was_drawn",
    80: "test_io.py::test_nothing_is_lost_when_killed_in_mid_save",
    81: "test_io.py::test_a_failed_write_keeps_the_old_file",
    82: "test_io.py::test_damaged_files_are_refused",
    83: "test_io.py::test_every_flipped_byte_is_noticed_or_without_effect",
    84: "test_io.py::test_pickles_are_refused_and_not_run",
    85: "test_io.py::test_damaged_files_are_refused",
    86: "test_io.py::test_damaged_files_are_refused",
    87: "test_io.py::test_inspect_shows_versions_parameters_and_arrays",
    95: "test_invariances.py::test_order_of_rows",
    100: "test_recompilation.py::test_a_second_fit_compiles_nothing",
    105: "test_invariances.py::test_doubling_every_weight_halves_the_variance",
}
LATER = {  # with predictions from the posterior
    97: "log-likelihoods of all draws too large",
    98: "posterior predictive draws too large",
}
DOCUMENTED = {96: "equal in distribution, not in bits, on other hardware; versions are stored"}
HERE = {}


def row(number):
    """Mark a test as that of a row of the catalogue."""

    def mark(test):
        HERE.setdefault(number, []).append(test)
        return test

    return mark


def in_new_process(code, **environment):
    """Output of a script run by a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=Path(__file__).parent,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


# ---------------------------------------------------------------------------------------- solvers


@row(71)
@pytest.mark.parametrize("solver", ["Newton", pytest.param("LBFGS", marks=pytest.mark.slow)])
def test_too_few_steps_are_a_warning_and_a_result(solver):
    with pytest.warns(ConvergenceWarning, match=r"after 1 steps the scaled gradient is \d.*Raise"):
        model = fit(solver_name=solver, solver_kwargs={"maxiter": 1})
    assert np.isfinite(model.coef_).all()
    assert not bool(model.solver_state_.stats.converged)
    best, null = plain().score(X, Y), GLM()
    null.coef_, null.intercept_ = np.zeros(X.shape[1]), np.log([Y.mean()])
    assert null.score(X, Y) < model.score(X, Y) < best


@row(71)
def test_convergence_is_not_judged_by_a_bad_start():
    # The offset of 1000 makes the first score 1e400 times that at the optimum.
    x, y, offset = np.array([[2.0], [-1.0], [-2.0]]), np.array([7.0, 2.0, 0.0]), [1000.0, 0.0, -2.0]
    mean = GLM().fit(x, y, offset=offset).predict(x, offset)
    # Score equations of a Poisson regression; the counts are below ten.
    np.testing.assert_allclose([mean.sum(), x[:, 0] @ mean], [y.sum(), x[:, 0] @ y], atol=1e-6)


OTHERS = ["LBFGS", "GradientDescent", "NonlinearCG"]


def nan_beyond(eta):
    """Exponential that is not a number for means above 20."""
    return jnp.where(eta > 3.0, jnp.nan, jnp.exp(eta))


@row(72)
@pytest.mark.parametrize(
    "solver", ["Newton", *(pytest.param(s, marks=pytest.mark.slow) for s in OTHERS)]
)
def test_a_loss_of_nan_is_stepped_back_from(solver):
    # Started from far off, the first step of each solver leads to where the loss is NaN.
    start = (np.zeros(4), np.array([-5.0]))
    model = GLM("Poisson", nan_beyond, solver_name=solver).fit(X, Y, init_params=start)
    # Solvers stop within 1e-4 standard errors of the optimum.
    np.testing.assert_allclose(model.coef_, plain().coef_, atol=1e-5)


@row(72)
def test_a_start_of_nan_is_refused():
    start = (np.zeros(4), np.array([9.0]))
    with pytest.raises(ValueError, match=r"impossible.*left the domain.*init_params"):
        GLM("Poisson", nan_beyond).fit(X, Y, init_params=start)


# -------------------------------------------------------------------------------------- precision


@row(88)
def test_single_precision_sessions_compute_in_double():
    huge = X + 3e9  # in int32 3e9 is negative, in float32 the columns would be constant
    assert not jax.config.jax_enable_x64
    single = fit(X=huge).predict(huge)
    with jax.enable_x64(True):
        double = fit(X=huge).predict(huge)
    assert single.dtype == float
    np.testing.assert_array_equal(single, double)
    np.testing.assert_allclose(single, plain().predict(X), rtol=1e-5)  # 3e9 costs ten digits
    assert not jax.config.jax_enable_x64


@row(89)
@pytest.mark.parametrize(("fitted_in", "used_in"), [(True, False), (False, True)])
def test_precision_switched_between_fit_and_predict(fitted_in, used_in):
    with jax.enable_x64(fitted_in):
        model = fit()
    with jax.enable_x64(used_in):
        assert model.coef_.dtype == (np.float64 if used_in else np.float32)
        np.testing.assert_array_equal(model.predict(X), plain().predict(X))
        assert model.score(X, Y) == plain().score(X, Y)


# -------------------------------------------------------------------------- processes and threads

FORK = """
    import multiprocessing, warnings
    from bad_inputs import X, fit
    from bayesglm import GLM

    def child(queue):
        try:
            queue.put(str(GLM().fit(X, X[:, 0] > 0)))
        except RuntimeError as error:
            queue.put(str(error))

    fit()
    warnings.simplefilter("ignore")
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(queue.get(timeout=60))
    process.join()
"""
SPAWN = """
    import multiprocessing
    import bad_inputs

    if __name__ == "__main__":
        here = bad_inputs.plain().coef_
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            there = pool.apply(bad_inputs.fit).coef_
        print(abs(here - there).max())
"""


@row(90)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_is_refused_and_does_not_hang():
    assert "multiprocessing.get_context('spawn') or with joblib" in in_new_process(FORK)


@row(90)
@pytest.mark.slow
def test_spawned_processes_fit(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SPAWN))
    path = str(Path(__file__).parent)
    command = [sys.executable, str(script)]
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert float(done.stdout) == 0


@row(90)
@row(92)
@pytest.mark.slow
def test_other_processes_give_the_same_fit():
    (model,) = Parallel(n_jobs=2)([delayed(GLM().fit)(X, Y)])
    np.testing.assert_allclose(model.predict(X), plain().predict(X), rtol=1e-12)
    grid = GridSearchCV(GLM(regularizer="Ridge"), {"regularizer_strength": [0.1, 9]}, cv=2)
    alone = clone(grid).fit(X, Y).cv_results_["mean_test_score"]
    together = grid.set_params(n_jobs=2).fit(X, Y).cv_results_["mean_test_score"]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


@row(91)
def test_threads_do_not_disturb_one_another():
    tasks = [(family, seed) for seed in range(4) for family in ("Poisson", "Gamma")]

    def one(task):
        family, seed = task
        order = np.random.default_rng(seed).permutation(N)[: N - seed]
        model = fit(family, X[order], RESPONSES[family][order])
        return np.append(model.predict(X), model.score(X, RESPONSES[family]))

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(one, tasks))
    for task, result in zip(tasks, together, strict=True):
        np.testing.assert_array_equal(result, one(task))


@row(92)
@pytest.mark.parametrize("kind", ["GLM", "ClassifierPopulationGLM"])
def test_pickles_hold_no_jax_arrays(kind):
    state = fitted(kind).__getstate__()
    assert not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(list(state.values())))
    assert len(pickle.dumps(fitted(kind))) < 200_000  # the data alone are not in it


@row(93)
@pytest.mark.slow
def test_threads_and_environment_are_left_to_the_user():
    code = """
        import os
        before = dict(os.environ)
        from bad_inputs import fit
        fit()
        assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
        print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
    """
    limits = {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    assert int(in_new_process(code, **limits)) > 0


@row(94)
@pytest.mark.parametrize("kind", ["GLM", "ClassifierPopulationGLM"])
def test_fits_and_draws_repeat_to_the_bit(kind):
    np.random.seed(7)  # noqa: NPY002  # the global state must not be touched
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    model = clone(fitted(kind)).fit(X, response(kind))
    np.testing.assert_array_equal(model.coef_, fitted(kind).coef_)
    draws = [each.simulate(jax.random.key(3), X)[0] for each in (model, fitted(kind))]
    np.testing.assert_array_equal(*draws)
    assert (model.simulate(jax.random.key(4), X)[0] != draws[0]).any()
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# ----------------------------------------------------------------------------------------- memory


@row(99)
def test_memory_that_runs_out_on_the_device_is_a_memory_error(monkeypatch):
    def run(self, *args):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8e12 bytes.")

    monkeypatch.setattr(solvers.resolve("Newton").implementation, "run", run)
    with pytest.raises(
        MemoryError, match=r"ran out of memory.*allocating 8e12 bytes.*JAX_PLATFORMS"
    ):
        fit()


@row(99)
def test_other_errors_of_the_device_stay_what_they_are(monkeypatch):
    def run(self, *args):
        raise jax.errors.JaxRuntimeError("INTERNAL: driver")

    monkeypatch.setattr(solvers.resolve("Newton").implementation, "run", run)
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        fit()


@row(99)
def test_the_copy_of_x_must_fit_into_free_memory(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 1e9)
    wide = np.broadcast_to(X[:, :1], (N, 10**6 + 10**5))  # 1.06 GB, of which 1 kB are allocated
    with pytest.raises(MemoryError, match=r"1.06 GB of memory, and 1 GB are free.*float32"):
        fit(X=wide, regularizer="Lasso")


@row(99)
def test_free_memory_is_between_nothing_and_all():
    assert 2**20 < memory.free_bytes() < 2**50


# ------------------------------------------------------------------------------------- prediction


@row(101)
@pytest.mark.parametrize("kind", ["GLM", "ClassifierPopulationGLM"])
def test_predictions_of_no_rows(kind):
    one = fitted(kind).predict(X[:1])
    assert fitted(kind).predict(X[:0]).shape == (0, *one.shape[1:])
    if kind in CLASSIFIERS:
        proba = fitted(kind).predict_proba(X[:1], "proba")
        assert fitted(kind).predict_proba(X[:0], "proba").shape == (0, *proba.shape[1:])


@row(101)
def test_predictions_of_many_rows():
    many = np.broadcast_to(X, (2000, *X.shape)).reshape(-1, X.shape[1])  # 240,000: several chunks
    expected = np.broadcast_to(plain().predict(X), (2000, N)).ravel()
    np.testing.assert_allclose(plain().predict(many), expected, rtol=1e-12)


@row(102)
@pytest.mark.parametrize("family", RESPONSES)
def test_extrapolation_gives_no_nan(family):
    means = []
    for factor in (1e3, 1e9, 1e90):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            means.append(plain(family).predict(X * factor))
    assert not np.isnan(means).any()
    if family in ("Poisson", "NegativeBinomial"):
        with pytest.warns(DataWarning, match="far outside what `fit` saw"):
            plain(family).predict(X * 1e9)


# ---------------------------------------------------------------------------------- names, refits


@row(103)
@pytest.mark.parametrize(
    "names",
    [["äöü", "漢字", "\N{GREEK SMALL LETTER BETA}", "a b"], ["a" * 10**5, "b", "c", "d"]],
    ids=["unicode", "long"],
)
def test_odd_names_are_kept(names):
    frame = pd.DataFrame(X, columns=names)
    model = fit(X=frame)
    assert model.feature_names_in_.tolist() == names
    assert model.summary().index.tolist() == [*names, "intercept"]
    with pytest.raises(ValueError, match="same order"):
        model.predict(frame[names[::-1]])


@row(103)
def test_names_that_are_no_text():
    numbered = pd.DataFrame(X, columns=[7, 8, 9, 10])  # scikit-learn's rule: no names at all
    assert not hasattr(fit(X=numbered), "feature_names_in_")
    with pytest.raises(TypeError, match=r"string names.*'int', 'str'"):
        fit(X=pd.DataFrame(X, columns=["a", 2, "b", 3]))


@row(104)
def test_settings_that_make_no_sense_are_found_by_the_next_fit():
    model = fit().set_params(solver_kwargs=3)
    np.testing.assert_array_equal(model.predict(X), plain().predict(X))
    with pytest.raises(TypeError, match=r"`solver_kwargs` must be a dict.*got 3"):
        model.fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), plain().predict(X))
    assert fit(fit_intercept=1).intercept_ == plain().intercept_


SETTINGS = {
    "fit_intercept": ("no", TypeError, "`fit_intercept` must be True or False; got 'no'"),
    "solver_kwargs": ({"tol": "small"}, TypeError, "'tol' in `solver_kwargs` must be a number"),
    "solver_name": (3, TypeError, "solver name must be a string"),
    "missing": ("ignore", ValueError, "`missing` must be 'drop' or 'raise'"),
    "regularizer": (3, TypeError, "regularizer should be either a string"),
    "observation_model": ("Normal", ValueError, "Unknown observation model"),
    "inverse_link_function": ("exponential", ValueError, "exponential"),
}


@row(104)
@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_checked_by_fit_alone(name):
    value, error, message = SETTINGS[name]
    model = GLM(**{name: value})
    with pytest.raises(error, match=message):
        model.fit(X, Y)
    with pytest.raises(NotFittedError):
        model.predict(X)


@row(104)
def test_steps_must_not_be_negative():
    with pytest.raises(ValueError, match="'maxiter' in `solver_kwargs` must not be negative"):
        fit(solver_kwargs={"maxiter": -1})


@row(104)
@pytest.mark.parametrize("copied", [clone, copy.deepcopy])
def test_copies_do_not_share_what_they_fit(copied):
    model = fit()
    twin = copied(model).fit(X[:, ::-1], Y)
    np.testing.assert_array_equal(model.coef_, plain().coef_)
    np.testing.assert_allclose(twin.coef_, plain().coef_[::-1], rtol=1e-4)  # float32 shows seven


@row(104)
def test_a_refit_with_other_columns_leaves_nothing_behind():
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = fit(X=frame).fit(X[:, :3], Y)
    assert (model.coef_.shape, model.n_features_in_) == ((3,), 3)
    assert not hasattr(model, "feature_names_in_")
    assert model.covariance_.shape == (4, 4)


# ------------------------------------------------------------------- degenerate responses, weights


@row(47)
def test_a_response_without_spread_has_infinite_scores():
    with pytest.warns(DataWarning, match="dispersion is zero"):
        model = GLM("Gaussian").fit(X, np.full(N, 3.0))
    assert model.score(X, np.full(N, 3.0)) == np.inf
    assert model.score(X, put(np.full(N, 3.0), 5, 2.0)) == -np.inf
    for kind in ("pseudo-r2-McFadden", "pseudo-r2-Cohen"):
        with pytest.warns(DataWarning, match="pseudo-R2 is undefined"):
            assert np.isnan(model.score(X, np.full(N, 3.0), kind))


@row(67)
def test_weights_may_be_a_column():
    weight = np.arange(N) % 3 + 1.0
    one = PopulationGLM().fit(X, Y[:, None], sample_weight=weight[:, None])
    expected = fit(sample_weight=weight).coef_
    np.testing.assert_allclose(one.coef_[:, 0], expected, rtol=1e-6)  # shown in float32
    np.testing.assert_allclose(fit(sample_weight=weight[:, None]).coef_, expected, rtol=1e-6)


def test_warnings_point_at_the_line_of_the_user():
    with pytest.warns(UserWarning, match="Mask has not been set") as caught:
        fit(regularizer="GroupLasso", regularizer_strength=0.1)
    assert Path(caught[0].filename).name == "bad_inputs.py"
    with pytest.warns(ConvergenceWarning) as caught:
        clone(fitted("ClassifierGLM")).set_params(solver_kwargs={"maxiter": 1}).fit(
            X, response("ClassifierGLM")
        )
    assert caught[0].filename == __file__


# -------------------------------------------------------------------------------------- catalogue


def test_every_row_of_the_catalogue_has_a_place():
    from test_bad_input import LAST_ROW as LAST_INPUT

    inputs = set(range(1, LAST_INPUT + 1))
    faults = [set(HERE) - inputs, set(ELSEWHERE), set(LATER), set(DOCUMENTED)]
    assert sum(map(len, faults)) == len(set.union(*faults)), "a row has two places"
    assert inputs | set.union(*faults) == set(range(1, LAST_ROW + 1))


@pytest.mark.parametrize("place", sorted(set(ELSEWHERE.values())))
def test_tests_elsewhere_exist(place):
    file, name = place.split("::")
    tree = ast.parse((Path(__file__).parent / file).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
