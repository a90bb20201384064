"""Write a JSON header and numeric arrays into one file: whole, or not at all.

The file is an uncompressed npz, which `numpy.load` opens too; nothing in it is pickled. Only
NumPy and the standard library are needed. `bayesglm._archive_reader` is the other direction.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

HEADER = "header.json"
SUFFIX = ".npy"  # of every member, so that `numpy.load` reads it
KINDS = "biufcUSMm"  # kinds of dtype that are stored: everything but objects and records
STALE = 86400.0  # seconds after which a leftover of a killed save is removed
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content is the same file, whenever it was written


def write_archive(path: Any, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write ``header`` and ``arrays``, replacing a file at ``path`` only once all is on disk.

    Parameters
    ----------
    path
        Where to; used as it is, no suffix is added.
    header
        Anything that JSON can hold. A description of each array is added to it.
    arrays
        By name; of numbers, booleans, strings or times.

    Raises
    ------
    OSError
        If the file cannot be written; an old one is left as it was.
    """
    stored = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    described = {name: describe(array) for name, array in stored.items()}
    text = json.dumps({**header, "arrays": described}, allow_nan=False)
    members = {HEADER: np.frombuffer(text.encode(), np.uint8), **stored}
    replace_file(path, lambda file: _write_members(file, members))


def describe(array: np.ndarray) -> dict[str, Any]:
    """Dtype, shape and checksum of an array."""
    flat = np.asarray(array, order="C").reshape(-1)
    digest = hashlib.sha256(flat.view(np.uint8)).hexdigest()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "sha256": digest}


def replace_file(path: Any, write: Callable[[BinaryIO], None]) -> None:
    """Write a file beside ``path``, flush it to disk, and rename it to ``path``.

    Parameters
    ----------
    path
        Where to; a link is followed.
    write
        Called with the open file.

    Raises
    ------
    OSError
        If that fails; what was at ``path`` is left as it was.
    """
    target = os.path.realpath(os.fspath(path))
    if os.path.isdir(target):
        raise IsADirectoryError(f"{path} is a folder: give the name of a file in it.")
    folder = os.path.dirname(target)
    _remove_leftovers(target)
    temporary = f"{target}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _flush_folder(folder)


def _write_members(file: BinaryIO, members: Mapping[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in members.items():
            info = zipfile.ZipInfo(name + SUFFIX, EPOCH)
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)


def _flush_folder(folder: str) -> None:
    """Put the renaming itself on disk, where the system has that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_leftovers(target: str) -> None:
    """Remove what saves of this file that were killed long ago have left."""
    folder, name = os.path.split(target)
    leftover = re.compile(re.escape(name) + r"\.\d+\.[0-9a-f]{8}\.tmp")
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if leftover.fullmatch(entry.name) and entry.stat().st_mtime < time.time() - STALE:
                os.unlink(entry.path)
