"""Compiling as the work deserves: quickly for small data, thoroughly for large.

A program of a model is long, and on small data it runs for milliseconds: most of what a user waits
for is its optimisation. With less of that it compiles two to three times as fast, and runs as fast
(`docs/benchmarks.md`).
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

LARGE_BYTES = 2**23  # of arguments; a program for more is worth all optimisation
QUICK: dict[str, Any] = {"xla_backend_optimization_level": 1}
if importlib.metadata.version("jaxlib").startswith("0.10."):  # later versions have no such option
    QUICK["xla_cpu_use_fusion_emitters"] = False
ARRAYS = (jax.Array, np.ndarray, np.generic)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Frame:
    """What of a tree is no array, by which programs differ.

    Parameters
    ----------
    structure
        Of the tree.
    leaves
        Its leaves, None in place of arrays: of itself None is no leaf.
    """

    structure: Any
    leaves: tuple[Any, ...]


def take_apart(tree: Any) -> tuple[Frame, list[Any]]:
    """Return the frame of a tree and its arrays, of which `put_together` makes it again."""
    leaves, structure = jax.tree.flatten(tree)
    arrays = [leaf for leaf in leaves if isinstance(leaf, ARRAYS)]
    others = tuple(None if isinstance(leaf, ARRAYS) else leaf for leaf in leaves)
    return Frame(structure, others), arrays


def put_together(frame: Frame, arrays: list[Any]) -> Any:
    """Return the tree of this frame with these arrays."""
    rest = iter(arrays)
    leaves = [next(rest) if leaf is None else leaf for leaf in frame.leaves]
    return jax.tree.unflatten(frame.structure, leaves)


def is_large(tree: Any) -> bool:
    """Whether arrays hold so much that work on them outweighs compiling it."""
    return sum(getattr(leaf, "nbytes", 0) for leaf in jax.tree.leaves(tree)) > LARGE_BYTES


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`jax.jit` over the arrays in its arguments; programs for small ones are compiled quickly.

    What is no array belongs to the program, as with `equinox.filter_jit`, which takes twice as long
    to call. Only programs for a CPU are compiled quickly, and options that the environment sets in
    ``XLA_FLAGS`` are left to it. Inside another program this is a part of that, and compiled with
    it.
    """

    def of_arrays(frame: Frame, arrays: list[Any]) -> tuple[Frame, list[Any]]:
        args, kwargs = put_together(frame, arrays)
        return take_apart(function(*args, **kwargs))

    of_arrays.__name__ = function.__name__  # by which compilers and profilers call it
    thorough = jax.jit(of_arrays, static_argnums=0)
    quick = cache(lambda: jax.jit(of_arrays, static_argnums=0, compiler_options=quick_options()))

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        frame, arrays = take_apart((args, kwargs))
        inside = any(isinstance(array, jax.core.Tracer) for array in arrays)
        if inside or not is_large(arrays):
            return put_together(*(thorough if inside else quick())(frame, arrays))
        found = put_together(*thorough(frame, arrays))
        return jax.block_until_ready(found)  # before the next, which has as much to hold

    return call


def in_batches(function: Callable[[Any], Any], rows: Any, largest: int) -> Any:
    """`jax.vmap` over the rows of an array, at most ``largest`` of them at once.

    Batches are alike, the last filled up: for what is left over, `jax.lax.map` compiles the
    function once more.
    """
    batches = -(-len(rows) // largest)
    fill = [(0, -len(rows) % batches)] + [(0, 0)] * (rows.ndim - 1)
    apart = jnp.pad(rows, fill, mode="edge").reshape(batches, -1, *rows.shape[1:])
    found = jax.lax.map(jax.vmap(function), apart)
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[: len(rows)], found)


def keep_compiled(folder: str | os.PathLike[str]) -> None:
    """Store compiled programs in a folder, where the next process finds them.

    Nearly all of a first call is compilation: where programs for such a model and such a shape of
    data are found, it takes a third to a quarter of the time. This sets JAX's own persistent
    compilation cache, for all that this process compiles from now on.

    Parameters
    ----------
    folder
        Where to; it is made if there is none. A program takes some 100 kB, and what other versions
        of JAX or other processors have stored is not used: the folder may be deleted at any time.

    Raises
    ------
    TypeError
        If ``folder`` is not a path.
    OSError
        If it cannot be made.

    Examples
    --------
    >>> import bayesglm
    >>> bayesglm.keep_compiled("~/.cache/bayesglm")  # doctest: +SKIP
    """
    from jax.experimental.compilation_cache import compilation_cache

    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"`folder` must be a path; got {folder!r}.")
    path = Path(folder).expanduser().absolute()
    path.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    compilation_cache.reset_cache()  # else JAX stays with a folder that it had before


def quick_options() -> dict[str, Any]:
    """Options of the compiler for small data: none where it is not for a CPU."""
    flags = os.environ.get("XLA_FLAGS", "")
    on_cpu = jax.default_backend() == "cpu"
    return {name: value for name, value in QUICK.items() if on_cpu and name not in flags}
