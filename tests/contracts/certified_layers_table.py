"""Layers that have bounds: one row each, as the part of a model between input and head.

A row is (input shape, function KerasTensor -> KerasTensor). Of a row in `ATTAINED` the
box is the smallest one: some input reaches each bound. Rows with a * run on every
backend, the others on TensorFlow: tracing them takes time.
"""

import keras
import numpy as np
from keras import layers

IMAGE, ROW = (6, 5, 2), (7, 3)


def _normalized(x):
    layer = layers.Normalization(axis=-1)
    layer.build(x.shape)
    layer.adapt(np.random.default_rng(0).normal(size=(20, *x.shape[1:])))
    return layer(x)


def _nested(x):
    inner = keras.Sequential([keras.Input(IMAGE), layers.Conv2D(3, 2), layers.ReLU()])
    seen = keras.Input(IMAGE)
    outer = keras.Model(seen, layers.MaxPooling2D()(inner(seen)))
    return outer(x)


def _residual(x):
    inside = layers.Conv2D(2, 3, padding="same", activation="relu")(x)
    inside = layers.Conv2D(2, 3, padding="same")(layers.Dropout(0.5)(inside))
    return layers.ReLU()(layers.Add()([x, inside, x]))


def _shared(x):
    layer = layers.Conv2D(2, 3, padding="same", activation="tanh")
    return layers.Concatenate()([layer(x), layer(layer(x)), x])


def _prelu_chain(x):
    x = layers.Dense(6, activation="leaky_relu")(x)
    x = layers.Dense(5, activation=layers.ReLU(negative_slope=0.3))(x)
    return layers.Dense(4, activation="relu")(x)


ATTAINED = {
    "Dense": (ROW, layers.Dense(4)),
    "Dense without bias": (ROW, layers.Dense(4, use_bias=False)),
    "Conv1D": (ROW, layers.Conv1D(4, 3, strides=2, padding="same")),
    "Conv2D": (IMAGE, layers.Conv2D(3, 3)),
    "Conv2D, same, strides*": (IMAGE, layers.Conv2D(3, 3, strides=2, padding="same")),
    "Conv2D, dilated": (IMAGE, layers.Conv2D(3, 2, dilation_rate=2)),
    "Conv2D, groups": ((6, 5, 4), layers.Conv2D(4, 3, groups=2, padding="same")),
    "DepthwiseConv2D*": (IMAGE, layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "BatchNormalization*": (IMAGE, layers.BatchNormalization()),
    "BatchNormalization, axis 1": (
        IMAGE,
        layers.BatchNormalization(axis=1, scale=False, center=False),
    ),
    "Normalization": (IMAGE, layers.Normalization(mean=[0.4, 0.1], variance=[0.2, 3])),
    "Normalization, inverted": (
        IMAGE,
        layers.Normalization(mean=0.4, variance=0.2, invert=True),
    ),
    "Normalization, adapted": (IMAGE, _normalized),
    "Rescaling": (IMAGE, layers.Rescaling(-2.0, offset=0.3)),
    "Rescaling per channel": (IMAGE, layers.Rescaling([2.0, -1.0], offset=[0.0, 3.0])),
    "ReLU": (ROW, layers.ReLU()),
    "ReLU, leaky and capped": (ROW, layers.ReLU(max_value=0.4, negative_slope=0.1)),
    "LeakyReLU": (ROW, layers.LeakyReLU(negative_slope=0.2)),
    "ELU": (ROW, layers.ELU()),
    "tanh": (ROW, layers.Activation("tanh")),
    "sigmoid": (ROW, layers.Activation("sigmoid")),
    "softplus": (ROW, layers.Activation("softplus")),
    "MaxPooling2D": (IMAGE, layers.MaxPooling2D(2)),
    "MaxPooling2D, overlapping*": (
        IMAGE,
        layers.MaxPooling2D(3, strides=1, padding="same"),
    ),
    "AveragePooling2D*": (IMAGE, layers.AveragePooling2D(2, padding="same")),
    "GlobalAveragePooling2D": (IMAGE, layers.GlobalAveragePooling2D()),
    "GlobalMaxPooling2D": (IMAGE, layers.GlobalMaxPooling2D()),
    "GlobalAveragePooling1D": (ROW, layers.GlobalAveragePooling1D()),
    "ZeroPadding2D": (IMAGE, layers.ZeroPadding2D(((1, 0), (2, 1)))),
    "Cropping2D": (IMAGE, layers.Cropping2D(1)),
    "Flatten": (IMAGE, layers.Flatten()),
    "Reshape": (IMAGE, layers.Reshape((-1, 4))),
    "Permute": (IMAGE, layers.Permute((3, 1, 2))),
    "Dropout": (IMAGE, layers.Dropout(0.5)),
    "GaussianNoise": (IMAGE, layers.GaussianNoise(1.0)),
}
CONTAINED = {
    "Dense with ReLU": (ROW, layers.Dense(4, activation="relu")),
    "nested models*": (IMAGE, _nested),
    "Add*": (IMAGE, _residual),
    "Concatenate, a shared layer*": (IMAGE, _shared),
    "ReLUs of three kinds*": (ROW, _prelu_chain),
}


def model(row):
    """(features, classifier): the row's part alone, and with three logits behind it."""
    shape, part = row
    x = keras.Input(shape)
    features = part(x)
    logits = layers.Dense(3)(layers.Flatten()(features))
    classifier = keras.Model(x, logits)
    rng = np.random.default_rng(1)
    for variable in classifier.weights:
        if variable.name in ("kernel", "bias", "beta", "moving_mean", "gamma"):
            variable.assign(rng.normal(size=variable.shape))
        elif variable.name == "moving_variance":
            variable.assign(rng.uniform(0.1, 2.0, size=variable.shape))
    return keras.Model(x, features), classifier
