"""Interval bounds of a classifier that training can differentiate.

    bounds = IntervalBounds(classifier)
    margins = bounds.margins(low, high, y)  # (B, C): z_y - z_j is not below, in the box

A box of inputs passes the layers as its two corners; what a convolution or dense layer
does to it, the layer does to the middle, and its absolute kernel to the radius.
BatchNorm is that of inference, or has the statistics of a batch that goes along.
Rounding is left out: `evaluation.certified` proves.

References:
    Gowal et al., arXiv:1810.12715, section 3.
"""

import keras
from keras import activations, layers, ops

from keras_mpat.layers.saturation import Saturation
from keras_mpat.models import _graph as graph

MONOTONE = (
    activations.celu,
    activations.elu,
    activations.exponential,
    activations.hard_sigmoid,
    activations.hard_tanh,
    activations.leaky_relu,
    activations.linear,
    activations.log_sigmoid,
    activations.relu,
    activations.relu6,
    activations.selu,
    activations.sigmoid,
    activations.softplus,
    activations.softsign,
    activations.tanh,
)


class IntervalBounds:
    """The bounds of a functional classifier, with the weights of each moment.

    Args:
        classifier: functional or built Sequential model with one input and one output.

    Raises:
        ValueError: a layer without bounds.
    """

    def __init__(self, classifier):
        if not graph.is_readable(classifier):
            _refuse(f"a {type(classifier).__name__}, whose layers cannot be read")
        self._view = graph.functional(classifier)
        _check(self._view)
        kinds = map(type, graph.operations(self._view))
        self._normalized = layers.BatchNormalization in kinds

    def boxes(self, low, high):
        """(low, high) of the outputs for inputs between `low` and `high` (B, ...)."""
        return _passed(self._view, (low, high), self._view.outputs[0])

    def margins(self, low, high, y, batch=None):
        """Lower bounds (B, C) of z_y - z_j for all inputs of the box; 0 where j is y.

        Of a last dense layer the differences of its rows are bounded, not its logits;
        of a nested model at the end, as behind a saturation, its logits.

        Args:
            low, high: float32 (B, ...).
            y: class ids (B,).
            batch: inputs (B, ...) whose statistics BatchNorm takes, and gradients go
                through; moving averages stay as they are. `None`: those of inference.
        """
        batches = [batch] if batch is not None and self._normalized else []
        box = (low, high, *batches)
        (output,) = self._view.outputs
        call = graph.producer(output)
        last = call.operation
        if type(last) is not layers.Dense or last.activation is not activations.linear:
            low, high, *_ = _passed(self._view, box, output)
            own = ops.one_hot(y, low.shape[-1], dtype=low.dtype)
            lead = ops.sum(own * low, axis=-1, keepdims=True) - high
            return ops.where(own > 0, 0.0, lead)
        low, high, *_ = _passed(self._view, box, graph.source(call))
        middle, radius = (low + high) / 2, (high - low) / 2
        rows = ops.transpose(last.kernel)
        apart = ops.take(rows, y, axis=0)[:, None] - rows[None]
        logits = last(middle)
        own = ops.one_hot(y, logits.shape[-1], dtype=logits.dtype)
        lead = ops.sum(own * logits, axis=-1, keepdims=True) - logits
        return lead - ops.sum(ops.abs(apart) * radius[:, None], axis=-1)


def _passed(view, box, goal):
    """The box of one tensor of a view, from that of its input: (low, high[, batch])."""
    boxes = {id(view.inputs[0]): box}
    for tensor, call in graph.in_order(view):
        if id(tensor) in boxes:
            continue
        inputs = [boxes[id(source)] for source in graph.sources(call)]
        boxes[id(tensor)] = _through(call.operation, inputs)
        if tensor is goal:
            break
    return boxes[id(goal)]


def _through(layer, boxes):
    kind = type(layer)
    if graph.is_readable(layer):
        view = graph.functional(layer)
        return _passed(view, boxes[0], view.outputs[0])
    if kind in _JOINING:
        return tuple(layer(list(corners)) for corners in zip(*boxes, strict=True))
    box = boxes[0]
    low, high, *batch = box
    if kind in _PASSING:
        return box
    if kind in AFFINE:
        product, bias = kernel_product(layer), _bias(layer)
        middle = product((low + high) / 2, layer.kernel)
        radius = product((high - low) / 2, ops.abs(layer.kernel))
        middle = middle if bias is None else middle + bias
        corners = layer.activation(middle - radius), layer.activation(middle + radius)
        return *corners, *map(layer, batch)
    apply = layer if kind is not layers.BatchNormalization else _norm(layer, *batch)
    one, other, *batch = map(apply, box)
    return ops.minimum(one, other), ops.maximum(one, other), *batch  # factors below 0


def _norm(layer, batch=None):
    """x -> its normalization, with the statistics of inference or of a batch."""
    if batch is None or not layer.trainable:
        return lambda x: layer(x, training=False)
    axis = layer.axis % len(batch.shape)
    others = [one for one in range(len(batch.shape)) if one != axis]
    mean, variance = ops.moments(batch, others, synchronized=layer.synchronized)
    return lambda x: ops.batch_normalization(
        x, mean, variance, axis, layer.beta, layer.gamma, layer.epsilon
    )


def kernel_product(layer):
    """(x, kernel) -> what a convolution or dense layer adds its bias to."""
    return AFFINE[type(layer)](layer)


def _bias(layer):
    if layer.bias is None:
        return None
    first = getattr(layer, "data_format", None) == "channels_first"
    shape = (-1,) + (1,) * (len(layer.kernel.shape) - 2) if first else (-1,)
    return ops.reshape(layer.bias, shape)


def _dense(layer):
    return ops.matmul


def _convolution(layer):
    return layer.convolution_op


def _depthwise(layer):
    def product(x, kernel):
        return ops.depthwise_conv(
            x,
            kernel,
            strides=layer.strides,
            padding=layer.padding,
            dilation_rate=layer.dilation_rate,
            data_format=layer.data_format,
        )

    return product


def _check(view) -> None:
    for layer in graph.operations(view):
        if type(layer) not in _KNOWN or not _never_falls(layer):
            _refuse(f"layer {layer.name!r} of type {type(layer).__name__}")
        elif getattr(layer, "padding", None) == "causal":
            _refuse(f"layer {layer.name!r} with causal padding")
        elif layer.compute_dtype != "float32":
            _refuse(f"layer {layer.name!r} that computes in {layer.compute_dtype}")


def _never_falls(layer) -> bool:
    """Whether what it does to each number alone is monotone."""
    numbers = [getattr(layer, name, 0.0) for name in ("negative_slope", "alpha")]
    if min(numbers) < 0:
        return False
    activation = getattr(layer, "activation", activations.linear)
    if type(activation) in _APPLIED:
        return _never_falls(activation)
    return any(activation is known for known in MONOTONE)


def _refuse(received: str) -> None:
    raise ValueError(
        "`classifier` must consist of layers with interval bounds: dense, convolution, "
        "pooling, normalization and reshaping layers, Dropout, Add, Concatenate, and "
        f"activations that never fall, in float32. Received: {received}. Train it with "
        "PGDTraining."
    )


def _named(names: str, dimensions=("",)) -> tuple:
    every = [name + suffix for name in names.split() for suffix in dimensions]
    return tuple(getattr(layers, name) for name in every)


_ANY = ("1D", "2D", "3D")
AFFINE = {
    layers.Dense: _dense,
    **dict.fromkeys(_named("Conv", _ANY), _convolution),
    **dict.fromkeys(_named("DepthwiseConv", ("1D", "2D")), _depthwise),
}
_JOINING = _named("Add Concatenate")
_PASSING = (
    keras.layers.InputLayer,
    *_named("ActivityRegularization AlphaDropout Dropout GaussianDropout"),
    *_named("GaussianNoise Identity"),
    *_named("SpatialDropout", _ANY),
)
_APPLIED = (
    *_named("Activation BatchNormalization ELU Flatten LeakyReLU Normalization"),
    *_named("Permute ReLU Rescaling Reshape"),
    *_named("AveragePooling Cropping GlobalAveragePooling GlobalMaxPooling", _ANY),
    *_named("MaxPooling ZeroPadding", _ANY),
    Saturation,
)
_KNOWN = {*AFFINE, *_JOINING, *_PASSING, *_APPLIED}
