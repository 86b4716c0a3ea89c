"""Heads: layers that own prototypes and map embeddings to one similarity per class."""

from keras_mpat.layers.head import Head
from keras_mpat.layers.proxy_anchor_head import ProxyAnchorHead
from keras_mpat.layers.proxy_nca_head import ProxyNCAHead
from keras_mpat.layers.soft_triple_head import SoftTripleHead

__all__ = ["Head", "ProxyAnchorHead", "ProxyNCAHead", "SoftTripleHead"]
