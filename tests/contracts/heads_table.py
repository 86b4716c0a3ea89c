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
    "proxy_nca": lambda: keras_mpat.ProxyNCAHead(CLASSES),
    "proxy_nca-without-positive": lambda: keras_mpat.ProxyNCAHead(
        CLASSES, scale=1.0, include_positive=False, initializer="unit"
    ),
    "proxy_anchor": lambda: keras_mpat.ProxyAnchorHead(CLASSES),
    "proxy_anchor-wide": lambda: keras_mpat.ProxyAnchorHead(
        CLASSES,
        scale=8.0,
        margin=0.3,
        initializer=keras.initializers.Orthogonal(seed=1),
    ),
}
# Their losses are one number per batch: what a sample weight does to them is tested in
# tests/losses/test_proxy_anchor.py.
PER_BATCH = {"proxy_anchor", "proxy_anchor-wide"}

# Those that compare the examples of a batch with each other.
PAIR_HEADS = {
    "triplet": keras_mpat.TripletHead,
    "triplet-random": lambda: keras_mpat.TripletHead(
        negatives="random", joint_forward=False
    ),
    "triplet-switched": lambda: keras_mpat.TripletHead(anchor="clean", norm="paper"),
    "triplet-pool": lambda: keras_mpat.TripletHead(negative_pool=2, batch_size=6),
    "n_pair": keras_mpat.NPairHead,
    "n_pair-one-per-class": lambda: keras_mpat.NPairHead(
        normalize=True, one_pair_per_class=True
    ),
}
