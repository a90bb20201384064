"""What is printed of a fit, and the progress bar of its stages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

OVERDISPERSED = 1.5  # variance over what the Poisson allows, beyond which the table is qualified
MOST_DECIMALS = 8  # beyond, numbers are shown with exponents
LINKS = {  # the link's name and what the linear predictor is, by the inverse link's label
    "exp": ("log", "the log of the mean"),
    "identity": ("identity", "the mean"),
    "logistic": ("logit", "the log odds"),
    "norm_cdf": ("probit", "the probit of the probability"),
    "log_softmax": ("softmax", "the log odds, against the average class,"),
    "one_over_x": ("inverse", "one over the mean"),
    "inverse_squared": ("inverse-squared", "one over the squared mean"),
    "square": ("sqrt", "the square root of the mean"),
}


def fit_report(given: Any, model: Any, data: Any, seconds: float) -> str:
    """Table of a fit to a user's file and what to read from it, as text."""
    lines = [
        *_title(given, model, data),
        "",
        table_text(coefficients(given, model)),
        "",
        *_reading(given, model),
        "",
        convergence(model, seconds),
        *_goodness(model, data),
        *_dispersion_advice(given, model, data),
    ]
    return "\n".join(lines)


def _title(given: Any, model: Any, data: Any) -> list[str]:
    family = type(model.observation_model).__name__.removesuffix("Observations")
    label = model.inverse_link_function.label
    count = len(model.feature_names_in_) - (data.offset is not None)
    parts = [
        f"{', '.join(given.response)}: {family} GLM",
        f"{LINKS.get(label, (label,))[0]} link",
        f"{len(data.X):,} rows",
        f"{count} feature{'s' * (count != 1)} {'and an' if given.intercept else 'without'} "
        "intercept",
    ]
    lines = [", ".join(parts)]
    for name, (first, second) in data.encoding["outcomes"].items():
        lines.append(f"{name}: {second!r} counts as 1, {first!r} as 0")
    for name, levels in data.encoding["levels"].items():
        if f"{name}[{levels[0]}]" not in data.X:
            lines.append(f"{name}: {len(levels)} levels, compared with {levels[0]!r}")
    if data.offset:
        lines.append(f"offset: {data.offset}")
    if given.regularizer != "UnRegularized":
        lines.append(f"regularizer: {model.regularizer}, strength {model.regularizer_strength}")
    return lines


def _reading(given: Any, model: Any) -> list[str]:
    """Say what the columns of the table mean."""
    label = model.inverse_link_function.label
    what = LINKS.get(label, ("", "the linear predictor"))[1]
    interval = f"lower, upper: {100 * given.level:g}% "
    penalised = given.regularizer != "UnRegularized"
    interval += "interval of the penalised fit." if penalised else "confidence interval."
    return [f"estimate: change of {what} per unit of the feature;", interval]


def _goodness(model: Any, data: Any) -> list[str]:
    """Log-likelihood, in nats, and what it gains on a constant mean."""
    score = lambda kind: model.score(data.X, data.y, kind, sample_weight=data.weights)
    weights = np.ones(len(data.X)) if data.weights is None else data.weights
    observed = np.asarray(data.y.notna()) if hasattr(data.y, "notna") else np.ones(len(data.X))
    total = score("log-likelihood") * (weights * observed.T).sum()
    gain = score("pseudo-r2-McFadden")
    lines = [f"Log-likelihood {total:,.2f}, pseudo-R2 (McFadden) {gain:.4f}."]
    if model.observation_model.scale_estimator != "none":
        lines.append(f"Dispersion {', '.join(f'{scale:.4g}' for scale in model.scale_)}.")
    return lines


def _dispersion_advice(given: Any, model: Any, data: Any) -> list[str]:
    if given.family != "Poisson" or len(given.response) > 1:
        return []
    weights = 1.0 if data.weights is None else data.weights
    return dispersion(model, data.X, data.y, "--family negative-binomial", weights)


def table_text(summary: pd.DataFrame) -> str:
    """Coefficient table with four decimals, more where standard errors are small.

    The statistic has two decimals and the p-value two significant digits.
    """
    shown = summary.astype(object)
    decimals = [_decimals(error) for error in summary["std_error"]]
    for name in ("estimate", "std_error", "lower", "upper"):
        values = zip(summary[name], decimals, strict=True)
        shown[name] = [
            f"{value:.{places}f}" if places <= MOST_DECIMALS else f"{value:.3g}"
            for value, places in values
        ]
    shown["statistic"] = [f"{value:.2f}" for value in summary["statistic"]]
    shown["p_value"] = ["<1e-16" if p <= 1e-16 else f"{p:.2g}" for p in summary["p_value"]]
    return shown.to_string(formatters=dict.fromkeys(shown.columns, str))


def coefficients(given: Any, model: Any) -> pd.DataFrame:
    """Summary of a model, without the intercept if it has none."""
    summary = model.summary(given.level)
    return summary if given.intercept else summary.iloc[: -model.intercept_.size]


def _decimals(std_error: float) -> int:
    """Decimals that show a digit or two of a standard error, at least four."""
    if not np.isfinite(std_error) or std_error <= 0:
        return 4
    return int(max(-np.floor(np.log10(std_error / 5)), 4))


def convergence(model: Any, seconds: float) -> str:
    """How the optimisation ended."""
    done = bool(np.all(model.solver_state_.stats.converged))
    ended = "Converged" if done else "NOT CONVERGED: raise maxiter. Stopped"
    return f"{ended} after {model.n_iter_} steps, {seconds:.1f} s with compilation."


def dispersion(model: Any, X: Any, y: Any, remedy: str, weights: Any = 1.0) -> list[str]:
    """Caution if counts vary more than the model allows: the table is then too certain."""
    mean = model.predict(X)
    ratio = float((weights * (y - mean) ** 2 / mean).sum() / model.dof_resid_[0])
    if not ratio >= OVERDISPERSED:
        return []
    return [
        f"Caution: the counts vary {ratio:.1f} times as much as a Poisson allows, so these",
        f"standard errors are about {ratio**0.5:.1f} times too small. A model that allows it:",
        remedy,
    ]


@contextmanager
def stages(*names: str) -> Iterator:
    """Progress bar over named stages; yields the function that moves it to the next one."""
    from tqdm import tqdm

    upcoming = iter([*names[1:], "done"])
    layout = "{desc} |{bar:20}| {elapsed}"
    with tqdm(total=len(names), desc=names[0], bar_format=layout, disable=None, leave=False) as bar:

        def advance() -> None:
            bar.update()
            bar.set_description_str(next(upcoming))

        yield advance
