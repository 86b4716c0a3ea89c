"""Figures: the only folder that imports matplotlib. It is handed data, not models.

`robustness.py` draws what attacks do, `sheet.py` what prototypes stand for,
`merging.py` how they merge, `lines.py` curves of training. `curves.py` and
`surfaces.py` draw what a detector, an accuracy curve and a loss surface say,
`latent_map.py`, `retrieval.py` and `confusion.py` latent analyses. `tuning.py` and
`parallel.py` draw searches, `cost.py` accuracy against minutes, `share_map.py`
shares over two settings. `inline.py` makes figures part of a page.
"""

from keras_mpat.evaluation.plots.confusion import confusion_matrix
from keras_mpat.evaluation.plots.cost import (
    CostPoint,
    cost_of_robustness,
    pareto_front,
)
from keras_mpat.evaluation.plots.curves import (
    accuracy_curves,
    attack_gap,
    roc_curves,
)
from keras_mpat.evaluation.plots.latent_map import MapLayer, latent_map
from keras_mpat.evaluation.plots.lines import lines
from keras_mpat.evaluation.plots.merging import (
    prototype_history,
    prototype_similarities,
)
from keras_mpat.evaluation.plots.parallel import (
    Dimension,
    importance_bars,
    parallel_coordinates,
)
from keras_mpat.evaluation.plots.retrieval import RetrievalRow, retrieval_sheet
from keras_mpat.evaluation.plots.robustness import (
    accuracy_over_epochs,
    adversarial_examples,
    robustness_curves,
    trade_off,
)
from keras_mpat.evaluation.plots.share_map import share_map
from keras_mpat.evaluation.plots.sheet import (
    SheetRow,
    prototype_rows,
    prototype_sheet,
    short,
)
from keras_mpat.evaluation.plots.surfaces import loss_surfaces
from keras_mpat.evaluation.plots.tuning import (
    ScoredPoint,
    TrialCurve,
    score_points,
    trial_curves,
)

__all__ = [
    "CostPoint",
    "Dimension",
    "MapLayer",
    "RetrievalRow",
    "ScoredPoint",
    "SheetRow",
    "TrialCurve",
    "accuracy_curves",
    "accuracy_over_epochs",
    "adversarial_examples",
    "attack_gap",
    "confusion_matrix",
    "cost_of_robustness",
    "importance_bars",
    "latent_map",
    "lines",
    "loss_surfaces",
    "parallel_coordinates",
    "pareto_front",
    "prototype_history",
    "prototype_rows",
    "prototype_sheet",
    "prototype_similarities",
    "retrieval_sheet",
    "robustness_curves",
    "roc_curves",
    "score_points",
    "share_map",
    "short",
    "trade_off",
    "trial_curves",
]
