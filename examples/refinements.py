"""What raises robust accuracy whatever the strategy: EMA weights, soft labels, choice.

--ema 0.999             evaluates and keeps an average of the weights
--label_smoothing 0.1   trains on labels that leave the other classes a share
--select best           keeps the epoch that was best under attack in validation
"""

from pathlib import Path

import keras
from settings import Settings

from keras_mpat import replicas
from keras_mpat.files import beside
from keras_mpat.losses import SmoothedCrossentropy

MONITOR = "val_robust_accuracy"


def averaging(settings: Settings) -> dict:
    """Arguments of the optimizer."""
    if settings.ema is None:
        return {}
    return {"use_ema": True, "ema_momentum": settings.ema}


def loss(settings: Settings) -> keras.losses.Loss | None:
    """What `compile` takes: `None` is the cross-entropy of the labels as they are."""
    share = settings.label_smoothing
    return None if share is None else SmoothedCrossentropy(share)


def watching(settings: Settings, path: Path) -> list[keras.callbacks.Callback]:
    """Callbacks that remember: the average in validation, and the best epoch.

    Args:
        settings: of the run.
        path: the folder of the run.
    """
    best = settings.select == "best"
    found = []
    if settings.ema is not None:
        found.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=best))
    if best:
        found.append(KeepBest(_best(path)))
    return found


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights of the epoch that was best under attack, whole at any moment.

    Keras' `ModelCheckpoint` would write them from each worker, and not atomically.

    Args:
        path: of the weights.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.best = -1.0

    def on_epoch_end(self, epoch, logs=None):
        if logs[MONITOR] > self.best:
            self.best = float(logs[MONITOR])
            if replicas.is_chief(self.model):
                with replicas.by_itself(), beside(self.path) as partial:
                    self.model.save_weights(partial, overwrite=True)


def choose(settings: Settings, model: keras.Model, path: Path) -> None:
    """Gives a trained model the weights of its best epoch, if that is asked for."""
    if settings.select == "best":
        with replicas.by_itself():
            model.load_weights(_best(path))


def selection(settings: Settings, rows: list[dict]) -> dict:
    """What run.json says: on what the weights were chosen, and from which epoch."""
    if settings.select != "best":
        return {"selected_on": "last epoch", "selected_epoch": len(rows)}
    robust = [float(row[MONITOR]) for row in rows]
    epoch = robust.index(max(robust)) + 1
    return {"selected_on": "validation", "selected_epoch": epoch}


def _best(path: Path) -> Path:
    return path / "best.weights.h5"
