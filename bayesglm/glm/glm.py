"""The generalized linear model of one response."""

from __future__ import annotations

from typing import Any

from sklearn.utils import RegressorTags
from typing_extensions import override

from bayesglm.base_regressor import BaseRegressor
from bayesglm.glm.validation import GLMValidator


class GLM(BaseRegressor):
    r"""Generalized linear model: :math:`g(E[y]) = X\beta + \alpha`.

    Parameters
    ----------
    observation_model
        How y is distributed: a name (``"Poisson"``, ``"Gamma"``, ``"Gaussian"``, ``"Bernoulli"``,
        ``"NegativeBinomial"``, ...) or an `bayesglm.observation_models.Observations`.
    inverse_link_function
        Mean as a function of the linear predictor: a name of it or of its link (``"exp"`` or
        ``"log"``), a differentiable function, or None for the observation model's default.
    regularizer
        Which coefficients are plausible: a name (``"UnRegularized"``, ``"Ridge"``, ``"Lasso"``,
        ``"ElasticNet"``, ``"GroupLasso"``), a `bayesglm.regularizer.Regularizer`, a NumPyro
        distribution, or a dict of these for parts of X. None is no regularization.
    regularizer_strength
        How strongly: a number, an array of the shape of the coefficients, or a pytree of them;
        None is 1. The penalty adds to the mean loss: it does not fade as rows are added.
    solver_name
        Name of a solver, an optax optimizer, or None: Newton's method, proximal where the penalty
        has kinks, first-order methods beyond 2,000 parameters.
    solver_kwargs
        Keyword arguments of the solver, such as ``{"tol": 1e-10, "maxiter": 100}``.
    fit_intercept
        Whether there is an intercept.
    offset_column
        Column of X (label, key or index) that is added to the linear predictor as it stands.
    missing
        ``"drop"`` leaves out rows with NaN and warns; ``"raise"`` refuses them.

    Attributes
    ----------
    coef_
        Coefficients, shape (p,) or a pytree like X; link units per feature unit.
    intercept_
        Intercept, shape (1,); link units.
    scale_, dof_resid_
        Dispersion and residual degrees of freedom, shape (1,).
    standard_errors_, covariance_
        Standard errors ``(coef, intercept)``, and the covariance of both, shape (p + 1, p + 1).
    solver_state_, n_iter_
        How the optimisation went: ``solver_state_.stats``, and its number of steps.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm import GLM
    >>> X = np.array([[0.0], [0.0], [1.0], [1.0]])
    >>> model = GLM("Poisson").fit(X, np.array([1.0, 3.0, 4.0, 8.0]))
    >>> np.exp(model.intercept_).round(4).tolist(), np.exp(model.coef_).round(4).tolist()
    ([2.0], [3.0])
    >>> model.predict([[1.0]]).round(6)
    array([6.])

    References
    ----------
    McCullagh and Nelder (1989), *Generalized Linear Models*, 2nd ed.
    """

    _validator = GLMValidator(y_ndim=1, other="PopulationGLM")

    def __init__(
        self,
        observation_model: Any = "Poisson",
        inverse_link_function: Any = None,
        regularizer: Any = None,
        regularizer_strength: Any = None,
        solver_name: Any = None,
        solver_kwargs: Any = None,
        *,
        fit_intercept: bool = True,
        offset_column: Any = None,
        missing: str = "drop",
    ):
        self.observation_model = observation_model
        self.inverse_link_function = inverse_link_function
        self.regularizer = regularizer
        self.regularizer_strength = regularizer_strength
        self.solver_name = solver_name
        self.solver_kwargs = solver_kwargs
        self.fit_intercept = fit_intercept
        self.offset_column = offset_column
        self.missing = missing

    @override
    def _trailing(self, num_responses):
        return ()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        tags.regressor_tags = RegressorTags(poor_score=True)
        tags.target_tags.required = True
        tags.target_tags.positive_only = self._refuses_negative_responses()
        return tags
