"""Class labels to indices ``0 … C-1`` and back, in NumPy."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LabelEncoder", "UnrecognizedLabelError"]


class UnrecognizedLabelError(ValueError, KeyError):
    """A label that is none of the encoder's classes; caught as either of its bases.

    Examples
    --------
    >>> try:
    ...     raise UnrecognizedLabelError("no such label")
    ... except KeyError as error:
    ...     print(error)
    no such label
    """

    def __str__(self) -> str:
        """Message without the quotes that ``KeyError`` would put around it."""
        return ValueError.__str__(self) if len(self.args) != 1 else str(self.args[0])


class LabelEncoder:
    """Translation between a classifier's labels and the indices of its classes.

    Parameters
    ----------
    n_classes
        Number of classes, C: an integer of at least 2 (``2.0`` and one-element arrays will do).

    Attributes
    ----------
    classes_
        Sorted labels, shape (C,), in the dtype they came in; ``None`` before ``set_classes``.

    Raises
    ------
    ValueError
        If `n_classes` is no integer of at least 2.

    Examples
    --------
    >>> encoder = LabelEncoder(n_classes=3)
    >>> encoder.set_classes(["no-go", "go", "catch", "go"])
    >>> encoder.classes_.tolist()
    ['catch', 'go', 'no-go']
    >>> encoder.encode(["go", "catch"])
    array([1, 0])
    >>> encoder.decode([2, 2, 0]).tolist()
    ['no-go', 'no-go', 'catch']
    """

    def __init__(self, n_classes: int):
        self._n_classes = _as_num_classes(n_classes)
        self.reset()

    @property
    def n_classes(self) -> int:
        """Number of classes; setting it forgets the labels."""
        return self._n_classes

    @n_classes.setter
    def n_classes(self, n_classes: int) -> None:
        self._n_classes = _as_num_classes(n_classes)
        self.reset()

    def reset(self) -> None:
        """Forget the labels."""
        self.classes_: NDArray | None = None

    def set_classes(self, labels: ArrayLike) -> None:
        """Learn the classes from an array in which each of them occurs.

        Parameters
        ----------
        labels
            Labels of any shape and of one sortable kind. NaN is a missing label, not a class.

        Raises
        ------
        ValueError
            If there are not exactly ``n_classes`` distinct labels.

        Examples
        --------
        >>> encoder = LabelEncoder(2)
        >>> encoder.set_classes([3.0, 1.0, float("nan"), 1.0])
        >>> encoder.classes_
        array([1., 3.])
        """
        labels = np.asarray(labels).ravel()
        found = np.unique(labels[labels == labels])  # NaN is unequal to itself
        if len(found) != self.n_classes:
            raise ValueError(_wrong_number_message(found.tolist(), self.n_classes))
        self.classes_ = found

    def encode(self, y: ArrayLike, safe: bool = True) -> NDArray[np.intp]:
        """Index of the class of every label.

        Parameters
        ----------
        y
            Labels, any shape.
        safe
            Whether to look for labels that are no class. With ``False`` these get the index of a
            neighbouring class, or C, without complaint.

        Returns
        -------
        Integers in ``0 … C-1``, same shape as `y`.

        Raises
        ------
        UnrecognizedLabelError
            Both a ``ValueError`` and a ``KeyError``: if `safe` and some label is no class.
        RuntimeError
            If the classes have not been set.

        Examples
        --------
        >>> encoder = LabelEncoder(2)
        >>> encoder.set_classes(np.array([10, 20]))
        >>> encoder.encode(np.array([[20, 10], [10, 10]]))
        array([[1, 0],
               [0, 0]])
        """
        self.check_classes_is_set("encode")
        y = np.asarray(y)
        if not safe:
            return np.searchsorted(self.classes_, y)
        table = {label: index for index, label in enumerate(self.classes_.tolist())}
        found, inverse = np.unique(y, return_inverse=True)
        unknown = [label for label in found.tolist() if label not in table]
        if unknown:
            raise UnrecognizedLabelError(
                f"Unrecognized label(s) {unknown}. Valid labels are {self.classes_.tolist()}."
            )
        indices = np.array([table[label] for label in found.tolist()], dtype=np.intp)
        return indices[inverse].reshape(y.shape)

    def decode(self, indices: ArrayLike) -> NDArray:
        """Labels of class indices, any shape; in the dtype of the classes.

        Raises
        ------
        RuntimeError
            If the classes have not been set.

        Examples
        --------
        >>> encoder = LabelEncoder(2)
        >>> encoder.set_classes(["left", "right"])
        >>> encoder.decode([1, 0]).tolist()
        ['right', 'left']
        """
        self.check_classes_is_set("decode")
        return self.classes_[np.asarray(indices)]

    def check_classes_is_set(self, method_name: str) -> None:
        """Raise unless the classes are known.

        Parameters
        ----------
        method_name
            The method that needs them, for the message.

        Raises
        ------
        RuntimeError
            If ``classes_`` is ``None``.

        Examples
        --------
        >>> LabelEncoder(2).check_classes_is_set("predict")
        Traceback (most recent call last):
            ...
        RuntimeError: Classes are not set. Must call ``set_classes`` before calling ``predict``.
        """
        if self.classes_ is None:
            raise RuntimeError(
                f"Classes are not set. Must call ``set_classes`` before calling ``{method_name}``."
            )

    def __eq__(self, other: Any) -> bool:
        """Whether both encode alike: as many classes, and the same labels or none yet."""
        if not isinstance(other, LabelEncoder):
            return NotImplemented
        if self.classes_ is None or other.classes_ is None:
            return self.n_classes == other.n_classes and self.classes_ is other.classes_
        return bool(np.array_equal(self.classes_, other.classes_))

    __hash__ = None

    def __repr__(self) -> str:
        """Show the number of classes, and the labels once they are known."""
        known = "" if self.classes_ is None else f", classes={self.classes_.tolist()}"
        return f"LabelEncoder(n_classes={self.n_classes}{known})"


def _as_num_classes(value: Any) -> int:
    """Check the number of classes and make it an ``int``."""
    if getattr(value, "size", None) == 1 and hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, Real) or not value >= 2 or value != value // 1:
        raise ValueError(
            "The number of classes must be an integer greater than or equal to 2; "
            f"got `n_classes={value!r}`."
        )
    return int(value)


def _wrong_number_message(labels: list, expected: int) -> str:
    """Say what is wrong with the labels, and what to do."""
    found, shown = len(labels), f"{labels[:10]}{' and more' * (len(labels) > 10)}"
    if found > expected:
        return (
            f"Found {found} unique class labels in array, but n_classes={expected}: {shown}. "
            "Increase n_classes or check your data."
        )
    return (
        f"Found only {found} unique class labels in array ({found} class{'es' * (found != 1)}), "
        f"but n_classes={expected}: {shown}. Provide an array in which every "
        "class occurs; when updating in batches, call ``set_classes`` with all the labels first."
    )
