"""``python -m bayesglm``: fit a count model to an embedded real data set and print the table.

With arguments it is the command line of `bayesglm.command_line`, on files of the user's own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from bayesglm.glm import GLM

REMEDY = "GLM(bayesglm.observation_models.NegativeBinomialObservations(scale=None))."


@dataclass(frozen=True)
class Demo:
    """A fitted model, its data, and how long the fit took in seconds, compilation included."""

    model: GLM
    X: pd.DataFrame
    y: pd.Series
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if given:
        from bayesglm.command_line import run

        return run(given)
    print(report(fit_randhie()))
    return 0


def fit_randhie() -> Demo:
    """Load the data and fit, with a progress bar on standard error where it is a terminal."""
    from bayesglm.command_line.report import stages

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
    from bayesglm.command_line.report import convergence, dispersion, table_text

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
            convergence(demo.model, demo.seconds),
            *dispersion(demo.model, demo.X, demo.y, REMEDY),
            "",
            "Next: fit your own data as the README shows.",
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
