"""``python -m bayesglm``: fit a count model to an embedded real data set and print the table."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from bayesglm.glm import GLM

DESCRIPTION = """\
Fit a Poisson GLM to 20,190 person-years of the RAND Health Insurance Experiment, which is
embedded in the package, and print coefficients with standard errors and 95% intervals."""

OVERDISPERSED = 1.5  # variance over what the Poisson allows, beyond which the table is qualified


@dataclass(frozen=True)
class Demo:
    """A fitted model, its data, and how long the fit took in seconds, compilation included."""

    model: GLM
    X: pd.DataFrame
    y: pd.Series
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bayesglm", description=DESCRIPTION)
    parser.parse_args(arguments)
    demo = fit_randhie()
    print(report(demo))
    return 0


def fit_randhie() -> Demo:
    """Load the data and fit, with a progress bar on standard error where it is a terminal."""
    with stages("loading libraries", "loading data", "compiling and fitting") as advance:
        from bayesglm.datasets import load_randhie
        from bayesglm.glm import GLM

        advance()
        X, y = load_randhie()
        advance()
        start = time.perf_counter()
        model = GLM("Poisson").fit(X, y)
        seconds = time.perf_counter() - start
        advance()
    return Demo(model, X, y, seconds)


def report(demo: Demo) -> str:
    """Table and what to read from it, as text."""
    rows, features = demo.X.shape
    return "\n".join(
        [
            "Doctor visits per person and year, RAND Health Insurance Experiment",
            f"Poisson GLM, log link, {rows:,} rows, {features} features and an intercept",
            "",
            table_text(demo.model.summary()),
            "",
            "estimate: change of the log of the expected number of visits per unit of the feature;",
            "lower, upper: 95% confidence interval.",
            "",
            convergence(demo),
            *dispersion(demo),
            "",
            "Next: fit your own data as the README shows.",
        ]
    )


def table_text(summary: pd.DataFrame) -> str:
    """Coefficient table with four decimals and p-values to two significant digits."""
    formats = dict.fromkeys(summary.columns, "{:.4f}".format)
    formats["statistic"] = "{:.2f}".format
    formats["p_value"] = lambda p: f"{p:.2g}" if p > 1e-16 else "<1e-16"
    return summary.to_string(formatters=formats)


def convergence(demo: Demo) -> str:
    """How the optimisation ended."""
    stats = demo.model.solver_state_.stats
    ended = "Converged" if bool(stats.converged) else "NOT CONVERGED: raise maxiter. Stopped"
    return f"{ended} after {demo.model.n_iter_} steps, {demo.seconds:.1f} s with compilation."


def dispersion(demo: Demo) -> list[str]:
    """Caution if the counts vary more than the model allows: the table is then too certain."""
    mean = demo.model.predict(demo.X)
    ratio = float(((demo.y - mean) ** 2 / mean).sum() / demo.model.dof_resid_[0])
    if ratio < OVERDISPERSED:
        return []
    return [
        f"Caution: the counts vary {ratio:.1f} times as much as a Poisson allows, so these",
        f"standard errors are about {ratio**0.5:.1f} times too small. A model that allows it:",
        "GLM(bayesglm.observation_models.NegativeBinomialObservations(scale=None)).",
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


if __name__ == "__main__":
    raise SystemExit(main())
