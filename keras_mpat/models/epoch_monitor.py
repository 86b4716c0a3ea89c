"""What `AdversarialModel.fit` does between epochs: the schedule, and an alarm.

Training at a large epsilon on few classes can collapse: the net predicts one class for
everything, or anything for no reason, and the loss rests at log C. Keras would go on
for hours without a word.
"""

import math
import warnings

import keras
import numpy as np
from keras import ops

from keras_mpat import backend
from keras_mpat.models.data_checks import threat_models

_MEMORY = 0.95  # per batch: about the last twenty batches count


class CollapseMetric(keras.metrics.Metric):
    """Recent share of each predicted and true class; shows nothing in the logs."""

    def __init__(self, num_classes: int, name="collapse", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        shape = (num_classes,)
        self.predicted = self.add_weight(
            shape=shape, initializer="zeros", name="predicted"
        )
        self.expected = self.add_weight(
            shape=shape, initializer="zeros", name="expected"
        )
        self.weighted = self.add_weight(
            shape=shape, initializer="zeros", name="weighted"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        predicted = ops.one_hot(ops.argmax(y_pred, axis=-1), self.num_classes)
        expected = ops.one_hot(y_true, self.num_classes)
        weighted = expected
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, "float32")
            weighted = expected * ops.reshape(sample_weight, (-1, 1))
        for variable, hot in (
            (self.predicted, predicted),
            (self.expected, expected),
            (self.weighted, weighted),
        ):
            # A replica may have no part of a last batch.
            count = ops.cast(ops.shape(hot)[0], variable.dtype)
            share = ops.cast(ops.sum(hot, axis=0), variable.dtype)
            share = share / ops.maximum(count, 1)
            variable.assign(_MEMORY * variable + (1 - _MEMORY) * share)

    def result(self):
        return {}

    def reset_state(self):
        """Keeps the counts: a memory of batches spans epochs."""

    def shares(self):
        """(predicted, expected): the largest recent share of one class in each.

        (0, 0) before about twenty batches, when an untrained net may well predict one.
        """
        if float(ops.sum(self.expected)) < 1 - _MEMORY**20:
            return [0.0, 0.0]
        largest = []
        for variable in (self.predicted, self.expected):
            largest.append(float(ops.max(variable) / ops.sum(variable)))
        return largest

    def mean_weight(self) -> float:
        """Mean of the recent sample weights; 1 without any."""
        weighted, count = (float(ops.sum(v)) for v in (self.weighted, self.expected))
        return weighted / max(count, 1e-12)

    def entropy(self) -> float:
        """Weighted cross-entropy (nats) of answering with the recent class shares."""
        shares = ops.convert_to_numpy(self.weighted)
        shares = shares[shares > 0] / max(shares.sum(), 1e-12)
        return -self.mean_weight() * float((shares * np.log(shares)).sum())


class EpochMonitor(keras.callbacks.Callback):
    """Moves the schedule, warns of a collapse, names what was wrong in a stream.

    `fit` and `evaluate` add it.
    """

    def __init__(self):
        super().__init__()
        self._place = None  # in words; None outside `fit`
        self._stuck_epochs = 0  # in a row, until now

    def on_epoch_begin(self, epoch, logs=None):
        steps = self.params.get("steps")
        self.model.strategy.begin_epoch(self.model, epoch, steps)
        self._place = f"epoch {epoch + 1}"
        self._forget_violations()

    def on_test_begin(self, logs=None):
        if self._place is not None:  # inside `fit`: first what training has counted
            self._refuse_violations(self._place)
        self._forget_violations()

    def on_test_end(self, logs=None):
        place = "evaluate"
        if self._place is not None:
            place = f"the validation after {self._place}"
        self._refuse_violations(place)

    def _forget_violations(self):
        self.model.violations.assign(ops.zeros((2,)))

    def _refuse_violations(self, place):
        counts = backend.value(self.model.violations)
        inputs, labels = (math.ceil(count) for count in counts)
        self._forget_violations()
        if inputs:
            bounds = [found.bounds for found in threat_models(self.model)]
            inside = "".join(f" and lie in the bounds {b}" for b in bounds[:1])
            raise ValueError(
                f"`x` must be finite{inside}. "
                f"Received: {inputs} examples outside in {place}. Rescale the "
                "stream, or pass its range: Linf(..., bounds=(lowest, highest))."
            )
        if labels:
            raise ValueError(
                f"`y` must hold the classes 0 … {self.model.num_classes - 1}. "
                f"Received: {labels} examples with other labels in {place}. Map the "
                "labels, or give the classifier more outputs."
            )

    def on_epoch_end(self, epoch, logs=None):
        self._refuse_violations(f"epoch {epoch + 1}")
        predicted, expected = self.model.collapse.shares()
        chance = self.model.collapse.entropy()
        stuck = expected and (logs or {}).get("ce_loss", 0.0) > 0.95 * chance
        self._stuck_epochs = self._stuck_epochs + 1 if stuck else 0
        if not stuck or expected >= 0.9:
            return
        if predicted > 0.98:
            what = f"collapsed in epoch {epoch + 1}: {100 * predicted:.0f} % of the "
            what += "recent predictions are one class"
        elif self._stuck_epochs == 2:
            what = f"not learned anything in epochs {epoch} and {epoch + 1}: "
            what += "predictions are no better than chance"
        else:
            return
        warnings.warn(
            f"Training has {what} and the cross-entropy is {logs['ce_loss']:.2f} "
            f"(chance: {chance:.2f}). Start again with `warmup_epochs=2` in the "
            "strategy, a lower learning rate, a smaller epsilon, or a SoftTripleHead.",
            stacklevel=2,
        )
