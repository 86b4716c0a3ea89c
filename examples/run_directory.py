"""A folder that holds one training run, whole at any moment, whenever it is killed.

state/             what `callbacks.FullState` keeps until training has finished
model.keras        then: the model with its head and its optimizer
classifier.keras   then: the plain Keras classifier
history.csv        one line per finished epoch
merging.json       how the prototypes merged, where they do; see merging.py
run.json           settings, versions, device, times; `finished` says whether it is done
tensorboard/       the same curves, where tensorboard is installed
"""

import contextlib
import csv
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from keras_mpat import locks, replicas
from keras_mpat.files import beside, write_json, write_text

_LOCK = ".lock"
_NOTHING = ("run.json.part", _LOCK)  # left by a process that came to nothing


class RunDirectory:
    """The folder of a run: checks it at once, creates it with the first `update`.

    Args:
        path: the folder.
        settings: JSON values by name, which a folder in use must have been made with.

    Attributes:
        writes: whether this process may; of several workers, the chief does.

    Raises:
        ValueError: the folder belongs to a run with other settings, or to no run.
    """

    def __init__(self, path: str | os.PathLike, settings: dict[str, Any]):
        self.path = Path(path)
        self.writes = True
        self._record = self.path / "run.json"
        if self._record.exists():
            _check_same(self.path, read(path)["settings"], settings)
            return
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"`run_dir` must be a folder. Received: {self.path}.")
        found = [e for e in self.path.glob("*") if e.name not in _NOTHING]
        if found:
            raise ValueError(
                "`run_dir` must be a new folder or that of an earlier run. Received: "
                f"run_dir={self.path}, which holds {found[0].name} but no run.json. "
                "Pass another folder."
            )

    @property
    def state(self) -> Path:
        """Where the state of an unfinished training is."""
        return self.path / "state"

    @property
    def model(self) -> Path:
        """Where the finished model is, if there is one."""
        return self.path / "model.keras"

    @property
    def classifier(self) -> Path:
        """Where the finished classifier is, if there is one."""
        return self.path / "classifier.keras"

    @property
    def history(self) -> Path:
        """Where the finished epochs are listed."""
        return self.path / "history.csv"

    def record(self) -> dict[str, Any]:
        """What run.json says; before there is one, that the run has not finished."""
        return read(self.path) if self._record.exists() else {"finished": False}

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Around all writing: no other process has the folder meanwhile.

        A folder in which nothing was written is gone afterwards.

        Raises:
            ValueError: another process has it.
        """
        if not self.writes:
            yield
            return
        self.path.mkdir(parents=True, exist_ok=True)
        with locks.locked(self.path / _LOCK):
            try:
                yield
            finally:
                if os.listdir(self.path) == [_LOCK]:
                    (self.path / _LOCK).unlink()
                    self.path.rmdir()

    def update(self, **values: Any) -> None:
        """Changes entries of run.json."""
        if not self.writes:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        known = self.record()
        write_json(self._record, known | values)

    def rows(self) -> list[dict[str, str]]:
        """The finished epochs."""
        if not self.history.exists():
            return []
        with open(self.history, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def minutes(self) -> float:
        """Of the finished epochs, validation included."""
        return round(sum(float(row["seconds"]) for row in self.rows()) / 60, 2)

    def keep_rows(self, count: int) -> None:
        """Forgets all epochs but the first `count`: those that the state has seen."""
        if not self.writes:
            return
        rows = self.rows()[:count]
        lines = [",".join(rows[0])] if rows else []
        lines += [",".join(row.values()) for row in rows]
        write_text(self.history, "".join(f"{line}\n" for line in lines))

    def add_row(self, row: dict[str, Any]) -> None:
        """Appends an epoch."""
        if not self.writes:
            return
        text = ",".join(str(value) for value in row.values()) + "\n"
        if not self.rows():
            text = ",".join(row) + "\n" + text
        with open(self.history, "a", encoding="utf-8") as file:
            file.write(text)

    def save(self, model: keras.Model, path: Path) -> None:
        """Saves a model whole or not at all."""
        with replicas.by_itself(), beside(path) as partial:
            model.save(partial)


class Recorder(keras.callbacks.Callback):
    """A line for each finished epoch; stands before what keeps the state.

    Args:
        run: the folder.
        images: training images per epoch.
        talks: print a line per epoch.

    Attributes:
        seconds: of the running epoch, without pauses in which it was interrupted.
        seconds_of_training: the same without validation.
    """

    def __init__(self, run: RunDirectory, images: int, *, talks: bool = False):
        super().__init__()
        self._run, self._images, self._talks = run, images, talks
        self._clock = _Clock()
        self.seconds = self.seconds_of_training = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._clock.lap()
        self.seconds = 0.0

    def on_train_batch_end(self, batch, logs=None):
        self.seconds += self._clock.lap()

    def on_test_begin(self, logs=None):
        self.seconds_of_training = self.seconds

    def on_epoch_end(self, epoch, logs=None):
        self.seconds += self._clock.lap()
        speed = self._images / self.seconds_of_training
        row = {
            "epoch": epoch + 1,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(speed, 1),
        }
        logs = {name: float(logs[name]) for name in sorted(logs)}
        self._run.add_row(row | logs)
        if self._talks:
            text = f"epoch {epoch + 1}/{self.params['epochs']}  {row['seconds']:.1f} s"
            print(text, in_words(logs), sep="  ", flush=True)


class _Clock:
    """A time of this process, which means nothing to the one that goes on."""

    def lap(self) -> float:
        """Seconds since the last call."""
        now = time.perf_counter()
        passed, self._last = now - getattr(self, "_last", now), now
        return passed


def in_words(logs: dict[str, float]) -> str:
    """Figures of an epoch on one line."""
    return "  ".join(f"{name} {value:.4f}" for name, value in logs.items())


def read(path: str | os.PathLike) -> dict[str, Any]:
    """The run.json of a folder.

    Raises:
        ValueError: there is none.
    """
    record = Path(path) / "run.json"
    if not record.exists():
        raise ValueError(
            f"`run_dir` must be the folder of a run. Received: run_dir={path}, which "
            "holds no run.json. Make one with examples/train.py --run_dir ..."
        )
    return json.loads(record.read_text(encoding="utf-8"))


def finished(run_dir) -> tuple[dict[str, Any], Path]:
    """The run.json and the classifier of a finished run.

    Raises:
        ValueError: there is none in this folder.
    """
    record, classifier = read(run_dir), Path(run_dir) / "classifier.keras"
    if not (record["finished"] and classifier.exists()):
        raise ValueError(
            f"`run_dir` must hold a finished run. Received: run_dir={run_dir}, whose "
            "training was interrupted. Continue it with the command that began it."
        )
    return record, classifier


def source(record: dict[str, Any]) -> dict[str, Any]:
    """The data set of a run, as `keras_mpat.datasets` takes it."""
    settings = record["settings"]
    image_size = settings.get("image_size")  # runs of earlier versions have none
    name, data_dir = settings["dataset"], record["data_dir"]
    return {"name": name, "data_dir": data_dir, "image_size": image_size}


def differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Names of settings that differ; one that is missing was not given: `None`."""
    names = sorted(old.keys() | new.keys())
    return [name for name in names if old.get(name) != new.get(name)]


def _check_same(path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    changed = [
        f"  --{name}: {old.get(name)} there, {new.get(name)} now"
        for name in differing(old, new)
    ]
    if changed:
        raise ValueError(
            f"`run_dir` {path} was made with other flags:\n"
            + "\n".join(changed)
            + "\nPass the same flags to continue it, or another --run_dir."
        )
