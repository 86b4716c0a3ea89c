"""Pieces shared by the image classifiers: normalization, conv-BN, heads of the net.

The constants are those of the published PyTorch recipes: BatchNorm momentum 0.9 and
epsilon 1e-5 (Keras' own are 0.99 and 1e-3), He-normal kernels, no bias before a
BatchNorm. Stock Keras layers only, so that a saved model loads without this package.
"""

import math

import keras
from keras import initializers, layers

from keras_mpat import backend
from keras_mpat.configurable import check_count, check_widths

# Of the CIFAR-10 training set, per channel, pixels in [0, 1].
CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2471, 0.2435, 0.2616)


def normalize(x, mean, std):
    """Maps pixels in [0, 1] to (x - mean) / std, inside the model.

    Attacks then work in pixel space: the ball and the box keep their meaning, and the
    gradient flows through the normalization like through any other layer.

    Args:
        x: KerasTensor (B, H, W, C_in), pixels in [0, 1].
        mean: float, or one float per channel.
        std: float, or one float per channel, > 0.

    Returns:
        KerasTensor (B, H, W, C_in).

    Raises:
        ValueError: if `std` is not positive, or a sequence has not C_in entries.
    """
    if len(x.shape) != 4:
        raise ValueError(
            "`input_shape` must be (H, W, C_in). Received: "
            f"input_shape={tuple(x.shape[1:])}. For grayscale images add a 1."
        )
    axis = channel_axis(x)
    channels = x.shape[axis]
    mean, std = _per_channel(mean, channels, "mean"), _per_channel(std, channels, "std")
    if min(std) <= 0:
        raise ValueError(
            "`std` must be positive (pixel units, full range 1.0). "
            f"Received: std={std}. Pass std=1.0 to leave the scale as it is."
        )
    variance = [s * s for s in std]
    given = {"mean": mean, "variance": variance, "name": "normalization"}
    return layers.Normalization(axis, **given)(x)


def conv(x, filters, kernel_size, *, name, strides=1, padding="same"):
    """Convolution without bias, with the fan-out He-normal kernels of ResNet."""
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer=he_normal("fan_out"),
        name=name,
    )(x)


def batch_norm(x, *, name, synchronized=False):
    """BatchNorm with the constants of the PyTorch recipes.

    Args:
        x: KerasTensor (B, ..., C_in).
        name: str, name of the layer.
        synchronized: bool, the statistics of a batch are those of all replicas of a
            `tf.distribute` strategy together, not of each for itself. Default False.

    Raises:
        ValueError: if `synchronized` on another backend than TensorFlow.
    """
    if synchronized and backend.NAME != "tensorflow":
        raise ValueError(
            f"`synchronized` must be False on the backend {backend.NAME}: Keras has it "
            "for TensorFlow only. Received: synchronized=True. Leave it out; on JAX "
            "the statistics are those of the whole batch on any number of devices."
        )
    constants = {"momentum": 0.9, "epsilon": 1e-5, "synchronized": bool(synchronized)}
    return layers.BatchNormalization(channel_axis(x), **constants, name=name)(x)


def bn_relu(x, *, name, index="", synchronized=False):
    """BatchNorm and ReLU, named `{name}_bn{index}` and `{name}_relu{index}`."""
    x = batch_norm(x, name=f"{name}_bn{index}", synchronized=synchronized)
    return layers.ReLU(name=f"{name}_relu{index}")(x)


def conv_bn_relu(x, filters, kernel_size, *, name, strides=1, synchronized=False):
    """Convolution, BatchNorm, ReLU with 'same' padding."""
    x = conv(x, filters, kernel_size, strides=strides, name=f"{name}_conv")
    return bn_relu(x, name=name, synchronized=synchronized)


def dense_bn_relu(x, units, *, name, synchronized=False):
    """Dense without bias, BatchNorm, ReLU."""
    x = layers.Dense(
        units,
        use_bias=False,
        kernel_initializer=he_normal("fan_in"),
        name=f"{name}_dense",
    )(x)
    return bn_relu(x, name=name, synchronized=synchronized)


def dense_relu(x, units, *, name):
    """Dense with bias, ReLU."""
    x = layers.Dense(
        units, kernel_initializer=he_normal("fan_in"), name=f"{name}_dense"
    )(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def check_filters(filters, count, fix):
    """Raises unless `filters` are so many numbers of channels."""
    check_widths("filters", filters, "convolutions", fix)
    if len(filters) != count:
        raise ValueError(
            f"`filters` must be {count} numbers of channels. Received: "
            f"filters={tuple(filters)}. {fix}"
        )


def conv_classifier(
    convolutions, num_classes, *, input_shape, units, mean, std, synchronized, name
):
    """Convolutions one behind the other, a hidden layer, logits; with BatchNorm.

    Args:
        convolutions: (filters, kernel size, stride) of each; the i-th is `block{i}`.
        num_classes, input_shape, units, mean, std, synchronized, name: as in `lenet`.

    Returns:
        Functional model (B, H, W, C_in) -> logits (B, C).
    """
    inputs = keras.Input(input_shape, name="image")
    x = normalize(inputs, mean, std)
    sync = {"synchronized": synchronized}
    for index, (filters, size, strides) in enumerate(convolutions, start=1):
        block = {"name": f"block{index}", "strides": strides}
        x = conv_bn_relu(x, filters, size, **block, **sync)
    x = layers.Flatten(name="flatten")(x)
    x = dense_bn_relu(x, units, name="hidden", **sync)
    return keras.Model(inputs, logits(x, num_classes), name=name)


def logits(x, num_classes):
    """Last layer of every classifier here: embedding (B, D) -> logits (B, C).

    Raises:
        ValueError: if `num_classes` is less than 2.
    """
    check_count("num_classes", num_classes, "For a binary problem pass 2.", minimum=2)
    return layers.Dense(
        num_classes, kernel_initializer=he_normal("fan_in"), name="logits"
    )(x)


def he_normal(mode):
    """He-normal initializer, `mode` "fan_in" (dense) or "fan_out" (ResNet convs)."""
    # Untruncated like PyTorch's kaiming_normal_; keras' he_normal is truncated.
    return initializers.VarianceScaling(2.0, mode, "untruncated_normal")


def channel_axis(x) -> int:
    """The axis of the channels: the last, or where Keras' configuration has it."""
    first = keras.config.image_data_format() == "channels_first"
    return 1 if first and len(x.shape) == 4 else -1


def _per_channel(value, channels, name):
    values = [float(value)] * channels if _is_number(value) else list(map(float, value))
    if len(values) != channels or not all(map(math.isfinite, values)):
        raise ValueError(
            f"`{name}` must be a finite float or one per channel ({channels}). "
            f"Received: {name}={value!r}. A single float serves all channels."
        )
    return values


def _is_number(value):
    return isinstance(value, int | float)
