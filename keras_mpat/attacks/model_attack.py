"""What the attacks share that hold models or layers: a check, and a repr that tells."""

import dataclasses
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from keras_mpat.attacks.attack import Attack
from keras_mpat.learned import described


@dataclass(frozen=True, eq=False, repr=False)
class ModelAttack(Attack):
    """Base of attacks with Keras models or layers among their fields.

    Their configs carry the weights, so that equal means equal weights, and evaluation
    does not continue with the work of other ones.
    """

    def __repr__(self) -> str:
        told = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            text = described(value) if isinstance(value, keras.Layer) else repr(value)
            told.append(f"{field.name}={text}")
        return f"{type(self).__name__}({', '.join(told)})"


def check_model(name: str, model) -> None:
    """Raises unless the argument `name` is a built Keras model."""
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"`{name}` must be a Keras model. Received: {name} of type "
            f"{type(model).__name__}. Pass the model itself, e.g. models.lenet(10)."
        )
    if not model.built:
        raise ValueError(
            f"`{name}` must be built: its weights would be random. Received: "
            f"{name}={model.name!r}, built=False. Train it, or load its weights, first."
        )


def rows_of(name: str, model, example_shape: tuple) -> np.ndarray:
    """What the model of the argument `name` gives for two inputs, (2, ...), NumPy.

    Raises:
        ValueError: it takes inputs of another shape.
    """
    probe = np.random.default_rng(0).random((2, *example_shape), dtype="float32")
    try:
        rows = model(ops.convert_to_tensor(probe), training=False)
        return ops.convert_to_numpy(ops.cast(rows, "float32"))
    except Exception as error:  # each framework raises its own
        raise ValueError(
            f"`{name}` must map inputs like those of the model under attack, of shape "
            f"{tuple(example_shape)}, to one output. Received: a {name} of type "
            f"{type(model).__name__}, which does not. Pass a model that was built for "
            "the same data."
        ) from error
