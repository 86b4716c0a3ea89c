"""States of a training in a folder: whole or passed over, the last few of them.

state-0003.weights.h5   weights, optimizer, noise and everything else that is saved
state-0003.npz          arrays beside it
state-0003.json         what the caller says, and digests of both; written last

The number counts epochs done; state-0003-000120 is 120 batches further.
"""

import hashlib
import json
import os
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_mpat import files
from keras_mpat.callbacks import training_state

_SUFFIXES = (".json", ".npz", ".weights.h5")


class Position(NamedTuple):
    """How far a training is: epochs done, and batches of the next one."""

    epoch: int
    batch: int = 0

    def __str__(self) -> str:
        batches = f" and {self.batch} batches" if self.batch else ""
        return f"epoch {self.epoch}{batches}"


class KeptStates:
    """The states in a folder, by their positions.

    Args:
        folder: made by the first `save`.
        keep: how many stay.
    """

    def __init__(self, folder: Path, keep: int):
        self.folder = folder
        self.keep = keep
        self._last: Position | None = None  # the newest whole one

    def save(
        self, at: Position, model, content: dict[str, Any], arrays: list[np.ndarray]
    ) -> None:
        """Writes a state, then removes those that are too old, or damaged.

        Args:
            at: the position.
            model: a compiled Keras model.
            content: JSON values.
            arrays: numeric.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with files.beside(self._file(at, ".weights.h5")) as path:
            model.save_weights(path, overwrite=True)
        with files.written(self._file(at, ".npz"), "wb") as file:
            np.savez(file, **{f"array_{n}": each for n, each in enumerate(arrays)})
        whole = content | at._asdict() | {"sha256": self._digests(at)}
        files.write_json(self._file(at, ".json"), whole)
        self._remove_others(at)

    def newest(self) -> tuple[Position, dict[str, Any]] | None:
        """Position and content of the newest whole state; warns of damaged ones."""
        for at in reversed(self._positions()):
            try:
                text = self._file(at, ".json").read_text(encoding="utf-8")
                found = json.loads(text)
                if found["sha256"] == self._digests(at):
                    self._last = at
                    return at, found
            except (OSError, ValueError, KeyError, TypeError):
                pass
            warnings.warn(
                f"The state after {at} in {os.fspath(self.folder)} is damaged and "
                "passed over.",
                stacklevel=3,
            )
        return None

    def load(self, at: Position, model) -> list[np.ndarray]:
        """Loads the weights and the optimizer of a state; returns its arrays."""
        training_state.build_optimizer(model)
        model.load_weights(self._file(at, ".weights.h5"))
        with np.load(self._file(at, ".npz"), allow_pickle=False) as stored:
            return [stored[f"array_{n}"] for n in range(len(stored.files))]

    def _remove_others(self, at: Position) -> None:
        # What lies behind the state that this one followed is damaged or given up.
        last = self._last or Position(0)
        earlier = [each for each in self._positions() if each < at and each <= last]
        staying = {at, *earlier[max(0, len(earlier) + 1 - self.keep) :]}
        for old in set(self._positions("")) - staying:
            for suffix in _SUFFIXES:
                self._file(old, suffix).unlink(missing_ok=True)
        self._last = at

    def _positions(self, suffix: str = ".json") -> list[Position]:
        names = (
            path.name.split(".")[0] for path in self.folder.glob(f"state-*{suffix}")
        )
        matches = (re.fullmatch(r"state-(\d+)(?:-(\d+))?", name) for name in names)
        return sorted({Position(int(m[1]), int(m[2] or 0)) for m in matches if m})

    def _file(self, at: Position, suffix: str) -> Path:
        batches = f"-{at.batch:06d}" if at.batch else ""
        return self.folder / f"state-{at.epoch:04d}{batches}{suffix}"

    def _digests(self, at: Position) -> dict[str, str]:
        return {
            suffix: hashlib.sha256(self._file(at, suffix).read_bytes()).hexdigest()
            for suffix in _SUFFIXES[1:]
        }
