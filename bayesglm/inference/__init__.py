"""Laplace's approximation and samplers of any log-density. They know nothing of GLMs."""

from bayesglm.inference.laplace import Gaussian as Gaussian
from bayesglm.inference.laplace import approximate as approximate
from bayesglm.inference.target import AbstractTarget as AbstractTarget
from bayesglm.inference.target import Whitened as Whitened
