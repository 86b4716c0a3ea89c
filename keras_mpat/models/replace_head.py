"""A head in the place of a classifier's last layer.

model = replace_head(classifier, SoftTripleHead(10))
model.compile("sgd", loss=losses.SoftTriple(margin=0.01, scale=20))
"""

import keras

from keras_mpat.layers import PairHead
from keras_mpat.models import _graph as graph
from keras_mpat.models.embedding import find_embedding


def replace_head(classifier, head, *, feature_layer=None):
    """Functional model image -> embedding -> head, on the classifier's own layers.

    For ordinary `compile` and `fit` with a metric-learning head, without adversaries.
    Training it trains the layers below the head, which stay the classifier's; the
    classifier's last layer is no longer part of it.

    Args:
        classifier: functional or built Sequential model, one input, one output.
        head: Keras layer (B, D) -> (B, C).
        feature_layer: see `find_embedding`; default None, the input of the last layer.

    Returns:
        Functional model (B, ...) -> (B, C), not compiled, with the classifier's name.

    Raises:
        ValueError: if the embedding cannot be found, `head` has the name of another
            layer, its output is not (B, C), or it compares pairs of examples.
    """
    if not isinstance(head, keras.Layer):
        raise ValueError(
            "`head` must be a Keras layer (B, D) -> (B, C). Received: "
            f"head={head!r}. Pass an instance such as SoftTripleHead(10)."
        )
    if isinstance(head, PairHead):
        raise ValueError(
            "`head` must give one score per class. Received: a "
            f"{type(head).__name__}, which compares examples with each other. Pass it "
            "to AdversarialModel(classifier, head=...), whose own last layer predicts."
        )
    embedding = find_embedding(classifier, feature_layer)
    view = keras.Model(classifier.inputs[0], embedding)
    if graph.unique_name(view, head.name) != head.name:
        raise ValueError(
            "`head` must have a name that no layer of the classifier has. "
            f"Received: name={head.name!r}. Give it name="
            f"{graph.unique_name(view, 'head')!r}."
        )
    logits = head(embedding)
    if len(logits.shape) != 2:
        raise ValueError(
            "`head` must map embeddings (B, D) to scores (B, C). Received: output "
            f"shape={tuple(logits.shape)} for D={embedding.shape[-1]}. Flatten it."
        )
    return keras.Model(classifier.inputs[0], logits, name=classifier.name)
