"""Regularizers that look at one coefficient at a time: none, ridge, lasso, elastic net."""

from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from bayesglm.regularizer._shape import CoefShape, DataScales
from bayesglm.regularizer._strength import check_strength, coef_strength
from bayesglm.regularizer.base import PROXIMAL_SOLVERS, SMOOTH_SOLVERS, Regularizer
from bayesglm.regularizer.penalties import ElasticNetPenalty, Penalty


class UnRegularized(Regularizer):
    """No penalty: maximum likelihood. Any strength is ignored.

    Examples
    --------
    >>> UnRegularized().default_solver
    'Newton'
    """

    _allowed_solvers: ClassVar[tuple[str, ...]] = SMOOTH_SOLVERS
    _default_solver: ClassVar[str] = "Newton"
    default_strength: ClassVar[Any] = None

    @property
    def is_zero(self) -> bool:
        """True."""
        return True

    def strength_or_default(self, strength: Any) -> None:
        """None: without a penalty, a strength means nothing."""
        del strength

    def resolve(self, strength: Any, shape: CoefShape, scales: DataScales) -> Penalty:
        """Return the zero penalty."""
        del strength, shape, scales
        return ElasticNetPenalty(np.zeros(()), np.zeros(()), smooth=True, is_zero=True)


class Ridge(Regularizer):
    r"""Ridge penalty $\tfrac12 \sum_j s_j w_j^2$ on the coefficients, added to the mean loss.

    The strength $s$ is a scalar, or one number per coefficient; the default is 1. As a prior it
    is normal with variance $\kappa / (N s)$, with $N$ rows and $\kappa = 1$ ($\phi$ for gamma,
    $2\sigma^2$ for Gaussian observations). scikit-learn's ``Ridge(alpha)`` is ``s = 2 alpha / N``
    for Gaussian observations; its ``PoissonRegressor(alpha)`` is ``s = alpha``.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> loss = Ridge().penalized_loss(lambda coef: 0.0, jnp.zeros(2), strength=0.5)
    >>> float(loss(jnp.array([2.0, 4.0])))
    5.0
    """

    _allowed_solvers: ClassVar[tuple[str, ...]] = SMOOTH_SOLVERS
    _default_solver: ClassVar[str] = "Newton"

    def resolve(self, strength: Any, shape: CoefShape, scales: DataScales) -> Penalty:
        """Return the penalty with one weight per coefficient."""
        del scales
        l2 = check_strength(coef_strength(strength, shape))
        return ElasticNetPenalty(jnp.zeros(()), jnp.asarray(l2), smooth=True)


class Lasso(Regularizer):
    r"""Lasso penalty $\sum_j s_j |w_j|$ on the coefficients, added to the mean loss.

    The strength is as in `Ridge`. As a prior it is Laplace with scale $\kappa / (N s)$.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> prox = Lasso().get_proximal_operator(jnp.zeros(2), strength=1.0)
    >>> prox(jnp.array([2.0, -0.5]), None, 1.0).tolist()
    [1.0, -0.0]
    """

    _allowed_solvers: ClassVar[tuple[str, ...]] = PROXIMAL_SOLVERS
    _default_solver: ClassVar[str] = "ProximalNewton"

    def resolve(self, strength: Any, shape: CoefShape, scales: DataScales) -> Penalty:
        """Return the penalty with one weight per coefficient."""
        del scales
        l1 = check_strength(coef_strength(strength, shape))
        # Zeros of the same shape as an elastic net's weights: the two share a program.
        return ElasticNetPenalty(jnp.asarray(l1), jnp.zeros(l1.shape), smooth=False)


class ElasticNet(Regularizer):
    r"""Elastic net $\sum_j s_j [\tfrac12 (1 - r_j) w_j^2 + r_j |w_j|]$, added to the mean loss.

    The strength is ``s`` (with ratio 0.5) or the tuple ``(s, r)``, each a scalar or one number per
    coefficient; the ratio is in (0, 1], and the default is ``(1.0, 0.5)``.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> loss = ElasticNet().penalized_loss(lambda coef: 0.0, jnp.zeros(1), strength=(2.0, 0.25))
    >>> float(loss(jnp.array([2.0])))
    4.0
    """

    _allowed_solvers: ClassVar[tuple[str, ...]] = PROXIMAL_SOLVERS
    _default_solver: ClassVar[str] = "ProximalNewton"
    default_strength: ClassVar[Any] = (1.0, 0.5)

    def resolve(self, strength: Any, shape: CoefShape, scales: DataScales) -> Penalty:
        """Return the penalty with two weights per coefficient."""
        del scales
        strength, ratio = _strength_and_ratio(strength)
        total = check_strength(coef_strength(strength, shape))
        share = _check_ratio(coef_strength(ratio, shape, default=0.5))
        return ElasticNetPenalty(
            jnp.asarray(total * share), jnp.asarray(total * (1.0 - share)), smooth=False
        )


def _strength_and_ratio(strength: Any) -> tuple[Any, Any]:
    """Split what a user may give an elastic net."""
    if not isinstance(strength, tuple):
        return strength, 0.5
    if len(strength) != 2:
        raise TypeError(
            "ElasticNet regularizer strength must be a tuple (strength, ratio); "
            f"got a tuple of length {len(strength)}."
        )
    return strength


def _check_ratio(ratio: np.ndarray) -> np.ndarray:
    """Return the ratio if it is in (0, 1]."""
    bad = ~((ratio > 0) & (ratio <= 1))
    if bad.any():
        raise ValueError(
            "ElasticNet regularization ratio must be in (0, 1] (for 0 use Ridge); "
            f"got {ratio[bad].flat[0]}."
        )
    return ratio
