"""Leave-one-out against closed forms, quadrature and ArviZ on stored log-likelihoods.

ArviZ takes one cell after the other; sums over the same numbers in another order agree to 1e-12
relative, so 1e-8 leaves room for nothing but rounding.
"""

import copy
import dataclasses
import functools

import arviz_stats
import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from arviz_stats.base import array_stats
from scipy import special, stats

import bayesglm
from bayesglm import GLM, ClassifierGLM, PopulationGLM, Prior
from bayesglm.diagnostics import leave_one_out, pareto, transform
from bayesglm.exceptions import DataWarning, NotFittedError, SamplingWarning
from bayesglm.observation_models import GaussianObservations, TweedieObservations
from bayesglm.posterior.blocks import Drawn
from bayesglm.posterior.datatree import to_datatree

QUIET = {"progress_bar": False}
LAPLACE = {"method": "laplace", "num_samples": 500, "random_state": 1, **QUIET}
ROWS, FEATURES = 60, 2
FAULTS = 5.0  # standard errors: 6 in ten million by chance, and few hundred comparisons
OLD_ARVIZ = not hasattr(arviz_stats, "loo_influence")


@functools.cache
def design():
    return np.random.default_rng(0).uniform(-1.5, 1.5, size=(ROWS, FEATURES))


def counts(seed=1):
    return np.random.default_rng(seed).poisson(np.exp(2.0 + design() @ [0.4, -0.3]))


def sampled(model, y, X=None, **settings):
    model.sample(design() if X is None else X, y, **(LAPLACE | settings))
    return model


def poisson(y, **settings):
    return sampled(GLM("Poisson", regularizer="Ridge", regularizer_strength=0.05), y, **settings)


@pytest.fixture(scope="module")
def weighted():
    """A model whose draws have importance weights."""
    return poisson(counts())


@pytest.fixture(scope="module")
def chains(weighted):
    """A model whose chains are correlated, so that the tails are longer than for independence."""
    model, rng = copy.deepcopy(weighted), np.random.default_rng(3)
    noise = rng.normal(size=(4, 500, FEATURES + 1))
    for i in range(1, 500):
        noise[:, i] = 0.6 * noise[:, i - 1] + 0.8 * noise[:, i]
    draws = noise @ np.linalg.cholesky(model.covariance_).T
    tree = model.posterior_
    groups = {
        "posterior": {
            "coef": draws[..., :FEATURES] + np.asarray(model.coef_),
            "intercept": draws[..., FEATURES] + float(model.intercept_[0]),
        },
        "observed_data": {"y": np.asarray(tree["observed_data"]["y"])},
        "constant_data": {"X": np.asarray(tree["constant_data"]["X"])},
    }
    labels = {"feature": ["x0", "x1"], "obs_id": np.arange(ROWS)}
    model.posterior_ = to_datatree(groups, labels, {"seed": 0})
    return model


@pytest.fixture(scope="module")
def population():
    """Three responses, two cells missing, every row with a weight of its own."""
    mean = np.exp(2.0 + design() @ [[0.4, 0.0, 0.2], [-0.3, 0.1, 0.0]])
    y = np.random.default_rng(4).poisson(mean).astype(float)
    y[[3, 17], [0, 2]] = np.nan
    weight = np.random.default_rng(5).integers(1, 3, ROWS).astype(float)
    model = PopulationGLM("Poisson", regularizer="Ridge", regularizer_strength=0.05)
    with pytest.warns(DataWarning, match="NaN"):
        return sampled(model, y, sample_weight=weight), y, weight


class TestPareto:
    @pytest.mark.parametrize(("draws", "efficiency"), [(1000, 1.0), (1000, 0.4), (200, 1.0)])
    def test_smoothing_is_that_of_arviz(self, draws, efficiency, rng):
        log_ratio = rng.normal(size=(30, draws)) * np.linspace(0.01, 4, 30)[:, None]
        log_ratio[0] = np.log(rng.pareto(1 / 0.9, draws))
        expected, shape = array_stats.psislw(-log_ratio, r_eff=efficiency)
        with jax.enable_x64(True):
            found, k = pareto.smooth(log_ratio, pareto.tail_length(draws, efficiency))
        found -= special.logsumexp(found, axis=1, keepdims=True)
        np.testing.assert_allclose(found, expected, atol=1e-10)
        np.testing.assert_allclose(k, shape, atol=1e-10)

    def test_what_has_no_tail(self, rng):
        ratio = rng.normal(size=(4, 100))
        ratio[0] = 3.0  # equal weights need no smoothing
        ratio[1, 40:] = ratio[1].max() + 1.0  # an atom in the tail
        ratio[2, 5] = np.inf  # a draw under which the response cannot be
        with jax.enable_x64(True):
            weight, k = pareto.smooth(ratio, 20)
            few = pareto.smooth(ratio[3:, :24], 4)[1]
        assert np.array_equal(k == 0, [True, False, False, False])
        assert np.array_equal(np.isinf(k), [False, True, True, False])
        assert np.isinf(few).all()
        np.testing.assert_allclose(weight[:2], ratio[:2] - ratio[:2].max(axis=1, keepdims=True))
        assert np.array_equal(np.exp(weight[2]), np.arange(100) == 5)


class TestAgainstArviZ:
    def check(self, found, tree):
        expected = arviz_stats.loo(tree, pointwise=True)
        # ArviZ 0.8 divides a variance by n, ArviZ 1 and this package by n - 1.
        se = expected.se * np.sqrt(found.n / (found.n - 1)) if OLD_ARVIZ else expected.se
        np.testing.assert_allclose(found.elpd_i, expected.elpd_i.values, atol=1e-8)
        np.testing.assert_allclose(found.pareto_k, expected.pareto_k.values, atol=1e-8)
        np.testing.assert_allclose(
            [found.elpd, found.se, found.p_loo, found.good_k],
            [expected.elpd, se, expected.p, expected.good_k],
            atol=1e-8,
        )
        assert found.n == expected.n_data_points

    def test_a_response(self, chains):
        assert not np.isclose(chains._relative_efficiency(), 1.0)
        self.check(chains.loo(**QUIET), chains.log_likelihood())

    def test_a_population_with_weights(self, population):
        model, _, _ = population
        found, tree = model.loo(**QUIET), model.log_likelihood()
        assert tree["log_likelihood"]["y"].dims == ("chain", "draw", "obs_id", "response")
        complete = tree.isel(obs_id=np.delete(np.arange(ROWS), [3, 17]))
        keep = np.delete(np.arange(ROWS), [3, 17])
        part = leave_one_out.LeaveOneOut(
            *(a[keep] for a in (found.elpd_i, found.p_loo_i, found.pareto_k)),
            found.num_draws,
            found.y[keep],
            found.weight[keep],
        )
        self.check(part, complete)

    def test_weighted_draws_are_resampled(self, weighted):
        """Weighted draws, whose weights ArviZ does not know, are resampled in the tree as well."""
        tree = weighted.log_likelihood()
        assert np.unique(tree["posterior"]["intercept"]).size < 2000
        self.check(weighted.loo(**QUIET), tree)

    # ArviZ 0.8 sorts in place, which pandas will not do for long.
    @pytest.mark.filterwarnings("ignore:The inplace keyword")
    def test_tables_of_comparison(self, weighted):
        y, X = counts(), design()
        noise = np.random.default_rng(6).uniform(-1, 1, X.shape)
        models = {"both": weighted, "first": poisson(y, X=np.where([True, False], X, noise))}
        models["none"] = poisson(y, X=noise)
        for method in ("stacking", "pseudo-bma"):
            table = bayesglm.compare(models, method=method, **QUIET)
            trees = {name: model.log_likelihood() for name, model in models.items()}
            precise = {} if OLD_ARVIZ else {"round_to": "none"}
            expected = arviz_stats.compare(trees, method=method, **precise)
            assert table.index.tolist() == expected.index.tolist()
            assert table["rank"].tolist() == [0, 1, 2]
            for name, theirs in {"elpd": "elpd", "p_loo": "p", "dse": "dse"}.items():
                np.testing.assert_allclose(table[name], expected[theirs], atol=1e-8)
            np.testing.assert_allclose(table.elpd_diff, -np.abs(expected.elpd_diff), atol=1e-8)
            # Their optimiser stops when the objective changes by 1e-6.
            np.testing.assert_allclose(
                table.weight, expected.weight, atol=5e-3 if method == "stacking" else 1e-8
            )
        assert not table.warning.any()


class OwnObservations(GaussianObservations):
    """Of a name for which no distribution function is known."""


@functools.cache
def known_dispersion():
    """Exact draws of three responses with known variances, and exact predictions of each.

    With posterior mean m and covariance V of the linear predictor and h_i = V_ii / sigma^2, the
    posterior without y_i predicts it with mean (m_i - h_i y_i) / (1 - h_i) and variance
    sigma^2 / (1 - h_i), and the posterior with it, with mean m_i and variance sigma^2 (1 + h_i).
    """
    rng, X = np.random.default_rng(7), design()
    scale, draws = np.array([0.25, 1.0, 4.0]), 4000
    y = X @ rng.normal(size=(FEATURES, 3)) + np.sqrt(scale) * rng.normal(size=(ROWS, 3))
    coef, mean, h = np.empty((draws, FEATURES, 3)), np.empty_like(y), np.empty_like(y)
    weight = np.ones((ROWS, 3))
    weight[5, 1] = 0.0
    for k in range(3):
        covariance = np.linalg.inv((weight[:, k] * X.T) @ X / scale[k] + np.eye(FEATURES))
        center = covariance @ X.T @ (weight[:, k] * y[:, k]) / scale[k]
        coef[..., k] = rng.multivariate_normal(center, covariance, draws)
        mean[:, k] = X @ center
        h[:, k] = np.einsum("ij,jk,ik->i", X, covariance, X) / scale[k]
    drawn = Drawn(
        GaussianObservations(),
        bayesglm.links.identity,
        coef,
        np.zeros((draws, 3)),
        np.broadcast_to(scale, (draws, 3)),
        1,
    )
    without = stats.norm((mean - h * y) / (1 - h), np.sqrt(scale / (1 - h)))
    within = stats.norm(mean, np.sqrt(scale * (1 + h)))
    return drawn, leave_one_out.Rows(X, None, y, weight), without, within


def standard_error(log_likelihood):
    """Monte Carlo error of the log of the mean of inverse densities, from (draws, ...)."""
    ratio = np.exp(log_likelihood.min(axis=0) - log_likelihood)
    return ratio.std(axis=0) / ratio.mean(axis=0) / np.sqrt(len(ratio))


class TestClosedForms:
    """Gaussian responses, whose posteriors and predictions are known."""

    def test_densities(self):
        drawn, rows, without, within = known_dispersion()
        with jax.enable_x64(True):
            elpd, p_loo, k = leave_one_out.leave_one_out(drawn, rows, 1.0)
        mean = np.einsum("np,spk->snk", rows.X, drawn.coef)
        error = standard_error(stats.norm.logpdf(rows.y, mean, np.sqrt(drawn.scale[0])))
        assert np.array_equal(np.argwhere(np.isnan(elpd)), [[5, 1]])
        seen, exact = ~np.isnan(elpd), without.logpdf(rows.y)
        assert np.all(np.abs(elpd - exact)[seen] < FAULTS * error[seen])
        # Errors of single cells are up to 0.01, and those of two halves of a sum partly cancel.
        exact_p_loo = np.sum(np.where(seen, within.logpdf(rows.y) - exact, 0.0), axis=0)
        np.testing.assert_allclose(np.nansum(p_loo, axis=0), exact_p_loo, atol=0.1)
        assert np.nanmax(k) < 0.5

    def test_transforms(self):
        drawn, rows, without, _ = known_dispersion()
        with jax.enable_x64(True):
            pit = transform.leave_one_out_pit(drawn, rows, 1.0, seed=0)
        assert np.array_equal(np.argwhere(np.isnan(pit)), [[5, 1]])
        seen = ~np.isnan(pit)
        # The predictor's standard deviation, below 0.4 sigma, over sqrt(4000), times a density
        # below 0.4 / sigma: 0.0025 is a standard error, or less.
        np.testing.assert_allclose(pit[seen], without.cdf(rows.y)[seen], atol=0.01)
        assert stats.kstest(pit[seen], "uniform").pvalue > 1e-3

    def test_draws_stand_in_for_a_distribution_function(self):
        drawn, rows, without, _ = known_dispersion()
        with jax.enable_x64(True):
            pit = transform.leave_one_out_pit(
                dataclasses.replace(drawn, observations=OwnObservations()), rows, 1.0, seed=0
            )
        seen = ~np.isnan(pit)
        # A share of 4,000 draws, with weights, has a standard error of 0.01 at most.
        np.testing.assert_allclose(pit[seen], without.cdf(rows.y)[seen], atol=0.05)

    def test_blocks_of_any_size_agree(self, monkeypatch):
        drawn, rows, _, _ = known_dispersion()
        with jax.enable_x64(True):
            whole = leave_one_out.leave_one_out(drawn, rows, 1.0)
            for module in (leave_one_out, bayesglm.posterior.blocks):
                monkeypatch.setattr(module, "block_size", lambda *size: 16)  # the last has 12
            parts = leave_one_out.leave_one_out(drawn, rows, 1.0)
        np.testing.assert_allclose(parts, whole, rtol=1e-12, atol=1e-12)

    @pytest.mark.slow
    def test_unknown_dispersion(self):
        """Integrated by quadrature: p(y_i | y_-i) is the ratio of two marginal likelihoods."""
        X, root = design()[:20], np.linspace(0.02, 6, 3000)
        y = X @ [0.6, -0.4] + np.random.default_rng(8).normal(size=20)
        prior = Prior(dist.Normal(0.0, 1.5), intercept=dist.Normal(0.0, 2.0))
        model = GLM("Gaussian", regularizer=prior)
        settings = {"method": "exact", "num_samples": 2000, "scale_prior": dist.Exponential(1.0)}
        sampled(model, y, X, **settings)

        def log_marginal(rows):
            gram = 1.5**2 * X[rows] @ X[rows].T + 2.0**2
            values, vectors = np.linalg.eigh(gram)
            z, variance = vectors.T @ y[rows], values + root[:, None] ** 2
            log_density = -0.5 * np.sum(z**2 / variance + np.log(2 * np.pi * variance), axis=1)
            return special.logsumexp(log_density - root) + np.log(root[1] - root[0])

        whole = log_marginal(np.arange(20))
        exact = [whole - log_marginal(np.delete(np.arange(20), i)) for i in range(20)]
        found = model.loo(**QUIET)
        each = np.asarray(model.log_likelihood()["log_likelihood"]["y"]).reshape(-1, 20)
        assert np.all(np.abs(found.elpd_i - exact) < FAULTS * standard_error(each) + 1e-6)
        assert found.n == 20


class TestTransform:
    def shares(self, model, below, equal):
        """Bounds of the transform with ArviZ's weights, from shares of shape (draws, n)."""
        stored = np.asarray(model.log_likelihood()["log_likelihood"]["y"])
        efficiency = model._relative_efficiency()
        cells = stored.reshape(-1, stored.shape[2]).T
        weight = np.exp(array_stats.psislw(cells, r_eff=efficiency)[0]).T
        low = np.sum(weight * below, axis=0)
        return low, low + np.sum(weight * equal, axis=0)

    def test_counts_are_randomised_between_two_probabilities(self, chains):
        draws = chains._drawn()
        mean = np.exp(draws.coef[..., 0] @ design().T + draws.intercept)
        below, equal = stats.poisson.cdf(counts() - 1, mean), stats.poisson.pmf(counts(), mean)
        low, high = self.shares(chains, below, equal)
        pit = np.stack([chains.loo_pit(random_state=i, **QUIET) for i in range(3)])
        np.testing.assert_array_equal(pit[0], chains.loo_pit(random_state=0, **QUIET))
        share = (pit - low) / (high - low)
        assert np.all((share > 0) & (share < 1))
        assert stats.kstest(share.ravel(), "uniform").pvalue > 1e-4
        assert stats.kstest(pit[0], "uniform").pvalue > 1e-4

    def test_classes_in_order_of_draws(self):
        """Two draws whose weights are known: inversely proportional to the observed class's."""
        eta = np.log(np.array([[0.2, 0.3, 0.5], [0.4, 0.5, 0.1]]))[:, None]
        family = bayesglm.observation_models.CategoricalObservations()
        link = family.default_inverse_link_function
        drawn = Drawn(family, link, np.zeros((2, 1, 1, 3)), eta, np.ones((2, 1)), 1)
        rows = leave_one_out.Rows(
            np.zeros((300, 1)), None, np.eye(3)[[[1]] * 300], np.ones((300, 1))
        )
        with jax.enable_x64(True):
            pit = transform.leave_one_out_pit(drawn, rows, 1.0, seed=0)
        weight = np.array([1 / 0.3, 1 / 0.5]) / (1 / 0.3 + 1 / 0.5)
        low = weight @ [0.2, 0.4]
        share = (pit - low) / (weight @ [0.3, 0.5])
        assert stats.kstest(share[:, 0], "uniform").pvalue > 1e-3

    @pytest.mark.slow
    def test_classes_in_order(self):
        labels = np.random.default_rng(2).integers(0, 3, ROWS)
        model = sampled(ClassifierGLM(3, regularizer_strength=0.1), labels)
        draws = model._drawn()
        eta = np.einsum("np,spc->snc", design(), draws.coef[:, :, 0]) + draws.intercept
        share = special.softmax(eta, axis=-1)
        before = np.sum(share * (np.arange(3) < labels[:, None]), axis=-1)
        low, high = self.shares(model, before, share[:, np.arange(ROWS), labels])
        pit = model.loo_pit(random_state=0, **QUIET)
        assert np.all((low < pit) & (pit < high))

    @pytest.mark.slow  # the density, an infinite series, takes a minute
    def test_uniform_on_amounts_with_zeros(self):
        rng, X = np.random.default_rng(11), np.random.default_rng(10).normal(size=(400, FEATURES))
        mean = np.exp(0.5 + X @ [0.3, -0.2])
        number = rng.poisson(2 * np.sqrt(mean))  # power 1.5, dispersion 1
        y = np.where(number > 0, rng.gamma(np.maximum(number, 1), np.sqrt(mean) / 2), 0.0)
        model = sampled(GLM(TweedieObservations(power=1.5)), y, X, num_samples=250)
        pit = model.loo_pit(random_state=0, **QUIET)
        assert stats.kstest(pit, "uniform").pvalue > 1e-3
        # A mean that is off by a half is seen: the test has power.
        wrong = model.loo_pit(X, y, offset=np.full(400, 0.5), random_state=0, **QUIET)
        assert stats.kstest(wrong, "uniform").pvalue < 1e-6

    def test_fewer_draws(self, chains):
        pit = chains.loo_pit(num_draws=200, random_state=0, **QUIET)
        np.testing.assert_allclose(pit, chains.loo_pit(random_state=0, **QUIET), atol=0.05)


class TestPopulations:
    def test_rows_count_as_often_as_they_weigh(self, population):
        model, y, weight = population
        draws = model._drawn()
        mean = np.exp(np.einsum("np,spk->snk", design(), draws.coef) + draws.intercept[:, None])
        expected = weight[:, None] * stats.poisson.logpmf(y, mean)
        found = np.asarray(model.log_likelihood()["log_likelihood"]["y"])[0]
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
        assert np.array_equal(np.isnan(found).any(axis=0), np.isnan(y))

    def test_responses_are_those_of_their_own_models(self, population):
        model, y, weight = population
        found = model.loo(**QUIET)
        table = found.per_response
        assert found.n == 3 * ROWS - 2
        np.testing.assert_allclose(table.elpd.sum(), found.elpd)
        np.testing.assert_allclose(table.p_loo.sum(), found.p_loo)
        np.testing.assert_allclose(table.se, np.sqrt(table.n * np.nanvar(found.elpd_i, 0, ddof=1)))
        for k in range(3):
            kept = ~np.isnan(y[:, k])
            alone = poisson(y[kept, k], X=design()[kept], sample_weight=weight[kept])
            other = alone.loo(**QUIET)
            # Other draws of the same posterior: 2,000 of them, and p_loo of about 4 (weights).
            np.testing.assert_allclose(table.elpd[k], other.elpd, atol=0.2)
            assert table.n[k] == other.n == kept.sum()

    def test_labels_and_text(self, population):
        found = population[0].loo(**QUIET)
        assert found.per_response.index.tolist() == population[0]._response_labels()
        assert "178 of 178 responses with Pareto k <= 0.70" in repr(found)
        assert f"{found.elpd:.2f}" in repr(found)


class TestData:
    def test_data_given_or_kept(self, chains):
        given = chains.loo(design(), counts(), **QUIET)
        np.testing.assert_array_equal(given.elpd_i, chains.loo(**QUIET).elpd_i)

    def test_one_row_that_the_model_cannot_leave_out(self):
        X, y = design().copy(), counts()
        X[7], y[7] = [6.0, -6.0], 0  # the model expects hundreds
        with pytest.warns(SamplingWarning, match=r"Leaving out 1 of 60 responses \(rows 7\)"):
            found = poisson(y, X=X).loo(**QUIET)
        assert found.num_bad == 1

    def test_a_result_over_budget_is_refused(self, chains):
        with pytest.raises(MemoryError, match=r"Call `loo\(\)`"):
            chains.log_likelihood(max_bytes=1000)

    def test_no_posterior(self):
        for method in ("loo", "loo_pit", "log_likelihood"):
            with pytest.raises(NotFittedError, match="call `sample"):
                getattr(GLM("Poisson"), method)()

    def test_nothing_is_copied_that_is_there(self, chains):
        tree = chains.log_likelihood()
        assert np.shares_memory(tree["posterior"]["coef"], chains.posterior_["posterior"]["coef"])


class TestCompare:
    def test_stacking_is_optimal(self, rng):
        """At the best mixture no model is better than it on average (Karush-Kuhn-Tucker)."""
        elpd_i = rng.normal(size=(500, 4)) * [1, 1, 0.2, 1] - [0.0, 0.3, 0.8, 9.0]
        elpd_i[:3, 1] = -2000.0  # impossible to the second
        weight = bayesglm.model_comparison.WEIGHTS["stacking"](elpd_i)
        density = np.exp(elpd_i - elpd_i.max(axis=1, keepdims=True))
        gain = np.mean(density / (density @ weight)[:, None], axis=0)
        assert np.isclose(weight.sum(), 1)
        assert np.all(gain < 1 + 1e-5)
        np.testing.assert_allclose(gain[weight > 1e-3], 1.0, atol=1e-5)
        assert weight[3] < 1e-6

    def test_results_will_do(self, chains):
        found = chains.loo(**QUIET)
        table = bayesglm.compare([found, chains], **QUIET)
        assert table.index.tolist() == ["model 0", "model 1"]
        np.testing.assert_array_equal(table[["elpd_diff", "dse"]], 0.0)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda y, w: (y[:-1], w[:-1]), r"'a' has \(60,\), 'b' has \(59,\)"),
            (lambda y, w: (y + (np.arange(60) == 8), w), "same responses.*1 of 60.*row 8"),
            (lambda y, w: (y, w + (np.arange(60) == 9)), "same weights.*1 of 60.*row 9"),
        ],
    )
    def test_models_of_other_responses(self, change, message, chains):
        found = chains.loo(**QUIET)
        y, weight = change(found.y, found.weight)
        arrays = (a[: len(y)] for a in (found.elpd_i, found.p_loo_i, found.pareto_k))
        other = leave_one_out.LeaveOneOut(*arrays, found.num_draws, y, weight)
        with pytest.raises(ValueError, match=message):
            bayesglm.compare({"a": found, "b": other})

    def test_what_is_no_model(self, chains):
        with pytest.raises(TypeError, match="'b' is str"):
            bayesglm.compare({"a": chains, "b": "model"}, **QUIET)
        with pytest.raises(TypeError, match="dict or list"):
            bayesglm.compare(chains)
        with pytest.raises(ValueError, match="at least two"):
            bayesglm.compare([chains])
        with pytest.raises(ValueError, match=r"\['pseudo-bma', 'stacking'\]; got 'bma'"):
            bayesglm.compare([chains, chains], method="bma")
