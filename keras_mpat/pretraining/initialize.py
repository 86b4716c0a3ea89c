"""From a pretrained encoder to a classifier of the same architecture.

classifier = models.resnet18(10)
initialize(classifier, "runs/acl")
AdversarialModel(classifier, strategy=PGDTraining(...), head=SoftTripleHead(10))
"""

import os
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_mpat import saved
from keras_mpat.models import AdversarialModel, checks
from keras_mpat.pretraining.contrastive import Contrastive, encoder_of


def initialize(classifier, from_run, *, zero_last: bool = False):
    """Copies a pretrained encoder into a classifier, checked by name, shape and output.

    Of ACL the statistics of adversarial images are taken. The last layer keeps its
    weights. Nothing is copied unless everything fits.

    Args:
        classifier: the classifier to be fine-tuned, of the architecture that was
            pretrained, layers of the same names.
        from_run: a `RoCL` or `ACL`, a classifier, the `.keras` file of either, or the
            folder of `pretrain`.
        zero_last: set the layers after the embedding to zero, as ACL's fine-tuning
            does. Default False.

    Returns:
        The classifier.

    Raises:
        ValueError: no such file, or layers, shapes or constants that differ; the
            message names them.
    """
    checks.check_classifier(classifier, Contrastive)
    source = _encoder(_loaded(from_run))
    target = encoder_of(classifier)
    before = target.get_weights()
    copy_weights(target, {w.path: ops.convert_to_numpy(w) for w in source.weights})
    try:
        _check_outputs(source, target)
    except ValueError:
        target.set_weights(before)
        raise
    if zero_last:
        forget_last(classifier)
    return classifier


def forget_last(classifier) -> None:
    """Sets the weights after the embedding to zero."""
    encoded = {id(weight) for weight in encoder_of(classifier).weights}
    for weight in classifier.trainable_weights:
        if id(weight) not in encoded:
            weight.assign(ops.zeros(weight.shape, weight.dtype))


def copy_weights(model, arrays: dict, name: str = "from_run") -> None:
    """Assigns arrays by the names of weights, all of them or none.

    Args:
        model: a built model.
        arrays: NumPy arrays by path, such as "stem_conv/kernel".
        name: the argument that they come from, for the message.

    Raises:
        ValueError: names or shapes that differ, values that are no finite numbers, or a
            model in which several weights have one name.
    """
    weights = {weight.path: weight for weight in model.weights}
    if len(weights) < len(model.weights):
        paths = [weight.path for weight in model.weights]
        several = next(path for path in paths if paths.count(path) > 1)
        raise ValueError(
            "`classifier` must have a name of its own for each weight. Received: "
            f"{paths.count(several)} weights with the name {several!r}. Name the "
            "layers of its nested models differently."
        )
    wrong = [f"{path} is missing" for path in weights if path not in arrays]
    wrong += [f"{path} is unknown" for path in arrays if path not in weights]
    for path in weights.keys() & arrays.keys():
        shapes = arrays[path].shape, tuple(weights[path].shape)
        if shapes[0] != shapes[1]:
            wrong.append(f"{path} has shape {shapes[0]}, not {shapes[1]}")
        elif not _is_finite(arrays[path]):
            wrong.append(f"{path} holds values that are no finite numbers")
    if wrong:
        raise ValueError(
            f"`{name}` must hold the weights of the classifier's architecture. "
            f"Received: {', '.join(sorted(wrong))}. Build the classifier as it was for "
            "pretraining, with the same names of layers; weights that are not finite "
            "are those of a training that diverged."
        )
    for path, weight in weights.items():
        weight.assign(arrays[path])


def _loaded(from_run):
    if isinstance(from_run, AdversarialModel):
        raise ValueError(
            "`from_run` must be a pretrained encoder or a classifier. Received: an "
            "AdversarialModel, which was trained with labels. Pass its pretraining "
            "(of train.py: <run>/pretraining), or model.classifier."
        )
    if isinstance(from_run, keras.Model):
        return from_run
    path = Path(from_run) if isinstance(from_run, (str, os.PathLike)) else None
    if path is not None and path.is_dir():
        path = path / "model.keras"
    if path is None or not path.is_file():
        raise ValueError(
            "`from_run` must be a model, a .keras file, or a folder with model.keras. "
            f"Received: from_run={from_run!r}. Pass the run_dir of pretraining."
        )
    return _loaded(saved.load_model("from_run", path))


def _is_finite(array: np.ndarray) -> bool:
    """Whether all entries are real, finite numbers."""
    real = array.dtype.kind in "fiu" or array.dtype.name == "bfloat16"
    return real and bool(np.all(np.isfinite(array.astype("float32"))))


def _encoder(model):
    if isinstance(model, Contrastive):
        return model.encoder
    return encoder_of(model)


def _check_outputs(source, target) -> None:
    """Raises unless equal weights give equal embeddings: constants may differ."""
    probe = np.random.default_rng(0).random((2, *target.input_shape[1:]), "float32")
    outputs = [model(probe, training=False) for model in (source, target)]
    expected, found = (
        ops.convert_to_numpy(ops.cast(output, "float32")) for output in outputs
    )
    relative, absolute = 1e-3, 1e-4
    if {keras.backend.standardize_dtype(each.dtype) for each in outputs} != {"float32"}:
        # Each layer has rounded.
        relative, absolute = 0.05, 0.05 * np.abs(expected).max()
    if not np.allclose(expected, found, relative, absolute):
        raise ValueError(
            "`classifier` must differ from the pretrained one by its weights only. "
            "Received: other embeddings for the same weights, so another activation "
            "or other constants, such as a Normalization's mean. Build it as it was "
            "for pretraining."
        )
