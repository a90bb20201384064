"""Check a model against its data: posterior predictive checks and residuals."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from bayesglm._sampling import read_seed
from bayesglm.diagnostics import residuals
from bayesglm.diagnostics.leave_one_out import Rows
from bayesglm.glm.design import read_design
from bayesglm.posterior import predictive_checks
from bayesglm.posterior.blocks import LARGEST_RESULT, Drawn
from bayesglm.posterior.proportions import counted


class ModelChecks:
    """Mixin of an estimator that can be sampled: comparisons of the model with its data."""

    def posterior_predictive_check(
        self,
        X: Any = None,
        y: Any = None,
        statistic: Any = None,
        *,
        sample_weight: Any = None,
        offset: Any = None,
        num_draws: int | None = None,
        random_state: Any = None,
        max_bytes: float = LARGEST_RESULT,
        progress_bar: bool = True,
    ) -> Any:
        """Compare statistics of the responses with those of responses that the model would have.

        Each draw of the parameters gives a replicate of all responses. If the model is right, the
        observed statistic looks like any of the replicated ones.

        Parameters
        ----------
        X, y, sample_weight, offset
            As in `fit`; by default the data of `sample`. Each row counts once; missing responses,
            and those of weight zero, do not. Replicates of proportions are proportions of as many
            trials.
        statistic
            ``"mean"``, ``"sd"``, ``"zeros"`` (the share of zeros), ``"min"``, ``"max"``; a function
            of the responses, an array of shape (n,), that returns a number; or a list of these.
            None is all five. Of classifiers, ``"mean"`` is the share of each class, and functions
            get numbers of classes.
        num_draws
            Number of replicates, of draws evenly spaced; None is one for each draw.
        random_state
            Seed of the replicates: an integer, a NumPy generator, or None for a new one.
        max_bytes
            Of the whole replicates that are held at once for a function; the statistics with names
            need none.
        progress_bar
            Whether to show one where it takes longer than a second.

        Returns
        -------
        `xarray.Dataset` with ``observed`` (statistic[, response][, class]), ``replicated``
        (statistic, chain, draw[, response][, class]) and ``tail_probability``: the share of
        replicates whose statistic is larger than the observed one, those that equal it counting one
        half. Near zero or one, the model does not have such responses.

        Raises
        ------
        NotFittedError
            Before `sample`.
        ValueError
            For a statistic that there is not.
        MemoryError
            If one replicate is larger than ``max_bytes`` and a function asks for it.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> check = model.posterior_predictive_check(random_state=0, progress_bar=False)
        >>> check["replicated"].sizes
        Frozen({'statistic': 5, 'chain': 4, 'draw': 500})
        >>> bool(0.05 < check["tail_probability"].sel(statistic="zeros") < 0.95)
        True

        References
        ----------
        Gelman, Meng and Stern (1996), Posterior predictive assessment of model fitness via realized
        discrepancies, *Statistica Sinica* 6, 733-807.
        """
        classes = self._class_labels() or []
        statistics = predictive_checks.read_statistics(statistic, bool(classes))
        seed = read_seed(random_state)
        drawn = self._some_draws(num_draws)
        with jax.enable_x64(True):
            data = self._posterior_data(X, y, sample_weight, offset)
            drawn, _, _, trials = counted(drawn, data.y, data.weight)
            counts = np.broadcast_to(data.weight > 0, data.y.shape)
            rows = predictive_checks.Observed(
                data.design.array, data.offset, data.y, counts, len(classes)
            )
            how = {"seed": seed, "trials": trials, "progress_bar": progress_bar}
            observed, replicated = predictive_checks.compare(
                statistics, drawn, rows, max_bytes=max_bytes, **how
            )
        return self._check_dataset(list(statistics), observed, replicated, drawn.num_chains)

    def _check_dataset(self, names, observed, replicated, num_chains):
        """Name the axes of statistics (T, K[, C]) and (T, S, K[, C])."""
        import xarray

        labels = self._dimension_labels()
        above = (replicated > observed[:, None]) + 0.5 * (replicated == observed[:, None])
        dims = [axis for axis in ("response", "class") if axis in labels]
        if observed.ndim - 2 < len(self._coef.shape[2:]):  # functions of classes have none
            dims.remove("class")
        one = lambda a, axis: a if "response" in labels else a.squeeze(axis)
        replicated = one(replicated, 2)
        shape = (len(names), num_chains, -1, *replicated.shape[2:])
        return xarray.Dataset(
            {
                "observed": (["statistic", *dims], one(observed, 1)),
                "replicated": (["statistic", "chain", "draw", *dims], replicated.reshape(shape)),
                "tail_probability": (["statistic", *dims], one(above.mean(axis=1), 1)),
            },
            {"statistic": names, **{axis: labels[axis] for axis in dims}},
        )

    def residuals(
        self,
        X: Any = None,
        y: Any = None,
        kind: str = "pearson",
        *,
        method: str = "mode",
        sample_weight: Any = None,
        offset: Any = None,
        num_draws: int | None = None,
        random_state: Any = None,
        progress_bar: bool = True,
    ) -> np.ndarray:
        r"""How far each response is from what the model expects.

        Parameters
        ----------
        X, y, sample_weight, offset
            As in `fit`; by default the data of `sample`. Of weights only those count that are the
            numbers of trials of proportions, and zeros, whose residuals are NaN.
        kind
            ``"response"``: :math:`y-\mu`. ``"pearson"``: that over the standard deviation that the
            mean implies. ``"deviance"``: the signed root of the unit deviance. ``"quantile"``:
            :math:`\Phi^{-1}(F(y))`, which is standard normal if the model is right, whatever the
            family; for counts, a uniform number between the probabilities below the response and up
            to it takes the place of :math:`F(y)`. Classifiers have quantile residuals only, in the
            order of ``classes_``.
        method
            ``"mode"``: at the fit. ``"posterior"``: :math:`F` is the mean of the distribution
            functions at the draws, and :math:`\mu` and the dispersion are their posterior means.
        num_draws
            How many draws are used then, evenly spaced; None is all.
        random_state
            Seed of those uniform numbers: an integer, a NumPy generator, or None for a new one.
        progress_bar
            Whether to show one where it takes longer than a second.

        Returns
        -------
        Shape (n,) or (n, K); NaN where a response or a feature is missing. Pearson and deviance
        residuals do not divide by the root of a dispersion that scales the variance (Gaussian,
        Gamma, inverse Gaussian, Tweedie), as in R and statsmodels.

        Raises
        ------
        NotFittedError
            Before `fit`, or `sample` for the posterior.
        ValueError
            For another kind or method.
        NotImplementedError
            For other residuals of a classifier.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X, y = np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([1, 3, 4, 12])
        >>> model = GLM("Poisson").fit(X, y)
        >>> print(model.residuals(X, y, "response").round(1))
        [-1.  1. -4.  4.]
        >>> print(model.residuals(X, y).round(2))
        [-0.71  0.71 -1.41  1.41]

        References
        ----------
        McCullagh and Nelder (1989), *Generalized Linear Models*, 2nd ed., section 2.4. Dunn and
        Smyth (1996), Randomized quantile residuals, *Journal of Computational and Graphical
        Statistics* 5, 236-244.
        """
        self._require_fitted()
        _require_choice("kind", kind, residuals.KINDS)
        _require_choice("method", method, ("mode", "posterior"))
        if self.observation_model.event_ndim and kind != "quantile":
            raise NotImplementedError(
                f"kind={kind!r} is not for classifiers: labels have no distances. Use 'quantile'."
            )
        if X is None and self.posterior_ is None:
            raise ValueError("Pass `X` and `y`: a model that was only fitted keeps no data.")
        seed = read_seed(random_state)
        drawn = self._at_fit() if method == "mode" else self._some_draws(num_draws)
        with jax.enable_x64(True):
            data = self._posterior_data(X, y, sample_weight, offset)
            target = self._kernel_response(data.y)
            drawn, target, weight, trials = counted(drawn, target, data.weight)
            rows = Rows(data.design.array, data.offset, target, weight)
            found = residuals.residuals(kind, drawn, rows, seed=seed, progress_bar=progress_bar)
            if kind == "response" and trials is not None:
                found = found / trials
            return self._squeeze(found if X is None else self._with_lost_rows(found, X, offset))

    def _at_fit(self) -> Drawn:
        """Return the fit as a single draw."""
        return Drawn(
            self.observation_model,
            self.inverse_link_function,
            self._coef[None],
            self._intercept[None],
            np.asarray(self._dispersion)[None],
            1,
        )

    def _with_lost_rows(self, found: np.ndarray, X: Any, offset: Any) -> np.ndarray:
        """Values of the rows that were read, with NaN in those that have missing features."""
        array = read_design(self._features(X, offset, reset=False)[0]).array
        if len(array) == len(found):
            return found
        whole = np.full((len(array), found.shape[1]), np.nan)
        whole[~np.isnan(array).any(axis=1)] = found
        return whole


def _require_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"`{name}` must be one of {allowed}; got {value!r}.")
