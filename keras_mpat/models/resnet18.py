"""ResNet-18 for 32x32 images, the net of MPAT's CIFAR experiments.

classifier = resnet18(num_classes=2)             # CIFAR10-2
tiny = resnet18(num_classes=2, width=16)         # one sixteenth of the weights
"""

import keras
from keras import layers

from keras_mpat.models import _blocks as blocks

_BLOCKS = (2, 2, 2, 2)


def resnet18(
    num_classes=10,
    *,
    input_shape=(32, 32, 3),
    width=64,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2471, 0.2435, 0.2616),
    name="resnet18",
):
    """Residual net with eight basic blocks and a stem for small images.

    A 3x3 stem of stride 1 without pooling, [2, 2, 2, 2] post-activation blocks of
    width, 2, 4 and 8 times that, projection shortcuts, global average pooling. With
    ten classes and width 64 it has 11 173 962 trainable parameters. Strided
    convolutions pad symmetrically, so published PyTorch weights give the same outputs
    once transposed.

    Args:
        num_classes: int >= 2, C. Default 10.
        input_shape: (H, W, C_in), pixels in [0, 1]. Default (32, 32, 3).
        width: int, channels of the first stage; D = 8 * width. Default 64.
        mean: float or one per channel, subtracted from the pixels.
            Default: means of the CIFAR-10 training set.
        std: float or one per channel, > 0, divides them.
            Default: standard deviations of the CIFAR-10 training set.
        name: str, name of the model. Default "resnet18".

    Returns:
        Functional model (B, H, W, C_in) -> logits (B, C); the embedding (B, D), D = 512
        at width 64, is the input of its last layer.

    Raises:
        ValueError: for less than two classes, or a bad `mean` or `std`.

    References:
        He et al., Deep Residual Learning, arXiv:1512.03385 (§4.2 for the stem).
    """
    inputs = keras.Input(input_shape, name="image")
    x = blocks.normalize(inputs, mean, std)
    x = blocks.conv(x, width, 3, name="stem_conv")
    x = layers.ReLU(name="stem_relu")(blocks.batch_norm(x, name="stem_bn"))
    for stage, depth in enumerate(_BLOCKS):
        for index in range(depth):
            strides = 2 if stage > 0 and index == 0 else 1
            block_name = f"stage{stage + 1}_block{index + 1}"
            x = _basic_block(x, width * 2**stage, strides, name=block_name)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, blocks.logits(x, num_classes), name=name)


def _basic_block(x, filters, strides, *, name):
    shortcut = blocks.projection(x, filters, strides, name=f"{name}_shortcut")
    x = blocks.conv3x3(x, filters, strides, name=f"{name}_conv1")
    x = blocks.batch_norm(x, name=f"{name}_bn1")
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = blocks.conv3x3(x, filters, 1, name=f"{name}_conv2")
    x = blocks.batch_norm(x, name=f"{name}_bn2")
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu2")(x)
