"""The classifier that an evaluation is given: a model, a wrapper of one, or a path."""

import os

import keras

from keras_mpat.models.adversarial_model import AdversarialModel
from keras_mpat.models.forward import with_logits


def load_classifier(model_or_path) -> keras.Model:
    """A Keras classifier that ends in logits.

    Args:
        model_or_path: a Keras classifier, an `AdversarialModel` (what it predicts
            from), or the path of a `.keras` file.

    Raises:
        ValueError: it is none of these, or ends in softmax.
    """
    model = model_or_path
    if isinstance(model, (str, os.PathLike)):
        if not os.path.exists(model):
            raise ValueError(
                "`model_or_path` must be a Keras classifier, an AdversarialModel or "
                f"the path of a .keras file. Received: {os.fspath(model)!r}, where "
                "there is no file. Save one with model.classifier.save(...)."
            )
        model = keras.models.load_model(model, compile=False)
    if isinstance(model, AdversarialModel):
        model = model.predictor
    if not isinstance(model, keras.Model):
        raise ValueError(
            "`model_or_path` must be a Keras classifier, an AdversarialModel or the "
            f"path of a .keras file. Received: a {type(model_or_path).__name__}. "
            "Pass the model itself, e.g. models.lenet(10)."
        )
    if with_logits(model) is not model:
        raise ValueError(
            "`model_or_path` must end in logits: a saturated softmax has zero "
            f"gradients and looks robust. Received: {model.name!r}, which ends in "
            "softmax. Pass keras_mpat.models.as_logits(model)."
        )
    return model
