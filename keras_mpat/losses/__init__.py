"""Formulas of the metric-learning terms, one file each, and their Keras losses.

    losses.ProxyNCA()                             a Keras loss, for `compile`
    losses.n_pair.n_pair(anchors, positives, y)   a formula, per example

Nothing here has variables: prototypes and proxies belong to the heads in `layers`.
"""

from keras_mpat.losses import (
    angular_triplet,
    kl_divergence,
    label_smoothing,
    logit_pairing,
    n_pair,
    nt_xent,
    sinkhorn,
)
from keras_mpat.losses.proxy_anchor import ProxyAnchor
from keras_mpat.losses.proxy_nca import ProxyNCA
from keras_mpat.losses.smoothed_crossentropy import SmoothedCrossentropy
from keras_mpat.losses.soft_triple import SoftTriple

__all__ = [
    "ProxyAnchor",
    "ProxyNCA",
    "SmoothedCrossentropy",
    "SoftTriple",
    "angular_triplet",
    "kl_divergence",
    "label_smoothing",
    "logit_pairing",
    "n_pair",
    "nt_xent",
    "sinkhorn",
]
