"""Heads: layers that own prototypes or proxies, and the metric-learning terms."""

from keras_mpat.layers.head import Head, SimilarityHead
from keras_mpat.layers.soft_triple_head import SoftTripleHead

__all__ = ["Head", "SimilarityHead", "SoftTripleHead"]
