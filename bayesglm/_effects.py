"""What a change of a feature does to the response."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from bayesglm import intervals
from bayesglm._progress import rows_bar
from bayesglm.glm.validation import read_weight, report_missing
from bayesglm.intervals import contrasts, effects
from bayesglm.intervals.propagation import ByDeltaMethod, ByDraws, around_mode
from bayesglm.posterior.blocks import LARGEST_RESULT, Drawn, refuse_large_result

KINDS = ("average", "row", "at-mean")
METHODS = ("auto", "posterior", "fit")


class Effects:
    """Mixin of an estimator that can be sampled: marginal effects and contrasts."""

    def slopes(
        self,
        X: Any = None,
        variables: Any = None,
        *,
        kind: str = "average",
        slope: str = "dydx",
        level: float = 0.95,
        method: str = "auto",
        covariance: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        num_draws: int | None = None,
        max_bytes: float = LARGEST_RESULT,
        progress_bar: bool = True,
    ) -> Any:
        r"""Marginal effects: slopes of the expected response in the features.

        Parameters
        ----------
        X
            Rows, as in `predict`; None takes those that `sample` saw. Averages leave out rows with
            NaN, with a warning.
        variables
            Names or numbers of features; None is all.
        kind
            ``"average"``: over the rows, the average marginal effect; ``"row"``: at each of them;
            ``"at-mean"``: at the mean of the features.
        slope
            ``"dydx"``: units of the response per unit of the feature; ``"eyex"``: elasticity,
            percent per percent; ``"eydx"`` and ``"dyex"``: percent (as a fraction) per unit, and
            units per percent.
        level
            Probability of the intervals, in (0, 1).
        method
            ``"posterior"``: mean, standard deviation and equal-tailed interval over the draws of
            `sample`; ``"fit"``: at the mode, by the delta method; ``"auto"``: the first where there
            are draws.
        covariance
            For ``"fit"``, one to use instead of ``covariance_``, such as `robust_covariance` or
            `jackknife_covariance` returns.
        sample_weight
            Weights of the rows in averages, shape (n,) or (n, K).
        offset
            As in `predict`.
        num_draws
            How many of the draws are used, evenly spaced; None is all.
        max_bytes
            Largest result.
        progress_bar
            Whether to show one where it takes longer than a second.

        Returns
        -------
        DataFrame with columns estimate, std_error, lower, upper and index term, for populations
        response, for classifiers class, whose probabilities are the response; after ``obs_id``
        with ``kind="row"``.

        Raises
        ------
        ValueError
            For arguments that mean nothing, or without rows or a covariance.
        MemoryError
            If the result would have more than ``max_bytes``.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson").fit(X, y)
        >>> slope = model.slopes(X).loc["x0", "estimate"]
        >>> bool(np.isclose(slope, model.coef_[0] * model.predict(X).mean()))  # of the log link
        True

        References
        ----------
        Williams (2012), Using the margins command to estimate and interpret adjusted predictions
        and marginal effects, *Stata Journal* 12, 308-331.
        """
        check_arguments(level, kind=(kind, KINDS), slope=(slope, tuple(effects.SLOPES)))
        with jax.enable_x64(True):
            route = self._route(method, level, covariance, num_draws)
            rows = self._effect_rows(X, sample_weight, offset, kind)
            positions = contrasts.positions_of(variables, self._labels)
            by_row = kind == "row"
            find = effects.row_slopes if by_row else effects.average_slopes
            self._refuse_large_effects(by_row, rows, len(positions), max_bytes)
            with rows_bar(len(rows.X), "slopes", progress_bar) as bar:
                values = find(route, slope, positions, rows, bar)
        names = {"term": [self._labels[position] for position in positions]}
        return self._effects_table(values, names, by_row, route)

    def comparisons(
        self,
        X: Any = None,
        variables: Any = None,
        *,
        comparison: str = "difference",
        together: bool = False,
        kind: str = "average",
        level: float = 0.95,
        method: str = "auto",
        covariance: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        num_draws: int | None = None,
        max_bytes: float = LARGEST_RESULT,
        progress_bar: bool = True,
    ) -> Any:
        """Compare the expected response with features at one value against another.

        Every row keeps its other features: with ``{"treatment": (0, 1)}`` all rows are treated,
        and none, and what is expected of them is compared.

        Parameters
        ----------
        X, level, method, covariance, sample_weight, offset, num_draws, max_bytes, progress_bar
            As in `slopes`.
        variables
            Mapping from features, by name or number, to a pair of values ``(low, high)``, or to a
            step by which the feature of each row is raised. Names alone, or None for all features,
            mean (0, 1) for features that are 0 or 1 in all rows, and a step of 1 for others.
        comparison
            ``"difference"``: high less low; ``"ratio"``: high over low; ``"lift"``: the difference
            over low. Of averages, with ``kind="average"``: the ratio of mean responses.
        together
            Whether features change at once, as one contrast: ``{"north": (1, 0), "south": (0, 1)}``
            moves all rows from one category to the other.
        kind
            ``"average"``: of the averages over rows; ``"row"``: at each of them; ``"at-mean"``: at
            the mean of the features.

        Returns
        -------
        DataFrame with columns estimate, std_error, lower, upper and index term, contrast, for
        populations response, for classifiers class, whose probabilities are the response; after
        ``obs_id`` with ``kind="row"``.

        Raises
        ------
        ValueError
            For arguments that mean nothing, or without rows or a covariance.
        MemoryError
            If the result would have more than ``max_bytes``.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson").fit(X, y)
        >>> table = model.comparisons(X, {"x0": (0, 1)}, comparison="ratio")
        >>> table.index.tolist()
        [('x0', '0 to 1')]
        >>> bool(np.isclose(table["estimate"].iloc[0], np.exp(model.coef_[0])))  # of the log link
        True

        References
        ----------
        Arel-Bundock, Greifer and Heiss (2024), How to interpret statistical models using
        marginaleffects for R and Python, *J. Statistical Software* 111(9).
        """
        choices = (comparison, tuple(effects.COMPARISONS))
        check_arguments(level, kind=(kind, KINDS), comparison=choices)
        with jax.enable_x64(True):
            route = self._route(method, level, covariance, num_draws)
            rows = self._effect_rows(X, sample_weight, offset, kind)
            asked = contrasts.read_contrasts(variables, together, self._labels, rows.X)
            by_row = kind == "row"
            find = effects.row_comparisons if by_row else effects.average_comparisons
            self._refuse_large_effects(by_row, rows, len(asked), max_bytes)
            with rows_bar(2 * len(asked) * len(rows.X), "comparisons", progress_bar) as bar:
                values = find(route, comparison, asked, rows, bar)
        names = {"term": [c.term for c in asked], "contrast": [c.label for c in asked]}
        return self._effects_table(values, names, by_row, route)

    def _route(
        self, method: str, level: float, covariance: Any, num_draws: int | None
    ) -> effects.Route:
        """How uncertainty reaches an effect."""
        self._require_fitted()
        check_arguments(level, method=(method, METHODS))
        if method == "auto":
            by_draws = self.posterior_ is not None and covariance is None
            method = "posterior" if by_draws else "fit"
        if method == "posterior":
            if covariance is not None:
                raise ValueError("`covariance` is for method='fit'; got method='posterior'.")
            return ByDraws(self._drawn(num_draws), level)
        if covariance is None:
            covariance = intervals.require_covariance(self)
        p, K, *classes = self._coef.shape
        D = (p + 1) * int(np.prod(classes))
        covariance = np.asarray(covariance, float)
        if covariance.size != K * D * D:
            raise ValueError(
                f"`covariance` must have the shape of `covariance_`, {K * D * D} entries; got "
                f"shape {covariance.shape}."
            )
        mask = self._feature_mask(self._layout, self._trailing(K))
        coef = self._coef if mask is None else self._coef * mask.reshape(self._coef.shape)
        mode = Drawn(
            self.observation_model,
            self.inverse_link_function,
            coef[None],
            self._intercept[None],
            np.asarray(self._dispersion)[None],
            1,
        )
        dof = np.broadcast_to(intervals.inference_dof(self)[:, 0], K)
        around = around_mode(mode, covariance.reshape(K, D, D))
        return ByDeltaMethod(around, level, dof, intervals.note(self))

    def _effect_rows(self, X: Any, sample_weight: Any, offset: Any, kind: str) -> effects.Observed:
        """Rows that are given, or those that `sample` saw; with ``"at-mean"`` their mean."""
        if X is None:
            if self.posterior_ is None:
                raise ValueError("Pass `X`: without draws the estimator keeps no rows.")
            if sample_weight is not None or offset is not None:
                raise ValueError("`sample_weight` and `offset` belong to the rows of `X`: pass it.")
            data = self._posterior_data(None, None, None, None)
            rows = effects.Observed(data.design.array, data.offset, data.weight)
        else:
            design, offset = self._predicted_rows(X, offset)
            weight = read_weight(sample_weight, (len(design.array), self._coef.shape[1]))
            rows = effects.Observed(design.array, offset, weight)
            if kind != "row":
                lost = np.isnan(rows.X).any(axis=1)
                report_missing(lost, np.zeros((len(lost), 1), bool), "drop")
                rows = rows.of(~lost) if lost.any() else rows
        if not len(rows.X):
            raise ValueError("`X` must have at least one row; got none.")
        return rows.mean if kind == "at-mean" else rows

    def _refuse_large_effects(self, by_row, rows, count, max_bytes) -> None:
        if by_row:
            shape = (4, len(rows.X), count, *self._coef.shape[1:])
            remedy = "Ask for fewer rows or `variables`, or for kind='average'."
            refuse_large_result(shape, "A table of effects", max_bytes, remedy)

    def _effects_table(self, values, names, by_row, route) -> Any:
        labels = self._response_labels(), self._class_labels()
        attributes = {"level": route.level, "note": route.note}
        return intervals.effects_table(values, names, *labels, by_row, **attributes)


def check_arguments(level: float, **choices: tuple[str, tuple[str, ...]]) -> None:
    """Raise ValueError for a level or a choice that means nothing."""
    intervals.check_level(level)
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise ValueError(f"`{name}` must be one of {allowed}; got {value!r}.")
