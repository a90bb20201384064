"""Makes the images of docs/pictures.md: `python docs/pictures/make.py`, about a minute."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from bayesglm import GLM, PopulationGLM
from bayesglm.datasets import load_randhie

FOLDER = Path(__file__).parent
SEED = {"random_state": 0, "progress_bar": False}


def save(figure, name):
    """Write an image beside this file."""
    figure.savefig(FOLDER / f"{name}.png", dpi=80)
    plt.close(figure)


def doctor_visits():
    """Every seventh row, so that the intervals can be seen."""
    X, y = load_randhie()
    X, y = X.iloc[::7], y.iloc[::7]
    models = {}
    for family in ("Poisson", "NegativeBinomial"):
        models[family] = GLM(family)
        models[family].sample(X, y, **SEED)
    save(models["NegativeBinomial"].plot.coefficients(sort=True).figure, "coefficients")
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained", sharey=True)
    for ax, (family, model) in zip(axes, models.items(), strict=True):
        model.plot.ppc(ax=ax, progress_bar=False).set_title(family)
    save(figure, "ppc")


def neurons():
    """Twenty simulated responses to four stimuli; five of them do not see the last one."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 4)), columns=[f"stimulus {c}" for c in "ABCD"])
    mask = np.ones((4, 20))
    mask[3, :5] = 0
    coef = rng.normal(0, 0.4, (4, 20)) * (rng.random((4, 20)) < 0.6) * mask
    Y = rng.poisson(np.exp(X.to_numpy() @ coef + rng.normal(0, 0.4, 20))).astype(float)
    model = PopulationGLM("Poisson", feature_mask=mask)
    model.sample(X, pd.DataFrame(Y, columns=[f"neuron {k}" for k in range(20)]), **SEED)
    save(model.plot.population()[0].figure, "population")


if __name__ == "__main__":
    doctor_visits()
    neurons()
