"""A classifier as its attacks see it: BatchNorm folded away, in a dtype of their own.

    twin = Twin(classifier, "bfloat16")
    logits_fn = twin.logits_fn()  # before the loop of an attack: weights of now
    logits = logits_fn(x)

BatchNorm in inference mode is affine, so the convolution or dense layer before it does
its work with kernel' = kernel * gamma / sqrt(variance + epsilon) and bias' = (bias -
mean) * gamma / sqrt(variance + epsilon) + beta.
"""

import keras
from keras import layers, ops

from keras_mpat.models import _graph as graph

_AFFINE = (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.Dense)


class Twin:
    """A functional classifier in inference mode, with the weights of the original.

    Args:
        classifier: functional or built Sequential model.
        dtype: "float32" or "bfloat16", in which its layers compute; weights and inputs
            stay float32.

    Raises:
        ValueError: the graph of the classifier cannot be read, or a layer with weights
            has no config.
    """

    def __init__(self, classifier, dtype: str):
        view = graph.functional(classifier)
        self._layers = {layer.name: layer for layer in view.layers}
        self._norms = _norms_after(view)
        self._policy = dtype if dtype == "float32" else f"mixed_{dtype}"
        self._model = keras.models.clone_model(view, clone_function=self._cloned)

    def logits_fn(self):
        """x (B, ...) -> logits (B, C), float32, with the weights of this moment."""
        values = self._values()

        def logits(x):
            with keras.StatelessScope(state_mapping=values):
                return ops.cast(self._model(x, training=False), "float32")

        return logits

    @property
    def norms_left(self) -> int:
        """How many BatchNorm layers could not be folded."""
        kinds = [type(layer) for layer in self._model.layers]
        return kinds.count(layers.BatchNormalization)

    def _cloned(self, layer):
        if layer.name in {norm.name for norm in self._norms.values()}:
            return _Nothing(name=layer.name, dtype=self._policy)
        try:
            config = layer.get_config()
            if layer.dtype_policy.name == "float32":
                config["dtype"] = self._policy
            if layer.name in self._norms:
                config["use_bias"] = True
            return type(layer).from_config(config)
        except (NotImplementedError, TypeError, ValueError) as error:
            if not layer.variables:
                return layer  # such as a Lambda; it computes in float32
            raise ValueError(
                "`attack_dtype` needs layers that their get_config describes. "
                f"Received: {type(layer).__name__} {layer.name!r}, which cannot be "
                "made again. Give it get_config, or leave `attack_dtype` out."
            ) from error

    def _values(self) -> list:
        """Each variable of the twin with its value."""
        found = []
        for twin in self._model.layers:
            own = self._layers.get(twin.name)
            if own is not None and own.name in self._norms:
                kernel, bias = _folded(own, self._norms[own.name])
                found += [(twin.kernel, kernel), (twin.bias, bias)]
            elif twin.variables:
                pairs = zip(twin.variables, own.variables, strict=True)
                found += [(variable, one.value) for variable, one in pairs]
        return found


def check_twin(classifier, predict_from: str, dtype: str) -> None:
    """Refuses what an attack with a dtype of its own cannot see."""
    if predict_from != "linear" or not graph.is_readable(classifier):
        raise ValueError(
            "`attack_dtype` needs a functional classifier that predicts itself. "
            f"Received: attack_dtype={dtype!r}, predict_from={predict_from!r}, "
            f"{type(classifier).__name__}. Leave it out."
        )


class _Nothing(layers.Layer):
    """Stands where a BatchNorm was."""

    def call(self, x, training=None, mask=None):
        return x


def _norms_after(view) -> dict:
    """The BatchNorm that each layer can take over, by the name of that layer."""
    calls = list({id(call.operation): call for _, call in graph.tensors(view)}.values())
    counted = [call.operation for _, call in graph.tensors(view)]
    read = [id(tensor) for call in calls for tensor in graph.sources(call)]
    read += [id(tensor) for tensor in view.outputs]
    found = {}
    for call in calls:
        norm = call.operation
        if type(norm) is not layers.BatchNormalization or counted.count(norm) > 1:
            continue
        before = graph.source(call)
        layer = graph.producer(before).operation
        alone = counted.count(layer) == 1 and read.count(id(before)) == 1
        if alone and _takes_over(layer) and norm.axis in (-1, len(before.shape) - 1):
            found[layer.name] = norm
    return found


def _takes_over(layer) -> bool:
    if type(layer) not in _AFFINE or layer.activation is not keras.activations.linear:
        return False
    return getattr(layer, "data_format", "channels_last") == "channels_last"


def _folded(layer, norm) -> tuple:
    """(kernel, bias) of a layer that does the work of the BatchNorm after it."""
    variance = ops.cast(norm.moving_variance.value, "float32")
    factor = ops.rsqrt(variance + norm.epsilon)
    if norm.scale:
        factor = factor * norm.gamma.value
    bias = -norm.moving_mean.value
    if layer.use_bias:
        bias = bias + layer.bias.value
    bias = bias * factor
    if norm.center:
        bias = bias + norm.beta.value
    return layer.kernel.value * factor, bias
