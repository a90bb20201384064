"""Draw from the posterior of an estimator's parameters."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from bayesglm import diagnostics, posterior
from bayesglm._parameters import given
from bayesglm._progress import ChainProgress
from bayesglm.exceptions import PerfectSeparationWarning
from bayesglm.glm.memory import exhaustion_as_memory_error
from bayesglm.posterior.datatree import LARGEST_DATA
from bayesglm.regularizer._strength import split_strength
from bayesglm.regularizer.shrinkage import Shrinkage

MORE_COLUMNS = "X does not identify all coefficients.*at least"  # than rows


class Sampling:
    """Mixin of an estimator that can be fitted: its posterior."""

    posterior_ = diagnostics_ = None

    def sample(
        self,
        X: Any,
        y: Any,
        *,
        method: str = "nuts",
        num_samples: int = 1000,
        num_warmup: int | None = None,
        num_chains: int = 4,
        random_state: Any = None,
        progress_bar: bool = True,
        sample_weight: Any = None,
        offset: Any = None,
        scale_prior: Any = None,
        resample: bool = False,
        target_accept: float | None = None,
        max_tree_depth: int = 10,
        checkpoint: Any = None,
        continue_from: Any = None,
    ) -> Any:
        r"""Draw from the posterior: the likelihood times the prior that the regularizer is.

        Also fits the model, so that ``coef_`` and all else that `fit` sets is there; under priors
        without a mode (`Horseshoe`, a strength that is sampled), ``coef_`` is the posterior mean.

        Parameters
        ----------
        X, y, sample_weight, offset
            As in `fit`.
        method
            ``"nuts"``, the No-U-Turn sampler preconditioned by Laplace's approximation;
            ``"importance"``, an exact independence sampler with proposals from it;
            ``"laplace"``, the approximation itself, with importance weights; ``"exact"``, for
            Gaussian responses with a normal prior; ``"svi"``, NumPyro's variational normal
            approximation, for very many features; ``"auto"``, the cheapest that proves itself.
        num_samples, num_chains
            Draws of each chain, and chains.
        num_warmup
            Transitions before them; None chooses.
        random_state
            Seed: an integer, a NumPy generator, or None for a new one, which is recorded.
        progress_bar
            Whether to show one.
        scale_prior
            NumPyro distribution of the square root of ``scale_`` (the standard deviation of
            Gaussian responses), on positive numbers; None is an exponential one of the data's
            size. For observation models whose scale is estimated.
        resample
            With ``"laplace"``: resample the draws by their weights.
        target_accept, max_tree_depth
            Of the No-U-Turn sampler: the acceptance probability that its step size aims at, and
            the most doublings of a trajectory. None is 0.8 for normal priors and 0.95 for others.
        checkpoint
            Folder for the pieces of a NUTS run: the same call resumes a run that was killed.
        continue_from
            What an earlier call returned: draws as many more, without warm-up, and returns all.

        Returns
        -------
        `xarray.DataTree` with groups ``posterior``, ``sample_stats``, ``observed_data`` and
        ``constant_data``; also stored as ``posterior_``.

        Raises
        ------
        ValueError
            If the data or settings make no sense, or the posterior is improper.

        Warns
        -----
        SamplingWarning
            If the draws cannot be trusted, saying why and what to do.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> tree["posterior"]["coef"].sizes
        Frozen({'chain': 4, 'draw': 500, 'feature': 1})

        References
        ----------
        Gelman et al. (2013), *Bayesian Data Analysis*, 3rd ed., chapters 11 and 12.
        """
        check_counts(num_samples=num_samples, num_chains=num_chains)
        if method not in posterior.METHODS:
            raise ValueError(
                f"`method` must be one of {sorted(posterior.METHODS)}; got {method!r}."
            )
        seed = read_seed(random_state)
        options = posterior.Options(
            num_samples,
            num_chains,
            num_warmup,
            seed,
            resample,
            target_accept,
            max_tree_depth,
            checkpoint,
            None if continue_from is None else posterior.read_state(continue_from),
            lambda *counts: ChainProgress(*counts, num_chains, progress_bar),
        )
        with jax.enable_x64(True), exhaustion_as_memory_error():
            data, target = self._build_posterior(X, y, sample_weight, offset, scale_prior)
            drawn = posterior.draw(target, method, options)
            return self._store(drawn, target, data, options, continue_from)

    def _build_posterior(self, X, y, sample_weight, offset, scale_prior):
        """Fit, refuse what has no posterior, and return the data and the posterior."""
        regularizer = self.regularizer
        fixed, strength = split_strength(regularizer, given(self, "regularizer_strength"))
        adjust = lambda choices: replace(choices, regularizer=regularizer.surrogate, strength=fixed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", PerfectSeparationWarning)
                warnings.filterwarnings("ignore", message="The dispersion")  # it is sampled
                if isinstance(regularizer, Shrinkage):  # made for more columns than rows
                    warnings.filterwarnings("ignore", message=MORE_COLUMNS)
                fit, model, data = self._fit(X, y, None, sample_weight, offset, adjust)
        except PerfectSeparationWarning as separation:
            raise ValueError(f"The posterior is improper. {separation}") from None
        refuse_non_counts(self.observation_model, data)
        target = posterior.log_posterior(
            model,
            fit,
            data,
            self._scale,
            prior=posterior.coefficient_prior(regularizer, model, data, strength),
            scale_prior=scale_prior,
        )
        return data, target

    def _store(self, drawn: Any, target: Any, data: Any, options: Any, earlier: Any) -> Any:
        """Keep draws in ArviZ's layout, after those of an earlier tree, with their diagnostics."""
        one = self._validator.y_ndim == 1
        trailing = self._trailing(target.density.num_problems)
        named = posterior.named(target.density, drawn.theta, trailing, one)
        if target.density.prior.sizes(self._coef.shape):  # it has parameters of its own
            self._keep_means(named)
        if not given(self, "fit_intercept"):
            del named["intercept"]
        alone = one or target.joint
        stats = {key: value[:, :, 0] if alone else value for key, value in drawn.stats.items()}
        if earlier is not None:
            named = posterior.after(earlier, "posterior", named)
            stats = posterior.after(earlier, "sample_stats", stats)
        labels = self._dimension_labels()
        self.diagnostics_ = diagnostics.diagnose(
            named,
            stats,
            names=labels,
            dims={key: posterior.dimensions_of(key, array, labels) for key, array in named.items()},
            max_tree_depth=options.max_tree_depth,
            pareto_k=drawn.pareto_k,
            complete=drawn.complete,
            held={"coef": ~np.asarray(target.density.movable.coef).reshape(-1, *trailing)},
        )
        attributes = {
            "inference_library": "bayesglm",
            "method": drawn.method,
            "reason": drawn.reason,
            "seed": options.seed,
            "complete": int(drawn.complete),
            **({} if (k := drawn.pareto_k) is None else {"largest_pareto_k": float(np.max(k))}),
        }
        groups = {"posterior": named, "sample_stats": stats, **self._data_groups(data)}
        labels = labels | {"obs_id": np.arange(len(data.y))}
        self.posterior_ = posterior.to_datatree(groups, labels, attributes, drawn.state)
        diagnostics.warn_of(self.diagnostics_)
        return self.posterior_

    def _dimension_labels(self) -> dict[str, list]:
        """Labels of the dimensions that parameters have, by name."""
        labels = {
            "feature": self._labels,
            "response": self._response_labels(),
            "class": self._class_labels(),
        }
        plain = lambda label: label.item() if isinstance(label, np.generic) else label
        return {
            name: [plain(label) for label in values]
            for name, values in labels.items()
            if values is not None
        }

    def _keep_means(self, named: dict[str, np.ndarray]) -> None:
        """Replace the fit, which knows nothing of the prior's own parameters, by means."""
        mean = {name: array.mean(axis=(0, 1)) for name, array in named.items()}
        self._coef = mean["coef"].reshape(self._coef.shape)
        self._intercept = mean["intercept"].reshape(self._intercept.shape)
        if "scale" in mean:
            self._scale = np.reshape(mean["scale"], self._scale.shape)
        self._covariance = None

    def _data_groups(self, data: Any) -> dict[str, dict[str, np.ndarray]]:
        """Responses, NaN where missing; and features, if they are not too large to keep."""
        one = self._validator.y_ndim == 1
        as_user = lambda a: np.asarray(a[:, 0] if one else a)
        weight = np.broadcast_to(data.weight, data.y.shape)
        groups = {"observed_data": {"y": as_user(np.where(weight > 0, data.y, np.nan))}}
        if data.design.array.nbytes <= LARGEST_DATA:
            constant = groups["constant_data"] = {"X": np.asarray(data.design.array)}
            if not np.isin(weight, (0.0, 1.0)).all():
                constant["sample_weight"] = as_user(weight)
            if data.offset is not None:
                shape = (*data.y.shape, *self._coef.shape[2:])
                constant["offset"] = as_user(np.broadcast_to(data.offset, shape))
        return groups


def refuse_non_counts(observations: Any, data: Any) -> None:
    """Raise if counts are not whole numbers: their likelihood has no distribution to draw from."""
    bad = (data.weight > 0) & ~observations.has_probability(data.y, data.weight)
    if bad.any():
        row, response = np.argwhere(bad)[0]
        raise ValueError(
            f"`y` holds {int(bad.sum())} counts that are not whole numbers, the first in row "
            f"{row}: {data.y[row, response]!r}. `fit` takes them as a quasi-likelihood; `sample` "
            "needs a distribution: round them, use 'Gamma' or 'Tweedie' for amounts, or, for "
            "proportions, 'Bernoulli' with the numbers of trials as `sample_weight`."
        )


def read_seed(random_state: Any) -> int:
    """Return an integer seed for what scikit-learn and NumPy users pass."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    whole = isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool)
    if whole and 0 <= random_state < 2**32:
        return int(random_state)
    raise ValueError(
        "`random_state` must be a whole number from 0 to 2**32 - 1, a NumPy generator or None; "
        f"got {random_state!r}."
    )


def check_counts(**counts: Any) -> None:
    """Raise unless every count is a positive whole number."""
    for name, value in counts.items():
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < 1:
            raise ValueError(f"`{name}` must be a positive whole number; got {value!r}.")
