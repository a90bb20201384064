"""Compare models by how well they predict each response from the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import optimize, special

from bayesglm.diagnostics.leave_one_out import LeaveOneOut

__all__ = ["compare"]


def compare(models: Any, *, method: str = "stacking", progress_bar: bool = True) -> Any:
    r"""Rank models of the same responses by leave-one-out cross-validation.

    Parameters
    ----------
    models
        A dict from names to models, or a list of models, at least two: estimators after `sample`,
        or what their `loo` returned.
    method
        How models are weighted: ``"stacking"``, by the mixture of their predictive distributions
        that predicts best; ``"pseudo-bma"``, in proportion to :math:`e^{\mathrm{elpd}}`.
    progress_bar
        Whether to show one where it takes longer than a second.

    Returns
    -------
    DataFrame with a row per model, the best first, and columns rank, elpd (expected log predictive
    density, in nats), p_loo (effective number of parameters), elpd_diff (less that of the best),
    dse (its standard error), weight, se (of elpd) and warning (whether Pareto k was too large).
    A difference below 4, or of a few dse, is no reason to prefer a model.

    Raises
    ------
    ValueError
        If there are fewer than two models, or their responses or weights differ.
    TypeError
        If something is not a model.

    Warns
    -----
    SamplingWarning
        As `loo`.

    Examples
    --------
    >>> import numpy as np
    >>> import bayesglm
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> y = np.random.default_rng(1).poisson(np.exp(0.5 + X[:, 0]))
    >>> models = {"both": bayesglm.GLM("Poisson"), "second": bayesglm.GLM("Poisson")}
    >>> for columns, model in zip([[0, 1], [1]], models.values()):
    ...     tree = model.sample(X[:, columns], y, method="laplace", random_state=0)
    >>> table = bayesglm.compare(models, progress_bar=False)
    >>> table.index.tolist(), table.weight.round(2).tolist()
    (['both', 'second'], [1.0, 0.0])

    References
    ----------
    Yao, Vehtari, Simpson and Gelman (2018), Using stacking to average Bayesian predictive
    distributions, *Bayesian Analysis* 13, 917-1007. Sivula, Magnusson, Matamoros and Vehtari
    (2025), Uncertainty in Bayesian leave-one-out cross-validation based model comparison.
    """
    import pandas as pd

    if method not in WEIGHTS:
        raise ValueError(f"`method` must be one of {sorted(WEIGHTS)}; got {method!r}.")
    named = _named(models)
    found = {name: _left_out(name, model, progress_bar) for name, model in named.items()}
    _refuse_other_responses(found)
    ranked = sorted(found, key=lambda name: -found[name].elpd)
    results = [found[name] for name in ranked]
    elpd_i = np.stack([result.elpd_i[~np.isnan(result.y)] for result in results], axis=1)
    less = elpd_i - elpd_i[:, :1]
    columns = {
        "rank": np.arange(len(ranked)),
        "elpd": [result.elpd for result in results],
        "p_loo": [result.p_loo for result in results],
        "elpd_diff": less.sum(axis=0),
        "dse": np.sqrt(len(less)) * less.std(axis=0),  # with this divisor in ArviZ
        "weight": WEIGHTS[method](elpd_i),
        "se": [result.se for result in results],
        "warning": [result.num_bad > 0 for result in results],
    }
    return pd.DataFrame(columns, index=pd.Index(ranked, name="model"))


def _named(models: Any) -> dict[Any, Any]:
    """Models by name."""
    if not isinstance(models, Mapping):
        if not isinstance(models, (list, tuple)):
            raise TypeError(
                f"`models` must be a dict or list of models; got {type(models).__name__}."
            )
        models = {f"model {i}": model for i, model in enumerate(models)}
    if len(models) < 2:
        raise ValueError(f"`models` must hold at least two models; got {len(models)}.")
    return dict(models)


def _left_out(name: Any, model: Any, progress_bar: bool) -> LeaveOneOut:
    """Leave-one-out cross-validation of a model, unless it is that already."""
    if isinstance(model, LeaveOneOut):
        return model
    if not hasattr(model, "loo"):
        raise TypeError(
            f"`models` must hold models of this package, or what their `loo` returned; {name!r} is "
            f"{type(model).__name__}."
        )
    return model.loo(progress_bar=progress_bar)


def _refuse_other_responses(found: dict[Any, LeaveOneOut]) -> None:
    """Raise unless all models predict the same responses, with the same weights."""
    (first, one), *others = found.items()
    for name, other in others:
        if one.y.shape != other.y.shape:
            raise ValueError(
                f"Models must have the same responses: {first!r} has {one.y.shape}, {name!r} has "
                f"{other.y.shape}. Rows with missing features are left out: drop them from both."
            )
        same = (one.y == other.y) | (np.isnan(one.y) & np.isnan(other.y))
        what = "responses"
        if same.all():
            same, what = one.weight == other.weight, "weights"
        if not same.all():
            row = np.argwhere(~same)[0, 0]
            raise ValueError(
                f"Models must have the same {what}: those of {first!r} and {name!r} differ in "
                f"{np.sum(~same)} of {same.size} places, first in row {row}."
            )


def _stacking(elpd_i: np.ndarray) -> np.ndarray:
    """Weights (M,) of the mixture of models that predicts best.

    Parameters
    ----------
    elpd_i
        Log predictive densities, shape (n, M).
    """
    density = np.exp(elpd_i - elpd_i.max(axis=1, keepdims=True))
    count = density.shape[1]

    def loss(weight):
        with np.errstate(divide="ignore"):
            return -np.mean(np.log(density @ weight))

    best = optimize.minimize(
        loss,
        np.full(count, 1 / count),
        jac=lambda weight: -np.mean(density / (density @ weight)[:, None], axis=0),
        bounds=[(0.0, 1.0)] * count,
        constraints={
            "type": "eq",
            "fun": lambda weight: weight.sum() - 1,
            "jac": lambda weight: np.ones(count),
        },
        method="SLSQP",
        tol=1e-14,
    )
    weight = np.clip(best.x, 0.0, 1.0)
    return weight / weight.sum()


def _pseudo_bma(elpd_i: np.ndarray) -> np.ndarray:
    """Weights (M,) in proportion to the exponential of the sum of log predictive densities."""
    return special.softmax(elpd_i.sum(axis=0))


WEIGHTS = {"stacking": _stacking, "pseudo-bma": _pseudo_bma}
