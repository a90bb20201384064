"""Deviance, information criteria and tests of hypotheses."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from bayesglm import intervals
from bayesglm.glm.params import GLMParams
from bayesglm.intervals import comparison


class Comparison:
    """Mixin of an estimator that can read data and holds fitted values."""

    def deviance(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Any:
        """Deviance: twice the log-likelihood lost against a model that fits every response.

        Parameters
        ----------
        X, y, sample_weight, offset
            As in `fit`.

        Returns
        -------
        Weighted sum over rows, at unit dispersion where that only divides; a float, or (K,).
        """
        return self._per_response(comparison.deviance, X, y, sample_weight, offset)

    def aic(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Any:
        """Akaike's information criterion; smaller is better.

        Parameters
        ----------
        X, y, sample_weight, offset
            The data of `fit`.

        Returns
        -------
        ``-2 log-likelihood + 2 k``, a float, or (K,). As in statsmodels, k counts coefficients
        and the intercept, and a dispersion only where it is estimated by maximum likelihood; a
        Gaussian's variance in the log-likelihood is RSS / n. Under a penalty with kinks, k counts
        coefficients that are not zero (Zou, Hastie and Tibshirani 2007).

        Raises
        ------
        ValueError
            After a fit with a smooth penalty, which has no number of parameters.
        """
        criterion = lambda fitted, eta: (
            2 * comparison.num_parameters(fitted) - 2 * comparison.log_likelihood(fitted, eta)
        )
        return self._per_response(criterion, X, y, sample_weight, offset)

    def bic(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Any:
        """Schwarz's information criterion; smaller is better.

        Parameters
        ----------
        X, y, sample_weight, offset
            The data of `fit`.

        Returns
        -------
        ``-2 log-likelihood + k log n``, with n the sum of weights and all else as in `aic`.

        Raises
        ------
        ValueError
            As `aic`.
        """
        criterion = lambda fitted, eta: (
            np.log(fitted.data.num_rows) * comparison.num_parameters(fitted)
            - 2 * comparison.log_likelihood(fitted, eta)
        )
        return self._per_response(criterion, X, y, sample_weight, offset)

    def wald_test(self, hypothesis: Any, value: Any = 0.0, covariance: Any = None) -> Any:
        """Test that some terms, or combinations of parameters, have given values.

        Parameters
        ----------
        hypothesis
            A term of `summary`, a list of them, or a matrix of shape (q, D) whose rows are
            combinations of the parameters of a response, in the order of ``covariance_``. Terms
            of a classifier are to be the same for all classes.
        value
            What the combinations are under the hypothesis: a number, or shape (q,).
        covariance
            A covariance to use instead of ``covariance_``, such as `robust_covariance` returns.

        Returns
        -------
        DataFrame with a row per response and columns statistic, distribution, df, dof_resid and
        p_value: F where the dispersion is estimated by moments, else chi-square. Parameters that
        a mask holds are not counted.

        Raises
        ------
        ValueError
            For unknown terms, wrong shapes, or a penalised fit, whose shrunken estimates have no
            known distribution under the hypothesis.
        """
        self._require_fitted()
        self._refuse_penalty("wald_test")
        restriction = self._restriction(hypothesis)
        if covariance is None:
            covariance = intervals.require_covariance(self)
        theta = intervals.pack(GLMParams(self._coef, self._intercept))
        covariance = np.asarray(covariance, float).reshape(len(theta), *theta.shape[1:] * 2)
        dof = np.broadcast_to(intervals.inference_dof(self)[:, 0], len(theta))
        value = np.broadcast_to(np.asarray(value, float), len(restriction))
        statistic, rank = comparison.wald(restriction, value, theta, covariance, dof)
        return comparison.tests_table(statistic, rank, dof, self._test_index())

    def _restriction(self, hypothesis: Any) -> np.ndarray:
        """Matrix (q, D) meant by names of terms or given."""
        terms = [*self._labels, "intercept"]
        num_classes = int(np.prod(self._intercept.shape[1:]))
        if isinstance(hypothesis, str):
            hypothesis = [hypothesis]
        names = [name for name in hypothesis if isinstance(name, str)]
        if len(names) == len(hypothesis) > 0:
            unknown = sorted(set(names) - set(terms))
            if unknown:
                raise ValueError(f"`hypothesis` names no terms {unknown}; there are {terms}.")
            alike = np.eye(num_classes)  # of classes only differences are known
            if num_classes > 1:
                alike = alike[1:] - alike[:1]
            return np.kron(np.eye(len(terms))[np.isin(terms, names)], alike)
        matrix = np.atleast_2d(np.asarray(hypothesis, float))
        if matrix.shape[1] != len(terms) * num_classes or not np.isfinite(matrix).all():
            raise ValueError(
                f"`hypothesis` must be names of terms or a finite matrix with "
                f"{len(terms) * num_classes} columns, one per parameter; got {matrix.shape}."
            )
        return matrix

    def likelihood_ratio_test(
        self,
        smaller: Any,
        X: Any,
        y: Any,
        X_smaller: Any = None,
        *,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> Any:
        """Test a smaller model, fitted to the same responses, against this one.

        Parameters
        ----------
        smaller
            Fitted model of the same family and link, with fewer coefficients.
        X, y, sample_weight, offset
            The data of both fits.
        X_smaller
            Features of the smaller model; by default ``X``, or its columns of the names that the
            smaller one was fitted with.

        Returns
        -------
        As `wald_test`: the F test of the analysis of deviance where the dispersion is estimated
        by moments, else the chi-square test.

        Raises
        ------
        TypeError
            If the models differ in kind, family or link.
        ValueError
            If ``smaller`` is not within this model, or one is a penalised fit.
        """
        self._require_fitted()
        smaller._require_fitted()
        kinds = [
            (type(m).__name__, type(m.observation_model).__name__, m.inverse_link_function.__name__)
            for m in (self, smaller)
        ]
        if kinds[0] != kinds[1]:
            raise TypeError(f"`smaller` must be a model of {kinds[0]}; got one of {kinds[1]}.")
        if X_smaller is None:
            names = getattr(smaller, "feature_names_in_", None)
            X_smaller = X if names is None or not hasattr(X, "columns") else X[list(names)]
        with jax.enable_x64(True):
            models = []
            for model, features in ((self, X), (smaller, X_smaller)):
                model._refuse_penalty("likelihood_ratio_test")
                fitted = model._fitted_data(features, y, sample_weight, offset)
                models.append((fitted, model._eta(fitted.data.design, fitted.data.offset)))
            found = comparison.likelihood_ratio(*models)
        return comparison.tests_table(*found, self._test_index())

    def _per_response(self, measure, X, y, sample_weight, offset):
        with jax.enable_x64(True):
            fitted = self._fitted_data(X, y, sample_weight, offset)
            values = measure(fitted, self._eta(fitted.data.design, fitted.data.offset))
        return values if self._validator.y_ndim == 2 else float(values[0])

    def _refuse_penalty(self, method: str) -> None:
        if not self.regularizer.is_zero:
            raise ValueError(
                f"`{method}` needs an unpenalised fit: under a penalty neither the estimates nor "
                "their likelihood have the distribution that the test compares with."
            )

    def _test_index(self) -> Any:
        import pandas as pd

        return pd.Index(self._response_labels() or ["y"], name="response")
