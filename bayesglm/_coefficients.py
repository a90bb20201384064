"""The coefficients in one table: mode, standard error and posterior."""

from __future__ import annotations

from typing import Any

from bayesglm import intervals


class Coefficients:
    """Mixin of an estimator that can be sampled: tables and intervals of the coefficients."""

    def summary(self, level: float = 0.95) -> Any:
        """Coefficient table as a DataFrame, one row per term (and response).

        Parameters
        ----------
        level
            Coverage of the Wald intervals, in (0, 1): Student's t with ``dof_resid_`` degrees of
            freedom where the dispersion is estimated from residuals, normal otherwise. After a
            penalised fit they describe the penalised likelihood near its mode.

        Returns
        -------
        Columns estimate, std_error, statistic, p_value, lower, upper.
        """
        self._require_fitted()
        return intervals.summarize(self, level)
