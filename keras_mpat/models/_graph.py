"""Reading the graph of a functional model: which layer made a tensor, and from what.

The only module that touches Keras' record of calls (`_keras_history`). Keras shows a
call publicly only as `layer.input`, which is the layer's first call, possibly one in
another model; a layer shared by two models has several.
"""

from typing import Any, NamedTuple

import keras


class Call(NamedTuple):
    """One call in a graph: the layer (or operation) and what it was called with."""

    operation: Any
    args: tuple
    kwargs: dict


def functional(classifier):
    """Uncompiled functional view of a classifier, on its own layers and tensors.

    Args:
        classifier: functional or built Sequential model, one input, one output.

    Returns:
        Functional model with the same name, input and output tensor.

    Raises:
        ValueError: if the model's layers cannot be read, or it has several inputs or
            outputs.
    """
    if isinstance(classifier, keras.Sequential) and not classifier.built:
        raise ValueError(
            "`classifier` must know the shape of its input. Received: an unbuilt "
            f"Sequential, name={classifier.name!r}. Put this line first in its list: "
            "keras.Input(shape=(28, 28, 1)), with the shape of your images."
        )
    if not is_readable(classifier):
        raise ValueError(
            "`classifier` must be a functional or Sequential Keras model. Received: "
            f"{type(classifier).__name__}, whose layers cannot be read. Build it as "
            "keras.Model(inputs, outputs). AdversarialModel takes a subclassed model "
            "that ends in logits as it is, with a head if it has features(x) and "
            "classify(embedding)."
        )
    inputs, outputs = classifier.inputs, classifier.outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(
            "`classifier` must have one input and one output. Received: "
            f"{len(inputs)} inputs and {len(outputs)} outputs, "
            f"name={classifier.name!r}. Pass keras.Model(image, logits) of its tensors."
        )
    return keras.Model(inputs[0], outputs[0], name=classifier.name)


def is_readable(operation):
    """Whether this is a model whose graph can be read: functional or Sequential."""
    return isinstance(operation, keras.Model) and isinstance(
        operation, keras.Function | keras.Sequential
    )


def producer(tensor):
    """The call that made a KerasTensor."""
    operation, node_index, _ = tensor._keras_history
    arguments = operation._inbound_nodes[node_index].arguments
    return Call(operation, arguments.args, arguments.kwargs)


def source(call):
    """The tensor that the call got: its only one, or the first of several."""
    return _tensors((call.args, call.kwargs))[0]


def tensors(view):
    """All tensors of a view, each with the call that made it, output first."""
    found, queue = {}, list(view.outputs)
    while queue:
        tensor = queue.pop(0)
        if id(tensor) not in found:
            call = producer(tensor)
            found[id(tensor)] = (tensor, call)
            queue += _tensors((call.args, call.kwargs))
    return list(found.values())


def in_order(view):
    """All tensors of a view that its output needs, with their calls, inputs first."""
    found, stack = {}, [(view.outputs[0], False)]
    while stack:
        tensor, ready = stack.pop()
        if id(tensor) in found:
            continue
        call = producer(tensor)
        if ready:
            found[id(tensor)] = (tensor, call)
        else:
            stack += [(tensor, True), *((source, False) for source in sources(call))]
    return list(found.values())


def operations(view):
    """All layers and operations of a view, those of models inside it, too."""
    for _, call in in_order(view):
        if is_readable(call.operation):
            yield from operations(functional(call.operation))
        else:
            yield call.operation


def sources(call):
    """The tensors that the call got, in order."""
    return _tensors((call.args, call.kwargs))


def unique_name(view, name):
    """`name`, numbered if a layer of the view has it: Keras wants names unique."""
    taken = {operation.name for operation in view.operations}
    candidates = [name, *(f"{name}_{index}" for index in range(1, len(taken) + 1))]
    return next(candidate for candidate in candidates if candidate not in taken)


def _tensors(structure):
    leaves = keras.tree.flatten(structure)
    return [leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor)]
