"""Whether draws can be trusted: convergence of every parameter, and what the sampler met."""

from bayesglm.diagnostics.convergence import e_bfmi as e_bfmi
from bayesglm.diagnostics.convergence import ess_bulk as ess_bulk
from bayesglm.diagnostics.convergence import ess_mean as ess_mean
from bayesglm.diagnostics.convergence import ess_tail as ess_tail
from bayesglm.diagnostics.convergence import mcse_mean as mcse_mean
from bayesglm.diagnostics.convergence import mcse_sd as mcse_sd
from bayesglm.diagnostics.convergence import rhat as rhat
from bayesglm.diagnostics.verdict import Diagnostics as Diagnostics
from bayesglm.diagnostics.verdict import diagnose as diagnose
from bayesglm.diagnostics.verdict import warn_of as warn_of
