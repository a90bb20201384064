"""The estimator's one-step methods: initialise, update, and the loss of given parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayesglm.glm import fitting, identification, stream
from bayesglm.glm.assemble import assemble
from bayesglm.glm.initialize import average_response, null_params


def compute_loss(model: Any, params: Any, X: Any, y: Any, sample_weight: Any, offset: Any) -> float:
    """Unpenalised loss of ``params``, validated against the data."""
    data, _, assembled = _assemble(model, X, y, sample_weight, offset)
    params = model._read_params(params, data.design.layout, model._trailing(data.y.shape[1]))
    return float(assembled.loss(params, assembled.rows))


def initialize_params(model: Any, X: Any, y: Any) -> tuple[Any, Any]:
    """Coefficients zero and the intercept of the mean response, in the user's shapes."""
    data = model._read(X, y, None, None, reset=True)
    choices = model._choices(data.design.layout, data.y.shape[1])
    target = model._kernel_response(data.y)
    average = average_response(data, target)
    start, _ = null_params(choices, data, target.shape, average)
    model._layout = data.design.layout
    return model._to_user(start.coef, start.intercept, np.asarray)


def initialize(
    model: Any, init_params: Any, X: Any, y: Any, sample_weight: Any, offset: Any
) -> stream.StreamState:
    """Optimiser state for the data given."""
    data, _, assembled = _assemble(model, X, y, sample_weight, offset)
    params = model._read_params(init_params, data.design.layout, _trailing(model, data))
    solver, name = _solver(model, assembled, params)
    settings = stream.settings_of(solver, name)
    inner = solver.init_state(params, assembled.rows)
    model._layout, model._labels = data.design.layout, data.design.labels
    return stream.StreamState(inner, settings, data.num_rows)


def update(
    model: Any,
    params: Any,
    state: stream.StreamState,
    X: Any,
    y: Any,
    n_samples: int | None,
    sample_weight: Any,
    offset: Any,
) -> stream.StreamState:
    """One step of the solver; stores what it found on the estimator."""
    if n_samples is not None and not isinstance(n_samples, int | np.integer):
        raise TypeError(
            f"`n_samples` must be `None` or of type `int`. Type {type(n_samples)} provided instead!"
        )
    num_rows = getattr(state, "num_rows", None)
    data, choices, assembled = _assemble(model, X, y, sample_weight, offset, num_rows)
    if model._scale is not None and choices.observations.scale_estimator == "likelihood":
        assembled = assembled.with_scale(model._dispersion)
    params = model._read_params(params, data.design.layout, _trailing(model, data))
    solver, name = _solver(model, assembled, params)
    stream.check_settings(state, stream.settings_of(solver, name))
    params, inner, aux = solver.update(params, state.inner, assembled.rows)
    _store(model, choices, data, assembled, params, aux, n_samples)
    model.solver_state_ = stream.StreamState(inner, state.settings, state.num_rows)
    return model.solver_state_


def _assemble(model, X, y, sample_weight, offset, num_rows=None):
    """Return checked data, choices and the model in the user's coordinates."""
    data = model._read(X, y, sample_weight, offset, reset=model._layout is None)
    choices = model._choices(data.design.layout, data.y.shape[1])
    target = model._kernel_response(data.y)
    assembled = assemble(
        choices, data, target, _trailing(model, data), coordinates="user", num_rows=num_rows
    )
    return data, choices, assembled


def _trailing(model, data):
    return model._trailing(data.y.shape[1])


def _solver(model, assembled, params):
    """Solver instance, and the name that tells it from others."""
    width = params.coef.shape[0] * int(np.prod(params.coef.shape[2:]))
    spec = model._solver(width)
    settings = model._solver_settings(spec)
    solver = spec.implementation(assembled.loss, assembled.penalty, None, False, params, **settings)
    shown = sorted((key, str(value)) for key, value in settings.items() if key != "optimizer")
    return solver, (spec.full_name, str(shown))


def _store(model, choices, data, assembled, params, aux, n_samples) -> None:
    """Parameters, degrees of freedom and dispersion after a step."""
    user = stream.finite(params)
    model._coef, model._intercept, model.aux_ = user.coef, user.intercept, aux
    model._covariance = None
    dof = identification.residual_dof(choices, data, user, assembled.penalty.penalty)
    model._scale = fitting.scale_at(assembled, user, data.num_rows, dof)
    model._dof_resid = dof if n_samples is None else dof + (n_samples - data.num_rows)
