"""Heads: layers that own prototypes or proxies, and the metric-learning terms.

Beside them ATLD's discriminator, and an input layer that cuts off.
"""

from keras_mpat.layers.discriminator import Discriminator
from keras_mpat.layers.head import Head, PairHead, SimilarityHead
from keras_mpat.layers.n_pair_head import NPairHead
from keras_mpat.layers.proxy_anchor_head import ProxyAnchorHead
from keras_mpat.layers.proxy_nca_head import ProxyNCAHead
from keras_mpat.layers.saturation import Saturation
from keras_mpat.layers.soft_triple_head import SoftTripleHead
from keras_mpat.layers.triplet_head import TripletHead

__all__ = [
    "Discriminator",
    "Head",
    "NPairHead",
    "PairHead",
    "ProxyAnchorHead",
    "ProxyNCAHead",
    "Saturation",
    "SimilarityHead",
    "SoftTripleHead",
    "TripletHead",
]
