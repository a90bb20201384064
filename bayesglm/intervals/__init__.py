"""Uncertainty at the mode: covariance, standard errors, intervals."""

from bayesglm.intervals.covariance import at_mode as at_mode
from bayesglm.intervals.table import coefficient_table as coefficient_table
from bayesglm.intervals.table import summarize as summarize
