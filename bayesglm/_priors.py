"""What an estimator believes before it sees the responses: in words, and in draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
from sklearn.base import clone

from bayesglm import posterior
from bayesglm._parameters import given
from bayesglm._sampling import check_counts, read_seed
from bayesglm.glm.assemble import assemble
from bayesglm.glm.memory import exhaustion_as_memory_error, refuse_too_large
from bayesglm.intervals.table import term_index
from bayesglm.posterior.belief_texts import coefficient_rows, other_rows
from bayesglm.posterior.beliefs import Beliefs, draw_parameters, draw_responses
from bayesglm.regularizer import prior_draws
from bayesglm.regularizer._distributions import check_distribution
from bayesglm.regularizer._strength import split_strength
from bayesglm.regularizer.shrinkage_priors import ShrinkagePrior

PLACEHOLDERS = (1.0, 0.5, 2.0)  # for responses that are not known; one of them is possible


class Priors:
    """Mixin of an estimator that can read data: its prior."""

    def prior_summary(
        self,
        X: Any,
        y: Any = None,
        *,
        scale_prior: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> Any:
        """Every prior that `sample` uses, with its numbers.

        Parameters
        ----------
        X, y, sample_weight, offset
            As in `fit`: default priors take their scale from the data, and the prior that a penalty
            is, the number of rows. Without ``y`` if the dispersion is not estimated.
        scale_prior
            As in `sample`.

        Returns
        -------
        DataFrame with columns prior and note, indexed by term (and response and class), with one
        row for each coefficient, intercept, dispersion and parameter of these priors. Names of
        distributions are NumPyro's; ``scale`` is the dispersion, ``strength`` the
        ``regularizer_strength``.

        Raises
        ------
        ValueError, TypeError
            For data or settings that make no sense.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=2.0)
        >>> print(model.prior_summary(X)["prior"].to_string())
        term
        x0           Normal(loc=0, scale=0.1)
        intercept                        flat
        scale                      fixed at 1
        """
        with jax.enable_x64(True):
            return _table(*self._beliefs(X, y, scale_prior, sample_weight, offset))

    def sample_prior(
        self,
        X: Any,
        y: Any = None,
        *,
        num_samples: int = 1000,
        random_state: Any = None,
        scale_prior: Any = None,
        intercept_prior: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> Any:
        """Draw parameters from the prior, and responses from these.

        Parameters
        ----------
        X, y, sample_weight, offset
            As in `prior_summary`.
        num_samples
            Number of draws.
        random_state
            Seed: an integer, a NumPy generator, or None for a new one, which is recorded.
        scale_prior
            As in `sample`.
        intercept_prior
            NumPyro distribution of the intercept, about the linear predictor at the column means,
            for regularizers that leave it flat; `sample` does not know it.

        Returns
        -------
        `xarray.DataTree` with groups ``prior`` and ``prior_predictive``, and ``observed_data`` if
        there are responses. Responses whose mean is too large to draw from are NaN.

        Raises
        ------
        ValueError
            If some prior is flat: nothing can be drawn from it.
        MemoryError
            If the responses would not fit into the memory that is free.

        Warns
        -----
        DataWarning
            If some responses could not be drawn, with their share.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM, Prior
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> tree = GLM("Poisson", regularizer=Prior()).sample_prior(X, random_state=0)
        >>> tree["prior_predictive"]["y"].sizes
        Frozen({'chain': 1, 'draw': 1000, 'obs_id': 50})

        References
        ----------
        Gabry, Simpson, Vehtari, Betancourt and Gelman (2019), Visualization in Bayesian workflow,
        *J. R. Statist. Soc. A* 182, 389.
        """
        check_counts(num_samples=num_samples)
        seed = read_seed(random_state)
        with jax.enable_x64(True), exhaustion_as_memory_error():
            twin, beliefs = self._beliefs(X, y, scale_prior, sample_weight, offset)
            refuse_flat(twin, beliefs, intercept_prior)
            cells = beliefs.data.y.size * int(np.prod(beliefs.shape[2:]))
            refuse_too_large(
                8.0 * num_samples * cells,
                f"The responses of {num_samples} draws from the prior",
                "Ask for fewer draws, or pass fewer rows of X.",
            )
            rng = np.random.default_rng(seed)
            params, scale, own = draw_parameters(beliefs, rng, num_samples, intercept_prior)
            drawn = draw_responses(beliefs, params, scale, rng)
        groups = _groups(twin, beliefs, params, scale, own, drawn)
        if y is None:
            del groups["observed_data"]
        attributes = {"inference_library": "bayesglm", "seed": seed}
        labels = twin._dimension_labels() | {"obs_id": np.arange(len(beliefs.data.y))}
        return posterior.to_datatree(groups, labels, attributes)

    def _beliefs(self, X, y, scale_prior, sample_weight, offset) -> tuple[Any, Beliefs]:
        """Read the data with a copy of this estimator, and put the model together."""
        twin = clone(self)
        if y is None:
            y = self._placeholder(X)
            if hasattr(twin, "set_classes"):
                twin._encoder = self._encoder
        elif hasattr(twin, "set_classes"):
            twin.set_classes(y)
        data = twin._read(X, y, sample_weight, offset, reset=True)
        layout, K = data.design.layout, data.y.shape[1]
        fixed, strength = split_strength(self.regularizer, given(self, "regularizer_strength"))
        choices = replace(
            twin._choices(layout, K), regularizer=self.regularizer.surrogate, strength=fixed
        )
        target = twin._kernel_response(data.y)
        model = assemble(choices, data, target, twin._trailing(K), coordinates="columns")
        shape = model.loss.movable.coef.shape
        twin._layout, twin._labels = layout, data.design.labels
        twin._coef, twin._intercept = np.zeros(shape), np.zeros(shape[1:])
        prior = posterior.coefficient_prior(self.regularizer, model, data, strength)
        scale = posterior.dispersion_prior(self.observation_model, data, scale_prior)
        return twin, Beliefs(model, data, prior, scale)

    def _placeholder(self, X: Any) -> np.ndarray:
        """Responses that stand for those not known, where nothing depends on them.

        Raises
        ------
        ValueError
            If something does.
        """
        if self.observation_model.scale_estimator in ("moments", "likelihood"):
            raise ValueError(
                f"Pass `y`: the priors of {type(self.observation_model).__name__}, whose "
                "dispersion is estimated, take their scale from it."
            )
        many = self._validator.y_ndim == 2
        if many and self._coef is None:
            raise ValueError("Pass `y`: the number of responses is not known before `fit`.")
        if hasattr(self, "_check_classes"):
            self._check_classes("sample_prior` or `prior_summary` without `y")
            value = self.classes_[0]
        else:
            possible = self.observation_model.in_support
            value = next(v for v in PLACEHOLDERS if possible(np.array([[v]])).all())
        leaves = jax.tree.leaves(X, is_leaf=lambda leaf: hasattr(leaf, "shape"))
        n = len(X) if hasattr(X, "shape") or not leaves else len(leaves[0])
        return np.full((n, self._coef.shape[1]) if many else n, value)


def refuse_flat(estimator: Any, beliefs: Beliefs, intercept_prior: Any) -> None:
    """Raise if the prior of some parameter is flat."""
    prior, movable = beliefs.coefficients, beliefs.model.loss.movable
    if intercept_prior is not None:
        check_distribution(intercept_prior)
    if isinstance(prior, ShrinkagePrior):
        return
    remedy = "Use a regularizer with a prior for it, such as `Prior()`"
    bad = prior_draws.flat(prior.penalty, beliefs.shape) & np.asarray(movable.coef)
    if bad.any():
        names = np.array(estimator._labels)[bad.reshape(len(bad), -1).any(axis=1)]
        raise ValueError(
            f"The prior of the coefficients {names[:10].tolist()} is flat under "
            f"{estimator.regularizer}: nothing can be drawn from it. {remedy}."
        )
    flat = prior_draws.intercept_part(prior.penalty) is None and intercept_prior is None
    if flat and np.any(movable.intercept):
        raise ValueError(
            f"The prior of the intercept is flat under {estimator.regularizer}: nothing can be "
            f"drawn from it. {remedy}, pass `intercept_prior`, or fit without an intercept."
        )


def _groups(estimator, beliefs, params, scale, own, drawn) -> dict[str, dict[str, np.ndarray]]:
    """Arrays in ArviZ's layout, as one chain."""
    one = estimator._validator.y_ndim == 1
    scale = None if beliefs.scale is None else scale[None]
    own = {name: value[None] for name, value in own.items()}
    trailing = estimator._trailing(beliefs.shape[1])
    named = posterior.in_user_shapes(
        params.coef[None], params.intercept[None], scale, own, trailing, one
    )
    if not given(estimator, "fit_intercept"):
        del named["intercept"]
    squeeze = lambda a: a[..., 0] if one else a
    return {
        "prior": named,
        "prior_predictive": {"y": squeeze(drawn)[None]},
        "observed_data": {"y": squeeze(np.asarray(beliefs.data.y))},
    }


def _table(estimator: Any, beliefs: Beliefs) -> Any:
    """All priors as a DataFrame."""
    import pandas as pd

    index = term_index(estimator)
    names = list(index.names)
    texts, notes = coefficient_rows(beliefs)
    table = pd.DataFrame({"prior": texts, "note": notes}, index=index).reset_index()
    others = []
    for term, response, text, note in other_rows(beliefs):
        row = dict.fromkeys(names, "") | {"term": term, "prior": text, "note": note}
        if "response" in names:
            row["response"] = estimator._response_labels()[response]
        others.append(row)
    both = pd.concat([table, pd.DataFrame(others)])
    return both.set_index(names if len(names) > 1 else names[0])
