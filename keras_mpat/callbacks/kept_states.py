"""States of a training in a folder: whole or passed over, the last few of them.

state-0003.weights.h5   weights, optimizer, noise and everything else that is saved
state-0003.npz          arrays beside it
state-0003.json         what the caller says, and digests of both; written last
"""

import hashlib
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from keras_mpat import files

_SUFFIXES = (".json", ".npz", ".weights.h5")


class KeptStates:
    """The states in a folder, by the number of epochs done.

    Args:
        folder: made by the first `save`.
        keep: how many stay.
    """

    def __init__(self, folder: Path, keep: int):
        self.folder = folder
        self.keep = keep

    def save(
        self, epoch: int, model, content: dict[str, Any], arrays: list[np.ndarray]
    ) -> None:
        """Writes a state, then removes those that are too old.

        Args:
            epoch: epochs done.
            model: a compiled Keras model.
            content: JSON values.
            arrays: numeric.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / "part.weights.h5"
        model.save_weights(partial, overwrite=True)
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, self._file(epoch, ".weights.h5"))
        with files.written(self._file(epoch, ".npz"), "wb") as file:
            np.savez(file, **{f"array_{n}": each for n, each in enumerate(arrays)})
        whole = content | {"epoch": epoch, "sha256": self._digests(epoch)}
        files.write_json(self._file(epoch, ".json"), whole)
        for old in self._epochs()[: -self.keep]:
            for suffix in _SUFFIXES:
                self._file(old, suffix).unlink(missing_ok=True)

    def newest(self) -> dict[str, Any] | None:
        """Content of the newest whole state, with `epoch`; warns of damaged ones."""
        for epoch in reversed(self._epochs()):
            try:
                text = self._file(epoch, ".json").read_text(encoding="utf-8")
                found = json.loads(text)
                if found["sha256"] == self._digests(epoch):
                    return found
            except (OSError, ValueError, KeyError, TypeError):
                pass
            warnings.warn(
                f"The state after epoch {epoch} in {os.fspath(self.folder)} is damaged "
                "and passed over.",
                stacklevel=3,
            )
        return None

    def load(self, epoch: int, model) -> list[np.ndarray]:
        """Loads the weights and the optimizer of a state; returns its arrays."""
        model.optimizer.build(model.trainable_variables)
        model.load_weights(self._file(epoch, ".weights.h5"))
        with np.load(self._file(epoch, ".npz"), allow_pickle=False) as stored:
            return [stored[f"array_{n}"] for n in range(len(stored.files))]

    def _epochs(self) -> list[int]:
        names = (path.stem for path in self.folder.glob("state-*.json"))
        numbers = (name.removeprefix("state-") for name in names)
        return sorted(int(number) for number in numbers if number.isdigit())

    def _file(self, epoch: int, suffix: str) -> Path:
        return self.folder / f"state-{epoch:04d}{suffix}"

    def _digests(self, epoch: int) -> dict[str, str]:
        return {
            suffix: hashlib.sha256(self._file(epoch, suffix).read_bytes()).hexdigest()
            for suffix in _SUFFIXES[1:]
        }
