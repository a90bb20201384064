"""Pictures of what an estimator says about responses."""

from __future__ import annotations

from typing import Any


class PredictivePlots:
    """Those of the pictures of one estimator that compare it with data."""

    _model: Any

    def ppc(
        self,
        X: Any = None,
        y: Any = None,
        *,
        num_draws: int = 100,
        kind: str | None = None,
        responses: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        random_state: Any = 0,
        progress_bar: bool = True,
        ax: Any = None,
    ) -> Any:
        """Posterior predictive check: responses observed against those the model would have.

        Each draw of the parameters gives one replicate of all responses. If the model is right the
        observed ones look like any of them. Replicates are counted block by block and never held.

        Parameters
        ----------
        X, y, sample_weight, offset
            As in `fit`; by default the data of `sample`. A row of weight w counts w times.
        num_draws
            Number of replicates.
        kind
            ``"bars"``: numbers of rows, with the median and the 90 % interval of the replicates,
            for counts on the scale of a square root, which shows rare ones too (a rootogram);
            ``"density"``: densities, smoothed alike; ``"ecdf"``: distribution functions. None
            takes bars for counts, yes/no responses and classes, and densities elsewhere unless
            more than 5 % of the responses are zero.
        responses
            Labels of the responses to show, at most nine; by default the first nine.
        random_state
            Seed of the replicates: an integer, a NumPy generator, or None for a new one.
        progress_bar
            Whether to show one where it takes longer than a second.
        ax
            Axes to draw into, for a single response.

        Returns
        -------
        The axes; an array of them for several responses.

        Raises
        ------
        NotFittedError
            Before `sample`.
        ValueError
            If there are no data, or for names that there are not.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> ax = model.plot.ppc(num_draws=50, progress_bar=False)
        >>> [text.get_text() for text in ax.get_xticklabels()]
        ['0', '1', '2', '3', '4', '5', '6', '7', '>7']

        References
        ----------
        Gabry, Simpson, Vehtari, Betancourt and Gelman (2019), Visualization in Bayesian workflow,
        *JRSS A* 182, 389-402. Kleiber and Zeileis (2016), Visualizing count data regressions using
        rootograms, *The American Statistician* 70, 296-303.
        """
        from bayesglm.plots import plot_ppc

        return plot_ppc(
            self._model,
            X,
            y,
            num_draws=num_draws,
            kind=kind,
            responses=responses,
            sample_weight=sample_weight,
            offset=offset,
            random_state=random_state,
            progress_bar=progress_bar,
            ax=ax,
        )

    def pit(
        self,
        X: Any = None,
        y: Any = None,
        *,
        level: float = 0.95,
        num_draws: int | None = None,
        responses: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        random_state: Any = 0,
        progress_bar: bool = True,
        ax: Any = None,
    ) -> Any:
        """Whether predictions have the right spread, by `loo_pit`.

        The line is the distribution function of the transforms less the uniform one. A right
        model's lies in the band with probability ``level``. Predictions that are too wide make it
        fall below zero and then rise above; too narrow ones the opposite; responses that are larger
        than predicted keep it below zero.

        Parameters
        ----------
        X, y, sample_weight, offset, num_draws, random_state, progress_bar
            As in `loo_pit`.
        level
            Probability of the band, in (0, 1).
        responses
            Labels of the responses to show, at most nine; by default the first nine.
        ax
            Axes to draw into, for a single response.

        Returns
        -------
        The axes; an array of them for several responses.

        Raises
        ------
        NotFittedError
            Before `sample`.
        ValueError
            If there are no data, or for names that there are not.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> ax = model.plot.pit(progress_bar=False)
        >>> ax.get_xlabel()
        'LOO-PIT'

        References
        ----------
        Säilynoja, Bürkner and Vehtari (2022), Graphical test for discrete uniformity and its
        applications in goodness-of-fit evaluation and multiple sample comparison, *Statistics and
        Computing* 32, 32.
        """
        from bayesglm.plots import plot_pit

        return plot_pit(
            self._model,
            X,
            y,
            level=level,
            num_draws=num_draws,
            responses=responses,
            sample_weight=sample_weight,
            offset=offset,
            random_state=random_state,
            progress_bar=progress_bar,
            ax=ax,
        )

    def effects(
        self,
        feature: Any,
        X: Any = None,
        y: Any = None,
        interval: float = 0.9,
        *,
        data: str | None = "auto",
        responses: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        ax: Any = None,
    ) -> Any:
        """Effect of a feature on the expected response, with its band and the data.

        All other features are at their mean, those of two values at the more frequent one, and the
        offset at its mean. A column that is made of others (a square, a spline) moves by itself.
        After `fit` alone the band is Wald's, of the linear predictor; classes have none then.

        Parameters
        ----------
        feature
            Name of a feature, or a list of them: one panel each.
        X, y, sample_weight, offset
            Rows to take the features' range and means from, and, with ``y``, to show; by default
            those that `sample` kept.
        interval
            Probability of the band, and of the intervals of the data's means, in (0, 1).
        data
            ``"points"``: rows one by one, at most 1,000, evenly chosen; ``"means"``: means of the
            response in ten groups of rows of about equal size, or at each value of a feature that
            has few, whatever the other features are there; ``"auto"``: points for measurements of
            one response, else means; None: neither.
        responses
            Labels of the responses to show, at most seven; of one, for `ClassifierPopulationGLM`.
        ax
            Axes to draw into, for a single feature.

        Returns
        -------
        The axes; an array of them for several features.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If there are no data, or for names that there are not.

        Examples
        --------
        >>> import numpy as np
        >>> from bayesglm import GLM
        >>> X = np.linspace(-1, 1, 50)[:, None]
        >>> y = np.random.default_rng(0).poisson(np.exp(0.5 + X[:, 0]))
        >>> model = GLM("Poisson", regularizer="Ridge", regularizer_strength=0.01)
        >>> tree = model.sample(X, y, num_samples=500, random_state=0, progress_bar=False)
        >>> ax = model.plot.effects("x0")
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('x0', 'expected response')
        """
        from bayesglm.plots import plot_effects

        return plot_effects(
            self._model,
            feature,
            X,
            y,
            interval,
            data=data,
            responses=responses,
            sample_weight=sample_weight,
            offset=offset,
            ax=ax,
        )
