"""`embeddings`: where a model puts examples in its latent space.

    latent = embeddings(model, x)  # (N, D)

What a head of the model measures distances on; examples without an attack.
"""

import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.configurable import check_count
from keras_mpat.input_checks import check_inputs
from keras_mpat.models.adversarial_model import AdversarialModel
from keras_mpat.models.embedding import feature_model


def embeddings(model, x, *, batch_size: int = 128) -> np.ndarray:
    """The embeddings of examples, with BatchNorm on its averages and without dropout.

    They are the input of the classifier's last layer, or what `feature_layer` of the
    model names; of any length, because only heads normalize them.

    Args:
        model: an `AdversarialModel`, with or without a head.
        x: examples (N, ...), float, in the bounds of the strategy's threat model.
        batch_size: examples per pass, >= 1; it does not change the result.

    Returns:
        float32 (N, D).

    Raises:
        ValueError: another model, inputs that do not fit it, or a count below 1.
    """
    check_model(model)
    check_count("batch_size", batch_size, "128 suits most.")
    x = as_array(x)
    check_inputs(x, model.strategy.threat_model, tuple(model.example_shape))
    both = feature_model(model.classifier, model.feature_layer)
    return outputs(lambda batch: both(batch, training=False)[1], x, batch_size)


def outputs(function, x: np.ndarray, batch_size: int) -> np.ndarray:
    """What a function of batches gives for x (N, ...), float32 (N, ...)."""

    def cast(batch):
        return ops.cast(function(batch), "float32")

    compiled, rows = backend.function(cast), []
    size = min(batch_size, len(x))
    for first in range(0, len(x), size):
        batch = x[first : first + size]
        valid = len(batch)
        # The last one is filled up: one shape, one trace.
        batch = np.concatenate([batch, np.repeat(batch[-1:], size - valid, axis=0)])
        latent = compiled(ops.convert_to_tensor(batch, "float32"))
        rows.append(ops.convert_to_numpy(latent)[:valid])
    return np.concatenate(rows)


def check_model(model) -> None:
    """Raises unless `model` is an `AdversarialModel`."""
    if not isinstance(model, AdversarialModel):
        raise ValueError(
            "`model` must be an AdversarialModel, which knows its feature layer and "
            f"head. Received: a {type(model).__name__}. Pass the model that was "
            "trained, not its classifier."
        )


def as_array(data) -> np.ndarray:
    """NumPy values of an array, a list or a tensor."""
    return np.asarray(ops.convert_to_numpy(data) if ops.is_tensor(data) else data)
