"""Predict, score and simulate from fitted parameters."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayesglm._warnings import warn_user
from bayesglm.exceptions import DataWarning
from bayesglm.glm import domain, scoring
from bayesglm.glm.assemble import initial_scale
from bayesglm.glm.design import Design

SCORES = ("log-likelihood", "pseudo-r2-McFadden", "pseudo-r2-Cohen")


class Predictions:
    """Mixin of an estimator that can read data and holds fitted values."""

    def _predict_eta(self, X: Any, offset: Any = None) -> tuple[np.ndarray, Design]:
        """Linear predictor (n, K[, C]) and the design it came from."""
        design, offset = self._predicted_rows(X, offset)
        return self._eta(design, offset), design

    def _predicted_rows(self, X: Any, offset: Any) -> tuple[Design, np.ndarray | None]:
        """Features of new rows, checked, and their offsets."""
        self._require_fitted()
        X, offset = self._features(X, offset, reset=False)
        trailing = self._trailing(self._coef.shape[1])
        design, offset = self._validator.read_features(X, offset, trailing)
        self._check_features(design)
        return design, offset

    def _eta(self, design: Design, offset: np.ndarray | None) -> np.ndarray:
        """Linear predictor, coefficients of masked features out."""
        mask = self._feature_mask(self._layout, self._trailing(self._coef.shape[1]))
        coef = self._coef if mask is None else self._coef * mask.reshape(self._coef.shape)
        return scoring.linear_predictor(design.array, coef, self._intercept, offset)

    def _predict(self, eta: np.ndarray) -> np.ndarray:
        """Return expected responses in the user's shape, from linear predictors (n, K[, C])."""
        mean = scoring.mean_response(self.observation_model, self.inverse_link_function, eta)
        bad = self._impossible_means(mean)
        if bad.any():
            warn_user(
                f"{domain.describe_impossible(self.observation_model, bad)}: the linear predictor "
                "is far outside what `fit` saw, or outside the domain of the inverse link.",
                DataWarning,
            )
        return self._squeeze(np.asarray(self.observation_model.expectation(mean)))

    def _impossible_means(self, mean: np.ndarray) -> np.ndarray:
        """Where the observation model cannot have such a mean, or it has overflowed."""
        return domain.impossible_means(self.observation_model, mean)

    @property
    def _dispersion(self) -> np.ndarray:
        """Dispersion (K,); the observation model's own where coefficients were set by hand.

        One stands for that of a response that never varied, on which next to nothing depends.
        """
        if self._scale is None:
            return initial_scale(self.observation_model, self._coef.shape[1])
        determined = self._dof_resid is None or self._dof_resid > 0
        return np.where(np.isnan(self._scale) & determined, 1.0, self._scale)

    def _squeeze(self, values: np.ndarray) -> np.ndarray:
        """``values`` without the response axis where there is one response."""
        return values if self._validator.y_ndim == 2 else values[:, 0]

    @abstractmethod
    def _std_of_mean(self, eta: np.ndarray, design: Design) -> np.ndarray:
        """Return the standard deviation of the mean, in the user's shape."""

    @abstractmethod
    def _predict_posterior_mean(
        self, X: Any, offset: Any, return_std: bool, interval: float | None, progress_bar: bool
    ) -> Any:
        """Return the posterior mean of the expected response, and what else is asked for."""

    def predict(
        self,
        X: Any,
        offset: Any = None,
        return_std: bool = False,
        *,
        kind: str = "mode",
        interval: float | None = None,
        progress_bar: bool = True,
    ) -> Any:
        """Return the expected response at each row.

        Parameters
        ----------
        X
            Features, as in `fit`; a row with NaN gives NaN.
        offset
            Added to the linear predictor, as in `fit`.
        return_std
            Whether to return the standard deviation of that mean too: how uncertain the
            coefficients leave it, by the delta method, or over the draws. Not for classifiers. For
            the spread of a new response see `prediction_interval`.
        kind
            ``"mode"``: the expected response at the fit. ``"mean"``: its mean over the draws of
            `sample`; for classifiers the label whose mean probability is greatest.
        interval
            With ``kind="mean"``: probability of an equal-tailed credible interval of the expected
            response, in (0, 1), that is returned too. Classifiers have those of `predict_proba`.
        progress_bar
            Whether to show one, with ``kind="mean"`` where it takes longer than a second.

        Returns
        -------
        Shape (n,) or (n, K), float64 NumPy; a pynapple object if ``X`` is one. With ``return_std``
        or ``interval`` a tuple: the mean, its standard deviation of the same shape, and the lower
        and upper bounds, shape (n, 2) or (n, K, 2).

        Raises
        ------
        NotFittedError
            Before `fit`, and before `sample` with ``kind="mean"``.
        ValueError
            For another ``kind``, or an interval without the draws that it needs.

        Warns
        -----
        DataWarning
            If a mean overflows, or is one that the observation model cannot have.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> mean, bounds = model.predict([[0.0], [1.0]], kind="mean", interval=0.9)
        >>> print(mean.round(1), bounds.round(0))
        [1.9 4. ] [[2. 2.]
         [3. 5.]]
        """
        self._require_fitted()
        self._require_kind(kind, interval)
        with jax.enable_x64(True):
            if kind == "mean":
                return self._predict_posterior_mean(X, offset, return_std, interval, progress_bar)
            eta, design = self._predict_eta(X, offset)
            if not return_std:
                return self._wrap(self._predict(eta), design)
            spread = self._std_of_mean(eta, design)
            return self._wrap(self._predict(eta), design), self._wrap(spread, design)

    def _require_kind(self, kind: str, interval: float | None) -> None:
        """Raise unless it is known what to predict."""
        if kind not in ("mode", "mean"):
            raise ValueError(f"`kind` must be 'mode' or 'mean'; got {kind!r}.")
        if interval is not None and kind == "mode":
            raise ValueError(
                "`interval` is that of the draws: pass kind='mean' with it, after `sample`. After "
                "`fit` alone there is `return_std=True`."
            )

    def _wrap(self, values: np.ndarray, design: Design) -> Any:
        """Give values back on the time axis of the features, if they had one."""
        return design.on_time_axis(values)

    def score(
        self,
        X: Any,
        y: Any,
        score_type: str = "log-likelihood",
        aggregate_sample_scores: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> Any:
        """Goodness of fit on these data; larger is better.

        Parameters
        ----------
        X, y, sample_weight, offset
            As in `fit`.
        score_type
            ``"log-likelihood"`` (nats per response, normalising constants included),
            ``"pseudo-r2-McFadden"`` or ``"pseudo-r2-Cohen"`` (1 is best, 0 is a constant mean).
        aggregate_sample_scores
            Function from one value per response, shape (n,) or (n, K), to the result; by default
            their mean, weighted if there are weights. It sees NaN where a response is missing.

        Raises
        ------
        NotImplementedError
            For any other ``score_type``.

        Warns
        -----
        DataWarning
            If a pseudo-R2 is undefined, because a constant mean fits these data perfectly.

        Notes
        -----
        A fit without any residual has no dispersion: the log-likelihood of data on it is infinite,
        and of other data minus infinity.
        """
        if score_type not in SCORES:
            raise NotImplementedError(
                f"Scoring method {score_type} not implemented! Choose one of {SCORES}."
            )
        self._require_fitted()
        with jax.enable_x64(True):
            data = self._read(X, y, sample_weight, offset, reset=False)
            mean = partial(_weighted_mean, weight=data.weight)
            aggregate = aggregate_sample_scores or mean
            convert = jnp.asarray if aggregate_sample_scores else np.asarray
            target, eta = self._kernel_response(data.y), self._eta(data.design, data.offset)
            model, null = self._cell_scores(score_type, data, target, eta)
            combine = lambda cells: aggregate(convert(self._squeeze(_blank(cells, data.weight))))
            value = combine(model)
            if null is not None:
                value = _improvement(value, combine(null))
        return value

    def _cell_scores(self, score_type, data, target, eta) -> tuple[np.ndarray, np.ndarray | None]:
        """Scores of all cells under the model, and under a constant mean where it is compared."""
        observations = self.observation_model
        if score_type == "pseudo-r2-Cohen":
            mean = scoring.mean_response(observations, self.inverse_link_function, eta)
            null = scoring.null_mean(observations, target, data.weight)
            cells = partial(scoring.deviance, observations, self._dispersion, target)
            return cells(mean), cells(null)
        link = self.inverse_link_function
        exact = self._dispersion == 0
        model = scoring.log_density(observations, link, self._dispersion, target, eta)
        if exact.any():
            mean = scoring.mean_response(observations, link, eta)
            hit = ((target == mean) | (data.weight == 0)).all(axis=0)
            model = np.where(exact, np.where(hit, np.inf, -np.inf), model)
        if score_type == "log-likelihood":
            return model, None
        null = scoring.null_log_density(observations, self._dispersion, target, data.weight)
        return model, np.where(exact, -np.inf, null) if exact.any() else null

    def simulate(self, random_key: Any, feedforward_input: Any, offset: Any = None) -> tuple:
        """Draw responses from the fitted model.

        Parameters
        ----------
        random_key
            JAX random key.
        feedforward_input
            Features, as in `fit`.
        offset
            Added to the linear predictor.

        Returns
        -------
        Responses and their means, shape (n,) or (n, K); log-probabilities for classifiers. A row
        of X with NaN gives NaN.

        Raises
        ------
        ValueError
            If a mean is infinite, or one that the observation model cannot have.
        """
        with jax.enable_x64(True):
            eta, design = self._predict_eta(feedforward_input, offset)
            mean = scoring.mean_response(self.observation_model, self.inverse_link_function, eta)
            self._refuse_impossible_draws(mean)
            missing = np.isnan(mean)
            drawn = self.observation_model.sample_generator(
                random_key, jnp.asarray(np.where(missing, 0.5, mean)), jnp.asarray(self._dispersion)
            )
            drawn = self._present_draws(np.asarray(drawn), missing)
            return tuple(self._wrap(self._squeeze(v), design) for v in (drawn, mean))

    def _refuse_impossible_draws(self, mean: np.ndarray) -> None:
        bad = self._impossible_means(mean)
        if self.observation_model.is_count:
            bad |= mean > domain.LARGEST_COUNT
        if bad.any():
            what = domain.describe_impossible(self.observation_model, bad)
            raise ValueError(f"{what}: nothing can be drawn there.")

    def _present_draws(self, drawn: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """Return simulated responses as users know them, missing where the mean is."""
        if drawn.dtype.kind == "i" and np.abs(drawn).max(initial=0) <= np.iinfo(np.int32).max:
            drawn = drawn.astype(np.int32)
        return mark_missing(drawn, missing)


def mark_missing(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Put NaN in numbers, and None in place of other things, where they are missing."""
    if not missing.any():
        return values
    if values.dtype.kind in "biuf":
        return np.where(missing, np.nan, values)
    values = values.astype(object)
    values[missing] = None
    return values


def _weighted_mean(cells: np.ndarray, weight: np.ndarray) -> float:
    """Mean of the cells that are not missing, weighted; one that is impossible outweighs all."""
    weight = weight[:, 0] if cells.ndim == 1 else np.broadcast_to(weight, cells.shape)
    if np.isneginf(cells[weight > 0]).any():
        return -np.inf
    return float(np.sum(np.where(weight > 0, weight * cells, 0.0)) / np.sum(weight))


def _improvement(model: Any, null: Any) -> Any:
    """``1 - model / null``; warns where a constant mean leaves nothing to improve on."""
    if not np.all(np.isfinite(null) & (np.asarray(null) != 0)):
        warn_user(
            "The pseudo-R2 is undefined: a constant mean fits these data perfectly, or the model "
            "has no dispersion. Use score_type='log-likelihood', or data that vary.",
            DataWarning,
        )
    with np.errstate(all="ignore"):
        return 1.0 - np.divide(model, null) if np.ndim(model) == 0 else 1.0 - model / null


def _blank(cells: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """NaN where the response is missing."""
    if weight.shape[1] == 1:
        return cells
    return np.where(weight > 0, cells, np.nan)
