"""LeNet variants for MNIST-like digits (MPAT, TLA).

    classifier = lenet(num_classes=2, input_shape=(8, 8, 1))

`lenet` is the small net of MPAT's MNIST experiments, `lenet_tla` the larger one of TLA.
"""

import keras
from keras import layers

from keras_mpat.models import _blocks as blocks


def lenet(
    num_classes=10,
    *,
    input_shape=(28, 28, 1),
    filters=(16, 32),
    units=100,
    mean=0.1307,
    std=0.3081,
    synchronized=False,
    name="lenet",
):
    """Two strided 4x4 convolutions and two dense layers, with BatchNorm.

    The net of Fast-AT's MNIST experiments plus BatchNorm, which is what MPAT's
    description of its LeNet amounts to. Small enough for a CPU; 8x8 digits fit, too.

    Args:
        num_classes: int >= 2, C. Default 10.
        input_shape: (H, W, C_in), pixels in [0, 1]. Default (28, 28, 1).
        filters: pair of ints, channels of the two convolutions. Default (16, 32).
        units: int, D, width of the embedding. Default 100.
        mean: float or one per channel, subtracted from the pixels. Default 0.1307.
        std: float or one per channel, > 0, divides them. Default 0.3081 (MNIST).
        synchronized: bool, BatchNorm over all replicas of a `tf.distribute` strategy;
            TensorFlow only, see `resnet18`. Default False.
        name: str, name of the model. Default "lenet".

    Returns:
        Functional model (B, H, W, C_in) -> logits (B, C); the embedding (B, D) is the
        input of its last layer, after the ReLU.

    Raises:
        ValueError: for another number of filters, less than two classes, a bad `mean`
            or `std`, or `synchronized` on another backend than TensorFlow.

    References:
        Wong, Rice, Kolter, arXiv:2001.03994; Khan et al., Sensors 23(13):6173, 2023.
    """
    blocks.check_filters(filters, 2, "For four convolutions take `medium_cnn`.")
    return blocks.conv_classifier(
        [(width, 4, 2) for width in filters],
        num_classes,
        input_shape=input_shape,
        units=units,
        mean=mean,
        std=std,
        synchronized=synchronized,
        name=name,
    )


def lenet_tla(
    num_classes=10,
    *,
    input_shape=(28, 28, 1),
    filters=(32, 64, 128, 256),
    units=1024,
    mean=0.1307,
    std=0.3081,
    synchronized=False,
    name="lenet_tla",
):
    """Four 3x3 convolutions, two poolings and two dense layers: TLA's MNIST net.

    Take it to compare with TLA's numbers; `lenet` is far cheaper.
    Kernels start He-normal, not truncated-normal 0.1 as in TLA's code.

    Args:
        num_classes: int >= 2, C. Default 10.
        input_shape: (H, W, C_in), pixels in [0, 1], H and W >= 4.
            Default (28, 28, 1).
        filters: four ints, channels of the convolutions. Default (32, 64, 128, 256).
        units: int, D, width of the embedding. Default 1024.
        mean: float or one per channel, subtracted from the pixels. Default 0.1307.
        std: float or one per channel, > 0, divides them. Default 0.3081 (MNIST).
        synchronized: bool, BatchNorm over all replicas of a `tf.distribute` strategy;
            TensorFlow only, see `resnet18`. Default False.
        name: str, name of the model. Default "lenet_tla".

    Returns:
        Functional model (B, H, W, C_in) -> logits (B, C); the embedding (B, D) is the
        input of its last layer, after the ReLU.

    Raises:
        ValueError: for another number of filters, less than two classes, a bad `mean`
            or `std`, or `synchronized` on another backend than TensorFlow.

    References:
        Mao et al., Metric Learning for Adversarial Robustness, arXiv:1909.00900.
    """
    blocks.check_filters(filters, 4, "For two convolutions take `lenet`.")
    inputs = keras.Input(input_shape, name="image")
    x = blocks.normalize(inputs, mean, std)
    sync = {"synchronized": synchronized}
    for index, width in enumerate(filters, start=1):
        x = blocks.conv_bn_relu(x, width, 3, name=f"block{index}", **sync)
        if index % 2 == 0:
            x = layers.MaxPooling2D(name=f"pool{index // 2}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = blocks.dense_bn_relu(x, units, name="hidden", **sync)
    return keras.Model(inputs, blocks.logits(x, num_classes), name=name)
