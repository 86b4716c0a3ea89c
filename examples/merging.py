"""Prototypes that merge during a run, and merging.json, which remembers how they did.

threshold      chord distance below which prototypes merge
history        prototypes left per class, one list per epoch
merges         epoch (from 0), label, kept, absorbed and distance of each merging
before, after  cosines (C, K, K) within each class, `null` where none is in use
before_epoch   epoch (from 0) at whose end `before` was taken
"""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from run_directory import RunDirectory
from settings import Settings

from keras_mpat.callbacks import PrototypeMerging
from keras_mpat.files import write_text


def merging_callbacks(
    settings: Settings, run: RunDirectory, done: int
) -> list[keras.callbacks.Callback]:
    """What merges prototypes as `settings` say, and what remembers it; maybe nothing.

    They stand in front of what saves the model.

    Args:
        settings: of the run.
        run: its folder.
        done: epochs that its model has seen.
    """
    if settings.merge_threshold is None:
        return []
    merging = PrototypeMerging(settings.merge_threshold)
    return [merging, MergeRecorder(run.path / "merging.json", merging, done)]


def read_merging(run_dir) -> dict[str, Any] | None:
    """What merging.json of a run says, cosines as arrays; None if there is none."""
    path = Path(run_dir) / "merging.json"
    if not path.exists():
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    for name in ("before", "after"):
        if values[name] is not None:
            values[name] = np.array(values[name], "float64")  # null becomes NaN
    return values


class MergeRecorder(keras.callbacks.Callback):
    """Keeps what `PrototypeMerging` does after each epoch; a resumed run appends.

    Args:
        path: of merging.json. Epochs in it that the model has not seen are forgotten.
        merging: the callback that merges, further up the list.
        done: epochs that the model has seen.
    """

    def __init__(self, path: Path, merging: PrototypeMerging, done: int):
        super().__init__()
        self._path, self._merging = path, merging
        self._kept = _first(read_merging(path.parent), done)

    def on_epoch_end(self, epoch, logs=None):
        before = self._merging.similarities_before
        if before is not None and self._kept["before"] is None:
            self._kept |= {"before": before, "before_epoch": epoch}
        self._write()

    def on_train_end(self, logs=None):
        self._kept["after"] = self._merging.similarities_after
        self._write()

    def _write(self) -> None:
        merging, kept = self._merging, self._kept
        values = kept | {
            "threshold": merging.threshold,
            "history": kept["history"] + merging.history,
            "merges": kept["merges"] + [merge._asdict() for merge in merging.merges],
            "before": _with_null(kept["before"]),
            "after": _with_null(kept["after"]),
        }
        write_text(self._path, json.dumps(values) + "\n")


def _first(known: dict[str, Any] | None, done: int) -> dict[str, Any]:
    """Of the content of merging.json, what belongs to the first `done` epochs."""
    empty = {"history": [], "merges": [], "before": None, "before_epoch": None}
    kept = empty | (known or {}) | {"after": None}
    kept["history"] = kept["history"][:done]
    kept["merges"] = [merge for merge in kept["merges"] if merge["epoch"] < done]
    if kept["before_epoch"] is not None and kept["before_epoch"] >= done:
        kept |= {"before": None, "before_epoch": None}
    return kept


def _with_null(cosines: np.ndarray | None) -> list | None:
    """As lists for JSON, which knows no NaN."""
    if cosines is None:
        return None
    return np.where(np.isfinite(cosines), np.round(cosines, 6), None).tolist()
