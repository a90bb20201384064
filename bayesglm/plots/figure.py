"""What all pictures share: figures that fit their labels, and colours that everybody can tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

# Okabe and Ito (2008), Color Universal Design; yellow, which white hides, is left out.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GRAY, LIGHT = "#6E6E6E", "#E6E6E6"
MOST_GROUPS = len(COLORS)  # that colours can tell apart
WIDEST_LABEL = 34  # characters before a label goes on in the next line
CHARACTER = 0.0085  # width of one, in inches and units of the font size
SMALL = 9.0  # size of labels, in points
PANEL = (4.0, 3.0)  # width and height of one of several, in inches


def pyplot() -> Any:
    """Return ``matplotlib.pyplot``.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Pictures need matplotlib, which is not installed: pip install 'bayesglm[plots]'"
        ) from error
    return plt


def colors(count: int) -> list[Any]:
    """Colours of groups: named ones as long as they last, then shades from dark to light."""
    if count <= MOST_GROUPS:
        return list(COLORS[:count])
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0.0, 0.9, count)))


def label(name: Any, width: int = WIDEST_LABEL) -> str:
    """Text that shows a name as it is: in lines of at most ``width``, dollars no mathematics."""
    lines = re.findall(rf".{{1,{width}}}(?:(?<=[\s_,-])|$)|.{{1,{width}}}", str(name), re.DOTALL)
    return "\n".join(line.strip() for line in lines).replace("$", r"\$")


def label_width(labels: Sequence[str], size: float = SMALL) -> float:
    """Width of the widest of some labels, in inches; rather too large than too small."""
    lines = [line for text in labels for line in text.split("\n")]
    return CHARACTER * size * max(map(len, lines), default=0)


def label_lines(labels: Sequence[str]) -> int:
    """Lines of the tallest of some labels."""
    return max((text.count("\n") + 1 for text in labels), default=1)


def new_axes(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> np.ndarray:
    """Axes of a new figure of a size in inches, shape (rows, columns)."""
    options |= {"figsize": (width, height), "layout": "constrained", "squeeze": False}
    return pyplot().subplots(rows, columns, **options)[1]


def panels(count: int, ax: Any, **options: Any) -> np.ndarray:
    """Axes of as many panels, shape (count,): ``ax`` if it is given, or a new figure's.

    Parameters
    ----------
    count
        Number of panels.
    ax
        Axes that a user gave, or None.
    options
        Of `new_axes`.

    Raises
    ------
    ValueError
        If ``ax`` is given and there is more than one panel.
    """
    if ax is not None:
        if count > 1:
            raise ValueError(f"`ax` is one axes, and there are {count} panels to draw: leave it.")
        return np.array([ax], dtype=object)
    columns = min(count, 3)
    rows = -(-count // columns)
    width, height = PANEL
    size = (width * columns + (count == 1), height * rows + 0.3)
    axes = new_axes(*size, rows, columns, **options).ravel()
    for extra in axes[count:]:
        extra.remove()
    return axes[:count]


def one_or_all(axes: np.ndarray) -> Any:
    """Return the axes of a single panel, or the array of all."""
    return axes[0] if len(axes) == 1 else axes


def label_outer(axes: np.ndarray) -> None:
    """Leave the labels of vertical scales to the first column of panels."""
    for ax in axes:
        place = ax.get_subplotspec()
        if len(axes) > 1 and not place.is_first_col():
            ax.set_ylabel("")


def add_key(
    ax: Any, handles: Sequence[Any], names: Sequence[str], *, own: bool, title: str = ""
) -> Any:
    """Say what marks mean: over all axes of an own figure, else where the axes have room.

    Parameters
    ----------
    ax, handles, names
        As in `add_legend`.
    own
        Whether the figure is of this package.
    title
        Of the legend.
    """
    if not own:
        return add_legend(ax, handles, names, loc="best", frameon=True, edgecolor="none")
    width = ax.figure.get_figwidth()
    return add_legend(
        ax.figure,
        handles,
        names,
        loc="outside upper left",
        ncols=max(1, int(width / (label_width(names) + 0.6))),
        title=label(title, 100) or None,
        title_fontsize=SMALL,
        alignment="left",
    )


def legend_beside(ax: Any, handles: Sequence[Any], names: Sequence[str]) -> Any:
    """Place a legend to the right of the axes."""
    return add_legend(ax, handles, names, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def add_legend(owner: Any, handles: Sequence[Any], names: Sequence[str], **options: Any) -> Any:
    """Add a legend to axes or a figure, beside those that there are.

    Parameters
    ----------
    owner
        The axes or the figure.
    handles
        What is explained.
    names
        By which names: they are shown as they are, even those that begin with an underscore.
    options
        Of matplotlib's ``legend``.
    """
    options = {"frameon": False, "fontsize": SMALL, "borderaxespad": 0.3} | options
    earlier = owner.get_legend() if hasattr(owner, "get_legend") else None
    if earlier is not None:  # another call would replace it
        owner.add_artist(earlier).set_clip_on(False)
    legend = owner.legend(handles, ["name"] * len(handles), **options)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)
    return legend


def bare(ax: Any) -> Any:
    """Take the upper and the right border away."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=SMALL)
    return ax


def left_out(shown: int, total: int, what: str) -> str:
    """Sentence that says how many were left out; empty where none was."""
    return f"{shown} of {total:,} {what}; {total - shown:,} left out" if shown < total else ""
