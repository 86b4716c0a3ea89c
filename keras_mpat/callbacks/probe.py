"""What a classifier withstands on one fixed batch, measured between updates.

    probe = Probe(classifier, x, y, attack=PGD(Linf(0.3)), seed=0)
    clean, one_step, robust = probe()

BatchNorm uses its averages, the noise is the same each time, and the weights are
arguments of one compiled function: nothing is traced twice and nothing moves.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks import FGSM, Attack
from keras_mpat.objectives import CrossEntropy, class_ids


@dataclass(frozen=True)
class Check:
    """Accuracy on the probe at one moment of training, shares in [0, 1].

    Attributes:
        epoch: epoch that was running or has just ended, from 1; 0 before training.
        batch: batches of that epoch so far; `None` at its end.
        clean: share of the probe that is right without an attack.
        one_step: share that is right and withstands one full step (FGSM).
        robust: share that is right and withstands the guard's attack.
    """

    epoch: int
    batch: int | None
    clean: float
    one_step: float
    robust: float

    @property
    def moment(self) -> str:
        """When, in words."""
        if self.epoch == 0:
            return "before training"
        if self.batch is None:
            return f"epoch {self.epoch}"
        return f"epoch {self.epoch}, batch {self.batch}"


class Probe:
    """Measures a classifier on one batch; call it as often as you like.

    Args:
        classifier: a Keras classifier that ends in logits (B, C).
        x: inputs (N, ...), float32.
        y: labels (N,), (N, 1) or one-hot (N, C).
        attack: the attack whose accuracy is `robust`.
        seed: seed of its noise.
    """

    def __init__(self, classifier, x, y, *, attack: Attack, num_classes: int, seed=0):
        self.classifier = classifier
        self._attacks = (FGSM(attack.threat_model), attack)
        keys = noise.of_indices(seed, np.arange(len(x)))
        x = ops.convert_to_tensor(x, "float32")
        self._batch = (x, class_ids(y, num_classes), keys)
        self._compiled = backend.function(self._measure)

    def __call__(self) -> tuple[float, float, float]:
        """(clean, one_step, robust) of the classifier as it is now."""
        # JAX compiles the values of variables in, so they are arguments.
        values = [ops.convert_to_tensor(v) for v in self.classifier.variables]
        shares = ops.convert_to_numpy(self._compiled(values, *self._batch))
        clean, one_step, robust = map(float, shares)
        return clean, one_step, robust

    def _measure(self, values, x, y, keys):
        mapping = list(zip(self.classifier.variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            right = [self._right(x, y)]
            for attack in self._attacks:
                x_adv = attack(self._logits, x, y, keys)
                right.append(ops.logical_and(right[0], self._right(x_adv, y)))
        return ops.mean(ops.cast(ops.stack(right), "float32"), axis=-1)

    def _logits(self, x):
        return self.classifier(x, training=False)

    def _right(self, x, y):
        logits = ops.cast(self._logits(x), "float32")
        return ops.logical_not(CrossEntropy().fooled(y, logits))
