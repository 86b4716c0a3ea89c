"""What an attack raises: (targets, logits) -> (B,), higher is worse for the model.

One sign convention for the package: attacks ascend. An objective also knows its
targeted form (higher: closer to the target class) and when an example is fooled.
"""

import abc
from dataclasses import dataclass

import keras
from keras import ops

from keras_mpat.configurable import Configurable, check_not_negative, check_positive

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

    def toward(self, labels, classes, logits):
        """Value per example (B,): away from `labels`, by way of the class `classes`.

        For attacks that aim at one wrong class after the other and succeed with any.
        By default `targeted(classes, logits)`.
        """
        return self.targeted(classes, logits)

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
        own, others = own_and_others(targets, logits)
        return ops.softplus(ops.logsumexp(others, axis=-1) - own)

    def targeted(self, targets, logits):
        return -self(targets, logits)


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class Margin(Objective):
    """Carlini and Wagner's margin: -max(z_y - max_{j != y} z_j + kappa, 0).

    Toward one class it is -max(z_y - z_t + kappa, 0). It divides by nothing and cannot
    saturate, so it serves any number of classes.

    Args:
        kappa: the objective keeps growing until the wrong class leads by kappa logits;
            >= 0. With 0 it is flat once the example is fooled; with `None` it is never
            flat, and exact where small differences count: max_{j != y} z_j - z_y.

    References:
        Carlini and Wagner, arXiv:1608.04644, f_6; kappa = 50 as in arXiv:1706.06083.
    """

    kappa: float | None = 50.0

    def __post_init__(self):
        if self.kappa is not None:
            check_not_negative("kappa", self.kappa, "logits", "The usual value is 50.")

    def __call__(self, targets, logits):
        own, others = own_and_others(targets, logits)
        return self._lead(own - ops.max(others, axis=-1))

    def targeted(self, targets, logits):
        own, others = own_and_others(targets, logits)
        return self._lead(ops.max(others, axis=-1) - own)

    def toward(self, labels, classes, logits):
        return self._lead(_own(labels, logits) - _own(classes, logits))

    def _lead(self, margin):
        return -margin if self.kappa is None else -ops.maximum(margin + self.kappa, 0.0)


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class DLR(Objective):
    """Difference of logits ratio: the margin over the spread of the largest logits.

    With logits in decreasing order z_1 >= z_2 >= ... it is

        -(z_y - max_{j != y} z_j) / (z_1 - z_3),
        -(z_y - z_t) / (z_1 - (z_3 + z_4) / 2)    toward the class t.

    Neither the scale nor the shift of the logits changes it, so it finds gradients
    where a net is so confident that those of cross-entropy vanish. The first form needs
    three classes, the second four; `Margin` needs two.

    Raises:
        ValueError: when it meets logits of too few classes.

    References:
        Croce and Hein, arXiv:2003.01690, section 4.1 and equation 6.
    """

    def __call__(self, targets, logits):
        _check_classes(logits, 3)
        own, others = own_and_others(targets, logits)
        first, _, third = _largest(logits, 3)
        return _ratio(ops.max(others, axis=-1) - own, first - third)

    def targeted(self, targets, logits):
        return -self(targets, logits)

    def toward(self, labels, classes, logits):
        _check_classes(logits, 4)
        first, _, third, fourth = _largest(logits, 4)
        lead = _own(classes, logits) - _own(labels, logits)
        return _ratio(lead, first - (third + fourth) / 2)


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class Scaled(Objective):
    """Another objective of `factor` times the logits, which ranks the classes alike.

    A net whose logits lie far apart has no cross-entropy gradient left in float32; a
    small factor brings it back. One whose logits lie close together has a flat one.

    Args:
        objective: of the scaled logits.
        factor: > 0.
    """

    objective: Objective
    factor: float

    def __post_init__(self):
        if not isinstance(self.objective, Objective):
            raise ValueError(
                "`objective` must be a keras_mpat Objective instance. Received: "
                f"objective={self.objective!r}. Pass objectives.CrossEntropy()."
            )
        fix = "1 leaves the logits as they are."
        check_positive("factor", self.factor, "a factor on logits", fix)

    def __call__(self, targets, logits):
        return self.objective(targets, self.factor * logits)

    def targeted(self, targets, logits):
        return self.objective.targeted(targets, self.factor * logits)

    def toward(self, labels, classes, logits):
        return self.objective.toward(labels, classes, self.factor * logits)


def _check_classes(logits, minimum: int) -> None:
    count = logits.shape[-1]
    if count < minimum:
        raise ValueError(
            f"`objective` must be Margin or CrossEntropy for fewer than {minimum} "
            "classes: DLR divides by the lead over the "
            f"{'third' if minimum == 3 else 'third and the fourth'} logit. Received: "
            f"objective=DLR() and logits of {count} classes. Pass "
            "objectives.Margin(kappa=None), which raises the same lead."
        )


def _largest(logits, count: int):
    """The `count` largest logits in decreasing order, (B,) each."""
    top, _ = ops.top_k(logits, count)
    return ops.unstack(top, count, axis=-1)


def _ratio(lead, spread):
    return lead / (spread + 1e-12)  # three equal logits: finite, as is its gradient


def _own(classes, logits):
    """The logit of one class per example, (B,)."""
    return own_and_others(classes, logits)[0]


def own_and_others(targets, logits):
    """z_y (B,), and the logits (B, C) in which z_y can never win."""
    num_classes = logits.shape[-1]
    own = ops.one_hot(class_ids(targets, num_classes), num_classes, dtype=logits.dtype)
    return ops.sum(own * logits, axis=-1), ops.where(own > 0, _NEVER, logits)
