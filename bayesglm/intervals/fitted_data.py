"""A fit together with the data it was fitted to: what everything beyond Wald starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from bayesglm.glm.assemble import Assembled, Choices, assemble
from bayesglm.glm.params import GLMParams
from bayesglm.glm.params import pack as pack_params
from bayesglm.glm.params import unpack as unpack_params
from bayesglm.glm.validation import Data
from bayesglm.regularizer import UnRegularized

FARTHEST = 0.01  # standard errors between parameters and their optimum on the data given


@dataclass(frozen=True)
class FittedData:
    """Parameters, and the model and the observations that they were found with.

    Parameters
    ----------
    choices, data
        The model and the observations.
    target
        Responses as the kernel wants them, shape (n, K) or one-hot (n, K, C).
    trailing
        Shape that users see after the feature axis.
    params
        Parameters of the user's columns: coef (p, K[, C]), intercept (K[, C]).
    scale, dof
        Dispersion and residual degrees of freedom, shape (K,).
    covariance
        Model-based covariance, shape (K, D, D); None if it was not kept.
    """

    choices: Choices
    data: Data
    target: np.ndarray
    trailing: tuple[int, ...]
    params: GLMParams
    scale: np.ndarray
    dof: np.ndarray
    covariance: np.ndarray | None

    @property
    def classes(self) -> list[int]:
        """Number of classes, in a list; empty for numeric responses."""
        return list(self.target.shape[2:])

    def assemble(self) -> Assembled:
        """Return the model at the fitted dispersion, in standardised coordinates."""
        held = None
        if self.covariance is not None:  # responses that never vary have none
            held = np.isnan(np.diagonal(self.covariance, axis1=1, axis2=2)).all(axis=1)
        model = assemble(
            self.choices,
            self.data,
            self.target,
            self.trailing,
            coordinates="columns",
            held_responses=held,
        )
        model = replace(model, rows=model.rows.gathered())  # they are addressed one by one
        if self.choices.observations.scale_estimator == "none":
            return model
        return model.with_scale(np.where(np.isfinite(self.scale), self.scale, 1.0))

    def take(self, index: np.ndarray) -> FittedData:
        """Return the unpenalised model of the responses ``index``, which may repeat."""
        data, choices = self.data, self.choices
        of_column = lambda a: a if a is None or a.shape[1] == 1 else a[:, index]
        mask, p = choices.feature_mask, len(self.params.coef)
        if mask is not None:
            mask = np.asarray(mask).reshape(p, -1)[:, index]
        return FittedData(
            replace(
                choices,
                observations=choices.observations.for_responses(index, self.scale.size),
                regularizer=UnRegularized(),
                strength=None,
                feature_mask=mask,
            ),
            Data(data.design, data.y[:, index], of_column(data.weight), of_column(data.offset)),
            self.target[:, index],
            (len(index),),
            GLMParams(self.params.coef[:, index], self.params.intercept[index]),
            self.scale[index],
            self.dof[index],
            None if self.covariance is None else self.covariance[index],
        )


pack, unpack = partial(pack_params, xp=np), partial(unpack_params, xp=np)


def hold(problem: Any, standardization: Any, parameters: np.ndarray) -> Any:
    """Return a problem in other coordinates in which one parameter of each response is held.

    Parameters
    ----------
    problem
        A `GLMProblem` of numeric responses.
    standardization
        The coordinates.
    parameters
        Index of the parameter of each response, the intercept last, shape (K,).
    """
    movable = problem.movable
    free = np.array(jnp.concatenate([movable.coef, movable.intercept[None]]))
    free[parameters, np.arange(len(parameters))] = False
    held = GLMParams(jnp.asarray(free[:-1]), jnp.asarray(free[-1]))
    where = lambda problem: (problem.standardization, problem.movable)
    return eqx.tree_at(where, problem, (standardization, held))


def refuse_other_data(distance: Any) -> None:
    """Raise ValueError where parameters are not the optimum of the data given.

    Parameters
    ----------
    distance
        How far the optimum is, in standard errors; NaN where that is not known.
    """
    farthest = np.nanmax(np.append(np.abs(distance), 0.0))
    if farthest > FARTHEST:
        raise ValueError(
            "`X` and `y` are not the data that this model was fitted to: their best coefficients "
            f"are {farthest:.2g} standard errors away. Pass the data of `fit`, with its "
            "`sample_weight` and `offset`, or fit again until it converges."
        )
