"""Formulas of the metric-learning terms, one file each, and their Keras losses.

Functions are imported from their file: `from keras_mpat.losses.n_pair import n_pair`.
Nothing here has variables: prototypes and proxies belong to the heads in `layers`.
"""

from keras_mpat.losses.proxy_anchor import ProxyAnchor
from keras_mpat.losses.proxy_nca import ProxyNCA
from keras_mpat.losses.soft_triple import SoftTriple

__all__ = ["ProxyAnchor", "ProxyNCA", "SoftTriple"]
