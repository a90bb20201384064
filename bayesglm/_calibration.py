"""Simulation-based calibration of the user's own model."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayesglm import posterior
from bayesglm._parameters import given
from bayesglm._priors import refuse_flat
from bayesglm._progress import ChainProgress
from bayesglm._sampling import check_counts, read_seed
from bayesglm.diagnostics import calibration
from bayesglm.diagnostics.names import array_names
from bayesglm.exceptions import DataWarning
from bayesglm.glm import initialize
from bayesglm.glm.log_posterior import LogPosterior
from bayesglm.glm.memory import exhaustion_as_memory_error, refuse_too_large
from bayesglm.glm.params import GLMParams
from bayesglm.posterior import data_sets
from bayesglm.posterior.beliefs import Beliefs, draw_parameters, draw_responses

METHODS = ("auto", "nuts", "importance", "exact")  # whose draws are exact
FEWEST_SIMULATIONS = 20  # with which a histogram of ten bins says anything


class Calibration:
    """Mixin of an estimator that can be sampled: calibration."""

    def calibrate(
        self,
        X: Any,
        num_simulations: int = 500,
        *,
        y: Any = None,
        method: str = "auto",
        num_samples: int = 250,
        num_chains: int = 4,
        random_state: Any = None,
        scale_prior: Any = None,
        intercept_prior: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        progress_bar: bool = True,
    ) -> calibration.CalibrationResult:
        """Check, by simulated data, that sampling recovers what made them.

        Parameters are drawn from this model's priors, responses at ``X`` from them, and all
        simulated data sets are sampled in one program. The rank of each true parameter among 99 of
        its draws is uniform if, and in practice only if, the draws are from the posterior: this
        checks this model, with this prior and design, before any real data are analysed. The model
        itself is not changed.

        Parameters
        ----------
        X
            Features, as in `fit`.
        num_simulations
            Number of simulated data sets.
        y
            Responses, as in `fit`, for priors that take their scale from them: it is taken once,
            and the same prior then simulates all data sets and is that of all posteriors. Needed
            if the dispersion is estimated, and for the number of responses before `fit`.
        method
            As in `sample`: ``"auto"``, ``"nuts"``, ``"importance"`` or ``"exact"``.
        num_samples, num_chains
            Draws of each chain for each data set, 100 or more in all, and chains.
        random_state
            Seed: an integer, a NumPy generator, or None for a new one.
        scale_prior
            As in `sample`.
        intercept_prior
            NumPyro distribution of the intercept, about the linear predictor at the column means,
            for regularizers that leave it flat. Posteriors have it too.
        sample_weight
            Zero for rows without a response, and one.
        offset
            As in `fit`.
        progress_bar
            Whether to show one.

        Returns
        -------
        `CalibrationResult`, which prints a verdict, with ``ranks``, ``tests``, ``coverage`` and
        ``plot()``.

        Raises
        ------
        ValueError
            If some prior is flat, since nothing can be drawn from it; if the prior ties several
            responses together, which are then one problem too large to be sampled so often; if
            weights are not zero or one, since no responses are distributed as a power of their
            density; or if fewer than half of the data sets can be drawn.
        MemoryError
            If data sets and draws would not fit into the memory that is free.

        Examples
        --------
        >>> import numpy as np
        >>> import numpyro.distributions as dist
        >>> from bayesglm import GLM, Prior
        >>> X = np.linspace(-1, 1, 40)[:, None]
        >>> prior = Prior(dist.Normal(0, 0.5), intercept=dist.Normal(1, 0.5))
        >>> found = GLM("Poisson", regularizer=prior).calibrate(
        ...     X, 100, method="importance", random_state=0, progress_bar=False
        ... )
        >>> found.passed
        True

        References
        ----------
        Talts, Betancourt, Simpson, Vehtari and Gelman (2018), Validating Bayesian inference
        algorithms with simulation-based calibration. Modrák et al. (2023), *Bayesian Analysis*.
        """
        check_counts(num_samples=num_samples, num_chains=num_chains)
        _check_sizes(num_simulations, num_samples * num_chains, method)
        seed = read_seed(random_state)
        rng = np.random.default_rng(seed)
        with jax.enable_x64(True), exhaustion_as_memory_error():
            twin, beliefs = self._beliefs(X, y, scale_prior, sample_weight, offset)
            _refuse_uncalibrated(twin, beliefs, intercept_prior)
            if intercept_prior is not None:
                own = beliefs.coefficients
                own = posterior.with_intercept_prior(own, intercept_prior, beliefs.shape)
                beliefs = replace(beliefs, coefficients=own)
            _refuse_too_many(beliefs, num_simulations, num_samples * num_chains)
            true, responses = _simulate(beliefs, rng, num_simulations)
            posteriors = _posteriors(twin, beliefs, responses)
            options = posterior.Options(
                num_samples=num_samples,
                num_chains=num_chains,
                num_warmup=None,
                seed=seed,
                resample=False,
                target_accept=None,
                max_tree_depth=10,
                checkpoint=None,
                state=None,
                progress=lambda *counts: ChainProgress(*counts, num_chains, progress_bar),
            )
            drawn = posterior.draw(posteriors, method, options)
            if not drawn.complete:
                raise KeyboardInterrupt("interrupted: ranks need all draws")
            placed = data_sets.place(posteriors.density, drawn.theta)
            likelihoods = _log_likelihoods(posteriors.density, true, placed)
        names, truth = _by_quantity(twin, beliefs, true, (1,))
        _, values = _by_quantity(twin, beliefs, placed, (num_chains, num_samples))
        varies = np.ptp(truth[0], axis=0) > 0  # masked coefficients do not
        return calibration.calibration_result(
            [name for name, kept in zip(names, varies, strict=True) if kept],
            truth[0][:, varies],
            values[..., varies],
            likelihoods,
            num_lost=num_simulations - len(responses),
            method=drawn.reason or drawn.method,
        )


def _check_sizes(num_simulations: int, num_draws: int, method: str) -> None:
    """Raise for sizes and methods that make no sense."""
    check_counts(num_simulations=num_simulations)
    if num_simulations < FEWEST_SIMULATIONS:
        raise ValueError(
            f"`num_simulations` must be at least {FEWEST_SIMULATIONS} for ranks to say anything; "
            f"got {num_simulations}. 500 is usual."
        )
    if num_draws <= calibration.RANKS:
        raise ValueError(
            f"`num_samples` times `num_chains` must be above {calibration.RANKS}, the draws that "
            f"true values are ranked among; got {num_draws}."
        )
    if method not in METHODS:
        raise ValueError(
            f"`method` must be one of {sorted(METHODS)}, whose draws are exact; got {method!r}."
        )


def _refuse_uncalibrated(estimator: Any, beliefs: Beliefs, intercept_prior: Any) -> None:
    """Raise for models from which no data sets can be drawn, or not sampled together."""
    refuse_flat(estimator, beliefs, intercept_prior)
    K, prior = beliefs.shape[1], beliefs.coefficients
    if intercept_prior is not None and prior.penalizes_intercept:
        raise ValueError(
            f"{estimator.regularizer} has a prior of the intercept: leave `intercept_prior` None."
        )
    if K > 1 and prior.couples_responses:
        raise ValueError(
            f"{estimator.regularizer} ties the {K} responses together: each simulation would be "
            "one problem with all their parameters. Calibrate a model of one response, or with a "
            "prior that treats them alone."
        )
    weight = np.asarray(beliefs.data.weight)
    if not np.isin(weight, (0.0, 1.0)).all():
        raise ValueError(
            "`sample_weight` must be zero or one: a weight is a power of the likelihood, and no "
            f"responses are distributed as that; got {weight[~np.isin(weight, (0, 1))][0]:g}. "
            "Repeat rows instead, or leave the weights out."
        )


def _refuse_too_many(beliefs: Beliefs, num_simulations: int, num_draws: int) -> None:
    """Raise if the data sets, or the draws, are too large to hold."""
    cells = beliefs.data.y.size * int(np.prod(beliefs.shape[2:]))
    numbers = 3 * num_draws * int(np.prod(beliefs.shape) + beliefs.shape[1])
    refuse_too_large(
        8.0 * num_simulations * (3 * cells + numbers),
        f"{num_simulations} data sets and their draws",
        "Ask for fewer simulations or draws, or pass fewer rows of X.",
    )


def _simulate(beliefs: Beliefs, rng: np.random.Generator, count: int) -> tuple:
    """Draw data sets; those that cannot be drawn are left out.

    That leaves ranks uniform, as leaving data sets out by any property of the responses does.

    Returns
    -------
    True coefficients, intercepts, dispersions and the prior's own parameters, each with the axes
    (1, S, ...), and responses (S, n, K).
    """
    params, scale, own = draw_parameters(beliefs, rng, count)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*could not be drawn", category=DataWarning)
        y = draw_responses(beliefs, params, scale, rng)
    used = np.broadcast_to(np.asarray(beliefs.data.weight) > 0, y.shape[1:])
    fine = ~(np.isnan(y) & used).any(axis=(1, 2))
    if 2 * fine.sum() < count:
        raise ValueError(
            f"Only {fine.sum()} of {count} simulated data sets can be drawn: the prior gives means "
            "that are infinite, impossible or larger than any count. Choose a narrower one; "
            "`sample_prior` shows what it implies."
        )
    true = (params.coef, params.intercept, scale, own)
    true = jax.tree.map(lambda a: np.asarray(a)[None, fine], true)
    return true, np.where(used, y, np.asarray(beliefs.data.y))[fine]


def _posteriors(estimator: Any, beliefs: Beliefs, y: np.ndarray) -> Any:
    """Posteriors given each data set (S, n, K), under the priors that made them."""
    model, (S, n, K) = beliefs.model, y.shape
    likelihood = model.loss.likelihood
    one = LogPosterior(
        likelihood,
        model.standardization,
        model.rows.gathered(),
        jnp.asarray(model.num_rows),
        beliefs.coefficients,
        beliefs.scale,
        model.loss.movable,
    )
    side_by_side = np.moveaxis(y, 0, 1).reshape(n, S * K)
    target = np.asarray(estimator._kernel_response(side_by_side), float)
    weight = np.tile(np.broadcast_to(beliefs.data.weight, (n, K)), S)
    data = replace(beliefs.data, y=side_by_side, weight=weight)
    shape = (S, K, *target.shape[2:])
    start = GLMParams(np.zeros((S, *beliefs.shape)), np.zeros(shape))
    if given(estimator, "fit_intercept"):
        start = GLMParams(start.coef, _level(likelihood, data, target).reshape(shape))
    spread = np.ones(S * K)
    if np.isinf(likelihood.observations.mean_range[0]):
        spread = posterior.response_spread(data)
    sets = np.moveaxis(target.reshape(n, *shape), 0, 1)
    return data_sets.posterior_of_each(one, sets, start, spread.reshape(S, K) ** 2)


def _level(likelihood: Any, data: Any, target: np.ndarray) -> np.ndarray:
    """Finite intercept of the mean of each response, shape (K,) or (K, C)."""
    observations, link = likelihood.observations, likelihood.link
    average = initialize.average_response(data, target)
    level, _ = initialize.null_intercept(observations, link, average)
    edge = initialize.silent_intercept(observations, link, average)
    return np.where(np.isfinite(level), level, edge)


def _log_likelihoods(target: Any, true: tuple, placed: tuple) -> np.ndarray:
    """Log-likelihoods (1 + 99, S) at the true parameters and at thinned draws."""
    both = [
        np.concatenate([a, calibration.thinned(draws)])
        for a, draws in zip(true[:3], placed[:3], strict=True)
    ]
    coef, intercept, scale = both
    return np.asarray(data_sets.log_likelihood(target, GLMParams(coef, intercept), scale))


def _by_quantity(estimator: Any, beliefs: Beliefs, placed: tuple, axes: tuple) -> tuple:
    """Names of the Q parameters, and values (*axes, S, Q) of what has axes (*axes, S, ...)."""
    coef, intercept, scale, own = jax.tree.map(
        lambda a: a.reshape(axes[0], -1, *a.shape[len(axes) + 1 :]), placed
    )
    named = posterior.in_user_shapes(
        coef,
        intercept,
        None if beliefs.scale is None else scale,
        own,
        estimator._trailing(beliefs.shape[1]),
        estimator._validator.y_ndim == 1,
    )
    if not given(estimator, "fit_intercept"):
        del named["intercept"]
    labels = estimator._dimension_labels()
    names = []
    for name, array in named.items():
        dimensions = posterior.dimensions_of(name, array, labels)
        names += array_names(name, dimensions, array.shape[2:], labels)
    flat = [array.reshape(*axes, np.shape(placed[2])[len(axes)], -1) for array in named.values()]
    return names, np.concatenate(flat, axis=-1)
