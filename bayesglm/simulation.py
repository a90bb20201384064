"""Simulate coupled responses step by step, and make the filters that couple them."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from bayesglm import links, observation_models
from bayesglm._compiled import compiled

__all__ = ["difference_of_gammas", "regress_filter", "simulate_recurrent"]

_AXES = {
    "coupling_coef": ("n_neurons", "n_neurons", "n_basis_funcs"),
    "feedforward_coef": ("n_neurons", "n_features"),
    "intercepts": ("n_neurons",),
    "feedforward_input": ("n_timebins", "n_neurons", "n_features"),
    "coupling_basis_matrix": ("window_size", "n_basis_funcs"),
    "init_y": ("window_size", "n_neurons"),
}
_MISMATCH = {
    "n_neurons": "The number of neurons provided in the inputs is inconsistent!",
    "n_features": "Inconsistent number of features.",
    "n_basis_funcs": "Inconsistent number of features.",
    "window_size": "`init_y` and `coupling_basis_matrix` should have the same window size!",
}
_WORDS = {1: "one", 2: "two", 3: "three"}


def simulate_recurrent(
    coupling_coef: ArrayLike,
    feedforward_coef: ArrayLike,
    intercepts: ArrayLike,
    random_key: Array,
    feedforward_input: ArrayLike,
    coupling_basis_matrix: ArrayLike,
    init_y: ArrayLike,
    inverse_link_function: Any = None,
    *,
    observation_model: Any = "Poisson",
    scale: ArrayLike | None = None,
) -> tuple[Array, Array]:
    r"""Simulate K responses that depend on their own and each other's past.

    At each time bin, with $a_{wj}$ the last W values of response j, oldest first,

    .. math:: \mu_i = g^{-1}\Big(\beta_i + \sum_f c_{if}x_{tif}
        + \sum_{j,b} C_{ijb} \sum_w a_{wj} B_{W-1-w,b}\Big),

    and the new values are drawn from the observation model at mean $\mu$. So the first row of the
    basis weighs the last bin, and the coefficients are those of a design whose columns are the
    responses' past convolved with the basis.

    Parameters
    ----------
    coupling_coef
        Coupling coefficients C, shape (K receivers, K senders, B basis functions).
    feedforward_coef
        Coefficients c of the inputs, shape (K, F).
    intercepts
        Intercepts, shape (K,).
    random_key
        JAX random key; bin t uses the t-th of its ``jax.random.split``.
    feedforward_input
        Inputs x, shape (T time bins, K, F); F may be 0.
    coupling_basis_matrix
        Basis functions of the time since an event, in bins, shape (W, B).
    init_y
        The W values before the first bin, oldest first, shape (W, K).
    inverse_link_function
        Name, function or ``InverseLink``. ``None`` is softplus for a Poisson model, as in NeMoS,
        and the observation model's default for any other.
    observation_model
        Name or instance of an observation model with one number per response and bin.
    scale
        Dispersion, number or shape (K,): variance of a Gaussian, squared coefficient of variation
        of a Gamma, and so on. ``None`` is the observation model's own.

    Returns
    -------
    simulated_activity
        Draws, shape (T, K), in the observation model's type: integers for counts.
    firing_rates
        The means $\mu$ that they were drawn at, shape (T, K), in units of y per bin.

    Raises
    ------
    ValueError
        If shapes disagree, an array is not numeric or not finite, or the observation model is
        categorical.

    Warns
    -----
    RuntimeWarning
        If the simulation leaves the range of the observation model: exploding feedback, or a
        link that gives impossible means.

    Notes
    -----
    Computed in float64, returned in JAX's configured precision: draws depend on the key,
    not on ``jax_enable_x64``.

    References
    ----------
    Truccolo et al. (2005), "A point process framework for relating neural spiking activity to
    spiking history, neural ensemble, and extrinsic covariate effects", *J. Neurophysiol.* 93.

    Examples
    --------
    A response that inhibits itself, driven by a constant input:

    >>> import jax
    >>> import numpy as np
    >>> from bayesglm.simulation import simulate_recurrent
    >>> counts, rates = simulate_recurrent(
    ...     coupling_coef=-np.ones((1, 1, 1)),
    ...     feedforward_coef=np.ones((1, 1)),
    ...     intercepts=np.zeros(1),
    ...     random_key=jax.random.key(0),
    ...     feedforward_input=np.ones((200, 1, 1)),
    ...     coupling_basis_matrix=np.ones((3, 1)),
    ...     init_y=np.zeros((3, 1)),
    ... )
    >>> counts.shape, rates.shape
    ((200, 1), (200, 1))
    >>> bool(rates[counts.argmax() + 1] < rates[0])  # a burst is followed by silence
    True
    """
    model = _resolve_model(observation_model)
    link = _resolve_link(inverse_link_function, model)
    arrays = {
        "coupling_coef": coupling_coef,
        "feedforward_coef": feedforward_coef,
        "intercepts": intercepts,
        "feedforward_input": feedforward_input,
        "coupling_basis_matrix": coupling_basis_matrix,
        "init_y": init_y,
    }
    arrays = {name: _as_float(name, value) for name, value in arrays.items()}
    _check_shapes(arrays)
    scale = _as_scale(model, scale, num_responses=len(arrays["intercepts"]))
    with jax.enable_x64(True):
        outputs = _simulate(random_key, arrays, scale, model, link)
        activity, rates = (np.asarray(output) for output in outputs)
    _warn_if_out_of_range(model, activity, rates)
    with np.errstate(over="ignore"):  # infinite in float32, and warned of above
        return jnp.asarray(activity), jnp.asarray(rates)


@compiled
def _simulate(
    key: Array, arrays: dict[str, Array], scale: Array, model: Any, link: links.InverseLink
) -> tuple[Array, Array]:
    """Scan over time bins; see `simulate_recurrent`."""
    drive = arrays["intercepts"] + jnp.einsum(
        "if,tif->ti", arrays["feedforward_coef"], arrays["feedforward_input"]
    )
    newest_last = arrays["coupling_basis_matrix"][::-1]

    def step(past: Array, inputs: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        step_key, step_drive = inputs
        features = jnp.einsum("wj,wb->jb", past, newest_last)
        coupling = jnp.einsum("ijb,jb->i", arrays["coupling_coef"], features)
        rate = link(coupling + step_drive)
        new = model.sample_generator(step_key, rate, scale)
        past = jnp.concatenate([past[1:], new[jnp.newaxis].astype(past.dtype)])
        return past, (new, rate)

    keys = jax.random.split(key, len(drive))
    return jax.lax.scan(step, arrays["init_y"], (keys, drive))[1]


def difference_of_gammas(
    ws: int,
    upper_percentile: float = 0.99,
    inhib_a: float = 1.0,
    excit_a: float = 2.0,
    inhib_b: float = 1.0,
    excit_b: float = 2.0,
) -> NDArray[np.float64]:
    r"""Coupling filter: one gamma density minus another, scaled to Euclidean norm one.

    The densities $b^a x^{a-1}e^{-bx}/\Gamma(a)$ are evaluated at `ws` equidistant points from 0 to
    the larger of their two `upper_percentile` quantiles.

    Parameters
    ----------
    ws
        Length of the filter, in bins.
    upper_percentile
        Probability, in [0, 1), below the quantile at which the filter ends.
    inhib_a, excit_a
        Shapes of the inhibitory (subtracted) and the excitatory density; positive.
    inhib_b, excit_b
        Their rates, in inverse units of x; positive.

    Returns
    -------
    Filter, shape (ws,), dimensionless.

    Raises
    ------
    ValueError
        If a parameter is not positive, `upper_percentile` is not in [0, 1), or the difference is
        zero or infinite and cannot be normalised.

    Examples
    --------
    >>> from bayesglm.simulation import difference_of_gammas
    >>> difference_of_gammas(5).round(3)
    array([-0.99 ,  0.143, -0.008, -0.018, -0.008])
    """
    parameters = {"excit_a": excit_a, "inhib_a": inhib_a, "excit_b": excit_b, "inhib_b": inhib_b}
    for name, value in parameters.items():
        if not value > 0:
            raise ValueError(f"Gamma parameter {name} must be >0; got {value}.")
    if not 0 <= upper_percentile < 1:
        raise ValueError(
            f"upper_percentile should lie in the [0, 1) interval. {upper_percentile} provided "
            "instead!"
        )
    from scipy.stats import gamma

    inhibition = gamma(a=inhib_a, scale=1 / inhib_b)
    excitation = gamma(a=excit_a, scale=1 / excit_b)
    end = max(inhibition.ppf(upper_percentile), excitation.ppf(upper_percentile))
    x = np.linspace(0, end, ws)
    difference = excitation.pdf(x) - inhibition.pdf(x)
    norm = np.linalg.norm(difference)
    if not 0 < norm < np.inf:
        raise ValueError(
            f"The difference of gamma densities has norm {norm} and cannot be normalised: choose "
            "two different densities, with shapes `inhib_a` and `excit_a` of at least 1."
        )
    return difference / norm


def regress_filter(coupling_filters: ArrayLike, eval_basis: ArrayLike) -> NDArray[np.float64]:
    """Coefficients of filters in a basis, by least squares.

    Parameters
    ----------
    coupling_filters
        Filters, shape (W bins, K receivers, K senders).
    eval_basis
        Basis functions, shape (W, B).

    Returns
    -------
    Coefficients, shape (K, K, B): the ``coupling_coef`` of `simulate_recurrent`. Those of least
    norm if the basis is redundant.

    Raises
    ------
    ValueError
        If the shapes are not as said.

    Examples
    --------
    >>> import numpy as np
    >>> from bayesglm.simulation import regress_filter
    >>> lags = np.arange(10.0)
    >>> basis = np.column_stack([np.exp(-lags), np.exp(-lags / 3)])
    >>> filters = (2 * basis[:, 0] - basis[:, 1]).reshape(10, 1, 1)
    >>> regress_filter(filters, basis).round(6)
    array([[[ 2., -1.]]])
    """
    filters, basis = np.asarray(coupling_filters), np.asarray(eval_basis)
    for name, array, ndim, shape in (
        ("eval_basis", basis, 2, "(window_size, n_basis_funcs)"),
        ("coupling_filters", filters, 3, "(window_size, n_neurons, n_neurons)"),
    ):
        if array.ndim != ndim:
            raise ValueError(
                f"{name} must be a {ndim} dimensional array, shape {shape}. {array.ndim} "
                "dimensional array provided instead!"
            )
    if len(basis) != len(filters):
        raise ValueError(
            "window_size mismatch. The window size of coupling_filters and eval_basis does not "
            f"match: {len(filters)} and {len(basis)}."
        )
    weights = np.linalg.lstsq(basis, filters.reshape(len(filters), -1), rcond=None)[0]
    return np.moveaxis(weights.reshape(basis.shape[1], *filters.shape[1:]), 0, -1)


def _resolve_model(spec: Any) -> Any:
    """Find the observation model, and refuse one whose draws are vectors."""
    model = observation_models.resolve(spec)
    if getattr(model, "event_ndim", 0):
        raise ValueError(
            "simulate_recurrent needs an observation model with one number per response and time "
            f"bin; got {model!r}."
        )
    return model


def _resolve_link(spec: Any, model: Any) -> links.InverseLink:
    """Find the inverse link: softplus for Poisson unless told otherwise, as in NeMoS."""
    if spec is None and isinstance(model, observation_models.PoissonObservations):
        return links.softplus
    return links.resolve(model.default_inverse_link_function if spec is None else spec)


def _as_scale(model: Any, scale: Any, num_responses: int) -> NDArray[np.float64]:
    """Convert the dispersion, given or the model's own, to one positive number per response."""
    value = model.scale if scale is None else scale
    if value is None:
        raise ValueError(f"{model!r} estimates its scale: pass `scale`.")
    array = np.asarray(value, dtype=np.float64)
    if array.shape not in {(), (1,), (num_responses,)} or not (array > 0).all():
        raise ValueError(
            f"`scale` must be a positive number, or one for each of the {num_responses} neurons; "
            f"got {scale!r}."
        )
    return array


def _as_float(name: str, value: Any) -> NDArray[np.float64]:
    """Convert one argument to a finite float64 array."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"simulate_recurrent works only with arrays, not pytrees; got `{name}` of type "
            f"{type(value).__name__}."
        ) from error
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` contains NaN or infinite values.")
    return array


def _check_shapes(arrays: dict[str, NDArray]) -> None:
    """Raise unless the arrays have the axes of `_AXES`, each of one length throughout."""
    lengths: dict[str, dict[str, int]] = {}
    for name, array in arrays.items():
        axes = _AXES[name]
        if array.ndim != len(axes):
            raise ValueError(
                f"`{name}` must be {_WORDS[len(axes)]}-dimensional, with shape "
                f"({', '.join(axes)}); got shape {array.shape}."
            )
        for axis, length in zip(axes, array.shape, strict=True):
            key = f"{name} (senders)" if axis in lengths and name in lengths[axis] else name
            lengths.setdefault(axis, {})[key] = length
    for axis, found in lengths.items():
        if len(set(found.values())) > 1:
            raise ValueError(f"{_MISMATCH[axis]} Got {axis} {found}.")


def _warn_if_out_of_range(model: Any, activity: NDArray, rates: NDArray) -> None:
    """Warn of the first time bin with an impossible mean or draw."""
    possible = np.isfinite(rates) & np.isfinite(activity)
    if hasattr(model, "in_support"):
        possible &= model.in_support(activity)
    if not possible.all():
        time, neuron = np.argwhere(~possible)[0]
        warnings.warn(
            f"The simulation left the range of {model!r} at time bin {time}, response {neuron}, "
            f"where the mean is {rates[time, neuron]}: weaken the coupling, or choose an inverse "
            "link that bounds the means.",
            RuntimeWarning,
            stacklevel=3,
        )
