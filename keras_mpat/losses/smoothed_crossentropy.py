"""Cross-entropy of smoothed labels, for class numbers and logits.

model.compile("sgd", loss=losses.SmoothedCrossentropy(0.1), metrics=["accuracy"])
"""

import keras
from keras import ops

from keras_mpat.configurable import numbers
from keras_mpat.losses.label_smoothing import soft_cross_entropy
from keras_mpat.objectives import class_ids


@keras.saving.register_keras_serializable("keras_mpat")
class SmoothedCrossentropy(keras.losses.Loss):
    """As `keras.losses.CategoricalCrossentropy`, of labels that need not be one-hot.

    The target is 1 - s for the true class plus s / C for each of C classes. Attacks
    ascend the cross-entropy of the labels as they are. Smoothing alone can hide
    gradients: hold AutoAttack against PGD.

    Args:
        label_smoothing: s, in [0, 1): a probability.
        reduction, name, dtype: as in `keras.losses.Loss`.

    Call arguments:
        y_true: labels (B,), (B, 1) or one-hot (B, C).
        y_pred: logits (B, C).

    Raises:
        ValueError: a share outside [0, 1).

    References:
        Szegedy et al., arXiv:1512.00567, section 7.
    """

    def __init__(
        self,
        label_smoothing=0.1,
        reduction="sum_over_batch_size",
        name="smoothed_crossentropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        share = numbers(label_smoothing)
        if share.ndim or not 0 <= share < 1:
            raise ValueError(
                "`label_smoothing` must lie in [0, 1) (a probability). Received: "
                f"label_smoothing={label_smoothing!r}. The usual value is 0.1."
            )
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        num_classes = y_pred.shape[-1]
        labels = class_ids(y_true, num_classes)  # Keras casts labels to float
        own = ops.one_hot(labels, num_classes, dtype="float32")
        share = self.label_smoothing
        return soft_cross_entropy((1 - share) * own + share / num_classes, y_pred)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
