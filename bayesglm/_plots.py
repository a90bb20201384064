"""Pictures of an estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bayesglm._predictive_plots import PredictivePlots


class Plots(PredictivePlots):
    """Pictures of one estimator: what its property ``plot`` returns.

    They need matplotlib: ``pip install 'bayesglm[plots]'``. Each method draws into a new figure, or
    into the axes given, and returns the axes; names are those of the DataFrame's columns.

    Parameters
    ----------
    model
        A fitted estimator.
    """

    def __init__(self, model: Any):
        self._model = model

    def __repr__(self) -> str:
        names = [name for name in dir(type(self)) if not name.startswith("_")]
        return f"Pictures of a {type(self._model).__name__}: {', '.join(names)}"

    def coefficients(
        self,
        level: float = 0.95,
        *,
        terms: Any = None,
        intercept: bool = False,
        responses: Any = None,
        sort: bool = False,
        max_terms: int | None = None,
        ax: Any = None,
    ) -> Any:
        """Forest of coefficients: mode and posterior of every term in one row.

        The posterior mean is a dot on its 50 % interval (thick) and its interval of ``level``
        (thin); the fit is a diamond on its Wald interval (dashed). What there is is shown: after
        `fit` the fit alone, after `sample` both, and without a mode (`Horseshoe`) the posterior.
        Responses of a small population, or classes, are told apart by colour.

        Parameters
        ----------
        level
            Coverage of the thin and the dashed intervals, in (0, 1).
        terms
            Names of features to show, in this order; all by default.
        intercept
            Whether to show the intercept, whose size often hides that of all others.
        responses
            Labels of the responses to show, at most seven.
        sort
            Whether to order terms by their estimate (the mean over responses), largest first.
        max_terms
            The most to show; of more, those farthest from zero for their interval. By default
            250 divided by the number of responses or classes.
        ax
            Axes to draw into; by default a new figure as tall as it needs to be.

        Returns
        -------
        The axes; an array of them, one for each response, for `ClassifierPopulationGLM`.

        Raises
        ------
        ValueError
            For names that there are not, or too many responses.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.array([[0.0], [0.0], [1.0], [1.0]])
        >>> model = GLM("Poisson").fit(X, np.array([1.0, 3.0, 4.0, 8.0]))
        >>> ax = model.plot.coefficients()
        >>> [text.get_text() for text in ax.get_yticklabels()]
        ['x0']
        """
        from bayesglm.plots import plot_coefficients

        return plot_coefficients(
            self._model,
            level,
            terms=terms,
            intercept=intercept,
            responses=responses,
            sort=sort,
            max_terms=max_terms,
            ax=ax,
        )

    def trace(
        self, parameters: Sequence[str] | str | None = None, *, max_parameters: int = 8
    ) -> Any:
        """Density of each chain, and its draws in their order, parameter by parameter.

        Chains that agree have densities that agree, and traces without trends. Black ticks are
        draws of divergent transitions.

        Parameters
        ----------
        parameters
            Names of parameters, such as ``"coef[age]"``, or of arrays of them, such as ``"coef"``.
            By default all that vary.
        max_parameters
            The most to show: of more, those with the largest R-hat, worst first; the headline says
            how many are left out.

        Returns
        -------
        Axes, shape (parameters, 2): densities and traces.

        Raises
        ------
        NotFittedError
            Before `sample`.
        ValueError
            For names that there are not, or too many.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> axes = model.plot.trace()
        >>> axes.shape, axes[0, 0].get_title(loc="left")
        ((2, 2), 'coef[x0]')

        References
        ----------
        Gelman et al. (2013), *Bayesian Data Analysis*, 3rd ed., section 11.4.
        """
        from bayesglm.plots import plot_trace

        return plot_trace(self._model, parameters, max_parameters=max_parameters)

    def rank(
        self,
        parameters: Sequence[str] | str | None = None,
        *,
        max_parameters: int = 12,
        level: float = 0.95,
    ) -> Any:
        """Whether all chains have the same distribution, by the ranks of their draws.

        The draws of all chains of a parameter are ranked together; a line is the distribution
        function of one chain's ranks, less the uniform one. If chains agree, the lines of all of
        them lie in the band with probability ``level``. The draws of a chain are thinned to
        about as many as there would be if they were independent.

        Parameters
        ----------
        parameters, max_parameters
            As in `trace`.
        level
            Probability of the band, in (0, 1), for each parameter.

        Returns
        -------
        Axes, shape (parameters,).

        Raises
        ------
        NotFittedError
            Before `sample`.
        ValueError
            For names that there are not, or too many; for a single chain.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> [ax.get_title() for ax in model.plot.rank()]
        ['coef[x0]', 'intercept']

        References
        ----------
        Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Rank-normalization, folding, and
        localization, *Bayesian Analysis* 16. Säilynoja, Bürkner and Vehtari (2022), Graphical test
        for discrete uniformity, *Statistics and Computing* 32.
        """
        from bayesglm.plots import plot_rank

        return plot_rank(self._model, parameters, max_parameters=max_parameters, level=level)

    def population(
        self,
        X: Any = None,
        y: Any = None,
        *,
        level: float = 0.95,
        terms: Any = None,
        responses: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> Any:
        """Many responses at a glance: a map of their coefficients, intercepts, and their fit.

        Colours are posterior means, or the fit after `fit` alone; they end at the 99 % quantile of
        the coefficients' sizes. A dot marks a coefficient whose interval leaves zero out.
        At the side are the intercept with its interval, the dispersion if it is estimated, and the
        share of the deviance that the fit explains (McFadden's kind is `score`'s).

        Parameters
        ----------
        X, y, sample_weight, offset
            Data for the share of the deviance; by default those that `sample` kept.
        level
            Coverage of the intervals, in (0, 1).
        terms, responses
            Names of features and labels of responses to show, in this order; all by default.

        Returns
        -------
        Axes: the map (one per class of a classifier), then the panels at the side.

        Raises
        ------
        ValueError
            For a model of one response, or names that there are not.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import PopulationGLM
        >>> X = np.array([[0.0], [0.0], [1.0], [1.0]])
        >>> Y = np.array([[1.0, 2.0], [3.0, 2.0], [4.0, 1.0], [8.0, 1.0]])
        >>> model = PopulationGLM("Poisson").fit(X, Y)
        >>> [ax.get_xlabel() for ax in model.plot.population(X, Y)]
        ['', 'intercept', 'deviance explained']
        """
        from bayesglm.plots import plot_population

        return plot_population(
            self._model,
            X,
            y,
            level=level,
            terms=terms,
            responses=responses,
            sample_weight=sample_weight,
            offset=offset,
        )


class Plotted:
    """Mixin of an estimator that can be sampled: pictures."""

    @property
    def plot(self) -> Plots:
        """Pictures: ``model.plot.coefficients()``, and the other methods of `Plots`."""
        return Plots(self)
