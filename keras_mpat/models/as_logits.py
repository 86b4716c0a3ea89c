"""From a classifier that ends in softmax to one that ends in logits, on its weights.

    logits = as_logits(keras.applications.MobileNet(classes=10, weights=None))

Attacks need logits: a confident softmax has an input gradient of exactly zero in
float32, and a model that is merely confident then looks robust.
"""

import keras
from keras import layers, ops

from keras_mpat.models import _graph as graph

_SUMS = {
    layers.Dense,
    layers.EinsumDense,
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
}


def as_logits(classifier):
    """Functional model on the classifier's own weights with a linear last activation.

    Training the result trains the classifier, whose own output stays softmax. A
    separate softmax layer becomes a linear `Activation` of the same name. A last layer
    with activation="softmax" gets a twin of the same class, name and config, which is
    handed the existing variables when its `build` asks `add_weight` for new ones: Keras
    has no public way to give a layer its variables, and this one uses only documented
    methods. The twin is an ordinary layer: `save` and `load_model` need nothing more.

    Args:
        classifier: functional or built Sequential model, images (B, ...) -> scores
            (B, C), C >= 2. Its last layer may itself be such a model.

    Returns:
        `classifier` itself if it ends in logits, else a functional model of the same
        name and layer names with logits as output, not compiled.

    Raises:
        ValueError: if the last activation is a sigmoid, there are less than two
            scores, or the layers of the model cannot be read.
    """
    view = graph.functional(classifier)
    classes = view.outputs[0].shape[-1]
    if classes is not None and classes < 2:
        raise ValueError(
            "`classifier` must end in at least 2 logits (one per class). Received: "
            f"{classes} output, name={classifier.name!r}. Make its last layer Dense(2) "
            "and keep integer labels 0 and 1."
        )
    logits = _linear_output(view.outputs[0])
    if logits is None:
        return classifier
    return keras.Model(view.inputs[0], logits, name=view.name)


def ends_in_softmax(model):
    """Whether the output is a softmax, as far as the layers can be read.

    Recognizes a softmax in the last layer's activation, a `Softmax` or `Activation`
    layer, `keras.ops.softmax` and the last layer of a nested model. Activations are
    compared by value, so that tensorflow's own softmax counts, too. Nothing is known
    about subclassed models: the answer is False.

    Args:
        model: Keras model.

    Returns:
        bool.
    """
    if isinstance(model, keras.Sequential) and not model.built:
        return bool(model.layers) and _is_softmax(model.layers[-1], (None, 3))
    if not graph.is_readable(model) or len(model.outputs) != 1:
        return False
    return _is_softmax(*_last_operation(model))


def ends_in_linear(model):
    """Whether the layers show that the output is a dense or convolution's raw sum."""
    if not graph.is_readable(model):
        return False
    operation, shape = _last_operation(model)
    if isinstance(operation, keras.Model):
        return ends_in_linear(operation)
    # Not their subclasses, whose `call` may do anything.
    linear = keras.activations.linear
    return type(operation) in _SUMS and _acts_as(linear, operation, shape)


def _last_operation(model):
    """(operation, shape of its output): the last that does more than pass values on."""
    tensor = model.outputs[0]
    call = graph.producer(tensor)
    while _passes_on(call.operation, tensor.shape):
        tensor = graph.source(call)
        call = graph.producer(tensor)
    return call.operation, tensor.shape


def _linear_output(tensor):
    """The tensor with its softmax undone; None if it is no softmax."""
    operation, args, kwargs = call = graph.producer(tensor)
    if _passes_on(operation, tensor.shape):
        scores = _linear_output(graph.source(call))
        return None if scores is None else operation(scores)
    if graph.is_readable(operation):
        twin = as_logits(operation)
        return None if twin is operation else twin(*args, **kwargs)
    _refuse_sigmoid(operation, tensor.shape)
    if not _is_softmax(operation, tensor.shape):
        return None
    if isinstance(operation, layers.Softmax | layers.Activation):
        # A layer in its place keeps its dtype: float32 under mixed precision.
        policy = operation.dtype_policy
        linear = layers.Activation("linear", name=operation.name, dtype=policy)
        return linear(graph.source(call))
    if not isinstance(operation, keras.Layer):
        return graph.source(call)
    return _linear_twin(operation)(*args, **kwargs)


def _linear_twin(layer):
    twin = type(layer).from_config({**layer.get_config(), "activation": "linear"})
    variables = {variable.name: variable for variable in layer.weights}

    def lend(*args, name=None, **kwargs):
        if name not in variables:
            raise ValueError(
                "`classifier` must end in a layer that can be rebuilt on its own "
                f"variables {sorted(variables)}. Received: {layer.name!r}, which asks "
                f"for {name!r}. Move its softmax to a layer of its own."
            )
        return variables[name]

    twin.add_weight = lend
    twin.build_from_config(layer.get_build_config())
    del twin.add_weight
    return twin


def _refuse_sigmoid(operation, shape):
    if type(operation).__name__ == "Sigmoid" or _acts_as(ops.sigmoid, operation, shape):
        raise ValueError(
            "`classifier` must end in softmax or logits (at least 2, one per class). "
            f"Received: a sigmoid in layer {operation.name!r}. Make the last "
            "activation linear if exactly one class is right for each image."
        )


def _passes_on(operation, shape):
    """Whether it only reshapes the scores, or casts them."""
    if isinstance(operation, layers.Activation):
        return _acts_as(keras.activations.linear, operation, shape)
    return isinstance(operation, layers.Flatten | layers.Reshape | layers.Identity)


def _is_softmax(operation, shape):
    if isinstance(operation, keras.Model):
        return ends_in_softmax(operation)
    # The name covers the layer and the operation behind keras.ops.softmax.
    if type(operation).__name__ == "Softmax":
        return True
    return _acts_as(ops.softmax, operation, shape)


def _acts_as(reference, operation, shape):
    """Whether the layer's activation has the reference's values on a probe."""
    activation = getattr(operation, "activation", None)
    if activation is None:
        return False
    classes = shape[-1] or 3
    probe = ops.reshape(
        ops.linspace(-1.0, 1.0, classes), (1,) * (len(shape) - 1) + (-1,)
    )
    difference = ops.max(ops.abs(activation(probe) - reference(probe)))
    return float(difference) < 1e-4
