"""An estimator's draws and the rows they are evaluated at: what all uses of a posterior share."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayesglm._parameters import given
from bayesglm.exceptions import NotFittedError
from bayesglm.glm.design import read_design
from bayesglm.glm.validation import Data
from bayesglm.inference.importance import systematic_resample
from bayesglm.posterior import blocks

LARGEST_K = 0.7  # of a Pareto tail: beyond, importance weights say nothing


class PosteriorDraws:
    """Mixin of an estimator that can be sampled: its draws and data in the internal shapes."""

    def _require_posterior(self) -> Any:
        """Return the tree of draws, or raise `NotFittedError`."""
        if self.posterior_ is None:
            raise NotFittedError(
                f"This {type(self).__name__} has no posterior: call `sample(X, y)` first."
            )
        return self.posterior_

    def _drawn(self, num_draws: int | None = None) -> blocks.Drawn:
        """Equally likely draws: those with importance weights are resampled by them.

        Weights whose Pareto k is above 0.7, of which `sample` has warned, are not used.

        Parameters
        ----------
        num_draws
            How many of them, evenly spaced; None is all.
        """
        tree = self._require_posterior()
        group = tree["posterior"]
        flat = lambda name: np.asarray(group[name]).reshape(-1, *np.shape(group[name])[2:])
        shape = self._coef.shape
        coef = flat("coef").reshape(-1, *shape)
        S, K = len(coef), shape[1]
        has_intercept = given(self, "fit_intercept")
        intercept = flat("intercept") if has_intercept else np.zeros((S, *shape[1:]))
        intercept = intercept.reshape(S, *shape[1:])
        scale = flat("scale") if "scale" in group else np.broadcast_to(self._dispersion, (S, K))
        scale = scale.reshape(S, K)
        log_weight = self._log_weight()
        if log_weight is not None:
            index, response = self._resampled(log_weight), np.arange(K)
            coef = np.swapaxes(coef, 1, 2)[index, response].swapaxes(1, 2)
            intercept, scale = intercept[index, response], scale[index, response]
        drawn = blocks.Drawn(
            self.observation_model,
            self.inverse_link_function,
            coef,
            intercept,
            scale,
            group.sizes["chain"],
        )
        return drawn.thinned(num_draws)

    def _log_weight(self) -> np.ndarray | None:
        """Logarithms of the importance weights, shape (S, K); None where draws are equally likely.

        Those whose Pareto k is too large are not weights.
        """
        tree = self._require_posterior()
        stats = tree["sample_stats"] if "sample_stats" in tree.children else {}
        if "log_weight" not in stats or tree.attrs.get("largest_pareto_k", 0.0) > LARGEST_K:
            return None
        values = np.asarray(stats["log_weight"])
        values = values.reshape(values.shape[0] * values.shape[1], -1)
        return np.broadcast_to(values, (len(values), self._coef.shape[1]))

    def _resampled(self, log_weight: np.ndarray) -> np.ndarray:
        """Return the number of the draw that each resampled one is, shape (S, K)."""
        rng = np.random.default_rng(self._require_posterior().attrs["seed"])
        return systematic_resample(log_weight, rng)

    def _posterior_data(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> Data:
        """Observations given, or those that `sample` saw and kept.

        Raises
        ------
        ValueError
            If none are given and they were too many to keep, or if something is given without X.
        """
        if X is not None:
            return self._read(X, y, sample_weight, offset, reset=False)
        given = {"y": y, "sample_weight": sample_weight, "offset": offset}
        alone = [f"`{name}`" for name, value in given.items() if value is not None]
        if alone:
            raise ValueError(
                f"{' and '.join(alone)} came without `X`. Pass the rows that they belong to, or "
                "nothing, for the data that were sampled with."
            )
        tree = self._require_posterior()
        constant = tree["constant_data"] if "constant_data" in tree.children else {}
        if "X" not in constant:
            raise ValueError("Pass `X` and `y`: they were too large to be kept with the draws.")
        y = self._with_response_axis(tree["observed_data"]["y"])
        missing, ones = np.isnan(y), np.ones((len(y), 1))
        stored = lambda name: self._with_response_axis(constant[name]) if name in constant else None
        weight = stored("sample_weight") if "sample_weight" in constant else ones
        if missing.any():
            weight = np.where(missing, 0.0, weight)
        y = np.where(missing, np.nanmean(y, axis=0), y)
        return Data(read_design(np.asarray(constant["X"])), y, weight, stored("offset"))

    def _with_response_axis(self, values: Any) -> np.ndarray:
        """Array with a row for each observation and an axis of responses."""
        array = np.asarray(values, float)
        return array if self._validator.y_ndim == 2 else array[:, None]
