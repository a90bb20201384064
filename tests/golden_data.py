"""Designs of the golden results, rebuilt from data bundled with statsmodels and scikit-learn.

What the numbers are and how they were made stands in ``golden/README.md``.
"""

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.special import gammaln, xlogy
from sklearn import datasets as sklearn_datasets

_FOLDER = Path(__file__).parent / "golden"
GLM_GOLDEN = json.loads((_FOLDER / "golden_glm.json").read_text())
PENALISED_GOLDEN = json.loads((_FOLDER / "golden_penalised.json").read_text())
GLM_KEYS = [key for key in GLM_GOLDEN if key != "_meta"]
PENALISED_KEYS = [key for key in PENALISED_GOLDEN if key != "_meta"]


@dataclass(frozen=True)
class Problem:
    """One golden fit: the data, what to fit, and what must come out.

    ``X`` has no intercept column. ``golden["params"]`` starts with the intercept.
    ``family`` and ``link`` are names that ``GLM`` understands. A binomial response is written as
    weighted zeros and ones: same coefficients and standard errors, while log-likelihood and
    deviance differ by ``llf_shift`` and ``deviance_shift``, which do not depend on them.
    """

    X: pd.DataFrame
    y: np.ndarray
    family: str
    link: str
    golden: dict
    weights: np.ndarray | None = None
    llf_shift: float = 0.0
    deviance_shift: float = 0.0
    penalty: dict = field(default_factory=dict)

    @property
    def intercept(self) -> float:
        """Golden intercept."""
        return self.golden["params"][0]

    @property
    def coef(self) -> np.ndarray:
        """Golden coefficients, shape (p,)."""
        return np.array(self.golden["params"][1:])


@functools.cache
def glm_problem(key: str) -> Problem:
    """Golden maximum-likelihood fit ``key``."""
    golden = GLM_GOLDEN[key]
    family, link = _FAMILIES[golden["family"].split("(")[0]], golden["link"]
    X, y = _raw(golden["dataset"])
    if golden["family"] == "binomial":
        return _binomial(X, y, link, golden)
    if golden["response"] == "affairs > 0":
        y = (y > 0).astype(float)
    return _checked(Problem(X, np.asarray(y, float), family, link, golden))


@functools.cache
def penalised_problem(key: str) -> Problem:
    """Golden penalised fit ``key``; its features are standardised."""
    golden = PENALISED_GOLDEN[key]
    family = golden["family"].split()[0]
    X, y = _raw(golden["dataset"].replace("sklearn ", "").split()[0].strip(",;"))
    if key == "ridge_gaussian_longley":
        y = y / 1000
    X = (X - X.mean()) / X.std(ddof=0)
    link = {"bernoulli": "logit", "poisson": "log", "gaussian": "identity"}[family]
    problem = Problem(
        X, np.asarray(y, float), _FAMILIES[family], link, golden, penalty=golden["penalty"]
    )
    return _checked(problem)


def regularizer_of(problem: Problem) -> tuple[str, object]:
    """Name and per-row strength, in the package's convention, of a golden penalty.

    The package minimises ``mean(kernel) + penalty`` where the golden objective is
    ``sum(-log likelihood) + penalty``. So strengths are divided by the number of rows; for a
    Gaussian they are doubled too, since its kernel (y - mu)^2 is twice the golden one.
    A group-lasso strength goes with the mask of ``group_mask``.
    """
    unit = (2 if problem.family == "Gaussian" else 1) / len(problem.y)
    l1, l2 = (problem.penalty.get(name, 0.0) * unit for name in ("l1", "l2"))
    if "groups" in problem.penalty:
        return "GroupLasso", problem.penalty["lg"] * unit
    if l1 and l2:
        return "ElasticNet", (l1 + l2, l1 / (l1 + l2))
    return ("Lasso", l1) if l1 else ("Ridge", l2)


def group_mask(problem: Problem) -> np.ndarray:
    """Group membership, shape (n_groups, p), entries 0 and 1."""
    groups = problem.penalty["groups"]
    mask = np.zeros((len(groups), problem.X.shape[1]))
    for row, group in zip(mask, groups, strict=True):
        row[group] = 1
    return mask


def kkt_violation(problem: Problem, intercept: float, coef: np.ndarray) -> float:
    """Largest violation of the optimality conditions of the golden, summed objective.

    Relative to ``1 + |gradient at zero|``, with the same bound for every coordinate.
    """
    gradient = _gradient(problem, intercept, coef)
    start = np.abs(_gradient(problem, 0.0, 0 * coef)).max()
    slopes, l1 = gradient[1:] + problem.penalty.get("l2", 0.0) * coef, problem.penalty.get("l1", 0)
    if "groups" in problem.penalty:
        slopes = _group_violation(problem.penalty, slopes, coef)
    else:
        slopes = np.where(coef == 0, np.maximum(abs(slopes) - l1, 0), slopes + l1 * np.sign(coef))
    return max(abs(gradient[0]), np.abs(slopes).max()) / (1 + start)


def objective(problem: Problem, intercept: float, coef: np.ndarray) -> float:
    """Golden objective: summed loss plus penalty."""
    eta, y = intercept + problem.X.to_numpy() @ coef, problem.y
    loss = {
        "Poisson": lambda: np.exp(eta) - y * eta,
        "Bernoulli": lambda: np.logaddexp(0, eta) - y * eta,
        "Gaussian": lambda: (y - eta) ** 2 / 2,
    }[problem.family]().sum()
    penalty = problem.penalty
    loss += penalty.get("l1", 0) * abs(coef).sum() + penalty.get("l2", 0) / 2 * (coef**2).sum()
    groups = [coef[group] for group in penalty.get("groups", [])]
    return loss + sum(penalty["lg"] * np.sqrt(len(b)) * np.linalg.norm(b) for b in groups)


_FAMILIES = {
    "bernoulli": "Bernoulli",
    "binomial": "Bernoulli",
    "poisson": "Poisson",
    "negativebinomial": "NegativeBinomial",
    "gamma": "Gamma",
    "gaussian": "Gaussian",
}


def _raw(name: str) -> tuple[pd.DataFrame, pd.DataFrame | pd.Series]:
    """Features and response as distributed."""
    if "diabetes" in name:
        data = sklearn_datasets.load_diabetes(as_frame=True, scaled=False)
    elif "breast_cancer" in name:
        data = sklearn_datasets.load_breast_cancer(as_frame=True)
    else:
        data = getattr(sm.datasets, name).load_pandas()
        return data.exog.astype(float), data.endog
    return data.data.astype(float), data.target


def _binomial(X: pd.DataFrame, counts: pd.DataFrame, link: str, golden: dict) -> Problem:
    """Successes and failures as rows of ones and zeros with weights."""
    yes, no = counts.to_numpy(float).T
    n = yes + no
    choose = (gammaln(n + 1) - gammaln(yes + 1) - gammaln(no + 1)).sum()
    saturated = (xlogy(yes, yes / n) + xlogy(no, no / n)).sum()
    problem = Problem(
        X=pd.concat([X, X], ignore_index=True),
        y=np.repeat([1.0, 0.0], len(X)),
        family="Bernoulli",
        link=link,
        golden=golden,
        weights=np.concatenate([yes, no]),
        llf_shift=choose,
        deviance_shift=2 * saturated,
    )
    return _checked(problem, rows=2 * golden["n"])


def _checked(problem: Problem, rows: int | None = None) -> Problem:
    """Refuse a design whose size or columns are not those of the golden."""
    golden = problem.golden
    assert len(problem.X) == len(problem.y) == (rows or golden["n"])
    assert ["1", *problem.X.columns] == golden["columns"]
    return problem


def _gradient(problem: Problem, intercept: float, coef: np.ndarray) -> np.ndarray:
    """Gradient of the summed loss; all goldens here have canonical links: X' (mu - y)."""
    mean = {
        "Poisson": np.exp,
        "Bernoulli": lambda eta: 1 / (1 + np.exp(-eta)),
        "Gaussian": lambda eta: eta,
    }[problem.family]
    X = problem.X.to_numpy()
    residual = mean(intercept + X @ coef) - problem.y
    return np.concatenate([[residual.sum()], X.T @ residual])


def _group_violation(penalty: dict, slopes: np.ndarray, coef: np.ndarray) -> np.ndarray:
    """Violation of the group-lasso conditions, one number per group."""
    violation = []
    for group in penalty["groups"]:
        b, slope, strength = coef[group], slopes[group], penalty["lg"] * np.sqrt(len(group))
        if b.any():
            violation.append(np.abs(slope + strength * b / np.linalg.norm(b)).max())
        else:
            violation.append(max(np.linalg.norm(slope) - strength, 0))
    return np.array(violation)
