"""Classifiers as users bring them, all on 8x8x1 images with 3 classes and BatchNorm.

A kind is a function without arguments -> (classifier, range of its inputs).
"""

import keras
from keras import layers

SHAPE = (8, 8, 1)
CLASSES = 3
UNIT, GREY = (0, 1), (0, 255)


def _body(image):
    x = layers.Conv2D(4, 3, strides=2, name="conv")(image)
    x = layers.BatchNormalization(momentum=0.5, name="bn")(x)
    x = layers.Flatten(name="flatten")(x)
    return layers.Dense(6, activation="relu", name="hidden")(x)


def _sequential(activation, name):
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(4, 3, strides=2, activation="relu", name="conv"),
            layers.BatchNormalization(momentum=0.5, name="bn"),
            layers.Flatten(),
            layers.Dense(CLASSES, activation=activation, name="scores"),
        ],
        name=name,
    )


def sequential():
    return _sequential(None, "sequential"), UNIT


def softmax():
    return _sequential("softmax", "softmax"), UNIT


def nested():
    """A backbone and a Dense behind it, as in transfer learning."""
    inner = keras.Input(SHAPE)
    backbone = keras.Model(inner, _body(inner), name="backbone")
    image = keras.Input(SHAPE)
    x = backbone(image, training=False)
    return keras.Model(image, layers.Dense(CLASSES, name="scores")(x)), UNIT


def convolution():
    """A 1x1 convolution, global pooling and softmax: no Dense at all."""
    image = keras.Input(SHAPE)
    x = layers.Conv2D(6, 3, strides=2, name="conv")(image)
    x = layers.BatchNormalization(momentum=0.5, name="bn")(x)
    x = layers.Conv2D(CLASSES, 1, name="scores")(layers.ReLU()(x))
    x = layers.Softmax()(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, x, name="convolution"), UNIT


def application():
    """In the layout of keras.applications: grey levels, normalised inside, softmax."""
    image = keras.Input(SHAPE)
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Normalization(mean=0.5, variance=0.1)(x)
    x = layers.Dense(CLASSES, activation="softmax", name="predictions")(_body(x))
    return keras.Model(image, x, name="application"), GREY


@keras.saving.register_keras_serializable("tests")
class WithFeatures(keras.Model):
    """A subclassed classifier that can be given a head."""

    def __init__(self, num_classes=CLASSES, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.conv = layers.Conv2D(4, 3, strides=2, name="conv")
        self.bn = layers.BatchNormalization(momentum=0.5, name="bn")
        self.flatten = layers.Flatten()
        self.drop = layers.Dropout(0.3, seed=2)
        self.scores = layers.Dense(num_classes, name="scores")

    def features(self, x, training=False):
        x = self.bn(self.conv(x), training=training)
        return self.drop(self.flatten(x), training=training)

    def classify(self, embedding):
        return self.scores(embedding)

    def call(self, x, training=False):
        return self.classify(self.features(x, training=training))

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


def built(classifier):
    """A subclassed classifier after its first call."""
    classifier(keras.ops.zeros((2, *SHAPE)))
    return classifier


def subclassed():
    return built(WithFeatures(name="subclassed")), UNIT


KINDS = {
    kind.__name__: kind
    for kind in (sequential, softmax, nested, convolution, application, subclassed)
}
READABLE = [name for name in KINDS if name != "subclassed"]
