"""Proposals of the independence sampler: their distribution, and the density that is told of it."""

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import integrate, stats

from bayesglm import PopulationGLM
from bayesglm.inference.importance import Proposal, _nearly_chi_square, efficiency


@pytest.mark.parametrize("dof", [20.0, 420.0])
def test_mixing_scales_are_chi_square_once_weighted(dof):
    """Moments by quadrature over the normal number: those of a chi-square over its dof."""
    with jax.enable_x64(True):
        normal = np.linspace(-9.0, 9.0, 40_001)
        scale, excess = map(np.asarray, _nearly_chi_square(normal, dof))
    density = stats.norm.pdf(normal) * np.exp(excess.min() - excess)
    moment = lambda power: integrate.simpson(density * scale**power, x=normal)
    found = [moment(power) / moment(0) for power in (1, 2, -1)]
    # Beyond nine standard deviations there is nothing; the grid is 1e-4 of one.
    np.testing.assert_allclose(found, [1.0, 1 + 2 / dof, dof / (dof - 2)], rtol=1e-9)


@pytest.mark.parametrize("dof", [20.0, 60.0, np.inf])
def test_weighted_proposals_are_multivariate_t(dof):
    """Weights of SciPy's density over the told one: draws keep the moments of SciPy's."""
    center, factor, count = np.array([1.0, -2.0]), np.array([[1.0, 0.0], [0.7, 0.4]]), 200_000
    with jax.enable_x64(True):
        proposal = Proposal(center[None], factor[None], np.asarray(dof))
        drawn, told = map(np.asarray, proposal.draw(jax.random.PRNGKey(3)[None], count))
    known = stats.multivariate_t(center, factor @ factor.T, df=dof)
    weight = np.exp(known.logpdf(drawn[:, 0]) - told[:, 0])
    weight /= weight.mean()
    # Only what the scale's distribution lacks is left in the weights: little, and on average none.
    assert np.std(weight) < {20.0: 0.03, 60.0: 0.01}.get(dof, 1e-10)
    z = (drawn[:, 0] - center) @ np.linalg.inv(factor).T
    radius = (z**2).sum(axis=1) / 2  # F-distributed, chi-square over 2 in the limit
    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    ends = stats.f.ppf(levels, 2, dof) if np.isfinite(dof) else stats.chi2.ppf(levels, 2) / 2
    share = np.array([(weight * (radius < end)).mean() for end in ends])
    error = np.sqrt(levels * (1 - levels) / count)
    assert np.all(np.abs(share - levels) < 4.5 * error)
    # Each direction alike: the mean's error is one over the root of the count.
    assert np.all(np.abs((weight[:, None] * z).mean(axis=0)) < 4.5 * z.std(axis=0) / count**0.5)


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


def test_efficiency_is_the_share_of_effective_draws():
    log_ratio = np.log([[1.0, 1.0], [1.0, 3.0]]) + 800.0  # which overflow without care
    np.testing.assert_allclose(efficiency(log_ratio), [1.0, 16 / 20])
