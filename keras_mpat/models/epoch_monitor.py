"""What `AdversarialModel.fit` does between epochs: the schedule, and an alarm.

Training at a large epsilon on few classes can collapse: the net predicts one class for
everything and the loss rests at log C. Keras would go on for hours without a word.
"""

import warnings

import keras
import numpy as np
from keras import ops

_MEMORY = 0.95  # per batch: about the last twenty batches count


class CollapseMetric(keras.metrics.Metric):
    """Recent share of each predicted class; shows nothing in the logs."""

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

    def update_state(self, y_true, y_pred, sample_weight=None):
        predicted = ops.one_hot(ops.argmax(y_pred, axis=-1), self.num_classes)
        expected = ops.one_hot(y_true, self.num_classes)
        for variable, hot in ((self.predicted, predicted), (self.expected, expected)):
            share = ops.cast(ops.mean(hot, axis=0), variable.dtype)
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

    def entropy(self) -> float:
        """Cross-entropy (nats) of always answering with the recent class shares."""
        shares = ops.convert_to_numpy(self.expected)
        shares = shares[shares > 0] / max(shares.sum(), 1e-12)
        return float(-(shares * np.log(shares)).sum())


class EpochMonitor(keras.callbacks.Callback):
    """Moves the schedule of the strategy and warns of a collapse; `fit` adds it."""

    def on_epoch_begin(self, epoch, logs=None):
        steps = self.params.get("steps")
        self.model.strategy.begin_epoch(self.model, epoch, steps)
        if self.model.violations is not None:
            self.model.violations.assign(0.0)

    def _refuse_violations(self, epoch):
        count = 0 if self.model.violations is None else int(self.model.violations)
        if count:
            bounds = self.model.strategy.threat_model.bounds
            raise ValueError(
                f"`x` must be finite and lie in the threat model's bounds {bounds}. "
                f"Received: {count} examples outside in epoch {epoch + 1}. Rescale the "
                "stream, or pass its range: Linf(..., bounds=(lowest, highest))."
            )

    def on_epoch_end(self, epoch, logs=None):
        self._refuse_violations(epoch)
        predicted, expected = self.model.collapse.shares()
        chance = self.model.collapse.entropy()
        stuck = (logs or {}).get("ce_loss", 0.0) > 0.95 * chance
        if predicted > 0.98 and expected < 0.9 and stuck:
            warnings.warn(
                f"Training has collapsed in epoch {epoch + 1}: "
                f"{100 * predicted:.0f} % of the recent predictions are one class and "
                f"the cross-entropy is {logs['ce_loss']:.2f} (chance: {chance:.2f}). "
                "Start again with `warmup_epochs=2` in the strategy, a lower learning "
                "rate, a smaller epsilon, or a SoftTripleHead.",
                stacklevel=2,
            )
