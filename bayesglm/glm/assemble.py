"""From checked data and chosen parts to the arrays that the numerical code works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from bayesglm import regularizer as regularizers
from bayesglm._compiled import compiled, is_large
from bayesglm.glm.likelihood import Likelihood, Standardization, block_rows
from bayesglm.glm.loss import Loss, StandardizedPenalty
from bayesglm.glm.params import GLMParams, pack
from bayesglm.glm.rows import HostArrays, Rows, StreamedRows
from bayesglm.glm.validation import Data

TYPICAL_ROWS = 256  # whose mean is taken for a first guess of that of all
FEWEST_ROWS = 64  # smaller data are padded to this
STREAMED_BYTES = 2**28  # X of more is fetched from where it is instead of copied
ALIGNMENT = 64  # bytes; arrays aligned so are handed to the device without another copy


@dataclass(frozen=True)
class Choices:
    """The resolved choices that make a model, whatever the data.

    Parameters
    ----------
    observations, link
        How y is distributed.
    regularizer, strength
        Which coefficients are plausible.
    feature_mask
        Booleans of shape (p, *trailing), or None.
    fit_intercept
        Whether there is an intercept.
    """

    observations: Any
    link: Any
    regularizer: Any
    strength: Any
    feature_mask: Any
    fit_intercept: bool


@dataclass(frozen=True)
class Assembled:
    """A model with its data, ready to be optimised.

    Parameters
    ----------
    loss
        Unpenalised loss in standardised coordinates.
    penalty
        Penalty in the same coordinates.
    rows
        Observations.
    num_rows
        Sum of weights of each response, shape (K,).
    source
        What `rows` are fetched from, kept alive here; None where they are in memory.
    """

    loss: Loss
    penalty: StandardizedPenalty
    rows: Rows | StreamedRows
    num_rows: np.ndarray
    source: HostArrays | None = None

    @property
    def standardization(self) -> Standardization:
        """Coordinates of the parameters."""
        return self.loss.standardization

    @cached_property
    def host(self) -> Standardization:
        """Coordinates of the parameters, as NumPy arrays."""
        own = self.standardization
        return Standardization(np.asarray(own.center), np.asarray(own.scale))

    def with_scale(self, scale: Any) -> Assembled:
        """Return the same model at another dispersion (K,)."""
        scale = jnp.asarray(scale)
        loss = eqx.tree_at(lambda m: m.likelihood.scale, self.loss, scale)
        kappa = loss.likelihood.observations.kernel_factor(scale)
        penalty = self.penalty.penalty.with_rows(self.num_rows / kappa)
        penalty = StandardizedPenalty(penalty, self.standardization)
        return replace(self, loss=loss, penalty=penalty)

    @property
    def prior_dof(self) -> np.ndarray:
        """Rows less coefficients, shape (K,): what a dispersion is estimated with under a prior."""
        return self.num_rows - pack(self.loss.movable, np).sum(axis=1)

    @property
    def outnumbered(self) -> np.ndarray:
        """Responses (K,) with a parameter for every row, under a prior of its own scale."""
        if not self.penalty.penalty.depends_on_rows:
            return np.zeros(len(self.num_rows), bool)
        return self.prior_dof <= 0


def bucket(count: int) -> int:
    """Round up to at most an eighth more, so that nearly equal sizes share a program."""
    step = 2 ** max(int(np.floor(np.log2(count))) - 3, 0)
    return -(-count // step) * step


def padded_rows(count: int) -> int:
    """Rows that data of a block or less are padded to; few cost nothing and share one size."""
    return bucket(max(count, FEWEST_ROWS))


def to_rows(data: Data, y: np.ndarray) -> tuple[Rows | StreamedRows, HostArrays | None]:
    """Copy observations, padded with rows of weight zero, to the device; the largest stay.

    Parameters
    ----------
    data
        Checked observations.
    y
        Responses as the kernel wants them, shape (n, K) or one-hot (n, K, C).

    Returns
    -------
    The rows, and the arrays that they are fetched from, if they stay on the host.
    """
    X, offset = data.design.array, data.offset
    n, p = X.shape
    weight = data.weight / data.weight.sum(axis=0)
    block = block_rows(p, int(np.prod(y.shape[1:])))
    if X.nbytes > STREAMED_BYTES:
        source = HostArrays(X, y, weight, offset)
        return StreamedRows.of(source, block), source
    length = padded_rows(n) if n <= block else block * bucket(-(-n // block))
    pad = partial(_padded, length=length)
    padded = pad(X), pad(y), pad(weight, fill=0.0), None if offset is None else pad(offset)
    if is_large(padded):  # few go to the device with the call of a program, at no cost of their own
        padded = jax.device_put(padded, may_alias=True)
    return Rows(*padded, np.asarray(n), min(block, length)), None


def _padded(array: np.ndarray, length: int, fill: float | None = None) -> np.ndarray:
    """Array of ``length`` rows, aligned; padding repeats the last row or holds ``fill``."""
    shape = (length, *array.shape[1:])
    size = int(np.prod(shape)) * array.dtype.itemsize
    buffer = np.empty(size + ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    padded = buffer[start : start + size].view(array.dtype).reshape(shape)
    padded[: len(array)] = array
    padded[len(array) :] = array[-1] if fill is None else fill
    return padded


@compiled
def column_moments(rows: Rows | StreamedRows, centered: bool) -> tuple[Any, Any]:
    """Weighted mean and standard deviation of each column, shape (p,), in one pass.

    Sums are taken around the mean of the first rows, so that a large common offset costs no
    digits. Without centring, the mean is zero and the scale the root mean square.
    """
    shift = _typical_row(rows) if centered else jnp.zeros(rows.num_features)

    def of_block(block):
        weight = jnp.mean(block.weight, axis=1)
        deviation = jnp.where(weight[:, None] > 0, block.X.astype(float) - shift, 0.0)
        return weight @ deviation, weight @ deviation**2

    first_moment, second_moment = rows.sum(of_block)
    if not centered:
        return shift, jnp.sqrt(second_moment)
    variance = jnp.maximum(second_moment - first_moment**2, 0.0)
    return shift + first_moment, jnp.sqrt(variance)


def _typical_row(rows: Rows | StreamedRows) -> Any:
    """Weighted mean of the first rows, shape (p,); rows of weight zero do not count."""
    first = rows.slice(0)
    weight = jnp.mean(first.weight[:TYPICAL_ROWS], axis=1)
    X = jnp.where(weight[:, None] > 0, first.X[:TYPICAL_ROWS].astype(float), 0.0)
    return weight @ X / jnp.maximum(weight.sum(), jnp.finfo(float).tiny)


@compiled
def _coordinates(rows: Rows | StreamedRows, fit_intercept: bool) -> tuple[Any, Any]:
    center, scale = column_moments(rows, centered=fit_intercept)
    return center, jnp.where(is_constant(center, scale), 1.0, scale)


def standardize(rows: Rows | StreamedRows, fit_intercept: bool) -> Standardization:
    """Centre and scale of each column; a column that does not vary keeps its scale."""
    return Standardization(*_coordinates(rows, fit_intercept))


def is_constant(center: Any, scale: Any) -> Any:
    """Whether a column's spread is nothing but rounding."""
    return scale <= 1e-13 * jnp.abs(center) + jnp.finfo(float).tiny


def identity_standardization(num_features: int) -> Standardization:
    """Return the coordinates of the user."""
    return Standardization(np.zeros(num_features), np.ones(num_features))


def assemble(
    choices: Choices,
    data: Data,
    y: np.ndarray,
    trailing: tuple[int, ...],
    *,
    coordinates: str,
    num_rows: np.ndarray | None = None,
    held_responses: np.ndarray | None = None,
) -> Assembled:
    """Put a model and its data together.

    Parameters
    ----------
    choices, data
        The model and the observations.
    y
        Responses as the kernel wants them, shape (n, K) or (n, K, C).
    trailing
        Shape that the user sees after the feature axis: (), (K,), (C,) or (K, C).
    coordinates
        ``"columns"`` standardises each column, ``"groups"`` scales columns of a group of the
        penalty alike, ``"user"`` changes nothing.
    num_rows
        Number of rows that priors count, shape (K,); by default those of ``data``.
    held_responses
        Responses whose parameters do not move, booleans (K,).
    """
    observations, layout = choices.observations, data.design.layout
    rows, source = to_rows(data, y)
    p, (K, *classes) = layout.num_features, y.shape[1:]
    penalty = regularizers.resolve(
        choices.regularizer,
        choices.strength,
        layout,
        trailing,
        event_ndim=observations.event_ndim,
        num_rows=data.num_rows if num_rows is None else num_rows,
        **data_scales(choices, data, rows),
    )
    if coordinates == "user":
        standardization = identity_standardization(p)
    else:
        standardization = standardize(rows, choices.fit_intercept)
    if coordinates == "groups":
        standardization = _alike_in_groups(standardization, penalty, (p, K, *classes))
    mask = choices.feature_mask
    if mask is not None:
        mask = np.asarray(mask, float).reshape(p, K, *classes)
    free = np.ones(K, bool) if held_responses is None else ~held_responses
    free = np.broadcast_to(free.reshape(K, *(1,) * len(classes)), (K, *classes))
    movable = GLMParams(
        np.broadcast_to(free, (p, K, *classes)) & (True if mask is None else mask > 0),
        free & choices.fit_intercept,
    )
    likelihood = Likelihood(
        observations,
        choices.link,
        initial_scale(observations, K),
        mask,
    )
    loss = Loss(likelihood, standardization, movable)
    counted = data.num_rows if num_rows is None else num_rows
    penalty = StandardizedPenalty(penalty, standardization)
    return Assembled(loss, penalty, rows, counted, source)


def _alike_in_groups(
    standardization: Standardization, penalty: Any, shape: tuple[int, ...]
) -> Standardization:
    """Scales that the penalty's proximal operator allows; none if responses differ in groups."""
    wide = standardization.scale.reshape(-1, *(1,) * (len(shape) - 1))
    common = np.asarray(jnp.broadcast_to(penalty.common_scale(wide), shape)).reshape(shape[0], -1)
    alike = np.all(common == common[:, :1])
    scale = common[:, 0] if alike else np.ones(shape[0])
    return Standardization(standardization.center, jnp.asarray(scale))


def initial_scale(observations: Any, num_responses: int) -> np.ndarray:
    """Dispersion that a fit starts from, shape (K,)."""
    scale = getattr(observations, "scale", None)
    return np.array(np.broadcast_to(1.0 if scale is None else scale, num_responses), float)


def data_scales(choices: Choices, data: Data, rows: Rows | StreamedRows) -> dict[str, Any]:
    """Spread of columns and responses, for priors that follow them (rstanarm's rule)."""
    parts = getattr(choices.regularizer, "parts", {"": choices.regularizer}).values()
    if all(getattr(part, "distribution", part) is not None for part in parts):
        return {}
    _, scale = column_moments(rows, centered=True)
    center, spread = data.response_moments
    gaussian = type(choices.observations).__name__ == "GaussianObservations"
    identity = choices.link.__name__ == "identity"
    latent = 1.6 if choices.link.__name__ == "norm_cdf" else 1.0
    size = spread if gaussian else np.full_like(spread, latent)
    return {
        "feature_scale": np.asarray(scale),
        "response_scale": size,
        "response_center": center if gaussian and identity else np.zeros_like(center),
    }
