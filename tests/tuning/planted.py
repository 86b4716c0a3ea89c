"""Searches whose answer is known, small enough for processes of a second."""

import time
from pathlib import Path

import keras

import keras_mpat as mpat
from keras_mpat.tuning import RobustHyperModel, SearchSpace
from tests import toy

GOOD = 0.5
# Two classes that only this learning rate tells apart within a few epochs.
RATES = [1e-7, GOOD, 1e-5]


def build():
    """A classifier of four features."""
    return toy.net(seed=6, batch_norm=False)


def broken():
    """A builder with a mistake in it."""
    raise KeyError("no such layer")


class Slow(keras.callbacks.Callback):
    """Takes its time, and writes down which epoch of which trial ran when.

    Args:
        path: of the list.
        values: of the trial.
        pause: seconds per epoch.
    """

    def __init__(self, path, values, pause):
        super().__init__()
        self._path, self._values, self._pause = path, values, pause

    def on_epoch_end(self, epoch, logs=None):
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(f"{self._values['learning_rate']} {epoch}\n")
        time.sleep(self._pause)


class Planted(RobustHyperModel):
    """The real hyper-model on toy data, with a list of what ran.

    Args:
        folder: where the list `ran.txt` goes.
        pause: seconds added to each epoch.
        **options: of `RobustHyperModel`.
    """

    def __init__(self, folder, *, pause=0.0, builder=build, **options):
        space = SearchSpace(learning_rate=RATES, strategy="fast", head="none")
        usual = {"space": space, "epochs": 3, "batch_size": 16, "validation_steps": 2}
        ball = mpat.Linf(0.05)
        options = usual | options
        super().__init__(builder, toy.data(64), toy.data(32, seed=1), ball, **options)
        self.ran, self.pause = str(Path(folder) / "ran.txt"), pause

    def callbacks(self, values):
        return [Slow(self.ran, values, self.pause)]


def epochs_run(folder) -> list[str]:
    """Lines of ran.txt."""
    return (Path(folder) / "ran.txt").read_text(encoding="utf-8").splitlines()
