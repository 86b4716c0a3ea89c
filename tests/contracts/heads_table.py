"""Every head: one row each. A new head is one row."""

import keras

import keras_mpat

CLASSES, FEATURES = 3, 6

HEADS = {
    "soft_triple": lambda: keras_mpat.SoftTripleHead(CLASSES, prototypes_per_class=4),
    "soft_triple-single-mode": lambda: keras_mpat.SoftTripleHead(
        CLASSES, prototypes_per_class=1
    ),
    "soft_triple-per-class": lambda: keras_mpat.SoftTripleHead(
        CLASSES, prototypes_per_class=(1, 2, 5), initializer="unit"
    ),
    "soft_triple-no-regularizer": lambda: keras_mpat.SoftTripleHead(
        CLASSES,
        prototypes_per_class=6,
        tau=0.0,
        margin=0.1,
        scale=10.0,
        initializer=keras.initializers.RandomNormal(stddev=0.1, seed=1),
    ),
}
