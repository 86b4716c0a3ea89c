"""What an attack raises: (targets, logits) -> (B,), higher is worse for the model.

One sign convention for the package: attacks ascend. An objective also knows its
targeted form (higher: closer to the target class) and when an example is fooled.
"""

import abc
from dataclasses import dataclass

import keras
from keras import ops

from keras_mpat.configurable import Configurable, check_not_negative

_NEVER = -1e30  # a float32 stand-in for minus infinity that keeps gradients finite


def class_ids(y, num_classes: int):
    """Labels as int32 (B,), from (B,), (B, 1) or one-hot (B, C) of any dtype."""
    y = ops.convert_to_tensor(y)
    if len(y.shape) == 2 and y.shape[-1] == num_classes and num_classes > 1:
        return ops.cast(ops.argmax(y, axis=-1), "int32")
    return ops.cast(ops.reshape(y, (-1,)), "int32")


class Objective(Configurable, abc.ABC):
    """Base of objectives. Subclasses are frozen dataclasses without state."""

    @abc.abstractmethod
    def __call__(self, targets, logits):
        """Value per example.

        Args:
            targets: labels (B,), (B, 1) or one-hot (B, C).
            logits: (B, C) float32.

        Returns:
            (B,); higher is worse for the model.
        """

    @abc.abstractmethod
    def targeted(self, targets, logits):
        """Value per example (B,); higher is closer to the target classes `targets`."""

    def fooled(self, targets, logits):
        """Which examples the model gets wrong, bool (B,)."""
        labels = class_ids(targets, logits.shape[-1])
        wrong = ops.cast(ops.argmax(logits, axis=-1), "int32") != labels
        undefined = ops.any(ops.isnan(logits), axis=-1)  # argmax of NaN is class 0
        return ops.logical_or(wrong, undefined)


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class CrossEntropy(Objective):
    """Cross-entropy of the logits: log(1 + sum_{j != y} exp(z_j - z_y)).

    The own class is left out of the sum, so that its gradient survives in float32 where
    the net is so sure that softmax(z)_y rounds to 1.
    """

    def __call__(self, targets, logits):
        own, others = _own_and_others(targets, logits)
        return ops.softplus(ops.logsumexp(others, axis=-1) - own)

    def targeted(self, targets, logits):
        return -self(targets, logits)


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class Margin(Objective):
    """Carlini and Wagner's margin: -max(z_y - max_{j != y} z_j + kappa, 0).

    Args:
        kappa: the objective keeps growing until the wrong class leads by kappa logits;
            >= 0. With 0 it is flat once the example is fooled.

    References:
        Carlini and Wagner, arXiv:1608.04644, f_6; kappa = 50 as in arXiv:1706.06083.
    """

    kappa: float = 50.0

    def __post_init__(self):
        check_not_negative("kappa", self.kappa, "logits", "The usual value is 50.")

    def __call__(self, targets, logits):
        own, others = _own_and_others(targets, logits)
        return -ops.maximum(own - ops.max(others, axis=-1) + self.kappa, 0.0)

    def targeted(self, targets, logits):
        own, others = _own_and_others(targets, logits)
        return -ops.maximum(ops.max(others, axis=-1) - own + self.kappa, 0.0)


def _own_and_others(targets, logits):
    """z_y (B,), and the logits (B, C) in which z_y can never win."""
    num_classes = logits.shape[-1]
    own = ops.one_hot(class_ids(targets, num_classes), num_classes, dtype=logits.dtype)
    return ops.sum(own * logits, axis=-1), ops.where(own > 0, _NEVER, logits)
