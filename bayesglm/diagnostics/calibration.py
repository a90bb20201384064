"""Simulation-based calibration: ranks of true values among draws, and whether they are uniform.

If parameters are drawn from the prior, and data from them, then the rank of each among draws from
its posterior is uniform, whatever the model. Other ranks show that the draws are not from the
posterior, and how they differ: too narrow, too wide, or aside.

References
----------
Talts, Betancourt, Simpson, Vehtari and Gelman (2018), Validating Bayesian inference algorithms with
simulation-based calibration. Modrák, Moon, Kim, Bürkner, Huurre, Faltejsková, Gelman and Vehtari
(2023), Simulation-based calibration checking for Bayesian computation: the choice of test
quantities shapes sensitivity, *Bayesian Analysis*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from bayesglm.diagnostics.convergence import ess_bulk, rhat

RANKS = 99  # draws that a true value is ranked among
BINS = 10  # of the chi-square test
LEVELS = (0.5, 0.8, 0.9, 0.95)  # of the intervals whose coverage is counted
LARGEST_RHAT = 1.05  # among some hundred data sets, some exceed 1.01 by chance
POOR_SHARE = 0.02  # of simulations with poor draws, beyond which ranks mean little
SIGNIFICANCE = 0.01  # of all tests together
STRIKING = 2.5  # standard errors of a shift or spread that is put into words


@dataclass(frozen=True, eq=False, repr=False)
class CalibrationResult:
    """Ranks, tests and coverages; made by `bayesglm.GLM.calibrate`.

    Parameters
    ----------
    ranks
        DataFrame of ranks from 0 to 99, one row for each simulation and one column for each
        quantity: parameters, and ``log_likelihood``.
    tests
        DataFrame with one row for each quantity. ``chi_square`` and ``moments`` are p-values, of
        ten bins and of the first two moments of the ranks; ``shift`` and ``spread`` are z-scores
        of these moments: a positive shift means that draws are too small, a positive spread that
        they are too narrow.
    coverage
        DataFrame of the share of simulations in which the central interval of each level (columns
        0.5, 0.8, 0.9, 0.95) holds the true value, one row for each parameter.
    ess, r_hat
        Least bulk effective sample size and largest R-hat of the parameters of each simulation.
    num_lost
        Simulations left out because their responses were too large to draw.
    method
        How the posteriors were sampled, and why if that was chosen automatically.
    """

    ranks: Any
    tests: Any
    coverage: Any
    ess: np.ndarray
    r_hat: np.ndarray
    num_lost: int
    method: str

    @property
    def num_simulations(self) -> int:
        """Number of simulated data sets."""
        return len(self.ranks)

    @property
    def num_poor(self) -> int:
        """Simulations whose draws are too few, or not converged, for their ranks to be exact."""
        return int(np.sum((self.ess < RANKS) | (self.r_hat > LARGEST_RHAT)))

    @property
    def p_value(self) -> float:
        """Of all tests together, by Bonferroni's correction."""
        p = self.tests[["chi_square", "moments"]].to_numpy()
        return float(min(1.0, p.min() * p.size))

    @property
    def coverage_error(self) -> Any:
        """Coverage less its level, in binomial standard errors: a DataFrame as `coverage`."""
        level = np.array(LEVELS)
        return (self.coverage - level) / np.sqrt(level * (1 - level) / self.num_simulations)

    @property
    def passed(self) -> bool:
        """Whether ranks are uniform as far as the tests see, and the draws good enough to tell."""
        return self.p_value > SIGNIFICANCE and not self._draws_are_poor

    @property
    def _draws_are_poor(self) -> bool:
        return self.num_poor > POOR_SHARE * self.num_simulations

    def plot(self, quantities: Sequence[str] | None = None) -> Any:
        """Draw the distribution of the ranks of each quantity.

        Parameters
        ----------
        quantities
            Which; None is the six with the smallest p-values.

        Returns
        -------
        Matplotlib axes, shape (quantities, 2): difference of the empirical distribution of the
        ranks from the uniform one, with a band that holds all of it in 95 % of cases; and
        histogram, with a band for each bar.

        References
        ----------
        Säilynoja, Bürkner and Vehtari (2022), Graphical test for discrete uniformity and its
        applications in goodness-of-fit evaluation and multiple sample comparison, *Statistics and
        Computing* 32.
        """
        from bayesglm.diagnostics.calibration_plot import draw

        if quantities is None:
            smallest = self.tests[["chi_square", "moments"]].min(axis=1)
            kept = set(smallest.nsmallest(6).index)
            quantities = [name for name in self.ranks.columns if name in kept]
        unknown = [name for name in quantities if name not in self.ranks]
        if unknown:
            raise ValueError(f"`quantities` must be of {list(self.ranks.columns)}; got {unknown}.")
        return draw(self.ranks[list(quantities)])

    def __repr__(self) -> str:
        verdict = "no fault found" if self.passed else "NOT CALIBRATED"
        if self.p_value > SIGNIFICANCE and self._draws_are_poor:
            verdict = "the draws are too poor to tell"
        lines = [f"Calibration: {verdict}.", *self._lines()]
        return "\n".join(lines)

    def _lines(self):
        yield f"{self.num_simulations} simulations, ranks among {RANKS} draws, method {self.method}"
        p = self.tests[["chi_square", "moments"]].min(axis=1)
        yield f"- smallest p-value of {2 * len(p)} tests {p.min():.2g} ({p.idxmin()})"
        if self.p_value <= SIGNIFICANCE:
            yield from self._faults(p)
        error = self.coverage_error.stack()
        name, level = error.abs().idxmax()
        share, num = self.coverage.loc[name, level], self.num_simulations
        yield (
            f"- farthest coverage: the {level:.0%} intervals of {name} hold {share:.1%} "
            f"({error[name, level]:+.1f} standard errors; {num} simulations)"
        )
        if self.num_poor:
            yield (
                f"- {self.num_poor} simulations have a bulk ESS below {RANKS} or an R-hat above "
                f"{LARGEST_RHAT}: raise `num_samples` or use method='nuts'"
            )
        if self.num_lost:
            yield (
                f"- {self.num_lost} more were left out: their means were infinite, impossible or "
                "larger than any count; a narrower prior would avoid that"
            )

    def _faults(self, p):
        """Say what is wrong with the quantities that fail."""
        for name in p[p * 2 * len(p) <= SIGNIFICANCE].index[:10]:
            shift, spread = self.tests.loc[name, ["shift", "spread"]]
            words = []
            if abs(shift) > STRIKING:
                words.append(f"draws too {'small' if shift > 0 else 'large'} (z {shift:+.1f})")
            if abs(spread) > STRIKING:
                words.append(f"draws too {'narrow' if spread > 0 else 'wide'} (z {spread:+.1f})")
            yield f"- {name}: {' and '.join(words) or 'ranks not uniform'}, p {p[name]:.2g}"


def calibration_result(
    quantities: Sequence[str],
    true: np.ndarray,
    drawn: np.ndarray,
    log_likelihood: np.ndarray,
    *,
    num_lost: int,
    method: str,
) -> CalibrationResult:
    """Judge draws by the values that made the data.

    Parameters
    ----------
    quantities
        Names of Q parameters.
    true, drawn
        Their values in each of S simulations, shape (S, Q), and draws, (chains, draws, S, Q).
    log_likelihood
        Log-likelihoods at the true parameters, and at `thinned` draws, shape (1 + 99, S).
    num_lost, method
        As in `CalibrationResult`.
    """
    import pandas as pd

    ranks = np.column_stack(
        [(thinned(drawn) < true).sum(axis=0), (log_likelihood[1:] < log_likelihood[0]).sum(axis=0)]
    )
    names = [*quantities, "log_likelihood"]
    index = pd.Index(names, name="quantity")
    return CalibrationResult(
        pd.DataFrame(ranks, columns=index),
        pd.DataFrame(uniformity(ranks), index=index),
        pd.DataFrame(covered(drawn, true), columns=list(LEVELS), index=index[:-1]),
        ess_bulk(drawn).min(axis=1),
        rhat(drawn).max(axis=1) if len(drawn) > 1 else np.full(len(true), np.nan),
        num_lost,
        method,
    )


def thinned(drawn: np.ndarray) -> np.ndarray:
    """`RANKS` draws, evenly spaced in all chains, from (chains, draws, ...): shape (99, ...)."""
    flat = drawn.reshape(-1, *drawn.shape[2:])
    step = len(flat) // (RANKS + 1)
    return flat[step - 1 :: step][:RANKS]


def uniformity(ranks: np.ndarray) -> dict[str, np.ndarray]:
    """Test ranks (S, Q): columns of `CalibrationResult.tests` by name, each of shape (Q,)."""
    S, Q = ranks.shape
    bins = ranks * BINS // (RANKS + 1) + BINS * np.arange(Q)
    counts = np.bincount(bins.ravel(), minlength=BINS * Q).reshape(Q, BINS)
    u = (ranks + 0.5) / (RANKS + 1) - 0.5  # of mean zero; its square has mean 1/12, sd 1/sqrt(180)
    shift = np.sqrt(12 * S) * u.mean(axis=0)
    spread = np.sqrt(180 * S) * ((u**2).mean(axis=0) - 1 / 12)
    return {
        "chi_square": stats.chisquare(counts, axis=1).pvalue,
        "moments": stats.chi2.sf(shift**2 + spread**2, 2),
        "shift": shift,
        "spread": spread,
    }


def covered(drawn: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Share of the central intervals of draws that hold the true value, shape (Q, levels)."""
    flat = drawn.reshape(-1, *drawn.shape[2:])
    tails = (1 - np.array(LEVELS)) / 2
    low, high = np.quantile(flat, [tails, 1 - tails], axis=0)
    return ((low <= true) & (true <= high)).mean(axis=1).T
