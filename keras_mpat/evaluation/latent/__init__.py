"""Latent analyses: where attacks move examples, among which neighbors they come to lie.

    found = latent_set(model, x, y, attacks.PGD(Linf("8/255"), steps=20))
    knn_accuracy(embeddings(model, x_train), y_train, found.adversarial, found.y)
    predicted = found.adversarial_predicted
    adversarial_ratio(found.clean, found.y, found.adversarial, predicted)

`latent_set.py` holds embeddings and predictions, `building.py` makes them. All else
works on plain arrays: `ratio.py` (how near to the false class), `knn.py` and
`retrieval.py` (on `search.py`, the blockwise search), `projection.py` (maps in two
dimensions), `accuracies.py` (by class and by mode), `confusion.py`.
"""

from keras_mpat.evaluation.latent.accuracies import (
    GroupAccuracies,
    accuracy_table,
    class_accuracies,
    group_accuracies,
    mode_accuracies,
)
from keras_mpat.evaluation.latent.building import latent_set
from keras_mpat.evaluation.latent.confusion import confusion
from keras_mpat.evaluation.latent.knn import knn_accuracy, knn_predict
from keras_mpat.evaluation.latent.latent_set import LatentSet
from keras_mpat.evaluation.latent.projection import project
from keras_mpat.evaluation.latent.ratio import (
    AdversarialRatio,
    ClassRatios,
    adversarial_ratio,
)
from keras_mpat.evaluation.latent.retrieval import Retrieval, retrieve
from keras_mpat.evaluation.latent.search import nearest_rows

__all__ = [
    "AdversarialRatio",
    "ClassRatios",
    "GroupAccuracies",
    "LatentSet",
    "Retrieval",
    "accuracy_table",
    "adversarial_ratio",
    "class_accuracies",
    "confusion",
    "group_accuracies",
    "knn_accuracy",
    "knn_predict",
    "latent_set",
    "mode_accuracies",
    "nearest_rows",
    "project",
    "retrieve",
]
