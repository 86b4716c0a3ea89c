"""Wide residual nets, in which most robust accuracies on CIFAR are published.

classifier = wide_resnet()                       # WRN-34-10, the net of TRADES
smaller = wide_resnet(depth=28, widen=10)        # WRN-28-10, the net of ATLD
"""

from functools import partial

import keras
from keras import layers

from keras_mpat.configurable import check_count, numbers
from keras_mpat.models import _blocks as blocks
from keras_mpat.models import _residual as residual


def wide_resnet(
    num_classes=10,
    *,
    depth=34,
    widen=10,
    input_shape=(32, 32, 3),
    width=16,
    mean=blocks.CIFAR10_MEAN,
    std=blocks.CIFAR10_STD,
    dropout=0.0,
    synchronized=False,
    name="wide_resnet",
):
    """Pre-activation residual net WRN-depth-widen: few layers with many channels.

    A 3x3 stem of `width` channels, three stages of n = (depth - 4) / 6 blocks with
    width * widen, 2 and 4 times that, BatchNorm and ReLU, global average pooling. With
    ten classes WRN-28-10 has 36 479 194 trainable parameters, WRN-34-10 46 160 474.
    Strided convolutions pad symmetrically, so published PyTorch weights give the same
    outputs once transposed.

    Args:
        num_classes: int >= 2, C. Default 10.
        depth: int, layers: 6 n + 4 with n >= 1 blocks per stage. Default 34.
        widen: int >= 1, k, factor on the channels of the stages. Default 10.
        input_shape: (H, W, C_in), pixels in [0, 1]. Default (32, 32, 3).
        width: int >= 1, channels of the stem; D = 4 * widen * width. Default 16.
        mean: float or one per channel, subtracted from the pixels.
            Default: means of the CIFAR-10 training set.
        std: float or one per channel, > 0, divides them.
            Default: standard deviations of the CIFAR-10 training set.
        dropout: float in [0, 1), rate between the convolutions of a block. Default 0.
        synchronized: bool, BatchNorm over all replicas of a `tf.distribute` strategy;
            TensorFlow only, see `resnet18`. Default False.
        name: str, name of the model. Default "wide_resnet".

    Returns:
        Functional model (B, H, W, C_in) -> logits (B, C); the embedding (B, D), D = 640
        at widen 10, is the input of its last layer.

    Raises:
        ValueError: for a `depth` that is not 6 n + 4, a `widen` or `width` below 1,
            a `dropout` outside [0, 1), less than two classes, a bad `mean` or `std`, or
            `synchronized` on another backend than TensorFlow.

    References:
        Zagoruyko, Komodakis, Wide Residual Networks, arXiv:1605.07146 (table 1).
    """
    _check_depth(depth)
    check_count("widen", widen, "10 is the published factor.")
    check_count("width", width, "16 is the published number of channels.")
    _check_rate(dropout)
    inputs = keras.Input(input_shape, name="image")
    x = blocks.normalize(inputs, mean, std)
    x = blocks.conv(x, width, 3, name="stem_conv")
    x = residual.stages(
        x,
        partial(residual.preact_block, dropout=dropout),
        [(depth - 4) // 6] * 3,
        width * widen,
        synchronized=synchronized,
    )
    x = blocks.bn_relu(x, name="final", synchronized=synchronized)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, blocks.logits(x, num_classes), name=name)


def _check_rate(dropout):
    rate = numbers(dropout)
    if rate.ndim or not 0 <= rate < 1:
        raise ValueError(
            "`dropout` must lie in [0, 1), a share of the channels' values. "
            f"Received: dropout={dropout!r}. 0 switches it off; 0.3 is usual."
        )


def _check_depth(depth):
    check_count("depth", depth, "Pass 6 n + 4 with n >= 1, such as 34.")
    below = max(10, depth - (depth - 4) % 6)
    if depth != below:
        nearest = f"{below} or {below + 6}" if depth > below else f"{below}"
        raise ValueError(
            "`depth` must be 6 n + 4 with n >= 1 (layers). "
            f"Received: depth={depth}. The nearest: {nearest}."
        )
