"""Where a classifier's embedding is, and the classifier with both outputs.

    both = feature_model(classifier)    # images -> [logits (B, C), embedding (B, D)]

All of it works on the classifier's own layers: training the result trains the
classifier. Only calls are added, never layers with weights.
"""

import keras
from keras import layers

from keras_mpat.choices import nearest
from keras_mpat.layers import Head
from keras_mpat.models import _graph as graph
from keras_mpat.models import subclassed

_CONVOLUTIONS = layers.Conv1D | layers.Conv2D | layers.Conv3D
_POOLINGS = (
    layers.GlobalAveragePooling1D
    | layers.GlobalAveragePooling2D
    | layers.GlobalAveragePooling3D
    | layers.GlobalMaxPooling1D
    | layers.GlobalMaxPooling2D
    | layers.GlobalMaxPooling3D
)
# May stand between the last layer with weights and the output; by name, because
# keras.ops calls appear in a graph as operations of the same names.
_PASSED_OVER = frozenset(
    "Activation Dropout Flatten Identity ReLU Relu Reshape Softmax Squeeze".split()
)
_SHOWN = 20


def find_embedding(classifier, feature_layer=None):
    """The classifier's embedding (B, D), as a tensor that starts at its input.

    By default the input of the last Dense layer, of a head in its place, or of a last
    convolution that is 1x1 or works on a 1x1 map, also inside a last nested model.
    Global pooling between such a convolution and the output is applied to its input,
    too: it commutes with the convolution and keeps D the number of channels. More than
    one axis is flattened.

    Args:
        classifier: functional or built Sequential model, one input, one output.
        feature_layer: where the embedding is instead: the name of a layer,
            "inner/name" for a layer of the nested model "inner", a Layer (its output
            is taken), or a KerasTensor of the classifier. Default None.

    Returns:
        KerasTensor (B, D) with which keras.Model(classifier.inputs, tensor) can be
        built.

    Raises:
        ValueError: if the place cannot be found (the message lists candidates), or D
            is unknown.
    """
    path, tensor = _locate(graph.functional(classifier), feature_layer)
    return _embedding_model(classifier, path, tensor).outputs[0]


def feature_model(classifier, feature_layer=None):
    """The classifier with its embedding as second output, on its own layers.

    A nested model that holds the embedding is called once, for both outputs.

    Args:
        classifier: functional or built Sequential model, one input, one output; or a
            subclassed one with `features` and `classify`, see `models/subclassed.py`.
        feature_layer: see `find_embedding`. Default None; None for a subclassed one.

    Returns:
        Functional model, images -> [output of the classifier (B, C), embedding (B, D)].

    Raises:
        ValueError: if the place cannot be found (the message lists candidates), or D
            is unknown.
    """
    if feature_layer is None and not graph.is_readable(classifier):
        return subclassed.feature_model(classifier)
    path, tensor = _locate(graph.functional(classifier), feature_layer)
    return _two_output_model(classifier, path, tensor)


def layer_path(classifier, feature_layer) -> str:
    """The name of a place as text, "layer" or "inner/layer", which can be saved.

    Args:
        classifier, feature_layer: see `find_embedding`.

    Raises:
        ValueError: no layer has the tensor as its only output, so no name leads to it.
    """
    view = graph.functional(classifier)
    path, tensor = _locate(view, feature_layer)
    operation = graph.producer(tensor).operation
    name = "/".join([*(model.name for model in path), operation.name])
    if _locate(view, name)[1] is not tensor:
        raise ValueError(
            "`feature_layer` must be a place that a name leads to, so that the model "
            f"can be loaded again. Received: {feature_layer!r}, whose name {name!r} "
            "leads elsewhere. Give its layer a name of its own."
        )
    return name


def _embedding_model(model, path, tensor):
    """Model from the input to the embedding in the nested models `path`."""
    view = graph.functional(model)
    if path:
        inner, *rest = path
        call = _only_call(view, inner)
        tensor = _embedding_model(inner, rest, tensor)(*call.args, **call.kwargs)
    return keras.Model(view.inputs[0], _flat(view, tensor), name=view.name)


def _two_output_model(model, path, tensor):
    view = graph.functional(model)
    if not path:
        outputs = [view.outputs[0], _flat(view, tensor)]
        return keras.Model(view.inputs[0], outputs, name=view.name)
    inner, *rest = path
    replacement = _two_output_model(inner, rest, tensor)
    found = []

    def call_function(layer, *args, **kwargs):
        if layer is not inner:
            return layer(*args, **kwargs)
        output, embedding = replacement(*args, **kwargs)
        found.append(embedding)
        return output

    rewired = keras.models.clone_model(
        view,
        input_tensors=view.input,
        clone_function=lambda layer: layer,
        call_function=call_function,
    )
    return keras.Model(view.inputs[0], [rewired.outputs[0], *found], name=view.name)


def _flat(view, tensor):
    if len(tensor.shape) > 2:
        tensor = layers.Flatten(name=graph.unique_name(view, "embedding"))(tensor)
    if len(tensor.shape) != 2 or tensor.shape[-1] is None:
        raise ValueError(
            "`feature_layer` must have an output of known size per image (B, D). "
            f"Received: shape={tuple(tensor.shape)}. Choose a layer after the global "
            "pooling, or give keras.Input the height and width of the images."
        )
    return tensor


def _locate(view, feature_layer):
    """Nested models on the way (outermost first), and the tensor in the last one."""
    if feature_layer is None:
        found = _before_last_layer(view.outputs[0], None)
    elif isinstance(feature_layer, str):
        found = _by_name(view, feature_layer.split("/"))
    else:
        found = _by_identity(view, feature_layer)
    if found is None:
        candidates = _candidates(view)
        similar = None
        if isinstance(feature_layer, str):
            similar = nearest(feature_layer, candidates)
        raise ValueError(
            "`feature_layer` must name the layer whose output is the embedding, or be "
            "that layer or its tensor. "
            f"Received: feature_layer={feature_layer!r}. "
            f"{f'Did you mean {similar!r}? ' if similar else ''}"
            f"Pass one of (last first): {', '.join(candidates[:_SHOWN])}."
        )
    return found


def _before_last_layer(tensor, pooling):
    call = graph.producer(tensor)
    operation = call.operation
    if graph.is_readable(operation):
        inner = graph.functional(operation)
        found = _before_last_layer(inner.outputs[0], pooling)
        return found and ([operation, *found[0]], found[1])
    if isinstance(operation, layers.Dense | Head):
        return [], graph.source(call)
    if isinstance(operation, _CONVOLUTIONS):
        # Of a larger kernel on a larger map, no part of the input is "the" embedding.
        if set(operation.kernel_size) != {1} and set(tensor.shape[1:-1]) != {1}:
            return None
        features = graph.source(call)
        return [], pooling(features) if pooling else features
    if isinstance(operation, _POOLINGS):
        return _before_last_layer(graph.source(call), operation)
    if type(operation).__name__ in _PASSED_OVER:
        return _before_last_layer(graph.source(call), pooling)
    return None


def _by_name(view, names):
    for tensor, call in graph.tensors(view):
        if call.operation.name == names[0]:
            if len(names) == 1:
                _only_call(view, call.operation)
                return [], tensor
            if graph.is_readable(call.operation):
                found = _by_name(graph.functional(call.operation), names[1:])
                return found and ([call.operation, *found[0]], found[1])
    return None


def _by_identity(view, wanted):
    for tensor, call in graph.tensors(view):
        if tensor is wanted:
            return [], tensor
        if call.operation is wanted:
            _only_call(view, wanted)
            return [], tensor
        if graph.is_readable(call.operation):
            found = _by_identity(graph.functional(call.operation), wanted)
            if found:
                return [call.operation, *found[0]], found[1]
    return None


def _only_call(view, operation):
    calls = {
        tuple(map(id, keras.tree.flatten((call.args, call.kwargs)))): call
        for _, call in graph.tensors(view)
        if call.operation is operation
    }
    if len(calls) != 1:
        raise ValueError(
            "`feature_layer` must be called once in the classifier. "
            f"Received: {operation.name!r}, called {len(calls)} times. "
            "Pass the KerasTensor of the call you mean."
        )
    return next(iter(calls.values()))


def _candidates(view):
    names = []
    for _, call in graph.tensors(view):
        operation = call.operation
        if graph.is_readable(operation):
            inner = _candidates(graph.functional(operation))
            names += [f"{operation.name}/{name}" for name in inner]
        names.append(operation.name)
    return list(dict.fromkeys(names))
