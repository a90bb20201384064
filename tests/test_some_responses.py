"""The posterior of some responses is that part of the posterior of all: blocks and `auto` need it.

There are as many responses as features and classes, so that no axis is known by its length.
"""

import warnings

import jax
import numpy as np
import numpyro.distributions as dist
import pytest

from bayesglm import ClassifierPopulationGLM, PopulationGLM, Prior
from bayesglm.regularizer import ARD, R2D2, GroupLasso, Horseshoe

K = P = CLASSES = 3
ROWS = 40
RNG = np.random.default_rng(2)
X = RNG.normal(size=(ROWS, P))
EACH = RNG.uniform(0.5, 2.0, (P, K))  # one number for each coefficient
OF_CLASS = RNG.uniform(0.5, 2.0, (P, K, CLASSES))
ROOTS = np.tril(RNG.uniform(0.2, 1.0, (K, P, P))) + np.eye(P)
OWN_GROUPS = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
GROUPS = np.einsum("gp,kl->gkpl", OWN_GROUPS, np.eye(K)).reshape(2 * K, P, K)  # of each response
COUNTS = RNG.poisson(2.0, (ROWS, K)) * 1.0
LABELS = RNG.integers(0, CLASSES, (ROWS, K))


def vectors(*batch):
    """Normal distributions of all features, one for each response (and class)."""
    loc = RNG.normal(size=(*batch, P))
    roots = ROOTS if len(batch) == 1 else np.broadcast_to(ROOTS[:, None], (*batch, P, P))
    return dist.MultivariateNormal(loc, scale_tril=roots)


PRIORS = {
    "normal": Prior(dist.Normal(0.3, 0.7)),
    "normal of each": Prior(dist.Normal(EACH - 1.0, EACH)),
    "Laplace of each": Prior(dist.Laplace(0.0, EACH)),
    "half-normal of each": Prior(dist.HalfNormal(EACH)),
    "by response": Prior(
        dist.StudentT(4.0, 0.0, EACH[:1]), intercept=dist.Normal(EACH[1], EACH[2])
    ),
    "autoscaled": Prior(),
    "vectors": Prior(dist.MultivariateNormal(EACH[0], scale_tril=ROOTS[0])),
    "vectors of each": Prior(vectors(K)),
    "horseshoe": Horseshoe(0.3),
    "R2D2": R2D2(),
    "ARD": ARD(),
}
NAMED = {"Ridge": 0.2, "Lasso": 0.2, "ElasticNet": (0.2, 0.3)}
OF_CLASSES = {
    "normal": Prior(dist.Normal(0.3, 0.7), intercept=dist.Normal(0.0, 0.5)),
    "normal of each": Prior(dist.Normal(0.0, OF_CLASS), intercept=dist.Normal(EACH, EACH.T)),
    "vectors of each": Prior(vectors(K, CLASSES)),
    "autoscaled": Prior(),
    "horseshoe": Horseshoe(0.3),
}


def check(model, Y):
    with jax.enable_x64(True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, whole = model._build_posterior(X, Y, None, None, None)
        theta = whole.start + 0.1 * np.random.default_rng(0).normal(size=whole.start.shape)
        expected = np.asarray(whole.density.value(theta))
        index = np.array([2, 0])
        found = whole.take(index).density.value(theta[index])
        np.testing.assert_allclose(found, expected[index], rtol=1e-10)


@pytest.mark.parametrize("name", PRIORS)
def test_priors(name):
    check(PopulationGLM("Poisson", regularizer=PRIORS[name]), COUNTS)


@pytest.mark.parametrize("name", NAMED)
def test_penalties_with_a_mask(name):
    mask = np.array([[1, 0, 1], [1, 1, 1], [0, 1, 1]])
    check(PopulationGLM("Gamma", "log", name, NAMED[name], feature_mask=mask), COUNTS + 1.0)


def test_groups():
    check(
        PopulationGLM("Poisson", regularizer=GroupLasso(GROUPS), regularizer_strength=0.2), COUNTS
    )


def test_a_strength_that_is_sampled():
    strength = dist.HalfCauchy(1.0)
    check(PopulationGLM("Poisson", regularizer="Ridge", regularizer_strength=strength), COUNTS)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_classes(name):
    check(ClassifierPopulationGLM(CLASSES, regularizer=OF_CLASSES[name]), LABELS)


def test_classes_of_which_some_go_to_nuts():
    """Responses whose proposals do not fit are drawn again, beside the others."""
    labels = LABELS.copy()
    labels[:, 1] = 0
    labels[:CLASSES, 1] = np.arange(CLASSES)  # all but separated
    own = Prior(dist.Normal(0.0, 10.0), intercept=dist.Normal(0.0, 10.0))
    model = ClassifierPopulationGLM(CLASSES, regularizer=own)
    settings = {"num_samples": 100, "random_state": 0, "progress_bar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few draws
        tree = model.sample(X, labels, method="auto", **settings)
    assert "importance for 2 responses, nuts for the 1" in tree.attrs["reason"]
    assert tree["posterior"]["coef"].shape == (4, 100, P, K, CLASSES)
