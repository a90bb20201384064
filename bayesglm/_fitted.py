"""What a fit found, held in float64 and handed out in the user's shapes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayesglm import io
from bayesglm._tree import FeatureLayout
from bayesglm._warnings import warn_user
from bayesglm.exceptions import DataWarning, NotFittedError


class FittedValues:
    """Mixin that turns the internal arrays (p, K[, C]) into the attributes users read.

    Arrays are handed out in the precision of the session; the estimator computes with its own.
    """

    _coef = _intercept = _scale = _dof_resid = _layout = _covariance = _labels = None
    solver_state_ = aux_ = None

    @abstractmethod
    def _trailing(self, num_responses: int) -> tuple[int, ...]:
        """Shape that users see after the feature axis."""

    @abstractmethod
    def _internal(self, array: np.ndarray) -> np.ndarray:
        """Coefficients (p, *trailing) as (p, K[, C])."""

    @property
    def coef_(self) -> Any:
        """Coefficients, in the structure of X: shape (p,), (p, K), (p, C) or (p, K, C)."""
        return None if self._coef is None else self._to_user(self._coef)[0]

    @coef_.setter
    def coef_(self, value: Any) -> None:
        leaves = jax.tree.map(lambda leaf: np.asarray(leaf, float), value)
        self._layout = FeatureLayout.of(jax.tree.map(lambda a: a.reshape(len(a), -1).T, leaves))
        self._coef = self._internal(self._layout.join(jax.tree.leaves(leaves)))
        self._covariance = None
        if len(self._labels or ()) != self._layout.num_features:
            self._labels = self._layout.default_names()

    @property
    def intercept_(self) -> Any:
        """Intercept, shape (1,), (K,), (C,) or (K, C)."""
        return None if self._intercept is None else self._to_user(None, self._intercept)[1]

    @intercept_.setter
    def intercept_(self, value: Any) -> None:
        self._intercept = self._internal(np.atleast_1d(np.asarray(value, float))[None])[0]

    @property
    def scale_(self) -> Any:
        """Dispersion, shape (1,) or (K,)."""
        return None if self._scale is None else in_session_precision(self._scale)

    @scale_.setter
    def scale_(self, value: Any) -> None:
        self._scale = np.atleast_1d(np.asarray(value, float))

    @property
    def dof_resid_(self) -> Any:
        """Residual degrees of freedom, shape (1,) or (K,)."""
        return None if self._dof_resid is None else jnp.asarray(self._dof_resid)

    @property
    def covariance_(self) -> np.ndarray:
        """Covariance of the estimates, coefficients in feature order and the intercept last.

        Shape (D, D), or (K, D, D) for a population; D = p + 1, times C classes. NaN for parameters
        that a mask or a penalty's kink holds. For a penalised fit it is the curvature of the
        penalised likelihood: the posterior's spread near its mode.
        """
        self._require_fitted()
        if self._covariance is None:
            raise AttributeError("No covariance: the last step was `update`, or p is too large.")
        return self._covariance if self._validator.y_ndim == 2 else self._covariance[0]

    @property
    def standard_errors_(self) -> tuple[Any, np.ndarray]:
        """Standard errors ``(coef, intercept)`` in the structure of the parameters, NumPy."""
        self._require_fitted()
        covariance = np.atleast_3d(self.covariance_).reshape(-1, *self.covariance_.shape[-2:])
        spread = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
        K, *classes = self._intercept.shape
        stacked = np.moveaxis(spread.reshape(K, -1, *classes), 0, 1)
        return self._to_user(stacked[:-1], stacked[-1], np.asarray)

    def save(self, path: Any) -> None:
        """Write the estimator, fitted or not, to one file that `bayesglm.load` reads.

        Parameters
        ----------
        path
            Name of the file, used as it is. An old file is replaced once the new one is complete.

        Raises
        ------
        OSError
            If it cannot be written; an old file is then as it was.
        TypeError
            If the estimator is of a class that is not of this package.
        """
        io.save(self, path)

    def save_params(self, path: Any) -> None:
        """Write the estimator to a file: `save`, by the name it has in NeMoS.

        Parameters
        ----------
        path
            Name of the file.
        """
        io.save(self, path)

    def _to_user(self, coef: Any, intercept: Any = None, convert: Any = None) -> tuple:
        """Return internal arrays in the user's shapes and structure."""
        convert = convert or in_session_precision
        if coef is not None:
            trailing = self._trailing(coef.shape[1])
            coef = self._layout.split(coef.reshape(len(coef), *trailing))
            coef = jax.tree.map(convert, coef)
        if intercept is not None:
            trailing = self._trailing(len(intercept))
            intercept = convert(intercept.reshape(trailing or (1,)))
        return coef, intercept

    def __sklearn_is_fitted__(self) -> bool:
        return self._coef is not None and self._intercept is not None

    def _require_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with "
                "appropriate arguments first."
            )


def in_session_precision(array: np.ndarray) -> jax.Array:
    """JAX array in the session's own precision; warns of numbers that are too large for it."""
    with np.errstate(over="ignore"):
        shown = jnp.asarray(array)
    if np.isinf(np.asarray(shown)).any() and not np.isinf(array).any():
        warn_user(
            "Some fitted numbers are too large for single precision and shown as infinite: read "
            "them in a session with double precision, jax.enable_x64(True).",
            DataWarning,
        )
    return shown
