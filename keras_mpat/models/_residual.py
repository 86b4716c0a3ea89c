"""Residual blocks and the stages made of them: basic, bottleneck, pre-activation.

    x = stages(x, basic_block, (2, 2, 2, 2), 64)                     # ResNet-18
    x = stages(x, partial(preact_block, dropout=0.3), (4, 4, 4), 160)   # WRN-28-10

A block is `block(x, filters, strides, *, name, synchronized)`; all of them pad strided
3x3 convolutions symmetrically and have no bias.
"""

from keras import layers

from keras_mpat.models import _blocks as blocks

_EXPANSION = 4  # a bottleneck ends with four times the channels of its 3x3 convolution


def stages(x, block, depths, width, *, synchronized=False):
    """Stages of blocks: each one doubles the channels, all but the first halve H and W.

    Args:
        x: KerasTensor (B, H, W, C_in).
        block: one of the blocks below.
        depths: ints, blocks per stage.
        width: int, `filters` of the blocks of the first stage.
        synchronized: bool, see `_blocks.batch_norm`. Default False.
    """
    for stage, depth in enumerate(depths):
        for index in range(depth):
            x = block(
                x,
                width * 2**stage,
                2 if stage > 0 and index == 0 else 1,
                name=f"stage{stage + 1}_block{index + 1}",
                synchronized=synchronized,
            )
    return x


def imagenet_stem(x, width, *, synchronized=False):
    """7x7 convolution of stride 2, BatchNorm, ReLU, 3x3 max-pooling of stride 2."""
    x = layers.ZeroPadding2D(3, name="stem_conv_pad")(x)
    x = blocks.conv(x, width, 7, strides=2, padding="valid", name="stem_conv")
    x = blocks.bn_relu(x, name="stem", synchronized=synchronized)
    # Zeros never win a maximum after a ReLU, so this equals padding with -infinity.
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    return layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)


def basic_block(x, filters, strides, *, name, synchronized=False):
    """Two 3x3 convolutions; BatchNorm and ReLU after each (arXiv:1512.03385)."""
    sync = {"synchronized": synchronized}
    shortcut = projection(x, filters, strides, name=f"{name}_shortcut", **sync)
    x = conv3x3(x, filters, strides, name=f"{name}_conv1")
    x = blocks.bn_relu(x, name=name, index=1, **sync)
    x = conv3x3(x, filters, 1, name=f"{name}_conv2")
    x = blocks.batch_norm(x, name=f"{name}_bn2", **sync)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu2")(x)


def bottleneck(x, filters, strides, *, name, synchronized=False):
    """1x1, 3x3 and 1x1 convolution, the last to 4 * filters channels.

    The stride is in the 3x3 convolution ("v1.5", as in torchvision), where the paper
    has it in the first 1x1, which skips three of four pixels.
    """
    sync = {"synchronized": synchronized}
    wide = _EXPANSION * filters
    shortcut = projection(x, wide, strides, name=f"{name}_shortcut", **sync)
    x = blocks.conv(x, filters, 1, name=f"{name}_conv1")
    x = blocks.bn_relu(x, name=name, index=1, **sync)
    x = conv3x3(x, filters, strides, name=f"{name}_conv2")
    x = blocks.bn_relu(x, name=name, index=2, **sync)
    x = blocks.conv(x, wide, 1, name=f"{name}_conv3")
    x = blocks.batch_norm(x, name=f"{name}_bn3", **sync)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu3")(x)


def preact_block(x, filters, strides, *, name, dropout=0.0, synchronized=False):
    """BatchNorm and ReLU before each of two 3x3 convolutions (arXiv:1603.05027).

    Where shapes differ, the shortcut is a 1x1 convolution of the pre-activated input,
    without BatchNorm, as in the published code of PreActResNet and WRN. Dropout, if
    any, stands before the second convolution (arXiv:1605.07146).
    """
    active = blocks.bn_relu(x, name=name, index=1, synchronized=synchronized)
    shortcut = x
    if _differs(x, filters, strides):
        shortcut = _pointwise(active, filters, strides, name=f"{name}_shortcut_conv")
    x = conv3x3(active, filters, strides, name=f"{name}_conv1")
    x = blocks.bn_relu(x, name=name, index=2, synchronized=synchronized)
    if dropout:
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    x = conv3x3(x, filters, 1, name=f"{name}_conv2")
    return layers.Add(name=f"{name}_add")([x, shortcut])


def conv3x3(x, filters, strides, *, name):
    """3x3 convolution that pads one pixel on each side.

    TensorFlow's 'same' pads a strided 3x3 convolution by (0, 1), PyTorch by (1, 1);
    published weights need the latter.
    """
    if strides == 1:
        return blocks.conv(x, filters, 3, name=name)
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return blocks.conv(x, filters, 3, strides=strides, padding="valid", name=name)


def projection(x, filters, strides, *, name, synchronized=False):
    """Shortcut of a residual block: 1x1 convolution and BatchNorm where shapes differ.

    Nothing, when `x` already has the shape of the block's output.
    """
    if not _differs(x, filters, strides):
        return x
    x = _pointwise(x, filters, strides, name=f"{name}_conv")
    return blocks.batch_norm(x, name=f"{name}_bn", synchronized=synchronized)


def _differs(x, filters, strides):
    return strides != 1 or x.shape[blocks.channel_axis(x)] != filters


def _pointwise(x, filters, strides, *, name):
    return blocks.conv(x, filters, 1, strides=strides, padding="valid", name=name)
