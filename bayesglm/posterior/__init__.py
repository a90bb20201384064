"""From a model and its mode to draws from its posterior, and to ArviZ's layout."""

from bayesglm.posterior.build import Posterior as Posterior
from bayesglm.posterior.build import log_posterior as log_posterior
from bayesglm.posterior.datatree import after as after
from bayesglm.posterior.datatree import dimensions_of as dimensions_of
from bayesglm.posterior.datatree import read_state as read_state
from bayesglm.posterior.datatree import to_datatree as to_datatree
from bayesglm.posterior.draws import Draws as Draws
from bayesglm.posterior.draws import Options as Options
from bayesglm.posterior.draws import in_user_shapes as in_user_shapes
from bayesglm.posterior.draws import named as named
from bayesglm.posterior.methods import METHODS as METHODS
from bayesglm.posterior.methods import draw as draw
from bayesglm.posterior.priors import coefficient_prior as coefficient_prior
from bayesglm.posterior.priors import dispersion_prior as dispersion_prior
from bayesglm.posterior.priors import response_spread as response_spread
from bayesglm.posterior.priors import with_intercept_prior as with_intercept_prior
