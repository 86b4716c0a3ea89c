"""Every method of pretraining: one row each. A new method is one row."""

import keras
import numpy as np
from keras import layers

import keras_mpat
from keras_mpat import pretraining

SHAPE = (6, 6, 1)
BALL = keras_mpat.Linf(0.1)


def classifier(seed=0):
    """Convolution, BatchNormalization, embedding of 5, three logits; all named."""

    def start(number):
        return keras.initializers.GlorotUniform(seed=10 * seed + number)

    image = keras.Input(SHAPE, name="image")
    x = layers.Rescaling(2.0, offset=-1.0, name="scale")(image)
    x = layers.Conv2D(3, 3, strides=2, kernel_initializer=start(1), name="conv")(x)
    x = layers.BatchNormalization(momentum=0.9, name="bn")(x)
    x = layers.Flatten(name="flatten")(layers.ReLU(name="relu")(x))
    x = layers.Dense(5, kernel_initializer=start(2), name="hidden")(x)
    x = layers.Dense(3, kernel_initializer=start(3), name="logits")(x)
    return keras.Model(image, x, name="toy")


def images(count=8, seed=0):
    """Images in [0, 1], float32 (count, 6, 6, 1)."""
    return np.random.default_rng(seed).random((count, *SHAPE), dtype="float32")


def _acl(mode):
    def make(net, ball=BALL, **kwargs):
        kwargs = {"mode": mode, "steps": 2, "projection": (12, 6), **kwargs}
        return pretraining.ACL(net, ball, **kwargs)

    return make


def _rocl(**settings):
    def make(net, ball=BALL, **kwargs):
        kwargs = {"projection": (12, 6), "steps": 2, **settings, **kwargs}
        return pretraining.RoCL(net, ball, **kwargs)

    return make


METHODS = {
    "rocl": _rocl(),
    "rocl-three-views-only": _rocl(pair_weight=0, one_sided=False),
    "acl-ds": _acl("ds"),
    "acl-a2a": _acl("a2a"),
    "acl-a2s": _acl("a2s"),
}


def compiled(make, *, eager=True, **kwargs):
    """A method on the toy classifier; eager, because a few steps need no graph."""
    projectors = np.random.default_rng(5)
    model = make(classifier(), **kwargs)
    for variable in model.trainable_variables:  # alike, whatever was made before
        if variable.path.startswith("projection") and variable.name == "kernel":
            variable.assign(projectors.normal(size=variable.shape) / 2)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), run_eagerly=eager)
    return model
