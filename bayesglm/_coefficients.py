"""The coefficients in one table: mode, standard error and posterior."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from bayesglm import intervals

PARAMETERS = ("coef", "all")
MEASURES = ("ess_bulk", "ess_tail", "r_hat")


class Coefficients:
    """Mixin of an estimator that can be sampled: tables and intervals of the coefficients."""

    def summary(self, level: float = 0.95, *, kind: str = "eti", parameters: str = "coef") -> Any:
        """Coefficient table as a DataFrame, one row per term (and response, and class).

        Parameters
        ----------
        level
            Probability of the intervals, in (0, 1).
        kind
            After `sample`, which credible interval: as in `credible_interval`.
        parameters
            After `sample`, ``"coef"`` for coefficients and intercepts, or ``"all"`` for the
            dispersion and the prior's own parameters too.

        Returns
        -------
        After `fit`, columns estimate, std_error, statistic, p_value, lower, upper: Wald intervals,
        by Student's t with ``dof_resid_`` degrees of freedom where the dispersion is estimated
        from residuals, normal otherwise. After a penalised fit they describe the penalised
        likelihood near its mode.

        After `sample`, the same estimate and std_error beside the posterior: mean, sd, the bounds
        lower and upper of a credible interval, and how well the draws determine them: ess_bulk,
        ess_tail, r_hat. A parameter that is held has neither; std_error is NaN where there is no
        mode. The effective size of draws with importance weights is that of the weights.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson").fit(X, y)
        >>> list(model.summary())
        ['estimate', 'std_error', 'statistic', 'p_value', 'lower', 'upper']
        >>> draws = model.sample(X, y, method="laplace", random_state=0, progress_bar=False)
        >>> list(model.summary())
        ['estimate', 'std_error', 'mean', 'sd', 'lower', 'upper', 'ess_bulk', 'ess_tail', 'r_hat']

        References
        ----------
        Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Rank-normalization, folding, and
        localization: an improved R-hat, *Bayesian Analysis* 16, 667-718.
        """
        self._require_fitted()
        if self.posterior_ is None:
            return intervals.summarize(self, level)
        check_choices(level, kind, parameters)
        draws, index = self._parameter_draws(parameters)
        convergence = self._convergence(parameters)
        return intervals.posterior_table(
            draws, index, level, kind, self._mode(parameters), convergence
        )

    def credible_interval(
        self, level: float = 0.95, kind: str = "eti", *, parameters: str = "coef"
    ) -> Any:
        """Interval that holds each parameter with a given probability, under the posterior.

        Parameters
        ----------
        level
            The probability, in (0, 1).
        kind
            ``"eti"``: equal tails, between two quantiles; ``"hdi"``: highest density, the
            shortest interval.
        parameters
            ``"coef"`` for coefficients and intercepts; ``"all"`` for the dispersion, where it is
            sampled, and the prior's own parameters too.

        Returns
        -------
        DataFrame with columns mean, lower and upper and the index of `summary`: term, for
        populations response, for classifiers class. The bounds of a parameter that is held are
        NaN.

        Raises
        ------
        NotFittedError
            Before `sample`.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson")
        >>> draws = model.sample(X, y, method="laplace", random_state=0, progress_bar=False)
        >>> table = model.credible_interval(0.9, kind="hdi")
        >>> bool(table.loc["x0", "lower"] < 1.0 < table.loc["x0", "upper"])
        True

        References
        ----------
        Gelman et al. (2013), *Bayesian Data Analysis*, 3rd ed., section 2.3.
        """
        check_choices(level, kind, parameters)
        draws, index = self._parameter_draws(parameters)
        return intervals.credible_table(draws, index, level, kind)

    def jackknife_covariance(
        self,
        X: Any = None,
        y: Any = None,
        *,
        groups: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        progress_bar: bool = True,
    ) -> np.ndarray:
        """Robust covariance of the posterior means, from the draws: the infinitesimal jackknife.

        How much posterior means would vary over repeated data, even where the model's variance,
        or shape, is wrong: the sandwich's answer, from posterior covariances of parameters and
        pointwise log-likelihoods alone. Under the right model and a weak prior it is the
        posterior covariance.

        Parameters
        ----------
        X, y, sample_weight, offset
            The data of `sample`; None takes those that it kept. A weight of two is a row twice.
        groups
            Label of the group (cluster) of each row, shape (n,). Rows of a group may depend on
            one another in any way.
        progress_bar
            Whether to show one where it takes longer than a second.

        Returns
        -------
        As ``covariance_``: shape (D, D), or (K, D, D) for a population; NaN for parameters that
        are held. Monte Carlo error makes variances too large by a share of about D over the
        number of effective draws.

        Raises
        ------
        NotFittedError
            Before `sample`.
        ValueError
            If the data were not kept and are not given.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson")
        >>> draws = model.sample(X, y, method="laplace", random_state=0, progress_bar=False)
        >>> model.jackknife_covariance(progress_bar=False).shape
        (2, 2)

        References
        ----------
        Giordano and Broderick (2023), The Bayesian infinitesimal jackknife for variance,
        arXiv:2305.06466.
        """
        drawn = self._drawn()
        with jax.enable_x64(True):
            data = self._posterior_data(X, y, sample_weight, offset)
            codes = self._jackknife_groups(groups, X, offset, len(data.y))
            target = self._kernel_response(data.y)
            found = intervals.jackknife(
                drawn, data, target, codes, progress_bar=progress_bar, description="jackknife"
            )
        return found if self._validator.y_ndim == 2 else found[0]

    def _jackknife_groups(self, groups, X, offset, num_rows) -> np.ndarray | None:
        """Return the number of the group of each row."""
        if groups is None or X is not None:
            return self._group_codes(groups, X, offset, num_rows)
        if np.shape(groups) != (num_rows,):
            raise ValueError(
                f"`groups` must have shape {(num_rows,)}, one label for each row that `sample` "
                f"kept; got {np.shape(groups)}."
            )
        return np.unique(groups, return_inverse=True)[1]

    def _parameter_draws(self, parameters: str) -> tuple[np.ndarray, Any]:
        """Equally likely draws, shape (S, m), and the labels of the m parameters."""
        drawn = self._drawn()
        draws = np.concatenate([drawn.coef, drawn.intercept[:, None]], axis=1)
        draws, index = draws.reshape(len(drawn), -1), intervals.term_index(self)
        others = self._other_parameters(parameters)
        if not others:
            return draws, index
        arrays = [self._likely(name).reshape(len(draws), -1) for name in others]
        more = intervals.parameter_index(others, list(index.names))
        return np.concatenate([draws, *arrays], axis=1), index.append(more)

    def _other_parameters(self, parameters: str) -> dict[str, list[tuple[str, list]]]:
        """Arrays of the posterior that are not coefficients, with the labels of their axes."""
        group = self._require_posterior()["posterior"]
        names = [name for name in group.data_vars if name not in ("coef", "intercept")]
        axes = lambda a: [(str(d), a[d].values.tolist()) for d in a.dims[2:]]
        return {name: axes(group[name]) for name in names if parameters == "all"}

    def _likely(self, name: str) -> np.ndarray:
        """Equally likely draws of an array of the posterior, shape (S, K, ...)."""
        array = np.asarray(self.posterior_["posterior"][name])
        array = array.reshape(
            -1, self._coef.shape[1], *array.shape[2 + self._validator.y_ndim - 1 :]
        )
        log_weight = self._log_weight()
        if log_weight is None:
            return array
        return array[self._resampled(log_weight), np.arange(array.shape[1])]

    def _mode(self, parameters: str) -> dict[str, np.ndarray]:
        """Estimates and standard errors of the parameters, shape (m,) each; NaN without any."""
        estimate = np.concatenate([self._coef, self._intercept[None]])
        errors = np.full(estimate.shape, np.nan)
        if self._covariance is not None:
            variance = np.diagonal(self._covariance, axis1=1, axis2=2)
            errors = intervals.term_array(np.sqrt(variance), self)
        columns = {"estimate": estimate.ravel(), "std_error": errors.ravel()}
        group = self.posterior_["posterior"]
        for name in self._other_parameters(parameters):
            unknown = np.full(group[name][0, 0].size, np.nan)
            found = self._dispersion if name == "scale" else unknown
            columns["estimate"] = np.append(columns["estimate"], found)
            columns["std_error"] = np.append(columns["std_error"], unknown)
        return columns

    def _convergence(self, parameters: str) -> dict[str, np.ndarray]:
        """Effective sample sizes and R-hat of the parameters, shape (m,) each."""
        names = ["coef", "intercept", *self._other_parameters(parameters)]
        found = np.concatenate([self._measured(name) for name in names], axis=1)
        return dict(zip(MEASURES, found, strict=True))

    def _measured(self, name: str) -> np.ndarray:
        """Rows of `MEASURES` for the entries of an array of the posterior, shape (3, entries)."""
        group = self.posterior_["posterior"]
        if name not in group:  # there is no intercept
            return np.full((len(MEASURES), self._intercept.size), np.nan)
        log_weight = self._log_weight()
        if log_weight is not None:
            size = self._effective_size(group[name], log_weight)
            return np.stack([size, size, np.full(size.shape, np.nan)])
        return np.stack([np.ravel(getattr(self.diagnostics_, key)[name]) for key in MEASURES])

    def _effective_size(self, array: Any, log_weight: np.ndarray) -> np.ndarray:
        """Return Kish's effective size of weighted draws, for every entry of an array of them."""
        import xarray

        weight = np.exp(log_weight)
        size = weight.sum(axis=0) ** 2 / (weight**2).sum(axis=0)
        by_response = xarray.DataArray(size, dims=["response"])
        if self._validator.y_ndim == 1:
            by_response = by_response[0]
        return np.ravel(xarray.ones_like(array[0, 0], float) * by_response)


def check_choices(level: float, kind: str, parameters: str) -> None:
    """Raise ValueError for arguments that mean nothing."""
    intervals.check_level(level)
    for name, value, choices in (
        ("kind", kind, ("eti", "hdi")),
        ("parameters", parameters, PARAMETERS),
    ):
        if value not in choices:
            raise ValueError(f"`{name}` must be one of {choices}; got {value!r}.")
