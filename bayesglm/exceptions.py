"""Errors and warnings of bayesglm."""

from __future__ import annotations

from sklearn import exceptions as sklearn_exceptions

__all__ = [
    "ClassesNotSetError",
    "ConvergenceWarning",
    "DataWarning",
    "ModelFileError",
    "NotFittedError",
    "PerfectSeparationWarning",
    "SamplingWarning",
    "TextError",
]


class NotFittedError(sklearn_exceptions.NotFittedError):
    """A method that needs a fitted model was called before ``fit``.

    It is scikit-learn's error, and so both a ``ValueError`` and an ``AttributeError``.

    Examples
    --------
    >>> from bayesglm.exceptions import NotFittedError
    >>> issubclass(NotFittedError, ValueError), issubclass(NotFittedError, AttributeError)
    (True, True)
    """


class ConvergenceWarning(sklearn_exceptions.ConvergenceWarning, RuntimeWarning):
    """The solver stopped before it converged; the numbers are not the optimum.

    It is scikit-learn's ``ConvergenceWarning`` and also a ``RuntimeWarning``, the class that
    NeMoS warns with, so that filters written for either one catch it.

    Examples
    --------
    Turn it into an error, so that an unfinished fit never goes unnoticed:

    >>> import warnings
    >>> from bayesglm.exceptions import ConvergenceWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", ConvergenceWarning)
    """


class SamplingWarning(ConvergenceWarning):
    """Draws may not represent the posterior: chains disagree, are too short, or diverged.

    It says what is wrong, with which parameters, responses and chains, and what to do.

    Examples
    --------
    >>> from bayesglm.exceptions import ConvergenceWarning, SamplingWarning
    >>> issubclass(SamplingWarning, ConvergenceWarning)  # filters for that one catch it
    True
    """


class DataWarning(UserWarning):
    """The data are accepted, but not quite as given or not quite as the model supposes.

    It says what was found, where, how often, and what was done: rows with missing values that are
    left out, for example, or counts that are not whole numbers.

    Examples
    --------
    >>> import warnings
    >>> from bayesglm.exceptions import DataWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", DataWarning)
    """


class ModelFileError(ValueError):
    """A file is not one that a model can be loaded from: damaged, foreign, or from the future.

    Also raised where the model needs something that the file does not hold, such as a function.

    Examples
    --------
    >>> from bayesglm.exceptions import ModelFileError
    >>> issubclass(ModelFileError, ValueError)
    True
    """


class ClassesNotSetError(NotFittedError, RuntimeError):
    """A classifier was asked for something before it knew its labels.

    Examples
    --------
    >>> from bayesglm.exceptions import ClassesNotSetError
    >>> issubclass(ClassesNotSetError, RuntimeError)
    True
    """


class PerfectSeparationWarning(DataWarning):
    """Some combination of features predicts responses perfectly: its estimate is infinite.

    The likelihood rises for ever along that combination, so the coefficients are where the solver
    stopped, and their standard errors mean nothing. A regularizer or a prior makes them finite.

    Examples
    --------
    >>> import warnings
    >>> from bayesglm.exceptions import PerfectSeparationWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", PerfectSeparationWarning)

    References
    ----------
    Albert and Anderson (1984), *Biometrika* 71, 1-10.
    """


class TextError(TypeError, ValueError):
    """Text where numbers are needed: NeMoS raises one of its bases, scikit-learn the other.

    Examples
    --------
    >>> from bayesglm.exceptions import TextError
    >>> issubclass(TextError, TypeError), issubclass(TextError, ValueError)
    (True, True)
    """
