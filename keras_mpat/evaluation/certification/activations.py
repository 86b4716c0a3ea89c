"""From activations to rules: those that never fall have bounds."""

from collections.abc import Callable

import numpy as np
from keras import activations, layers

from keras_mpat.evaluation.certification.rules import Hinge, Monotone, Rule
from keras_mpat.models.interval import MONOTONE

SUPPORTED = (
    "dense, convolution, pooling, normalization and reshaping layers, Dropout, Add, "
    "Concatenate, and activations that never fall (ReLU, tanh, ELU, ...)"
)


def activation_rules(layer, inputs) -> list[Rule]:
    """Of `layer.activation`: functions, or layers that are used as such."""
    function = layer.activation
    if function is None or function is activations.linear:
        return []
    if function is activations.relu:
        return [Hinge()]
    if function is activations.leaky_relu:
        return [Hinge(0.2)]
    if any(function is known for known in MONOTONE):
        return [Monotone(function)]
    if type(function) in ACTIVATION_LAYERS:
        return ACTIVATION_LAYERS[type(function)](function, inputs)
    name = getattr(function, "__name__", type(function).__name__)
    return refuse(f"layer {layer.name!r} with the activation {name}")


def _relu(layer, inputs):
    """Of ReLU and LeakyReLU."""
    config = layer.get_config()
    if config.get("threshold") or not 0 <= layer.negative_slope <= 1:
        refuse(f"layer {layer.name!r}, whose slope or threshold is unusual")
    if config.get("max_value") is None:
        return [Hinge(float(layer.negative_slope))]
    return [Monotone(layer)]


def _elu(layer, inputs):
    if np.any(np.asarray(layer.alpha) < 0):
        refuse(f"layer {layer.name!r}, which falls below 0")
    return [Monotone(layer)]


def refuse(received: str) -> None:
    """Raises the error of a layer that has no rule."""
    raise ValueError(
        f"`model_or_path` must consist of layers with bounds, in float32: {SUPPORTED}. "
        f"Received: {received}. Ask evaluation.can_certify(model) first, or attack it."
    )


ACTIVATION_LAYERS: dict[type, Callable] = {
    layers.Activation: activation_rules,
    layers.ELU: _elu,
    layers.LeakyReLU: _relu,
    layers.ReLU: _relu,
}
