"""Pieces of a run on disk: each is complete or absent, so that a killed run can be resumed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bayesglm._archive import replace_file
from bayesglm.exceptions import ModelFileError
from bayesglm.inference import nuts


class Checkpoint:
    """A folder that holds the pieces of one run.

    Parameters
    ----------
    path
        The folder; made if it does not exist.
    fingerprint
        What the run depends on, as text: pieces of another run are refused.
    structure
        Tree structure of the sampler's state.
    """

    def __init__(self, path: Any, fingerprint: str, structure: Any):
        self.path = Path(path)
        self.fingerprint = hashlib.sha256(fingerprint.encode()).hexdigest()
        self.structure = structure

    def append(self, piece: nuts.Transitions, state: Any) -> None:
        """Store a piece and the state after it, as one file."""
        self.path.mkdir(parents=True, exist_ok=True)
        leaves = jax.tree.leaves((piece, state))
        arrays = {f"leaf{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
        name = self.path / f"piece_{len(self._files()):06d}.npz"
        arrays["fingerprint"] = np.frombuffer(bytes.fromhex(self.fingerprint), np.uint8)
        replace_file(name, lambda file: np.savez(file, **arrays))

    def load(self) -> tuple[list[nuts.Transitions], Any]:
        """All pieces in order, and the state after the last; an empty list if there are none.

        Raises
        ------
        ModelFileError
            If the pieces are those of another run, or damaged.
        """
        pieces, state = [], None
        for name in self._files():
            piece, state = self._read(name)
            pieces.append(piece)
        return pieces, state

    def _read(self, name: Path) -> tuple[nuts.Transitions, Any]:
        try:
            with np.load(name, allow_pickle=False) as file:
                arrays = dict(file)
        except Exception as error:
            raise ModelFileError(f"{name} cannot be read: {error}. Delete it to resume.") from error
        if bytes(arrays.pop("fingerprint")).hex() != self.fingerprint:
            raise ModelFileError(
                f"{self.path} holds a run with other data, model or settings. Choose another "
                "`checkpoint`, or delete it."
            )
        leaves = [arrays[f"leaf{i}"] for i in range(len(arrays))]
        piece = nuts.Transitions(*leaves[: len(nuts.Transitions.__dataclass_fields__)])
        rest = leaves[len(nuts.Transitions.__dataclass_fields__) :]
        return piece, jax.tree.unflatten(self.structure, rest)

    def _files(self) -> list[Path]:
        return sorted(self.path.glob("piece_*.npz")) if self.path.is_dir() else []
