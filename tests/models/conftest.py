"""Small classifiers in the layouts users bring, all on 8x8x1 images with 3 classes."""

import keras
import numpy as np
import pytest
from keras import layers

SHAPE = (8, 8, 1)
CLASSES = 3
WIDTH = 6


def _body(image):
    x = layers.Conv2D(4, 3, strides=2, name="conv")(image)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.Flatten(name="flatten")(x)
    return layers.Dense(WIDTH, activation="relu", name="hidden")(x)


def _flat(activation):
    image = keras.Input(SHAPE)
    x = layers.Dense(CLASSES, activation=activation, name="scores")(_body(image))
    return keras.Model(image, x, name="flat")


def _sequential(activation):
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Flatten(),
            layers.Dense(WIDTH, activation="tanh", name="hidden"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(CLASSES, activation=activation, name="scores"),
        ],
        name="sequential",
    )


def _activation_layer(activation):
    image = keras.Input(SHAPE)
    x = layers.Dense(CLASSES, name="scores")(_body(image))
    x = layers.Activation(activation, name="last", dtype="float32")(x)
    return keras.Model(image, x, name="activation_layer")


def _convolution(activation):
    """A last 1x1 convolution on a 1x1 map, as in MobileNet."""
    image = keras.Input(SHAPE)
    x = layers.Conv2D(WIDTH, 3, activation="relu", name="conv")(image)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    x = layers.Conv2D(CLASSES, 1, activation=activation, name="scores")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(image, x, name="convolution")


def _nested_last(activation):
    """The whole net as last layer, behind a scaling layer."""
    image = keras.Input(SHAPE)
    x = layers.Rescaling(2.0, name="scale")(image)
    return keras.Model(image, _flat(activation)(x), name="nested_last")


def _nested_twice(activation):
    """A Sequential whose last layer is a functional model with a nested last model."""
    return keras.Sequential(
        [keras.Input(SHAPE), layers.Rescaling(0.5), _nested_last(activation)],
        name="nested_twice",
    )


def _backbone(activation):
    """A backbone and a Dense behind it, as in transfer learning."""
    inner = keras.Input(SHAPE)
    backbone = keras.Model(inner, _body(inner), name="backbone")
    image = keras.Input(SHAPE)
    x = layers.Rescaling(2.0, name="scale")(image)
    x = backbone(x, training=False)
    x = layers.Dense(CLASSES, activation=activation, name="scores")(x)
    return keras.Model(image, x, name="with_backbone")


LAYOUTS = {
    layout.__name__.strip("_"): layout
    for layout in (
        _flat,
        _sequential,
        _activation_layer,
        _convolution,
        _nested_last,
        _nested_twice,
        _backbone,
    )
}


@pytest.fixture(params=LAYOUTS)
def layout(request):
    """Function activation -> classifier."""
    keras.utils.set_random_seed(3)
    return LAYOUTS[request.param]


@pytest.fixture
def layouts():
    keras.utils.set_random_seed(3)
    return LAYOUTS


@pytest.fixture
def images():
    return np.random.default_rng(0).random((5, *SHAPE), dtype="float32")


@pytest.fixture
def labels():
    return np.array([0, 1, 2, 1, 0])


@pytest.fixture
def train_once(images, labels):
    """One SGD step on cross-entropy from logits."""

    def step(model):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.5), loss=loss)
        model.fit(images, labels, epochs=1, batch_size=5, verbose=0)

    return step
