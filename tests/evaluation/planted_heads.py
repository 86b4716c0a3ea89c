"""Classifiers with a head that hides something: saturated, masked, or the wrong one.

Inputs are two numbers in [0, 1]; class 0 is right where the first is above 0.5.
"""

import keras
import numpy as np
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import attacks

BALL = mpat.Linf(0.25)


def head_of(prototypes, **kwargs):
    """A SoftTriple head with these prototypes, (C, K, D)."""
    prototypes = np.array(prototypes, "float32")
    classes, count, size = prototypes.shape
    head = mpat.SoftTripleHead(classes, prototypes_per_class=count, **kwargs)
    head.build((None, size))
    head.built = True
    head.prototypes.assign(prototypes)
    return head


def at(degrees):
    """Points of the unit circle, (..., 2)."""
    radians = np.deg2rad(np.asarray(degrees, "float64"))
    return np.stack([np.cos(radians), np.sin(radians)], axis=-1)


@keras.saving.register_keras_serializable("keras_mpat_tests")
class Rounded(keras.Layer):
    """Logits on a grid: right to 0.01, and without gradient."""

    def call(self, x):
        return ops.stop_gradient(ops.round(100.0 * x) / 100.0)


# Class 0 where the first feature is above 0.5; all of these can be fooled.
X = np.array([[0.6, 0.5], [0.7, 0.2], [0.65, 0.9], [0.4, 0.3], [0.3, 0.5]], "float32")
Y = np.array([0, 0, 0, 1, 1])
PROTOTYPES = [at([0, 20]), at([180, 160])]


def embedded():
    inputs = keras.Input((2,))
    dense = layers.Dense(2, name="embedding")
    embedding = dense(inputs)
    dense.set_weights([np.array([[4.0, 0], [0, 0.0]]), np.array([-2.0, 0.3])])
    return inputs, embedding


def saturated(scale):
    """A head that predicts with similarities of a tiny gamma and a huge scale."""
    head = mpat.SoftTripleHead(2, prototypes_per_class=2, gamma=1e-3, scale=scale)
    model = keras.Model(*(lambda i, e: (i, head(e)))(*embedded()))
    head.prototypes.assign(PROTOTYPES)
    return model


def masked():
    """A classifier without gradient, with a head that has one."""
    inputs, embedding = embedded()
    last = layers.Dense(2, name="last")
    outputs = Rounded(name="rounded")(last(embedding))
    last.set_weights([np.array([[1.0, -1], [0, 0]]), np.zeros(2)])
    model = mpat.AdversarialModel(
        keras.Model(inputs, outputs),
        strategy=mpat.training.StandardTraining(),
        head=head_of(PROTOTYPES),
        feature_layer="embedding",
    )
    return model


def wrong_head():
    """(classifier, an attack on it that climbs the similarities of another head)."""
    inputs, embedding = embedded()
    attack = attacks.LatentAttack(
        BALL,
        features=keras.Model(inputs, embedding),
        head=head_of(PROTOTYPES[::-1]),
        objective=attacks.SimilarityMargin(),
        steps=5,
    )
    return saturated(1.0), attack
