"""From Keras layers to rules: what can be certified; the rest is refused by name."""

import math
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers, ops

from keras_mpat.evaluation.certification.activations import (
    ACTIVATION_LAYERS,
    activation_rules,
    refuse,
)
from keras_mpat.evaluation.certification.rules import (
    Affine,
    Join,
    Largest,
    Monotone,
    Rearrangement,
    Rule,
    Sum,
)
from keras_mpat.layers.saturation import Saturation
from keras_mpat.models.interval import kernel_product


def rules_of(layer, inputs: Sequence) -> list[Rule]:
    """The rules of one call of a layer, in order; none if it passes its input on.

    Args:
        layer: a Keras layer or operation.
        inputs: the KerasTensors it was called with.

    Raises:
        ValueError: there is no rule for it.
    """
    maker = _MAKERS.get(type(layer))  # not of subclasses, whose `call` may do anything
    if maker is None:
        kind = "layer" if isinstance(layer, keras.Layer) else "keras.ops call"
        refuse(f"{kind} {layer.name!r} of type {type(layer).__name__}")
    policy = layer.dtype_policy
    if policy.name != "float32" or policy.quantization_mode is not None:
        refuse(f"layer {layer.name!r} with the dtype {policy.name}")
    return maker(layer, inputs)


def _dense(layer, inputs):
    terms = max(layer.kernel.shape)
    return _with_kernel(layer, inputs, layer.bias, terms)


def _convolution(layer, inputs):
    if layer.padding == "causal":
        refuse(f"layer {layer.name!r} with causal padding")
    *spatial, channels, filters = layer.kernel.shape
    terms = math.prod(spatial) * max(channels, filters)
    bias = _along(layer.bias, _channels(layer), inputs)
    return _with_kernel(layer, inputs, bias, terms)


def _depthwise(layer, inputs):
    *spatial, _, multiplier = layer.kernel.shape
    bias = _along(layer.bias, _channels(layer), inputs)
    terms = math.prod(spatial) * multiplier
    return _with_kernel(layer, inputs, bias, terms)


def _with_kernel(layer, inputs, bias, terms: int) -> list[Rule]:
    product = kernel_product(layer)
    affine = Affine(
        lambda x: product(x, layer.kernel),
        lambda x: product(x, ops.abs(layer.kernel)),
        0.0 if bias is None else bias,
        terms,
    )
    return [affine, *activation_rules(layer, inputs)]


def _channels(layer) -> int:
    return -1 if layer.data_format == "channels_last" else 1


def _along(vector, axis: int, inputs):
    """A vector (C,) shaped to broadcast along an axis of the inputs."""
    if vector is None:
        return None
    shape = [1] * len(inputs[0].shape)
    shape[axis] = -1
    return ops.reshape(vector, shape)


def _scaled(scale, middle, offset=0.0) -> list[Rule]:
    """The rule of (x - middle) * scale + offset; float64 arrays."""
    factor = ops.convert_to_tensor(scale, "float32")
    return [
        Affine(
            lambda x: x * factor,
            lambda x: x * ops.abs(factor),
            offset - middle * scale,
            terms=16,
            bias_size=np.abs(middle * scale) + np.abs(offset),
        )
    ]


def _rescaling(layer, inputs):
    scale = np.asarray(layer.scale, "float64")
    return _scaled(scale, np.zeros(()), np.asarray(layer.offset, "float64"))


def _saturation(layer, inputs):
    scale = np.asarray(1 / (layer.high - layer.low), "float64")
    clip = Monotone(lambda x: ops.clip(x, 0.0, 1.0), accuracy=0.0)
    return [*_scaled(scale, np.asarray(layer.low, "float64")), clip]


def _normalization(layer, inputs):
    mean, variance = (
        ops.convert_to_numpy(value).astype("float64")
        for value in (layer.mean, layer.variance)
    )
    spread = np.maximum(np.sqrt(variance), keras.backend.epsilon())
    if layer.invert:
        return _scaled(spread, np.zeros(()), mean)
    return _scaled(1 / spread, mean)


def _batch_normalization(layer, inputs):
    def vector(variable, default):
        if variable is None:
            return default
        variable = _along(variable, layer.axis, inputs)
        return ops.convert_to_numpy(variable).astype("float64")

    deviation = np.sqrt(vector(layer.moving_variance, 1.0) + layer.epsilon)
    scale = vector(layer.gamma if layer.scale else None, 1.0) / deviation
    beta = vector(layer.beta if layer.center else None, 0.0)
    return _scaled(scale, vector(layer.moving_mean, 0.0), beta)


def _average(layer, inputs):
    return [Affine(layer, layer, 0.0, math.prod(layer.pool_size))]  # no negative weight


def _global_average(layer, inputs):
    shape = list(inputs[0].shape)
    shape.pop(_channels(layer))
    terms = math.prod(side or 2**9 for side in shape[1:])
    return [Affine(layer, layer, 0.0, terms)]


def _add(layer, inputs):
    if len({tuple(tensor.shape) for tensor in inputs}) != 1:
        refuse(f"layer {layer.name!r}, which adds different shapes")
    return [Sum()]


def _concatenate(layer, inputs):
    axis = layer.axis % len(inputs[0].shape)
    if not axis:
        refuse(f"layer {layer.name!r}, which joins examples")
    return [Join(axis)]


def _table(maker: Callable, names: str, dimensions: Sequence[str] = ("",)) -> dict:
    """`maker` for the layers of these names, each with every number of dimensions."""
    every = [name + suffix for name in names.split() for suffix in dimensions]
    return {getattr(layers, name): maker for name in every}


_ANY = ("1D", "2D", "3D")
_MAKERS: dict[type, Callable] = {
    **ACTIVATION_LAYERS,
    **_table(
        lambda layer, inputs: [],  # what they do in training only
        "ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise "
        "Identity",
    ),
    **_table(lambda layer, inputs: [], "SpatialDropout", _ANY),
    **_table(lambda layer, inputs: [Rearrangement(layer)], "Flatten Permute Reshape"),
    **_table(
        lambda layer, inputs: [Rearrangement(layer)], "Cropping ZeroPadding", _ANY
    ),
    **_table(
        lambda layer, inputs: [Largest(layer)], "GlobalMaxPooling MaxPooling", _ANY
    ),
    **_table(_average, "AveragePooling", _ANY),
    **_table(_global_average, "GlobalAveragePooling", _ANY),
    **_table(_convolution, "Conv", _ANY),
    **_table(_depthwise, "DepthwiseConv", ("1D", "2D")),
    **_table(_dense, "Dense"),
    **_table(_rescaling, "Rescaling"),
    **_table(_normalization, "Normalization"),
    **_table(_batch_normalization, "BatchNormalization"),
    **_table(_add, "Add"),
    **_table(_concatenate, "Concatenate"),
    Saturation: _saturation,
}
