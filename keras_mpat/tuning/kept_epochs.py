"""The training of one seed, kept epoch by epoch, whole whenever it is killed.

epochs.jsonl              one line of figures per finished epoch
state-0003.weights.h5     weights, optimizer and noise after three epochs; it decides
"""

import json
import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import keras

from keras_mpat import files


class KeptEpochs(keras.callbacks.Callback):
    """Restores a model, and keeps it after each epoch.

    Args:
        folder: of this seed.
        past: folder of the same seed of the trial that this one continues, or `None`.
        tell: called with (epochs done, figures) after each epoch.
    """

    def __init__(self, folder: Path, past: Path | None, tell: Callable):
        super().__init__()
        self.folder, self._past, self._tell = folder, past, tell
        self.rows: list[dict[str, float]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def restore(self, model: keras.Model) -> int:
        """Loads the last state there is; returns the number of epochs in it."""
        source = self.folder
        if not _states(source) and self._past is not None:
            source = self._past
        states = _states(source)
        done = 0
        if states:
            path = states[-1]
            done = int(path.name.split("-")[1].split(".")[0])
            model.optimizer.build(model.trainable_variables)
            model.load_weights(path)
        self.rows = _rows(source)[:done]
        if source != self.folder:  # their time is that of the other trial
            self.rows = [row | {"seconds": 0.0} for row in self.rows]
        text = "".join(f"{json.dumps(row)}\n" for row in self.rows)
        files.write_text(self.folder / "epochs.jsonl", text)
        if states and source != self.folder:  # last and whole: a state decides
            with files.beside(self.folder / states[-1].name) as path:
                shutil.copy(states[-1], path)
        return done

    @property
    def seconds(self) -> float:
        """Time of all kept epochs."""
        return sum(row["seconds"] for row in self.rows)

    @property
    def history(self) -> dict[str, list[float]]:
        """Figures by name, one per epoch."""
        names = [name for name in self.rows[0] if name != "seconds"]
        return {name: [row[name] for row in self.rows] for name in names}

    def on_epoch_begin(self, epoch, logs=None):
        self._begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        row = {name: float(value) for name, value in sorted((logs or {}).items())}
        row["seconds"] = round(time.perf_counter() - self._begun, 3)
        self.rows.append(row)
        with open(self.folder / "epochs.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        with files.beside(self.folder / f"state-{epoch + 1:04d}.weights.h5") as path:
            self.model.save_weights(path, overwrite=True)
        for old in _states(self.folder)[:-1]:
            old.unlink()
        self._tell(epoch + 1, row)


class Collapse(keras.callbacks.Callback):
    """Ends a training that gives no numbers, or always the same class.

    Args:
        kept: the figures so far, further up the list.
        majority: share of the largest class among the validation images.
        patience: epochs in a row in which no more than that is right.
    """

    def __init__(self, kept: KeptEpochs, majority: float, patience: int):
        super().__init__()
        self._kept, self._majority, self._patience = kept, majority, patience
        self.reason = ""

    def on_epoch_end(self, epoch, logs=None):
        self.reason = self.why(epoch + 1)
        if self.reason:
            self.model.stop_training = True

    def why(self, epoch: int) -> str:
        """Why the training failed, looking at its last epochs; empty: it did not."""
        last = self._kept.rows[-1]
        wrong = [name for name in last if not math.isfinite(last[name])]
        if wrong:
            return f"{', '.join(wrong)} is no number in epoch {epoch}"
        row = [r["val_accuracy"] for r in self._kept.rows if "val_accuracy" in r]
        recent = row[-self._patience :]
        stuck = [value <= self._majority + 1e-6 for value in recent]
        if len(stuck) == self._patience and all(stuck):
            return (
                f"collapsed: after epoch {epoch}, {100 * recent[-1]:.1f} % right where "
                f"the largest class alone is {100 * self._majority:.1f} %"
            )
        return ""


def _states(folder: Path) -> list[Path]:
    return sorted(folder.glob("state-*.weights.h5"))


def _rows(folder: Path) -> list[dict[str, float]]:
    path = folder / "epochs.jsonl"
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:  # torn by a kill: its epoch has no state either
            break
    return rows
