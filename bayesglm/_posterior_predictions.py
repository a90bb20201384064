"""Predict from the posterior: expected responses, and new ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from bayesglm import intervals, posterior
from bayesglm._sampling import check_counts, read_seed
from bayesglm._warnings import warn_user
from bayesglm.exceptions import DataWarning
from bayesglm.glm import domain
from bayesglm.glm.design import Design
from bayesglm.posterior.blocks import LARGEST_RESULT, Drawn, refuse_large_result
from bayesglm.posterior.expected_response import ExpectedResponse, expected_response
from bayesglm.posterior.proportions import counted
from bayesglm.posterior.replicates import response_blocks, stacked_responses


class PosteriorPredictions:
    """Mixin of an estimator that can be sampled: expected responses, and new ones."""

    # The expected response

    def _posterior_mean(
        self, X: Any, offset: Any, interval: float | None, progress_bar: bool
    ) -> tuple[ExpectedResponse, Design]:
        """Return the expected response over the draws, and the design it belongs to."""
        tails = ()
        if interval is not None:
            intervals.check_level(interval, "interval")
            tails = (0.5 - interval / 2, 0.5 + interval / 2)
        drawn = self._drawn()
        design, offset = self._predicted_rows(X, offset)
        found = expected_response(drawn, design.array, offset, tails, progress_bar=progress_bar)
        if found.impossible.any():
            what = domain.describe_impossible(self.observation_model, found.impossible)
            warn_user(
                f"At some of the draws {what}: the linear predictor is far outside what `sample` "
                "saw, or outside the domain of the inverse link.",
                DataWarning,
            )
        return found, design

    def _predict_posterior_mean(self, X, offset, return_std, interval, progress_bar) -> Any:
        """Return the posterior mean of the expected response, and what else is asked for."""
        found, design = self._posterior_mean(X, offset, interval, progress_bar)
        parts = [found.mean, found.std if return_std else None, found.bounds]
        parts = [self._wrap(self._squeeze(a), design) for a in parts if a is not None]
        return tuple(parts) if len(parts) > 1 else parts[0]

    def _posterior_proba(self, X, offset, as_log, interval, progress_bar) -> Any:
        """Return mean probabilities of classes over the draws, and bounds if they are asked for."""
        with jax.enable_x64(True), np.errstate(divide="ignore"):
            found, design = self._posterior_mean(X, offset, interval, progress_bar)
            parts = [self._squeeze(a) for a in (found.mean, found.bounds) if a is not None]
            parts = [self._wrap(np.log(a) if as_log else a, design) for a in parts]
        return tuple(parts) if interval is not None else parts[0]

    def _posterior_prediction_interval(
        self, X: Any, level: float, offset: Any, progress_bar: bool
    ) -> Any:
        """Return bounds of a new response from the draws, in the user's shape."""
        drawn = self._drawn()
        design, offset = self._predicted_rows(X, offset)
        bounds = intervals.posterior_bounds(
            drawn, design.array, offset, level, progress_bar=progress_bar
        )
        return self._wrap(self._squeeze(bounds), design)

    # New responses

    def posterior_predictive(
        self,
        X: Any = None,
        *,
        num_draws: int | None = None,
        random_state: Any = None,
        offset: Any = None,
        max_bytes: float = LARGEST_RESULT,
        progress_bar: bool = True,
    ) -> Any:
        """Draw new responses from the posterior predictive distribution.

        Parameters
        ----------
        X, offset
            As in `predict`; by default those that `sample` saw, and new proportions are of as many
            trials. At other rows they are of one trial: zero or one.
        num_draws
            How many draws of the parameters are used, evenly spaced; None is all.
        random_state
            Seed: an integer, a NumPy generator, or None for a new one. The same seed, rows and
            draws give the same responses.
        max_bytes
            Largest result that is returned.
        progress_bar
            Whether to show one where it takes longer than a second.

        Returns
        -------
        `xarray.DataTree` with group ``posterior_predictive``, whose variable ``y`` has dimensions
        (chain, draw, obs_id[, response]), one chain if there is ``num_draws``; and with group
        ``observed_data`` if the rows are those of `sample`. Responses of classifiers are numbers of
        classes, whose labels are in ``y.attrs["classes"]``. A row of X with NaN gives NaN.

        Raises
        ------
        NotFittedError
            Before `sample`.
        MemoryError
            If the result would be larger than ``max_bytes``: `posterior_predictive_blocks` gives
            it block by block.

        Warns
        -----
        DataWarning
            If a mean is infinite, or one that the observation model cannot have.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> new = model.posterior_predictive([[0.0], [2.0]], random_state=0)
        >>> new["posterior_predictive"]["y"].sizes
        Frozen({'chain': 4, 'draw': 500, 'obs_id': 2})

        References
        ----------
        Gelman et al. (2013), *Bayesian Data Analysis*, 3rd ed., section 6.3.
        """
        seed = read_seed(random_state)
        with jax.enable_x64(True):
            drawn = self._some_draws(num_draws)
            drawn, design, internal_offset, trials = self._rows_of_posterior(drawn, X, offset)
            refuse_large_result(
                (len(drawn), len(design.array), drawn.scale.shape[1]),
                "New responses",
                max_bytes,
                "Use `posterior_predictive_blocks`, pass `num_draws`, or raise `max_bytes`.",
            )
            how = {"seed": seed, "trials": trials, "progress_bar": progress_bar}
            values = stacked_responses(drawn, design.array, internal_offset, **how)
        values = values.reshape(drawn.num_chains, -1, *values.shape[1:])
        values = values if self._validator.y_ndim == 2 else values[..., 0]
        groups = {"posterior_predictive": {"y": values}}
        if X is None:
            groups["observed_data"] = {"y": np.asarray(self.posterior_["observed_data"]["y"])}
        labels = self._dimension_labels() | {"obs_id": np.arange(len(design.array))}
        tree = posterior.to_datatree(groups, labels, {"seed": seed})
        if self._class_labels() is not None:
            tree["posterior_predictive"]["y"].attrs["classes"] = list(map(str, self.classes_))
        return tree

    def posterior_predictive_blocks(
        self,
        X: Any = None,
        *,
        num_draws: int | None = None,
        random_state: Any = None,
        offset: Any = None,
        progress_bar: bool = True,
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Draw new responses as `posterior_predictive`, a block of rows at a time.

        Parameters
        ----------
        X, num_draws, random_state, offset, progress_bar
            As in `posterior_predictive`.

        Returns
        -------
        Iterator over the slices of the rows and the responses there, shape (draws, rows) or (draws,
        rows, K), some megabytes each.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> share = np.empty(len(X))
        >>> for rows, new in model.posterior_predictive_blocks(X, random_state=0):
        ...     share[rows] = (new == 0).mean(axis=0)
        >>> print(share[[0, -1]].round(1))
        [0.4 0. ]
        """
        seed = read_seed(random_state)
        with jax.enable_x64(True):
            drawn = self._some_draws(num_draws)
            drawn, design, offset, trials = self._rows_of_posterior(drawn, X, offset)
        how = {"seed": seed, "trials": trials, "progress_bar": progress_bar}
        return self._in_user_shape(response_blocks(drawn, design.array, offset, **how))

    def _in_user_shape(self, found: Iterator) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield blocks of new responses, draws first, in the user's shape."""
        while True:
            with jax.enable_x64(True):  # not while the user has the block
                part = next(found, None)
            if part is None:
                return
            rows, new = part
            new = np.swapaxes(new, 0, 1)
            yield rows, new if self._validator.y_ndim == 2 else new[..., 0]

    def _some_draws(self, num_draws: int | None) -> Drawn:
        """All draws, or so many of them."""
        if num_draws is not None:
            check_counts(num_draws=num_draws)
        return self._drawn(num_draws)

    def _rows_of_posterior(self, drawn: Drawn, X: Any, offset: Any) -> tuple[Any, ...]:
        """Draws, features and offset given, or those that `sample` saw, and numbers of trials."""
        if X is not None:
            return drawn, *self._predicted_rows(X, offset), None
        data = self._posterior_data(None, None, None, None)
        drawn, _, _, trials = counted(drawn, data.y, data.weight)
        return drawn, data.design, data.offset, trials
