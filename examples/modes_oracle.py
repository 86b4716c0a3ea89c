"""The oracle of examples/modes.py: it learns the digits, and is asked for the class.

    strategy = AdversarialTraining(PGD(ball, objective=PooledCrossEntropy(modes=3)))
    predictor = pooled(model.classifier)      # images -> two logits

Attacks go through the pooling in training, too: the adversary is that of the other
arms. One against the digits would spend itself on pairs of digits of one class.
"""

from dataclasses import dataclass

import keras
from keras import ops

from keras_mpat.configurable import check_count
from keras_mpat.objectives import CrossEntropy, Objective


def pooled(classifier: keras.Model) -> keras.Model:
    """A classifier of 2M modes as one of two classes: the maximum over the members.

    Args:
        classifier: images -> logits (B, 2M), the first M of class 0.
    """
    (logits,) = classifier.outputs
    two = largest(logits, logits.shape[-1] // 2)
    return keras.Model(classifier.inputs[0], two, name=classifier.name)


def largest(logits, modes: int):
    """Logits (B, 2M) of M modes of each class -> (B, 2), the largest of each class."""
    return ops.max(ops.reshape(logits, (-1, 2, modes)), axis=-1)


@keras.saving.register_keras_serializable("examples")
@dataclass(frozen=True, eq=False)
class PooledCrossEntropy(Objective):
    """Cross-entropy of the two classes, of digits as labels and 2M logits of digits.

    Args:
        modes: M, modes of each class, >= 1.

    Raises:
        ValueError: a number below 1.
    """

    modes: int

    def __post_init__(self):
        check_count("modes", self.modes, "It is half the number of logits.")

    def __call__(self, targets, logits):
        return CrossEntropy()(*self._pooled(targets, logits))

    def targeted(self, targets, logits):
        return -self(targets, logits)

    def fooled(self, targets, logits):
        return CrossEntropy().fooled(*self._pooled(targets, logits))

    def _pooled(self, targets, logits):
        return ops.cast(targets, "int32") // self.modes, largest(logits, self.modes)
