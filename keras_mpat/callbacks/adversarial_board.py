"""TensorBoard: what an attack does to held-out examples while a model trains.

    folder = "runs/x/tensorboard"
    board = AdversarialBoard(folder, x_held_out, y_held_out)
    model.fit(train, callbacks=[keras.callbacks.TensorBoard(folder), board])

Keras' own callback writes the scalars; this one images, histograms and the embeddings
that TensorBoard's Projector turns around.
"""

import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_mpat import backend
from keras_mpat.attacks import PGD, Attack
from keras_mpat.callbacks.projector import write_projector
from keras_mpat.configurable import check_count
from keras_mpat.evaluation.latent import LatentSet, latent_set
from keras_mpat.evaluation.prototypes import prototype_points
from keras_mpat.input_checks import check_inputs, check_labels
from keras_mpat.layers import SoftTripleHead
from keras_mpat.layers.prototypes import directions
from keras_mpat.models.adversarial_model import AdversarialModel

_FOLDER = "adversarial"
_SHOWN = 8
_HEIGHT, _LINE = 64, 2  # pixels: of small images at most, and around each


class AdversarialBoard(keras.callbacks.Callback):
    """Attacks held-out examples after an epoch, and shows them in TensorBoard.

    Images: the first eight examples, clean, attacked, and the perturbation (gray is
    none; each scaled by its own largest entry). Histograms: cosines of clean and
    attacked embeddings, of prototypes within a class, of examples and the nearest
    prototype. Projector: embeddings, clean and attacked, and prototypes, with class,
    prediction and mode.

    Each look compiles the attack anew: some seconds, so not after every epoch. It moves
    no weight and draws no random number of the training.

    Args:
        log_dir: folder; events go to its subfolder "adversarial".
        x: held-out examples (N, ...), float, in the bounds of the attack; some hundred.
        y: their classes (N,), (N, 1) or one-hot (N, C).
        modes: their fine labels (N,); `None`: unknown.
        attack: the attack; `None`: PGD with 10 steps in the threat model of the
            strategy.
        class_names: names of the classes; `None`: their numbers.
        every: epochs between two looks, >= 1. Default 5; after the last epoch always.
        seed: seed of the attack's noise.

    Raises:
        ValueError: an argument out of range, or, before training starts, a model that
            is no `AdversarialModel`, or has no threat model where no attack is given;
            examples, labels or names that do not fit it.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike,
        x,
        y,
        *,
        modes=None,
        attack: Attack | None = None,
        class_names: Sequence[str] | None = None,
        every: int = 5,
        seed: int = 0,
    ):
        super().__init__()
        check_count("every", every, "1 looks after each epoch.")
        check_count("seed", seed, "Pass seed=0.", minimum=0)
        self.folder = os.path.join(os.fspath(log_dir), _FOLDER)
        self.x, self.y, self.modes = np.asarray(x), np.asarray(y), modes
        self.attack = attack
        self.class_names = class_names
        self.every = every
        self.seed = seed
        self._writer: Any = None

    def on_train_begin(self, logs=None):
        self._attack = _attack(self.model, self.attack)
        classes = self.model.num_classes
        self._attack.check(self.x.shape[1:], classes)
        shape = self.model.example_shape
        check_inputs(self.x, self._attack.threat_model, shape)
        check_labels(self.y, classes, len(self.x))
        if self.class_names is not None and len(self.class_names) < classes:
            raise ValueError(
                f"`class_names` must have a name for each of {classes} classes. "
                f"Received: {self.class_names!r}. Pass all, or None."
            )
        self._summary, self._writer = backend.summaries(self.folder)

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == self.params.get("epochs")
        if last or (epoch + 1) % self.every == 0:
            self._look(epoch)

    def on_train_end(self, logs=None):
        self._writer.close()

    def _look(self, epoch: int) -> None:
        found = latent_set(
            self.model,
            self.x,
            self.y,
            self._attack,
            modes=self.modes,
            seed=self.seed,
            keep_examples=True,
            verbose=False,
        )
        with self._writer.as_default(step=epoch):
            if self.x.ndim == 4 and self.x.shape[-1] in (1, 3):
                grid = image_grid(self.x, found.examples, self._attack.threat_model)
                self._summary.image("clean, attacked, perturbation", grid[None])
            for name, values in self._histograms(found).items():
                self._summary.histogram(name, values)
        self._writer.flush()
        points, classes = self._prototypes()
        write_projector(self.folder, found, points, classes, names=self.class_names)

    def _histograms(self, found: LatentSet) -> dict[str, np.ndarray]:
        """Values by name."""
        unit, moved = (directions(rows) for rows in (found.clean, found.adversarial))
        values = {
            "cosine of clean and attacked embedding": np.sum(unit * moved, axis=1)
        }
        points, classes = self._prototypes()
        if len(points):
            cosines, same = points @ points.T, classes[:, None] == classes
            pairs = same & np.triu(np.ones_like(same), 1)
            values["prototypes: cosines within a class"] = cosines[pairs]
            nearest = np.max(unit @ points.T, axis=1)
            values["prototypes: cosine of examples to the nearest"] = nearest
        return {name: value for name, value in values.items() if len(value)}

    def _prototypes(self) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(self.model.head, SoftTripleHead):
            return prototype_points(self.model)
        return np.zeros((0, 0)), np.zeros(0, "int64")


def image_grid(x: np.ndarray, x_adv: np.ndarray, threat_model) -> np.ndarray:
    """Clean images above attacked ones above perturbations, (A, B, C_in) in [0, 1].

    Small images are enlarged by a whole factor; a white line is around each.

    Args:
        x: images (N, H, W, C_in), in the threat model's bounds; the first eight count.
        x_adv: their adversarial versions.
        threat_model: tells bounds and radius.
    """
    low, high = (np.asarray(bound, "float32") for bound in threat_model.bounds)
    x, x_adv = x[:_SHOWN], x_adv[:_SHOWN]
    moves = x_adv - x
    scale = np.max(np.abs(moves), axis=(1, 2, 3), keepdims=True)
    rows = [(x - low) / (high - low), (x_adv - low) / (high - low)]
    rows.append(0.5 + 0.5 * moves / np.where(scale > 0, scale, 1))
    times = max(1, _HEIGHT // x.shape[1])
    frame = ((0, 0), (_LINE, _LINE), (_LINE, _LINE), (0, 0))
    rows = [row.repeat(times, axis=1).repeat(times, axis=2) for row in rows]
    rows = [np.pad(row, frame, constant_values=1.0) for row in rows]
    bands = [np.concatenate(list(row), axis=1) for row in rows]
    return np.clip(np.concatenate(bands, axis=0), 0, 1).astype("float32")


def _attack(model, attack):
    if not isinstance(model, AdversarialModel):
        raise ValueError(
            "`AdversarialBoard` must watch an AdversarialModel. Received: a "
            f"{type(model).__name__}. Wrap the classifier in AdversarialModel."
        )
    if attack is not None:
        return attack
    if model.strategy.threat_model is None:
        raise ValueError(
            "`attack` must be given where the strategy has no threat model. Received: "
            f"strategy={model.strategy!r}. Pass attack=attacks.PGD(Linf('8/255'))."
        )
    return PGD(model.strategy.threat_model, steps=10)
