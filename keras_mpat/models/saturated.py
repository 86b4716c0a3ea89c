"""A classifier behind a `Saturation`, for training and attacks, and as a plain model.

classifier = behind_saturation(lenet(10), 0.31, 0.69)   # train it
plain(classifier).save("classifier.keras")              # loads without this package
"""

import keras

from keras_mpat.layers.saturation import Saturation
from keras_mpat.models import _graph as graph


def behind_saturation(classifier, low: float, high: float):
    """A functional model (B, ...) -> logits on the layers of the classifier.

    Args:
        classifier: functional or built Sequential model, one input and one output.
        low, high: inputs that become 0 and 1.

    Raises:
        ValueError: ends that are not ordered, or a model whose layers cannot be read.
    """
    view = graph.functional(classifier)
    return _chained(view, [Saturation(low, high, name="saturation")])


def plain(classifier):
    """The same classifier with layers of Keras in the place of its `Saturation`.

    Its weights are shared. Of a classifier without one it is the classifier itself.
    Attack the classifier that went in, too: `attacks.Transfer(attack, surrogate=it)`.
    """
    front = saturation_of(classifier)
    if front is None:
        return classifier
    return _chained(classifier.layers[-1], front.plain())


def saturation_of(classifier) -> Saturation | None:
    """The `Saturation` that `behind_saturation` has put in front, if there is one."""
    if not graph.is_readable(classifier):
        return None
    found = [one for one in classifier.layers[:2] if isinstance(one, Saturation)]
    return found[0] if found else None


def _chained(classifier, front):
    image = keras.Input(classifier.input_shape[1:], name="image")
    x = image
    for layer in front:
        x = layer(x)
    return keras.Model(image, classifier(x), name=classifier.name)
