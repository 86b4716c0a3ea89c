"""ResNet-18 for 32x32 images, the net of MPAT's CIFAR experiments.

classifier = resnet18(num_classes=2)             # CIFAR10-2
tiny = resnet18(num_classes=2, width=16)         # one sixteenth of the weights
fast = resnet18(preact=True)                     # PreActResNet-18, the net of Fast-AT
"""

import keras
from keras import layers

from keras_mpat.configurable import check_count
from keras_mpat.models import _blocks as blocks
from keras_mpat.models import _residual as residual

_DEPTHS = (2, 2, 2, 2)


def resnet18(
    num_classes=10,
    *,
    input_shape=(32, 32, 3),
    width=64,
    preact=False,
    mean=blocks.CIFAR10_MEAN,
    std=blocks.CIFAR10_STD,
    synchronized=False,
    name="resnet18",
):
    """Residual net with eight basic blocks and a stem for small images.

    A 3x3 stem of stride 1 without pooling, [2, 2, 2, 2] blocks of width, 2, 4 and 8
    times that, projection shortcuts, global average pooling. With ten classes and
    width 64 it has 11 173 962 trainable parameters, as PreActResNet-18 11 172 170.
    Strided convolutions pad symmetrically, so published PyTorch weights give the same
    outputs once transposed.

    Args:
        num_classes: int >= 2, C. Default 10.
        input_shape: (H, W, C_in), pixels in [0, 1]. Default (32, 32, 3).
        width: int, channels of the first stage; D = 8 * width. Default 64.
        preact: bool, BatchNorm and ReLU stand before each convolution instead of
            after it, and once more before the pooling. Default False.
        mean: float or one per channel, subtracted from the pixels.
            Default: means of the CIFAR-10 training set.
        std: float or one per channel, > 0, divides them.
            Default: standard deviations of the CIFAR-10 training set.
        synchronized: bool, BatchNorm takes the statistics of a batch over all replicas
            of a `tf.distribute` strategy, so that several devices train as one does.
            TensorFlow only; a model saved with it loads on TensorFlow only. On JAX the
            statistics are those of the whole batch without it. Default False.
        name: str, name of the model. Default "resnet18".

    Returns:
        Functional model (B, H, W, C_in) -> logits (B, C); the embedding (B, D), D = 512
        at width 64, is the input of its last layer.

    Raises:
        ValueError: for a `width` below 1, less than two classes, a bad `mean` or
            `std`, or `synchronized` on another backend than TensorFlow.

    References:
        He et al., Deep Residual Learning, arXiv:1512.03385 (§4.2 for the stem);
        Identity Mappings, arXiv:1603.05027 (preact), whose last BatchNorm and ReLU
        are those of Wong, Rice, Kolter, Fast is better than free, arXiv:2001.03994.
    """
    check_count("width", width, "64 is the published number of channels.")
    inputs = keras.Input(input_shape, name="image")
    x = blocks.normalize(inputs, mean, std)
    x = blocks.conv(x, width, 3, name="stem_conv")
    if not preact:
        x = blocks.bn_relu(x, name="stem", synchronized=synchronized)
    block = residual.preact_block if preact else residual.basic_block
    x = residual.stages(x, block, _DEPTHS, width, synchronized=synchronized)
    if preact:
        x = blocks.bn_relu(x, name="final", synchronized=synchronized)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, blocks.logits(x, num_classes), name=name)
