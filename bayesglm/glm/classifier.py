"""Multinomial (softmax) regression for one or many categorical responses."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np
from sklearn.utils import ClassifierTags
from sklearn.utils.multiclass import check_classification_targets
from typing_extensions import override

from bayesglm._parameters import given
from bayesglm._predictions import mark_missing
from bayesglm.base_regressor import BaseRegressor
from bayesglm.exceptions import ClassesNotSetError
from bayesglm.glm import scoring
from bayesglm.glm.design import is_frame, is_time_series, response_labels
from bayesglm.glm.validation import GLMValidator, read_feature_mask
from bayesglm.label_encoder import LabelEncoder
from bayesglm.observation_models import CategoricalObservations


class ClassifierGLM(BaseRegressor):
    r"""Softmax regression: :math:`\log P(y = c) = x'\beta_c + \alpha_c - \log\sum_d e^{\cdots}`.

    Every class has coefficients of its own; the default ridge makes them sum to zero.

    Parameters
    ----------
    n_classes
        Number of classes C, at least 2; None takes as many as `fit` finds labels.
    inverse_link_function
        Log-probabilities as a function of the linear predictors; None is the log-softmax.
    regularizer
        As in `GLM`; None is ``"Ridge"``.
    regularizer_strength, solver_name, solver_kwargs, fit_intercept, offset_column, missing
        As in `GLM`.

    Attributes
    ----------
    classes_
        Labels in sorted order, shape (C,).
    coef_
        Coefficients, shape (p, C) or a pytree like X of such.
    intercept_
        Intercepts, shape (C,).

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm import ClassifierGLM
    >>> X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> model = ClassifierGLM(n_classes=2).fit(X, ["left", "left", "right", "right"])
    >>> model.predict([[-3.0], [3.0]]).tolist()
    ['left', 'right']
    >>> model.predict_proba([[0.0]], return_type="proba").round(6)
    array([[0.5, 0.5]])

    References
    ----------
    Hastie, Tibshirani and Friedman (2009), *The Elements of Statistical Learning*, section 4.4.
    """

    _validator = GLMValidator(y_ndim=1, other="ClassifierPopulationGLM")
    _encoder = None
    observation_model = CategoricalObservations()

    def __init__(
        self,
        n_classes: int = 2,
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
        self.n_classes = n_classes
        self.inverse_link_function = inverse_link_function
        self.regularizer = regularizer
        self.regularizer_strength = regularizer_strength
        self.solver_name = solver_name
        self.solver_kwargs = solver_kwargs
        self.fit_intercept = fit_intercept
        self.offset_column = offset_column
        self.missing = missing

    @property
    def classes_(self) -> np.ndarray | None:
        """Labels in sorted order; None before `set_classes` or `fit`."""
        return None if self._encoder is None else self._encoder.classes_

    @property
    def _num_classes(self) -> int:
        """Number of classes C."""
        return self._encoder.n_classes

    def set_classes(self, y: Any) -> ClassifierGLM:
        """Learn the labels from an array in which every class occurs.

        Parameters
        ----------
        y
            Labels: numbers, strings, or anything that sorts.

        Raises
        ------
        ValueError
            If there are not exactly ``n_classes`` distinct labels.
        """
        labels = _label_array(y)
        labels = labels[~_missing_labels(labels)]
        check_classification_targets(labels.ravel())
        count = given(self, "n_classes")
        encoder = LabelEncoder(max(2, np.unique(labels).size) if count is None else count)
        encoder.set_classes(labels)
        self._encoder = encoder
        return self

    def _check_classes(self, method: str) -> None:
        if self.classes_ is None:
            raise ClassesNotSetError(
                f"Classes are not set. Must call ``set_classes`` before calling ``{method}``."
            )

    @override
    def _regularizer_or(self, spec):
        return "Ridge" if spec is None else spec

    @override
    def _trailing(self, num_responses):
        return (self._num_classes,)

    @override
    def _internal(self, array):
        return array[:, None]

    @override
    def _numeric_response(self, y, reset):
        if y is None:
            return y
        labels = _label_array(y)
        missing = _missing_labels(labels)
        codes = np.full(labels.shape, np.nan)
        codes[~missing] = self._encoder.encode(labels[~missing])
        return codes

    @override
    def _kernel_response(self, y):
        return np.eye(self._num_classes)[y.round().astype(int)]

    @override
    def _fit(self, X, y, *others):
        if y is not None:
            self.set_classes(y)
        return super()._fit(X, y, *others)

    @override
    def partial_fit(self, X, y, sample_weight=None, offset=None, classes=None):
        if self.classes_ is None:
            self.set_classes(y if classes is None else classes)
        return super().partial_fit(X, y, sample_weight, offset)

    @override
    def _predict(self, eta):
        missing = np.isnan(eta).any(axis=-1)
        return self._squeeze(mark_missing(self._encoder.decode(eta.argmax(axis=-1)), missing))

    @override
    def _predict_posterior_mean(self, X, offset, return_std, interval, progress_bar):
        if return_std or interval is not None:
            self._refuse_classes("`return_std` or `interval`")
        found, design = self._posterior_mean(X, offset, None, progress_bar)
        return self._wrap(self._predict(found.mean), design)

    def predict_proba(
        self,
        X: Any,
        return_type: str = "log-proba",
        offset: Any = None,
        *,
        kind: str = "mode",
        interval: float | None = None,
        progress_bar: bool = True,
    ) -> Any:
        """Probability of each class at each row.

        Parameters
        ----------
        X, offset
            As in `predict`.
        return_type
            ``"log-proba"`` for log-probabilities, as in NeMoS; ``"proba"`` for probabilities, which
            scikit-learn's scorers want.
        kind, interval, progress_bar
            As in `predict`: probabilities at the fit, or their means over the draws and credible
            intervals (with "log-proba", the logarithms of these).

        Returns
        -------
        Shape (n, C) or (n, K, C); with ``interval`` a tuple of these and the lower and upper
        bounds, with a last axis of two.

        Raises
        ------
        ValueError
            For any other ``return_type`` or ``kind``, or an interval without draws.
        """
        if return_type not in ("log-proba", "proba"):
            raise ValueError(
                f"Unrecognized return type {return_type!r}: use 'log-proba' or 'proba'."
            )
        self._check_classes("predict_proba")
        self._require_kind(kind, interval)
        if kind == "mean":
            as_log = return_type == "log-proba"
            return self._posterior_proba(X, offset, as_log, interval, progress_bar)
        with jax.enable_x64(True):
            eta, design = self._predict_eta(X, offset)
            log_proba = self._squeeze(
                scoring.mean_response(self.observation_model, self.inverse_link_function, eta)
            )
        if return_type == "proba":
            log_proba = np.exp(log_proba)
            log_proba /= log_proba.sum(axis=-1, keepdims=True)
        return self._wrap(log_proba, design)

    def predict_log_proba(self, X: Any, offset: Any = None) -> Any:
        """Log-probability of each class at each row; see `predict_proba`.

        Parameters
        ----------
        X, offset
            As in `predict`.

        Returns
        -------
        Log-probabilities in nats, (n, C) for `ClassifierGLM`, (n, K, C) for
        `ClassifierPopulationGLM`.
        """
        return self.predict_proba(X, "log-proba", offset)

    @override
    def _impossible_means(self, mean):
        return np.zeros(mean.shape, bool)

    @override
    def _present_draws(self, drawn, missing):
        return mark_missing(self._encoder.decode(drawn.argmax(axis=-1)), missing.any(axis=-1))

    def _class_labels(self):
        return self.classes_.tolist()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags(multi_class=given(self, "n_classes") != 2)
        tags.target_tags.required = True
        return tags


def _require_classes(name: str) -> Any:
    """Return a method of the base class that first checks that the labels are known."""

    def method(self, *args, **kwargs):
        self._check_classes(name)
        return getattr(BaseRegressor, name)(self, *args, **kwargs)

    return functools.wraps(getattr(BaseRegressor, name))(method)


for _name in (
    "predict",
    "score",
    "simulate",
    "compute_loss",
    "initialize_params",
    "initialize_optimizer_and_state",
    "update",
):
    setattr(ClassifierGLM, _name, _require_classes(_name))


def _label_array(y: Any) -> np.ndarray:
    """Labels as an array."""
    if is_time_series(y):
        return np.asarray(y.values)
    return y.to_numpy() if is_frame(y) else np.asarray(y)


def _missing_labels(labels: np.ndarray) -> np.ndarray:
    """Return where a label is NaN or None."""
    if labels.dtype.kind == "f":
        return np.isnan(labels)
    if labels.dtype.kind == "O":
        return np.array([v is None or v != v for v in labels.ravel()], bool).reshape(labels.shape)
    return np.zeros(labels.shape, bool)


class ClassifierPopulationGLM(ClassifierGLM):
    """As many softmax regressions as there are categorical responses, with the same classes.

    Parameters
    ----------
    n_classes, inverse_link_function, regularizer, regularizer_strength, solver_name
        As in `ClassifierGLM`.
    solver_kwargs, fit_intercept, offset_column, missing
        As in `ClassifierGLM`.
    feature_mask
        Zeros take a feature out of a response and class: shape (p, K, C), or a pytree like X.

    Attributes
    ----------
    coef_
        Coefficients, shape (p, K, C) or a pytree like X of such.
    intercept_
        Intercepts, shape (K, C).

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm import ClassifierPopulationGLM
    >>> X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> Y = np.array([[0, 1], [0, 1], [1, 0], [1, 0]])
    >>> ClassifierPopulationGLM(n_classes=2).fit(X, Y).predict([[3.0]]).tolist()
    [[1, 0]]

    References
    ----------
    Hastie, Tibshirani and Friedman (2009), *The Elements of Statistical Learning*, section 4.4.
    """

    _validator = GLMValidator(y_ndim=2, other="ClassifierGLM")
    _response_names = _response_metadata = None

    def __init__(
        self,
        n_classes: int = 2,
        inverse_link_function: Any = None,
        regularizer: Any = None,
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
            n_classes,
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
        return (num_responses, self._num_classes)

    @override
    def _internal(self, array):
        return array

    @override
    def _feature_mask(self, layout, trailing):
        return read_feature_mask(given(self, "feature_mask"), layout, trailing)

    @override
    def _numeric_response(self, y, reset):
        if reset:
            self._response_names, self._response_metadata = response_labels(y)
        return super()._numeric_response(y, reset)

    @override
    def _wrap(self, values, design):
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
