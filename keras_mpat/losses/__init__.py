"""Formulas of the metric-learning terms, one file each, and their Keras losses.

Nothing here has variables: prototypes and proxies belong to the heads in `layers`.
"""

from keras_mpat.losses.soft_triple import SoftTriple

__all__ = ["SoftTriple"]
