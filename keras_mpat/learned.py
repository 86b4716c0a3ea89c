"""Keras layers and arrays inside frozen values: configs that carry their numbers.

A config of Keras names the layers of a model and forgets what they have learned. A
value that holds a model would then be equal to one that holds another, and come back
from its config with random weights.
"""

import base64
import hashlib
import io

import keras
import numpy as np


@keras.saving.register_keras_serializable("keras_mpat")
class Learned:
    """A layer or model, built, on its way into a config and back, weights included."""

    def __init__(self, layer: keras.Layer):
        self.layer = layer

    def get_config(self):
        """The config of Keras, and the weights as text."""
        return {
            "layer": keras.saving.serialize_keras_object(self.layer),
            "weights": to_text(_weights(self.layer)),
        }

    @classmethod
    def from_config(cls, config) -> keras.Layer:
        """The layer itself: an equal one with equal weights."""
        layer = keras.saving.deserialize_keras_object(config["layer"])
        layer.set_weights(from_text(config["weights"]))
        return layer


def to_text(arrays) -> str:
    """Arrays as ASCII text, the same for the same arrays."""
    file = io.BytesIO()
    np.savez(file, *arrays)
    return base64.b64encode(file.getvalue()).decode("ascii")


def from_text(text: str) -> list[np.ndarray]:
    """The arrays that `to_text` was given."""
    with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as stored:
        return [stored[name] for name in stored.files]


def described(layer: keras.Layer) -> str:
    """A layer in a few words that tell equal weights from others, in any process."""
    return f"<{type(layer).__name__}, weights {short_digest(_weights(layer))}>"


def short_digest(arrays) -> str:
    """Twelve hexadecimal digits that other numbers would change."""
    return hashlib.sha256(to_text(arrays).encode()).hexdigest()[:12]


def _weights(layer: keras.Layer) -> list[np.ndarray]:
    """NumPy knows no bfloat16: in float32 nothing of it is lost."""
    arrays = map(np.asarray, layer.get_weights())
    return [a.astype("float32") if a.dtype.kind == "V" else a for a in arrays]
