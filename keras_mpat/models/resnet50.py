"""ResNet-50, the net of MPAT's Tiny ImageNet experiments.

classifier = resnet50(200, input_shape=(64, 64, 3))
large = resnet50(1000, input_shape=(224, 224, 3), stem="imagenet")
"""

import keras
from keras import layers

from keras_mpat.configurable import check_count
from keras_mpat.models import _blocks as blocks
from keras_mpat.models import _residual as residual

_DEPTHS = (3, 4, 6, 3)


def resnet50(
    num_classes=10,
    *,
    input_shape=(32, 32, 3),
    width=64,
    stem="cifar",
    mean=blocks.CIFAR10_MEAN,
    std=blocks.CIFAR10_STD,
    synchronized=False,
    name="resnet50",
):
    """Residual net with sixteen bottleneck blocks.

    [3, 4, 6, 3] bottlenecks with the stride in the 3x3 convolution, projection
    shortcuts, global average pooling. Trainable parameters at width 64: 23 520 842
    with the stem for small images and ten classes, 25 557 032 with the ImageNet stem
    and 1000 classes. All padding is symmetric, so published PyTorch weights give the
    same outputs once transposed.

    Args:
        num_classes: int >= 2, C. Default 10.
        input_shape: (H, W, C_in), pixels in [0, 1]. Default (32, 32, 3).
        width: int, channels inside the first stage; D = 32 * width. Default 64.
        stem: "cifar": one 3x3 convolution of stride 1, for images of up to about 64
            pixels; "imagenet": a 7x7 convolution and a max-pooling, each of stride 2.
            Default "cifar".
        mean: float or one per channel, subtracted from the pixels.
            Default: means of the CIFAR-10 training set.
        std: float or one per channel, > 0, divides them.
            Default: standard deviations of the CIFAR-10 training set.
        synchronized: bool, BatchNorm over all replicas of a `tf.distribute` strategy;
            TensorFlow only, see `resnet18`. Default False.
        name: str, name of the model. Default "resnet50".

    Returns:
        Functional model (B, H, W, C_in) -> logits (B, C); the embedding (B, D),
        D = 2048 at width 64, is the input of its last layer.

    Raises:
        ValueError: for another `stem`, a `width` below 1, less than two classes, a bad
            `mean` or `std`, or `synchronized` on another backend than TensorFlow.

    References:
        He et al., Deep Residual Learning, arXiv:1512.03385 (table 1).
    """
    if stem not in ("cifar", "imagenet"):
        raise ValueError(
            f"`stem` must be 'cifar' or 'imagenet'. Received: stem={stem!r}. "
            "Take 'cifar' for images of up to about 64 pixels."
        )
    check_count("width", width, "64 is the published number of channels.")
    inputs = keras.Input(input_shape, name="image")
    x = blocks.normalize(inputs, mean, std)
    if stem == "cifar":
        x = blocks.conv_bn_relu(x, width, 3, name="stem", synchronized=synchronized)
    else:
        x = residual.imagenet_stem(x, width, synchronized=synchronized)
    x = residual.stages(
        x, residual.bottleneck, _DEPTHS, width, synchronized=synchronized
    )
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, blocks.logits(x, num_classes), name=name)
