"""What all estimators share, written once: the scikit-learn shell over the pure functions."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from bayesglm import _streaming as streaming
from bayesglm import intervals, links, observation_models, solvers
from bayesglm import regularizer as regularizers
from bayesglm._calibration import Calibration
from bayesglm._coefficients import Coefficients
from bayesglm._comparison import Comparison
from bayesglm._cross_validation import CrossValidation
from bayesglm._effects import Effects
from bayesglm._fitted import FittedValues
from bayesglm._model_checks import ModelChecks
from bayesglm._parameters import Resolved, StoredParameters, given, read_flag, read_settings
from bayesglm._plots import Plotted
from bayesglm._posterior_draws import PosteriorDraws
from bayesglm._posterior_predictions import PosteriorPredictions
from bayesglm._predictions import Predictions
from bayesglm._priors import Priors
from bayesglm._processes import refuse_fork
from bayesglm._sampling import Sampling
from bayesglm._tree import FeatureLayout
from bayesglm._uncertainty import Uncertainty
from bayesglm.glm import fitting, report, stream, validation
from bayesglm.glm.assemble import Choices
from bayesglm.glm.design import Design, is_frame, refuse_duplicate_columns, take_column
from bayesglm.glm.memory import exhaustion_as_memory_error
from bayesglm.glm.params import GLMParams

WIDEST_NEWTON = 2000  # parameters of one response: beyond, a Hessian costs more than it saves


class BaseRegressor(
    Sampling,
    Priors,
    Coefficients,
    PosteriorPredictions,
    ModelChecks,
    CrossValidation,
    Effects,
    Calibration,
    Plotted,
    PosteriorDraws,
    Uncertainty,
    Comparison,
    Predictions,
    FittedValues,
    StoredParameters,
    BaseEstimator,
):
    """Abstract estimator: reads data, calls the numerical core, stores what it found."""

    _validator: validation.GLMValidator
    _stream = None

    observation_model = Resolved(lambda self, spec: _resolve_observations(spec))
    regularizer = Resolved(lambda self, spec: regularizers.instantiate(self._regularizer_or(spec)))
    regularizer_strength = Resolved(lambda self, given: self.regularizer.strength_or_default(given))
    solver_name = Resolved(
        lambda self, name: self.regularizer.default_solver if name is None else name
    )
    inverse_link_function = Resolved(
        lambda self, spec: (
            self.observation_model.default_inverse_link_function
            if spec is None
            else links.resolve(spec)
        )
    )

    # What a kind of estimator says of itself

    @abstractmethod
    def _trailing(self, num_responses: int) -> tuple[int, ...]:
        """Shape that users see after the feature axis."""

    def _feature_mask(self, layout: FeatureLayout, trailing: tuple[int, ...]) -> Any:
        """Booleans of the shape of the coefficients, or None."""
        return None

    def _numeric_response(self, y: Any, reset: bool) -> Any:
        """Responses as numbers."""
        return y

    def _kernel_response(self, y: np.ndarray) -> np.ndarray:
        """Responses as the kernel wants them, from numbers of shape (n, K)."""
        return y

    def _response_labels(self) -> list | None:
        """Labels of the responses; None for a single one."""
        return None

    def _class_labels(self) -> list | None:
        """Labels of the classes; None without any."""
        return None

    def _regularizer_or(self, spec: Any) -> Any:
        """Regularizer meant by ``spec``, None included."""
        return "UnRegularized" if spec is None else spec

    # Reading

    def _internal(self, array: np.ndarray) -> np.ndarray:
        """Coefficients (p, *trailing), or intercepts (1, *trailing), as (p, K[, C])."""
        return array.reshape(len(array), -1)

    def _features(self, X: Any, offset: Any, reset: bool) -> tuple[Any, Any]:
        """Check names and number of features, and take the offset's column out of X."""
        refuse_fork()
        if is_frame(X):
            refuse_duplicate_columns(X)
        if is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2 and not reset):
            validate_data(self, X, skip_check_array=True, reset=reset)
        elif reset:
            if hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
            if isinstance(X, np.ndarray) and X.ndim == 2:
                self.n_features_in_ = X.shape[1]
        column = given(self, "offset_column")
        if column is None:
            return X, offset
        if offset is not None:
            raise ValueError("Pass the offset as an argument or by `offset_column`, not both.")
        return take_column(X, column)

    def _read(self, X: Any, y: Any, sample_weight: Any, offset: Any, reset: bool) -> Any:
        """Check the data."""
        X, offset = self._features(X, offset, reset)
        y = self._numeric_response(y, reset)
        missing = given(self, "missing")
        data = self._validator.read(X, y, self._trailing, sample_weight, offset, missing)
        if not self.observation_model.event_ndim:  # labels were checked when they were encoded
            validation.check_support(self.observation_model, data.y, data.weight)
        if reset:
            known = getattr(self, "n_features_in_", None)
            self.n_features_in_ = known or data.design.array.shape[1]
        else:
            self._check_features(data.design, data.y.shape[1])
        return data

    def _check_features(self, design: Design, num_responses: int | None = None) -> None:
        """Raise unless features and responses match those seen before."""
        if design.layout.treedef != self._layout.treedef:
            raise TypeError(
                "X and coef have mismatched structure: "
                f"{design.layout.treedef} and {self._layout.treedef}."
            )
        if design.layout.widths != self._layout.widths:
            raise ValueError(
                f"Inconsistent number of features: X has {design.array.shape[1]} features, but "
                f"{type(self).__name__} is expecting {self._layout.num_features} features as input."
            )
        known = None if self._coef is None else self._coef.shape[1]
        if None not in (num_responses, known) and num_responses != known:
            raise ValueError(
                f"Inconsistent number of neurons: y has {num_responses}, the model {known}."
            )

    def _choices(self, layout: FeatureLayout, num_responses: int) -> Choices:
        """Resolve the constructor's parameters."""
        return Choices(
            self.observation_model,
            self.inverse_link_function,
            self.regularizer,
            given(self, "regularizer_strength"),
            self._feature_mask(layout, self._trailing(num_responses)),
            read_flag(self, "fit_intercept"),
        )

    def _solver(self, num_parameters: int) -> solvers.SolverSpec:
        """Find the registered solver for this regularizer and size."""
        name = given(self, "solver_name")
        if name is None:
            name = self.regularizer.default_solver
            if num_parameters > WIDEST_NEWTON:
                name = {"Newton": "LBFGS", "ProximalNewton": "ProximalGradient"}.get(name, name)
        spec = solvers.resolve(name)
        if spec.backend != "user":
            self.regularizer.check_solver(spec.algo_name)
        solvers.refuse_unknown_settings(spec.implementation, self._solver_settings(spec))
        return spec

    def _solver_settings(self, spec: solvers.SolverSpec) -> dict[str, Any]:
        settings = read_settings(self, "solver_kwargs")
        own = {"optimizer": given(self, "solver_name")} if spec.backend == "user" else {}
        return settings | own

    def _refuses_negative_responses(self) -> bool:
        """Whether the observation model, if it makes sense, has none."""
        try:
            return not np.all(self.observation_model.in_support(np.array([[-1.0]])))
        except (TypeError, ValueError, AttributeError):
            return False

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = given(self, "missing") == "drop"
        return tags

    # Fitting

    def fit(
        self, X: Any, y: Any, init_params: Any = None, sample_weight: Any = None, offset: Any = None
    ) -> BaseRegressor:
        """Find the mode: the maximum of the penalised likelihood.

        Parameters
        ----------
        X
            Features, shape (n, p): array-like, DataFrame, pynapple frame, or a pytree of arrays.
            Rows with NaN are left out, with a warning.
        y
            Responses, shape (n,), or (n, K) for a population; NaN marks a missing one.
        init_params
            Starting values ``(coef, intercept)``; by default derived from the data.
        sample_weight
            Weight of each row, shape (n,), or of each cell, (n, K). A weight of two is a row
            twice, of zero a row left out.
        offset
            Added to the linear predictor, shape (n,) or (n, K).

        Returns
        -------
        The estimator.

        Raises
        ------
        ValueError, TypeError
            For data or settings that make no sense; nothing has been compiled by then.
        MemoryError
            If the arrays would not fit into the memory that is free.

        Warns
        -----
        ConvergenceWarning
            If the solver stopped before the gradient was small.
        """
        with jax.enable_x64(True), exhaustion_as_memory_error():
            self._fit(X, y, init_params, sample_weight, offset)
        return self

    def _fit(self, X, y, init_params, sample_weight, offset, adjust=lambda choices: choices):
        if hasattr(self, "n_features_in_"):
            del self.n_features_in_
        data = self._read(X, y, sample_weight, offset, reset=True)
        layout, K = data.design.layout, data.y.shape[1]
        trailing, choices = self._trailing(K), adjust(self._choices(layout, K))
        target = self._kernel_response(data.y)
        start = None
        if init_params is not None:
            start = self._read_params(init_params, layout, trailing)
        spec = self._solver(int(np.prod(target.shape[2:])) * (layout.num_features + 1))
        fit, model = fitting.fit_data(
            choices, data, target, trailing, start, spec, self._solver_settings(spec)
        )
        report.refuse_impossible_fit(choices, data, fit)
        self._layout, self._labels = layout, data.design.labels
        self._coef, self._intercept = fit.params.coef, fit.params.intercept
        self._dof_resid, self._scale = fitting.residual_dof_and_scale(choices, data, model, fit)
        self._covariance = intervals.at_mode(model, fit, self._scale, data.num_rows)
        self.n_iter_ = max(1, fit.num_steps)
        self.solver_state_, self.aux_ = fitting.without_matrices(fit.state), fit.aux
        self._stream = self.posterior_ = self.diagnostics_ = None
        report.report_fit(choices, data, fit, model, self._scale, self._covariance)
        return fit, model, data

    def _read_params(self, params: Any, layout: FeatureLayout, trailing: tuple) -> GLMParams:
        """User parameters as internal arrays."""
        coef, intercept = validation.read_params(params, trailing, layout)
        return GLMParams(self._internal(coef), self._internal(intercept[None])[0])

    # One step at a time

    def compute_loss(
        self, params: Any, X: Any, y: Any, sample_weight: Any = None, offset: Any = None
    ) -> float:
        """Unpenalised loss that `fit` minimises: mean kernel, summed over responses.

        Parameters
        ----------
        params
            ``(coef, intercept)``.
        X, y, sample_weight, offset
            As in `fit`.
        """
        with jax.enable_x64(True):
            return streaming.compute_loss(self, params, X, y, sample_weight, offset)

    def initialize_params(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return ``(coef, intercept)`` to start from: zero, and the link of the mean response.

        Parameters
        ----------
        X, y
            As in `fit`.
        """
        with jax.enable_x64(True):
            coef, intercept = streaming.initialize_params(self, X, y)
        return jax.tree.map(jnp.asarray, (coef, intercept))

    def initialize_optimizer_and_state(
        self, init_params: Any, X: Any, y: Any, sample_weight: Any = None, offset: Any = None
    ) -> stream.StreamState:
        """Return the optimiser's state before the first `update`.

        Parameters
        ----------
        init_params
            ``(coef, intercept)``.
        X, y, sample_weight, offset
            As in `fit`.
        """
        with jax.enable_x64(True):
            return streaming.initialize(self, init_params, X, y, sample_weight, offset)

    def update(
        self,
        params: Any,
        opt_state: stream.StreamState,
        X: Any,
        y: Any,
        *args: Any,
        n_samples: int | None = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> tuple[tuple[Any, Any], stream.StreamState]:
        """Take one optimiser step on a batch, on the user's own coordinates.

        Parameters
        ----------
        params, opt_state
            As the last `update`, or `initialize_optimizer_and_state`, returned them.
        X, y, sample_weight, offset
            The batch, as in `fit`.
        n_samples
            Rows in the whole stream, for ``dof_resid_``; by default those of the batch.

        Returns
        -------
        ``(coef, intercept)`` and the state; the estimator's fitted attributes are set as well.

        Raises
        ------
        ValueError
            If ``opt_state`` was made with other hyperparameters.
        """
        if args:
            raise TypeError(f"`update` takes no further positional arguments; got {len(args)}.")
        with jax.enable_x64(True):
            state = streaming.update(
                self, params, opt_state, X, y, n_samples, sample_weight, offset
            )
        return (self.coef_, self.intercept_), state

    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None
    ) -> BaseRegressor:
        """Take one optimiser step on a batch, keeping the state between calls.

        Parameters
        ----------
        X, y, sample_weight, offset
            The batch, as in `fit`.
        """
        with jax.enable_x64(True):
            if self._stream is None:
                first = streaming.initialize_params(self, X, y)
                current = (self.coef_, self.intercept_) if self._coef is not None else first
                state = streaming.initialize(self, current, X, y, sample_weight, offset)
            else:
                current, state = (self.coef_, self.intercept_), self._stream
            state = streaming.update(self, current, state, X, y, None, sample_weight, offset)
            self._stream = state
        return self


def _resolve_observations(spec: Any) -> Any:
    """Observation model of a number; classes are for the classifiers."""
    model = observation_models.resolve(spec)
    if model.event_ndim:
        raise TypeError(
            f"{type(model).__name__} describes classes: use `ClassifierGLM` or "
            "`ClassifierPopulationGLM`."
        )
    return model
