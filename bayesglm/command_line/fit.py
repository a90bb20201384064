"""``python -m bayesglm fit``: a model of a file's columns, printed and saved."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from bayesglm.command_line.errors import FitError, InputError
from bayesglm.command_line.prepare import Prepared, prepare
from bayesglm.command_line.report import coefficients, fit_report, stages
from bayesglm.command_line.tables import check_output, read_table, write_table


def fit(given: Any) -> None:
    """Fit the model that the options describe.

    Raises
    ------
    InputError
        If the file, a column or a combination of options cannot be used.
    FitError
        If the fit failed or did not converge; no file has been written then.
    """
    _check_options(given)
    with stages(f"reading {given.data}", "compiling and fitting", "evaluating") as advance:
        data = prepare(given, read_table(given.data))
        model = build_model(given, data.offset)
        _check_support(given, model, data)
        advance()
        start = time.perf_counter()
        _fit_model(model, data)
        seconds = time.perf_counter() - start
        advance()
        text = fit_report(given, model, data, seconds)
        advance()
    print(text)
    if not model.solver_state_.stats.converged.all():
        unwritten = [name for name in (given.output, given.table) if name]
        raise FitError(
            f"the fit did not converge in {model.n_iter_} steps: raise --maxiter, rescale the "
            f"features, or use --regularizer ridge. {'Not written: ' * bool(unwritten)}"
            f"{', '.join(unwritten)}"
        )
    _write(given, model, data)


def build_model(given: Any, offset: str | None) -> Any:
    """Estimator that the options describe, not yet fitted."""
    from bayesglm import glm
    from bayesglm.observation_models import NegativeBinomialObservations

    options = {
        "inverse_link_function": given.link,
        "regularizer": given.regularizer,
        "regularizer_strength": given.strength,
        "solver_kwargs": {"maxiter": given.maxiter} if given.maxiter else None,
        "fit_intercept": given.intercept,
        "offset_column": offset,
    }
    if given.family == "Categorical":
        return glm.ClassifierGLM(n_classes=None, **options)
    family = given.family
    if family == "NegativeBinomial":
        family = NegativeBinomialObservations(scale=None)  # estimated, as users of R expect
    model = (glm.PopulationGLM if len(given.response) > 1 else glm.GLM)(family, **options)
    if given.exposure and model.inverse_link_function.label != "exp":
        raise InputError("--exposure multiplies the mean only under the log link: add --link log.")
    return model


def _check_options(given: Any) -> None:
    """Refuse what can be refused before the file is read."""
    check_output(given.output, given.data)
    check_output(given.table, given.data, given.output or given.data)
    if given.strength is not None and given.regularizer == "UnRegularized":
        raise InputError("--strength needs a --regularizer, such as ridge.")
    if given.family != "Categorical":
        return
    if len(given.response) > 1:
        raise InputError("--family categorical takes one response at a time.")
    if given.link or given.offset or given.exposure:
        raise InputError("--family categorical has no --link, --offset or --exposure.")


def _check_support(given: Any, model: Any, data: Prepared) -> None:
    """Refuse responses that the family cannot have, by their row of the file."""
    family = model.observation_model
    if family.event_ndim:
        return
    y = data.y.to_frame() if data.y.ndim == 1 else data.y
    counted = np.full(len(y), True) if data.weights is None else data.weights > 0
    for name, column in y.items():
        bad = column.notna() & counted & ~np.asarray(family.in_support(column.to_numpy()))
        if bad.any():
            row = bad.idxmax()
            raise InputError(
                f"the response {name!r} must be {family.support} for this family; entries that "
                f"are not: {int(bad.sum())}, the first {column[row]:g} in row {row + 1}. "
                f"{family.remedy}"
            )


def _fit_model(model: Any, data: Prepared) -> None:
    """Fit; what the library refuses is the input, or the fit if it accepts the input."""
    from bayesglm.exceptions import ConvergenceWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # becomes an error, see `fit`
            model.fit(data.X, data.y, sample_weight=data.weights)
    except (TypeError, ValueError) as error:
        raise (FitError if _accepts(model, data) else InputError)(str(error)) from error


def _accepts(model: Any, data: Prepared) -> bool:
    """Whether the library finds nothing wrong with the data."""
    try:
        model.initialize_params(data.X, data.y)
    except (TypeError, ValueError):
        return False
    return True


def _write(given: Any, model: Any, data: Prepared) -> None:
    if given.table:
        write_table(coefficients(given, model).reset_index(), given.table)
        print(f"Coefficients written to {given.table}.")
    if given.output:
        model.encoding_ = data.encoding
        model.save(given.output)
        print(f"Model saved to {given.output}.")
