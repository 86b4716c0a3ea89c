"""A whole run of pretraining, with the published optimizer, that survives its end.

    model = pretrain(ACL(classifier, ball), images, epochs=1000, run_dir="runs/acl")

The folder holds `model.keras`, written whole after each epoch. The order of the images
is a function of (seed, epoch), so a run that was killed goes on as if it had not been.
"""

from pathlib import Path

import keras
import numpy as np

from keras_mpat import files
from keras_mpat.configurable import check_count
from keras_mpat.models import array_batches
from keras_mpat.pretraining.contrastive import Contrastive
from keras_mpat.pretraining.initialize import initialize
from keras_mpat.pretraining.lars import LARS

_WARMUP_EPOCHS = 10  # ACL's and RoCL's


def pretrain(
    model: Contrastive,
    images,
    *,
    epochs: int,
    batch_size: int = 512,
    optimizer=None,
    run_dir=None,
    verbose=2,
    callbacks=(),
) -> Contrastive:
    """Trains a `RoCL` or `ACL` on unlabelled images; continues the run of a folder.

    Args:
        model: not compiled yet.
        images: array (N, H, W, C_in), inside the bounds of the threat model. A last
            batch that is smaller than the others is left out.
        epochs: of the whole run, those before an interruption included.
        batch_size: images per batch, >= 2. Default 512, as in ACL and RoCL.
        optimizer: a Keras optimizer; `None`: `LARS` with the method's rate (5 for ACL,
            1.5 for RoCL) after ten epochs of warm-up (at most a tenth of all), then a
            cosine down to 0.
        run_dir: folder to continue from; `None`: nothing is kept.
        verbose, callbacks: as in `fit`.

    Returns:
        The model: that of the folder where there was one. The classifier of the model
        that was given has the pretrained encoder in either case.

    Raises:
        ValueError: images that do not fit, or a folder of a run with other settings.
    """
    if not isinstance(model, Contrastive):
        raise ValueError(
            "`model` must be a RoCL or ACL. Received: "
            f"model of type {type(model).__name__}. Pass pretraining.ACL(classifier, "
            "ball)."
        )
    check_count("epochs", epochs, "ACL and RoCL train for 1000.")
    check_count("batch_size", batch_size, "ACL and RoCL use 512.", minimum=2)
    images = np.asarray(images)
    try:
        model.check_images(images)
    except ValueError as error:
        raise ValueError(f"`images`: {error}") from None
    if len(images) < batch_size:
        raise ValueError(
            "`batch_size` must be at most the number of images. Received: "
            f"batch_size={batch_size}, {len(images)} images. Pass a smaller one."
        )
    steps = len(images) // batch_size
    model.compile(optimizer or _published(model, steps, epochs))
    keepers, given = [], model
    if run_dir is not None:
        path = Path(run_dir) / "model.keras"
        if path.exists():
            model = _continued(path, given)
            initialize(given.classifier, model)  # refuses other constants, too
        keepers = [_Keeper(path)]
    done = int(model.optimizer.iterations) // steps
    if done < epochs:
        stream, order = array_batches.batches(
            images,
            batch_size=batch_size,
            shuffle=True,
            seed=model.seed,
            drop_remainder=True,
        )
        model.fit(
            stream,
            epochs=epochs,
            initial_epoch=done,
            verbose=verbose,
            callbacks=[order, *keepers, *callbacks],
        )
    if model is not given:
        initialize(given.classifier, model)
    return model


def _published(model, steps: int, epochs: int):
    warmup = min(_WARMUP_EPOCHS, epochs // 10) * steps
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else model.learning_rate,
        steps * epochs - warmup,
        warmup_target=model.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    return LARS(rate)


def _continued(path: Path, model):
    """The model of the folder; raises if its settings are not those of `model`."""
    found = keras.saving.load_model(path)
    pairs = {
        "method": (type(found).__name__, type(model).__name__),
        "optimizer": tuple(
            keras.saving.serialize_keras_object(each.optimizer)["config"]
            for each in (found, model)
        ),
        "weights": tuple(
            [(weight.path, tuple(weight.shape)) for weight in each.network.weights]
            for each in (found, model)
        ),
    }
    configs = [each.get_config() for each in (found, model)]
    for name in configs[1].keys() - {"name", "classifier", "trainable"}:
        pairs[name] = tuple(config.get(name) for config in configs)
    changed = sorted(name for name, (old, new) in pairs.items() if old != new)
    if changed:
        raise ValueError(
            "`run_dir` must be the folder of a run with the same settings. Received: "
            f"run_dir={str(path.parent)!r}, with other {', '.join(changed)}. Pass the "
            "same settings to continue it, or another folder."
        )
    return found


class _Keeper(keras.callbacks.Callback):
    """Saves the model after each epoch, whole or not at all."""

    def __init__(self, path: Path):
        super().__init__()
        self._path = path

    def on_epoch_end(self, epoch, logs=None):
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with files.beside(self._path) as path:
            self.model.save(path)
