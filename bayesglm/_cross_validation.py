"""How well a model predicts rows that it has not seen, without refits."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from bayesglm import posterior
from bayesglm._sampling import read_seed
from bayesglm._warnings import warn_user
from bayesglm.diagnostics import leave_one_out, transform
from bayesglm.exceptions import SamplingWarning
from bayesglm.posterior.blocks import LARGEST_RESULT, refuse_large_result
from bayesglm.posterior.proportions import counted

ROWS_NAMED = 5  # in a warning


class CrossValidation:
    """Mixin of an estimator that can be sampled: pointwise log-likelihoods, leave-one-out."""

    def log_likelihood(
        self,
        X: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        offset: Any = None,
        max_bytes: float = LARGEST_RESULT,
        progress_bar: bool = True,
    ) -> Any:
        """Log-density of each response at each draw, in the layout that ArviZ wants.

        Parameters
        ----------
        X, y, sample_weight, offset
            As in `fit`; by default the data of `sample`.
        max_bytes
            Largest result that is returned.
        progress_bar
            Whether to show one where it takes longer than a second.

        Returns
        -------
        `xarray.DataTree` with group ``log_likelihood``, whose variable ``y``, in nats, has
        dimensions (chain, draw, obs_id[, response]), and groups ``observed_data`` and
        ``posterior``. A row of weight w counts w times, or is a proportion of w trials; missing
        responses are NaN. Draws that have importance weights are resampled by them.

        Raises
        ------
        MemoryError
            If the result would be larger than ``max_bytes``; `loo` needs no such array.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> model.log_likelihood()["log_likelihood"]["y"].sizes
        Frozen({'chain': 4, 'draw': 500, 'obs_id': 50})
        """
        with jax.enable_x64(True):
            drawn, data, rows = self._evaluated_rows(X, y, sample_weight, offset)
            shape = (len(drawn), *rows.y.shape[:2])
            refuse_large_result(
                shape,
                "Log-likelihoods",
                max_bytes,
                "Call `loo()`, which needs no such array, or raise `max_bytes`.",
            )
            values = leave_one_out.stored(drawn, rows, progress_bar=progress_bar)
        values = values.reshape(drawn.num_chains, -1, *shape[1:])
        if self._validator.y_ndim == 1:
            values = values[..., 0]
        responses = self._data_groups(data)["observed_data"]
        groups = {"log_likelihood": {"y": values}, "observed_data": responses}
        if self._log_weight() is not None:
            groups["posterior"] = self._named_draws(drawn)
        labels = self._dimension_labels() | {"obs_id": np.arange(shape[1])}
        tree = posterior.to_datatree(groups, labels, dict(self.posterior_.attrs))
        if "posterior" not in groups:
            tree["posterior"] = self.posterior_["posterior"].copy(deep=False)
        return tree

    def loo(
        self,
        X: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        offset: Any = None,
        progress_bar: bool = True,
    ) -> leave_one_out.LeaveOneOut:
        r"""Leave-one-out cross-validation by Pareto-smoothed importance sampling.

        The sum over responses of :math:`\log p(y_i\mid y_{-i})`, and how well it is known; the
        larger, the better the model predicts. Draws x rows are never held: a million rows at 4,000
        draws take minutes, and the memory of their data.

        Parameters
        ----------
        X, y, sample_weight, offset
            The data of `sample`, which are known unless they were too large to be kept.
        progress_bar
            Whether to show one where it takes longer than a second.

        Returns
        -------
        `LeaveOneOut` with ``elpd`` (expected log predictive density, in nats), its standard error
        ``se``, ``p_loo`` (effective number of parameters), ``n``, ``good_k``, ``num_bad``, the
        arrays ``elpd_i``, ``p_loo_i`` and ``pareto_k`` of shape (n,) or (n, K), and, for
        populations, a table ``per_response``. Missing responses do not count. A row of weight w
        is left out whole: it adds the log of :math:`E[p(y_i)^w]`, or, where its response is a
        proportion of w trials, that of its mean binomial probability.

        Warns
        -----
        SamplingWarning
            If the Pareto k of some responses is larger than ``good_k``: the posterior without one
            is so far from the posterior with it that its ``elpd_i`` is too high.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> model.loo(progress_bar=False).elpd_i.shape
        (50,)

        References
        ----------
        Vehtari, Gelman and Gabry (2017), Practical Bayesian model evaluation using leave-one-out
        cross-validation and WAIC, *Statistics and Computing* 27, 1413-1432.
        """
        with jax.enable_x64(True):
            drawn, data, rows = self._evaluated_rows(X, y, sample_weight, offset)
            efficiency = self._relative_efficiency()
            arrays = leave_one_out.leave_one_out(drawn, rows, efficiency, progress_bar=progress_bar)
        shaped = [array if self._validator.y_ndim == 2 else array[:, 0] for array in arrays]
        responses = self._data_groups(data)["observed_data"]["y"]
        weight = self._squeeze(np.broadcast_to(data.weight, data.y.shape))
        labels = self._response_labels()
        found = leave_one_out.LeaveOneOut(
            *shaped, len(drawn), responses, weight, labels and tuple(labels)
        )
        warn_of_bad_rows(found)
        return found

    def loo_pit(
        self,
        X: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        offset: Any = None,
        num_draws: int | None = None,
        random_state: Any = None,
        progress_bar: bool = True,
    ) -> np.ndarray:
        r"""Leave-one-out probability integral transform :math:`P(\tilde y_i\le y_i\mid y_{-i})`.

        Uniform between 0 and 1 if the model is right; a hump means that its predictions are too
        wide, a valley that they are too narrow. A discrete response, which has a probability of
        its own, gets a uniform number between the probability below it and that up to it;
        classes count in the order of ``classes_``.

        Parameters
        ----------
        X, y, sample_weight, offset
            The data of `sample`, which are known unless they were too large to be kept.
        num_draws
            How many draws are used, evenly spaced; None is all.
        random_state
            Seed of those uniform numbers: an integer, a NumPy generator, or None for a new one.
        progress_bar
            Whether to show one where it takes longer than a second.

        Returns
        -------
        Shape (n,) or (n, K); NaN where a response is missing.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> pit = model.loo_pit(random_state=0, progress_bar=False)
        >>> pit.shape, bool(np.all((pit > 0) & (pit < 1)))
        ((50,), True)

        References
        ----------
        Gelfand, Dey and Chang (1992), Model determination using predictive distributions,
        *Bayesian Statistics* 4. Czado, Gneiting and Held (2009), Predictive model assessment for
        count data, *Biometrics* 65, 1254-1261.
        """
        seed = read_seed(random_state)
        with jax.enable_x64(True):
            drawn, _, rows = self._evaluated_rows(X, y, sample_weight, offset)
            efficiency = 1.0 if num_draws is not None else self._relative_efficiency()
            pit = transform.leave_one_out_pit(
                drawn.thinned(num_draws), rows, efficiency, seed, progress_bar=progress_bar
            )
        return self._squeeze(pit)

    def _evaluated_rows(self, X: Any, y: Any, sample_weight: Any, offset: Any) -> Any:
        """Draws, observations, and the arrays of these that are evaluated."""
        data = self._posterior_data(X, y, sample_weight, offset)
        target = self._kernel_response(data.y)
        drawn, target, weight, _ = counted(self._drawn(), target, data.weight)
        return drawn, data, leave_one_out.Rows(data.design.array, data.offset, target, weight)

    def _relative_efficiency(self) -> float:
        """Effective over actual number of draws."""
        group = self.posterior_["posterior"].to_dataset()
        return leave_one_out.relative_efficiency(
            {name: np.asarray(draws) for name, draws in group.data_vars.items()}
        )

    def _named_draws(self, drawn: Any) -> dict[str, np.ndarray]:
        """Draws by name, in the shapes of the posterior group."""
        group = self.posterior_["posterior"]
        names = {"coef": drawn.coef, "intercept": drawn.intercept, "scale": drawn.scale}
        return {name: a.reshape(group[name].shape) for name, a in names.items() if name in group}


def warn_of_bad_rows(found: leave_one_out.LeaveOneOut) -> None:
    """Warn of responses that importance sampling cannot leave out, if there are any."""
    bad = np.unique(np.nonzero(found.pareto_k > found.good_k)[0])
    if bad.size:
        named = ", ".join(map(str, bad[:ROWS_NAMED])) + (", ..." if bad.size > ROWS_NAMED else "")
        warn_user(
            f"Leaving out {found.num_bad} of {found.n} responses (rows {named}) changes the "
            f"posterior too much for importance sampling: their Pareto k is above "
            f"{found.good_k:.2f}, and their `elpd_i` too high. Look at these rows: such responses "
            "are outliers to the model, or have features like no others. A family with heavier "
            "tails or a tighter prior helps; `cross_val_score` compares models by refits.",
            SamplingWarning,
        )
