"""Pictures of estimators, on matplotlib: users reach them by ``model.plot``."""

from bayesglm.plots.coefficients import plot_coefficients as plot_coefficients
from bayesglm.plots.effects import plot_effects as plot_effects
from bayesglm.plots.pit import plot_pit as plot_pit
from bayesglm.plots.population import plot_population as plot_population
from bayesglm.plots.ppc import plot_ppc as plot_ppc
from bayesglm.plots.rank import plot_rank as plot_rank
from bayesglm.plots.trace import plot_trace as plot_trace
