"""Read a model file and believe nothing in it: sizes, names and checksums are checked first."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np

from bayesglm._archive import HEADER, KINDS, SUFFIX, describe
from bayesglm.exceptions import ModelFileError

LARGEST_HEADER = 2**20  # bytes
NPY_PREAMBLE = 2**16  # bytes, at most, before the numbers of a member
DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    KeyError,
    IndexError,
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
    RuntimeError,  # an encrypted member, or JSON nested too deep
)


class Archive:
    """A checked model file: its header, and its arrays on demand.

    Parameters
    ----------
    path
        The file.
    max_bytes
        Larger files are refused before anything of them is read.

    Raises
    ------
    ModelFileError
        If the file is damaged, too large, or no model file.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Any, max_bytes: int):
        self.path = path
        if os.path.isdir(path):
            raise ModelFileError(f"{path} is a folder: give the model file in it.")
        size = os.path.getsize(path)
        if size > max_bytes:
            raise ModelFileError(
                f"{path} has {size} bytes, more than `max_bytes={max_bytes}`. If you trust it, "
                "raise that limit."
            )
        with open(path, "rb") as file:
            content = self.guarded(lambda: _members(file, size))
        self.header = self.guarded(lambda: _parse_header(content[HEADER]))
        self._content = content

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays, each as the header describes it."""
        return self.guarded(self._arrays)

    def _arrays(self) -> dict[str, np.ndarray]:
        described = self.header["arrays"]
        check_names(self._content.keys() - {HEADER}, described, "arrays")
        found = {}
        for name, expected in described.items():
            found[name] = _parse_array(self._content[name])
            if describe(found[name]) != expected:
                raise ValueError(f"the array {name!r} is not the one that the header describes")
        return found

    def guarded(self, read: Any) -> Any:
        try:
            return read()
        except ModelFileError:
            raise
        except DAMAGE as error:
            raise ModelFileError(
                f"{self.path} is damaged or is no model file of bayesglm: {error or 'it ends'}. "
                "Take a good copy of it, or fit and save the model again."
            ) from error


def check_names(found: Iterable[str], expected: Iterable[str], what: str) -> None:
    """Raise ValueError unless both are the same names."""
    found, expected = set(found), set(expected)
    if found != expected:
        raise ValueError(
            f"{what} missing: {sorted(expected - found)}; not known: {sorted(found - expected)}"
        )


def _members(file: Any, size: int) -> dict[str, bytes]:
    """Read every member, after the directory has been checked; zipfile checks the CRC-32."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if len(set(names)) < len(names):
            raise ValueError("a name occurs twice")
        if HEADER + SUFFIX not in names:
            raise ValueError(f"it has no {HEADER!r}")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("something in it is compressed")
        if any(entry.file_size != entry.compress_size for entry in entries):
            raise ValueError("sizes in its directory contradict each other")
        if sum(entry.file_size for entry in entries) > size:
            raise ValueError("it claims to hold more than its own size")
        if archive.getinfo(HEADER + SUFFIX).file_size > LARGEST_HEADER + NPY_PREAMBLE:
            raise ValueError(f"its header is larger than {LARGEST_HEADER} bytes")
        return {name.removesuffix(SUFFIX): archive.read(name) for name in names}


def _parse_array(content: bytes) -> np.ndarray:
    """Array of a member, whose declared size is compared with its bytes before it is made."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"an array is of npy version {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind not in KINDS or fortran:
        raise ValueError(f"an array is of type {dtype}, which no model holds (it may be a pickle)")
    start = file.tell()
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != len(content) - start:
        raise ValueError(f"an array claims shape {shape}, but has {len(content) - start} bytes")
    if prod(shape) == 0:
        return np.empty(shape, dtype)
    return np.frombuffer(content, dtype, offset=start).reshape(shape).copy()


def _parse_header(content: bytes) -> Mapping[str, Any]:
    text = _parse_array(content).tobytes()
    if len(text) > LARGEST_HEADER:
        raise ValueError(f"its header is larger than {LARGEST_HEADER} bytes")
    header = json.loads(text.decode())
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    return header
