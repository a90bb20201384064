"""Compiling as the work deserves: quickly for small data, thoroughly for large.

A program of a model is long, and on small data it runs for milliseconds: most of what a user waits
for is its optimisation. With less of that it compiles two to three times as fast, and runs as fast
(`docs/benchmarks.md`).
"""

from __future__ import annotations

import importlib.metadata
import math
import os
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import equinox as eqx
import jax

LARGE_BYTES = 2**23  # of arguments; a program for more is worth all optimisation
QUICK: dict[str, Any] = {"xla_backend_optimization_level": 1}
if importlib.metadata.version("jaxlib").startswith("0.10."):  # later versions have no such option
    QUICK["xla_cpu_use_fusion_emitters"] = False


def is_large(tree: Any, limit: float = LARGE_BYTES) -> bool:
    """Whether arrays hold so much that work on them outweighs compiling it."""
    return sum(getattr(leaf, "nbytes", 0) for leaf in jax.tree.leaves(tree)) > limit


def compiled(function: Callable[..., Any], limit: float = LARGE_BYTES) -> Callable[..., Any]:
    """`equinox.filter_jit` whose programs for small arguments on a CPU are compiled quickly.

    Options that the environment sets in ``XLA_FLAGS`` are left to it. Inside another program this
    is a part of that, and compiled with it.

    Parameters
    ----------
    function
        What is compiled.
    limit
        Bytes of arguments from which on it is optimised in full.
    """
    thorough, quick = eqx.filter_jit(function), cache(lambda: _quick_program(function))

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        leaves = jax.tree.leaves((args, kwargs))
        inside = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
        program = thorough if inside or is_large(leaves, limit) else quick()
        return program(*args, **kwargs)

    return call


def compiled_for_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """`compiled` for one short pass over its arguments, which never outweighs compiling it."""
    return compiled(function, limit=math.inf)


def _quick_program(function: Callable[..., Any]) -> Callable[..., Any]:
    flags = os.environ.get("XLA_FLAGS", "")
    options = {name: value for name, value in QUICK.items() if name not in flags}
    if jax.default_backend() != "cpu" or not options:
        return eqx.filter_jit(function)
    return eqx.filter_jit(function, compiler_options=options)
