"""The priors of a model in words, numbers resolved."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bayesglm.posterior.beliefs import Beliefs
from bayesglm.regularizer._distributions import describe
from bayesglm.regularizer.prior_draws import intercept_part
from bayesglm.regularizer.prior_texts import Units, by_entry, texts
from bayesglm.regularizer.shrinkage_priors import ShrinkagePrior

HELD = "fixed at 0"
OWN_SCALE = "whatever the number of rows"
STANDARDIZED = "of the coefficient per standard deviation of the column"
CENTERED = "of the linear predictor at the column means"


def coefficient_rows(beliefs: Beliefs) -> tuple[np.ndarray, np.ndarray]:
    """Texts and notes of all coefficients and intercepts.

    Parameters
    ----------
    beliefs
        The priors.

    Returns
    -------
    Two arrays of text, of the raveled shape (p + 1, K[, C]).
    """
    movable, shape = beliefs.model.loss.movable, beliefs.shape
    prior = beliefs.coefficients
    if isinstance(prior, ShrinkagePrior):
        by_response = np.array(prior.texts()["coef"], object)
        words = np.broadcast_to(_per_response(by_response, shape), shape)
        notes, part = np.full(shape, STANDARDIZED, object), prior.setting.intercept
    else:
        units = _units(beliefs)
        words, part = texts(prior.penalty, units, shape), intercept_part(prior.penalty)
        own = getattr(prior.penalty, "depends_on_rows", False)
        note = np.array([_meaning(units, k, own) for k in range(shape[1])], object)
        notes = np.broadcast_to(_per_response(note, shape), shape)
    moves = np.asarray(movable.coef)
    words, notes = np.where(moves, words, HELD), np.where(moves, notes, "")
    notes = np.where(words == "flat", "", notes)
    last = _intercept_text(part, np.asarray(movable.intercept))
    note = np.full(last.shape, CENTERED * bool(part is not None and part.intercept_centered))
    return np.append(words, last), np.append(notes, note)


def other_rows(beliefs: Beliefs) -> Iterator[tuple[str, int, str, str]]:
    """Term, number of the response, text and note of everything else.

    Parameters
    ----------
    beliefs
        The priors.
    """
    prior, K = beliefs.coefficients, beliefs.shape[1]
    if isinstance(prior, ShrinkagePrior):
        for term, words in prior.texts().items():
            each = "one for each coefficient" * (term in prior.local)
            yield from ((term, k, words[k], each) for k in range(K) if term != "coef")
    elif prior.strength is not None:
        text = describe(prior.strength)
        yield from (("regularizer_strength", k, text, "the strength above") for k in range(K))
    if beliefs.scale is None:
        scale = np.broadcast_to(np.asarray(beliefs.model.loss.likelihood.scale), K)
        yield from (("scale", k, f"fixed at {scale[k]:g}", "") for k in range(K))
        return
    distribution = beliefs.scale.distribution
    words = by_entry(distribution, (K,))
    yield from (("scale", k, words[k], "of the square root of the scale") for k in range(K))


def _units(beliefs: Beliefs) -> Units:
    """Return what sizes are counted in: rows over the dispersion factor."""
    likelihood, K = beliefs.model.loss.likelihood, beliefs.shape[1]
    factor = likelihood.observations.kernel_factor
    one, four = (np.asarray(factor(np.full(K, size))) for size in (1.0, 4.0))
    by_scale = beliefs.scale is not None and bool(np.any(one != four))
    kappa = one if by_scale else np.asarray(factor(np.asarray(likelihood.scale)))
    rows = beliefs.model.num_rows
    return Units(rows / kappa, by_scale, beliefs.coefficients.strength is not None)


def _meaning(units: Units, response: int, own_scale: bool) -> str:
    """Say what a penalty is as a prior."""
    if own_scale:
        return OWN_SCALE
    over = " / scale" * units.by_scale
    return f"exp(-{units.factor[response]:.6g}{over} * penalty)"


def _per_response(words: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """One text per response, broadcastable to the coefficients."""
    return words.reshape(1, -1, *(1,) * (len(shape) - 2))


def _intercept_text(part, movable: np.ndarray) -> np.ndarray:
    """Text of each intercept."""
    if part is None:
        return np.where(movable, "flat", HELD)
    words = by_entry(part.distribution, part.user_shape).reshape(movable.shape)
    return np.where(movable, words, HELD)
