"""Intervals, predictions with their uncertainty, information criteria and tests."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from bayesglm import intervals
from bayesglm.glm.design import read_design
from bayesglm.glm.params import GLMParams

METHODS = ("wald", "sandwich", "cluster", "profile", "bootstrap")


class Uncertainty:
    """Mixin of an estimator that can read data and holds fitted values."""

    def robust_covariance(
        self,
        X: Any,
        y: Any,
        covariance_type: str = "HC1",
        groups: Any = None,
        *,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> np.ndarray:
        """Covariance of the estimates that does not rely on the model's variance (sandwich).

        Parameters
        ----------
        X, y, sample_weight, offset
            The data of `fit`: the estimator does not keep them. A weight of two is a row twice.
        covariance_type
            ``"HC0"``; ``"HC1"``, with a factor for few rows; ``"HC2"`` or ``"HC3"``, which use
            each row's leverage (not for classifiers).
        groups
            Label of the group (cluster) of each row, shape (n,). Rows of a group may depend on
            one another in any way; "HC1" then has a factor for few groups.

        Returns
        -------
        As ``covariance_``: shape (D, D), or (K, D, D) for a population. After a penalised fit it
        describes the spread of the estimates around their mean, not their bias.

        Raises
        ------
        ValueError
            If the data are not those that the model was fitted to.
        """
        with jax.enable_x64(True):
            fitted = self._fitted_data(X, y, sample_weight, offset)
            codes = self._group_codes(groups, X, offset, len(fitted.data.y))
            covariance = _robust(fitted, covariance_type, codes)
        return covariance if self._validator.y_ndim == 2 else covariance[0]

    def confidence_interval(
        self,
        level: float = 0.95,
        method: str = "wald",
        X: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        offset: Any = None,
        groups: Any = None,
        covariance_type: str = "HC1",
        num_resamples: int = 1000,
        random_state: Any = None,
    ) -> Any:
        """Interval of each coefficient and intercept.

        Parameters
        ----------
        level
            Coverage, in (0, 1).
        method
            ``"wald"``: estimate and standard error, as in `summary`; ``"sandwich"``: with
            `robust_covariance`; ``"cluster"``: with `robust_covariance` of ``groups``;
            ``"profile"``: where the likelihood ratio, all other parameters at their best, reaches
            its quantile (unpenalised regressions); ``"bootstrap"``: quantiles of refits to
            resampled rows, or resampled ``groups``.
        X, y, sample_weight, offset
            The data of `fit`, for all methods but "wald": the estimator does not keep them.
        groups
            Label of the group of each row, shape (n,).
        covariance_type
            As in `robust_covariance`.
        num_resamples
            Number of refits of the bootstrap.
        random_state
            Seed or `numpy.random.Generator` of the bootstrap.

        Returns
        -------
        DataFrame with columns estimate, lower, upper and the index of `summary`; NaN for
        parameters that are held. Quantiles are Student's t with ``dof_resid_`` degrees of freedom
        where the dispersion is estimated by moments, with the number of groups less one for
        "cluster", and normal otherwise.

        Raises
        ------
        ValueError
            If data are needed and not given, or are not those of `fit`.
        NotImplementedError
            For the profile of a penalised fit or a classifier.
        """
        self._require_fitted()
        intervals.check_level(level)
        if method not in METHODS:
            raise ValueError(f"`method` must be one of {METHODS}; got {method!r}.")
        if method == "wald":
            return intervals.summarize(self, level)[["estimate", "lower", "upper"]]
        if X is None or y is None:
            raise ValueError(
                f"method={method!r} needs the data of `fit`, which the estimator does not keep: "
                "pass `X` and `y` (and `sample_weight` and `offset`, if there were any)."
            )
        if method == "cluster" and groups is None:
            raise ValueError("method='cluster' needs `groups`, one label per row.")
        with jax.enable_x64(True):
            fitted = self._fitted_data(X, y, sample_weight, offset)
            codes = self._group_codes(groups, X, offset, len(fitted.data.y))
            if method == "profile":
                bounds = self._profile(fitted, level)
            elif method == "bootstrap":
                bounds = self._bootstrap(fitted, level, num_resamples, random_state, codes)
            else:
                codes = codes if method == "cluster" else None
                covariance = _robust(fitted, covariance_type, codes)
                bounds = self._symmetric(fitted, covariance, level, codes)
        return intervals.interval_table(self, *bounds, level)

    def _symmetric(self, fitted, covariance, level, codes):
        """Bounds at a quantile of Student's t times the standard errors."""
        from scipy import stats

        dof = intervals.inference_dof(self)
        if codes is not None:
            dof = intervals.count_groups(fitted, codes)[:, None] - 1.0
        errors = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        reach = stats.t.ppf(0.5 + level / 2, dof) * errors
        estimate = intervals.pack(fitted.params)
        return estimate - reach, estimate + reach

    def _profile(self, fitted, level):
        if not self.regularizer.is_zero or fitted.classes:
            raise NotImplementedError(
                "method='profile' is for unpenalised regressions: the likelihood ratio of a "
                "penalised fit, or of one class's coefficient, has no known distribution. Use "
                "'wald' or 'bootstrap'."
            )
        intervals.require_covariance(self)
        return intervals.profile_bounds(fitted, level)

    def _bootstrap(self, fitted, level, num_resamples, random_state, codes):
        if not isinstance(num_resamples, int | np.integer) or num_resamples < 2:
            raise ValueError(f"`num_resamples` must be an integer, 2 or more; got {num_resamples}.")
        p, _, *classes = fitted.params.coef.shape
        spec = self._solver(int(np.prod(classes)) * (p + 1))
        settings = self._solver_settings(spec)
        estimates = intervals.bootstrap_estimates(
            fitted, spec, settings, int(num_resamples), random_state, codes
        )
        return intervals.percentile_bounds(estimates, level)

    def prediction_interval(
        self,
        X: Any,
        level: float = 0.95,
        offset: Any = None,
        *,
        method: str = "auto",
        progress_bar: bool = True,
    ) -> np.ndarray:
        """Interval of a new response at each row.

        Parameters
        ----------
        X, offset
            As in `predict`.
        level
            Probability that a new response lies in the interval, in (0, 1).
        method
            ``"posterior"``: from the draws of `sample`. ``"fit"``: the coefficients normal around
            their estimates. ``"auto"``: the former if there are draws.
        progress_bar
            Whether to show one, for the posterior where it takes longer than a second.

        Returns
        -------
        Lower and upper bounds, shape (n, 2) or (n, K, 2); whole numbers for counts, between which
        the probability is at least ``level``. They account for the response's own spread, for the
        uncertainty of the coefficients, and for that of the dispersion: of one estimated by
        moments after `fit`, of any that is sampled from the posterior. A row of X with NaN gives
        NaN.

        Raises
        ------
        NotFittedError
            Before `fit`, and before `sample` for the posterior.
        NotImplementedError
            For classifiers.

        Warns
        -----
        DataWarning
            If the mean at some draws is infinite or one that the observation model cannot have;
            they are left out.
        """
        self._require_fitted()
        intervals.check_level(level)
        if method not in ("auto", "fit", "posterior"):
            raise ValueError(f"`method` must be 'auto', 'fit' or 'posterior'; got {method!r}.")
        self._refuse_classes("prediction_interval")
        with jax.enable_x64(True):
            if method == "posterior" or (method == "auto" and self.posterior_ is not None):
                return self._posterior_prediction_interval(X, level, offset, progress_bar)
            return self._fit_prediction_interval(X, level, offset)

    def _fit_prediction_interval(self, X, level, offset):
        """Bounds of a new response, the linear predictor being normal around its estimate."""
        intervals.require_covariance(self)
        eta, design = self._predict_eta(X, offset)
        spread = intervals.eta_std(design.array, self._covariance)
        predictor = intervals.Predictor(
            self.observation_model,
            self.inverse_link_function,
            np.asarray(self._dispersion),
            np.broadcast_to(intervals.inference_dof(self)[:, 0], eta.shape[1]),
        )
        bounds = intervals.new_response_bounds(predictor, eta, spread, level)
        return self._wrap(self._squeeze(bounds), design)

    def _std_of_mean(self, eta: np.ndarray, design: Any) -> np.ndarray:
        """Return the standard deviation of the mean, in the user's shape, by the delta method."""
        self._refuse_classes("return_std=True")
        spread = intervals.eta_std(design.array, intervals.require_covariance(self))
        link = self.inverse_link_function
        return self._squeeze(intervals.mean_std(self.observation_model, link, eta, spread))

    def _refuse_classes(self, what: str) -> None:
        if self.observation_model.event_ndim:
            raise NotImplementedError(
                f"{what} is not for classifiers: a label has no standard deviation and no "
                "interval. `predict_proba` says how certain it is."
            )

    def _fitted_data(self, X, y, sample_weight, offset) -> intervals.FittedData:
        self._require_fitted()
        if self._dof_resid is None:
            raise ValueError(
                f"This {type(self).__name__} has coefficients that were set by hand: call `fit`."
            )
        data = self._read(X, y, sample_weight, offset, reset=False)
        K = data.y.shape[1]
        return intervals.FittedData(
            self._choices(data.design.layout, K),
            data,
            self._kernel_response(data.y),
            self._trailing(K),
            GLMParams(self._coef, self._intercept),
            np.asarray(self._dispersion),
            np.asarray(self._dof_resid),
            self._covariance,
        )

    def _group_codes(self, groups, X, offset, num_rows) -> np.ndarray | None:
        """Return the number of the group of each row that is kept, shape (n,)."""
        if groups is None:
            return None
        labels = np.asarray(groups)
        array = read_design(self._features(X, offset, reset=False)[0]).array
        if labels.shape != (len(array),):
            raise ValueError(
                f"`groups` must have shape {(len(array),)}, one label per row; got {labels.shape}."
            )
        codes = np.unique(labels, return_inverse=True)[1]
        return codes[~np.isnan(array).any(axis=1)] if len(array) > num_rows else codes


def _robust(fitted: Any, kind: str, codes: np.ndarray | None) -> np.ndarray:
    """Covariance (K, D, D) of a kind, of groups where there are any."""
    if kind not in intervals.KINDS:
        raise ValueError(f"`covariance_type` must be one of {intervals.KINDS}; got {kind!r}.")
    if codes is None:
        return intervals.sandwich(fitted, kind)
    if kind not in ("HC0", "HC1"):
        raise ValueError(f"`covariance_type` must be 'HC0' or 'HC1' with `groups`; got {kind!r}.")
    return intervals.cluster(fitted, kind, codes)
