"""Which class is taken for which."""

import numpy as np

from keras_mpat.configurable import check_count
from keras_mpat.evaluation.embeddings import as_array
from keras_mpat.evaluation.latent.inputs import checked_classes


def confusion(y, predicted, num_classes: int) -> np.ndarray:
    """Counts (C, C) of examples by true class (rows) and predicted class (columns).

    Args:
        y: true classes, int (N,).
        predicted: predicted classes, int (N,).
        num_classes: C.

    Raises:
        ValueError: classes that do not fit.
    """
    check_count("num_classes", num_classes, "Pass that of the data.")
    y = checked_classes("y", y, as_array(y).size, num_classes)
    predicted = checked_classes("predicted", predicted, len(y), num_classes)
    cells = np.bincount(num_classes * y + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)
