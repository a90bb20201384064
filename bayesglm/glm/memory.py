"""Whether a computation fits into memory: asked before it begins, and said if it does not."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

SHARE = 0.8  # of the memory that is free: the rest is for whatever else is computed
LARGEST_CURVATURE = 2**26  # numbers in the curvatures of all responses, half a gigabyte
UNASKED_BYTES = 2**26  # that any machine has left: no question is asked for so few
CURVATURE_COPIES = 8  # held at once: 7 measured for Newton, 8 for its proximal kind


def free_bytes() -> float:
    """Memory that can still be taken, in bytes, on the machine and on JAX's own device."""
    device = jax.devices()[0].memory_stats() or {}
    left = device.get("bytes_limit", float("inf")) - device.get("bytes_in_use", 0)
    return min(left, _free_on_host())


def _free_on_host() -> float:
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        entry = next(line for line in lines if line.startswith("MemAvailable"))
        return 1024.0 * int(entry.split()[1])
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return float("inf")


def refuse_too_large(needed: float, what: str, remedy: str) -> None:
    """Raise MemoryError if arrays would not fit into `SHARE` of the free memory.

    Parameters
    ----------
    needed
        Their size in bytes.
    what, remedy
        What they are, and what to do instead.
    """
    if needed <= UNASKED_BYTES:
        return
    free = free_bytes()
    if needed > SHARE * free:
        raise MemoryError(
            f"{what} needs {needed / 1e9:.3g} GB of memory, and {free / 1e9:.3g} GB are free. "
            f"{remedy}"
        )


def refuse_large_fit(design: Any, matrices: int) -> None:
    """Raise MemoryError for a fit whose arrays would not fit into memory.

    Parameters
    ----------
    design
        Features, shape (n, p); only its size counts.
    matrices
        Numbers in the Hessian matrices that the solver has, 0 if it has none.
    """
    n, p = design.shape
    refuse_too_large(
        float(n) * p * design.itemsize,
        f"A copy of X, {n} rows by {p} columns,",
        "Use fewer columns or rows, float32 features, or batches with `partial_fit`.",
    )
    refuse_too_large(
        8.0 * CURVATURE_COPIES * matrices,
        f"A solver with a Hessian matrix of the parameters, {matrices:.3g} numbers in all,",
        "Choose solver_name='LBFGS' (for penalties with kinks 'ProximalGradient'), or fit the "
        "responses in parts.",
    )


def curvature_size(shape: tuple[int, ...]) -> int:
    """Numbers in the curvature matrices of all responses; coefficients have ``shape``."""
    p, K, *classes = shape
    return K * ((p + 1) * math.prod(classes)) ** 2


@contextlib.contextmanager
def exhaustion_as_memory_error() -> Iterator[None]:
    """Turn JAX's report of memory that ran out into Python's own error.

    Raises
    ------
    MemoryError
        With the number of bytes that JAX asked for.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        device = jax.devices()[0]
        raise MemoryError(
            f"The device {device} ran out of memory: {str(error).splitlines()[0]} "
            "Use fewer rows or responses at a time, float32 features, solver_name='LBFGS', or "
            "the CPU (JAX_PLATFORMS=cpu)."
        ) from error
