"""Metrics that Keras lacks: how the weakest class fares."""

import keras
from keras import ops

from keras_mpat.configurable import check_count
from keras_mpat.objectives import class_ids


@keras.saving.register_keras_serializable("keras_mpat")
class WorstClassAccuracy(keras.metrics.Metric):
    """The lowest of the accuracies of the classes, among those with examples.

    An average hides the class that an adversary would pick. `AdversarialModel` reports
    the same of the robust accuracy as `worst_class_robust_accuracy`. Sample weights are
    ignored, as `metrics=["accuracy"]` ignores them.

    Args:
        num_classes: int >= 1, C.
        name: text, the name in the logs.

    Input shape: labels (B,), (B, 1) or one-hot (B, C); scores (B, C).

    Example:
        >>> metric = keras_mpat.metrics.WorstClassAccuracy(2)
        >>> metric.update_state([0, 0, 1], [[1, 0], [0, 1], [0, 1]])
        >>> float(metric.result())
        0.5

    Raises:
        ValueError: `num_classes` below 1, or other than the number of scores.

    References:
        Tian et al., Analysis and Applications of Class-wise Robustness in Adversarial
        Training, arXiv:2105.14240.
    """

    def __init__(self, num_classes, name="worst_class_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        check_count("num_classes", num_classes, "Pass the number of classes.")
        self.num_classes = num_classes
        shape = (num_classes,)
        self.right = self.add_weight(shape=shape, initializer="zeros", name="right")
        self.seen = self.add_weight(shape=shape, initializer="zeros", name="seen")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = ops.convert_to_tensor(y_pred)
        if y_pred.shape[-1] != self.num_classes:
            raise ValueError(
                "`num_classes` must be the number of scores per example. Received: "
                f"num_classes={self.num_classes} and scores of shape "
                f"{tuple(y_pred.shape)}. Pass "
                f"WorstClassAccuracy({y_pred.shape[-1]})."
            )
        labels = class_ids(y_true, self.num_classes)
        self.count(labels, ops.equal(ops.argmax(y_pred, axis=-1), labels))

    def count(self, labels, right):
        """Adds verdicts: labels (B,) int32, right (B,) bool."""
        classes = ops.one_hot(labels, self.num_classes, dtype=self.seen.dtype)
        verdicts = ops.cast(right, self.seen.dtype)
        self.seen.assign(self.seen + ops.sum(classes, axis=0))
        self.right.assign(self.right + ops.matmul(verdicts, classes))

    def result(self):
        seen = ops.convert_to_tensor(self.seen)
        share = self.right / ops.maximum(seen, 1.0)
        lowest = ops.min(ops.where(seen > 0, share, 1.0))
        return ops.where(ops.any(seen > 0), lowest, 0.0)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
