"""SmallCNN, the MNIST net of TRADES.

classifier = small_cnn()
"""

import keras
from keras import layers

from keras_mpat.models import _blocks as blocks

_SMALLEST = 16  # two valid 3x3 convolutions and a pooling, twice, leave one pixel


def small_cnn(
    num_classes=10,
    *,
    input_shape=(28, 28, 1),
    units=200,
    dropout=0.5,
    mean=0.1307,
    std=0.3081,
    name="small_cnn",
):
    """Four 3x3 convolutions and three dense layers, without BatchNorm.

    The net in which TRADES and many later papers report MNIST at epsilon 0.3. On
    28x28x1 images with ten classes it has exactly 312 202 trainable parameters:
    convolutions 320 + 9 248 + 18 496 + 36 928 (valid padding, so that 28 -> 24 -> 12
    -> 8 -> 4), dense layers 1024*200 + 200, 200*200 + 200 and 200*10 + 10.

    Args:
        num_classes: int >= 2, C. Default 10.
        input_shape: (H, W, C_in), pixels in [0, 1], H and W >= 16.
            Default (28, 28, 1).
        units: int, D, width of both hidden layers and of the embedding. Default 200.
        dropout: float in [0, 1), rate between the hidden layers. Default 0.5.
        mean: float or one per channel, subtracted from the pixels. Default 0.1307;
            the publication feeds raw pixels: mean=0.0, std=1.0.
        std: float or one per channel, > 0, divides them. Default 0.3081 (MNIST).
        name: str, name of the model. Default "small_cnn".

    Returns:
        Functional model (B, H, W, C_in) -> logits (B, C); the embedding (B, D) is the
        input of its last layer, after the ReLU.

    Raises:
        ValueError: for smaller images, less than two classes, a bad `mean` or `std`.

    References:
        Zhang et al., Theoretically Principled Trade-off, arXiv:1901.08573;
        architecture from Carlini and Wagner, arXiv:1608.04644.
    """
    if min(input_shape[:2]) < _SMALLEST:
        raise ValueError(
            f"`input_shape` must be at least {_SMALLEST}x{_SMALLEST} (pixels). "
            f"Received: input_shape={input_shape}. For smaller images take `lenet`."
        )
    inputs = keras.Input(input_shape, name="image")
    x = blocks.normalize(inputs, mean, std)
    for block, width in enumerate((32, 64), start=1):
        for index in (1, 2):
            x = _conv_relu(x, width, name=f"block{block}_{index}")
        x = layers.MaxPooling2D(name=f"pool{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = blocks.dense_relu(x, units, name="hidden1")
    x = layers.Dropout(dropout, name="dropout")(x)
    x = blocks.dense_relu(x, units, name="hidden2")
    return keras.Model(inputs, blocks.logits(x, num_classes), name=name)


def _conv_relu(x, filters, *, name):
    x = layers.Conv2D(
        filters, 3, kernel_initializer=blocks.he_normal("fan_in"), name=f"{name}_conv"
    )(x)
    return layers.ReLU(name=f"{name}_relu")(x)
