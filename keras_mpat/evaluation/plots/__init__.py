"""Figures: the only folder that imports matplotlib. It is handed data, not models.

`robustness.py` draws what attacks do, `sheet.py` what prototypes stand for, and
`merging.py` how they merge.
"""

from keras_mpat.evaluation.plots.lines import lines
from keras_mpat.evaluation.plots.merging import (
    prototype_history,
    prototype_similarities,
)
from keras_mpat.evaluation.plots.robustness import (
    accuracy_over_epochs,
    adversarial_examples,
    robustness_curves,
    trade_off,
)
from keras_mpat.evaluation.plots.sheet import (
    SheetRow,
    prototype_rows,
    prototype_sheet,
    short,
)

__all__ = [
    "SheetRow",
    "accuracy_over_epochs",
    "adversarial_examples",
    "lines",
    "prototype_history",
    "prototype_rows",
    "prototype_sheet",
    "prototype_similarities",
    "robustness_curves",
    "short",
    "trade_off",
]
