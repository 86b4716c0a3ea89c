"""First weights with which interval bounds keep their size from layer to layer.

    classifier = ibp_initialize(lenet(), seed=0)
    strategy = MTLIBPTraining(keras_mpat.Linf(0.3), steps=1, bound_weight=1.0)

References:
    Shi et al., Fast Certified Robust Training with Short Warmup, arXiv:2103.17268.
"""

import math

import keras
from keras import layers

from keras_mpat.models import _graph as graph
from keras_mpat.models.interval import AFFINE, IntervalBounds

_DEPTHWISE = layers.DepthwiseConv1D, layers.DepthwiseConv2D


def ibp_initialize(classifier, *, seed=None):
    """Draws every kernel anew, normal with a deviation of sqrt(2 pi) / n.

    n is the number of products in one sum, the fan-in. With the usual deviation, about
    1 / sqrt(n), a layer widens a box by a multiple of sqrt(n), and the bounds of a deep
    net say nothing for many epochs; with this one it doubles the radius, of which a
    ReLU leaves half. That holds along a chain of layers: where a sum joins two
    branches, their radii add up, so in a ResNet they double from block to block.

    The layer of the logits is drawn, too, and layers that are not trained. Biases and
    BatchNorm stay as they are. For training with bounds from the beginning: what
    kernels have learned is gone.

    Args:
        classifier: functional or built Sequential model, changed in place.
        seed: int; `None`: decided by `keras.utils.set_random_seed`.

    Returns:
        The same classifier.

    Raises:
        ValueError: a model whose layers cannot be read, one of them has no interval
            bounds, or none is a dense or convolution layer.

    References:
        Shi et al., arXiv:2103.17268 ("IBP initialization").
    """
    IntervalBounds(classifier)  # has none for layers that would be left out here
    operations = graph.operations(graph.functional(classifier))
    found = {id(one): one for one in operations if type(one) in AFFINE}
    if not found:
        raise ValueError(
            "`classifier` must have dense or convolution layers. Received: "
            f"{type(classifier).__name__}, name={classifier.name!r}, without any. Pass "
            "the classifier that is to be trained."
        )
    noise = keras.random.SeedGenerator(seed)
    for layer in found.values():
        kernel = layer.kernel
        per_channel = -2 if isinstance(layer, _DEPTHWISE) else -1
        products = math.prod(kernel.shape[:per_channel])
        drawn = keras.random.normal(kernel.shape, dtype=kernel.dtype, seed=noise)
        kernel.assign(drawn * (math.sqrt(2 * math.pi) / products))
    return classifier
