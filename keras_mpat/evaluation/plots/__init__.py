"""Figures: the only folder that imports matplotlib. It is handed data, not models.

`robustness.py` draws what attacks do, `sheet.py` what prototypes stand for, and
`merging.py` how they merge. `latent_map.py`, `retrieval.py` and `confusion.py` draw
latent analyses.
"""

from keras_mpat.evaluation.plots.confusion import confusion_matrix
from keras_mpat.evaluation.plots.latent_map import MapLayer, latent_map
from keras_mpat.evaluation.plots.merging import (
    prototype_history,
    prototype_similarities,
)
from keras_mpat.evaluation.plots.retrieval import RetrievalRow, retrieval_sheet
from keras_mpat.evaluation.plots.robustness import (
    accuracy_over_epochs,
    adversarial_examples,
    robustness_curves,
    trade_off,
)
from keras_mpat.evaluation.plots.sheet import SheetRow, prototype_sheet

__all__ = [
    "MapLayer",
    "RetrievalRow",
    "SheetRow",
    "accuracy_over_epochs",
    "adversarial_examples",
    "confusion_matrix",
    "latent_map",
    "prototype_history",
    "prototype_sheet",
    "prototype_similarities",
    "retrieval_sheet",
    "robustness_curves",
    "trade_off",
]
