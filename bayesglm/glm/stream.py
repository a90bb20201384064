"""One optimiser step at a time: the state carries its objective, so a stale one is refused."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np

from bayesglm._module import Module
from bayesglm.glm.params import GLMParams
from bayesglm.solvers.base import OptimizationInfo


class StreamState(Module):
    """State between calls of `update`.

    Parameters
    ----------
    inner
        The solver's own state.
    settings
        What the state was made for: model, penalty and solver settings.
    num_rows
        Rows that priors count, shape (K,).
    """

    inner: Any
    settings: Any
    num_rows: Any

    @property
    def solver_state(self) -> Any:
        """What the algorithm carries."""
        return getattr(self.inner, "solver_state", self.inner)

    @property
    def stats(self) -> OptimizationInfo | None:
        """How the optimisation stands."""
        return getattr(self.inner, "stats", None)


def settings_of(solver: Any, name: str) -> Any:
    """All that a solver's state depends on, without the data: compared by `check_settings`."""
    loss, penalty = solver.loss, solver.regularizer
    own = {
        key: value
        for key, value in vars(solver).items()
        if key not in ("loss", "regularizer", "strength", "transformation")
    }
    likelihood = loss.likelihood
    choices = (likelihood.observations, likelihood.link, likelihood.feature_mask)
    return _host((name, choices, penalty.penalty, loss.movable, own))


def _host(tree: Any) -> Any:
    import jax

    return jax.tree.map(lambda leaf: np.asarray(leaf) if eqx.is_array(leaf) else leaf, tree)


def check_settings(state: Any, settings: Any) -> None:
    """Raise ValueError if the state was made for other settings."""
    if not isinstance(state, StreamState):
        raise TypeError(
            "`opt_state` must come from `initialize_optimizer_and_state` or `update`; got "
            f"{type(state).__name__}."
        )
    if not eqx.tree_equal(state.settings, settings):
        raise ValueError(
            "`opt_state` was made with other hyperparameters; call "
            "`initialize_optimizer_and_state` again after `set_params`."
        )


def finite(params: GLMParams) -> GLMParams:
    """``params`` as NumPy; raises if they are not finite."""
    host = GLMParams(np.asarray(params.coef), np.asarray(params.intercept))
    if not (np.isfinite(host.coef).all() and np.isfinite(host.intercept).all()):
        raise ValueError(
            "Solver returned at least one NaN parameter. Use a smaller step size or rescale the "
            "features."
        )
    return host
