"""The four estimators, each with its response and the shapes of its parameters."""

import numpy as np
import pytest
from small_problems import NUM_CLASSES, NUM_FEATURES, NUM_RESPONSES, design, labels, responses

from bayesglm import GLM, ClassifierGLM, ClassifierPopulationGLM, PopulationGLM

X = design()
N, P, K, C = len(X), NUM_FEATURES, NUM_RESPONSES, NUM_CLASSES
COUNTS = responses("Poisson", "log")
NAMES = np.array(["left", "none", "right"])
LABELS = NAMES[labels()]

# How to make each kind, its response, the shapes of its parameters, and its responses' shape.
KINDS = {
    "GLM": (lambda: GLM(), COUNTS[:, 0], (P,), (1,), (N,)),
    "PopulationGLM": (lambda: PopulationGLM(), COUNTS, (P, K), (K,), (N, K)),
    "ClassifierGLM": (lambda: ClassifierGLM(C), LABELS[:, 0], (P, C), (C,), (N,)),
    "ClassifierPopulationGLM": (
        lambda: ClassifierPopulationGLM(C),
        LABELS,
        (P, K, C),
        (K, C),
        (N, K),
    ),
}
each_kind = pytest.mark.parametrize("kind", KINDS)
CLASSIFIERS = [kind for kind in KINDS if kind.startswith("Classifier")]
FITTED = {}


def response(kind):
    return KINDS[kind][1]


def fitted(kind):
    """Fit of one kind: made once, not to be changed."""
    if kind not in FITTED:
        FITTED[kind] = KINDS[kind][0]().fit(X, response(kind))
    return FITTED[kind]
