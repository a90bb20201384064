"""Solvers on problems with known solutions, the registry, and solvers inside the estimators."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bayesglm import GLM, solvers
from bayesglm.exceptions import ConvergenceWarning
from bayesglm.regularizer import Ridge, UnRegularized
from bayesglm.solvers import curvature
from bayesglm.solvers.quadratic import ridge_case

SMOOTH = ("Newton", "LBFGS", "BFGS", "NonlinearCG", "GradientDescent", "ProximalGradient", "SVRG")
PROXIMAL = ("ProximalGradient", "ProxSVRG")
# Distance from the optimum in standard errors. The deterministic solvers stop at a scaled gradient
# of 1e-9: times the root of 400 rows, and a condition number of about 10, that is 1e-6. The
# stochastic ones stop at 1e-6.
TOLERANCE = dict.fromkeys(SMOOTH, 1e-6) | {"SVRG": 1e-3, "ProxSVRG": 1e-3}


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@functools.cache
def data():
    """Columns of very different scales and far from zero, and counts."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4)) * [1, 10, 0.1, 1] + [0, 5, 0, 100]
    eta = (X - X.mean(axis=0)) / X.std(axis=0) @ [0.3, -0.2, 0.1, 0.0]
    return X, rng.poisson(np.exp(eta + 0.5)).astype(float)


@functools.cache
def fitted(regularizer, solver_name=None):
    strength = None if regularizer == "UnRegularized" else 0.05
    return GLM(regularizer=regularizer, regularizer_strength=strength, solver_name=solver_name).fit(
        *data()
    )


def distance(model, best):
    """Largest distance of coefficients in standard errors of an unpenalised fit."""
    unit = fitted("UnRegularized").standard_errors_[0]
    return np.abs((model.coef_ - best.coef_) / unit).max()


@pytest.mark.parametrize("has_aux", [False, True])
@pytest.mark.parametrize("name", solvers.list_available_algorithms()[:9])
def test_solvers_find_the_ridge_solution(name, has_aux):
    loss, regularizer, start, args, solution = ridge_case(has_aux)
    solver = solvers.get_solver(name).implementation(loss, regularizer, 0.5, has_aux)
    params, state, aux = solver.run(start, *args)
    # The loss has curvature of at least 1, so the distance is at most the gradient: 1e-9 for the
    # deterministic ones; the stochastic ones step at random until they are within 1e-4.
    np.testing.assert_allclose(params, solution, atol=1e-4 if "SVRG" in name else 1e-8)
    assert (aux is not None) == has_aux
    assert state.stats.num_steps > 0


@pytest.mark.parametrize("name", SMOOTH[1:])
def test_smooth_solvers_reach_newtons_optimum(name):
    model = fitted("Ridge", name)
    assert distance(model, fitted("Ridge")) < TOLERANCE[name]
    assert model.solver_state_.stats.converged


@pytest.mark.parametrize("name", PROXIMAL)
def test_proximal_solvers_reach_the_same_zeros(name):
    model, best = fitted("Lasso", name), fitted("Lasso")
    assert distance(model, best) < TOLERANCE[name]
    np.testing.assert_array_equal(model.coef_ == 0, best.coef_ == 0)
    assert 0 < (best.coef_ == 0).sum() < 4


@pytest.mark.parametrize("regularizer", ["UnRegularized", "Ridge", "Lasso", "GroupLasso"])
@pytest.mark.filterwarnings("ignore:Mask has not been set")
def test_the_optimum_satisfies_the_kkt_conditions(regularizer):
    X, y = data()
    model, strength = fitted(regularizer), 0.05
    coef = np.asarray(model.coef_)
    mean = np.exp(X @ coef + model.intercept_)
    gradient = X.T @ (mean - y) / len(y)
    unit = X.std(axis=0) * (mean - y).std()
    if regularizer == "Ridge":
        gradient += strength * coef
    if regularizer == "GroupLasso":
        gradient += strength * np.sqrt(4) * coef / np.linalg.norm(coef)
    if regularizer == "Lasso":
        gradient = np.where(
            coef == 0,
            np.maximum(np.abs(gradient) - strength, 0),
            gradient + strength * np.sign(coef),
        )
    # Columns shifted by 100 standard deviations cost two digits of the fourteen in the mean.
    assert np.abs(gradient / unit).max() < 1e-8
    assert abs((mean - y).mean()) < 1e-8


def test_any_optax_optimizer_works_in_fit_and_update():
    adam = optax.adam(1e-2)
    model = GLM(regularizer="Ridge", regularizer_strength=0.05, solver_name=adam).fit(*data())
    assert distance(model, fitted("Ridge")) < 1e-5
    X, y = data()
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    stream = GLM(solver_name=adam)
    params = stream.initialize_params(Z, y)
    state = stream.initialize_optimizer_and_state(params, Z, y)
    losses = [float(stream.compute_loss(params, Z, y))]
    for _ in range(20):
        params, state = stream.update(params, state, Z, y)
        losses.append(float(stream.compute_loss(params, Z, y)))
    assert np.all(np.diff(losses) < 0)


def test_a_fit_that_stops_early_says_so():
    with pytest.warns(ConvergenceWarning, match=r"after 2 steps the scaled gradient is .*maxiter"):
        model = GLM(solver_name="LBFGS", solver_kwargs={"maxiter": 2}).fit(*data())
    assert not model.solver_state_.stats.converged
    assert model.solver_state_.stats.reached_max_steps
    assert model.coef_ is not None


def test_unknown_settings_are_refused_by_name():
    with pytest.raises(NameError, match=r"\['max_steps'\] in solver_kwargs not a kwarg for Newton"):
        GLM(solver_kwargs={"max_steps": 3}).fit(*data())


def test_a_solver_that_does_not_suit_the_penalty_is_refused():
    with pytest.raises(ValueError, match="The solver: LBFGS is not allowed for Lasso"):
        GLM(regularizer="Lasso", solver_name="LBFGS").fit(*data())


class Halving:
    """Steepest descent with a halved step: a user's own solver, in a few lines."""

    def __init__(self, unregularized_loss, regularizer, strength, has_aux, init_params=None):
        loss = regularizer.penalized_loss(unregularized_loss, init_params, strength)
        self.loss, self.value_and_grad = jax.jit(loss), jax.jit(jax.value_and_grad(loss))

    def init_state(self, init_params, *args):
        return None

    def update(self, params, state, *args):
        value, gradient = self.value_and_grad(params, *args)
        step = 1.0
        move = lambda s: jax.tree.map(lambda p, g: p - s * g, params, gradient)
        while not self.loss(move(step), *args) < value and step > 1e-12:
            step /= 2
        return move(step), state, None

    def run(self, init_params, *args):
        params, state = init_params, None
        for _ in range(60):
            params, state, _ = self.update(params, state, *args)
        return params, state, None

    @classmethod
    def get_accepted_arguments(cls):
        return set()


def test_a_registered_solver_is_found_and_used():
    solvers.register("Halving", Halving, replace=True, test_ridge_without_aux=True)
    Ridge.allow_solver("Halving")
    X, y = data()
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    settings = {"regularizer": "Ridge", "regularizer_strength": 0.05}
    model = GLM(**settings, solver_name="Halving").fit(Z, y)
    np.testing.assert_allclose(model.coef_, GLM(**settings).fit(Z, y).coef_, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: solvers.get_solver("Simplex"), ValueError, "No solver registered for algorithm"),
        (lambda: solvers.get_solver("LBFGS[fortran]"), ValueError, "No backend 'fortran'"),
        (lambda: solvers.get_solver("LBFGS[]"), ValueError, "not of the form"),
        (lambda: solvers.get_solver(3), TypeError, "must be a string"),
        (lambda: solvers.register("Newton", solvers.Newton, "bayesglm"), ValueError, "already"),
        (lambda: solvers.register("Newton", dict), TypeError, "does not implement"),
        (lambda: UnRegularized().check_solver("Simplex"), ValueError, "The solver: Simplex"),
    ],
)
def test_registry_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_nemos_backend_names_mean_our_own():
    spec = solvers.get_solver("GradientDescent[optax+optimistix]")
    assert spec.full_name == "GradientDescent[bayesglm]"


def test_positive_solve_agrees_with_numpy_and_leaves_null_spaces_out():
    rng = np.random.default_rng(1)
    A = rng.normal(size=(5, 3))
    b = rng.normal(size=5)
    regular = A.T @ A
    singular = np.outer(A[0], A[0])
    matrices, vectors = jnp.stack([regular, singular]), jnp.stack([A.T @ b, A[0] * 2.0])
    solved, definite = curvature.positive_solve(matrices, vectors)
    np.testing.assert_allclose(solved[0], np.linalg.solve(regular, A.T @ b), rtol=1e-10)
    np.testing.assert_allclose(singular @ solved[1], vectors[1], rtol=1e-8)
    assert definite.tolist() == [True, False]


def test_update_on_the_whole_data_converges_to_fit():
    X, y = data()
    model = GLM()
    params = model.initialize_params(X, y)
    state = model.initialize_optimizer_and_state(params, X, y)
    for _ in range(8):
        params, state = model.update(params, state, X, y)
    assert distance(model, fitted("UnRegularized")) < 1e-6
    assert state.stats.converged
    np.testing.assert_array_equal(model.dof_resid_, fitted("UnRegularized").dof_resid_)


def test_update_refuses_a_state_made_for_other_settings():
    X, y = data()
    model = GLM(regularizer="Ridge", regularizer_strength=1.0)
    params = model.initialize_params(X, y)
    state = model.initialize_optimizer_and_state(params, X, y)
    model.set_params(regularizer_strength=1e3)
    with pytest.raises(ValueError, match="made with other hyperparameters"):
        model.update(params, state, X, y)


def responses():
    """One response for each family, on the same features."""
    X, counts = data()
    rng = np.random.default_rng(1)
    eta = (X - X.mean(axis=0)) / X.std(axis=0) @ [0.3, -0.2, 0.1, 0.0]
    return {
        "Poisson": counts,
        "NegativeBinomial": counts,
        "Gaussian": eta + rng.normal(size=400),
        "Gamma": rng.gamma(2.0, np.exp(eta) / 2),
        "Bernoulli": (rng.random(400) < 1 / (1 + np.exp(-eta))).astype(float),
    }


@pytest.mark.slow
@pytest.mark.parametrize("regularizer", ["UnRegularized", "Ridge"])
@pytest.mark.parametrize("family", sorted(responses()))
def test_lbfgs_and_newton_agree_for_every_family(family, regularizer):
    X, _ = data()
    link = "exp" if family == "Gamma" else None
    settings = {
        "observation_model": family,
        "inverse_link_function": link,
        "regularizer": regularizer,
        "regularizer_strength": None if regularizer == "UnRegularized" else 0.05,
    }
    newtons, quasi = (
        GLM(**settings, solver_name=name).fit(X, responses()[family])
        for name in ("Newton", "LBFGS")
    )
    unit = newtons.standard_errors_[0]
    # Both stop at a scaled gradient of 1e-9 or less: as for TOLERANCE.
    assert np.abs((quasi.coef_ - newtons.coef_) / unit).max() < 1e-6


def test_the_last_step_of_newton_squares_the_error_without_another_evaluation():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 20)) @ np.linalg.cholesky(0.5 + 0.5 * np.eye(20)).T
    y = rng.poisson(np.exp(X @ rng.normal(size=20) * 0.15 + 0.5))
    model = GLM("Poisson").fit(X, y)
    with jax.enable_x64(True):
        coef, intercept = np.asarray(model.coef_), np.asarray(model.intercept_)
    score = np.exp(X @ coef + intercept) - y
    gradient = np.append(X.T @ score, score.sum()) / len(y)
    unit = np.sqrt(np.mean(score**2))
    found = model.solver_state_.solver_state
    before = float(found.residual[0] / found.unit[0])
    assert 1e-12 < before < 1e-8  # were it smaller, this test would say nothing
    assert np.abs(gradient).max() / unit < 1e-14  # rounding of a mean of 2,000 terms
