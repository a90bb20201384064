"""All diagnostics of draws together, with a verdict in words."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.diagnostics import convergence, findings
from bayesglm.diagnostics.names import labels_of, names_of
from bayesglm.exceptions import SamplingWarning

OF_CHAINS = {"acceptance_rate", "diverging", "energy"}  # statistics that only Markov chains have


@dataclass(frozen=True, eq=False, repr=False)
class Diagnostics:
    """Whether draws can be trusted; made by `diagnose`.

    Parameters
    ----------
    r_hat, ess_bulk, ess_tail, mcse_mean, mcse_sd
        Of each parameter: arrays of the parameters' shapes, by name.
    constant, not_finite
        Parameters whose draws are all equal though nothing holds them, and those with draws that
        are infinite or partly NaN: booleans, by name.
    divergences, max_depth_share, e_bfmi
        Divergent transitions, share of transitions stopped at the largest tree depth, and Bayesian
        fraction of missing information, shape (chain[, response]); None where not known.
    pareto_k
        Shape of the tail of importance weights, shape (response,) or (), or None.
    num_chains, num_draws, num_parameters
        Chains, draws of each, and parameters that vary.
    markov
        Whether draws come from Markov chains rather than independently.
    max_tree_depth
        Of the No-U-Turn sampler.
    complete
        False if sampling was interrupted.
    names, dimensions
        Labels of dimensions, and the dimensions of each array of parameters.
    """

    r_hat: dict[str, np.ndarray]
    ess_bulk: dict[str, np.ndarray]
    ess_tail: dict[str, np.ndarray]
    mcse_mean: dict[str, np.ndarray]
    mcse_sd: dict[str, np.ndarray]
    constant: dict[str, np.ndarray]
    not_finite: dict[str, np.ndarray]
    divergences: np.ndarray | None
    max_depth_share: np.ndarray | None
    e_bfmi: np.ndarray | None
    pareto_k: np.ndarray | None
    num_chains: int
    num_draws: int
    num_parameters: int
    markov: bool
    max_tree_depth: int
    complete: bool
    names: dict[str, Any]
    dimensions: dict[str, Any]

    @property
    def problems(self) -> list[str]:
        """What is wrong, where, and what to do: a sentence or two each."""
        return list(findings.problems(self))

    @property
    def notes(self) -> list[str]:
        """What else a reader should know."""
        return list(findings.notes(self))

    def response(self, index: int, count: int) -> Any:
        """Label of one of ``count`` responses."""
        return f"response {labels_of(self.names, 'response', count)[index]}"

    def table(self) -> Any:
        """One row per parameter, as a DataFrame.

        Returns
        -------
        DataFrame with columns r_hat, ess_bulk, ess_tail, mcse_mean, mcse_sd.
        """
        import pandas as pd

        index = [name for array in self.r_hat for name in names_of(self, array)]
        columns = ("r_hat", "ess_bulk", "ess_tail", "mcse_mean", "mcse_sd")
        flat = {column: _flat(getattr(self, column)) for column in columns}
        return pd.DataFrame(flat, index=pd.Index(index, name="parameter", dtype=object))

    def __str__(self) -> str:
        items = [f"- {text}" for text in [*self.problems, *self.notes]]
        return "\n".join([self._verdict(), self._extremes(), *items])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(text)}</li>" for text in [*self.problems, *self.notes])
        listed = f"<ul>{items}</ul>" if items else ""
        return f"<p><b>{self._verdict()}</b><br>{escape(self._extremes())}</p>{listed}"

    def _verdict(self) -> str:
        count = len(self.problems)
        found = f"{count} problem{'s' * (count > 1)}" if count else "no problems"
        return f"Sampling diagnostics: {found}."

    def _extremes(self) -> str:
        chains = f"{self.num_chains} chain{'s' * (self.num_chains > 1)}"
        parts = [f"{chains} of {self.num_draws:,} draws, {self.num_parameters:,} parameters"]
        for text, values, pick in (
            ("largest R-hat {:.3f}", self.r_hat, np.max),
            ("smallest bulk ESS {:,.0f}", self.ess_bulk, np.min),
            ("smallest tail ESS {:,.0f}", self.ess_tail, np.min),
        ):
            known = _flat(values)[~np.isnan(_flat(values))]
            parts += [text.format(pick(known))] if known.size else []
        if self.divergences is not None:
            parts.append(f"{self.divergences.sum():,} divergences")
        return "; ".join(parts) + "."


def diagnose(
    draws: dict[str, Any],
    sample_stats: dict[str, Any] | None = None,
    *,
    names: dict[str, Any] | None = None,
    dims: dict[str, Any] | None = None,
    max_tree_depth: int = 10,
    pareto_k: Any = None,
    complete: bool = True,
    held: dict[str, Any] | None = None,
) -> Diagnostics:
    """Judge draws.

    Parameters
    ----------
    draws
        Draws of parameters by name, each of shape (chain, draw, ...). Parameters whose draws are
        all NaN count as held.
    sample_stats
        What the sampler says of each transition, by ArviZ's names, shape (chain, draw[, response]).
        Used are ``diverging``, ``energy`` and ``reached_max_tree_depth`` or else ``tree_depth`` or
        ``n_steps``, whichever are there.
    names
        Labels of the dimensions ``feature``, ``response`` and ``class``, where there are any; those
        without are numbered.
    dims
        Dimensions of arrays of draws by name, chain and draw left out. By default those that
        ``names`` has of feature, response and class, in this order; feature for ``coef`` alone.
    max_tree_depth
        Of the No-U-Turn sampler.
    pareto_k
        Of importance weights, shape (response,) or a number.
    complete
        False if sampling was interrupted.
    held
        True where a parameter is held and need not vary, by name, of the parameters' shapes.

    Returns
    -------
    The diagnostics.

    Raises
    ------
    ValueError
        If shapes do not agree.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> draws = {"coef": rng.normal(size=(4, 1000, 2)), "intercept": rng.normal(size=(4, 1000))}
    >>> draws["coef"][0, :, 1] += 1.0  # one chain is elsewhere
    >>> found = diagnose(draws, names={"feature": ["dose", "age"]})
    >>> found.problems[0][:60]
    'R-hat above 1.01: coef[age] 1.094 (1 of 3 parameters). The c'
    >>> found.table()["r_hat"].round(1)
    parameter
    coef[dose]    1.0
    coef[age]     1.1
    intercept     1.0
    Name: r_hat, dtype: float64
    """
    stats = {name: np.asarray(a) for name, a in (sample_stats or {}).items()}
    draws = {name: np.asarray(a) for name, a in draws.items()}
    num_chains, num_draws = _common_shape(draws, stats)
    names = names or {}
    values = {name: convergence.all_of(a) for name, a in draws.items()}
    by_measure = {
        measure: {name: value[measure] for name, value in values.items()}
        for measure in convergence.MEASURES
    }
    free = {name: ~np.asarray((held or {}).get(name, False), bool) for name in draws}
    constant = {name: (array == array[:1, :1]).all(axis=(0, 1)) for name, array in draws.items()}
    absent = {name: np.isnan(array).all(axis=(0, 1)) for name, array in draws.items()}
    dims = {name: _dimensions(name, array, names) for name, array in draws.items()} | (dims or {})
    return Diagnostics(
        **by_measure,
        constant={name: free[name] & constant[name] for name in draws},
        not_finite={
            name: free[name] & ~absent[name] & ~np.isfinite(array).all(axis=(0, 1))
            for name, array in draws.items()
        },
        divergences=_of(stats, "diverging", lambda a: a.astype(bool).sum(axis=1)),
        max_depth_share=_max_depth_share(stats, max_tree_depth),
        e_bfmi=_of(stats, "energy", convergence.e_bfmi),
        pareto_k=None if pareto_k is None else np.asarray(pareto_k, np.float64),
        num_chains=num_chains,
        num_draws=num_draws,
        num_parameters=sum(int((~constant[name] & ~absent[name]).sum()) for name in draws),
        markov=bool(OF_CHAINS & set(stats)),
        max_tree_depth=max_tree_depth,
        complete=complete,
        names=names,
        dimensions=dims,
    )


def warn_of(diagnostics: Diagnostics) -> None:
    """Warn once of all problems there are.

    Parameters
    ----------
    diagnostics
        From `diagnose`.

    Warns
    -----
    SamplingWarning
        With what is wrong, where, and what to do.
    """
    problems = diagnostics.problems
    if problems:
        lines = "\n".join(f"- {text}" for text in [*problems, *diagnostics.notes])
        warn_user(f"The draws may not represent the posterior:\n{lines}", SamplingWarning)


def _common_shape(draws: dict[str, np.ndarray], stats: dict[str, np.ndarray]) -> tuple[int, int]:
    """Chains and draws, the same in all arrays."""
    if not draws:
        raise ValueError("`draws` must have at least one array; got none.")
    shapes = {name: array.shape[:2] for name, array in [*draws.items(), *stats.items()]}
    if len(set(shapes.values())) > 1 or any(len(shape) < 2 for shape in shapes.values()):
        raise ValueError(
            "Arrays of `draws` and `sample_stats` must begin with the same axes (chain, draw); "
            f"got {shapes}."
        )
    return next(iter(shapes.values()))


def _of(stats: dict[str, np.ndarray], name: str, measure: Any) -> np.ndarray | None:
    return measure(stats[name]) if name in stats else None


def _max_depth_share(stats: dict[str, np.ndarray], largest: int) -> np.ndarray | None:
    if "reached_max_tree_depth" in stats:
        deep = stats["reached_max_tree_depth"]
    elif "tree_depth" in stats:
        deep = stats["tree_depth"] >= largest
    elif "n_steps" in stats:
        deep = stats["n_steps"] >= 2**largest - 1
    else:
        return None
    return deep.astype(bool).mean(axis=1)


def _dimensions(name: str, array: np.ndarray, names: dict[str, Any]) -> list[str]:
    """Dimensions of an array of draws, without chain and draw."""
    possible = ("feature", "response", "class") if name == "coef" else ("response", "class")
    return [dimension for dimension in possible if dimension in names][: array.ndim - 2]


def _flat(values: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([np.ravel(value) for value in values.values()])
