"""Two sets of BatchNormalization on one net: for clean and for adversarial inputs.

    standard, adversarial = dual_norm(classifier)

Two graphs, not one with a switch: a functional model drops call arguments that it does
not know, without a word.
"""

from typing import NamedTuple

import keras
from keras import layers

from keras_mpat.models import _graph as graph


class DualNorm(NamedTuple):
    """Two functional models that share all layers but their BatchNormalization."""

    standard: keras.Model
    adversarial: keras.Model


def dual_norm(classifier) -> DualNorm:
    """The classifier twice, with two sets of BatchNormalization.

    `adversarial` consists of the classifier's own layers: what is trained through it
    is the classifier, ready to be attacked, saved and exported. `standard` has twins of
    the BatchNormalization layers, with the same names and, at first, weights. All other
    layers are shared, in nested models, too.

    Args:
        classifier: functional or built Sequential model, one input, one output.

    Returns:
        (standard, adversarial), functional models of the classifier's input.

    Raises:
        ValueError: the classifier cannot be read, or has no BatchNormalization.

    References:
        Xie et al. (AdvProp), arXiv:1911.09665, section 3.2.
    """
    adversarial = graph.functional(classifier)
    twins = []

    def twin(layer):
        if not isinstance(layer, layers.BatchNormalization):
            return layer
        copy = type(layer).from_config(layer.get_config())
        copy.build(layer.input.shape)
        copy.set_weights(layer.get_weights())
        twins.append(copy)
        return copy

    standard = keras.models.clone_model(
        adversarial, clone_function=twin, recursive=True
    )
    if not twins:
        raise ValueError(
            "`classifier` must have BatchNormalization layers, to be given two sets of "
            f"them. Received: name={classifier.name!r}, which has none. Use the "
            "classifier alone."
        )
    return DualNorm(standard, adversarial)
