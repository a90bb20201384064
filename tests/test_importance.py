"""Proposals of the independence sampler: their distribution, and the density that is told of it."""

import exact_posteriors as exact
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import optimize, stats

from bayesglm import GLM, PopulationGLM
from bayesglm.inference.importance import (
    Proposal,
    Weighted,
    efficiency,
    nearest_normal,
)
from bayesglm.regularizer import Prior


@pytest.mark.parametrize("dof", [20.0, 60.0, np.inf])
def test_proposals_are_multivariate_t(dof):
    """As SciPy has them: the density that is told is that of the draws, and they are so spread."""
    center, factor, count = np.array([1.0, -2.0]), np.array([[1.0, 0.0], [0.7, 0.4]]), 200_000
    proposal = Proposal(center[None], factor[None], dof)
    drawn, told = proposal.draw([np.random.default_rng(3)], count)
    known = stats.multivariate_t(center, factor @ factor.T, df=dof)
    assert np.ptp(known.logpdf(drawn[:, 0]) - told[:, 0]) < 1e-10  # but for a constant
    z = (drawn[:, 0] - center) @ np.linalg.inv(factor).T
    radius = (z**2).sum(axis=1) / 2  # F-distributed, chi-square over 2 in the limit
    known = stats.f(2, dof) if np.isfinite(dof) else stats.expon()
    assert stats.kstest(radius, known.cdf).pvalue > 1e-4
    # Each direction alike: the mean's error is one over the root of the count.
    assert np.all(np.abs(z.mean(axis=0)) < 4.5 * z.std(axis=0) / count**0.5)


@pytest.mark.filterwarnings("ignore::bayesglm.exceptions.SamplingWarning")  # of so few draws
def test_a_response_is_drawn_alike_whatever_its_neighbours_need():
    """One whose proposals have to be adapted does not touch one whose need not be."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    Y = np.stack([rng.poisson(np.exp(2 + 0.3 * X[:, 0])), rng.random(60) < 0.03], axis=1)
    settings = {"method": "importance", "num_samples": 50, "random_state": 1, "progress_bar": False}

    def coef(y):
        model = PopulationGLM("Poisson", regularizer=dist.Normal(0.0, 3.0))
        return np.asarray(model.sample(X, y, **settings)["posterior"]["coef"])

    np.testing.assert_allclose(
        coef(Y.astype(float))[..., :1], coef(Y[:, :1]), rtol=1e-10, atol=1e-12
    )


@pytest.mark.filterwarnings("ignore::bayesglm.exceptions.SamplingWarning")  # of so few draws
@pytest.mark.parametrize("share", [0.5, 0.05])  # proposals fit, or have to be adapted
def test_a_chain_is_drawn_alike_however_many_there_are(share):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), (rng.random(60) < share).astype(float)
    settings = {"method": "importance", "num_samples": 50, "random_state": 1, "progress_bar": False}

    def coef(num_chains):
        model = GLM("Poisson", regularizer=dist.Normal(0.0, 3.0))
        tree = model.sample(X, y, num_chains=num_chains, **settings)
        return np.asarray(tree["posterior"]["coef"])

    np.testing.assert_array_equal(coef(2), coef(4)[:2])


def test_efficiency_is_the_share_of_effective_draws():
    log_ratio = np.log([[1.0, 1.0], [1.0, 3.0]]) + 800.0  # which overflow without care
    np.testing.assert_allclose(efficiency(log_ratio), [1.0, 16 / 20])


def test_nearest_normal_is_where_the_weights_are():
    """A target that is normal with a mean of its own is found, and leaves no ratio."""
    mean, z = (
        np.array([[0.04, -0.01], [0.0, 0.02]]),
        np.random.default_rng(5).normal(size=(500, 2, 2)),
    )
    z = np.stack([z, -z], axis=1).reshape(1000, 2, 2)
    lp = 3.0 - 0.5 * np.sum((z - mean) ** 2, axis=-1)
    center, log_ratio = nearest_normal(Weighted(z, lp + 0.5 * np.sum(z**2, axis=-1), lp))
    # Mirror images leave of a mean's error a part like the mean itself, a root of 500 smaller.
    np.testing.assert_allclose(center, mean, atol=4 * 0.04 * 500**-0.5)
    assert np.ptp(log_ratio, axis=0).max() < 0.08  # the error of the mean, over eight deviations
    np.testing.assert_allclose(log_ratio.mean(), 3.0, atol=1e-3)


@pytest.mark.parametrize(("name", "copies"), [("Poisson", 1_000), ("Gamma", 20_000)])
def test_posteriors_of_many_data_are_drawn_as_the_normal_ones_that_they_all_but_are(name, copies):
    """By SciPy's densities, for ten responses; weights stand for that many equal rows."""
    family, rng = exact.FAMILIES[name], np.random.default_rng(7)
    size = 2 + family.estimated
    x = rng.normal(size=(40, 1))
    Y = family.draw(rng, family.mean(x * rng.normal(0, 0.3, 10) + family.level), 0.8).astype(float)
    own = Prior(dist.Normal(), intercept=dist.Normal())
    model = PopulationGLM(family.observations, family.link, own)
    how = {"method": "auto", "num_samples": 2500, "random_state": 1, "progress_bar": False}
    how |= {"scale_prior": dist.Exponential()} if family.estimated else {}
    tree = model.sample(x, Y, sample_weight=np.full(40, float(copies)), **how)
    assert tree.attrs["method"] == "laplace"
    drawn = {name: np.asarray(a) for name, a in tree["posterior"].data_vars.items()}
    named = [drawn["coef"][:, :, 0], drawn["intercept"]]
    named += [0.5 * np.log(drawn["scale"])] if family.estimated else []
    points = np.stack(named, axis=-1).reshape(-1, 10, size)
    lp = np.asarray(tree["sample_stats"]["lp"]).reshape(-1, 10)

    root_prior = (lambda root: stats.expon.logpdf(root) / copies) if family.estimated else None
    normal = lambda w, level: stats.norm.logpdf(np.column_stack([w, level])).sum(axis=1) / copies
    jacobian = lambda point: (1 / copies - 1) * point[:, -1] * family.estimated
    for k, y in enumerate(Y.T):
        row = exact.log_posterior(family, normal, x, y, root_prior)
        density = lambda point, row=row: row(point) + jacobian(np.atleast_2d(point))
        mode = optimize.minimize(lambda point, of=density: -of(point)[0], np.zeros(size)).x
        below = copies * (density(mode) - density(points[:, k]))
        # The one neglected in the other adds up to less than half of the error of 10,000 draws.
        assert np.std(below + lp[:, k]) < 0.005
        assert stats.kstest(2 * below, stats.chi2(size).cdf).pvalue > 1e-4
        assert np.abs(stats.ttest_1samp(points[:, k], mode).statistic).max() < 5

    few = model.sample(x, Y, sample_weight=np.full(40, 50.0), **how)
    assert few.attrs["method"] == "importance"
