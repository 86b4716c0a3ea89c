"""Self-supervised adversarial initialisations: an encoder before any label is seen."""

from keras_mpat.pretraining.lars import LARS
from keras_mpat.pretraining.views import SimCLRViews

__all__ = [
    "LARS",
    "SimCLRViews",
]
