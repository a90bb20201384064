"""Generalized linear models of many responses that share one design."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from bayesglm._parameters import given
from bayesglm.glm.design import Design, response_labels
from bayesglm.glm.glm import GLM
from bayesglm.glm.validation import GLMValidator, read_feature_mask


class PopulationGLM(GLM):
    """As many generalized linear models as there are responses, fitted together.

    Each response has the answer that a `GLM` of its own would give, whatever the others do; one
    that never varies stops none of the others.

    Parameters
    ----------
    observation_model, inverse_link_function, regularizer, regularizer_strength
        As in `GLM`.
    solver_name, solver_kwargs, fit_intercept, offset_column, missing
        As in `GLM`.
    feature_mask
        Zeros take a feature out of a response: shape (p, K), or a pytree like X whose leaves have
        the shape of their coefficients or (K,).

    Attributes
    ----------
    coef_
        Coefficients, shape (p, K) or a pytree like X of such.
    intercept_, scale_, dof_resid_
        One entry per response, shape (K,).
    covariance_
        Shape (K, p + 1, p + 1).

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm import PopulationGLM
    >>> X = np.array([[0.0], [0.0], [1.0], [1.0]])
    >>> Y = np.array([[1.0, 2.0], [3.0, 2.0], [4.0, 1.0], [8.0, 1.0]])
    >>> model = PopulationGLM("Poisson").fit(X, Y)
    >>> np.exp(model.coef_).round(4).tolist()
    [[3.0, 0.5]]

    References
    ----------
    McCullagh and Nelder (1989), *Generalized Linear Models*, 2nd ed.
    """

    _validator = GLMValidator(y_ndim=2, other="GLM")
    _response_names = _response_metadata = None

    def __init__(
        self,
        observation_model: Any = "Poisson",
        inverse_link_function: Any = None,
        regularizer: Any = "UnRegularized",
        regularizer_strength: Any = None,
        solver_name: Any = None,
        solver_kwargs: Any = None,
        feature_mask: Any = None,
        *,
        fit_intercept: bool = True,
        offset_column: Any = None,
        missing: str = "drop",
    ):
        super().__init__(
            observation_model,
            inverse_link_function,
            regularizer,
            regularizer_strength,
            solver_name,
            solver_kwargs,
            fit_intercept=fit_intercept,
            offset_column=offset_column,
            missing=missing,
        )
        self.feature_mask = feature_mask

    @override
    def _trailing(self, num_responses):
        return (num_responses,)

    @override
    def _feature_mask(self, layout, trailing):
        return read_feature_mask(given(self, "feature_mask"), layout, trailing)

    @override
    def _numeric_response(self, y, reset):
        if reset:
            self._response_names, self._response_metadata = response_labels(y)
        return y

    @override
    def _wrap(self, values, design: Design):
        return design.on_time_axis(values, self._response_names, self._response_metadata)

    @override
    def _response_labels(self):
        return self._response_names or list(range(self._coef.shape[1]))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        tags.target_tags.two_d_labels = True
        return tags
