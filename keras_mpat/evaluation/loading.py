"""The classifier that a user means: itself, a training model, or a file."""

import os

import keras

from keras_mpat import saved
from keras_mpat.models.adversarial_model import AdversarialModel
from keras_mpat.models.forward import with_logits


def load_classifier(
    model_or_path, *, softmax: bool = False, name: str = "model_or_path"
):
    """The Keras classifier that predicts: of a classifier, a path, a training model.

    Args:
        model_or_path: as in `evaluate_robustness`.
        softmax: whether it may end in softmax.
        name: of the argument, for messages.

    Raises:
        ValueError: something else, or a classifier that ends in softmax.
    """
    model = model_or_path
    if isinstance(model, (str, os.PathLike)):
        model = saved.load_model(name, model)
    if isinstance(model, AdversarialModel):
        model = model.predictor
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"`{name}` must be a Keras classifier, an AdversarialModel or the path of "
            f"a .keras file. Received: a {type(model_or_path).__name__}. "
            "Pass the model itself, e.g. models.lenet(10)."
        )
    if not softmax and with_logits(model) is not model:
        raise ValueError(
            f"`{name}` must end in logits: a saturated softmax has zero "
            f"gradients and looks robust. Received: {model.name!r}, which ends in "
            "softmax. Pass keras_mpat.models.as_logits(model)."
        )
    return model


def training_model(
    model_or_path, *, name: str = "model_or_path"
) -> AdversarialModel | None:
    """The `AdversarialModel` itself, or from a path; `None` for a plain classifier."""
    model = model_or_path
    if isinstance(model, (str, os.PathLike)):
        model = saved.load_model(name, model)
    return model if isinstance(model, AdversarialModel) else None
