"""The same Poisson regressions by other packages, to a scaled gradient of at most 1e-8."""

from __future__ import annotations

PACKAGES = {
    "bayesglm": "bayesglm",
    "scikit-learn": "scikit-learn",
    "glum": "glum",
    "nemos": "nemos",
    "jax": "jax",
    "numpy": "numpy",
}


def ours(X, y, **settings):
    """Coefficients (p,) and intercept."""
    from bayesglm import GLM

    model = GLM(**settings).fit(X, y)
    return model._coef[:, 0], model._intercept[0]


def ours_population(X, Y):
    """Coefficients (p, K) and intercepts (K,)."""
    from bayesglm import PopulationGLM

    model = PopulationGLM().fit(X, Y)
    return model._coef, model._intercept


def scikit_learn(X, y):
    """Newton's method with Cholesky."""
    from sklearn.linear_model import PoissonRegressor

    model = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-9).fit(X, y)
    return model.coef_, model.intercept_


def glum(X, y):
    """Iteratively reweighted least squares."""
    import glum

    model = glum.GeneralizedLinearRegressor(family="poisson", alpha=0, gradient_tol=1e-9)
    model.fit(X, y)
    return model.coef_, model.intercept_


def nemos(X, y):
    """L-BFGS in double precision; a population if ``y`` has two axes."""
    import jax
    import nemos as nmo

    kind = nmo.glm.GLM if y.ndim == 1 else nmo.glm.PopulationGLM
    with jax.enable_x64(True):
        model = kind(solver_name="LBFGS", solver_kwargs={"tol": 1e-13, "maxiter": 5000})
        model.fit(X, y)
        return model.coef_.__array__(), model.intercept_.__array__()


def ours_path(X, y, strengths):
    """Lasso at each strength, from the solution at the last."""
    from bayesglm import GLM

    path, start = [], None
    for strength in strengths:
        model = GLM(regularizer="Lasso", regularizer_strength=strength)
        model.fit(X, y, init_params=start)
        start = model._coef[:, 0], model._intercept
        path.append((start[0], start[1][0]))
    return path


def glum_path(X, y, strengths):
    """Lasso at each strength by glum's own path."""
    import glum

    model = glum.GeneralizedLinearRegressor(
        family="poisson", alpha=list(strengths), alpha_search=True, l1_ratio=1, gradient_tol=1e-8
    )
    model.fit(X, y)
    return list(zip(model.coef_path_, model.intercept_path_, strict=True))
