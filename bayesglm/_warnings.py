"""Warnings that point at the user's line."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from types import FrameType

PACKAGE = str(Path(__file__).parent) + os.sep
WRAPPERS = ("equinox", "jax")


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn, pointing at the line outside this package that led here."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_inside(frame: FrameType) -> bool:
    """Whether a frame is of this package, or of one that calls its methods for it."""
    owner = frame.f_globals.get("__name__", "").partition(".")[0]
    return frame.f_code.co_filename.startswith(PACKAGE) or owner in WRAPPERS
